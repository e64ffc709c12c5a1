"""The command `health`: how the program itself fares, from the running instance or from what the last one left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.cli.ai.documents import of_document
from app.cli.exits import EXIT_CANNOT, EXIT_GOOD, EXIT_RED
from app.cli.patience import PATIENCE_S, patiently
from app.cli.terminal import plain
from app.domain import commands, healthwords, words
from app.domain.agents import AgentState
from app.domain.errors import InstanceUnreachable, NoInstance
from app.domain.health import ChannelView, HealthView, KeptBy, UncleanEnd, Vitals
from app.domain.keys import VaultState, VaultView
from app.domain.snapshot import AgentView, Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.cli.context import Context
    from app.cli.terminal import Terminal
    from app.domain.healthwords import Trouble
    from app.engine.places import Places

_TOKEN_FILE = "metrics.token"  # noqa: S105 - a file's name, which app.metrics.serving gives it
_FIELDS = ("name", "reason", "restarts", "beat_at", "progress", "paused", "paused_until", "since", "stalled_s")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read out of the snapshot."""

    fares: HealthView
    agents: Sequence[AgentView]
    troubles: Sequence[Trouble]


def health(context: Context) -> int:
    """Tell how the program fares. Exit 1 when something is wrong with it, 3 when none runs."""
    if context.words.leave_safe_mode:
        return _leave_safe_mode(context)
    if context.words.restart is not None:
        return _restart(context, context.words.restart)
    try:
        with patiently(context.terminal), context.client(PATIENCE_S) as client:
            snapshot = client.send(commands.ReadStatus())
    except NoInstance as error:
        return _tell_of_none(context, error, EXIT_CANNOT)
    except InstanceUnreachable as error:
        return _tell_of_none(context, error, EXIT_RED)
    fares = health_of(snapshot)
    agents = [_agent_of(each) for each in snapshot["agents"].values()]
    vault = VaultView(VaultState(snapshot["vault"]["state"]), snapshot["vault"]["reason"], snapshot["vault"]["hint"])
    notices = [Notice(key, told["at"], told["text"], told["hint"]) for key, told in snapshot["notices"].items()]
    troubles = healthwords.troubles(
        agents,
        fares,
        vault,
        started_at=snapshot["started_at"],
        is_lag_logged=snapshot["loop_lag_s"] > 0,
        notices=notices,
    )
    if context.as_json:
        document = {
            "good": not troubles,
            "running": True,
            "troubles": [{"text": each.text, "hint": each.hint} for each in troubles],
            "started_at": snapshot["started_at"],
            "agents": snapshot["agents"],
            "health": snapshot.get("health", {}),
            "notices": snapshot["notices"],
        }
        context.terminal.document(document)
    else:
        _write(context, snapshot, _Seen(fares, agents, troubles))
    return EXIT_RED if troubles else EXIT_GOOD


def health_of(snapshot: Mapping[str, Any]) -> HealthView:
    """Return how the program fares from the snapshot's JSON document; an older instance does not tell of all.

    Raises:
        InstanceUnreachable: It is told in a way that is not understood.
    """
    told = snapshot.get("health", {})
    vitals = told.get("vitals")
    try:
        return HealthView(
            kept_by=KeptBy(told.get("kept_by", KeptBy.NOBODY)),
            ends=tuple(of_document(UncleanEnd, each) for each in told.get("ends", ())),
            is_restart=bool(told.get("is_restart")),
            safe_mode=str(told.get("safe_mode", "")),
            vitals=None if vitals is None else of_document(Vitals, vitals),
            channels={name: of_document(ChannelView, each) for name, each in told.get("channels", {}).items()},
            metrics=str(told.get("metrics", "")),
            slept_at=told.get("slept_at"),
            slept_s=float(told.get("slept_s", 0.0)),
            is_online=told.get("is_online"),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise InstanceUnreachable(
            "The running Watchkeeper told of its health in a way that is not understood.",
            "It may be of another release: watchkeeper stop, then start it again.",
        ) from error


def _agent_of(told: Mapping[str, Any]) -> AgentView:
    return AgentView(state=AgentState(told["state"]), **{name: told[name] for name in _FIELDS if name in told})


def _leave_safe_mode(context: Context) -> int:
    with context.client() as client:
        names = client.send(commands.LeaveSafeMode())
    if context.as_json:
        context.terminal.document({"started": names})
    else:
        context.terminal.say(f"Started: {', '.join(plain(words.agent_name(name)) for name in names) or 'none'}")
    return EXIT_GOOD


def _restart(context: Context, agent: str) -> int:
    with context.client() as client:
        client.send(commands.RestartAgent(agent=agent))
    if context.as_json:
        context.terminal.document({"restarted": agent})
    else:
        context.terminal.say(f"Restarted: {plain(words.agent_name(agent))}")
    return EXIT_GOOD


def _write(context: Context, snapshot: Mapping[str, Any], seen: _Seen) -> None:
    terminal, fares, agents, troubles = context.terminal, seen.fares, seen.agents, seen.troubles
    now = time.time()
    headline = terminal.paint("NEEDS A LOOK", "red", "bold") if troubles else terminal.paint("WELL", "green", "bold")
    up = f"up for {words.lasting(now - snapshot['started_at'])}, {healthwords.kept_by(fares.kept_by)}"
    terminal.say(f"{headline}  {up}")
    for trouble in troubles:
        terminal.say()
        terminal.say(terminal.paint(plain(trouble.text), "red"))
        if trouble.hint:
            terminal.say(f"  {plain(trouble.hint)}")
    if agents:
        terminal.say("\nagents")
        terminal.table([_agent_row(each, now) for each in agents], indent="  ")
    terminal.say("\nprogram")
    terminal.table([(name, plain(value)) for name, value in _facts(fares, context.places, now)], indent="  ")
    if fares.channels:
        terminal.say("\nalerts")
        rows = [(healthwords.channel_name(each.name), _channel(each, now)) for each in fares.channels.values()]
        terminal.table([(plain(name), plain(said)) for name, said in rows], indent="  ")
    _write_ends(terminal, fares.ends, now)
    for key, notice in snapshot["notices"].items():
        if healthwords.is_told_apart(key):
            continue
        terminal.say(f"\n{terminal.paint(plain(notice['text']), 'yellow')}")
        if notice["hint"]:
            terminal.say(f"  {plain(notice['hint'])}")


def _write_ends(terminal: Terminal, ends: Sequence[UncleanEnd], now: float) -> None:
    if not ends:
        return
    terminal.say("\nearlier lives that ended badly")
    rows = [(words.ago(now - end.at), plain(healthwords.ended(end))) for end in ends]
    terminal.table(rows, indent="  ")


def _agent_row(agent: AgentView, now: float) -> tuple[str, ...]:
    beat = words.heartbeat(agent, now) if agent.state.is_alive else ""
    restarts = f"started again {words.plural(agent.restarts, 'time')}" if agent.restarts else ""
    stalled = healthwords.stalled(agent.stalled_s) if agent.stalled_s > 0 and agent.state.is_alive else ""
    done = f"{agent.progress:,} done" if agent.progress else ""
    behind = ", ".join(plain(words.one_line(each)) for each in (beat, done, stalled, restarts, agent.reason) if each)
    return (plain(words.agent_name(agent.name)), words.agent_state(agent, now), behind)


def _facts(fares: HealthView, places: Places, now: float) -> Iterator[tuple[str, str]]:
    yield "after a crash", healthwords.after_a_crash(fares.kept_by)
    vitals = fares.vitals
    if vitals is not None:
        lags = (("p50", vitals.lag_p50_s), ("p99", vitals.lag_p99_s), ("worst", vitals.lag_worst_s))
        yield "loop lag", ", ".join(f"{name} {words.duration(lag)}" for name, lag in lags)
        if vitals.rss_bytes is not None:
            yield "memory", healthwords.size(vitals.rss_bytes)
        counts = [(vitals.descriptors, "descriptor"), (vitals.threads, "thread"), (vitals.tasks, "task")]
        yield "in use", ", ".join(words.plural(count, what) for count, what in counts if count is not None)
    yield "network", healthwords.network(fares.is_online)
    yield "last sleep", healthwords.slept(fares, now)
    token = places.runtime / _TOKEN_FILE
    asks = f", with the token in {token}" if fares.metrics and token.exists() else ""
    yield "metrics", f"{fares.metrics}{asks}" if fares.metrics else "not served"


def _channel(view: ChannelView, now: float) -> str:
    return ". ".join(
        each for each in (healthwords.channel(view, now), *map(words.one_line, healthwords.channel_fault(view))) if each
    )


def _tell_of_none(context: Context, error: NoInstance | InstanceUnreachable, code: int) -> int:
    """Tell what is known although nothing answers: the last heartbeats, and how earlier lives ended."""
    from app.cli.lastlife import last_word, read_heartbeats
    from app.engine.lives import known_ends

    now = time.time()
    beats = read_heartbeats(context.places)
    with context.logging():
        ends = known_ends(context.places)
    word = last_word(beats, now) if beats is not None else ""
    if context.as_json:
        document = {
            "good": False,
            "running": isinstance(error, InstanceUnreachable),
            "troubles": [{"text": error.message, "hint": error.hint}],
            "heartbeats": beats.document if beats is not None else None,
            "ends": ends,
        }
        context.terminal.document(document)
        return code
    terminal = context.terminal
    terminal.note(f"watchkeeper: {plain(error.message)}")
    terminal.note(plain(error.hint))
    if word:
        terminal.say(plain(word))
        rows = [
            (plain(words.agent_name(name)), plain(state)) for name, state in (beats.agents if beats else {}).items()
        ]
        terminal.table(rows, indent="  ")
    _write_ends(terminal, ends, now)
    return code
