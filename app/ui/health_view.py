"""What the Health page shows, as plain values made from a snapshot. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain import healthwords, updatewords, words
from app.domain.agents import HEALTH, AgentState
from app.ui.headline import agents_on_duty

if TYPE_CHECKING:
    from app.domain.health import ChannelView, HealthView
    from app.domain.healthwords import Trouble
    from app.domain.snapshot import AgentView, Notice, Snapshot

DESKTOP = "desktop"
"""The channel that is always there: notifications on this desktop."""
ENDS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class AgentLife:
    """One agent, in words; `view` for its colours.

    Attributes:
        beat: How long ago it last showed that it lives.
        done: Since when it is in its state, and how much work it did.
        reason: Why it was started again, is paused or degraded, or that it gets nowhere; may be empty.
        can_restart: Whether it can be told to end and start again.
        pause: What the button that pauses or resumes it says; empty where there is nothing to pause.
    """

    view: AgentView
    name: str
    state: str
    beat: str
    done: str
    reason: str
    can_restart: bool
    pause: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about the program, by a stable key: what it is called, and how it stands; `is_bad` marks it."""

    key: str
    name: str
    value: str
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """One channel of alerts: its name for people, how it stands, and why the last alert did not go through."""

    key: str
    name: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HealthPageView:
    """All that the Health page shows.

    Attributes:
        is_well: Whether nothing is wrong.
        title, detail: How things stand, in two lines.
        troubles: What is wrong, beside safe mode.
        safe_mode: Why no agent was started; empty outside safe mode.
        ends: How earlier lives ended that did not end well, by when; the newest first.
        more_ends: How many more there were.
    """

    is_well: bool
    title: str
    detail: str
    troubles: tuple[Trouble, ...]
    safe_mode: str
    agents: tuple[AgentLife, ...]
    facts: tuple[Fact, ...]
    channels: tuple[ChannelLine, ...]
    ends: tuple[Fact, ...]
    more_ends: int
    notices: tuple[Notice, ...]


def health_page_view(snapshot: Snapshot, now: float) -> HealthPageView:
    """Return what the Health page shows at the wall-clock time `now`."""
    health = snapshot.health
    found = healthwords.troubles(
        snapshot.agents.values(),
        health,
        snapshot.vault,
        started_at=snapshot.started_at,
        is_lag_logged=snapshot.loop_lag_s > 0,
        notices=snapshot.notices.values(),
    )
    rest = found[1:] if health.safe_mode else found
    if snapshot.stopping:
        title = "Watchkeeper is stopping"
    elif health.safe_mode:
        title = "Watchkeeper runs in safe mode"
    else:
        title = "All is well" if not found else f"{words.plural(len(found), 'thing')} {_want(len(found))} a look"
    return HealthPageView(
        is_well=not found,
        title=title,
        detail=_detail(snapshot, now),
        troubles=rest,
        safe_mode=words.sentence(words.one_line(health.safe_mode)),
        agents=tuple(_agent(each, now) for each in snapshot.agents.values()),
        facts=_facts(snapshot, now),
        channels=_channels(snapshot, now),
        ends=_ends(health, now),
        more_ends=max(0, len(health.ends) - ENDS_SHOWN),
        notices=tuple(each for each in snapshot.notices.values() if not healthwords.is_told_apart(each.key)),
    )


def _want(count: int) -> str:
    return "wants" if count == 1 else "want"


def _detail(snapshot: Snapshot, now: float) -> str:
    agents = agents_on_duty(snapshot)
    alive = sum(each.state.is_alive for each in agents)
    parts = [f"Up for {words.lasting(now - snapshot.started_at)}", healthwords.kept_by(snapshot.health.kept_by)]
    if agents:
        parts.append(f"{alive} of {words.plural(len(agents), 'agent')} alive")
    return " \u00b7 ".join(parts)


def _agent(agent: AgentView, now: float) -> AgentLife:
    since = f"for {words.lasting(now - agent.since)}" if agent.since else ""
    done = f"{agent.progress:,} done" if agent.progress else "no work yet"
    restarts = f"started again {words.plural(agent.restarts, 'time')}" if agent.restarts else ""
    stalled = healthwords.stalled(agent.stalled_s) if agent.stalled_s > 0 and agent.state.is_alive else ""
    reason = " \u00b7 ".join(each for each in (stalled, words.one_line(agent.reason), restarts) if each)
    off = agent.state is AgentState.DISABLED
    return AgentLife(
        view=agent,
        name=words.agent_name(agent.name),
        state=words.agent_state(agent, now),
        beat=words.sentence(words.heartbeat(agent, now)),
        done=" \u00b7 ".join(each for each in (since, done) if each),
        reason=words.sentence(reason),
        can_restart=not off and agent.state is not AgentState.STOPPING,
        pause="" if off or agent.name == HEALTH else "Resume" if agent.paused else "Pause",
    )


def _facts(snapshot: Snapshot, now: float) -> tuple[Fact, ...]:
    health, vitals = snapshot.health, snapshot.health.vitals
    facts = [
        Fact("up", "Up since", f"{words.moment(snapshot.started_at, now)}, {words.ago(now - snapshot.started_at)}"),
        Fact("kept", "After a crash", healthwords.after_a_crash(health.kept_by)),
    ]
    if vitals is not None:
        lag = f"p50 {words.duration(vitals.lag_p50_s)} \u00b7 p99 {words.duration(vitals.lag_p99_s)}"
        worst = f" \u00b7 worst {words.duration(vitals.lag_worst_s)}"
        facts.append(Fact("lag", "Loop lag", lag + worst, vitals.lag_p99_s > healthwords.LAG_GOAL_S))
        if vitals.rss_bytes is not None:
            facts.append(Fact("memory", "Memory", healthwords.size(vitals.rss_bytes)))
        open_files = [] if vitals.descriptors is None else [words.plural(vitals.descriptors, "descriptor")]
        counts = [*open_files, words.plural(vitals.threads, "thread"), words.plural(vitals.tasks, "task")]
        facts.append(Fact("counts", "In use", " \u00b7 ".join(counts)))
    facts += [
        Fact("network", "Network", words.sentence(healthwords.network(health.is_online)), health.is_online is False),
        Fact("sleep", "Last sleep", words.sentence(healthwords.slept(health, now))),
        Fact("metrics", "Metrics", words.one_line(health.metrics) or "Not served"),
    ]
    if snapshot.updates.offered:
        said = words.sentence(updatewords.state(snapshot.updates, now))
        facts.append(Fact("updates", "Updates", said, bool(snapshot.updates.refused)))
    if snapshot.loop_lag_s > 0:
        what, how = healthwords.lateness(snapshot)
        facts.append(Fact("stall", words.sentence(what), words.sentence(how)))
    return tuple(facts)


def _ends(health: HealthView, now: float) -> tuple[Fact, ...]:
    return tuple(
        Fact(f"{place}:{end.at}", words.sentence(words.ago(now - end.at)), words.sentence(healthwords.ended(end)))
        for place, end in enumerate(health.ends[:ENDS_SHOWN])
    )


def _channels(snapshot: Snapshot, now: float) -> tuple[ChannelLine, ...]:
    silent = snapshot.snoozed_until > now
    state = f"silent for {words.time_left(snapshot.snoozed_until - now)}" if silent else "always told"
    lines = [ChannelLine(DESKTOP, _channel_name(DESKTOP), state)]
    return (*lines, *(_channel(each, now) for each in snapshot.health.channels.values() if each.name != DESKTOP))


def _channel(view: ChannelView, now: float) -> ChannelLine:
    return ChannelLine(view.name, _channel_name(view.name), healthwords.channel(view, now), words.one_line(view.reason))


def _channel_name(name: str) -> str:
    return healthwords.channel_name(name).removeprefix("the ").removeprefix("this ").capitalize()
