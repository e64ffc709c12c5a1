"""Fetches a release's file into the cache: whole and checked, or not there at all.

It is written under a name of its own, hashed while it comes, and put in its place once its size and SHA-256 are those
that the signed feed announced. What is there already is hashed anew each time: nothing that lies on a disk is believed.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.domain.errors import UpdateError, UpdateRefused
from app.domain.healthwords import size
from app.engine.files import PRIVATE, sweep_temporaries, sync_folder, temporary_in
from app.engine.places import make_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.agents.updates.asking import FeedClient
    from app.domain.releases import ReleaseFile

_log = structlog.get_logger(__name__)

_BLOCK: Final = 1024 * 1024
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TAMPERED: Final = (
    "It was deleted. Try again; if it stays so, get the release from the project's own page, and tell its makers."
)


async def fetch(client: FeedClient, file: ReleaseFile, folder: Path, tell: Callable[[int], None]) -> Path:
    """Return where the file lies, fetched where it is not there yet. Safe to cancel: nothing half done stays.

    Args:
        client: Asks for it.
        file: What the signed feed says of it.
        folder: Where it goes; whatever else lies there is removed.
        tell: Is told how many bytes have come.

    Raises:
        UpdateError: It cannot be had, or there is no room for it.
        UpdateRefused: It is not what was announced, and was deleted.
    """
    try:
        there = await asyncio.to_thread(_prepared, folder, file)
    except OSError as error:
        raise _unwritten(file, folder, error) from error
    if there is not None:
        return there
    target = _Target(folder, file)
    try:
        await target.open()

        async def take(block: bytes) -> None:
            await target.take(block)
            tell(target.count)

        await client.file(file.url, take)
        return await target.finish()
    finally:
        target.drop()


def is_whole(path: Path, file: ReleaseFile) -> bool:
    """Return whether what lies there is the announced file, byte for byte. Blocks: it reads all of it."""
    digest = hashlib.sha256()
    try:
        if path.stat().st_size != file.size:
            return False
        with path.open("rb") as opened:
            while block := opened.read(_BLOCK):
                digest.update(block)
    except OSError:
        return False
    return digest.hexdigest() == file.sha256


def clear(folder: Path, keep: str = "") -> None:
    """Remove what lies in the folder, but a file of this name, and what a writer that lives is at. Blocks."""
    sweep_temporaries(folder)
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.name != keep and not entry.name.startswith(".wk-"):
                with suppress(OSError):
                    entry.unlink()


def _prepared(folder: Path, file: ReleaseFile) -> Path | None:
    """Make the folder, clear it, and return the file where it is there already."""
    make_private(folder)
    clear(folder, file.name)
    path = folder / file.name
    return path if is_whole(path, file) else None


class _Target:
    """The file while it comes. What blocks is done in threads, one call after another."""

    def __init__(self, folder: Path, file: ReleaseFile) -> None:
        self._folder = folder
        self._file = file
        self._path = temporary_in(folder)
        self._opened: Any = None
        self._digest = hashlib.sha256()
        self.count = 0

    async def open(self) -> None:
        await asyncio.to_thread(self._guarded, self._open)

    async def take(self, block: bytes) -> None:
        self.count += len(block)
        if self.count > self._file.size:
            raise self._tampered(f"is larger than the {self._file.size:,} bytes that were announced")
        await asyncio.to_thread(self._guarded, lambda: self._write(block))

    async def finish(self) -> Path:
        if self.count < self._file.size:
            announced = f"{self._file.size:,} bytes that were announced"
            raise self._tampered(f"has {self.count:,} bytes, not the {announced}")
        if self._digest.hexdigest() != self._file.sha256:
            raise self._tampered("is not what was announced: its SHA-256 is another")
        path = self._folder / self._file.name
        await asyncio.to_thread(self._guarded, lambda: self._put(path))
        return path

    def drop(self) -> None:
        """Close it, and remove what is not in its place."""
        with suppress(OSError):
            if self._opened is not None:
                self._opened.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._opened = os.fdopen(os.open(self._path, flags, PRIVATE), "wb", buffering=_BLOCK)

    def _write(self, block: bytes) -> None:
        self._digest.update(block)
        self._opened.write(block)

    def _put(self, path: Path) -> None:
        self._opened.flush()
        os.fsync(self._opened.fileno())
        self._opened.close()
        self._path.replace(path)
        sync_folder(self._folder)

    def _guarded(self, piece: Callable[[], None]) -> None:
        try:
            piece()
        except OSError as error:
            raise _unwritten(self._file, self._folder, error) from error

    def _tampered(self, what: str) -> UpdateRefused:
        _log.warning("a release's file was refused", file=self._file.name, why=what)
        return UpdateRefused(f"{self._file.name} {what}.", _TAMPERED)


def _unwritten(file: ReleaseFile, folder: Path, error: OSError) -> UpdateError:
    if error.errno in _NO_ROOM:
        return UpdateError(
            f"There is no room for {file.name} ({size(file.size)}) in {folder}.",
            "Make room on that disk, and fetch it again: watchkeeper update download",
        )
    return UpdateError(
        f"{file.name} cannot be written in {folder}: {error.strerror or error}.",
        "Give yourself the right to write there, and fetch it again: watchkeeper update download",
    )
