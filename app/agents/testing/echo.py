"""Files that tests write into their own project: their changes must not start the tests again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.engine.clock import Clock

ECHO_S = 3.0
"""A change of a file that a run's tests wrote is theirs until so long after it (a batch comes 2 s late at most)."""

HOLD_FIRST_S = 0.5
HOLD_LONGEST_S = 5.0
HOLD_AFTER = 3


class Echo:
    """Tells a run's own writes from a person's.

    What the worker saw its tests open for writing is the run's own. What other programs wrote for the tests cannot be
    known; when the same files alone start one run after another, the runs are held apart, and nothing is dropped.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrote: frozenset[str] = frozenset()
        self._ended_at = float("-inf")
        self._last: tuple[str, ...] = ()
        self._in_a_row = 0

    def own(self) -> Collection[str]:
        """Return the paths whose changes are taken for the last run's own, now."""
        return self._wrote if self._clock.monotonic() - self._ended_at <= ECHO_S else frozenset()

    def began(self, paths: tuple[str, ...]) -> None:
        """A run begins because of these files."""
        close = self._clock.monotonic() - self._ended_at <= ECHO_S
        self._in_a_row = self._in_a_row + 1 if paths and close and paths == self._last else 0
        self._last = paths

    def ended(self, wrote: Collection[str]) -> None:
        """A run ended, in which the tests wrote these files."""
        self._wrote = frozenset(wrote)
        self._ended_at = self._clock.monotonic()

    @property
    def suspects(self) -> tuple[str, ...]:
        """The files that seem to be written by the tests through other programs; empty when none seem so."""
        return self._last if self._in_a_row >= HOLD_AFTER else ()

    @property
    def hold_s(self) -> float:
        """How long to wait before the next run, in seconds."""
        if self._in_a_row < HOLD_AFTER:
            return 0.0
        return min(HOLD_LONGEST_S, HOLD_FIRST_S * 2.0 ** (self._in_a_row - HOLD_AFTER))
