"""How lives of the program end: a record on disk, from which the next life learns how the one before it ended.

In the folder lie

- `current.json`: the life that goes on. It is there from a start until an orderly end, so one that is found at a start
  is of a life that ended otherwise. Its time of change is the life's last sign of life;
- `marker.json`: the last word of a life that could still leave one (stuck, failed, ended by force);
- `ends.json`: the last ten ends of that kind, the newest first;
- `stuck-*.txt`, `failed-*.txt`, `killed-*.txt`: stacks that belong to those;
- `fault.txt`: what faulthandler writes when native code crashes.

Whether a life still goes on is for the single-instance lock to say, never for this record: who writes it holds the
lock. All of it blocks.
"""

from __future__ import annotations

import json
import os
import re
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from app.domain.errors import WatchkeeperError
from app.domain.health import Ending, Exit, UncleanEnd
from app.engine.files import sweep_temporaries, write_atomic
from app.engine.limits import ORDERLY_CODES
from app.engine.patience import Patience
from app.engine.places import make_private
from app.engine.regular import read_regular
from app.engine.statefile import StateFile, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.engine.clock import Clock
    from app.engine.limits import Limits
    from app.engine.places import Places

_log = structlog.get_logger(__name__)

SCHEMA = 1
KEPT = 10
"""Ends that are kept."""
LONGEST_WHERE = 500
"""Characters."""
LARGEST_STACKS = 256 * 1024
"""Bytes of one file of stacks; a hundred threads of a hundred frames have less."""
LAST_WORD_S = 2.0
"""How long a last word may take to be written, or the record of a life to be closed: the disk may be what hangs."""

EXIT_STUCK = 70
"""EX_SOFTWARE of sysexits.h: whoever keeps the program starts it again."""
EXIT_ENDED = 3
"""A program that is kept and whose stop had to be forced: any other code would bring it back, though it was ended."""

_DUMP = re.compile(r"^(?:Fatal Python error|Windows fatal exception): (?P<what>.+)$", re.MULTILINE)
_CURRENT = re.compile(
    r"^Current thread .*\n(?:  File \"(?P<file>.+)\", line (?P<line>\d+) in (?P<name>.+))?", re.MULTILINE
)
_STACKS = re.compile(r"(?:stuck|failed|forced|killed)-[0-9a-z.-]+\.txt\Z")


@dataclass(frozen=True, slots=True)
class Birth:
    """What a life finds at its start.

    Attributes:
        ends: How earlier lives ended that did not end in an orderly way, the newest first.
        is_restart: Whether the life right before this one is the first of them.
        trouble: Why the record cannot be kept, or what of it was set aside, in words; empty while all is well.
    """

    ends: tuple[UncleanEnd, ...] = ()
    is_restart: bool = False
    trouble: str = ""

    def crash_loop(self, limits: Limits, now: float) -> int:
        """Return how many crashes make this start one in safe mode; 0 where it is to be a usual one.

        It is one when the life right before crashed, and with it `crashes_allowed` did within `crash_window_s`. An
        orderly end breaks the row, so a person who ends the program and starts it again gets a usual start. A stop that
        was forced is no crash.

        Args:
            limits: The table.
            now: Wall-clock time: nothing else goes on from one boot of the machine to the next.
        """
        if not self.is_restart:
            return 0
        crashes = sum(
            1 for end in self.ends if end.ending is not Ending.FORCED and abs(now - end.at) <= limits.crash_window_s
        )
        return crashes if crashes >= limits.crashes_allowed else 0


class LifeRecord:
    """The record of this life and of those before it.

    Args:
        folder: Where it lies; made when it is missing.
        clock: Tells the time, for people.
        version: Of the program.
        redact: Takes secrets out of what is written.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, version: str, redact: Callable[[str], str] = lambda text: text
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._version = version
        self._redact = redact
        self._current = StateFile(folder / "current.json", schema=SCHEMA)
        self._marker = StateFile(folder / "marker.json", schema=SCHEMA)
        self._ends = StateFile(folder / "ends.json", schema=SCHEMA)
        self._life = ""

    @property
    def fault_file(self) -> Path:
        """Where faulthandler is to write; empty after `begin`."""
        return self._folder / "fault.txt"

    def begin(self, seen: Exit | None = None) -> Birth:
        """Learn how the life before ended, and begin the record of this one. Never fails.

        Args:
            seen: How what keeps the program saw the last life end: of one that left no word it tells how and when.
        """
        now = self._clock.wall()
        self._life = f"{os.getpid()}-{now:.3f}"
        troubles: list[str] = []
        try:
            make_private(self._folder)
        except OSError as error:
            return Birth(trouble=f"{self._folder} cannot be used ({error.strerror or error}).")
        sweep_temporaries(self._folder)
        sign_of_life = _changed_at(self._current.path)
        before, *told = self._current.read()
        troubles += told
        marker, *told = self._marker.read()
        troubles += told
        state, *told = self._ends.read()
        troubles += told
        entries = _entries(state)
        last = self._last_end(before, marker, sign_of_life, seen)
        if last is not None and last["life"] not in {each["life"] for each in entries}:
            entries = [last, *entries][:KEPT]
        try:
            if last is not None:
                self._ends.write({"ends": entries})
            life = {"schema": SCHEMA, "life": self._life, "pid": os.getpid(), "started_at": now}
            # Unsynced: it outlives the process all the same, and a start does not wait for the disk.
            write_atomic(self._current.path, json.dumps({**life, "version": self._version}).encode(), sync=False)
            self._marker.path.unlink(missing_ok=True)
            self._drop_stacks(entries)
            self.fault_file.unlink(missing_ok=True)
        except OSError as error:
            troubles.append(f"How Watchkeeper ended cannot be written down: {error.strerror or error}.")
        ends = tuple(_end(each) for each in entries)
        return Birth(ends, last is not None, " ".join(each for each in troubles if each))

    def breathe(self) -> None:
        """Give a sign of life, so that after a kill it is known until when this life went on.

        Raises:
            OSError: The record cannot be reached.
        """
        os.utime(self._current.path)

    def mark(self, ending: Ending, where: str, stacks: str = "") -> None:
        """Leave a last word: durable when this returns. From any thread.

        Args:
            ending: How this life ends.
            where: The code that holds it, or the error's name and text.
            stacks: Where its threads are; kept in a file of its own.

        Raises:
            OSError: It cannot be written.
        """
        now = self._clock.wall()
        name = ""
        if stacks:
            name = f"{ending}-{now:.3f}-{os.getpid()}.txt"
            with suppress(OSError):  # the word itself matters more
                write_atomic(self._folder / name, self._redact(stacks).encode("utf-8", "replace")[:LARGEST_STACKS])
        word = _entry(self._life, now, ending, self._redact(where), version=self._version, stacks=name)
        self._marker.write(word)

    def fail(self, error: BaseException) -> None:
        """Leave the word that an error of the program's own reached the top.

        Raises:
            OSError: It cannot be written.
        """
        where = f"{type(error).__name__}: {error}".rstrip(": ")
        self.mark(Ending.FAILED, where, "".join(traceback.format_exception(error)))

    def end(self) -> None:
        """End this life in an orderly way: nothing is left of it."""
        for path in (self._current.path, self._marker.path, self.fault_file):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _last_end(
        self, before: dict[str, Any], marker: dict[str, Any], sign_of_life: float, seen: Exit | None
    ) -> dict[str, Any] | None:
        """Return how the life before ended; None where it did in an orderly way, or there was none."""
        life = _text(before.get("life"))
        word = _entries({"ends": [marker]})
        if word and (not life or word[0]["life"] == life):
            return word[0]
        if not life:
            return None
        at = sign_of_life or number_of(before.get("started_at"))
        if seen is not None and seen.pid not in (0, before.get("pid")):
            seen = None  # of another life: one that ended before it began its record
        at, code = (at, None) if seen is None else (seen.at, seen.code)
        where, stacks = self._fault(at)
        return _entry(life, at, Ending.KILLED, where, version=_text(before.get("version")), stacks=stacks, code=code)

    def _fault(self, at: float) -> tuple[str, str]:
        """Return what a crash of native code left, and the name of the file that it is kept in from now on."""
        try:
            dump = read_regular(self.fault_file, LARGEST_STACKS).decode("utf-8", "replace")
        except OSError:
            return "", ""
        where = fault_place(dump)
        name = f"killed-{at:.3f}.txt"
        with suppress(OSError):
            if where:
                write_atomic(self._folder / name, self._redact(dump).encode("utf-8", "replace")[:LARGEST_STACKS])
                return self._redact(where), name
        return self._redact(where), ""

    def _drop_stacks(self, entries: list[dict[str, Any]]) -> None:
        kept = {each["stacks"] for each in entries}
        for path in self._folder.iterdir():
            if _STACKS.match(path.name) and path.name not in kept:
                path.unlink(missing_ok=True)


@contextmanager
def recorded(record: LifeRecord, seen: Exit | None = None) -> Iterator[Birth]:
    """Keep the record of one life: from its start to its orderly end, or to the error that ends it.

    A WatchkeeperError that only says what cannot be done, Ctrl+C, and sys.exit() with an orderly code are orderly ends.
    """
    birth = record.begin(seen)
    try:
        yield birth
    except BaseException as error:
        failed = None if _is_orderly(error) else error
        _in_time(record.end if failed is None else lambda: record.fail(failed))
        raise
    _in_time(record.end)


def end_at_once(
    record: LifeRecord,
    ending: Ending,
    where: str,
    stacks: str,
    *,
    code: int,
    force: Callable[[int], object] = os._exit,
) -> None:
    """Leave a last word and end the process, whatever else it does; from a thread. Its guards end what it started.

    Args:
        record: Takes the word, for two seconds at most.
        ending: How it ends.
        where: The code that holds it.
        stacks: Where its threads are.
        code: The exit code.
        force: Ends the process.
    """

    def leave() -> None:
        record.mark(ending, where, stacks)
        _log.critical("the program ends itself", ending=ending.value, where=where)

    try:
        _in_time(leave)
    finally:
        force(code)


def _in_time(word: Callable[[], None]) -> None:
    """Do it, within two seconds; where it cannot be done, or the disk does not answer, the end goes on without it."""
    with suppress(OSError):
        Patience("last-word", LAST_WORD_S).do(word)


def lives_folder(places: Places) -> Path:
    """Return the folder of the record."""
    return places.data / "lives"


def files_of_lives(places: Places) -> tuple[Path, ...]:
    """Return the files that tell how lives ended, for a report: the ends, what was marked, and their stacks."""
    folder = lives_folder(places)
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return ()
    own = {"current.json", "ends.json", "marker.json", "fault.txt"}
    return tuple(path for path in found if path.name in own or _STACKS.match(path.name))


def known_ends(places: Places) -> tuple[UncleanEnd, ...]:
    """Return how lives ended as far as it was told to the last one, the newest first. Changes nothing."""
    try:
        content = read_regular(lives_folder(places) / "ends.json", LARGEST_STACKS)
        state = json.loads(content)
    except (OSError, ValueError, RecursionError):
        return ()
    return tuple(_end(each) for each in _entries(state if isinstance(state, dict) else {}))


def fault_place(dump: str) -> str:
    """Return where native code crashed, from what faulthandler wrote: "file.py:12 in name (Segmentation fault)".

    Of several dumps the last one counts: on Windows one may be of an exception that was handled after all. Empty where
    there is none.
    """
    heads = list(_DUMP.finditer(dump))
    if not heads:
        return ""
    what = heads[-1]["what"].strip()
    thread = _CURRENT.search(dump, heads[-1].end())
    if thread is None or thread["file"] is None:
        return what
    return f"{thread['file']}:{thread['line']} in {thread['name'].strip()} ({what})"


def _is_orderly(error: BaseException) -> bool:
    if isinstance(error, WatchkeeperError):
        return error.exit_code in ORDERLY_CODES
    if isinstance(error, SystemExit):
        return error.code is None or error.code in ORDERLY_CODES
    return isinstance(error, KeyboardInterrupt)


def _entry(
    life: str, at: float, ending: Ending, where: str, *, version: str, stacks: str, code: int | None = None
) -> dict[str, Any]:
    where = " ".join(where.split())[:LONGEST_WHERE]
    entry = {"life": life, "at": at, "ending": ending.value, "where": where, "version": version, "stacks": stacks}
    return entry if code is None else {**entry, "code": code}


def _entries(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what can be understood of the ends in a state; a file may have been changed by anybody."""
    found = state.get("ends")
    entries = []
    for each in found if isinstance(found, list) else ():
        if not isinstance(each, dict) or _text(each.get("ending")) not in set(Ending):
            continue
        stacks, code = _text(each.get("stacks")), each.get("code")
        entries.append(
            _entry(
                _text(each.get("life")),
                number_of(each.get("at")),
                Ending(each["ending"]),
                _text(each.get("where")),
                version=_text(each.get("version"))[:LONGEST_WHERE],
                stacks=stacks if _STACKS.match(stacks) else "",
                code=code if type(code) is int else None,
            )
        )
    return entries[:KEPT]


def _end(entry: dict[str, Any]) -> UncleanEnd:
    return UncleanEnd(entry["at"], Ending(entry["ending"]), entry["where"], entry["version"], entry.get("code"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
