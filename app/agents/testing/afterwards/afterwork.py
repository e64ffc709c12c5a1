"""What is worth doing after a run, one thing after the other, at low priority, until the next save ends it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.agents.testing.afterwards.measured import CoverageRun
from app.agents.testing.afterwards.secondlook import SecondLook
from app.agents.testing.afterwards.selected import Project
from app.agents.testing.afterwards.tracework import TraceWork
from app.agents.testing.echo import left_alone
from app.agents.testing.spares.spares import Recipe
from app.domain.events import ChangeCovered, CoverageMeasured, TestChecked
from app.domain.verdicts import Verdict
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from app.agents.testing.afterwards.lastgreen import LastGreen
    from app.agents.testing.echo import Echo, Writer
    from app.agents.testing.impact.keeper import Choice, ImpactKeeper
    from app.agents.testing.running.runs import RunOutcome
    from app.agents.testing.running.stagedrun import StagedRun
    from app.agents.testing.settings import TestSettings
    from app.agents.testing.spares.spares import Spares
    from app.domain.events import Event
    from app.domain.verdicts import Check
    from app.engine.clock import Clock
    from app.engine.processes import ProcessRunner

_log = structlog.get_logger(__name__)

COVERAGE_AFTER_S = 20.0
"""The whole suite runs once more for coverage only when nothing was saved for so long."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run by pytest that came to a verdict.

    Attributes:
        run: The run.
        run_id: Its id.
        outcome: What it came to.
        settings: The settings in force when it began.
        interpreter: The Python it ran with.
        began_at: Wall-clock time.
        red_before: The tests that were red before it.
        choice: Which tests came first.
    """

    run: StagedRun
    run_id: str
    outcome: RunOutcome
    settings: TestSettings
    interpreter: str
    began_at: float
    red_before: frozenset[str]
    choice: Choice


class Afterwork:
    """Does it.

    Args:
        root: The project's folder.
        impact: Its map, which learns.
        last_green: Keeps its last green source.
        spares: Workers.
        echo: Takes what tests write.
        clock: Time.
        runner: Starts programs.
        environ: The environment in which tests are run.
        on_battery: Tells whether the machine runs on its battery; called in a thread.
        publish: Takes what was found.
        notice: Shows (a kind, a text, a hint), or with an empty text takes it back.
        saved: Takes files that changed while tests ran here, and that they did not write after all.
    """

    def __init__(
        self,
        root: Path,
        *,
        impact: ImpactKeeper,
        last_green: LastGreen,
        spares: Spares,
        echo: Echo,
        clock: Clock,
        runner: ProcessRunner,
        environ: Mapping[str, str],
        on_battery: Callable[[], bool],
        publish: Callable[[Event], None],
        notice: Callable[[str, str, str], None],
        saved: Callable[[Iterable[str]], None],
    ) -> None:
        self._root = root
        self._impact = impact
        self._last_green = last_green
        self._spares = spares
        self._echo = echo
        self._clock = clock
        self._runner = runner
        self._environ = environ
        self._on_battery = on_battery
        self._publish = publish
        self._notice = notice
        self._saved = saved
        self._task: asyncio.Task[None] | None = None

    def begin(self, done: Finished) -> None:
        """Begin with what follows a run."""
        self._task = spawn(self._follow(done), name="after a run")

    async def stop(self) -> None:
        """End what goes on, with all its processes."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})

    async def _follow(self, done: Finished) -> None:
        outcome, settings = done.outcome, done.settings
        await self._learn(done)
        project = Project(self._root, done.interpreter, settings.args, self._environ, self._runner)
        if outcome.verdict is Verdict.RED and settings.recheck:
            await self._look_again(done, project)
        if outcome.verdict is Verdict.GREEN and outcome.complete:
            await self._last_green.keep(began=done.began_at, wrote=done.run.wrote)
        if outcome.complete and settings.impact:
            await self._trace(done)
        if outcome.complete and settings.coverage == "idle":
            await self._clock.sleep(COVERAGE_AFTER_S)
            if not await asyncio.to_thread(self._on_battery):
                await self._measure(done, project)

    async def _learn(self, done: Finished) -> None:
        """Have the map learn from the run, and tell how much of the change its tests execute."""
        outcome = done.outcome
        ran = {nodeid: result.duration_s for nodeid, result in done.run.results.items()}
        before = self._impact.kept_lines(done.choice)
        collected = outcome.nodeids if outcome.complete else None
        await self._impact.conclude(done.choice, done.run.trace, ran=ran, collected=collected)
        preload = self._impact.preload if self._impact.trusts_preload else ()
        self._spares.prepare(Recipe(done.interpreter, done.settings.args, preload))
        self._spares.refill()
        if collected is not None:
            lines = await asyncio.to_thread(self._impact.lines_covered, before)
            if lines.total:
                now, project = self._clock.wall(), str(self._root)
                self._publish(ChangeCovered(at=now, project=project, run_id=done.run_id, lines=lines))

    async def _look_again(self, done: Finished, project: Project) -> None:
        results = done.run.results.values()
        newly = [result for result in results if result.outcome.is_red and result.nodeid not in done.red_before]
        if not newly:
            return

        def on_checked(nodeid: str, check: Check) -> None:
            now, root = self._clock.wall(), str(self._root)
            self._publish(TestChecked(at=now, project=root, nodeid=nodeid, check=check))

        hang_s = done.settings.hang_seconds
        look = SecondLook(project, last_green=self._last_green, hang_s=hang_s, clock=self._clock)
        with self._at_work(look):
            await look.run(newly, on_checked)

    async def _trace(self, done: Finished) -> None:
        work = TraceWork(
            self._root,
            impact=self._impact,
            spares=self._spares,
            clock=self._clock,
            at_work=self._at_work,
            notice=self._notice,
        )
        await work.run(done)

    async def _measure(self, done: Finished, project: Project) -> None:
        run = CoverageRun(project, hang_s=done.settings.hang_seconds, clock=self._clock)
        with self._at_work(run):
            measured = await run.measure()
        if isinstance(measured, str):
            _log.info("coverage was not measured", project=str(self._root), reason=measured)
        else:
            self._publish(CoverageMeasured(at=self._clock.wall(), project=str(self._root), coverage=measured))

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
                self._saved(changed)
