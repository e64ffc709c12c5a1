"""What calls came to, over a sliding stretch of time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

BUCKETS = 12
"""Into how many parts the stretch is cut: what is old leaves it a part at a time, however many calls there were."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many calls ended, and how many of them failed or were slow (one can be both)."""

    calls: int = 0
    failures: int = 0
    slow: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(self.calls + other.calls, self.failures + other.failures, self.slow + other.slow)


class Window:
    """Counts the calls of the last `span_s` seconds, less at most a twelfth of them. Not safe from threads by itself.

    All times come in as arguments, in monotonic seconds that do not go back.

    Args:
        span_s: How far back it looks.
    """

    def __init__(self, span_s: float) -> None:
        self._bucket_s = span_s / BUCKETS
        self._buckets: deque[tuple[int, Tally]] = deque()

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count a call that ended at `now`."""
        index = int(now // self._bucket_s)
        call = Tally(1, int(failed), int(slow))
        if self._buckets and self._buckets[-1][0] == index:
            call += self._buckets.pop()[1]
        self._buckets.append((index, call))

    def tally(self, now: float) -> Tally:
        """Return what is in the window at `now`, and forget what has left it."""
        oldest = int(now // self._bucket_s) - BUCKETS + 1
        while self._buckets and self._buckets[0][0] < oldest:
            self._buckets.popleft()
        return sum((tally for _, tally in self._buckets), Tally())

    def clear(self) -> None:
        """Forget all."""
        self._buckets.clear()
