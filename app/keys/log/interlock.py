"""A lock between programs that costs microseconds: its file stays open, and the kernel drops it with the process.

filelock opens and closes the file each time, which alone takes longer than a whole access to a secret may.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_S = 5.0
"""What is done under this lock takes milliseconds."""

_EVERY_S = 0.002


class Interlock:
    """It. Safe to use from any thread; not to be entered twice by one.

    Args:
        path: Its file; made with the first use, and never removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._descriptor: int | None = None
        self._closing: Callable[[], object] = _nothing

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other programs and threads out.

        Raises:
            TimeoutError: Another program has held it for `WAIT_S`.
            OSError: The file cannot be made.
        """
        with self._turn:
            descriptor = self._locked()
            try:
                yield
            finally:
                _given_back(descriptor)

    def _locked(self) -> int:
        deadline = time.monotonic() + WAIT_S
        while True:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
                # Also closed with this object, whoever drops it.
                self._closing = weakref.finalize(self, os.close, self._descriptor)
            if not _taken(self._descriptor):
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"{self._path} is locked by another program")
                time.sleep(_EVERY_S)
            elif not self._is_removed(self._descriptor):
                return self._descriptor
            else:
                # Others would make and lock a new file, and so do we.
                self._drop()

    def _is_removed(self, descriptor: int) -> bool:
        held = os.fstat(descriptor)
        if held.st_nlink:
            return False
        try:
            return not os.path.samestat(held, self._path.stat())
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        self._closing()
        self._descriptor, self._closing = None, _nothing


def _nothing() -> None:
    return


if sys.platform == "win32":
    import msvcrt

    def _taken(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _given_back(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _taken(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _given_back(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
