"""What the red tests of all projects said last, as their runs tell it: no database is asked for what just happened."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from app.domain.events import TestsRan

if TYPE_CHECKING:
    from app.domain.events import Event
    from app.domain.verdicts import TestResult

MOST_TESTS = 500
MOST_CHARACTERS = 16 * 1024 * 1024
"""Of all outputs together; the oldest go first."""


class RedTests:
    """It; bounded. Belongs to the loop's thread."""

    def __init__(self) -> None:
        self._results: OrderedDict[tuple[str, str], TestResult] = OrderedDict()
        self._characters = 0

    def see(self, event: Event) -> None:
        """Take in an event of the bus."""
        if isinstance(event, TestsRan):
            for result in event.results:
                if result.outcome.is_red:
                    self._keep((event.project, result.nodeid), result)

    def result(self, project: str, nodeid: str) -> TestResult | None:
        """Return how a test ended when it was red last; None when nobody has seen that."""
        return self._results.get((project, nodeid))

    def _keep(self, key: tuple[str, str], result: TestResult) -> None:
        before = self._results.pop(key, None)
        self._characters += len(result.output) - (len(before.output) if before is not None else 0)
        self._results[key] = result
        while len(self._results) > MOST_TESTS or (self._characters > MOST_CHARACTERS and len(self._results) > 1):
            _, dropped = self._results.popitem(last=False)
            self._characters -= len(dropped.output)
