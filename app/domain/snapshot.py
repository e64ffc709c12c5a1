"""The whole visible state as one immutable value. `app.domain.reduce` moves it on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from app.domain.agents import HEALTH, AgentState
from app.domain.analysis import AnalysisView
from app.domain.health import HealthView, Lateness
from app.domain.keys import VaultState, VaultView
from app.domain.releases import UpdateView
from app.domain.verdicts import Cause, Counts, Stage, TestState, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.analysis import Explained
    from app.domain.coverage import ChangedLines, Coverage
    from app.domain.findings import AuditView


@dataclass(frozen=True, slots=True)
class RunView:
    """One run, going on or ended.

    Attributes:
        expected: How many tests were collected; None until known.
        running: The test that runs now, or empty.
        verdict: None while it goes on.
        stage: Which part goes on, of a run that chose its tests; None for one that did not.
        impacted: How many tests the change touches; for a run that did not know it before, how many ended by then.
        impacted_verdict: What those said, GREEN or RED, once they have ended; the rest runs on.
        changed_lines: How much of the change the tests execute; None until known.
    """

    run_id: str
    cause: Cause
    started_at: float
    finished_at: float | None = None
    expected: int | None = None
    counts: Counts = field(default_factory=Counts)
    running: str = ""
    verdict: Verdict | None = None
    message: str = ""
    output: str = ""
    duration_s: float = 0.0
    stage: Stage | None = None
    impacted: int | None = None
    impacted_verdict: Verdict | None = None
    changed_lines: ChangedLines | None = None

    @property
    def is_confirming(self) -> bool:
        """True while the rest runs after tests of the change that are all green, and nothing of the rest is red yet."""
        return (
            self.verdict is None
            and self.stage is Stage.REST
            and self.impacted_verdict is Verdict.GREEN
            and not self.counts.red
        )


@dataclass(frozen=True, slots=True)
class ProjectView:
    """One watched project.

    Attributes:
        current: The run that goes on, or None.
        last: The last run that ended with a verdict of its own (a cancelled run has none), or None.
        tests: The last known state of each test, by node id.
        coverage: What coverage.py measured last, or None.
        explained: The explanations of red tests, in short, by node id.
    """

    root: str
    name: str
    interpreter: str = ""
    interpreter_source: str = ""
    current: RunView | None = None
    last: RunView | None = None
    tests: Mapping[str, TestState] = field(default_factory=lambda: MappingProxyType({}))
    coverage: Coverage | None = None
    explained: Mapping[str, Explained] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def red(self) -> tuple[TestState, ...]:
        """The tests that are red now, in the order in which they went red."""
        return tuple(sorted((t for t in self.tests.values() if t.outcome.is_red), key=lambda t: (t.since, t.nodeid)))

    @property
    def trouble(self) -> RunView | None:
        """The last run, when it went wrong as a whole; else None."""
        return self.last if self.last is not None and self.last.verdict and self.last.verdict.is_trouble else None

    @property
    def changed_lines(self) -> ChangedLines | None:
        """How much of the newest change the tests execute; None until known."""
        if self.current is not None and self.current.changed_lines is not None:
            return self.current.changed_lines
        return self.last.changed_lines if self.last is not None else None


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent as the supervisor tells it.

    Attributes:
        since: When it went into its state.
        paused_until: Counts only while `paused`.
        waiting: How much work waits to be begun.
        stalled_s: For how many seconds it has come no further although it has work; 0 while it does.
    """

    name: str
    state: AgentState
    reason: str = ""
    restarts: int = 0
    beat_at: float | None = None
    progress: int = 0
    paused: bool = False
    paused_until: float | None = None
    since: float = 0.0
    waiting: int = 0
    stalled_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should know, for as long as it holds."""

    key: str
    at: float
    text: str
    hint: str = ""


class Mood(StrEnum):
    """The one state that the tray's icon shows; the first that applies, from the top."""

    RED = "red"
    ATTENTION = "attention"
    """Safe mode holds all agents, a run went wrong as a whole (cannot collect, no pytest, crash, hang), an agent
    failed, the vault is damaged, or an audit found something grave in a watched project, which is neither muted nor
    fixed.
    """
    PAUSED = "paused"
    RUNNING = "running"
    CONFIRMING = "confirming"
    """What the change touches is green, and the rest of the tests runs on: green so far, and not yet for the whole."""
    DEGRADED = "degraded"
    GREEN = "green"
    UNKNOWN = "unknown"
    """Nothing was run yet."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that any face may show.

    Attributes:
        seq: Grows by one with each event.
        started_at: Wall-clock time of the program's start.
        projects: By root folder.
        agents: By name.
        notices: By key.
        vault: The vault of API keys.
        analysis: Where the asking of models stands.
        audits: Where the audits of each project stand, by root folder.
        health: How the program itself fares.
        updates: Where the search for newer releases stands.
        snoozed_until: Wall-clock time until which notifications are silent; 0 when they are not.
        stopping: Why the program is on its way out; empty while it is not.
    """

    started_at: float
    seq: int = 0
    projects: Mapping[str, ProjectView] = field(default_factory=lambda: MappingProxyType({}))
    agents: Mapping[str, AgentView] = field(default_factory=lambda: MappingProxyType({}))
    notices: Mapping[str, Notice] = field(default_factory=lambda: MappingProxyType({}))
    vault: VaultView = field(default_factory=VaultView)
    analysis: AnalysisView = field(default_factory=AnalysisView)
    audits: Mapping[str, AuditView] = field(default_factory=lambda: MappingProxyType({}))
    health: HealthView = field(default_factory=HealthView)
    updates: UpdateView = field(default_factory=UpdateView)
    snoozed_until: float = 0.0
    loop_lag_s: float = 0.0
    loop_lag_where: str = ""
    loop_lag_kind: Lateness = Lateness.BLOCKED
    stopping: str = ""

    @property
    def red_count(self) -> int:
        """How many tests are red, over all projects."""
        return sum(1 for p in self.projects.values() for t in p.tests.values() if t.outcome.is_red)

    @property
    def accounts(self) -> tuple[AuditView, ...]:
        """The accounts that are audited beside projects, in the order of the settings as far as they were seen."""
        return tuple(view for root, view in self.audits.items() if view.target and root not in self.projects)

    @property
    def audited(self) -> tuple[tuple[str, AuditView], ...]:
        """What is audited, projects first: what people call it, and where its audits stand."""
        projects = [(each.name, self.audits[root]) for root, each in self.projects.items() if root in self.audits]
        return (*projects, *((view.target, view) for view in self.accounts))

    @property
    def is_paused(self) -> bool:
        """True when all agents that are switched on are paused or stopped, beside the one that watches the program."""
        agents = [a for a in self.agents.values() if a.state is not AgentState.DISABLED and a.name != HEALTH]
        return bool(agents) and all(a.paused or a.state is AgentState.STOPPED for a in agents)

    @property
    def mood(self) -> Mood:
        """The one state that the tray's icon shows."""
        projects = self.projects.values()
        agents = [a for a in self.agents.values() if a.state is not AgentState.DISABLED]
        broken = (AgentState.FAILED, AgentState.ABANDONED)
        applies = {
            Mood.RED: self.red_count > 0,
            Mood.ATTENTION: bool(self.health.safe_mode)
            or any(p.trouble for p in projects)
            or any(a.state in broken for a in agents)
            or self.vault.state is VaultState.TROUBLE
            or any(audit.grave for _, audit in self.audited),
            Mood.PAUSED: self.is_paused,
            Mood.RUNNING: any(p.current and not p.current.is_confirming for p in projects),
            Mood.CONFIRMING: any(p.current for p in projects),
            Mood.DEGRADED: any(not a.state.is_alive or a.state is AgentState.DEGRADED for a in agents),
            Mood.GREEN: bool(projects) and all(p.last for p in projects),
        }
        return next((mood for mood, holds in applies.items() if holds), Mood.UNKNOWN)
