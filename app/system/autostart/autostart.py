"""Start at login as a person sees it: one method is in use, or none; what is wrong with it is told."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.errors import CannotError, UsageError, WatchkeeperError
from app.system.autostart.entries import Entry, Start, StartMethod, require_writable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ENABLE = "watchkeeper autostart enable"
_AGAIN = f"Write it anew with: {_ENABLE}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the start at login, and what to do about it."""

    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Status:
    """How things are.

    Attributes:
        entries: What was found, of all methods.
        troubles: What is wrong.
        program: The program that asks.
    """

    entries: tuple[Entry, ...]
    troubles: tuple[Trouble, ...]
    program: tuple[str, ...]

    @property
    def active(self) -> tuple[Entry, ...]:
        """What starts Watchkeeper at the next login, as far as its entry goes."""
        return tuple(entry for entry in self.entries if entry.is_on and entry.start is not None)

    @property
    def is_right(self) -> bool:
        """Whether the program that asks is started at the next login, and nothing is wrong."""
        return bool(self.active) and not self.troubles

    def program_exists(self, entry: Entry) -> bool:
        """Whether what an entry starts is there."""
        return entry.start is not None and _is_there(entry.start.program)

    def is_this_program(self, entry: Entry) -> bool:
        """Whether an entry starts the program that asks."""
        return entry.start is not None and _is_same(entry.start.program, self.program)


class Autostart:
    """Reads and changes how Watchkeeper is started at login.

    An entry that Watchkeeper would not have written is told of, and never touched.

    Args:
        methods: What this system has; the first one is used where none is named.
        program: The program that runs now, as `Start.program`.
        home: Its WATCHKEEPER_HOME; empty where it is not set.
    """

    def __init__(self, methods: Sequence[StartMethod], program: tuple[str, ...], *, home: str = "") -> None:
        self._methods = tuple(methods)
        self._program = program
        self._home = home

    @property
    def usual(self) -> str:
        """The method that is used where none is named."""
        return self._methods[0].name

    def status(self) -> Status:
        """Return how things are.

        Raises:
            CannotError: An entry cannot be read.
        """
        entries = tuple(entry for entry in (method.read() for method in self._methods) if entry is not None)
        troubles = [trouble for entry in entries for trouble in self._troubles(entry)]
        active = [entry for entry in entries if entry.is_on and entry.start is not None]
        if len(active) > 1:
            names = " and ".join(entry.method for entry in active)
            text = f"It is started by {len(active)} methods at once: {names}."
            troubles.insert(0, Trouble(text, f"Keep one: watchkeeper autostart enable --method {active[0].method}"))
        return Status(entries, tuple(troubles), self._program)

    def enable(self, projects: Iterable[Path], named: str | None = None) -> Status:
        """Have the program that runs now started at login by one method, and by no other.

        Args:
            projects: The folders to watch, absolute; none for those of the settings.
            named: The method; None for the system's usual one.

        Raises:
            UsageError: The method is none of this system, or something has a name that cannot be written.
            CannotError: An entry that is not ours is in the way, or one cannot be changed; then all is as it was.
        """
        chosen = self._named(named)
        start = Start(self._program, tuple(map(str, projects)), self._home)
        require_writable(start)
        found = [(method, method.read()) for method in self._methods]
        for _, entry in found:
            _refuse_foreign(entry)
        chosen.write(start)
        removed: list[tuple[StartMethod, Entry]] = []
        try:
            for method, entry in found:
                if method is not chosen and entry is not None:
                    method.remove()
                    removed.append((method, entry))
        except WatchkeeperError:
            self._put_back(chosen, dict(found)[chosen], removed)
            raise
        return self.status()

    def disable(self) -> tuple[Entry, ...]:
        """Have nothing started at login. Returns what there was.

        Raises:
            CannotError: An entry is not ours, or cannot be removed.
        """
        found = [(method, entry) for method in self._methods if (entry := method.read()) is not None]
        for _, entry in found:
            _refuse_foreign(entry)
        for method, _ in found:
            method.remove()
        return tuple(entry for _, entry in found)

    def repair(self) -> tuple[Entry, ...]:
        """Have each entry of ours start the program that runs now; its projects, and whether it is on, stay.

        Returns the entries that started another one, or were written by an older Watchkeeper, as they were.

        Raises:
            CannotError: One cannot be written.
        """
        wrong = [
            (method, entry)
            for method in self._methods
            if (entry := method.read()) is not None
            and entry.start is not None
            and (entry.is_older or not self._starts_this(entry.start))
        ]
        for method, entry in wrong:
            self._move(method, entry)
        return tuple(entry for _, entry in wrong)

    def mend_if_moved(self) -> str:
        """Repair an entry of ours whose program is gone, as the program does at its start; say so, or return nothing.

        An entry with another WATCHKEEPER_HOME is another Watchkeeper's, and one whose program is still there may be
        what the person wants. Raises nothing.
        """
        moved = []
        try:
            for method in self._methods:
                entry = method.read()
                if entry is None or entry.start is None or entry.start.home != self._home:
                    continue
                if not _is_there(entry.start.program):
                    self._move(method, entry)
                    moved.append(entry.start.program[0])
        except WatchkeeperError as error:
            return f"Watchkeeper has moved, and its start at login could not be repaired. {error}"
        return f"Watchkeeper has moved: the start at login now names {self._program[0]}." if moved else ""

    def _starts_this(self, start: Start) -> bool:
        return _is_same(start.program, self._program) and _is_there(start.program)

    def _move(self, method: StartMethod, entry: Entry) -> None:
        if entry.start is not None:
            start = Start(self._program, entry.start.projects, entry.start.home)
            require_writable(start)
            method.move(start)

    def _named(self, name: str | None) -> StartMethod:
        if name is None:
            return self._methods[0]
        for method in self._methods:
            if method.name == name:
                return method
        known = ", ".join(method.name for method in self._methods)
        raise UsageError(f"There is no method {name!r} on this system.", f"There is: {known}.")

    @staticmethod
    def _put_back(chosen: StartMethod, before: Entry | None, removed: list[tuple[StartMethod, Entry]]) -> None:
        """Undo an `enable` that failed half way, as far as that goes."""
        with suppress(WatchkeeperError):
            if before is None:
                chosen.remove()
            elif before.start is not None:
                chosen.write(before.start)
        for method, entry in removed:
            with suppress(WatchkeeperError):
                if entry.start is not None:
                    method.write(entry.start)

    def _troubles(self, entry: Entry) -> Iterable[Trouble]:
        if entry.start is None:
            yield _foreign(entry)
            return
        if entry.trouble:
            yield Trouble(entry.trouble, entry.hint)
        if not entry.is_on:
            text = f"The start by {entry.method} is switched off with the system's own tools."
            yield Trouble(text, "Switch it on there, or with: watchkeeper autostart enable")
        if not _is_there(entry.start.program):
            text = f"{entry.start.program[0]}, which it starts, is not there any more."
            yield Trouble(text, "If Watchkeeper has moved: watchkeeper autostart repair")
        elif not _is_same(entry.start.program, self._program):
            text = f"It starts {entry.start.program[0]}, which is not the Watchkeeper that you asked now."
            yield Trouble(text, "To have this one started: watchkeeper autostart repair")
        elif entry.is_older:
            text = f"{entry.where} was written by an older Watchkeeper, or changed since: this one writes it otherwise."
            yield Trouble(text, "To have it written anew: watchkeeper autostart repair")
        if entry.start.home != self._home:
            theirs, ours = (
                f"WATCHKEEPER_HOME={each}" if each else "no WATCHKEEPER_HOME" for each in _homes(entry, self)
            )
            yield Trouble(f"It starts with {theirs}, but this one has {ours}.", _AGAIN)
        for project in entry.start.projects:
            if not Path(project).is_dir():
                yield Trouble(f"The project {project}, which it names, is not there.", f"{_AGAIN} PATH")


def _homes(entry: Entry, own: Autostart) -> tuple[str, str]:
    return ("" if entry.start is None else entry.start.home), own._home  # noqa: SLF001 - of this file


def _refuse_foreign(entry: Entry | None) -> None:
    if entry is not None and entry.start is None:
        told = _foreign(entry)
        raise CannotError(told.text, told.hint)


def _foreign(entry: Entry) -> Trouble:
    if entry.trouble:
        return Trouble(entry.trouble, entry.hint)
    return Trouble(
        f"{entry.where} is not Watchkeeper's: somebody else wrote it, or it is damaged. It is left alone.",
        f"Look at it. If nobody needs it, remove {entry.where} yourself, then: {_ENABLE}",
    )


def _is_there(program: tuple[str, ...]) -> bool:
    return shutil.which(program[0]) is not None


def _is_same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if one[1:] != other[1:]:
        return False
    if os.path.normcase(one[0]) == os.path.normcase(other[0]):
        return True
    if len(one) > 1:  # one interpreter may serve several environments by links
        return False
    try:
        return Path(shutil.which(one[0]) or one[0]).samefile(other[0])
    except OSError:
        return False
