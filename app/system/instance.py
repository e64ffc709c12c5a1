"""One running Watchkeeper for each user and home."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from app.domain.errors import CannotError
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from filelock import BaseFileLock

    from app.engine.places import Places

_LARGEST_OWNER_FILE = 4096


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds the lock: process id, and wall-clock time of its start (seconds, UTC)."""

    pid: int
    started_at: float


class SingleInstance:
    """A lock that the kernel drops when its process ends, however it ends: nothing stale can block the next start.

    Beside the lock lies a note of who holds it, for people and for `doctor`; it decides nothing.

    Args:
        places: Lock and note lie in its runtime folder.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock: BaseFileLock | None = None

    @property
    def lock_file(self) -> Path:
        """The file that is locked. It stays when the lock is given back."""
        return self._places.runtime / "instance.lock"

    @property
    def owner_file(self) -> Path:
        """The note of who holds the lock (a locked file itself cannot be read on Windows)."""
        return self._places.runtime / "instance.json"

    def acquire(self) -> bool:
        """Take the lock, without waiting. False when another process has it, True when it is ours (already).

        Raises:
            CannotError: The lock cannot be asked for: the folder is not writable, say.
        """
        if self._lock is not None:
            return True
        from filelock import FileLock, Timeout  # noqa: PLC0415 - 100 ms that no short command pays

        self._places.create()
        # thread_local: taken on one thread and given back on another is still one lock.
        lock = FileLock(self.lock_file, timeout=0, mode=0o600, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            raise CannotError(
                f"{self.lock_file} cannot be locked: {error}.", "Set WATCHKEEPER_HOME to a folder on a local disk."
            ) from error
        self._lock = lock
        from app.engine.files import write_atomic  # noqa: PLC0415 - as above

        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            # Not written in place: what lies there may be a FIFO, for whose reader one would wait.
            note = json.dumps({"pid": os.getpid(), "started_at": time.time()}).encode()
            write_atomic(self.owner_file, note, sync=False, follow=False)
        return True

    def release(self) -> None:
        """Give the lock back; without effect when it is not ours."""
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            self.owner_file.unlink()
        self._lock.release()
        self._lock = None

    def owner(self) -> Owner | None:
        """Return who holds the lock as far as the note tells; None when there is none or it cannot be read."""
        try:
            found = json.loads(read_regular(self.owner_file, _LARGEST_OWNER_FILE))
            return Owner(int(found["pid"]), float(found["started_at"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def __enter__(self) -> Self:
        """Return itself; the lock is not taken yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self.release()
