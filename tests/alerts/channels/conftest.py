"""What the tests of channels share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.alerts.channels.farends import Authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate made for this test alone."""
    return Authority(tmp_path)
