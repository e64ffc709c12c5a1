"""What people read of how the program fares, in one place for all faces. Pure, in English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain import words
from app.domain.agents import AgentState
from app.domain.health import Ending, HeldFor, KeptBy, Lateness
from app.domain.keys import VaultState
from app.domain.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.health import ChannelView, HealthView, HeldView, UncleanEnd, Vitals
    from app.domain.keys import VaultView
    from app.domain.snapshot import AgentView, Notice, Snapshot

LAG_GOAL_S = 0.05
"""The event loop's lag that 99 of 100 ticks are to stay under: from there on a window is felt to hesitate."""
_LAG_WINDOW_S = 300.0
"""What the lag is measured over: see `Vitals`."""
_LAG_TICKS = 700
"""The ticks of that time, or nearly: each late one makes them fewer."""
_KILO = 1024.0
_NEWS_S = 3600.0
"""For so long the tray tells that the program was started again."""
_FILES = frozenset({"history", "lives", "log", "settings"})
"""Notices of the program's own files: they cannot be written, or the settings have a mistake and are not in force."""
_TOLD = _FILES | {"keeper"}
"""Notices that are troubles: those, and that what kept the program has ended."""
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with the program itself, and what to do about it; `hint` may be empty."""

    text: str
    hint: str = ""


def troubles(
    agents: Iterable[AgentView],
    health: HealthView,
    vault: VaultView,
    *,
    started_at: float = 0.0,
    is_lag_logged: bool = False,
    notices: Iterable[Notice] = (),
) -> tuple[Trouble, ...]:
    """Return what is wrong with the program itself, the worst first; nothing when all is well.

    An agent that is switched off, paused, or works with limits is not wrong, and neither is how earlier lives ended.

    Args:
        agents: The agents.
        health: How the program fares.
        vault: The vault.
        started_at: When the program started. What its start held up is no trouble: of few ticks, one is one in a
            hundred.
        is_lag_logged: Whether a stall of the event loop was told, so that the log names what held it.
        notices: What stands. Of it counts what the program's own files cannot take, or hold wrongly, and that nobody
            keeps the program any more.
    """
    found = []
    if health.safe_mode:
        found.append(
            Trouble(f"{SAFE_MODE}. {why_safe(health.safe_mode)}", SAFE_MODE_HINT),
        )
    found += [trouble for agent in agents if (trouble := _of_agent(agent)) is not None]
    if vault.state is VaultState.TROUBLE:
        found.append(Trouble(f"{words.vault(vault)}.", words.one_line(vault.hint)))
    found += [
        Trouble(
            f"Alerts do not go through {channel_name(each.name)}: {words.one_line(each.reason)}",
            words.one_line(each.hint) or CHANNEL_HINT,
        )
        for each in health.channels.values()
        if each.reason
    ]
    found += [Trouble(words.one_line(each.text), words.one_line(each.hint)) for each in notices if each.key in _TOLD]
    vitals = health.vitals
    if vitals is not None and vitals.lag_p99_s > LAG_GOAL_S and _is_settled(vitals, started_at):
        late = words.duration(vitals.lag_p99_s)
        hint = LAG_HINT if is_lag_logged else BUSY_HINT
        found.append(Trouble(f"The event loop is late by {late} once in a hundred times.", hint))
    return tuple(found)


def _is_settled(vitals: Vitals, started_at: float) -> bool:
    """Return whether the lag is that of a whole window: by time, and by ticks, which a stopped process has none of."""
    ticks = sum(vitals.lag_counts)
    return vitals.at - started_at > _LAG_WINDOW_S and (not ticks or ticks >= _LAG_TICKS)


def lateness(snapshot: Snapshot) -> tuple[str, str]:
    """Return what the event loop last did wrong, and for how long and where, to be read one after the other."""
    late_s = words.duration(snapshot.loop_lag_s)
    where = f", at {words.one_line(snapshot.loop_lag_where)}" if snapshot.loop_lag_where else ""
    match snapshot.loop_lag_kind:
        case Lateness.BLOCKED:  # told while it still stands, so it may have been longer
            return "stood still", f"for at least {late_s}{where}"
        case Lateness.WAS_BLOCKED:
            return "stood still", f"for {late_s}{where}"
        case Lateness.CROWDED:
            return "was late", f"by up to {late_s}{where}"


def is_told_apart(notice: str) -> bool:
    """Return whether a notice of this key says what `troubles` says too: of safe mode, a channel of alerts, a file."""
    return notice == "safe-mode" or notice in _TOLD or notice.startswith("channel:")


SAFE_MODE_HINT = "Start the agents on the Health page, or with: watchkeeper health --leave-safe-mode"
SAFE_MODE = "Safe mode: no agent was started"
KEEPER_LOST = "What would start Watchkeeper again after a crash has itself ended."
KEEPER_HINT = "Watchkeeper runs on. To have it kept again: watchkeeper stop, then watchkeeper --keep"
CHANNEL_HINT = "Look at the channel's settings: watchkeeper config show. Then try it: watchkeeper alerts test"
LAG_HINT = "`watchkeeper logs` names what held it, with file and line."
BUSY_HINT = "Nothing held it for long, so the log names no place: the machine may be busy with other programs."
_RESTART_HINT = "Restart it on the Health page, or with: watchkeeper health --restart {}"


def _of_agent(agent: AgentView) -> Trouble | None:
    name = words.agent_name(agent.name)
    hint = _RESTART_HINT.format(agent.name)
    if agent.state is AgentState.DISABLED:
        return None
    if not agent.state.is_alive:
        why = f": {words.one_line(agent.reason)}" if agent.reason else ""
        return Trouble(f"The agent {name}: {words.state(agent.state)}{why}", hint)
    if agent.stalled_s > 0:
        return Trouble(f"The agent {name} has work, but {stalled(agent.stalled_s)}", hint)
    return None


def stalled(seconds: float) -> str:
    """Return that an agent gets nowhere, as the end of a sentence: `has come no further for 12 min`."""
    return f"has come no further for {words.lasting(seconds)}"


def kept_by(keeper: KeptBy) -> str:
    """Return who starts the program again after a crash, in a few words: `kept by systemd`, `kept by nobody`."""
    return f"kept by {_KEEPERS[keeper]}"


def after_a_crash(keeper: KeptBy) -> str:
    """Return what happens after a crash, as a sentence without its full stop: `systemd starts it again`."""
    if keeper is KeptBy.NOBODY:
        return "It stays away until you start it"
    who = _KEEPERS[keeper]
    return f"{words.sentence(who) if keeper is KeptBy.PARENT else who} starts it again"


_KEEPERS = {
    KeptBy.NOBODY: "nobody",
    KeptBy.SYSTEMD: "systemd",
    KeptBy.LAUNCHD: "launchd",
    KeptBy.PARENT: "its parent process",
}


def why_safe(reason: str) -> str:
    """Return why the program is in safe mode, as a whole sentence."""
    return f"{words.sentence(words.one_line(reason)).rstrip('.')}."


def ending(how: Ending, code: int | None = None) -> str:
    """Return how a life ended, as the end of a sentence: `was stuck, and ended itself`.

    Args:
        how: It.
        code: Its exit code, where that is known; it tells more of a life that left no word.
    """
    if how is Ending.KILLED and code is not None:
        return f"was killed by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}, without a word"
    return {
        Ending.KILLED: "left no word: killed, crashed, or without power",
        Ending.FAILED: "failed with an error of its own",
        Ending.STUCK: "was stuck, and ended itself",
        Ending.FORCED: "did not stop in time, and was ended",
    }[how]


def ended(end: UncleanEnd) -> str:
    """Return how an earlier life ended in one line: `was stuck, and ended itself, at a.py:12 in name`."""
    between = ": " if end.ending is Ending.FAILED else ", at "
    where = f"{between}{words.one_line(end.where)}" if end.where else ""
    version = f" (version {words.one_line(end.version)})" if end.version else ""
    return f"{ending(end.ending, end.code)}{where}{version}"


def started_again(health: HealthView, started_at: float, now: float) -> str:
    """Return that this life follows one that ended badly, while that is news; empty when it is not.

    Args:
        health: How the program fares.
        started_at: When this life began.
        now: The wall-clock time.
    """
    if not (health.is_restart and health.ends) or now - started_at > _NEWS_S:
        return ""
    last = health.ends[0]
    return f"Started again {words.ago(now - started_at)}: the last life {ending(last.ending, last.code)}"


def size(count: int) -> str:
    """Return a number of bytes in its largest unit, in three figures: `512 bytes`, `84.2 MiB`."""
    amount, unit = float(count), 0
    while amount >= _KILO and unit < len(_UNITS) - 1:
        amount, unit = amount / _KILO, unit + 1
    if not unit:
        return words.plural(count, "byte")
    return f"{amount:.0f} {_UNITS[unit]}" if amount >= 100 else f"{amount:.1f} {_UNITS[unit]}"  # noqa: PLR2004 - three figures


def channel_name(name: str) -> str:
    """Return what people call a channel of alerts: `mail`, `Telegram`, `the webhook`, `this desktop`."""
    return {"telegram": "Telegram", "webhook": "the webhook", "desktop": "this desktop"}.get(name, name)


def channel(view: ChannelView, now: float) -> str:
    """Return how a channel stands, in one line without its name."""
    waiting = (
        f"{words.plural(view.waiting, 'alert')} {'waits' if view.waiting == 1 else 'wait'}" if view.waiting else ""
    )
    dropped = f"{view.dropped:,} given up after a day" if view.dropped else ""
    sent = "nothing sent yet" if view.sent_at is None else f"last sent {words.ago(now - view.sent_at)}"
    tested = ""
    if view.tested_at is not None:
        tested = f"a test {'failed' if view.test_reason else 'went through'} {words.ago(now - view.tested_at)}"
    return ", ".join(each for each in (sent, tested, waiting, dropped) if each)


def channel_fault(view: ChannelView) -> tuple[str, str]:
    """Return why alerts do not go through a channel, and what to do: empty while nothing is known to be wrong."""
    return (view.reason, view.hint) if view.reason else (view.test_reason, view.test_hint)


def held(view: HeldView, now: float) -> str:
    """Return how many alerts are held back from the channels and why: `2 held: quiet hours until 07:00`."""
    if not view.count or view.why is None:
        return ""
    until = "" if view.until is None else f" until {words.moment(view.until, now)}"
    why = {
        HeldFor.SNOOZE: f": silence{until}",
        HeldFor.PAUSE: ": all agents are paused",
        HeldFor.QUIET: f": quiet hours{until}",
        HeldFor.TOLD: f"{until}: told already",
    }[view.why]
    return f"{view.count:,} held{why}"


def network(is_online: bool | None) -> str:  # noqa: FBT001 - what the view holds
    """Return whether there is a way into the network."""
    return "not known" if is_online is None else "online" if is_online else "offline"


def slept(health: HealthView, now: float) -> str:
    """Return when the machine slept last: `woke up 3 h ago, after 8 h`; that it did not, when it did not."""
    if health.slept_at is None:
        return "not since the start"
    return f"woke up {words.ago(now - health.slept_at)}, after {words.lasting(health.slept_s)}"
