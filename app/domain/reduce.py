"""The pure function that moves the visible state on, event by event."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from app.domain import events
from app.domain.health import KeptBy
from app.domain.snapshot import AgentView, Notice, ProjectView, RunView, Snapshot
from app.domain.verdicts import Counts, Stage, TestState, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

K = TypeVar("K")
V = TypeVar("V")


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
