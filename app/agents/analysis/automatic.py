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
"""The first pause before a question that could not be asked is asked again while its test is red; it doubles."""

MOST_TRIES = 6
"""After so many, in a quarter of an hour, the person may ask."""

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


class Owed:
    """Failures that are to be explained by themselves and could not be yet, because nobody could be reached.

    Args:
        monotonic: Gives seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._due: dict[tuple[str, str], tuple[float, int]] = {}

    def add(self, project: str, nodeid: str) -> None:
        """Note that a failure is asked about, for the first time or again."""
        tries = self._due.get((project, nodeid), (0.0, 0))[1] + 1
        self._due[project, nodeid] = self._monotonic() + RETRY_S * 2 ** (tries - 1), tries

    def drop(self, project: str, nodeid: str) -> None:
        """Note that nothing is owed any more."""
        self._due.pop((project, nodeid), None)

    def due(self) -> tuple[str, str] | None:
        """Return a failure whose pause is over, the one that has waited longest; None when there is none."""
        now = self._monotonic()
        for key, (_at, tries) in list(self._due.items()):
            if tries >= MOST_TRIES:
                del self._due[key]
        waiting = [(at, key) for key, (at, _tries) in self._due.items() if at <= now]
        return min(waiting)[1] if waiting else None
