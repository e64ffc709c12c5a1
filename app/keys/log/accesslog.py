"""The access log on disk: one file that is written, and the full ones before it; several programs at once.

See `chain` for its lines. Nothing is read from the vault when it cannot be written.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import VaultIOError
from app.engine.files import sync_file
from app.engine.regular import read_regular
from app.keys.log.chain import (
    LONGEST_FIELD,
    START,
    Access,
    Action,
    Line,
    Report,
    chained,
    check,
    dumped,
    end_of,
    lines_of,
    split_line,
)
from app.keys.log.interlock import Interlock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.engine.clock import Clock
    from app.keys.keychain.anchor import Anchored

_log = structlog.get_logger(__name__)

LARGEST_PART = 2 * 1024 * 1024
"""Bytes: some 8,000 accesses. Then the log goes on in a new file."""

PARTS = 8
"""How many full files are kept beside the one that is written."""

_PART = re.compile(r"access-\d{10}\.log\Z")


@dataclass(frozen=True, slots=True)
class _End:
    """Where the log ended when it was looked at last."""

    number: int
    head: bytes
    file: tuple[int, int] | None
    size: int


_NOTHING = _End(0, START, None, 0)


class AccessLog:
    """It. Safe to use from any thread, and by several programs at once.

    Args:
        folder: Holds `access.log`, its full parts and its lock; must be there with the first line.
        clock: Time.
        program: What this program is called in it.
    """

    def __init__(self, folder: Path, clock: Clock, *, program: str) -> None:
        self.path = folder / "access.log"
        self._folder = folder
        self._clock = clock
        self._program = program[:LONGEST_FIELD]
        self._interlock = Interlock(folder / "access.lock")
        self._end = _NOTHING
        self._lost = 0
        self._gap: str | None = None

    @property
    def gap(self) -> str | None:
        """Which lines are gone, as the next line will tell; None when none are."""
        return self._gap

    @property
    def lost(self) -> int:
        """How many lines that this process had seen were gone when it looked again; 0 while all is well."""
        return self._lost

    def append(self, access: Access, *, key_id: str, key: bytes) -> None:
        """Tell of one access. Takes some tens of microseconds; it outlives this process, not a power cut.

        Args:
            access: It.
            key_id: The id of the master key.
            key: The chain's key that comes of it.

        Raises:
            VaultIOError: It cannot be written: then nothing may be read either.
        """
        try:
            with self._interlock.held():
                found, torn = self._looked_at()
                own = []
                if torn:
                    os.truncate(self.path, found.size)
                    own.append(Access(Action.REPAIR, result=f"{torn} bytes"))
                if self._gap is not None:
                    own.append(Access(Action.GAP, result=self._gap))
                for each in (*own, access):
                    found = self._end = self._written(found, each, key_id, key)
                    self._gap = None if each.action is Action.GAP else self._gap
        except OSError as error:
            raise VaultIOError(
                f"The access log {self.path} cannot be written: {error.strerror or error}.",
                "Nothing is read from the vault without it. Make room, or check the rights of its folder.",
            ) from error

    def set_aside(self) -> None:
        """Keep what there is under other names, and go on with the next number in a new file.

        For a vault that was restored from before a change of its master key: what was told since can no longer be
        proved. The next line must be of Action.RESTORE.

        Raises:
            VaultIOError: It cannot be renamed.
        """
        try:
            with self._interlock.held():
                end, _ = self._looked_at()
                for path in self._parts():
                    if path.exists():
                        path.rename(path.with_name(f"aside-{end.number:010}-{path.name}"))
                self._end = _End(end.number, end.head, None, 0)
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def compare(self, anchored: Anchored) -> None:
        """Look for the line that is remembered outside. If it is not there the next line tells so, for good.

        Raises:
            VaultIOError: It cannot be read.
        """
        try:
            with self._interlock.held():
                found, _ = self._looked_at()
                if not self._holds(anchored):
                    self._miss(min(found.number, anchored.log_lines - 1), anchored.log_lines)
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def head(self, *, durable: bool = False) -> tuple[int, str]:
        """Return how many lines there are, and the chain's value at the last, in hexadecimal.

        Args:
            durable: Have them outlive a power cut first, so that what is remembered of them is not more than is left.

        Raises:
            VaultIOError: It cannot be read.
        """
        try:
            with self._interlock.held():
                found, _ = self._looked_at()
                if durable and found.file is not None:
                    sync_file(self.path)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return found.number, found.head.hex()

    def lines(self, limit: int) -> tuple[Line, ...]:
        """Return the last lines, the newest first, without looking whether the chain holds; odd ones are left out.

        Raises:
            VaultIOError: It cannot be read.
        """
        found: list[Line] = []
        try:
            for path in reversed(self._parts()):
                for raw in reversed(lines_of(_content(path))):
                    with suppress(ValueError):
                        found.append(split_line(raw)[0])
                    if len(found) >= limit:
                        return tuple(found)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return tuple(found)

    def verify(self, keys: Mapping[str, bytes], anchored: Anchored | None) -> Report:
        """Look at the whole log.

        Args:
            keys: The chain's keys, by the id of the master key that each comes of.
            anchored: What is remembered outside; None when nothing is.

        Raises:
            VaultIOError: It cannot be read.
        """
        try:
            with self._interlock.held():
                contents = [_content(path) for path in self._parts()]
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return check(contents, keys, anchored, kept=PARTS)

    def close(self) -> None:
        """Close what is open."""
        self._interlock.close()

    def _looked_at(self) -> tuple[_End, int]:
        """Return where the log ends now, and how many bytes of a torn line follow. Only while it is locked."""
        known = self._end
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            stat = None
        file = (stat.st_dev, stat.st_ino) if stat is not None else None
        size = stat.st_size if stat is not None else 0
        if known.file is not None and (file, size) == (known.file, known.size):
            return known, 0
        content = _content(self.path)
        whole = content[: content.rfind(b"\n") + 1]
        number, head = end_of(whole)
        if number == 0 and (older := self._parts()[:-1]):
            number, head = end_of(_content(older[-1]))
        if known.file is None and not number:
            number, head = known.number, known.head  # nothing was written yet since it was set aside
        if number < known.number:
            self._miss(number, known.number)
        self._end = _End(number, head, file, len(whole))
        return self._end, len(content) - len(whole)

    def _miss(self, last: int, known: int) -> None:
        self._lost += known - last
        self._gap = f"{last + 1}-{known}"
        _log.error("lines of the access log are gone", first=last + 1, last=known)

    def _holds(self, anchored: Anchored) -> bool:
        """True when the line that is remembered is there, or lies in a part that is no longer kept."""
        oldest = 0
        for path in reversed(self._parts()):
            for raw in reversed(lines_of(_content(path))):
                with suppress(ValueError):
                    line, _, mac, _ = split_line(raw)
                    if line.number == anchored.log_lines:
                        return mac.hex() == anchored.log_head
                    oldest = line.number
        return anchored.log_lines == 0 or oldest > anchored.log_lines

    def _written(self, end: _End, access: Access, key_id: str, key: bytes) -> _End:
        if end.size >= LARGEST_PART:
            end = self._divided(end)
        line = Line(end.number + 1, self._clock.wall(), self._program, os.getpid(), access, key_id)
        raw = dumped(line, previous=None if end.size else end.head)
        head = chained(key, end.head, raw)
        content = raw + b" " + head.hex().encode("ascii") + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            if os.write(descriptor, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            stat = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return _End(end.number + 1, head, (stat.st_dev, stat.st_ino), end.size + len(content))

    def _divided(self, end: _End) -> _End:
        """Put the full file aside, and return where the log ends: in a new file.

        Windows refuses that while another program has the file open; then the log goes on in it for a while.
        """
        try:
            self.path.rename(self._folder / f"access-{end.number:010}.log")
        except PermissionError:
            if end.size >= 2 * LARGEST_PART:
                raise
            return end
        for old in self._parts()[:-1][:-PARTS]:
            with suppress(PermissionError):
                old.unlink()
        return _End(end.number, end.head, None, 0)

    def _parts(self) -> list[Path]:
        """Return the files of the log, the oldest first, the one that is written last."""
        full = sorted(path for path in self._folder.glob("access-*.log") if _PART.match(path.name))
        return [*full, self.path]


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, 4 * LARGEST_PART)
    except FileNotFoundError:
        return b""


def _unreadable(path: Path, error: OSError) -> VaultIOError:
    return VaultIOError(
        f"The access log {path} cannot be read: {error.strerror or error}.", "Check the rights of its folder."
    )
