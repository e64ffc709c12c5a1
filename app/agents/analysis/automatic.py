"""Which failures are explained although nobody asked: few, and only those that are still there after a moment."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.events import VerdictChanged

SETTLE_S = 4.0
"""A test that is green again by then was red in the middle of an edit, and is not worth a question. It also gives the
second look time to say that a test is flaky."""

AT_ONCE = 3
"""Of one change so many failures are explained; the others are asked for by the person, or have the same cause."""

RETRY_S = 30.0
"""How often a question that could not be asked is asked again while its test is red."""

HOUR_S = 3600.0


class Rate:
    """Counts the questions that nobody asked for: so many an hour and no more.

    Args:
        monotonic: Gives seconds.
        per_hour: Gives how many.
    """

    def __init__(self, monotonic: Callable[[], float], per_hour: Callable[[], int]) -> None:
        self._monotonic = monotonic
        self._per_hour = per_hour
        self._asked: deque[float] = deque()

    def allows(self) -> bool:
        """Return whether one more may be asked, and count it if so."""
        now = self._monotonic()
        while self._asked and now - self._asked[0] >= HOUR_S:
            self._asked.popleft()
        if len(self._asked) >= self._per_hour():
            return False
        self._asked.append(now)
        return True

    def give_back(self) -> None:
        """Count the last one no more: it cost nothing."""
        if self._asked:
            self._asked.pop()


def candidates(event: VerdictChanged) -> tuple[str, ...]:
    """Return the tests that broke, whole tests before files that cannot be collected, parameters of one test once."""
    by_stem: dict[str, str] = {}
    for nodeid in sorted(event.broke, key=lambda each: "::" not in each):
        by_stem.setdefault(nodeid.partition("[")[0], nodeid)
    return tuple(by_stem.values())
