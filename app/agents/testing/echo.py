"""Files that tests write into their own project: their changes must not start the tests again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.engine.clock import Clock

    Wrote = Mapping[str, tuple[int, int] | None]

ECHO_S = 3.0
"""Changes that a run's tests made are told until so long after it (a batch comes 2 s late at most)."""

CLOSE_S = 0.3
"""A change that is told so soon after a run's end was made before it."""

HOLD_FIRST_S = 0.5
HOLD_LONGEST_S = 5.0
HOLD_AFTER = 4
PATIENCE = 2


class Echo:
    """Tells a run's own writes from a person's, and keeps a project from running its tests without end.

    What the worker saw its tests open for writing is the run's own, as long as the file is as they left it. What other
    programs wrote for the tests cannot be known, and so nothing is dropped for it: when one run after another is
    started by changes that came while the one before went on, runs are no longer ended by them (a verdict comes all the
    same), and are held apart.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrote: Wrote = {}
        self._running = False
        self._ended_at = float("-inf")
        self._in_a_row = 0
        self._from_within = False
        self._from_without = False

    def heard(self) -> None:
        """A change was told that is not known to be a run's own."""
        if self._running or self._clock.monotonic() - self._ended_at <= CLOSE_S:
            self._from_within = True
        else:
            self._from_without = True

    def began(self) -> None:
        """A run begins."""
        only_from_within = self._from_within and not self._from_without
        self._in_a_row = self._in_a_row + 1 if only_from_within else 0
        self._from_within = self._from_without = False
        self._running = True

    def ended(self, wrote: Wrote) -> None:
        """A run ended, in which the tests wrote these files and left them so."""
        self._wrote = dict(wrote)
        self._running = False
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
