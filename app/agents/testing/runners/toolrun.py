"""One run of a project's tests by another runner than pytest: the same face as `TestRun`, the same rules."""

from __future__ import annotations

import os
import tempfile
from asyncio import to_thread
from collections import ChainMap
from pathlib import Path
from typing import TYPE_CHECKING

from app.agents.testing.runners.steps import Place
from app.agents.testing.running.environment import child_environment
from app.agents.testing.running.following import Batches, follow
from app.agents.testing.running.journal import Finding, readable
from app.agents.testing.running.runs import RunOutcome
from app.domain.errors import CannotError, ProjectError, UsageError
from app.domain.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.agents.testing.runners.steps import Step, Tool
    from app.agents.testing.running.following import OnResults, OnStage
    from app.domain.errors import WatchkeeperError
    from app.domain.verdicts import TestResult
    from app.engine.clock import Clock
    from app.engine.processes import Ended, ProcessRunner


class ToolRun:
    """One run by one runner; it can be run once.

    Where the runner can choose by changed files, it runs twice: first what belongs to them, then everything. The
    verdict is always that of everything; a test that ends twice has its second result.

    Args:
        tool: The runner.
        root: The project's folder, where it is started.
        changed: The files that changed, relative to `root`; empty: there is no first part.
        interpreter: The project's Python, whose environment is active for the run; None when it has none.
        hang_s: A run that gives no sign of life for so many seconds, no result and no output, is ended.
        runner: Starts programs.
        clock: Tells how long it takes.
        environ: The user's environment, as it was before Watchkeeper changed anything.
    """

    def __init__(
        self,
        tool: Tool,
        *,
        root: Path,
        changed: Sequence[str],
        interpreter: str | None,
        hang_s: float,
        runner: ProcessRunner,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        self._tool = tool
        self._root = root
        self._changed = tuple(changed)
        self._hang_s = hang_s
        self._runner = runner
        self._clock = clock
        self._env = child_environment(environ, interpreter or str(root))
        self._steps: Sequence[Step] = ()
        self._is_unseen = False

    @property
    def wrote(self) -> Mapping[str, tuple[int, int] | None]:
        """The files below the root that this run wrote so far, as `TestRun.wrote` tells them; not all can be known."""
        return ChainMap(*(dict(step.listener.wrote()) for step in reversed(self._steps)))

    @property
    def results(self) -> Mapping[str, TestResult]:
        """The tests that ended, and how."""
        return ChainMap(*(step.listener.story.results for step in reversed(self._steps)))

    async def run(
        self, on_collected: Callable[[int], None], on_results: OnResults, on_stage: OnStage | None = None
    ) -> RunOutcome:
        """Run the tests to their end. A cancelled run ends the command and all that it started, and then raises.

        Args:
            on_collected: Called once with the number of all tests, when it is known: with some runners at the end.
            on_results: Called with the tests that ended since the last call, in order, and the test that runs now.
            on_stage: Called when a stage begins, if there are two; how many tests it has is not known then.
        """
        began = self._clock.monotonic()
        with tempfile.TemporaryDirectory(prefix="watchkeeper-", ignore_cleanup_errors=True) as scratch:
            place = Place(self._root, self._changed, Path(scratch), self._env)
            try:
                self._steps = await to_thread(self._tool.steps, place)
                for step in self._steps:
                    is_last = step is self._steps[-1]
                    if len(self._steps) > 1:
                        step.listener.story.stage = step.stage
                    batches = Batches(
                        step.listener.story, on_collected if is_last else _no_matter, on_results, on_stage
                    )
                    finding, output = await self._one(step, batches)
                    if finding.verdict is Verdict.HUNG:
                        break  # everything would hang there as well
            except ProjectError as error:
                return self._refused(Verdict.ERROR, error, began)
            except UsageError as error:
                return self._refused(Verdict.USAGE_ERROR, error, began)
            except CannotError as error:
                return self._refused(Verdict.NO_INTERPRETER, error, began)
        listener, is_trouble = step.listener, finding.verdict.is_trouble
        story = listener.story
        is_settled = finding.verdict in (Verdict.GREEN, Verdict.RED, Verdict.NO_TESTS)
        return RunOutcome(
            finding.verdict,
            finding.message if is_trouble else "",
            output if is_trouble else "",
            self._clock.monotonic() - began,
            story.collected or tuple(story.results),
            is_settled and not (listener.lacking or story.missed),
            self._is_unseen,
        )

    def _refused(self, verdict: Verdict, error: WatchkeeperError, began: float) -> RunOutcome:
        return RunOutcome(verdict, str(error), "", self._clock.monotonic() - began, (), complete=False)

    async def _one(self, step: Step, batches: Batches) -> tuple[Finding, str]:
        listener, env = step.listener, {**self._env, **step.extra}
        env["PATH"] = os.pathsep.join([*step.path, *(each for each in [env.get("PATH", "")] if each)])
        batches.flush()
        try:
            async with self._runner.start(step.argv, cwd=self._root, env=env) as process:
                ended, hung = await follow(
                    process,
                    process.lines(),
                    listener.take,
                    batches,
                    hang_s=self._hang_s,
                    clock=self._clock,
                    project=str(self._root),
                )
        finally:
            batches.aclose()
        self._is_unseen |= ended.unseen
        output = readable(ended.output)
        finding = self._hung(step, output) if hung else await to_thread(self._concluded, step, ended, output)
        batches.flush()
        return finding, output

    def _concluded(self, step: Step, ended: Ended, output: str) -> Finding:
        finding = step.listener.conclude(ended)
        if finding.verdict is Verdict.CRASHED:
            step.listener.story.close(Outcome.CRASHED, output)
        return finding

    def _hung(self, step: Step, output: str) -> Finding:
        where = step.listener.story.now or self._tool.name
        step.listener.story.close(Outcome.HUNG, output)
        return Finding(
            Verdict.HUNG,
            f"{where} gave no sign of life for {self._hang_s:g} s, and the run was ended. "
            "Look there for an endless loop or a wait without a deadline, or allow more time in the settings.",
        )


def _no_matter(_count: int) -> None:
    """Pass over how many tests the first part has: the whole's number is told later."""
