"""The test watcher: from a save to a verdict, for one project."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.agents.testing.afterwards.lastgreen import LastGreen
from app.agents.testing.cycle import Cycle
from app.agents.testing.echo import Echo, left_alone
from app.agents.testing.impact.keeper import ImpactKeeper
from app.agents.testing.inbox import Inbox
from app.agents.testing.ledger import Ledger
from app.agents.testing.surroundings import Surroundings
from app.agents.testing.tester import Tester
from app.domain.errors import InterpreterMissing
from app.domain.events import ProjectWatched
from app.domain.verdicts import CauseKind, Verdict
from app.engine.filewatch import FileWatch
from app.engine.notices import Notices
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from app.agents.settings import Settings
    from app.agents.testing.going import Going
    from app.agents.testing.settings import TestSettings
    from app.domain.analysis import SourceDiff
    from app.domain.events import Event
    from app.domain.verdicts import TestState
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse
    from app.engine.processes import ProcessRunner


_log = structlog.get_logger(__name__)

ENTER_S = 600.0
"""A tree on a slow disk may take so long to enter; the watch beats again when it is in."""
NOTICED_S = 15.0
"""So late it may be noticed that the folder is gone: what went wrong since may have gone wrong because of that."""
JUST_NOW_S = 1.0
"""A run that ended so shortly before may have missed some of its files, whatever it says."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What history remembers of a project.

    Attributes:
        tests: The last known state of each test.
        told: The red ones that a person was told of.
        trouble: The trouble that the last run ended with, or None.
    """

    tests: tuple[TestState, ...] = ()
    told: frozenset[str] = frozenset()
    trouble: Verdict | None = None


class TestWatcher:
    """Watches one project and runs its tests when a save calls for it; an agent for the supervisor.

    A newer save ends a run that goes on, since its verdict would be about a state that is gone; what caused that run
    is kept as a cause of the next.

    Args:
        root: The project's folder, absolute.
        title: The project's name, unique among those that are watched.
        settings: Gives the settings in force for this project, and what is wrong with them and what to do (empty
            when nothing is); called in a thread.
        remember: Gives what history remembers of the project's tests.
        publish: Takes the notices, which outlast one life of the agent.
        bridge: By which the file watch reaches the loop.
        clock: Time.
        runner: Starts programs.
        environ: The environment in which tests are run.
        new_id: Gives a run id that was never given before.
        cache: The folder in which impact maps and the last green sources are kept.
        on_battery: Tells whether the machine runs on its battery; called in a thread.
        no_source: Patterns of names, in small letters, that others of this program write into projects: they call for
            no run, and are in no diff. The user's patterns outrank them.
    """

    __test__ = False

    def __init__(
        self,
        root: Path,
        *,
        title: str,
        settings: Callable[[], tuple[Settings, tuple[str, str]]],
        remember: Callable[[str], Awaitable[Remembered]],
        publish: Callable[[Event], None],
        bridge: SafeAsyncBridge,
        clock: Clock,
        runner: ProcessRunner,
        environ: Mapping[str, str],
        new_id: Callable[[], str],
        cache: Path,
        on_battery: Callable[[], bool],
        no_source: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.inbox = Inbox()
        self.impact = ImpactKeeper(root, cache / "impact")
        self._last_green = LastGreen(
            root,
            runner=runner,
            clock=clock,
            folder=cache / "green" / self.impact.name,
            environ=environ,
            no_source=no_source,
        )
        self._project = str(root)
        self._title = title
        self._settings = settings
        self._remember = remember
        self._bridge = bridge
        self._clock = clock
        self._runner = runner
        self._environ = environ
        self._new_id = new_id
        self._echo = Echo(clock)
        self._ledger: Ledger | None = None
        self._on_battery = on_battery
        self._no_source = no_source
        self._notices = Notices(publish, clock)
        self._files: FileWatch | None = None
        self._is_hindered = self._is_doubtful = False
        self._ended_at = float("-inf")
        self._ended_badly = False
        self._was_cut_off = False

    @property
    def name(self) -> str:
        """Return the agent's name."""
        return f"tests:{self._title}"

    async def diff(self) -> SourceDiff:
        """Tell how the project's source differs from when its tests were last green; see `LastGreen.diff`."""
        return await self._last_green.diff()

    async def rescan(self) -> None:
        """Look whether files changed that no event told of, as when the machine slept; calm while none is watched."""
        if self._files is not None:
            await self._files.rescan()

    async def run(self, pulse: Pulse) -> None:
        """Watch and run until the pulse says stop.

        Raises:
            ProjectError: The folder cannot be watched at all.
        """
        pulse.waiting = lambda: 0 if self._echo.hold_s else self.inbox.waiting
        pulse.beat()
        settings = await self._look_at_settings()
        ledger = await self._begin(pulse, settings)
        around = Surroundings(
            self.root,
            self._title,
            impact=self.impact,
            last_green=self._last_green,
            echo=self._echo,
            clock=self._clock,
            runner=self._runner,
            environ=self._environ,
            on_battery=self._on_battery,
            publish=pulse.publish,
            notice=self._notice,
            saved=self.inbox.saved,
        )
        tester = Tester(around, settings.tests, lambda: tuple(ledger.red))
        async with tester:
            while not pulse.stopping.is_set():
                settings = await self._watch(pulse, ledger, tester, settings)

    async def _watch(self, pulse: Pulse, ledger: Ledger, tester: Tester, settings: Settings) -> Settings:
        """Watch under one set of ignore patterns, and return the settings in which they changed."""
        ignore = settings.watch.ignore
        watch = FileWatch(
            self.root,
            ignore=(*self._no_source, *ignore),
            bridge=self._bridge,
            clock=self._clock,
            on_trouble=lambda text, hint: self._on_trouble(pulse, text, hint),
            on_stir=lambda names: None if pulse.paused else tester.stir(names),
        )
        pulse.busy_for(ENTER_S)
        async with watch:
            pulse.beat()
            self._files = watch
            reader = spawn(self._read(watch, tester), name=f"{self.name} reads")
            reader.add_done_callback(lambda _task: self.inbox.woken.set())
            try:
                while settings.watch.ignore == ignore and not pulse.stopping.is_set():
                    await self._until_work(pulse, reader)
                    settings = await self._look_at_settings()
                    if settings.watch.ignore == ignore and not pulse.stopping.is_set():
                        await self._one_run(pulse, ledger, tester, settings.tests)
            finally:
                self._files = None
                reader.cancel()
                await asyncio.wait({reader})
        return settings

    def _on_trouble(self, pulse: Pulse, text: str, hint: str) -> None:
        """Say that the watch is hindered, or no more: then what ran meanwhile, or right before, runs again.

        Of a folder that was gone for a moment no file has changed, and yet its tests may not have found theirs.
        """
        self._notice("watch", text, hint)
        pulse.degraded(text)
        if text and not self._is_hindered:
            noticed_s = NOTICED_S if self._ended_badly else JUST_NOW_S
            self._is_doubtful = self._clock.monotonic() - self._ended_at <= noticed_s
        elif not text and self._is_doubtful:
            self._is_doubtful = False
            self.inbox.wish(CauseKind.REQUEST)
        self._is_hindered = bool(text)

    async def _look_at_settings(self) -> Settings:
        settings, trouble = await asyncio.to_thread(self._settings)
        self._notice("settings", *trouble)
        return settings

    async def _begin(self, pulse: Pulse, settings: Settings) -> Ledger:
        if self._ledger is not None:
            self.inbox.wish(CauseKind.START)  # what was saved since the last life ended was seen by nobody
            return self._ledger
        remembered = await self._remember(self._project)
        tests = ((state.nodeid, state.outcome) for state in remembered.tests)
        self._ledger = Ledger.remembering(tests, told=remembered.told, trouble=remembered.trouble)
        now = self._clock.wall()
        pulse.publish(ProjectWatched(at=now, project=self._project, name=self._title, known=remembered.tests))
        if settings.tests.run_at_start:
            self.inbox.wish(CauseKind.START)
        return self._ledger

    async def _read(self, watch: FileWatch, tester: Tester) -> None:
        async for batch in watch.batches():
            tester.changed(batch)
            own = self._echo.own()
            wrote = {change.path: own[change.path] for change in batch.changes if change.path in own}
            echoed = await asyncio.to_thread(left_alone, self.root, wrote) if wrote else ()
            saved = [change.path for change in batch.changes if change.path not in echoed]
            held = self._echo.holds_back(saved)
            saved = [path for path in saved if path not in held]
            if saved:
                self._echo.heard(saved, is_source=self.impact.knows_any(saved))
                self.inbox.saved(saved)
            elif not batch.changes:
                self.inbox.wish(CauseKind.REQUEST)  # the folder is back, and something of it is missing

    async def _until_work(self, pulse: Pulse, reader: asyncio.Task[None]) -> None:
        """Wait until there is a reason for a run and nothing that holds it back.

        Raises:
            Exception: What ended the reading of changes, without which nothing is worth waiting for.
        """
        held = False
        while not pulse.stopping.is_set():
            self.inbox.woken.clear()
            if reader.done():
                reader.result()
            if not self.inbox.has_work:
                await pulse.until(self.inbox.woken)
            elif pulse.paused:
                await pulse.until(pulse.unpaused)
            elif self._echo.hold_s and not held:
                held = True
                self._say_held()
                await pulse.rest(self._echo.hold_s)
            else:
                break
        if not held:
            self._notice("echo", "")

    def _say_held(self) -> None:
        text = f"Files of {self._title} change each time its tests run, so the runs are held apart."
        hint = "If the tests write files there, have git ignore them, or add them to `ignore` under [watch]."
        self._notice("echo", text, hint)

    async def _one_run(self, pulse: Pulse, ledger: Ledger, tester: Tester, settings: TestSettings) -> None:
        cause = self.inbox.take()
        self._echo.began()
        cycle = Cycle(self._project, self._new_id(), cause, ledger=ledger, pulse=pulse, clock=self._clock)
        try:
            going = await tester.begin(cycle, settings)
            await self._until_over(pulse, going)
        except InterpreterMissing as error:
            cycle.finish(Verdict.NO_INTERPRETER, message=str(error))
        except BaseException:
            self.inbox.give_back(cause)  # the next life begins with what this one could not do
            cycle.finish(Verdict.CANCELLED)
            raise
        else:
            self._conclude(cycle, going, tester)

    async def _until_over(self, pulse: Pulse, going: Going) -> None:
        """Wait for the run's end, or for newer changes, a person or the program's end to make it pointless."""
        going.task.add_done_callback(lambda _task: self.inbox.woken.set())
        try:
            while not going.task.done() and not self._is_pointless(pulse, going):
                self.inbox.woken.clear()
                await pulse.until(self.inbox.woken)
        finally:
            await going.end()
            self._echo.ended(going.run.wrote)
            self._is_doubtful |= self._is_hindered
        self.inbox.drop(await asyncio.to_thread(left_alone, self.root, going.run.wrote))

    def _is_pointless(self, pulse: Pulse, going: Going) -> bool:
        is_overtaken = not self._echo.is_patient and self.inbox.has_changes(beside=going.run.wrote)
        return pulse.stopping.is_set() or is_overtaken or self.inbox.take_cancel()

    def _conclude(self, cycle: Cycle, going: Going, tester: Tester) -> None:
        outcome = going.outcome
        if outcome is None:
            if self.inbox.has_changes():
                self.inbox.give_back(cycle.cause)
            cycle.finish(Verdict.CANCELLED)
            return
        is_cut_off, self._was_cut_off = outcome.unseen and not self._was_cut_off, outcome.unseen
        if is_cut_off:
            # By somebody who wanted memory, say; who is ended twice in a row may well be ended by the tests.
            _log.warning("a run was ended from outside, and is repeated", project=self._project)
            self.inbox.give_back(cycle.cause)
            cycle.finish(Verdict.CANCELLED)
            return
        self._ended_at, self._ended_badly = self._clock.monotonic(), outcome.verdict.is_trouble
        cycle.finish(
            outcome.verdict,
            message=outcome.message,
            output=outcome.output,
            collected=outcome.nodeids,
            complete=outcome.complete,
        )
        tester.follow_up(going)

    def _notice(self, kind: str, text: str, hint: str = "") -> None:
        self._notices.show(f"{kind}:{self._project}", text, hint)
