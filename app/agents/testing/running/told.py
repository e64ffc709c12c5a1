"""What a run has told so far, whoever tells it: pytest (`journal.py`) or another runner (`runners/story.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.verdicts import Outcome, Stage, TestResult


class Told:
    """Results, and what runs now.

    Attributes:
        results: The last result of each test, in the order in which they first came.
        running: The tests that began and have not ended, in that order.
        collected: The tests that will run; complete when `is_collected`.
        has_red: Whether a test went red so far.
        stage: The stage that goes on; None in a run without stages.
        stage_tests: How many tests it has, where that is known.
    """

    def __init__(self) -> None:
        self.results: dict[str, TestResult] = {}
        self.running: dict[str, None] = {}
        self.collected: tuple[str, ...] = ()
        self.is_collected = False
        self.has_red = False
        self.stage: Stage | None = None
        self.stage_tests: int | None = None
        self._fresh: list[TestResult] = []

    def fresh(self) -> tuple[TestResult, ...]:
        """Return the results that came since this was last asked."""
        fresh, self._fresh = tuple(self._fresh), []
        return fresh

    @property
    def now(self) -> str:
        """The test that runs now: of several, the one that runs for longest; or empty."""
        return next(iter(self.running), "")

    @property
    def red(self) -> tuple[str, ...]:
        """The red tests, in the order in which they first ended."""
        return tuple(nodeid for nodeid, result in self.results.items() if result.outcome.is_red)

    @property
    def missed(self) -> tuple[str, ...]:
        """The collected tests that have no result."""
        return tuple(nodeid for nodeid in self.collected if nodeid not in self.results)

    def close(self, outcome: Outcome, output: str) -> None:
        """Give the tests that still ran this outcome, `CRASHED` or `HUNG`, and the run's output."""
        for nodeid in tuple(self.running):
            self.end(nodeid, outcome, 0.0, output)

    def end(self, nodeid: str, outcome: Outcome, seconds: float, text: str) -> None:
        """Note how a test ended: in how many seconds, and what is said of it."""
        raise NotImplementedError
