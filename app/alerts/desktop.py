"""Desktop notifications: one for each transition, grouped, and none while people want silence."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Self

import structlog

from app.alerts.postbox import Postbox, is_silent
from app.alerts.wording import agent_title, body_of, due_body, due_title, message, title_of
from app.domain.agents import AgentState
from app.domain.analysis import When
from app.domain.commands import Explain, RaiseWindow, Snooze
from app.domain.errors import UsageError, WatchkeeperError
from app.domain.events import (
    AccessLogBroken,
    AgentChanged,
    AgentResumed,
    NotificationsSnoozed,
    SecretDue,
    VaultChanged,
    VerdictChanged,
)
from app.domain.keys import VaultState
from app.domain.snapshot import Mood
from app.engine.tasks import spawn
from app.system.notifications import Notification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from app.domain.commands import Command
    from app.domain.events import Event
    from app.domain.keys import VaultView
    from app.domain.snapshot import Snapshot
    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.system.notifications import Notifier

_log = structlog.get_logger(__name__)

SNOOZE_S: Final = 30 * 60.0
"""What the Snooze button asks for."""

TOLD_MOODS: Final = (Mood.RED, Mood.ATTENTION, Mood.GREEN)
"""The moods that a notification can be about."""

_STOP_S: Final = 0.25


class DesktopAlerts:
    """Tells a person of what changed.

    That is: when tests go red or green, when a run's trouble comes or goes, when an agent fails or recovers, when a
    secret is to be renewed, and when the vault is in trouble or its access log broken. One notification stands for each
    project, agent and secret, and one for the vault and its log each: a newer one takes its place. An async context
    manager; the notifiers are not closed by it.

    Args:
        bus: Where the events come from and the commands of the buttons go; `Snooze` is answered here.
        notifiers: Ways to show a notification, asked in order until one has shown it.
        clock: Wall time, by which a snooze ends.
        snooze_s: Seconds of silence that the Snooze button asks for.
        icons: Pictures of moods, for what they are known.
        redact: Takes secrets out of a text.
    """

    def __init__(
        self,
        bus: Bus,
        notifiers: Sequence[Notifier],
        clock: Clock,
        *,
        snooze_s: float = SNOOZE_S,
        icons: Mapping[Mood | None, Path] | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._bus = bus
        self._icons = icons or {}
        self._clock = clock
        self._snooze_s = snooze_s
        self._postbox = Postbox(notifiers, redact)
        self._told: dict[str, str] = {}
        self._missed: dict[str, VerdictChanged] = {}
        self._silence: asyncio.Task[None] | None = None
        self._failed: set[str] = set()
        self._missed_due: dict[str, SecretDue] = {}
        self._missed_log: AccessLogBroken | None = None
        self._vault_told = ""
        self._leave: tuple[Callable[[], None], ...] = ()

    async def __aenter__(self) -> Self:
        """Begin to listen and to answer `Snooze`."""
        self._leave = (self._bus.handle(Snooze, self._snooze), self._bus.subscribe(self._see))
        await self._postbox.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End listening; what was not shown yet is dropped."""
        for leave in self._leave:
            leave()
        if self._silence is not None:
            self._silence.cancel()
            await asyncio.wait([self._silence], timeout=_STOP_S)
        await self._postbox.__aexit__(kind, error, trace)

    def _snooze(self, command: Snooze) -> None:
        if not (math.isfinite(command.seconds) and command.seconds >= 0):
            raise UsageError(
                f"Notifications cannot be snoozed for {command.seconds} seconds.", "Give a number of seconds from 0 on."
            )
        now = self._clock.wall()
        self._bus.publish(NotificationsSnoozed(at=now, until=now + command.seconds))

    def _see(self, event: Event, snapshot: Snapshot) -> None:
        if isinstance(event, AgentChanged):
            self._see_agent(event, snapshot)
        elif isinstance(event, VerdictChanged):
            (self._miss if self._is_silent(snapshot) else self._see_verdict)(event)
        elif isinstance(event, SecretDue):
            self._see_due(event, snapshot)
        elif isinstance(event, AccessLogBroken):
            self._see_log(event, snapshot)
        elif isinstance(event, VaultChanged):
            self._see_vault(snapshot)
        elif isinstance(event, NotificationsSnoozed):
            if self._silence is not None:
                self._silence.cancel()
            self._silence = spawn(self._after_silence(event.until - self._clock.wall()), name="end of the snooze")
        elif isinstance(event, AgentResumed):
            self._catch_up()

    def _miss(self, event: VerdictChanged) -> None:
        """Keep what nobody is told now, for when people can be told again."""
        before = self._missed.get(event.project)
        mended = {*event.fixed, *event.gone}
        broke = tuple(dict.fromkeys((*(before.broke if before else ()), *event.broke)))
        self._missed[event.project] = replace(event, broke=tuple(each for each in broke if each not in mended))

    async def _after_silence(self, seconds: float) -> None:
        await self._clock.sleep(max(0.0, seconds))
        self._catch_up()

    def _catch_up(self) -> None:
        """Tell what broke in the silence and is still red; what was mended meanwhile is no news."""
        snapshot = self._bus.snapshot
        if self._is_silent(snapshot):
            return
        missed, self._missed = self._missed, {}
        for project, event in missed.items():
            view = snapshot.projects.get(project)
            red = {state.nodeid for state in view.red} if view is not None else set()
            trouble = view.trouble.verdict if view is not None and view.trouble is not None else None
            broke = tuple(nodeid for nodeid in event.broke if nodeid in red)
            if broke or (event.trouble is not None and trouble is event.trouble):
                told = replace(event, broke=broke, fixed=(), gone=(), recovered=None, still_red=len(red), complete=True)
                self._see_verdict(told)
        due, self._missed_due = self._missed_due, {}
        for each in due.values():
            if _is_still_due(each, snapshot.vault):
                self._see_due(each, snapshot)
        broken, self._missed_log = self._missed_log, None
        if broken is not None:
            self._see_log(broken, snapshot)
        self._see_vault(snapshot)

    def _is_silent(self, snapshot: Snapshot) -> bool:
        return is_silent(snapshot, self._clock.wall())

    def _see_agent(self, event: AgentChanged, snapshot: Snapshot) -> None:
        if event.state is AgentState.FAILED and event.agent not in self._failed:
            if not self._is_silent(snapshot):
                self._failed.add(event.agent)
                self._postbox.post(self._of_agent(event))
        elif event.state is AgentState.RUNNING and event.agent in self._failed:
            self._failed.discard(event.agent)
            if not self._is_silent(snapshot):
                self._postbox.post(self._of_agent(event))

    def _see_due(self, event: SecretDue, snapshot: Snapshot) -> None:
        if self._is_silent(snapshot):
            self._missed_due[event.name] = event
        else:
            self._postbox.post(self._of_due(event))

    def _see_log(self, event: AccessLogBroken, snapshot: Snapshot) -> None:
        if self._is_silent(snapshot):
            self._missed_log = event
        else:
            self._postbox.post(self._of_log(event))

    def _see_vault(self, snapshot: Snapshot) -> None:
        """Tell of the vault's trouble: once for each cause, until it has been well in between."""
        vault = snapshot.vault
        if vault.state is VaultState.TROUBLE:
            if vault.reason != self._vault_told and not self._is_silent(snapshot):
                self._vault_told = vault.reason
                self._postbox.post(self._of_vault(vault))
        elif vault.state not in (VaultState.OPENING, VaultState.WAITING):
            self._vault_told = ""

    def _see_verdict(self, event: VerdictChanged) -> None:
        """Post what a run has changed: once, unless it then ends in trouble, which is another matter."""
        if self._told.get(event.project) == event.run_id and event.trouble is None:
            return
        self._told[event.project] = event.run_id
        self._postbox.post(self._of_verdict(event))

    def _of_verdict(self, event: VerdictChanged) -> Notification:
        view = self._bus.snapshot.projects.get(event.project)
        name = view.name if view is not None else PurePath(event.project).name
        shown = next(iter(event.broke), None)
        made = notification_for(
            event,
            name,
            on_open=self._sender(RaiseWindow(project=event.project, nodeid=shown)),
            on_snooze=self._snoozer(),
            on_explain=self._explainer(event.project, shown),
        )
        return replace(made, icon=self._icons.get(mood_of(event)))

    def _explainer(self, project: str, nodeid: str | None) -> Callable[[], None] | None:
        """Return what the Explain button does, or None where there is nothing to explain or nobody to do it."""
        if nodeid is None or self._bus.snapshot.analysis.when is When.NEVER:
            return None

        def explain() -> None:
            spawn(self._have_explained(project, nodeid), name="button Explain")

        return explain

    async def _have_explained(self, project: str, nodeid: str) -> None:
        """Show the test, and have it explained; a refusal is told where the person has pressed the button."""
        try:
            await self._bus.send(RaiseWindow(project=project, nodeid=nodeid))
        except WatchkeeperError as error:
            _log.warning("a command was refused", command="RaiseWindow", reason=str(error))
        try:
            await self._bus.send(Explain(project=project, nodeid=nodeid))
        except WatchkeeperError as error:
            _log.warning("a command was refused", command="Explain", reason=str(error))
            on_open = self._sender(RaiseWindow(project=project, nodeid=nodeid))
            self._postbox.post(notification_for_refusal(project, error, on_open=on_open))

    def _of_agent(self, event: AgentChanged) -> Notification:
        return notification_for_agent(event, on_open=self._sender(RaiseWindow()), on_snooze=self._snoozer())

    def _of_due(self, event: SecretDue) -> Notification:
        made = notification_for_due(
            event, self._clock.wall(), on_open=self._sender(RaiseWindow(page="keys")), on_snooze=self._snoozer()
        )
        return replace(made, icon=self._icons.get(Mood.ATTENTION))

    def _of_log(self, event: AccessLogBroken) -> Notification:
        made = notification_for_log(event, on_open=self._sender(RaiseWindow(page="keys")), on_snooze=self._snoozer())
        return replace(made, icon=self._icons.get(Mood.ATTENTION))

    def _of_vault(self, vault: VaultView) -> Notification:
        made = notification_for_vault(vault, on_open=self._sender(RaiseWindow(page="keys")), on_snooze=self._snoozer())
        return replace(made, icon=self._icons.get(Mood.ATTENTION))

    def _snoozer(self) -> Callable[[], None]:
        return self._sender(Snooze(seconds=self._snooze_s))

    def _sender(self, command: Command) -> Callable[[], None]:
        def send() -> None:
            spawn(self._bus.send(command), name=f"button {type(command).__name__}")

        return send


def notification_for(
    event: VerdictChanged,
    project: str,
    *,
    on_open: Callable[[], None],
    on_snooze: Callable[[], None],
    on_explain: Callable[[], None] | None = None,
) -> Notification:
    """Put a change of the verdict into a notification. Pure.

    It is never urgent: an urgent one would break through do-not-disturb.

    Args:
        event: What changed.
        project: The project's name for people.
        on_open: Called for the Open button and for a click.
        on_snooze: Called for the Snooze button.
        on_explain: Called for the Explain button, which there is none of without it.

    Returns:
        The notification, whose title has 1 to 80 characters.
    """
    explain = (("Explain", on_explain),) if on_explain is not None else ()
    return Notification(
        key=f"verdict:{event.project}",
        title=title_of(event),
        body=body_of(event, project),
        buttons=(("Open", on_open), *explain, ("Snooze", on_snooze)),
        on_clicked=on_open,
    )


def notification_for_refusal(project: str, error: WatchkeeperError, *, on_open: Callable[[], None]) -> Notification:
    """Put the reason why a test of this project is not explained into a notification. Pure."""
    return Notification(
        key=f"explain:{project}",
        title=error.title,
        body=message(str(error)),
        buttons=(("Open", on_open),),
        on_clicked=on_open,
    )


def mood_of(event: VerdictChanged) -> Mood:
    """Return the mood whose picture goes with a change: trouble, red, or green."""
    if event.trouble is not None:
        return Mood.ATTENTION
    return Mood.RED if event.still_red else Mood.GREEN


def notification_for_agent(
    event: AgentChanged, *, on_open: Callable[[], None], on_snooze: Callable[[], None]
) -> Notification:
    """Put an agent's failure (state FAILED) or its recovery (any other) into a notification. Pure."""
    failed = event.state is AgentState.FAILED
    hint = "It is tried again from time to time. The log says why it failed."
    return Notification(
        key=f"agent:{event.agent}",
        title=agent_title(event.agent, failed=failed),
        body="\n".join(filter(None, (message(event.reason), hint))) if failed else "It keeps watch again.",
        buttons=(("Open", on_open), ("Snooze", on_snooze)),
        on_clicked=on_open,
    )


def notification_for_due(
    event: SecretDue, now: float, *, on_open: Callable[[], None], on_snooze: Callable[[], None]
) -> Notification:
    """Put a secret that is to be renewed into a notification, at the wall-clock time `now`. Pure."""
    return Notification(
        key=f"due:{event.name}",
        title=due_title(event.name),
        body=due_body(event.due - now),
        buttons=(("Open", on_open), ("Snooze", on_snooze)),
        on_clicked=on_open,
    )


def notification_for_log(
    event: AccessLogBroken, *, on_open: Callable[[], None], on_snooze: Callable[[], None]
) -> Notification:
    """Put a broken access log into a notification. Pure."""
    return Notification(
        key="access-log",
        title="The vault's access log was tampered with",
        body=f"{message(event.problem)}\nSee all of it: watchkeeper keys verify",
        buttons=(("Open", on_open), ("Snooze", on_snooze)),
        on_clicked=on_open,
    )


def notification_for_vault(
    vault: VaultView, *, on_open: Callable[[], None], on_snooze: Callable[[], None]
) -> Notification:
    """Put the vault's trouble into a notification. Pure."""
    return Notification(
        key="vault",
        title="The vault is in trouble",
        body="\n".join(filter(None, (message(vault.reason), message(vault.hint)))) or "The Keys page says more.",
        buttons=(("Open", on_open), ("Snooze", on_snooze)),
        on_clicked=on_open,
    )


def _is_still_due(event: SecretDue, vault: VaultView) -> bool:
    """Return whether a secret still has the due date that was told of; in a closed vault nobody knows."""
    secret = next((each for each in vault.secrets if each.name == event.name), None)
    return secret.due == event.due if secret is not None else vault.state is not VaultState.OPEN
