"""Files that tests write into their own project: their changes must not start the tests again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from app.engine.clock import Clock

    Wrote = Mapping[str, tuple[int, int] | None]


class Writer(Protocol):
    """Something that runs tests."""

    @property
    def wrote(self) -> Wrote:
        """The files that they wrote so far, as in `TestRun.wrote`."""


ECHO_S = 3.0
"""Changes that a run's tests made are told until so long after it (a batch comes 2 s late at most)."""

CLOSE_S = 0.3
"""A change that is told so soon after a run's end was made before it."""

HOLD_FIRST_S = 0.5
HOLD_LONGEST_S = 5.0
HOLD_AFTER = 4
PATIENCE = 2
SOURCES_PATIENCE = 20


class Echo:
    """Tells a run's own writes from a person's, and keeps a project from running its tests without end.

    What the worker saw its tests open for writing is the run's own, as long as the file is as they left it. What other
    programs wrote for the tests cannot be known, and so nothing is dropped for it: when one run after another is
    started by changes that came while the one before went on, runs are no longer ended by them (a verdict comes all the
    same), and are held apart. Source files that the tests import are a person's, who may well save them during each
    run; only after very many in a row are they doubted too.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrote: Wrote = {}
        self._running = False
        self._beside = False
        self._ended_at = float("-inf")
        self._in_a_row = 0
        self._sources_in_a_row = 0
        self._suspects: set[str] = set()
        self._writer: Writer | None = None
        self._held: set[str] = set()
        self._from_within = False
        self._from_without = False

    def heard(self, paths: Collection[str] = (), *, is_source: bool = False) -> None:
        """Changes were told that are not known to be a run's own.

        Args:
            paths: The files.
            is_source: Whether one of them is a source file that the tests import.
        """
        if self._beside:
            is_within = bool(paths) and self._suspects.issuperset(paths)
        else:
            is_within = self._running or self._clock.monotonic() - self._ended_at <= CLOSE_S
        if is_within and not (is_source and self._sources_in_a_row < SOURCES_PATIENCE):
            self._suspects.update(paths)
            self._from_within = True
        else:
            self._from_without = True
        self._sources_in_a_row = self._sources_in_a_row + 1 if is_within and is_source else 0

    def began(self) -> None:
        """A run begins."""
        only_from_within = self._from_within and not self._from_without
        self._in_a_row = self._in_a_row + 1 if only_from_within else 0
        if not only_from_within:
            self._suspects.clear()
        self._from_within = self._from_without = self._beside = False
        self._running = True

    def goes_on(self, writer: Writer) -> None:
        """Tests run once more that no change asked for.

        What changes meanwhile is a person's, unless they write it, or it changed while they ran before.
        """
        self._beside = True
        self._writer = writer

    def writes(self, paths: Iterable[str]) -> bool:
        """Return whether these files are all written by tests that run beside."""
        return self._writer is not None and self._writer.wrote.keys() >= set(paths)

    def holds_back(self, paths: Iterable[str]) -> set[str]:
        """Return those of the changed files that tests write which run beside; whose they are shows when they end."""
        written = self._writer.wrote if self._writer is not None else {}
        held = {path for path in paths if path in written}
        self._held |= held
        return held

    def held_back(self) -> Wrote:
        """Return the files that were held back, as those tests left them, and forget them."""
        written, held = self._writer.wrote if self._writer is not None else {}, self._held
        self._held = set()
        return {path: written.get(path) for path in held}

    def ended(self, wrote: Wrote) -> None:
        """A run ended, in which the tests wrote these files and left them so."""
        self._wrote = {**self.own(), **wrote} if self._beside else dict(wrote)
        self._running = self._beside = False
        self._writer = None
        self._ended_at = self._clock.monotonic()

    def own(self) -> Wrote:
        """Return what the last run's tests wrote, for as long as their changes may still be told."""
        return self._wrote if self._clock.monotonic() - self._ended_at <= ECHO_S else {}

    @property
    def is_patient(self) -> bool:
        """True when the run is to go to its end though files change: without that, there would never be a verdict."""
        return self._in_a_row >= PATIENCE

    @property
    def hold_s(self) -> float:
        """How long to wait before the next run, in seconds."""
        if self._in_a_row < HOLD_AFTER:
            return 0.0
        return min(HOLD_LONGEST_S, HOLD_FIRST_S * 2.0 ** (self._in_a_row - HOLD_AFTER))


def left_alone(root: Path, wrote: Wrote) -> frozenset[str]:
    """Return the files that are as the tests left them. Blocks on the file system: call it in a thread.

    One of which that is not known, because its test was ended while it wrote, counts as left alone: else a test that
    always crashes while it writes would start itself for ever.

    Args:
        root: The project's folder.
        wrote: Relative paths, and modification time (ns) and size as the tests left them.
    """
    return frozenset(path for path, mark in wrote.items() if mark is None or mark == _mark(root / path))


def _mark(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return 0, -1
    return found.st_mtime_ns, found.st_size
