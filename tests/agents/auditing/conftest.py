"""A scratch repository, and an audit agent that looks after it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from app.agents.auditing.agent import AuditAgent
from app.agents.auditing.archive import Archive
from app.agents.auditing.auditor import Auditor
from app.agents.auditing.host.program import CheckPrograms
from app.agents.auditing.memory import Memories
from app.agents.auditing.settings import AuditSettings
from app.domain.coverage import Coverage, FileCoverage
from app.domain.events import AuditChanged, AuditEnded
from app.domain.snapshot import ProjectView
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.heartbeat import Pulse
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.domain.events import Event
    from app.domain.findings import AuditReport, AuditView

PATIENCE_S = 60.0


def _published(holder: list[Watch], event: Event) -> None:
    holder[0].publish(event)


@dataclass
class Repository:
    """A git repository to try things in."""

    root: Path

    def git(self, *words: str) -> str:
        """Run git there as somebody."""
        who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *who, *words],
            cwd=self.root,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a repository with a first commit."""
    root = tmp_path / "shop"
    root.mkdir()
    made = Repository(root)
    made.git("init", "-q", "-b", "main")
    made.write("shop.py", "def total(prices):\n    return sum(prices)\n")
    made.commit("First")
    return made


@dataclass
class Watch:
    """An audit agent at work, and what it told."""

    agent: AuditAgent
    settings: AuditSettings
    views: dict[str, ProjectView] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    archive: Archive | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, event: Event) -> None:
        """Take note of an event."""
        self.events.append(event)
        self.came.set()

    @property
    def ended(self) -> list[AuditEnded]:
        """The audits that have ended."""
        return [event for event in self.events if isinstance(event, AuditEnded)]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; it is looked at with each event."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self.came.clear()
                await self.came.wait()

    async def audits(self, count: int) -> AuditReport:
        """Wait until so many audits have ended and nothing goes on, and return the last report."""
        await self.until(lambda: len(self.ended) >= count and not self._busy)
        report = await self.agent.report(self.ended[-1].project)
        assert report is not None
        return report

    @property
    def told(self) -> list[AuditView]:
        """Where the audits stood, one after another."""
        return [event.audit for event in self.events if isinstance(event, AuditChanged)]

    def measured(self, missing: int) -> None:
        """Have so many lines of ten without a test."""
        files = (FileCoverage("shop.py", 10, tuple(range(1, missing + 1))),)
        for root, view in self.views.items():
            self.views[root] = replace(view, coverage=Coverage(files))

    @property
    def _busy(self) -> bool:
        return bool(self.told and self.told[-1].running)


@pytest.fixture
def watch_at(tmp_path: Path) -> Callable[..., AsyncIterator[Watch]]:
    """Return what puts an agent to work on a project. It asks nobody in the network."""

    @asynccontextmanager
    async def begin(root: Path, *, missing: int = -1, **settings: object) -> AsyncIterator[Watch]:
        chosen = AuditSettings.model_validate({"off": ("dependencies",), **settings})
        clock, folder = SystemClock(), tmp_path / "data"
        programs = CheckPrograms(
            ProcessRunner(clock=clock),
            clock,
            environ=os.environ,
            cache=tmp_path / "cache",
            plugins=tmp_path / "plugins",
        )
        memories, archive = Memories(folder), Archive(folder)
        auditor = Auditor(programs, memories, archive, clock=clock, new_id=lambda: uuid4().hex[:16])
        holder: list[Watch] = []
        agent = AuditAgent(
            auditor,
            memories,
            archive,
            plugins=tmp_path / "plugins",
            settings=lambda: chosen,
            projects=lambda: holder[0].views,
            publish=lambda event: _published(holder, event),
            clock=clock,
            look_every_s=0.1,
        )
        watch = Watch(agent, chosen, {str(root): ProjectView(str(root), root.name)}, archive=archive)
        holder.append(watch)
        if missing >= 0:
            watch.measured(missing)
        pulse = Pulse("audits", Bus(clock), clock, beat_every_s=0.5, on_health=lambda _why: None)
        life = asyncio.ensure_future(agent.run(pulse))
        try:
            await watch.until(lambda: any(isinstance(event, AuditChanged) for event in watch.events))
            yield watch
        finally:
            pulse.stopping.set()
            life.cancel()
            await asyncio.wait({life})

    return begin  # type: ignore[return-value]
