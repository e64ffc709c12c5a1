"""One cycle without anything that stays: find the interpreter, run the tests, return what they say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.testing.afterwards.measured import coverage_of
from app.agents.testing.impact.keeper import Choice, ImpactKeeper
from app.agents.testing.runners.choose import choose_runner
from app.agents.testing.runners.toolrun import ToolRun
from app.agents.testing.running.environment import drop_bytecode
from app.agents.testing.running.interpreters import Interpreter, find_interpreter
from app.agents.testing.running.orders import Order
from app.agents.testing.running.stagedrun import StagedRun
from app.agents.testing.spares.spares import Recipe, Spares
from app.domain.verdicts import Cause, CauseKind, Counts, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from app.agents.testing.running.runs import RunOutcome
    from app.agents.testing.settings import TestSettings
    from app.domain.coverage import ChangedLines, Coverage
    from app.domain.verdicts import TestResult
    from app.engine.clock import Clock
    from app.engine.processes import ProcessRunner


@dataclass(frozen=True, slots=True)
class Report:
    """What one cycle came to.

    Attributes:
        tests: In the order in which they ended.
        impacted: How those ended that the change touches and that ran first; None when nothing was chosen.
        changed_lines: How much of the change the tests execute; None when that is not known.
        coverage: What coverage.py measured, or why it could not; None when it was not asked for.
    """

    project: str
    interpreter: Interpreter
    changed: tuple[str, ...]
    outcome: RunOutcome
    tests: tuple[TestResult, ...]
    impacted: Counts | None = None
    changed_lines: ChangedLines | None = None
    coverage: Coverage | str | None = None

    @property
    def counts(self) -> Counts:
        """How many tests ended in which way."""
        return Counts.of([test.outcome for test in self.tests])


async def run_once(
    root: Path,
    changed: Sequence[str],
    settings: TestSettings,
    *,
    runner: ProcessRunner,
    clock: Clock,
    environ: Mapping[str, str],
    maps: Path,
    coverage: bool = False,
) -> Report:
    """Run all tests of a project, those first that changed files touch, so that a red one is seen early.

    Args:
        root: The project's folder.
        changed: Files that changed, relative to it.
        settings: The settings in force for it.
        runner: Starts programs.
        clock: Time.
        environ: The environment in which the tests are run.
        maps: The folder in which impact maps are kept.
        coverage: Measure with coverage.py, where the project's environment has it.

    Raises:
        InterpreterMissing: No Python was found for the project.
    """

    def python() -> str:
        return find_interpreter(root, configured=settings.python, environ=environ).path

    await asyncio.to_thread(drop_bytecode, root, changed)
    tests = _Tests()
    chosen = await asyncio.to_thread(choose_runner, root, settings, python)
    if chosen is not None:
        tool = ToolRun(
            chosen.tool,
            root=root,
            changed=changed,
            interpreter=chosen.interpreter,
            hang_s=settings.hang_seconds,
            runner=runner,
            clock=clock,
            environ=environ,
        )
        outcome = await tool.run(lambda _count: None, tests.ended, tests.staged)
        interpreter = Interpreter(chosen.interpreter or "", chosen.why)
        return Report(str(root), interpreter, tuple(changed), outcome, tests.all, impacted=tests.impacted)
    interpreter = await asyncio.to_thread(find_interpreter, root, configured=settings.python, environ=environ)
    impact = ImpactKeeper(root, maps)
    await impact.open(f"{interpreter.path} {settings.args}")
    cause = Cause(CauseKind.SAVE if changed else CauseKind.REQUEST, tuple(changed))
    choice = await impact.choose(cause, ()) if settings.impact and changed else Choice()

    async def plan() -> Order:
        return Order(choice.chunks, rest=False, trace="cheap")

    async with Spares(root, runner=runner, clock=clock, environ=environ, want=0) as spares:
        run = StagedRun(
            root=root,
            interpreter=interpreter.path,
            take=lambda: spares.cold(Recipe(interpreter.path, settings.args)),
            plan=plan,
            hang_s=settings.hang_seconds,
            clock=clock,
            coverage=coverage,
        )
        outcome = await run.run(lambda _count: None, tests.ended, tests.staged)
    ran = {nodeid: result.duration_s for nodeid, result in run.results.items()}
    before = impact.kept_lines(choice)
    await impact.conclude(choice, run.trace, ran=ran, collected=outcome.nodeids if outcome.complete else None)
    lines = await asyncio.to_thread(impact.lines_covered, before) if outcome.complete and changed else None
    measured = coverage_of(run.coverage or {}) if coverage else None
    return Report(
        str(root),
        interpreter,
        tuple(changed),
        outcome,
        tests.all,
        tests.impacted,
        changed_lines=lines,
        coverage=measured,
    )


class _Tests:
    """What one cycle's tests came to."""

    def __init__(self) -> None:
        self.impacted: Counts | None = None
        self._ended: dict[str, TestResult] = {}

    @property
    def all(self) -> tuple[TestResult, ...]:
        """The tests in the order in which they ended; of one that ran twice, its last end counts."""
        return tuple(self._ended.values())

    def ended(self, results: tuple[TestResult, ...], _running: str) -> None:
        """Take in tests that ended."""
        for result in results:
            self._ended.pop(result.nodeid, None)
            self._ended[result.nodeid] = result

    def staged(self, stage: Stage, _tests: int | None) -> None:
        """Count what ended before the rest began."""
        if stage is Stage.REST:
            self.impacted = Counts.of([test.outcome for test in self._ended.values()])
