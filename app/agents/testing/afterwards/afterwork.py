"""What is worth doing after a run, one thing after the other, at low priority, until the next save ends it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog

from app.agents.testing.afterwards.chores import Chores
from app.agents.testing.afterwards.measured import CoverageRun
from app.agents.testing.afterwards.secondlook import SecondLook
from app.agents.testing.afterwards.selected import Project
from app.agents.testing.afterwards.tracework import TraceWork
from app.agents.testing.echo import left_alone
from app.agents.testing.spares.spares import Recipe
from app.domain.events import ChangeCovered, CoverageMeasured, TestChecked
from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from app.agents.testing.echo import Writer
    from app.agents.testing.going import Finished
    from app.agents.testing.spares.spares import Spares
    from app.agents.testing.surroundings import Surroundings
    from app.domain.verdicts import Check

_log = structlog.get_logger(__name__)

COVERAGE_AFTER_S = 20.0
"""The whole suite runs once more for coverage only when nothing was saved for so long."""


class Afterwork:
    """Does it.

    Args:
        around: What runs stand on.
        spares: Workers.
    """

    def __init__(self, around: Surroundings, spares: Spares) -> None:
        self._around = around
        self._root = around.root
        self._impact = around.impact
        self._last_green = around.last_green
        self._spares = spares
        self._echo = around.echo
        self._clock = around.clock
        self._chores = Chores()

    def begin(self, done: Finished) -> None:
        """Begin with what follows a run."""
        steps = (self._learn, self._look_again, self._keep_green, self._trace, self._measure)
        self._chores.begin(partial(step, done) for step in steps)

    async def stop(self) -> None:
        """End what goes on, with all its processes, for good."""
        await self._chores.stop()

    async def pause(self, names: Collection[str]) -> None:
        """End what goes on, until `go_on`, since a save begins: the tests that it calls for will need the machine.

        What the tests that run here write themselves is no save; that of programs that they start cannot be told from
        one.

        Args:
            names: The files that the save touches.
        """
        if not self._echo.writes(names):
            await self._chores.pause()

    def go_on(self) -> None:
        """Go on with what `pause` ended, from its beginning."""
        self._chores.go_on()

    async def _learn(self, done: Finished) -> None:
        """Have the map learn from the run, and tell how much of the change its tests execute."""
        outcome = done.outcome
        ran = {nodeid: result.duration_s for nodeid, result in done.run.results.items()}
        collected = outcome.nodeids if outcome.complete else None
        await self._impact.conclude(done.going.choice, done.run.trace, ran=ran, collected=collected)
        self._spares.prepare(Recipe(done.going.interpreter, done.going.settings.args, self._impact.ahead))
        self._spares.refill()
        if collected is not None:
            lines = await asyncio.to_thread(self._impact.lines_covered, done.before)
            if lines.total:
                now, project = self._clock.wall(), self._around.project
                self._around.publish(ChangeCovered(at=now, project=project, run_id=done.going.run_id, lines=lines))

    def _project(self, done: Finished) -> Project:
        args, around = done.going.settings.args, self._around
        return Project(self._root, done.going.interpreter, args, around.environ, around.runner)

    async def _look_again(self, done: Finished) -> None:
        results, before = done.run.results.values(), done.going.red_before
        newly = [result for result in results if result.outcome.is_red and result.nodeid not in before]
        if done.outcome.verdict is not Verdict.RED or not done.going.settings.recheck or not newly:
            return

        def on_checked(nodeid: str, check: Check) -> None:
            now, root = self._clock.wall(), self._around.project
            self._around.publish(TestChecked(at=now, project=root, nodeid=nodeid, check=check))

        hang_s = done.going.settings.hang_seconds
        look = SecondLook(self._project(done), last_green=self._last_green, hang_s=hang_s, clock=self._clock)
        with self._at_work(look):
            await look.run(newly, on_checked)

    async def _keep_green(self, done: Finished) -> None:
        if done.outcome.verdict is Verdict.GREEN and done.outcome.complete:
            await self._last_green.keep(began=done.going.began_at, wrote=done.run.wrote)

    async def _trace(self, done: Finished) -> None:
        if done.outcome.complete and done.going.settings.impact:
            await TraceWork(self._around, self._spares, self._at_work).run(done)

    async def _measure(self, done: Finished) -> None:
        if not done.outcome.complete or done.going.settings.coverage != "idle":
            return
        await self._clock.sleep(COVERAGE_AFTER_S)
        if await asyncio.to_thread(self._around.on_battery):
            return
        run = CoverageRun(self._project(done), hang_s=done.going.settings.hang_seconds, clock=self._clock)
        with self._at_work(run):
            measured = await run.measure()
        if isinstance(measured, str):
            _log.info("coverage was not measured", project=self._around.project, reason=measured)
        else:
            self._around.publish(
                CoverageMeasured(at=self._clock.wall(), project=self._around.project, coverage=measured)
            )

    @contextmanager
    def _at_work(self, writer: Writer) -> Iterator[None]:
        """Have what tests write meanwhile taken for their own, as far as it is as they left it."""
        self._echo.goes_on(writer)
        try:
            yield
        finally:
            held = self._echo.held_back()
            self._echo.ended(writer.wrote)
            if changed := held.keys() - left_alone(self._root, held):
                self._around.saved(changed)
