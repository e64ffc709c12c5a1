"""The test watcher: from a save to a verdict, for one project."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.testing.cycle import Cycle
from app.agents.testing.echo import Echo, left_alone
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
    from app.domain.verdicts import Cause, TestState
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse
    from app.engine.processes import ProcessRunner


ENTER_S = 600.0
"""A tree on a slow disk may take so long to enter; the watch beats again when it is in."""


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
    ) -> None:
        self.root = root
        self.inbox = Inbox()
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
            pulse.busy_for(ENTER_S)
            async with watch:
                pulse.beat()
                reader = spawn(self._read(watch), name=f"{self.name} reads")
                reader.add_done_callback(lambda _task: self.inbox.woken.set())
                try:
                    while settings.watch.ignore == ignore and not pulse.stopping.is_set():
                        await self._until_work(pulse, reader)
                        settings = await self._look_at_settings()
                        if settings.watch.ignore == ignore and not pulse.stopping.is_set():
                            await self._one_run(pulse, ledger, settings.tests)
                finally:
                    reader.cancel()
                    await asyncio.wait({reader})

    def _on_trouble(self, pulse: Pulse, text: str, hint: str) -> None:
        self._notice("watch", text, hint)
        pulse.degraded(text)

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

    async def _read(self, watch: FileWatch) -> None:
        async for batch in watch.batches():
            own = self._echo.own()
            wrote = {change.path: own[change.path] for change in batch.changes if change.path in own}
            echoed = await asyncio.to_thread(left_alone, self.root, wrote) if wrote else ()
            saved = [change.path for change in batch.changes if change.path not in echoed]
            if saved:
                self._echo.heard()
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

    async def _one_run(self, pulse: Pulse, ledger: Ledger, settings: TestSettings) -> None:
        cause = self.inbox.take()
        self._echo.began()
        cycle = Cycle(self._project, self._new_id(), cause, ledger=ledger, pulse=pulse, clock=self._clock)
        try:
            outcome = await self._run_to_its_end(pulse, cycle, ledger, settings)
        except InterpreterMissing as error:
            cycle.finish(Verdict.NO_INTERPRETER, message=str(error))
        except BaseException:
            self.inbox.give_back(cause)  # the next life begins with what this one could not do
            cycle.finish(Verdict.CANCELLED)
            raise
        else:
            self._conclude(cycle, outcome)

    async def _run_to_its_end(
        self, pulse: Pulse, cycle: Cycle, ledger: Ledger, settings: TestSettings
    ) -> RunOutcome | None:
        """Return what the run came to; None when it was ended by newer changes, by a person or by the program's end."""
        interpreter = await self._find(pulse, settings.python)
        await asyncio.to_thread(drop_bytecode, self.root, cycle.cause.paths)
        run = self._test_run(interpreter, settings, cycle.cause, ledger)
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
            self._echo.ended(run.wrote)
        self.inbox.drop(await asyncio.to_thread(left_alone, self.root, run.wrote))
        return None if going.cancelled() else going.result()

    def _is_pointless(self, pulse: Pulse, run: TestRun) -> bool:
        is_overtaken = not self._echo.is_patient and self.inbox.has_changes(beside=run.wrote)
        return pulse.stopping.is_set() or is_overtaken or self.inbox.take_cancel()

    def _conclude(self, cycle: Cycle, outcome: RunOutcome | None) -> None:
        if outcome is None:
            if self.inbox.has_changes():
                self.inbox.give_back(cycle.cause)
            cycle.finish(Verdict.CANCELLED)
            return
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
        if found is None or found.configured != configured or not await asyncio.to_thread(self._still_right, found):
            found = await asyncio.to_thread(find_interpreter, self.root, configured=configured, environ=self._environ)
            self._interpreter = found
            from_path = f"{self._title} has no environment of its own, so its tests run with {found.path}."
            hint = (
                f"If that is not meant, make one: python3 -m venv {self.root / '.venv'}, or set `python` under [tests]."
            )
            self._notice("python", from_path if found.source == "PATH" else "", hint)
            now, source = self._clock.wall(), found.source
            pulse.publish(InterpreterFound(at=now, project=self._project, interpreter=found.path, source=source))
        return found

    def _still_right(self, found: Interpreter) -> bool:
        """Return whether the interpreter is there, and no environment was made in the project since it was found."""
        made = any((self.root / name / "pyvenv.cfg").exists() for name in (".venv", "venv", "env"))
        return found.exists() and not (made and found.source == "PATH")

    def _notice(self, kind: str, text: str, hint: str = "") -> None:
        self._notices.show(f"{kind}:{self._project}", text, hint)
