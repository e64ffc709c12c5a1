"""Folding, without any input or output: what was noted, how long to wait for more, and what it comes to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.engine.filewatch.changes import ChangeKind, FileChange, json_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

QUIET_S = 0.025
"""How long nothing may happen after a single save before it counts as finished."""

STORM_QUIET_S = 0.5
"""The same in a storm (checkout, code generation)."""

CEILING_S = 2.0
"""Saves that do not end are told in parts this long: a file that is written all the time must not silence the rest."""

STORM_CEILING_S = 10.0
"""The same in a storm of `STORM_EVENTS` and more: a checkout or a generator ends, and half of it is worth no run."""

STORM_EVENTS = 2000

STIR_S = 0.004
"""How long nothing may happen until somebody who wants to know early is told what has been touched so far."""

_SAVE_PATHS = 4
"""Names that a single save touches; the quiet time grows in proportion beyond it."""

_SAVE_EVENTS = 32
"""Raw events of a single save, likewise."""

REWRITE_WINDOW_S = 0.6
"""A second write of the same files this soon after a save is a formatter's (measured: 50 to 500 ms)."""

_HABIT = 2
"""A formatter is expected after rewriting this many saves, and forgotten after sparing twice as many."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is remembered of a file, to tell whether it changed.

    Args:
        size: Bytes.
        mtime_ns: Time of modification. Only compared for equality; file times decide nothing else.
        ctime_ns: Time of the inode's change.
        inode: Number of the inode.
        digest: blake2b of the content (of the target's name, for a symbolic link); None if not read, or too large.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    digest: bytes | None = None

    def same_stat(self, other: Fingerprint) -> bool:
        """Return whether the file was not even touched."""
        return (self.size, self.mtime_ns, self.ctime_ns, self.inode) == (
            other.size,
            other.mtime_ns,
            other.ctime_ns,
            other.inode,
        )

    def same_content(self, other: Fingerprint) -> bool:
        """Return whether the content is the same; by size and time of modification where a digest is missing."""
        if self.digest is not None and other.digest is not None:
            return self.digest == other.digest
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)


def compare(
    before: Mapping[str, Fingerprint | None], now: Callable[[str], Fingerprint | None]
) -> tuple[FileChange, ...]:
    """Return what became of each file, sorted by path.

    Args:
        before: Each file that something happened to, with what it was at the start; None if it was not there.
        now: Gives what a file is now.
    """
    changes = []
    for path, old in before.items():
        new = now(path)
        if old is None and new is None:
            continue
        if old is None:
            kind = ChangeKind.CREATED
        elif new is None:
            kind = ChangeKind.DELETED
        elif old.same_content(new):
            continue
        else:
            kind = ChangeKind.MODIFIED
        changes.append(FileChange(json_safe(path), kind))
    return tuple(sorted(changes, key=lambda change: change.path))


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noted since the last time.

    Args:
        names: Per folder (relative to the root), the names in it that something happened to.
        lost: Something happened that was not noted: compare the whole tree.
        paths: How many names.
        events: How many raw events.
        first_at: Monotonic seconds of the first of them.
        last_at: Monotonic seconds of the last.
    """

    names: Mapping[str, Collection[str]]
    lost: bool
    paths: int
    events: int
    first_at: float
    last_at: float


class Inbox:
    """Where the watching threads note what happened, and the loop collects it: one wake-up, however much it is.

    Args:
        wake: Called once, in the noting thread, for the first note after a `take`. May raise: then the next note
            calls it again.
        monotonic: Tells the time, from any thread.
        limit: Names that are kept. Beyond it they are given up for one comparison of the whole tree.
    """

    def __init__(self, wake: Callable[[], None], monotonic: Callable[[], float], *, limit: int = 20_000) -> None:
        self._wake = wake
        self._monotonic = monotonic
        self._limit = limit
        self._lock = threading.Lock()
        self._woken = False
        self._reset()

    def _reset(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._paths = 0
        self._events = 0
        self._lost = False
        self._first_at = self._last_at = 0.0

    def note(self, folder: str, name: str) -> None:
        """Note that something happened to a name in a folder (relative to the root). Any thread."""
        with self._lock:
            if not self._lost:
                names = self._names.get(folder)
                if names is None:
                    names = self._names[folder] = set()
                if name not in names:
                    names.add(name)
                    self._paths += 1
                    if self._paths > self._limit:
                        self._names = {}
                        self._lost = True
            first = self._stamp()
        if first:
            self._call()

    def lose(self) -> None:
        """Note that events were lost, or that the whole tree is to be compared for another reason. Any thread."""
        with self._lock:
            self._lost = True
            first = self._stamp()
        if first:
            self._call()

    def stir(self) -> None:
        """Have a look taken though no name is known, as when the root itself moves. Any thread."""
        with self._lock:
            first = self._stamp()
        if first:
            self._call()

    def peek(self) -> Noted:
        """Return what was noted, without names, and leave it."""
        with self._lock:
            return Noted({}, self._lost, self._paths, self._events, self._first_at, self._last_at)

    def names(self) -> frozenset[str]:
        """Return the names that were noted, relative to the root, with forward slashes; none when some were lost."""
        with self._lock:
            return frozenset(
                f"{folder}/{name}" if folder else name for folder in self._names for name in self._names[folder]
            )

    def take(self) -> Noted:
        """Return what was noted and start afresh: the next note wakes again."""
        with self._lock:
            noted = Noted(self._names, self._lost, self._paths, self._events, self._first_at, self._last_at)
            self._reset()
            self._woken = False
        return noted

    def _stamp(self) -> bool:
        self._last_at = self._monotonic()
        if not self._events:
            self._first_at = self._last_at
        self._events += 1
        first = not self._woken
        self._woken = True
        return first

    def _call(self) -> None:
        try:
            self._wake()
        except BaseException:
            with self._lock:
                self._woken = False
            raise


class QuietTime:
    """How long to wait for more after the last event.

    25 ms after a single save, growing with what happens to 500 ms. A project whose saves are rewritten by a formatter
    a moment later is waited for just long enough to make one change of both; that habit is learnt and unlearnt.
    """

    def __init__(self) -> None:
        self._last_paths: frozenset[str] = frozenset()
        self._last_save_at = float("-inf")
        self._gap = 0.0
        self._rewrites = 0
        self._spared = 0

    def wanted(self, noted: Noted) -> float:
        """Return the seconds of silence after which what was noted is complete."""
        storm = max(noted.paths / _SAVE_PATHS, noted.events / _SAVE_EVENTS, 1.0)
        quiet = min(QUIET_S * storm, STORM_QUIET_S)
        return max(quiet, self._hold) if storm <= 1.0 else quiet

    def is_single(self, noted: Noted) -> bool:
        """Return whether this is likely a single save, and complete."""
        return not noted.lost and self.wanted(noted) <= QUIET_S

    @staticmethod
    def ceiling(noted: Noted) -> float:
        """Return the seconds after the first event by which what was noted is told, silence or not."""
        return CEILING_S if noted.events < STORM_EVENTS else STORM_CEILING_S

    @property
    def _hold(self) -> float:
        return min(self._gap + QUIET_S, STORM_QUIET_S) if self._rewrites >= _HABIT else 0.0

    def learn(self, paths: Iterable[str], first_at: float, last_at: float) -> None:
        """Take a finished batch into account.

        Args:
            paths: The files that changed in it.
            first_at: Monotonic seconds of its first event.
            last_at: Monotonic seconds of its last event.
        """
        changed = frozenset(paths)
        if not changed or len(changed) > _SAVE_PATHS:
            return
        gap = first_at - self._last_save_at
        if changed <= self._last_paths and 0.0 <= gap <= REWRITE_WINDOW_S:
            self._gap = max(self._gap, gap)
            self._rewrites += 1
            self._spared = 0
            self._last_paths = frozenset()
            return
        if self._hold:
            if last_at - first_at > QUIET_S:
                self._spared = 0
            else:
                self._spared += 1
            if self._spared >= 2 * _HABIT:
                self._rewrites, self._spared, self._gap = 0, 0, 0.0
        elif self._last_paths:
            self._rewrites, self._gap = 0, 0.0
        self._last_paths, self._last_save_at = changed, last_at
