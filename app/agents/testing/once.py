"""One cycle without anything that stays: find the interpreter, run the tests, return what they say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.testing.interpreters import find_interpreter
from app.agents.testing.runs import TestRun, drop_bytecode
from app.domain.verdicts import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from app.agents.testing.interpreters import Interpreter
    from app.agents.testing.runs import RunOutcome
    from app.agents.testing.settings import TestSettings
    from app.domain.verdicts import TestResult
    from app.engine.clock import Clock
    from app.engine.processes import ProcessRunner


@dataclass(frozen=True, slots=True)
class Report:
    """What one cycle came to; `tests` in the order in which they ended."""

    project: str
    interpreter: Interpreter
    changed: tuple[str, ...]
    outcome: RunOutcome
    tests: tuple[TestResult, ...]

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
) -> Report:
    """Run all tests of a project, those in changed files first, so that a red one is seen early.

    Args:
        root: The project's folder.
        changed: Files that changed, relative to it.
        settings: The settings in force for it.
        runner: Starts programs.
        clock: Time.
        environ: The environment in which the tests are run.

    Raises:
        InterpreterMissing: No Python was found for the project.
    """
    interpreter = await asyncio.to_thread(find_interpreter, root, configured=settings.python, environ=environ)
    await asyncio.to_thread(drop_bytecode, root, changed)
    run = TestRun(
        root=root,
        interpreter=interpreter.path,
        args=settings.args,
        first=tuple(changed),
        hang_s=settings.hang_seconds,
        runner=runner,
        clock=clock,
        environ=environ,
    )
    tests: dict[str, TestResult] = {}

    def on_results(results: tuple[TestResult, ...], _running: str) -> None:
        for result in results:
            tests.pop(result.nodeid, None)
            tests[result.nodeid] = result

    outcome = await run.run(lambda _count: None, on_results)
    return Report(str(root), interpreter, tuple(changed), outcome, tuple(tests.values()))
