"""A run in two parts: the tests that a change touches, at once, and then all tests as pytest itself runs them.

Each part has a process of its own. What was streamed, chosen and put into another order is an early word; what counts
in the end is a whole run in pytest's own order, with nothing before it that could have changed what tests meet.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.agents.testing.running.orders import LOW, Order
from app.agents.testing.running.runs import TestRun
from app.domain.verdicts import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from app.agents.testing.impact.trace import Trace
    from app.agents.testing.running.following import OnResults, OnStage
    from app.agents.testing.running.runs import RunOutcome
    from app.agents.testing.spares.warm import Worker
    from app.domain.verdicts import TestResult
    from app.engine.clock import Clock


class StagedRun:
    """Such a run. When nothing is chosen, its first part is all of it.

    Args:
        root, interpreter, take, hang_s, clock, coverage: As for `TestRun`, of each part.
        plan: Gives the first order; one that has chunks is followed by the whole, and one that has none is the whole.
        on_rest: Called when the whole has its worker.
    """

    def __init__(
        self,
        *,
        root: Path,
        interpreter: str,
        take: Callable[[], Awaitable[Worker]],
        plan: Callable[[], Awaitable[Order]],
        hang_s: float,
        clock: Clock,
        coverage: bool = False,
        on_rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._make = partial(
            TestRun, root=root, interpreter=interpreter, take=take, hang_s=hang_s, clock=clock, coverage=coverage
        )
        self._plan = plan
        self._on_rest = on_rest
        self._is_chosen = False
        self._order = Order()
        self._first = self._make(plan=self._choose)
        self._whole: TestRun | None = None

    @property
    def wrote(self) -> Mapping[str, tuple[int, int] | None]:
        """The files that its tests wrote so far, as in `TestRun.wrote`."""
        return self._first.wrote if self._whole is None else {**self._first.wrote, **self._whole.wrote}

    @property
    def trace(self) -> Trace:
        """What the whole told of what its tests executed, read and imported."""
        return (self._whole or self._first).trace

    @property
    def coverage(self) -> Mapping[str, object] | None:
        """What the whole told of coverage.py."""
        return (self._whole or self._first).coverage

    @property
    def results(self) -> Mapping[str, TestResult]:
        """How the tests of the whole ended."""
        return (self._whole or self._first).results

    async def run(self, on_collected: Callable[[int], None], on_results: OnResults, on_stage: OnStage) -> RunOutcome:
        """Run both parts; the arguments and the cancelling are those of `TestRun.run`.

        A test of the first part that hangs ends the run: it would hang again.
        """
        outcome = await self._first.run(
            lambda count: None if self._is_chosen else on_collected(count), on_results, on_stage
        )
        if not self._is_chosen or outcome.verdict is Verdict.HUNG:
            return outcome
        on_stage(Stage.REST, None)
        self._whole = self._make(plan=self._all)
        return await self._whole.run(on_collected, on_results)

    async def _choose(self) -> Order:
        order = self._order = await self._plan()
        self._is_chosen = bool(order.chunks)
        return order if self._is_chosen else Order(trace=order.trace)

    async def _all(self) -> Order:
        self._on_rest()
        return Order(nice=LOW, trace=self._order.trace)
