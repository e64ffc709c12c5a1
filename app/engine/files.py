"""Files that are either the old content or the new one, whatever happens in between.

The order: a temporary in the same folder, made with O_EXCL and mode 0600, written, flushed, fsynced, put in the old
one's place, and the folder fsynced. All of it blocks: call it in a thread.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.get_logger(__name__)

RETRY_FOR_S = 2.0
"""How long a replace is tried on Windows while a scanner or an indexer holds the file open."""
RETRY_EVERY_S = 0.02
PRIVATE = 0o600
STALE_AFTER_S = 60.0
"""A temporary younger than this may belong to a writer that lives."""

_ACCESS_DENIED = 5
_SHARING_VIOLATION = 32
_TEMPORARY = re.compile(r"\.wk-(?P<pid>\d+)-[0-9a-f]{12}\.tmp(?:-(?:journal|wal|shm))?\Z")
"""A temporary, or one of the files that SQLite lays beside it."""


def _untold(_step: str) -> None:
    return


def temporary_in(folder: Path) -> Path:
    """Return a path that nobody else has, for a file in the making: `sweep_temporaries` removes what a kill leaves."""
    return folder / f".wk-{os.getpid()}-{secrets.token_hex(6)}.tmp"


def write_atomic(
    path: Path,
    content: bytes,
    *,
    mode: int = PRIVATE,
    sync: bool = True,
    follow: bool = True,
    on_step: Callable[[str], None] = _untold,
) -> None:
    """Write a file so that a reader, a crash or a power cut finds the old content or the new one, never a part.

    A symbolic link is followed: its target is replaced and the link stays, unless it is not to be followed.

    Args:
        path: The file; its folder must exist.
        content: The whole content.
        mode: Permission bits of the new file on POSIX.
        sync: False for what is worth nothing after a power cut, and so need not be waited for.
        follow: False where others may have put a link: the link itself is replaced, and what it leads to stays.
        on_step: Is told the name of each step before it is taken: create, write, sync, replace, sync folder.

    Raises:
        OSError: The folder is missing or read-only, or the disk is full; the old content is intact then.
    """
    target = Path(os.path.realpath(path)) if follow else Path(os.path.realpath(path.parent), path.name)
    temporary = temporary_in(target.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    on_step("create")
    descriptor = os.open(temporary, flags, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            on_step("write")
            file.write(content)
            file.flush()
            if mode != PRIVATE and sys.platform != "win32":
                os.fchmod(file.fileno(), mode)
            if sync:
                on_step("sync")
                os.fsync(file.fileno())
        on_step("replace")
        _until_free(lambda: temporary.replace(target))
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        on_step("sync folder")
        sync_folder(target.parent)


def sync_file(path: Path) -> None:
    """Make the content of a file durable that another library wrote.

    Raises:
        OSError: It cannot be opened for writing, or the disk reports an error.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable. Windows knows no such call, and some network file systems refuse it.

    Raises:
        OSError: The folder cannot be opened.
    """
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep_temporaries(folder: Path) -> int:
    """Remove what writers that were killed left in `folder`; those of writers that live stay. Returns how many went.

    A missing or unreadable folder counts as swept.
    """
    swept = 0
    with suppress(OSError):
        for entry in sorted(folder.iterdir()):
            if (match := _TEMPORARY.match(entry.name)) and _is_abandoned(entry, int(match["pid"])):
                with suppress(OSError):
                    entry.unlink()
                    swept += 1
    if swept:
        _log.info("temporaries of a killed writer removed", folder=str(folder), count=swept)
    return swept


def _is_abandoned(temporary: Path, pid: int) -> bool:
    if pid == os.getpid():
        return False
    if sys.platform != "win32":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
    # The number may have been given to another program since, so age decides for a writer that seems to live.
    try:
        return time.time() - temporary.stat().st_mtime > STALE_AFTER_S
    except OSError:
        return False


def _until_free(replace: Callable[[], object]) -> None:
    """Do it, and on Windows again for up to `RETRY_FOR_S` while another program holds the file."""
    deadline = time.monotonic() + RETRY_FOR_S
    while True:
        try:
            replace()
        except OSError as error:
            held = getattr(error, "winerror", None) in (_ACCESS_DENIED, _SHARING_VIOLATION)
            if not held or time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_EVERY_S)
        else:
            return
