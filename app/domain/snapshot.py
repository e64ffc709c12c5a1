"""The whole visible state as one immutable value, and the pure function that moves it on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import singledispatch
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from app.domain import events
from app.domain.agents import HEALTH, AgentState
from app.domain.analysis import AnalysisView
from app.domain.health import HealthView, KeptBy, Lateness
from app.domain.keys import VaultState, VaultView
from app.domain.releases import UpdateView
from app.domain.verdicts import Cause, Counts, Stage, TestState, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from app.domain.analysis import Explained
    from app.domain.coverage import ChangedLines, Coverage
    from app.domain.findings import AuditView

K = TypeVar("K")
V = TypeVar("V")


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


def reduce(snapshot: Snapshot, event: events.Event) -> Snapshot:
    """Return the snapshot after the event. Pure: the same arguments always give the same answer, and none is changed.

    An event about a project, a run or an agent that is not known changes nothing but `seq`.
    """
    return replace(_reduce(event, snapshot), seq=snapshot.seq + 1)


@singledispatch
def _reduce(event: events.Event, snapshot: Snapshot) -> Snapshot:
    del event
    return snapshot


@_reduce.register
def _(event: events.ProjectWatched, s: Snapshot) -> Snapshot:
    view = ProjectView(event.project, event.name, tests=MappingProxyType({t.nodeid: t for t in event.known}))
    return replace(s, projects=_with(s.projects, event.project, view))


@_reduce.register
def _(event: events.InterpreterFound, s: Snapshot) -> Snapshot:
    view = s.projects.get(event.project)
    if view is None:
        return s
    return _project(s, replace(view, interpreter=event.interpreter, interpreter_source=event.source))


@_reduce.register
def _(event: events.RunStarted, s: Snapshot) -> Snapshot:
    view = s.projects.get(event.project)
    if view is None:
        return s
    return _project(s, replace(view, current=RunView(event.run_id, event.cause, event.at)))


@_reduce.register
def _(event: events.RunCollected, s: Snapshot) -> Snapshot:
    view, run = _run_of(s, event.project, event.run_id)
    if view is None or run is None:
        return s
    return _project(s, replace(view, current=replace(run, expected=event.total)))


@_reduce.register
def _(event: events.RunStaged, s: Snapshot) -> Snapshot:
    view, run = _run_of(s, event.project, event.run_id)
    if view is None or run is None:
        return s
    if event.stage is Stage.IMPACTED:
        return _project(s, replace(view, current=replace(run, stage=event.stage, impacted=event.tests)))
    impacted = run.counts.total if run.impacted is None else run.impacted
    rest = replace(run, stage=event.stage, impacted=impacted, impacted_verdict=event.verdict)
    return _project(s, replace(view, current=rest))


@_reduce.register
def _(event: events.ChangeCovered, s: Snapshot) -> Snapshot:
    view = s.projects.get(event.project)
    if view is None:
        return s
    if view.current is not None and view.current.run_id == event.run_id:
        return _project(s, replace(view, current=replace(view.current, changed_lines=event.lines)))
    if view.last is not None and view.last.run_id == event.run_id:
        return _project(s, replace(view, last=replace(view.last, changed_lines=event.lines)))
    return s


@_reduce.register
def _(event: events.CoverageMeasured, s: Snapshot) -> Snapshot:
    view = s.projects.get(event.project)
    return s if view is None else _project(s, replace(view, coverage=event.coverage))


@_reduce.register
def _(event: events.TestChecked, s: Snapshot) -> Snapshot:
    view = s.projects.get(event.project)
    test = view.tests.get(event.nodeid) if view is not None else None
    if view is None or test is None or not test.outcome.is_red:
        return s
    return _project(s, replace(view, tests=_with(view.tests, event.nodeid, replace(test, check=event.check))))


@_reduce.register
def _(event: events.TestsRan, s: Snapshot) -> Snapshot:
    view, run = _run_of(s, event.project, event.run_id)
    if view is None or run is None:
        return s
    tests = dict(view.tests)
    again = []
    for result in event.results:
        before = tests.get(result.nodeid)
        if before is not None and before.run_id == run.run_id:
            again.append(before.outcome)
        turned = before is None or before.outcome.is_red != result.outcome.is_red
        tests[result.nodeid] = TestState(
            result.nodeid,
            result.outcome,
            result.duration_s,
            event.at if before is None or turned else before.since,
            run.cause if before is None or turned else before.cause,
            run.run_id,
            None if before is None or turned else before.check,
        )
    counts = run.counts.plus(Counts.of([result.outcome for result in event.results])).minus(Counts.of(again))
    run = replace(run, counts=counts, running=event.running)
    view = replace(view, current=run, tests=MappingProxyType(tests))
    mended = {result.nodeid for result in event.results if not result.outcome.is_red}
    return _project(s, _without_explained(view, mended))


@_reduce.register
def _(event: events.RunFinished, s: Snapshot) -> Snapshot:
    view, run = _run_of(s, event.project, event.run_id)
    if view is None or run is None:
        return s
    if event.verdict is Verdict.CANCELLED:
        return _project(s, replace(view, current=None))
    ended = replace(
        run,
        running="",
        finished_at=event.at,
        verdict=event.verdict,
        message=event.message,
        output=event.output,
        duration_s=event.duration_s,
    )
    tests = {nodeid: state for nodeid, state in view.tests.items() if nodeid not in event.gone}
    view = replace(view, current=None, last=ended, tests=MappingProxyType(tests))
    return _project(s, _without_explained(view, event.gone))


@_reduce.register
def _(event: events.ExplanationChanged, s: Snapshot) -> Snapshot:
    view = s.projects.get(event.project)
    test = view.tests.get(event.explained.nodeid) if view is not None else None
    if view is None or test is None or not test.outcome.is_red:
        return s
    return _project(s, replace(view, explained=_with(view.explained, test.nodeid, event.explained)))


@_reduce.register
def _(event: events.AnalysisChanged, s: Snapshot) -> Snapshot:
    return replace(s, analysis=event.analysis)


@_reduce.register
def _(event: events.AuditChanged, s: Snapshot) -> Snapshot:
    return replace(s, audits=MappingProxyType({**s.audits, event.audit.project: event.audit}))


@_reduce.register
def _(event: events.AgentChanged, s: Snapshot) -> Snapshot:
    view = s.agents.get(event.agent) or AgentView(event.agent, event.state)
    since = event.at if view.state is not event.state or not view.since else view.since
    view = replace(view, state=event.state, reason=event.reason, restarts=event.restarts, since=since)
    return replace(s, agents=_with(s.agents, event.agent, view))


@_reduce.register
def _(event: events.AgentBeat, s: Snapshot) -> Snapshot:
    return _agent(s, event.agent, beat_at=event.at, progress=event.progress, waiting=event.waiting)


@_reduce.register
def _(event: events.AgentPaused, s: Snapshot) -> Snapshot:
    return _agent(s, event.agent, paused=True, paused_until=event.until)


@_reduce.register
def _(event: events.AgentResumed, s: Snapshot) -> Snapshot:
    return _agent(s, event.agent, paused=False, paused_until=None)


@_reduce.register
def _(event: events.NoticeRaised, s: Snapshot) -> Snapshot:
    notice = Notice(event.key, event.at, event.text, event.hint)
    return replace(s, notices=_with(s.notices, event.key, notice))


@_reduce.register
def _(event: events.NoticeCleared, s: Snapshot) -> Snapshot:
    return replace(s, notices=MappingProxyType({k: v for k, v in s.notices.items() if k != event.key}))


@_reduce.register
def _(event: events.VaultChanged, s: Snapshot) -> Snapshot:
    return replace(s, vault=event.vault)


@_reduce.register
def _(event: events.UpdatesChanged, s: Snapshot) -> Snapshot:
    return replace(s, updates=event.updates)


@_reduce.register
def _(event: events.NotificationsSnoozed, s: Snapshot) -> Snapshot:
    return replace(s, snoozed_until=event.until)


@_reduce.register
def _(event: events.LoopLagged, s: Snapshot) -> Snapshot:
    return replace(s, loop_lag_s=event.lag_s, loop_lag_where=event.where, loop_lag_kind=event.kind)


@_reduce.register
def _(event: events.LifeBegan, s: Snapshot) -> Snapshot:
    return _health(s, kept_by=event.kept_by, ends=event.ends, is_restart=event.is_restart, safe_mode=event.safe_mode)


@_reduce.register
def _(event: events.KeeperLost, s: Snapshot) -> Snapshot:
    del event
    return _health(s, kept_by=KeptBy.NOBODY)


@_reduce.register
def _(event: events.SafeModeLeft, s: Snapshot) -> Snapshot:
    del event
    return _health(s, safe_mode="")


@_reduce.register
def _(event: events.VitalsTaken, s: Snapshot) -> Snapshot:
    return _health(s, vitals=event.vitals)


@_reduce.register
def _(event: events.SystemResumed, s: Snapshot) -> Snapshot:
    return _health(s, slept_at=event.at, slept_s=event.slept_s)


@_reduce.register
def _(event: events.NetworkChanged, s: Snapshot) -> Snapshot:
    return _health(s, is_online=event.is_online)


@_reduce.register
def _(event: events.ChannelChanged, s: Snapshot) -> Snapshot:
    return _health(s, channels=_with(s.health.channels, event.channel.name, event.channel))


@_reduce.register
def _(event: events.AlertsHeld, s: Snapshot) -> Snapshot:
    return _health(s, held=event.held)


@_reduce.register
def _(event: events.MetricsServed, s: Snapshot) -> Snapshot:
    return _health(s, metrics=event.address, metrics_token=event.token_file)


@_reduce.register
def _(event: events.ProgressMissed, s: Snapshot) -> Snapshot:
    return _agent(s, event.agent, stalled_s=event.seconds)


@_reduce.register
def _(event: events.StopBegan, s: Snapshot) -> Snapshot:
    return replace(s, stopping=event.reason or "asked to")


def _with(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return MappingProxyType({**mapping, key: value})


def _project(s: Snapshot, view: ProjectView) -> Snapshot:
    return replace(s, projects=_with(s.projects, view.root, view))


def _without_explained(view: ProjectView, gone: Collection[str]) -> ProjectView:
    if view.explained.keys().isdisjoint(gone):
        return view
    explained = {nodeid: each for nodeid, each in view.explained.items() if nodeid not in gone}
    return replace(view, explained=MappingProxyType(explained))


def _health(s: Snapshot, **changes: object) -> Snapshot:
    return replace(s, health=replace(s.health, **changes))  # type: ignore[arg-type] # as for agents


def _agent(s: Snapshot, name: str, **changes: object) -> Snapshot:
    view = s.agents.get(name)
    return s if view is None else replace(s, agents=_with(s.agents, name, replace(view, **changes)))  # type: ignore[arg-type] # names are checked by the caller's tests


def _run_of(s: Snapshot, project: str, run_id: str) -> tuple[ProjectView | None, RunView | None]:
    view = s.projects.get(project)
    run = view.current if view is not None else None
    return view, run if run is not None and run.run_id == run_id else None
