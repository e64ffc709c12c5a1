"""What the Now page shows, as plain values made from a snapshot. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING

from app.domain import healthwords, words
from app.domain.agents import AgentState
from app.domain.keys import VaultState
from app.domain.snapshot import Mood
from app.domain.verdicts import Stage
from app.ui.headline import (
    ADD_PROJECT,
    NO_PROJECT,
    Headline,
    agents_on_duty,
    ended_at,
    failed_agents,
    headline,
    project_state,
)

if TYPE_CHECKING:
    from app.domain.snapshot import AgentView, Notice, ProjectView, Snapshot
    from app.domain.verdicts import Counts, TestState

RED_ROWS = 100
"""More red tests than anyone reads through: the Tests page has them all."""

MAKE_VAULT = "API keys can be kept in a vault, if you like: see Keys."
"""Said at the first run, where nothing else is there to be done."""


@dataclass(frozen=True, slots=True)
class RunPanel:
    """The run that goes on in one project.

    Attributes:
        expected: How many tests it has; those known from before until that is said, and None where there are none.
    """

    project: str
    name: str
    counts: Counts
    expected: int | None
    running: str
    progress: str
    elapsed: str


@dataclass(frozen=True, slots=True)
class RedRow:
    """One red test; `doubt` says in a word why it may not be the change's fault, `check` in full what was found."""

    project: str
    nodeid: str
    name: str
    where: str
    cause: str
    since: str
    outcome: str
    doubt: str = ""
    check: str = ""


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """One project.

    Attributes:
        trouble: What happened when its last run went wrong as a whole; else empty.
        coverage: How much of it the tests execute, in words; empty when that is not known.
        change: How much of its newest change they execute, in words; empty when that is not known.
    """

    root: str
    name: str
    mood: Mood
    state: str
    detail: str
    trouble: str
    has_output: bool
    coverage: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent; `view` for its colours, `can_resume` when it has failed and may be tried again at once."""

    name: str
    state: str
    beat: str
    reason: str
    can_resume: bool
    view: AgentView


@dataclass(frozen=True, slots=True)
class NowView:
    """All that the Now page shows; `reds` are the newest of all projects, `lag` is empty when there was none.

    Attributes:
        is_safe: Whether safe mode holds the agents: the headline says why, and they can be started.
        wants_project: Whether none is watched yet, and one can be added.
    """

    headline: Headline
    count: int
    runs: tuple[RunPanel, ...]
    reds: tuple[RedRow, ...]
    more_reds: int
    calm: str
    projects: tuple[ProjectRow, ...]
    agents: tuple[AgentRow, ...]
    lag: str
    notices: tuple[Notice, ...]
    is_safe: bool
    wants_project: bool
    can_run: bool
    can_pause: bool
    can_resume: bool


def now_view(snapshot: Snapshot, now: float) -> NowView:
    """Return what the Now page shows at the wall-clock time `now`."""
    agents = agents_on_duty(snapshot)
    count = snapshot.red_count
    reds = _reds(snapshot, now)
    return NowView(
        headline=headline(snapshot, now),
        count=count,
        runs=tuple(_run(p, now) for p in snapshot.projects.values() if p.current),
        reds=reds,
        more_reds=count - len(reds),
        calm=_calm(snapshot),
        projects=tuple(_project(p, now) for p in snapshot.projects.values()),
        agents=tuple(_agent(a, now) for a in snapshot.agents.values()),
        lag=_lag(snapshot),
        notices=tuple(each for each in snapshot.notices.values() if each.key != "safe-mode"),
        is_safe=bool(snapshot.health.safe_mode),
        wants_project=not (snapshot.projects or snapshot.health.safe_mode or snapshot.stopping),
        can_run=bool(snapshot.projects) and not snapshot.stopping,
        can_pause=any(not a.paused for a in agents),
        can_resume=any(a.paused for a in agents) or (bool(agents) and len(failed_agents(snapshot)) == len(agents)),
    )


def _calm(snapshot: Snapshot) -> str:
    """Return what stands in the list of red tests when there is none."""
    if snapshot.health.safe_mode:
        return f"{healthwords.SAFE_MODE}.\nStart the agents, and saves are tested again."
    if not snapshot.projects:
        vault = f"\n{MAKE_VAULT}" if snapshot.vault.state is VaultState.NONE else ""
        return f"{NO_PROJECT}.\n{ADD_PROJECT}{vault}"
    if any(p.trouble for p in snapshot.projects.values()):
        return "No test is known to be red, but a run went wrong.\nSee the projects for what happened."
    if not any(p.tests for p in snapshot.projects.values()):
        return "Nothing has run yet.\nSave a file, or press F5 to run the tests now."
    return "Nothing is red.\nSave a file and its tests run by themselves."


def _run(project: ProjectView, now: float) -> RunPanel:
    run = project.current
    if run is None:
        raise ValueError(f"{project.name} has no run")
    done = f"{run.counts.total:,}"
    expected = run.expected
    if run.stage is not None and expected is None:
        # The bar counts out of all tests from the beginning, so that it does not jump back when the rest begins.
        expected = len(project.tests) or None
    if run.stage is Stage.IMPACTED:
        progress = f"{done} of {words.of_the_change(run.impacted)}"
    elif run.expected is None:
        progress = f"{words.tests(run.counts.total)}, finding the others" if run.stage else "Finding the tests"
    else:
        progress = f"{done} of {words.tests(run.expected)}"
    if run.counts.red:
        progress += f" \u00b7 {run.counts.red:,} red"
    return RunPanel(
        project.root,
        project.name,
        run.counts,
        expected,
        run.running,
        progress,
        words.elapsed(now - run.started_at),
    )


def _reds(snapshot: Snapshot, now: float) -> tuple[RedRow, ...]:
    several = len(snapshot.projects) > 1
    red = ((p, t) for p in snapshot.projects.values() for t in p.tests.values() if t.outcome.is_red)
    newest = nsmallest(RED_ROWS, red, key=lambda pair: (-pair[1].since, pair[0].root, pair[1].nodeid))
    return tuple(_red(project, test, now, several=several) for project, test in newest)


def _red(project: ProjectView, test: TestState, now: float, *, several: bool) -> RedRow:
    file = words.node_parts(test.nodeid)[0]
    return RedRow(
        project.root,
        test.nodeid,
        words.test_name(test.nodeid),
        f"{project.name} \u00b7 {file}" if several else file,
        words.cause(test.cause),
        words.lasting(now - test.since),
        test.outcome.value,
        words.doubt(test.check),
        words.check(test.check),
    )


def _project(project: ProjectView, now: float) -> ProjectRow:
    last, trouble = project.last, project.trouble
    if last is None:
        detail = "running for the first time" if project.current else "waiting for the first save"
    else:
        detail = (
            f"{words.ago(now - ended_at(last))}, {words.cause(last.cause)} \u00b7 {words.duration(last.duration_s)}"
        )
    return ProjectRow(
        project.root,
        project.name,
        _mood(project),
        project_state(project),
        detail,
        trouble.message if trouble else "",
        bool(trouble and trouble.output),
        f"Coverage {words.percent(project.coverage.percent)}" if project.coverage else "",
        words.sentence(words.changed_lines(project.changed_lines)) if project.changed_lines else "",
    )


def _mood(project: ProjectView) -> Mood:
    if project.red:
        return Mood.RED
    if project.trouble:
        return Mood.ATTENTION
    if project.current:
        return Mood.CONFIRMING if project.current.is_confirming else Mood.RUNNING
    return Mood.GREEN if project.last else Mood.UNKNOWN


def _agent(agent: AgentView, now: float) -> AgentRow:
    restarts = f"restarted {words.plural(agent.restarts, 'time', 'times')}" if agent.restarts else ""
    reason = " \u00b7 ".join(part for part in (words.one_line(agent.reason), restarts) if part)
    return AgentRow(
        words.agent_name(agent.name),
        words.agent_state(agent, now),
        words.heartbeat(agent, now),
        reason,
        agent.state is AgentState.FAILED,
        agent,
    )


def _lag(snapshot: Snapshot) -> str:
    """Return that the program stood still or was late, if it did or was."""
    if snapshot.loop_lag_s <= 0:
        return ""
    return f"The program {' '.join(healthwords.lateness(snapshot))}."
