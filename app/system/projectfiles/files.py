"""Reading and writing a file of somebody's project with care: what cannot be read for certain is left alone."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from app.domain.errors import CannotError
from app.engine.files import write_atomic
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 1 << 20
_NEW_MODE = 0o644


def read_text(path: Path) -> str | None:
    """Return a file's text with its line ends as they are; None when there is no file.

    Raises:
        CannotError: It is no regular file, too large, not in UTF-8, or cannot be read.
    """
    try:
        content = read_regular(path, LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise left_alone(path, str(error.strerror or error)) from error
    if len(content) > LARGEST:
        raise left_alone(path, "it is larger than a megabyte")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise left_alone(path, "it is not in UTF-8") from error


def write_text(path: Path, text: str) -> None:
    """Write a file whole, with its old rights if it had any; the folder above it is made.

    Raises:
        CannotError: It cannot be written; what was there is as it was.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _NEW_MODE
        write_atomic(path, text.encode(), mode=mode)
    except OSError as error:
        raise CannotError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Check the rights of the project's folder and the space on its disk.",
        ) from error


def left_alone(path: Path, why: str) -> CannotError:
    """Return the error that says why a file is not touched."""
    return CannotError(f"{path} is left alone: {why.rstrip('.')}.", "Mend or move it, then try again.")
