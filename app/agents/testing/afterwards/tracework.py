"""Runs tests only to see what they execute, and once to see whether modules may be imported ahead of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.agents.testing.running.orders import LOW, Order
from app.agents.testing.running.runs import TestRun
from app.agents.testing.spares.spares import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from app.agents.testing.going import Finished
    from app.agents.testing.spares.spares import Spares
    from app.agents.testing.surroundings import Surroundings
    from app.domain.verdicts import TestResult

_log = structlog.get_logger(__name__)

SLICE_S = 5.0
"""Tests are traced in parts that take about so long, so that a save in between costs one part only."""

SLICE_TESTS = 400

TRIAL_S = 60.0
"""Whether imports ahead change what tests say is tried with tests that take so long together."""

DISPUTED_SHOWN = 3


class TraceWork:
    """Does that after one run.

    Args:
        around: What runs stand on.
        spares: Starts workers.
        at_work: Entered while a run goes on, so that what its tests write is known as theirs.
    """

    def __init__(
        self, around: Surroundings, spares: Spares, at_work: Callable[[TestRun], AbstractContextManager[None]]
    ) -> None:
        self._root = around.root
        self._impact = around.impact
        self._spares = spares
        self._clock = around.clock
        self._at_work = at_work
        self._notice = around.notice

    async def run(self, done: Finished) -> None:
        """Trace tests that were not traced while they ran; the first time, see whether imports ahead are to be trusted.

        Python 3.12 and later traces as tests run, next to free of cost; earlier ones take 1.3 to 1.7 times as long
        (measured on three public projects), so that is done here.
        """
        preload = self._impact.preload
        is_trial = not self._impact.preload_tried and bool(preload) and done.going.settings.warm_workers > 0
        untraced = await self._impact.untraced()
        wanted = self._with_others(untraced) if is_trial else untraced
        for part in self._parts(wanted):
            results = await self._run(done, part, preload, traced=True)
            if is_trial:
                self._impact.tried.update(part)
                before = done.run.results
                self._impact.disputed |= {each for each in part if _differ(before.get(each), results.get(each))}
        if is_trial:
            await self._judge(done, sorted(self._impact.disputed))

    def _with_others(self, untraced: Sequence[str]) -> list[str]:
        chosen, seconds = dict.fromkeys(untraced), self._impact.seconds_of(untraced)
        for ids in self._impact.files.values():
            if seconds < TRIAL_S:
                chosen.update(dict.fromkeys(nodeid for nodeid in ids if nodeid not in self._impact.tried))
                seconds += self._impact.seconds_of(ids)
        return list(chosen)

    async def _judge(self, done: Finished, disputed: Sequence[str]) -> None:
        """Run what ended differently once more without imports ahead: what then ends as before was changed by them."""
        again = await self._run(done, disputed, (), traced=False) if disputed else {}
        before = done.run.results
        harmed = [nodeid for nodeid in disputed if nodeid in again and not _differ(before.get(nodeid), again[nodeid])]
        await self._impact.trust(trusted=not harmed)
        if harmed:
            _log.info("imports ahead change results", project=str(self._root), tests=harmed[:DISPUTED_SHOWN])
            names = ", ".join(harmed[:DISPUTED_SHOWN])
            text = f"Tests of {self._root.name} end differently when packages are imported ahead of them: {names}."
            self._notice("preload", text, "So nothing is imported ahead here, and runs begin a little later.")
        else:
            self._spares.prepare(Recipe(done.going.interpreter, done.going.settings.args, self._impact.ahead))

    def _parts(self, nodeids: Iterable[str]) -> list[list[str]]:
        parts: list[list[str]] = []
        seconds = 0.0
        for nodeid in nodeids:
            if not parts or seconds > SLICE_S or len(parts[-1]) >= SLICE_TESTS:
                parts.append([])
                seconds = 0.0
            parts[-1].append(nodeid)
            seconds += self._impact.seconds_of([nodeid])
        return parts

    async def _run(
        self, done: Finished, nodeids: Sequence[str], preload: tuple[str, ...], *, traced: bool
    ) -> Mapping[str, TestResult]:
        """Run some tests in a worker of their own, and learn what they execute when they are traced."""
        recipe = Recipe(done.going.interpreter, done.going.settings.args, preload)

        async def plan() -> Order:
            return Order.just(nodeids, traced=traced, nice=LOW)

        run = TestRun(
            root=self._root,
            interpreter=done.going.interpreter,
            take=lambda: self._spares.cold(recipe),
            plan=plan,
            hang_s=done.going.settings.hang_seconds,
            clock=self._clock,
            trace="all" if traced else "none",
        )
        with self._at_work(run):
            await run.run(lambda _count: None, lambda _results, _running: None)
        if traced:
            await self._impact.learn(run.trace)
        return run.results


def _differ(one: TestResult | None, other: TestResult | None) -> bool:
    if one is None or other is None:
        return one is not other
    return one.outcome.is_red != other.outcome.is_red
