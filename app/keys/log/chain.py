"""The access log: who asked for which secret, in a chain that shows edits, deletions, insertions and cuts.

A line is a JSON object and, behind a space, HMAC-SHA256 over the chain's value before it and the object's bytes; that
is the chain's next value. The value at some line is anchored outside the folder, which shows a cut behind it. What was
written since can be cut by whoever may write the file, and nobody can tell: so it is anchored often.

A secret's name stands here, its value never.
"""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.keys.keychain.anchor import Anchored

LONGEST_FIELD = 200
"""Characters of a reason, a program's name, or what was asked for as a secret's."""

START = bytes(32)
"""The chain's value before its first line."""


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

    @property
    def is_read(self) -> bool:
        """True when a value was given out."""
        return self.action in (Action.GET, Action.COPY, Action.USE) and self.result == "ok"


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


def check(contents: Sequence[bytes], keys: Mapping[str, bytes], anchored: Anchored | None, *, kept: int = 0) -> Report:
    """Return what is wrong with a log's files.

    Args:
        contents: Their bytes, the oldest first.
        keys: The chain's keys, by the id of the master key that each comes of.
        anchored: What is remembered outside; None when nothing is.
        kept: How many full files are kept: with fewer, none may be missing at the beginning.
    """
    problems: list[str] = []
    number, head, count = 0, START, 0
    remembered = anchored.log_lines if anchored is not None else 0
    reached = remembered == 0
    for raw in (each for content in contents for each in lines_of(content)):
        try:
            line, previous, mac, signed = split_line(raw)
        except ValueError:
            problems.append(f"Behind line {number} stands something that is no line of the log.")
            break
        if count == 0 and previous:
            number, head = line.number - 1, previous
            if number and len(contents) <= kept and line.access.action is not Action.RESTORE:
                problems.append(f"The log begins with line {line.number}, and what came before was not yet to go.")
                break
            reached = reached or remembered <= number  # the line remembered lies in a part that is no longer kept
        key = keys.get(line.key)
        if key is None or not hmac.compare_digest(mac, chained(key, head, signed)) or line.number != number + 1:
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


def chained(key: bytes, head: bytes, signed: bytes) -> bytes:
    """Return the chain's value at a line.

    Args:
        key: The chain's key, 32 bytes.
        head: The chain's value before it.
        signed: The line's JSON object.
    """
    return hmac.digest(key, head + signed, "sha256")


def dumped(line: Line, *, previous: bytes | None = None) -> bytes:
    """Return a line's JSON object.

    Args:
        line: It.
        previous: The chain's value before it, told in the first line of each file.
    """
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
    if previous is not None:
        found["previous"] = previous.hex()
    return json.dumps(found, sort_keys=True, separators=(",", ":")).encode("ascii")


def lines_of(content: bytes) -> list[bytes]:
    """Return the lines; a torn last one is one too."""
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def split_line(raw: bytes) -> tuple[Line, bytes, bytes, bytes]:
    """Return a line, the chain's value before it where it tells that, its own, and the bytes that it signs.

    Raises:
        ValueError: It is no line of the log, or not as it was written: every byte counts.
    """
    signed, _, mac = raw.rpartition(b" ")
    if len(mac) != 2 * len(START) or mac != mac.lower():
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


def end_of(content: bytes) -> tuple[int, bytes]:
    """Return the number of the last line of a file, and the chain's value there; nothing where there is none."""
    for raw in reversed(lines_of(content)):
        with suppress(ValueError):
            line, _, mac, _ = split_line(raw)
            return line.number, mac
    return 0, START
