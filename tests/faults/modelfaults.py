"""The whole house over a small project with a red test, a model's service that misbehaves, and what it costs."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from app.domain import commands
from app.domain.agents import AgentState
from app.domain.analysis import ExplainStage, Explanation
from app.domain.events import AgentChanged, LoopLagged, VerdictChanged
from tests.mutations.watched import Watched, watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GOOD = "def total(prices):\n    return sum(prices)\n"
BAD = "def total(prices):\n    return sum(prices) - 1\n"
SUITE = """\
import pytest

from shop import total


@pytest.mark.parametrize("count", range({tests}))
def test_total(count):
    assert total([count, 1]) == count + 1


def test_nothing():
    assert total([]) == 0
"""
NODE = "test_shop.py::test_nothing"

_SOMEBODY = ("-c", "user.name=Masha", "-c", "user.email=masha@example.org")

DEADLINE_S = 6.0
"""A person's setting in these tests: short, so that many fit into a minute."""

LAG_STEP_S = 0.005


@dataclass
class Lag:
    """How late the loop was, all the time."""

    seen: list[float] = field(default_factory=list)

    async def measure(self) -> None:
        while True:
            due = time.perf_counter() + LAG_STEP_S
            await asyncio.sleep(LAG_STEP_S)
            self.seen.append(max(0.0, time.perf_counter() - due))

    def at(self, share: float) -> float:
        """Return the lag that this share of measurements stays below, in milliseconds."""
        ordered = sorted(self.seen)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


@dataclass
class Shop:
    """A watched project, and the house's answers about it."""

    watched: Watched
    lag: Lag
    root: Path
    home: Path

    @property
    def project(self) -> str:
        return str(self.root)

    async def send(self, command: commands.Command) -> Any:
        return await self.watched.bus.send(command)

    def save(self, source: str) -> None:
        (self.root / "shop.py").write_text(source)

    async def goes_red(self) -> None:
        """Break the project, and wait until its tests have said so."""
        told = len(self.watched.all(VerdictChanged))
        await self.watched.pause()
        self.save(BAD)
        await self.watched.until(lambda: len(self.watched.all(VerdictChanged)) > told and bool(self.watched.red))

    async def goes_green(self) -> None:
        """Mend it, and wait likewise."""
        await self.watched.pause()
        self.save(GOOD)
        await self.watched.until(lambda: not self.watched.red and not self.watched.is_running)

    async def explained(self, nodeid: str = NODE, *, again: bool = False) -> Explanation:
        """Have a failure explained, and wait until a model has had its say."""
        first: Explanation = await self.send(commands.Explain(project=self.project, nodeid=nodeid, again=again))
        if first.stage is not ExplainStage.ASKING:
            return first

        def is_over() -> bool:
            known = self.watched.view.explained.get(nodeid)
            return known is not None and known.stage is not ExplainStage.ASKING

        await self.watched.until(is_over, within_s=50)
        return await self.send(commands.ReadExplanation(project=self.project, nodeid=nodeid))

    def others(self) -> set[AgentState]:
        """Return every state that another agent than the analysis has been in since it was up."""
        changed = [each for each in self.watched.all(AgentChanged) if each.agent != "analysis"]
        return {each.state for each in changed} - {AgentState.STARTING}

    @property
    def stalls(self) -> list[LoopLagged]:
        """What the loop's own watchdog has told."""
        return self.watched.all(LoopLagged)


@dataclass(frozen=True)
class Spent:
    """What a process holds."""

    descriptors: int
    threads: int
    tasks: int

    @classmethod
    def now(cls) -> Spent:
        gc.collect()
        process = psutil.Process()
        return cls(process.num_fds(), process.num_threads(), len(asyncio.all_tasks()))


@asynccontextmanager
async def shop(
    folder: Path, url: str, *, tests: int = 3, more: str = "", when: str = "ask", deadline_s: float = DEADLINE_S
) -> AsyncIterator[Shop]:
    """Watch a small project whose analysis asks the service at `url`; its tests have run, and are green."""
    root, home = folder / "shop", folder / "home"
    root.mkdir()
    (root / "shop.py").write_text(GOOD)
    (root / "test_shop.py").write_text(SUITE.format(tests=tests))
    (root / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n")
    for words in (("init", "-q"), ("add", "-A"), (*_SOMEBODY, "commit", "-q", "-m", "green")):
        await asyncio.to_thread(subprocess.run, ("git", *words), cwd=root, check=True)
    settings = (
        f'\n[analysis]\nwhen = "{when}"\nproviders = ["custom"]\ndeadline_seconds = {deadline_s}\n'
        f'language = "English"\n{more}\n'
        f'[analysis.custom]\nbase_url = "{url}"\nmodel = "stand-in-1"\nprices = [1.0, 2.0]\n'
    )
    async with watching(root, home, tests={"recheck": False}, more=settings) as watched:
        lag = Lag()
        made = Shop(watched, lag, root, home)
        await watched.ran(1)
        await made.send(commands.SetConsent(project=str(root)))
        measuring = asyncio.create_task(lag.measure())
        try:
            yield made
        finally:
            measuring.cancel()


def different(count: int) -> str:
    """Return the source of so many tests that all fail, each in its own way, when the shop is broken."""
    tests = [
        f"def test_of_{number}():\n    assert total([{number}, 1]) == {number} + 1\n\n\n" for number in range(count)
    ]
    return "from shop import total\n\n\n" + "".join(tests)
