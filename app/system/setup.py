"""Starts a setup program as a double click does."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from app.domain.errors import UpdateError

if TYPE_CHECKING:
    from pathlib import Path


def start_setup(path: Path) -> None:
    """Have Windows start it, with its own questions where it has any. Blocks until it is started, not until it ends.

    Raises:
        UpdateError: This is not Windows.
        OSError: It does not start.
    """
    if sys.platform == "win32":
        os.startfile(path)  # noqa: S606 - a shell's way on purpose: it asks what it would ask for a double click
    else:
        raise UpdateError("Only Windows has setup programs.", "Install the package for this system.")
