"""The access log: who asked for which secret, in a chain that shows edits, deletions, insertions and cuts.

A line is a JSON object and, behind a space, HMAC-SHA256 over the chain's value before it and the object's bytes; that
is the chain's next value. The value at some line is anchored outside the folder, which shows a cut behind it. What was
written since can be cut by whoever may write the file, and nobody can tell: so it is anchored often.

A secret's name stands here, its value never.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import VaultIOError
from app.engine.files import sync_file
from app.engine.regular import read_regular
from app.keys.interlock import Interlock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from app.engine.clock import Clock
    from app.keys.anchor import Anchored

_log = structlog.get_logger(__name__)

LARGEST_PART = 2 * 1024 * 1024
"""Bytes: some 8,000 accesses. Then the log goes on in a new file."""

PARTS = 8
"""How many full files are kept beside the one that is written."""

LONGEST_FIELD = 200
"""Characters of a reason, a program's name, or what was asked for as a secret's."""

_START = bytes(32)
_PART = re.compile(r"access-\d{10}\.log\Z")


class Action(StrEnum):
    """What was done."""

    CREATE = "create"
    UNLOCK = "unlock"
    LOCK = "lock"
    GET = "get"
    COPY = "copy"
    USE = "use"
    """Given to a program in its environment."""
    SET = "set"
    EDIT = "edit"
    REMOVE = "remove"
    ROTATE = "rotate"
    ROTATE_MASTER = "rotate-master"
    SLOTS = "slots"
    IMPORT = "import"
    EXPORT = "export"
    MIGRATE = "migrate"
    RESTORE = "restore"
    ACCEPT = "accept"
    """A person said that a file the anchor did not know is theirs."""
    REPAIR = "repair"
    """A last line that a killed program had written in part was taken away."""
    GAP = "gap"
    """The log had more lines before than were found now."""


@dataclass(frozen=True, slots=True)
class Access:
    """One access, as it is to be told.

    Attributes:
        name: The secret's; empty when it is about none.
        result: "ok", or what became of it in a word.
        why: What it was for.
    """

    action: Action
    name: str = ""
    result: str = "ok"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log.

    Attributes:
        number: Counted from 1, over all parts.
        at: Wall-clock time in seconds since the epoch.
        program: What asked: `watchkeeper keys get`, say, and its process id.
        key: The id of the master key that the chain's key comes of.
    """

    number: int
    at: float
    program: str
    pid: int
    access: Access
    key: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a look at the whole log came to.

    Attributes:
        lines: How many were read.
        problems: What is wrong, one sentence each; empty when the chain holds.
        unanchored: How many lines behind the last anchor, whose cutting nobody could tell.
    """

    lines: int
    problems: tuple[str, ...]
    unanchored: int

    @property
    def holds(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _End:
    """Where the log ended when it was looked at last."""

    number: int
    head: bytes
    file: tuple[int, int] | None
    size: int


_NOTHING = _End(0, _START, None, 0)


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
        for path in reversed(self._parts()):
            for raw in reversed(_lines_of(_content(path))):
                with suppress(ValueError):
                    found.append(_split_line(raw)[0])
                if len(found) >= limit:
                    return tuple(found)
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
        return check(contents, keys, anchored)

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
        number, head = _end_of(whole)
        if number == 0 and (older := self._parts()[:-1]):
            number, head = _end_of(_content(older[-1]))
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
            for raw in reversed(_lines_of(_content(path))):
                with suppress(ValueError):
                    line, _, mac, _ = _split_line(raw)
                    if line.number == anchored.log_lines:
                        return mac.hex() == anchored.log_head
                    oldest = line.number
        return anchored.log_lines == 0 or oldest > anchored.log_lines

    def _written(self, end: _End, access: Access, key_id: str, key: bytes) -> _End:
        if end.size >= LARGEST_PART:
            end = self._divided(end)
        raw = _dumped(Line(end.number + 1, self._clock.wall(), self._program, os.getpid(), access, key_id), end)
        head = _chained(key, end.head, raw)
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


def check(contents: Sequence[bytes], keys: Mapping[str, bytes], anchored: Anchored | None) -> Report:
    """Return what is wrong with a log's files.

    Args:
        contents: Their bytes, the oldest first.
        keys: The chain's keys, by the id of the master key that each comes of.
        anchored: What is remembered outside; None when nothing is.
    """
    problems: list[str] = []
    number, head, count = 0, _START, 0
    remembered = anchored.log_lines if anchored is not None else 0
    reached = remembered == 0
    for raw in (each for content in contents for each in _lines_of(content)):
        try:
            line, previous, mac, signed = _split_line(raw)
        except ValueError:
            problems.append(f"Behind line {number} stands something that is no line of the log.")
            break
        if count == 0 and previous:
            number, head = line.number - 1, previous
            if number and len(contents) <= PARTS:
                problems.append(f"The log begins with line {line.number}, and what came before was not yet to go.")
                break
            reached = reached or remembered <= number  # the line remembered lies in a part that is no longer kept
        key = keys.get(line.key)
        if key is None or not hmac.compare_digest(mac, _chained(key, head, signed)) or line.number != number + 1:
            problems.append(f"Line {number + 1} is not what was written: it was changed, or lines before it are gone.")
            break
        number, head, count = line.number, mac, count + 1
        if line.access.action is Action.GAP:
            problems.append(f"Lines {line.access.result} were gone when line {line.number} was written.")
        if anchored is not None and number == remembered:
            reached = True
            if head.hex() != anchored.log_head:
                problems.append(f"Line {number} is not the one that the keychain remembers.")
                break
    if not reached and not problems:
        problems.append(f"The log ends with line {number}, and the keychain remembers line {remembered}: it was cut.")
    return Report(count, tuple(problems), max(0, number - remembered))


def _chained(key: bytes, head: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, head + signed, "sha256")


def _dumped(line: Line, end: _End) -> bytes:
    access = line.access
    found: dict[str, str | int | float] = {
        "action": access.action,
        "at": round(line.at, 3),
        "key": line.key,
        "name": access.name[:LONGEST_FIELD],
        "number": line.number,
        "pid": line.pid,
        "program": line.program,
        "result": access.result[:LONGEST_FIELD],
        "why": access.why[:LONGEST_FIELD],
    }
    if end.size == 0:
        found["previous"] = end.head.hex()
    return json.dumps(found, sort_keys=True, separators=(",", ":")).encode("ascii")


def _lines_of(content: bytes) -> list[bytes]:
    """Return the lines; a torn last one is one too."""
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _split_line(raw: bytes) -> tuple[Line, bytes, bytes, bytes]:
    """Return a line, the chain's value before it where it tells that, its own, and the bytes that it signs.

    Raises:
        ValueError: It is no line of the log, or not as it was written: every byte counts.
    """
    signed, _, mac = raw.rpartition(b" ")
    if len(mac) != 2 * len(_START) or mac != mac.lower():
        raise ValueError("no line of the log")
    line, previous = _parsed_signed(signed)
    return line, previous, bytes.fromhex(mac.decode("ascii")), signed


def _parsed_signed(signed: bytes) -> tuple[Line, bytes]:
    try:
        found = json.loads(signed)
        access = Access(Action(found["action"]), str(found["name"]), str(found["result"]), str(found["why"]))
        line = Line(
            int(found["number"]),
            float(found["at"]),
            str(found["program"]),
            int(found["pid"]),
            access,
            str(found["key"]),
        )
        return line, bytes.fromhex(found.get("previous", ""))
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("no line of the log") from error


def _end_of(content: bytes) -> tuple[int, bytes]:
    """Return the number of the last line of a file, and the chain's value there; nothing where there is none."""
    for raw in reversed(_lines_of(content)):
        with suppress(ValueError):
            line, _, mac, _ = _split_line(raw)
            return line.number, mac
    return 0, _START


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, 4 * LARGEST_PART)
    except FileNotFoundError:
        return b""


def _unreadable(path: Path, error: OSError) -> VaultIOError:
    return VaultIOError(
        f"The access log {path} cannot be read: {error.strerror or error}.", "Check the rights of its folder."
    )
