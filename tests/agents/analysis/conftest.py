"""A watched project with a red test, and the analysis around it: all of it real but the model's service."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.analysis.agent import Analysis
from app.agents.analysis.answers import answer
from app.agents.analysis.asking import Asking
from app.agents.analysis.consent import CONSENT_SCHEMA, Consent
from app.agents.analysis.explaining import Explaining
from app.agents.analysis.gathering import Gathering
from app.agents.analysis.redtests import RedTests
from app.agents.analysis.settings import AnalysisSettings, ProviderSettings
from app.agents.analysis.subjects import Subjects
from app.agents.analysis.talking import Talking
from app.agents.analysis.work import Work
from app.ai.conversations.conversations import Conversations
from app.ai.conversations.recent import NoCache
from app.ai.conversations.transcripts import Transcripts
from app.ai.failures.privacy import Privacy
from app.ai.providers import budget as budgets
from app.ai.providers.service import Models
from app.domain import commands
from app.domain.analysis import ExplainStage, Explanation, SourceDiff
from app.domain.events import Event, ProjectWatched, RunFinished, RunStarted, TestsRan, VerdictChanged
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.heartbeat import Pulse
from app.engine.processes import ProcessRunner
from app.engine.redaction import Redactor
from app.engine.statefile import StateFile
from app.engine.workers import WorkerPool
from app.store.history import History
from app.store.location import sqlite_url
from tests.ai.modelserver import ModelServer, NoKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

SHOP = "def total(prices):\n    return sum(prices) - 1\n"
TEST = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
OUTPUT = """\
    def test_total():
>       assert total([1, 2]) == 3
E       assert 2 == 3
E        +  where 2 = total([1, 2])

test_shop.py:5: AssertionError
"""
DIFF = """\
diff --git a/shop.py b/shop.py
--- a/shop.py
+++ b/shop.py
@@ -1,2 +1,2 @@
 def total(prices):
-    return sum(prices)
+    return sum(prices) - 1
"""
ANSWER = {
    "cause": "total() takes one off the sum.",
    "confidence": "high",
    "evidence": [{"path": "shop.py", "line": 2, "why": "here"}, {"path": "gone.py", "line": 7, "why": "nowhere"}],
    "next_step": "Take the `- 1` out again.",
    "patch": "--- a/shop.py\n+++ b/shop.py\n@@ -1,2 +1,2 @@\n def total(prices):\n-    return sum(prices) - 1\n"
    "+    return sum(prices)\n",
}


@dataclass
class Desk:
    """The analysis, and what it told."""

    server: ModelServer
    root: Path
    bus: Bus
    asking: Asking
    explaining: Explaining
    agent: Analysis
    data: Path
    changes: dict[str, Any]
    told: list[Event] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    diff: SourceDiff = field(default_factory=lambda: SourceDiff("the last commit", DIFF))
    runs: int = 0

    @property
    def project(self) -> str:
        return str(self.root)

    def hear(self, event: Event, _snapshot: object) -> None:
        self.told.append(event)
        self.moved.set()

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until something holds, which only a new event can bring about."""
        async with asyncio.timeout(seconds):
            while not holds():
                self.moved.clear()
                await self.moved.wait()

    def set(self, **changes: Any) -> None:
        """Change settings, as `watchkeeper config set` does."""
        self.changes.update(changes)

    def run(self, *results: TestResult, told: bool = True) -> None:
        """Let a run of the project's tests end with these results."""
        self.runs += 1
        run_id, at, cause = f"run-{self.runs}", 1_700_000_000.0 + self.runs, Cause(CauseKind.SAVE, ("shop.py",))
        red = [result.nodeid for result in results if result.outcome.is_red]
        verdict = Verdict.RED if red else Verdict.GREEN
        self.bus.publish(RunStarted(at=at, project=self.project, run_id=run_id, cause=cause))
        self.bus.publish(TestsRan(at=at, project=self.project, run_id=run_id, results=results))
        self.bus.publish(RunFinished(at=at, project=self.project, run_id=run_id, verdict=verdict, duration_s=0.1))
        if red and told:
            self.bus.publish(VerdictChanged(at=at, project=self.project, run_id=run_id, cause=cause, broke=tuple(red)))

    async def send(self, command: commands.Command) -> Any:
        return await self.bus.send(command)

    async def explained(self, nodeid: str = "test_shop.py::test_total", *, again: bool = False) -> Explanation:
        """Have a failure explained, and return the explanation when a model has had its say."""
        told = len(self.told)
        first: Explanation = await self.send(commands.Explain(project=self.project, nodeid=nodeid, again=again))
        if first.stage is not ExplainStage.ASKING:
            return first

        def is_over() -> bool:
            view = self.bus.snapshot.projects[self.project].explained.get(nodeid)
            return len(self.told) > told and view is not None and view.stage is not ExplainStage.ASKING

        await self.until(is_over)
        return await self.send(commands.ReadExplanation(project=self.project, nodeid=nodeid))

    async def agree(self) -> None:
        await self.send(commands.SetConsent(project=self.project))


def red(nodeid: str = "test_shop.py::test_total", output: str = OUTPUT) -> TestResult:
    return TestResult(nodeid, Outcome.FAILED, 0.01, output)


def green(nodeid: str = "test_shop.py::test_total") -> TestResult:
    return TestResult(nodeid, Outcome.PASSED, 0.01)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as listening:
        yield listening


@asynccontextmanager
async def desk_at(
    folder: Path, server: ModelServer, *, clock: Any = None, redactor: Redactor | None = None, **environ: str
) -> AsyncIterator[Desk]:
    """The whole analysis over a project in this folder; its data outlive it."""
    clock = clock or SystemClock()
    root, data = folder / "shop", folder / "data"
    root.mkdir(exist_ok=True)
    (root / "shop.py").write_text(SHOP)
    (root / "test_shop.py").write_text(TEST)
    changes: dict[str, Any] = {
        "providers": ("custom",),
        "custom": ProviderSettings(base_url=server.url, model="stand-in-1", prices=(1.0, 2.0)),
        "language": "English",
    }
    environment = {**os.environ, **environ}
    in_force = dict(changes)  # what is set is in the file, as it were, and holds once somebody looks there

    async def look() -> None:
        in_force.update(changes)

    bus, redactor = Bus(clock), redactor or Redactor()
    async with AsyncExitStack() as stack:
        history = await stack.enter_async_context(
            History(sqlite_url(folder / "history.sqlite3"), backup_folder=None, clock=clock)
        )
        budget = budgets.Budget(
            budgets.BudgetLimits(), StateFile(data / "spending.json", schema=budgets.SCHEMA), clock=clock
        )
        models = Models((), keys=NoKeys(), clock=clock, budget=budget)
        stack.push_async_callback(models.aclose)
        work = Work()
        stack.callback(work.close)
        asking = Asking(
            models,
            budget,
            Consent(StateFile(data / "consent.json", schema=CONSENT_SCHEMA), work),
            settings=lambda: AnalysisSettings(**in_force),
            look=look,
            privacy=lambda root: Privacy(
                redactor, home=folder, user="masha", host="mashas-laptop", environ=environment, root=root
            ),
            environ=environment,
            new_nonce=lambda: secrets.token_hex(8),
        )
        reds = RedTests()
        gathering = Gathering(snapshot=lambda: bus.snapshot, reds=reds, journal=history, send=bus.send, clock=clock)
        explaining = Explaining(
            gathering,
            asking,
            work,
            publish=bus.publish,
            clock=clock,
            runner=ProcessRunner(clock=clock),
            environ=os.environ,
        )
        pool = WorkerPool(2, name="transcripts")
        stack.callback(pool.shutdown, wait=False)
        subjects = Subjects(explaining, asking, work, send=bus.send)
        talking = Talking(
            Conversations(Transcripts(data / "conversations", pool=pool), NoCache(), clock=clock),
            asking,
            subjects,
            publish=bus.publish,
            clock=clock,
        )
        agent = Analysis(asking, explaining, talking, publish=bus.publish, clock=clock)
        desk = Desk(server, root, bus, asking, explaining, agent, data, changes)
        bus.subscribe(lambda event, _snapshot: history.record(event))
        bus.subscribe(lambda event, _snapshot: reds.see(event))
        bus.subscribe(agent.see)
        bus.subscribe(desk.hear)
        bus.handle(commands.ReadDiff, lambda _asked: desk.diff)
        bus.handle(
            commands.ReadConversations, lambda asked: history.conversations(asked.query, asked.project, asked.limit)
        )
        stack.enter_context(answer(bus, asking, explaining, subjects, talking))
        bus.publish(ProjectWatched(at=clock.wall(), project=str(root), name="shop"))
        yield desk
        await explaining.close()
        await talking.close()
        await history.flush()


@asynccontextmanager
async def at_work(desk: Desk, clock: Any) -> AsyncIterator[list[str]]:
    """Let the agent work; gives the list of what its health was, as the supervisor is told."""
    health: list[str] = []
    pulse = Pulse("analysis", desk.bus, clock, beat_every_s=30.0, on_health=health.append)
    running = asyncio.create_task(desk.agent.run(pulse))
    try:
        yield health
    finally:
        pulse.stopping.set()
        async with asyncio.timeout(10):
            await running


@pytest.fixture
async def desk(tmp_path: Path, server: ModelServer) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path, server) as made:
        yield made
