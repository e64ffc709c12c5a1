"""The vault on disk: one file, a lock beside it, and the five files before it.

The order of a replacement: the file as it is becomes a backup, the new one is written beside it, flushed, fsynced, put
in its place, and the folder fsynced. Killed in between, the old file or the new one is there, whole.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from filelock import FileLock, Timeout

from app.domain.errors import VaultBusy, VaultIOError, VaultMissing
from app.engine.files import RETRY_EVERY_S, RETRY_FOR_S, sweep_temporaries, write_atomic
from app.engine.places import make_private
from app.engine.regular import NotRegular, read_regular
from app.keys.vault.document import LARGEST_FILE, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = structlog.get_logger(__name__)

BACKUPS = 5
LOCK_S = 30.0
"""How long another program may hold the lock: a rotation of a thousand secrets takes a tenth of a second."""

YOUNG_NS = 100_000_000
"""Ten ticks of the slowest clock that Linux gives file times by."""

_WAITS = os.name == "nt"
"""Only Windows refuses a file because another program is at it."""

_BACKUP = re.compile(r"vault-(?P<generation>\d{10})-(?P<digest>[0-9a-f]{8})\.wkv\Z")


@dataclass(frozen=True, slots=True)
class Backup:
    """One of the files before.

    Attributes:
        generation: Which save, as its name says; None for a file that is named otherwise.
        saved_at: When it was made a backup, in seconds since the epoch.
    """

    path: Path
    generation: int | None
    saved_at: float


def _nothing(_step: str) -> None:
    return


class VaultFile:
    """It. All methods block: call them in a thread.

    Args:
        folder: Holds `vault.wkv`, `vault.lock` and `backups/`; created with the first write.
        on_step: Is told the name of each step of a replacement before it is taken.
    """

    def __init__(self, folder: Path, *, on_step: Callable[[str], None] = _nothing) -> None:
        self.path = folder / "vault.wkv"
        self._folder = folder
        self._backups = folder / "backups"
        self._on_step = on_step
        self._lock = FileLock(folder / "vault.lock", mode=0o600)

    @property
    def exists(self) -> bool:
        """True when something stands under its name, whatever it is."""
        return self.path.is_symlink() or self.path.exists()

    @property
    def stamp(self) -> tuple[int, int, int] | None:
        """What changes with each replacement; None without a file, and while it is too young to tell.

        Two files written within one tick of the file system's clock have one time, and may have one size and inode.
        """
        try:
            found = self.path.stat()
        except OSError:
            return None
        if abs(time.time_ns() - found.st_mtime_ns) < YOUNG_NS:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep all other programs from changing the vault. May be entered again by the thread that holds it.

        Raises:
            VaultBusy: Another program has held it for too long.
            VaultIOError: The folder cannot be made or written.
        """
        try:
            make_private(self._folder)
            self._lock.acquire(timeout=LOCK_S)
        except Timeout:
            raise VaultBusy(
                f"Another program has kept the vault locked for {LOCK_S:.0f} s.",
                "See which Watchkeeper still runs: watchkeeper status",
            ) from None
        except OSError as error:
            raise _io_error("locked", self._folder, error) from error
        try:
            yield
        finally:
            self._lock.release()

    def read(self) -> bytes:
        """Return the file's bytes.

        Raises:
            VaultMissing: There is none.
            VaultIOError: It cannot be read, or is no file.
        """
        return self._read(self.path)

    def read_backup(self, backup: Backup) -> bytes:
        """Return a backup's bytes.

        Raises:
            VaultMissing: It is gone.
            VaultIOError: It cannot be read.
        """
        return self._read(backup.path)

    def replace(self, content: bytes, *, generation: int | None) -> None:
        """Put new bytes in the place of the file, which becomes a backup. Only while `held`.

        Args:
            content: All bytes of the new file.
            generation: That of the file there now; None where there is none that is worth a backup.

        Raises:
            VaultIOError: The disk is full or read-only; the old file is as it was.
        """
        try:
            if generation is not None and self.exists:
                self._on_step("backup")
                self._back_up(self.read(), generation)
            write_atomic(self.path, content, on_step=self._on_step)
            self._on_step("prune")
        except OSError as error:
            raise _io_error("written", self.path, error) from error
        # The save is done. What cannot be removed, since Windows has it open elsewhere, say, waits for the next one.
        for backup in self.backups()[BACKUPS:]:
            with suppress(OSError):
                backup.path.unlink()

    def keep_aside(self, content: bytes) -> Path:
        """Keep bytes that are no good as a vault, under a name of their own, and return it.

        Raises:
            VaultIOError: The disk is full or read-only.
        """
        aside = self._folder / f"vault-set-aside-{digest_of(content)[:8]}.wkv"
        try:
            write_atomic(aside, content)
        except OSError as error:
            raise _io_error("kept", aside, error) from error
        return aside

    def backups(self) -> tuple[Backup, ...]:
        """Return those that there are, the newest first."""
        found = []
        with suppress(OSError):
            for path in self._backups.iterdir():
                if match := _BACKUP.match(path.name):
                    with suppress(OSError):
                        found.append(Backup(path, int(match["generation"]), path.stat().st_mtime))
        return tuple(sorted(found, key=lambda each: (each.generation or 0, each.saved_at), reverse=True))

    def sweep(self) -> None:
        """Remove what writers that were killed left."""
        for folder in (self._folder, self._backups):
            sweep_temporaries(folder)

    def _back_up(self, content: bytes, generation: int) -> None:
        make_private(self._backups)
        path = self._backups / f"vault-{generation:010}-{digest_of(content)[:8]}.wkv"
        if not path.exists():
            write_atomic(path, content)

    def _read(self, path: Path) -> bytes:
        try:
            return _read_between(path)
        except FileNotFoundError:
            raise VaultMissing(f"There is no vault in {self._folder}.", "Make one: watchkeeper keys init") from None
        except NotRegular as error:
            raise VaultIOError(f"{path} is no file that can be a vault: {error}.", "Move it away.") from error
        except OSError as error:
            raise _io_error("read", path, error) from error


def _read_between(path: Path) -> bytes:
    """Return a file's bytes. Windows refuses to open it just while another program replaces it: then it waits."""
    deadline = time.monotonic() + RETRY_FOR_S
    while True:
        try:
            return read_regular(path, LARGEST_FILE)
        except PermissionError:
            if not _WAITS or time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_EVERY_S)


def _io_error(done: str, path: Path, error: OSError) -> VaultIOError:
    return VaultIOError(
        f"{path} cannot be {done}: {error.strerror or error}.",
        "The vault is as it was. Check the rights of its folder and the space on its disk.",
    )
