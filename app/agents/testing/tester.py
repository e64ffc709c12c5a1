"""Runs one project's tests, as the settings say then: with which Python, which tests first, in which worker."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from app.agents.testing.afterwards.afterwork import Afterwork
from app.agents.testing.going import Finished, Going
from app.agents.testing.runners.choose import choose_runner, may_choose_anew
from app.agents.testing.runners.toolrun import ToolRun
from app.agents.testing.running.environment import drop_bytecode
from app.agents.testing.running.interpreters import find_interpreter, making
from app.agents.testing.running.orders import Order
from app.agents.testing.running.stagedrun import StagedRun
from app.agents.testing.spares.spares import Recipe, Spares
from app.domain.events import InterpreterFound
from app.domain.verdicts import CauseKind, Stage, Verdict
from app.engine.filewatch import ChangeKind
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    from app.agents.testing.cycle import Cycle
    from app.agents.testing.impact.keeper import Choice
    from app.agents.testing.runners.choose import OtherRunner
    from app.agents.testing.running.interpreters import Interpreter
    from app.agents.testing.settings import TestSettings
    from app.agents.testing.surroundings import Surroundings
    from app.domain.verdicts import Cause
    from app.engine.filewatch import Batch


_ASK_ANEW = frozenset({Verdict.NO_PYTEST, Verdict.NO_INTERPRETER, Verdict.NO_TESTS})
"""Verdicts after which another interpreter, or another tool, may be what the project has."""

IN_VAIN_S = 2.0
"""When no run has begun so long after a save seemed to be made, nothing was changed by it."""


class Tester:
    """Runs a project's tests, and keeps ready what makes the next run fast. An async context manager.

    Args:
        around: What runs stand on.
        settings: The settings in force now.
        red: Gives the tests that are red.
    """

    def __init__(self, around: Surroundings, settings: TestSettings, red: Callable[[], tuple[str, ...]]) -> None:
        self._around = around
        self._root = around.root
        self._impact = around.impact
        self._red = red
        self._interpreter: Interpreter | None = None
        self._chosen: OtherRunner | None = None
        self._chosen_for: TestSettings | None = None
        self._hurry: asyncio.Task[None] | None = None
        self._spares = Spares(
            around.root,
            runner=around.runner,
            clock=around.clock,
            environ=around.environ,
            want=settings.warm_workers,
            cap_bytes=settings.warm_mb << 20,
            on_battery=around.on_battery,
            on_trouble=lambda text, hint: around.notice("spares", text, hint),
        )
        self._after = Afterwork(around, self._spares)

    async def __aenter__(self) -> Self:
        """Begin to keep workers ready, from the first run on."""
        await self._spares.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers."""
        try:
            if self._hurry is not None:
                self._hurry.cancel()
                await asyncio.wait({self._hurry})
            await self._after.stop()
        finally:
            await self._spares.__aexit__(kind, error, trace)

    def stir(self, names: frozenset[str]) -> None:
        """A save has most likely just been made: load the project, and what will run first, ahead of knowing it."""
        settings = self._chosen_for
        if settings is not None and self._chosen is None:
            if self._hurry is not None:
                self._hurry.cancel()
            self._hurry = spawn(self._load_ahead(names, settings), name="load ahead")

    async def _load_ahead(self, names: frozenset[str], settings: TestSettings) -> None:
        await asyncio.gather(self._after.pause(names), asyncio.to_thread(drop_bytecode, self._root, names))
        worker = await self._spares.hurry(names)
        if worker is not None and settings.impact:
            chunk = await self._impact.foresee(names, self._red())
            if chunk is not None:
                worker.collect(chunk.as_order(), trace="cheap")
        await self._around.clock.sleep(IN_VAIN_S)
        self._after.go_on()

    def changed(self, batch: Batch) -> None:
        """Files changed, whoever changed them: what workers have loaded of them is old."""
        if not batch.changes:
            self._spares.discard()
            return
        came_or_went = [change.path for change in batch.changes if change.kind is not ChangeKind.MODIFIED]
        self._spares.changed([change.path for change in batch.changes], new_or_gone=came_or_went, last_at=batch.last_at)

    async def begin(self, cycle: Cycle, settings: TestSettings) -> Going:
        """Begin a run. What was done beside ends before its first test begins, since tests may share a port with it.

        Args:
            cycle: Hears of the run.
            settings: The settings in force.

        Raises:
            InterpreterMissing: There is no Python for the project.
        """
        after = spawn(self._after.stop(), name="end what is done beside")
        red = self._red()
        chosen = await self._choose_runner(cycle.cause.paths, settings)
        await asyncio.to_thread(drop_bytecode, self._root, cycle.cause.paths)
        if chosen is None:
            return await self._begin_pytest(cycle, red, settings, after)
        await after
        return self._begin_tool(cycle, chosen, red, settings)

    async def _begin_pytest(
        self, cycle: Cycle, red: tuple[str, ...], settings: TestSettings, after: asyncio.Task[None]
    ) -> Going:
        cause = cycle.cause
        interpreter = await self._find(settings.python)
        await self._impact.open(f"{interpreter.path} {settings.args}")
        self._spares.prepare(self._recipe(interpreter, settings))

        async def plan() -> Order:
            choice, _ = await asyncio.gather(self._choose(cause, red, settings), after)
            going.choice = choice
            cycle.expect(choice.known)
            trace: Literal["cheap", "none"] = "cheap" if settings.impact else "none"
            return Order(choice.chunks, rest=False, trace=trace)

        def staged(stage: Stage, tests: int | None) -> None:
            touched = len(going.choice.selection.impacted) if stage is Stage.IMPACTED else None
            cycle.staged(stage, tests if tests is not None else touched)

        run = StagedRun(
            root=self._root,
            interpreter=interpreter.path,
            take=lambda: self._spares.take(cause.paths),
            plan=plan,
            hang_s=settings.hang_seconds,
            clock=self._around.clock,
            on_rest=self._spares.refill,
        )
        task = spawn(run.run(cycle.collected, cycle.ran, staged), name=f"tests of {self._around.title}")
        going = Going(
            run, cycle.run_id, task, cause, settings, interpreter.path, self._around.clock.wall(), frozenset(red)
        )
        return going

    def _begin_tool(self, cycle: Cycle, chosen: OtherRunner, red: tuple[str, ...], settings: TestSettings) -> Going:
        run = ToolRun(
            chosen.tool,
            root=self._root,
            changed=cycle.cause.paths if settings.impact else (),
            interpreter=chosen.interpreter,
            hang_s=settings.hang_seconds,
            runner=self._around.runner,
            clock=self._around.clock,
            environ=self._around.environ,
        )
        task = spawn(run.run(cycle.collected, cycle.ran, cycle.staged), name=f"tests of {self._around.title}")
        return Going(run, cycle.run_id, task, cycle.cause, settings, "", self._around.clock.wall(), frozenset(red))

    def follow_up(self, going: Going) -> None:
        """Learn from a run that came to a verdict, and do what is worth doing while nobody waits."""
        outcome = going.outcome
        if outcome is not None and outcome.verdict in _ASK_ANEW:
            self._interpreter = self._chosen_for = None
        if outcome is not None and isinstance(going.run, StagedRun):
            self._after.begin(Finished(going, going.run, outcome, self._impact.kept_lines(going.choice)))

    async def _choose_runner(self, changed: Collection[str], settings: TestSettings) -> OtherRunner | None:
        """Return what runs the tests, looked for again when it may be another; None for pytest."""
        if self._chosen_for != settings or may_choose_anew(self._chosen, changed):

            def python() -> str:
                return find_interpreter(self._root, configured=settings.python, environ=self._around.environ).path

            self._chosen = await asyncio.to_thread(choose_runner, self._root, settings, python)
            self._chosen_for = settings
        return self._chosen

    def _recipe(self, interpreter: Interpreter, settings: TestSettings) -> Recipe:
        return Recipe(interpreter.path, settings.args, self._impact.ahead)

    async def _choose(self, cause: Cause, red: tuple[str, ...], settings: TestSettings) -> Choice:
        choice = await self._impact.choose(cause, red)
        return choice if settings.impact and cause.kind is CauseKind.SAVE else replace(choice, chunks=())

    async def _find(self, configured: str) -> Interpreter:
        """Return the project's interpreter, looked for again when it is gone or another one is configured."""
        found = self._interpreter
        if found is None or found.configured != configured or not await asyncio.to_thread(self._still_right, found):
            found = await asyncio.to_thread(
                find_interpreter, self._root, configured=configured, environ=self._around.environ
            )
            self._interpreter = found
            from_path = f"{self._around.title} has no environment of its own, so its tests run with {found.path}."
            hint = f"If that is not meant, make one: {making(self._root / '.venv')}, or set `python` under [tests]."
            self._around.notice("python", from_path if found.source == "PATH" else "", hint)
            now, source = self._around.clock.wall(), found.source
            self._around.publish(
                InterpreterFound(at=now, project=str(self._root), interpreter=found.path, source=source)
            )
        return found

    def _still_right(self, found: Interpreter) -> bool:
        """Return whether the interpreter is there, and no environment was made in the project since it was found."""
        made = any((self._root / name / "pyvenv.cfg").exists() for name in (".venv", "venv", "env"))
        return found.exists() and not (made and found.source == "PATH")
