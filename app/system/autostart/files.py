"""The files of start entries: read, written and removed, with errors for people."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.domain.errors import CannotError
from app.engine.files import write_atomic
from app.engine.places import make_private
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST = 65_536
READABLE = 0o644
"""As the tools of a desktop write them: they hold no secret."""


def read_entry(path: Path) -> bytes | None:
    """Return a file's content, at most `LONGEST` bytes; None when there is none.

    Raises:
        CannotError: It cannot be read.
    """
    try:
        return read_regular(path, LONGEST)[:LONGEST]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotError(
            f"{path} cannot be read: {error.strerror or error}.", "Look at what lies there, and remove it if it is odd."
        ) from error


def write_entry(path: Path, content: bytes) -> None:
    """Write a file whole, with the folders that it needs.

    Raises:
        CannotError: It cannot be written; what was there is as it was.
    """
    with changing(path):
        make_private(path.parent)
        write_atomic(path, content, mode=READABLE)


def remove_entry(path: Path) -> None:
    """Remove a file or a link; without effect when there is none.

    Raises:
        CannotError: It cannot be removed.
    """
    with changing(path):
        path.unlink(missing_ok=True)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Turn what goes wrong within into an error for people.

    Raises:
        CannotError: Something did.
    """
    try:
        yield
    except OSError as error:
        raise CannotError(
            f"{path} cannot be changed: {error.strerror or error}.",
            "Check the rights of its folder and the space on its disk, then try again.",
        ) from error
