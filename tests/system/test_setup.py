"""Starting a setup program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.domain.errors import UpdateError
from app.system.setup import start_setup

if TYPE_CHECKING:
    from pathlib import Path


def test_only_windows_starts_a_setup_program(tmp_path: Path) -> None:
    """Elsewhere it says so, and starts nothing."""
    with pytest.raises(UpdateError, match="Only Windows"):
        start_setup(tmp_path / "setup.exe")
