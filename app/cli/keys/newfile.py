"""Files that must not have been there before, for this user alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from app.domain.errors import CannotError
from app.engine.files import PRIVATE

if TYPE_CHECKING:
    from pathlib import Path


def write_new(path: Path, content: bytes) -> None:
    """Write a new file, durably.

    Raises:
        CannotError: It is there already, or cannot be written: then nothing of it is left.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), PRIVATE)
    except FileExistsError:
        raise CannotError(f"{path} is there already.", "Name a file that is not.") from None
    except OSError as error:
        raise CannotError(f"{path} cannot be written: {error.strerror or error}.", "Name another file.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise CannotError(
            f"{path} cannot be written: {error.strerror or error}.", "Make room, or name another."
        ) from error
