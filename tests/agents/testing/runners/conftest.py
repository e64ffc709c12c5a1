"""What the tests of the other runners share: a run over real processes, and recorded outputs of real tools."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.agents.testing.runners.story import Story
from app.agents.testing.runners.toolrun import ToolRun
from app.engine.clock import SystemClock
from app.engine.processes import Ended, ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.agents.testing.runners.steps import Tool
    from app.agents.testing.running.runs import RunOutcome
    from app.domain.verdicts import Outcome, Stage, TestResult

RECORDED = Path(__file__).parent / "recorded"


class Tried:
    """One run of a tool, and what it told while it went on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.totals: list[int] = []
        self.stages: list[Stage] = []
        self.running: list[str] = []
        self.told: list[TestResult] = []
        self.ran: ToolRun | None = None
        self._something = asyncio.Event()

    def prepare(
        self,
        tool: Tool,
        *,
        changed: Sequence[str] = (),
        interpreter: str | None = None,
        hang_s: float = 50.0,
        environ: Mapping[str, str] | None = None,
    ) -> ToolRun:
        clock = SystemClock()
        self.ran = ToolRun(
            tool,
            root=self.root,
            changed=changed,
            interpreter=interpreter,
            hang_s=hang_s,
            runner=ProcessRunner(clock=clock),
            clock=clock,
            environ={**os.environ, **(environ or {})},
        )
        return self.ran

    async def run(self, tool: Tool, **options: object) -> RunOutcome:
        run = self.prepare(tool, **options)  # type: ignore[arg-type]
        return await run.run(self.totals.append, self._take, lambda stage, _tests: self.stages.append(stage))

    def _take(self, results: tuple[TestResult, ...], running: str) -> None:
        self.told += results
        self.running.append(running)
        self._something.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was told makes the condition true."""
        async with asyncio.timeout(60):
            while not condition():
                self._something.clear()
                await self._something.wait()

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How each test ended last."""
        return {result.nodeid: result.outcome for result in self.told}

    @property
    def texts(self) -> dict[str, str]:
        return {result.nodeid: result.output for result in self.told}


@pytest.fixture
def tried(tmp_path: Path) -> Tried:
    """A project's folder, and runs of tools in there: `await tried.run(tool)`."""
    root = tmp_path / "project"
    root.mkdir()
    return Tried(root)


@pytest.fixture
def recorded() -> Callable[[str], Path]:
    """Gives the path of a recorded output by its name."""
    return lambda name: RECORDED / name


@pytest.fixture
def ended() -> Callable[[int], Ended]:
    """Makes the end of a process with an exit code."""
    return lambda code: Ended(code, None, b"what it printed", killed=False)


@pytest.fixture
def story() -> Story:
    return Story()
