"""What people are told of: each event gives one alert, or none. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from app.alerts import wording
from app.domain import events, healthwords, updatewords, words
from app.domain.agents import AgentState
from app.domain.alerts import Alert, Urgency
from app.domain.commands import DownloadUpdate, InstallUpdate, RaiseWindow, SkipUpdate
from app.domain.health import Lateness
from app.domain.keys import VaultState
from app.domain.snapshot import Mood
from app.engine.looplag import LONG_STALL_S

if TYPE_CHECKING:
    from app.domain.commands import Command
    from app.domain.events import Event
    from app.domain.releases import UpdateView
    from app.domain.snapshot import Snapshot

CHANNEL_EVERY_S: Final = 86_400.0
"""A channel that fails is told of once a day: it fails as long as the network or a password does."""

TOLD_NOTICES: Final = {
    "history": "The history is written again",
    "log": "The log is written again",
    "memory": "Watchkeeper no longer needs more and more memory",
    "project": "A folder can be watched again",
    "rotation": "The vault's data key is replaced when it is due again",
}
"""The notices that are worth an alert, by the part of their key before a colon, with what is told once they no longer
hold. The others need nobody to come."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """An alert, and what the desktop needs beside it.

    Attributes:
        alert: What is told.
        event: What it was made of.
        opens: What the Open button asks for.
        explains: The test that the Explain button asks about; None where there is none.
        mood: The mood whose picture goes with it; None for the program's own.
        once: While an alert of this cause with the same word stands, it is no news.
        is_news: Whether its source tells each of them once, so that none of them is a repetition.
        is_local: Whether it is for this desktop alone.
        repeat_s: Seconds in which its cause is told of at most once, where that is more than the settings say.
        parts: What of its cause it tells of, as far as people tell that apart: the tests that broke, and a trouble.
        is_left: Whether an earlier life held it, so that this one may know nothing of it yet.
        offers: What else a person may ask for there, by the words of its button.
    """

    alert: Alert
    event: Event
    opens: RaiseWindow
    explains: str | None = None
    mood: Mood | None = None
    once: str = ""
    is_news: bool = False
    is_local: bool = False
    repeat_s: float = 0.0
    parts: tuple[str, ...] = ()
    is_left: bool = False
    offers: tuple[tuple[str, Command], ...] = ()


def occasion_of(event: Event, snapshot: Snapshot, now: float) -> Occasion | None:
    """Return what a person is told of an event; None where there is nothing to tell.

    Args:
        event: What happened.
        snapshot: All that is visible, as of that event.
        now: Wall-clock time.
    """
    match event:
        case events.VerdictChanged():
            return of_verdict(event, snapshot)
        case events.AuditEnded():
            return _of_audit(event, snapshot) if event.told else None
        case events.SecretDue():
            return _of_secret(event, now)
        case events.VaultChanged():
            return _of_vault(event)
        case events.AccessLogBroken():
            return _of_log(event)
        case _:
            return _of_the_program(event)


def _of_the_program(event: Event) -> Occasion | None:  # noqa: PLR0911 - a table of events
    match event:
        case events.AgentChanged():
            return _of_agent(event)
        case events.ProgressMissed():
            return _of_progress(event)
        case events.LifeBegan() if event.is_restart or event.safe_mode:
            return _of_life(event)
        case events.LoopLagged() if event.kind is Lateness.CROWDED:
            return _of_crowd(event)
        case events.LoopLagged() if event.kind is Lateness.WAS_BLOCKED and event.lag_s >= LONG_STALL_S:
            return _of_stall(event)
        case events.ChannelChanged() if event.channel.reason:
            return _of_channel(event)
        case events.NoticeRaised() | events.NoticeCleared() if event.key.partition(":")[0] in TOLD_NOTICES:
            return _of_notice(event)
        case _:
            return _of_releases(event)


def _of_releases(event: Event) -> Occasion | None:
    match event:
        case events.ReleaseFound():
            return _of_release(event)
        case events.ReleaseFetched():
            return _of_fetched(event)
        case events.FeedRefused():
            body = "\n".join(filter(None, (wording.message(event.reason), wording.message(event.hint))))
            alert = Alert("releases", Urgency.WARNING, updatewords.REFUSED_TITLE, body, event.at)
            return Occasion(alert, event, _HEALTH, mood=Mood.ATTENTION, is_news=True)
        case _:
            return None


_SEE_LOG: Final = "See all of it: watchkeeper keys verify"
_KEYS: Final = RaiseWindow(page="keys")
_HEALTH: Final = RaiseWindow(page="health")


def of_verdict(event: events.VerdictChanged, snapshot: Snapshot) -> Occasion:
    """Return what a person is told of a change of the verdict.

    A run that was told of early says it once; unless it then ends in trouble, which is another matter.
    """
    view = snapshot.projects.get(event.project)
    name = view.name if view is not None else PurePath(event.project).name
    is_bad = bool(event.broke) or event.trouble is not None
    alert = Alert(
        cause=f"tests:{event.project}",
        urgency=Urgency.WARNING if is_bad else Urgency.NEWS,
        title=wording.title_of(event),
        body=wording.body_of(event, name),
        at=event.at,
        is_over=not is_bad and event.complete and not event.still_red,
    )
    shown = next(iter(event.broke), None)
    return Occasion(
        alert,
        event,
        RaiseWindow(project=event.project, nodeid=shown),
        explains=shown,
        mood=mood_of(event),
        once=event.run_id if event.trouble is None else f"{event.run_id} {event.trouble}",
        is_news=True,
        parts=parts_of(event),
    )


def parts_of(event: events.VerdictChanged) -> tuple[str, ...]:
    """Return what people tell apart of a change of the verdict: each test that broke, and the trouble."""
    return event.broke if event.trouble is None else (*event.broke, f"trouble {event.trouble}")


def mood_of(event: events.VerdictChanged) -> Mood:
    """Return the mood whose picture goes with a change: trouble, red, or green."""
    if event.trouble is not None:
        return Mood.ATTENTION
    return Mood.RED if event.still_red else Mood.GREEN


def _of_audit(event: events.AuditEnded, snapshot: Snapshot) -> Occasion:
    names = {audit.project: name for name, audit in snapshot.audited}
    name = names.get(event.project) or PurePath(event.project).name
    alert = Alert(
        f"audit:{event.project}",
        Urgency.WARNING,
        wording.finding_title(event, name),
        wording.finding_body(event),
        event.at,
    )
    opens = RaiseWindow(page="audits", project=event.project)
    return Occasion(alert, event, opens, mood=Mood.ATTENTION, is_news=True)


def _of_secret(event: events.SecretDue, now: float) -> Occasion:
    body = wording.due_body(event.due - now)
    alert = Alert(f"due:{event.name}", Urgency.WARNING, wording.due_title(event.name), body, event.at)
    return Occasion(alert, event, _KEYS, mood=Mood.ATTENTION, is_news=True)


def _of_log(event: events.AccessLogBroken) -> Occasion:
    title, body = "The vault's access log was tampered with", wording.message(event.problem)
    alert = Alert("access-log", Urgency.CRITICAL, title, f"{body}\n{_SEE_LOG}", event.at)
    return Occasion(alert, event, _KEYS, mood=Mood.ATTENTION, is_news=True)


def _of_vault(event: events.VaultChanged) -> Occasion | None:
    vault = event.vault
    if vault.state in (VaultState.OPENING, VaultState.WAITING):
        return None
    if vault.state is not VaultState.TROUBLE:
        alert = Alert("vault", Urgency.NEWS, "The vault is no longer in trouble", "", event.at, is_over=True)
        return Occasion(alert, event, _KEYS)
    told = "\n".join(filter(None, (wording.message(vault.reason), wording.message(vault.hint))))
    alert = Alert("vault", Urgency.CRITICAL, "The vault is in trouble", told or "The Keys page says more.", event.at)
    return Occasion(alert, event, _KEYS, mood=Mood.ATTENTION, once=f"trouble {vault.reason}")


def _of_agent(event: events.AgentChanged) -> Occasion | None:
    cause, name, reason = f"agent:{event.agent}", event.agent, wording.message(event.reason)
    match event.state:
        case AgentState.FAILED:
            hint = "It is tried again from time to time. The log says why it failed."
            title, urgency = wording.agent_title(name, failed=True), Urgency.CRITICAL
        case AgentState.ABANDONED:
            hint = "It did not end when told to, and is not started again before it does. Start Watchkeeper anew."
            title, urgency = wording.stuck_title(name), Urgency.CRITICAL
        case AgentState.DEGRADED if name.startswith("tests:"):  # others do so with each breath of the network
            hint, title, urgency = "", wording.limited_title(name), Urgency.WARNING
        case AgentState.RUNNING:
            title = wording.agent_title(name, failed=False)
            alert = Alert(cause, Urgency.NEWS, title, "It keeps watch again.", event.at, is_over=True)
            return Occasion(alert, event, RaiseWindow())
        case _:
            return None
    alert = Alert(cause, urgency, title, "\n".join(filter(None, (reason, hint))), event.at)
    return Occasion(alert, event, RaiseWindow(), once=event.state.value)


def _of_progress(event: events.ProgressMissed) -> Occasion:
    is_over = not event.seconds
    title = wording.stalled_title(event.agent, is_over=is_over)
    body = f"It has work, but {healthwords.stalled(event.seconds)}. Restart it on the page Health."
    urgency = Urgency.NEWS if is_over else Urgency.WARNING
    alert = Alert(f"progress:{event.agent}", urgency, title, "" if is_over else body, event.at, is_over)
    return Occasion(alert, event, _HEALTH, mood=None if is_over else Mood.ATTENTION, once="stalled")


def _of_life(event: events.LifeBegan) -> Occasion:
    body = wording.life_body(event)
    alert = Alert("life", Urgency.CRITICAL, wording.life_title(event), body, event.at)
    return Occasion(alert, event, _HEALTH, mood=Mood.ATTENTION)


def _of_stall(event: events.LoopLagged) -> Occasion:
    """Return that the loop stood still: told when that is over, since nobody hears of it before."""
    title = f"Watchkeeper stood still for {words.lasting(event.lag_s)}"
    held = f"It was held up at {wording.message(words.one_line(event.where))}." if event.where else ""
    alert = Alert("loop", Urgency.WARNING, title, f"{held}\n{healthwords.LAG_HINT}".lstrip(), event.at)
    return Occasion(alert, event, _HEALTH, mood=Mood.ATTENTION)


def _of_crowd(event: events.LoopLagged) -> Occasion:
    """Return that threads which compute keep the loop from being in time."""
    title = "Watchkeeper is slow: its own threads are busy"
    body = f"It answers up to {event.lag_s * 1000:.0f} ms late. {wording.message(words.one_line(event.where))}"
    alert = Alert("loop:crowded", Urgency.WARNING, title, f"{body}\n{healthwords.LAG_HINT}", event.at)
    return Occasion(alert, event, _HEALTH, mood=Mood.ATTENTION)


def _of_notice(event: events.NoticeRaised | events.NoticeCleared) -> Occasion:
    cause = f"notice:{event.key}"
    if isinstance(event, events.NoticeCleared):
        title = TOLD_NOTICES[event.key.partition(":")[0]]
        return Occasion(Alert(cause, Urgency.NEWS, title, "", event.at, is_over=True), event, _HEALTH)
    title = words.clip(words.one_line(event.text), wording.TITLE_LENGTH) or "Something wants a look"
    body = "\n".join(filter(None, (wording.message(event.text), wording.message(event.hint))))
    alert = Alert(cause, Urgency.WARNING, title, body, event.at)
    return Occasion(alert, event, _HEALTH, mood=Mood.ATTENTION, once=event.text)


def _of_channel(event: events.ChannelChanged) -> Occasion:
    channel = event.channel
    title = f"Alerts do not go through {healthwords.channel_name(channel.name)}"
    waiting = f"{words.plural(channel.waiting, 'alert')} {'waits' if channel.waiting == 1 else 'wait'}."
    body = "\n".join((wording.message(channel.reason), waiting))
    alert = Alert(f"channel:{channel.name}", Urgency.WARNING, words.clip(title, wording.TITLE_LENGTH), body, event.at)
    return Occasion(alert, event, _HEALTH, mood=Mood.ATTENTION, is_local=True, repeat_s=CHANNEL_EVERY_S)


def _of_release(event: events.ReleaseFound) -> Occasion:
    """Return that a newer release is there: news, which nobody has to act on."""
    version = event.release.version
    body = wording.release_body(event)
    alert = Alert(f"release:{version}", Urgency.NEWS, updatewords.found_title(version), body, event.at)
    offers = (("Download", DownloadUpdate()), ("Skip this version", SkipUpdate(version=version)))
    return Occasion(alert, event, _HEALTH, is_news=True, offers=offers)


def _of_fetched(event: events.ReleaseFetched) -> Occasion:
    """Return that a release is here: on Windows the second click installs it, elsewhere a command does."""
    title = updatewords.fetched_title(event.version)
    alert = Alert(f"release:{event.version}", Urgency.NEWS, title, event.how, event.at)
    offers = (("Install", InstallUpdate()),) if event.channel == updatewords.STARTED_HERE else ()
    return Occasion(alert, event, _HEALTH, is_news=True, is_local=True, offers=offers)


def merged(before: Occasion, later: Occasion, snapshot: Snapshot) -> Occasion:
    """Return what is to be told of a cause when two of its alerts were held: the latest state.

    Of tests that is more than the later run says: what broke before and was not mended since is red as well.
    """
    old, new = before.event, later.event
    if not (isinstance(old, events.VerdictChanged) and isinstance(new, events.VerdictChanged)):
        return later
    mended = {*new.fixed, *new.gone}
    broke = tuple(each for each in dict.fromkeys((*old.broke, *new.broke)) if each not in mended)
    goes_on = new.trouble is None and new.recovered is None and old.trouble is not None
    trouble, message = (old.trouble, old.message) if goes_on else (new.trouble, new.message)
    return of_verdict(replace(new, broke=broke, trouble=trouble, message=message), snapshot)


def renewed(occasion: Occasion, snapshot: Snapshot, now: float) -> Occasion | None:
    """Return what is left to tell of an alert that was held for a while; None when it no longer holds."""
    event = occasion.event
    holds = True
    if occasion.is_left and not (isinstance(event, events.VerdictChanged) and event.project in snapshot.projects):
        return occasion
    match event:
        case events.VerdictChanged():
            return _still_red(occasion, event, snapshot)
        case events.AuditEnded():
            audit = snapshot.audits.get(event.project)
            holds = audit is not None and any(count for _, count in audit.open)
        case events.SecretDue():
            secret = next((each for each in snapshot.vault.secrets if each.name == event.name), None)
            # In a closed vault nobody knows.
            holds = secret.due == event.due if secret is not None else snapshot.vault.state is not VaultState.OPEN
            occasion = _of_secret(event, now)
        case events.VaultChanged():
            holds = (snapshot.vault.state is VaultState.TROUBLE) is not occasion.alert.is_over
        case events.AgentChanged():
            agent = snapshot.agents.get(event.agent)
            holds = agent is not None and agent.state is event.state
        case events.ProgressMissed():
            stalled = snapshot.agents.get(event.agent)
            holds = stalled is not None and (stalled.stalled_s > 0) is not occasion.alert.is_over
        case events.NoticeRaised() | events.NoticeCleared():
            holds = (event.key in snapshot.notices) is not occasion.alert.is_over
        case events.ChannelChanged():
            channel = snapshot.health.channels.get(event.channel.name)
            return _of_channel(replace(event, channel=channel)) if channel is not None and channel.reason else None
        case _:
            holds = _holds_of_releases(event, snapshot.updates)
    return occasion if holds else None


def _holds_of_releases(event: Event, updates: UpdateView) -> bool:
    """Return whether what was said of a release is still so; True of all else."""
    match event:
        case events.ReleaseFound():
            return updates.shown is not None and updates.shown.version == event.release.version and not updates.ready
        case events.ReleaseFetched():
            return updates.ready == event.path
        case events.FeedRefused():
            return bool(updates.refused)
        case _:
            return True


def _still_red(occasion: Occasion, event: events.VerdictChanged, snapshot: Snapshot) -> Occasion | None:
    """Return what broke and is still red; what was mended meanwhile is no news, unless people were told of it."""
    view = snapshot.projects.get(event.project)
    red = {state.nodeid for state in view.red} if view is not None else set()
    trouble = view.trouble.verdict if view is not None and view.trouble is not None else None
    if occasion.alert.is_over:
        return occasion if not red and trouble is None else None
    broke = tuple(nodeid for nodeid in event.broke if nodeid in red)
    is_trouble = event.trouble is not None and trouble is event.trouble
    if not broke and not is_trouble:
        return None
    left = replace(event, broke=broke, fixed=(), gone=(), recovered=None, still_red=len(red), complete=True)
    return of_verdict(left if is_trouble else replace(left, trouble=None, message=""), snapshot)
