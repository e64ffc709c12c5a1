"""Programs that a test needs beside Python: one that is missing fails it by its name, and skips nothing."""

from __future__ import annotations

import shutil

import pytest


def needed(program: str) -> str:
    """Return where a program is.

    Args:
        program: Its name, or a path.

    Raises:
        pytest.fail.Exception: It is not there.
    """
    found = shutil.which(program)
    if found is None:
        pytest.fail(f"{program} is missing, which this test needs: `bootstrap.py test` installs it.", pytrace=False)
    return found
