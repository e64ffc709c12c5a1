"""The one sentence that says how things stand, for the tray, the tooltip and the top of the window. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain import auditwords, healthwords, words
from app.domain.agents import AgentState
from app.domain.keys import VaultState
from app.domain.snapshot import Mood
from app.domain.verdicts import Stage, Verdict

if TYPE_CHECKING:
    from app.domain.snapshot import AgentView, ProjectView, RunView, Snapshot

NO_PROJECT = "No project is watched yet"
ADD_PROJECT = "Add one in the tray's menu, on the page Now, or with: watchkeeper PATH"


@dataclass(frozen=True, slots=True)
class Headline:
    """How things stand: the mood, a sentence, and one more that explains it or says what to do.

    Attributes:
        sentence: All that must be said where there is no room for `detail`, when that is more than `title`; else empty.
    """

    mood: Mood
    title: str
    detail: str = ""
    sentence: str = ""

    @property
    def line(self) -> str:
        """All that must be said, in one line."""
        return self.sentence or self.title


def headline(snapshot: Snapshot, now: float) -> Headline:
    """Return how things stand at the wall-clock time `now`."""
    mood = snapshot.mood
    if snapshot.stopping:
        return Headline(mood, "Watchkeeper is stopping", snapshot.stopping)
    if snapshot.health.safe_mode:
        why = healthwords.why_safe(snapshot.health.safe_mode)
        return Headline(mood, healthwords.SAFE_MODE, f"{why} Nothing is watched until the agents are started.")
    if mood is Mood.CONFIRMING:
        return _confirming(snapshot)
    return Headline(mood, *_SENTENCES[mood](snapshot, now))


def agents_on_duty(snapshot: Snapshot) -> tuple[AgentView, ...]:
    """Return the agents that are not switched off."""
    return tuple(a for a in snapshot.agents.values() if a.state is not AgentState.DISABLED)


def failed_agents(snapshot: Snapshot) -> tuple[AgentView, ...]:
    """Return the agents that failed too often, and that `Resume` tries again at once."""
    return tuple(a for a in snapshot.agents.values() if a.state is AgentState.FAILED)


def ended_at(run: RunView) -> float:
    """Return the wall-clock time at which a run ended; at which it began, while that is not known."""
    return run.finished_at if run.finished_at is not None else run.started_at


def project_state(project: ProjectView) -> str:
    """Return one project's state in a few words, without its age."""
    red = len(project.red)
    if project.trouble and project.trouble.verdict:
        return words.verdict(project.trouble.verdict)
    if red:
        return f"{words.tests(red)} red"
    if project.current and project.current.is_confirming:
        return "green so far"
    return words.verdict(Verdict.GREEN) if project.last else "not run yet"


def _red(snapshot: Snapshot, now: float) -> tuple[str, str]:
    count = snapshot.red_count
    reds = [(p, p.red) for p in snapshot.projects.values() if p.red]
    where = f" in {reds[0][0].name}" if len(reds) == 1 else f" in {words.plural(len(reds), 'project', 'projects')}"
    newest = max((t for _, red in reds for t in red), key=lambda t: t.since)
    age = words.ago(now - newest.since)
    return (
        f"{words.tests(count)} {'is' if count == 1 else 'are'} red{where}",
        f"Last to break: {words.test_name(newest.nodeid)}, {words.cause(newest.cause)}, {age}",
    )


def _attention(snapshot: Snapshot, now: float) -> tuple[str, str]:
    for project in snapshot.projects.values():
        trouble = project.trouble
        if trouble and trouble.verdict:
            return f"{project.name}: {words.verdict(trouble.verdict)}", words.one_line(trouble.message)
    broken = (AgentState.FAILED, AgentState.ABANDONED)
    agent = next((a for a in snapshot.agents.values() if a.state in broken), None)
    if agent is None and snapshot.vault.state is not VaultState.TROUBLE:
        return _grave(snapshot, now)
    if agent is None:
        vault = snapshot.vault
        return "The vault is in trouble", words.one_line(f"{_sentence(vault.reason)}{vault.hint}")
    name, reason = words.agent_name(agent.name), words.one_line(agent.reason)
    if agent.state is AgentState.ABANDONED:
        return f"The agent {name} did not stop", reason
    return f"The agent {name} has failed", f"{_sentence(reason)}Resume tries again at once."


def _grave(snapshot: Snapshot, now: float) -> tuple[str, str]:
    found = [(name, audit) for name, audit in snapshot.audited if audit.grave]
    views = [audit for _, audit in found]
    accounts = sum(bool(audit.target) for audit in views)
    counts = ((len(found) - accounts, "project"), (accounts, "account"))
    where = " and ".join(words.plural(count, what) for count, what in counts if count)
    where = found[0][0] if len(found) == 1 else where
    newest = max(audit.last_at for audit in views)
    return (
        f"{auditwords.grave(views)} in {where}",
        f"Last audit {words.ago(now - newest)}. The Audits page says more.",
    )


def _paused(snapshot: Snapshot, now: float) -> tuple[str, str]:
    agents = agents_on_duty(snapshot)
    until = [a.paused_until for a in agents if a.paused and a.paused_until is not None]
    if any(a.paused for a in agents) and until and len(until) == sum(a.paused for a in agents):
        return f"Paused for {words.time_left(max(until) - now)} more", "Saves are not tested meanwhile."
    if any(a.paused for a in agents):
        return "Paused until resumed", "Saves are not tested meanwhile."
    return "Stopped", "Nothing is watched. Quit Watchkeeper and start it again to go on."


def _running(snapshot: Snapshot, now: float) -> tuple[str, str]:
    del now
    running = [p for p in snapshot.projects.values() if p.current]
    project, run = running[0], running[0].current
    if run is None or len(running) > 1:
        return f"Tests run in {words.plural(len(running), 'project', 'projects')}", ""
    detail = f"In {project.name}, {words.cause(run.cause)}"
    if run.stage is Stage.IMPACTED:
        detail = f"Those of the change first, in {project.name}, {words.cause(run.cause)}"
        return f"Running {words.tests(run.impacted)}" if run.impacted else "Running tests", detail
    if run.expected is None:
        return "Finding the tests", detail
    return f"Running {words.tests(run.expected)}", detail


def _confirming(snapshot: Snapshot) -> Headline:
    running = [(p, p.current) for p in snapshot.projects.values() if p.current]
    project, run = running[0]
    if len(running) > 1:
        title = f"Green so far in {words.plural(len(running), 'project', 'projects')}"
        return Headline(Mood.CONFIRMING, title, sentence=f"{title}, the others are being confirmed")
    first, rest = words.so_far(run.impacted, run.expected)
    title = f"Green so far, {words.tests(run.impacted)}" if run.impacted else "Green so far"
    detail = f"{words.sentence(rest)} in {project.name}, {words.cause(run.cause)}"
    return Headline(Mood.CONFIRMING, title, detail, words.sentence(f"{first}, {rest}"))


def _degraded(snapshot: Snapshot, now: float) -> tuple[str, str]:
    weak = [a for a in agents_on_duty(snapshot) if not a.state.is_alive or a.state is AgentState.DEGRADED]
    weakest = weak[0]
    return f"The agent {words.agent_name(weakest.name)}: {words.agent_state(weakest, now)}", weakest.reason


def _green(snapshot: Snapshot, now: float) -> tuple[str, str]:
    count = sum(len(p.tests) for p in snapshot.projects.values())
    last = max((p.last for p in snapshot.projects.values() if p.last), key=ended_at)
    return (
        f"All green, {words.tests(count)}" if count else "All green",
        f"Last run {words.ago(now - ended_at(last))}, {words.cause(last.cause)}",
    )


def _unknown(snapshot: Snapshot, now: float) -> tuple[str, str]:
    del now
    if not snapshot.projects:
        return NO_PROJECT, ADD_PROJECT
    waiting = [p.name for p in snapshot.projects.values() if not p.last]
    return (
        "Waiting for the first run",
        f"Save a file in {waiting[0] if waiting else 'a project'}, or run the tests now.",
    )


def _sentence(text: str) -> str:
    """Return a text as a sentence that another one may follow; nothing for nothing."""
    if not text:
        return ""
    return f"{text} " if text.endswith((".", "!", "?")) else f"{text}. "


_SENTENCES = {
    Mood.RED: _red,
    Mood.ATTENTION: _attention,
    Mood.PAUSED: _paused,
    Mood.RUNNING: _running,
    Mood.DEGRADED: _degraded,
    Mood.GREEN: _green,
    Mood.UNKNOWN: _unknown,
}
