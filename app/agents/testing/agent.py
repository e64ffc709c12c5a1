"""The test watcher: from a save to a verdict, for one project."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from app.agents.testing.cycle import Cycle
from app.agents.testing.echo import Echo
from app.agents.testing.inbox import Inbox
from app.agents.testing.interpreters import find_interpreter
from app.agents.testing.ledger import Ledger
from app.agents.testing.runs import TestRun, drop_bytecode
from app.domain.errors import InterpreterMissing
from app.domain.events import InterpreterFound, ProjectWatched
from app.domain.verdicts import CauseKind, Verdict
from app.engine.filewatch import FileWatch
from app.engine.notices import Notices
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from app.agents.settings import Settings
    from app.agents.testing.interpreters import Interpreter
    from app.agents.testing.runs import RunOutcome
    from app.agents.testing.settings import TestSettings
    from app.domain.events import Event
    from app.domain.snapshot import TestState
    from app.domain.verdicts import Cause
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse
    from app.engine.processes import ProcessRunner


class TestWatcher:
    """Watches one project and runs its tests when a save calls for it; an agent for the supervisor.

    A newer save ends a run that goes on, since its verdict would be about a state that is gone; what caused that run
    is kept as a cause of the next.

    Args:
        root: The project's folder, absolute.
        title: The project's name, unique among those that are watched.
        settings: Gives the settings in force for this project, and what is wrong with them and what to do (empty
            when nothing is); called in a thread.
        known_tests: Gives what history remembers of the project's tests.
        publish: Takes the notices, which outlast one life of the agent.
        bridge: By which the file watch reaches the loop.
        clock: Time.
        runner: Starts programs.
        environ: The environment in which tests are run.
        new_id: Gives a run id that was never given before.
    """

    __test__ = False

    def __init__(
        self,
        root: Path,
        *,
        title: str,
        settings: Callable[[], tuple[Settings, tuple[str, str]]],
        known_tests: Callable[[str], Awaitable[tuple[TestState, ...]]],
        publish: Callable[[Event], None],
        bridge: SafeAsyncBridge,
        clock: Clock,
        runner: ProcessRunner,
        environ: Mapping[str, str],
        new_id: Callable[[], str],
    ) -> None:
        self.root = root
        self.inbox = Inbox()
        self._project = str(root)
        self._title = title
        self._settings = settings
        self._known_tests = known_tests
        self._bridge = bridge
        self._clock = clock
        self._runner = runner
        self._environ = environ
        self._new_id = new_id
        self._echo = Echo(clock)
        self._ledger: Ledger | None = None
        self._interpreter: Interpreter | None = None
        self._notices = Notices(publish, clock)

    @property
    def name(self) -> str:
        """Return the agent's name."""
        return f"tests:{self._title}"

    async def run(self, pulse: Pulse) -> None:
        """Watch and run until the pulse says stop.

        Raises:
            ProjectError: The folder cannot be watched at all.
        """
        pulse.beat()
        settings = await self._look_at_settings()
        ledger = await self._begin(pulse, settings)
        while not pulse.stopping.is_set():
            ignore = settings.watch.ignore
            watch = FileWatch(
                self.root,
                ignore=ignore,
                bridge=self._bridge,
                clock=self._clock,
                on_trouble=lambda text, hint: self._on_trouble(pulse, text, hint),
            )
            async with watch:
                reader = spawn(self._read(watch), name=f"{self.name} reads")
                try:
                    while settings.watch.ignore == ignore and not pulse.stopping.is_set():
                        await self._until_work(pulse)
                        settings = await self._look_at_settings()
                        if settings.watch.ignore == ignore and not pulse.stopping.is_set():
                            await self._one_run(pulse, ledger, settings.tests)
                finally:
                    reader.cancel()
                    with suppress(asyncio.CancelledError):
                        await reader

    def _on_trouble(self, pulse: Pulse, text: str, hint: str) -> None:
        self._notice("watch", text, hint)
        pulse.degraded(text)

    async def _look_at_settings(self) -> Settings:
        settings, trouble = await asyncio.to_thread(self._settings)
        self._notice("settings", *trouble)
        return settings

    async def _begin(self, pulse: Pulse, settings: Settings) -> Ledger:
        if self._ledger is None:
            known = await self._known_tests(self._project)
            self._ledger = Ledger.remembering((state.nodeid, state.outcome) for state in known)
            pulse.publish(ProjectWatched(at=self._clock.wall(), project=self._project, name=self._title, known=known))
            if settings.tests.run_at_start:
                self.inbox.wish(CauseKind.START)
        return self._ledger

    async def _read(self, watch: FileWatch) -> None:
        async for batch in watch.batches():
            own = self._echo.own()
            self.inbox.saved(change.path for change in batch.changes if change.path not in own)

    async def _until_work(self, pulse: Pulse) -> None:
        """Wait until there is a reason for a run and nothing that holds it back."""
        while not pulse.stopping.is_set():
            self.inbox.woken.clear()
            if not self.inbox.has_work:
                await pulse.until(self.inbox.woken)
            elif pulse.paused:
                await pulse.until(pulse.unpaused)
            else:
                break
        if self._echo.hold_s and not pulse.stopping.is_set():
            paths = ", ".join(self._echo.suspects[:3])
            hint = "If they do, add the files to `ignore` under [watch] in the settings."
            self._notice("echo", f"The tests of {self._title} seem to change {paths} each time they run.", hint)
            await self._clock.sleep(self._echo.hold_s)
        elif not self._echo.suspects:
            self._notice("echo", "")

    async def _one_run(self, pulse: Pulse, ledger: Ledger, settings: TestSettings) -> None:
        cause = self.inbox.take()
        self._echo.began(cause.paths)
        cycle = Cycle(self._project, self._new_id(), cause, ledger=ledger, pulse=pulse, clock=self._clock)
        try:
            interpreter = await self._find(pulse, settings.python)
        except InterpreterMissing as error:
            cycle.finish(Verdict.NO_INTERPRETER, message=str(error))
            return
        await asyncio.to_thread(drop_bytecode, self.root, cause.paths)
        run = self._test_run(interpreter, settings, cause, ledger)
        going = spawn(run.run(cycle.collected, cycle.ran), name=f"{self.name} runs")
        going.add_done_callback(lambda _task: self.inbox.woken.set())
        try:
            while not going.done() and not self._is_pointless(pulse, run):
                self.inbox.woken.clear()
                await pulse.until(self.inbox.woken)
        finally:
            if not going.done():
                going.cancel()
                await asyncio.wait({going})
            self._conclude(cycle, going, run)

    def _is_pointless(self, pulse: Pulse, run: TestRun) -> bool:
        self.inbox.drop(run.wrote)
        return pulse.stopping.is_set() or self.inbox.has_changes or self.inbox.take_cancel()

    def _conclude(self, cycle: Cycle, going: asyncio.Task[RunOutcome], run: TestRun) -> None:
        self._echo.ended(run.wrote)
        self.inbox.drop(run.wrote)
        if going.cancelled():
            if self.inbox.has_changes:
                self.inbox.give_back(cycle.cause)
            cycle.finish(Verdict.CANCELLED)
            return
        error = going.exception()
        if error is not None:
            cycle.finish(Verdict.ERROR, message=f"The tests could not be run: {error}")
            return
        outcome = going.result()
        if outcome.verdict is Verdict.NO_PYTEST:
            self._interpreter = None
        cycle.finish(
            outcome.verdict,
            message=outcome.message,
            output=outcome.output,
            collected=outcome.nodeids,
            complete=outcome.complete,
        )

    def _test_run(self, interpreter: Interpreter, settings: TestSettings, cause: Cause, ledger: Ledger) -> TestRun:
        red_files = [nodeid.partition("::")[0] for nodeid in ledger.red]
        return TestRun(
            root=self.root,
            interpreter=interpreter.path,
            args=settings.args,
            first=tuple(dict.fromkeys((*cause.paths, *red_files))),
            hang_s=settings.hang_seconds,
            runner=self._runner,
            clock=self._clock,
            environ=self._environ,
        )

    async def _find(self, pulse: Pulse, configured: str) -> Interpreter:
        """Return the project's interpreter, looked for again when it is gone or another one is configured."""
        found = self._interpreter
        if found is None or found.configured != configured or not await asyncio.to_thread(found.exists):
            found = await asyncio.to_thread(find_interpreter, self.root, configured=configured, environ=self._environ)
            self._interpreter = found
            now, source = self._clock.wall(), found.source
            pulse.publish(InterpreterFound(at=now, project=self._project, interpreter=found.path, source=source))
        return found

    def _notice(self, kind: str, text: str, hint: str = "") -> None:
        self._notices.show(f"{kind}:{self._project}", text, hint)
