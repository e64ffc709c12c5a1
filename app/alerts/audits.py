"""Notifications of what audits found: one for each audit that found something new, and none while people want silence.

What was known before, and an audit that found nothing new, are no news: the answer stands beside the marker.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Self

from app.alerts.postbox import Postbox, is_silent
from app.alerts.wording import finding_body, finding_title
from app.domain.commands import RaiseWindow, Snooze
from app.domain.events import AgentResumed, AuditEnded, NotificationsSnoozed
from app.domain.snapshot import Mood
from app.engine.tasks import spawn
from app.system.notifications import Notification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from app.domain.commands import Command
    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.system.notifications import Notifier

_STOP_S: Final = 0.25


class AuditAlerts:
    """Tells a person of new findings. One notification stands for each project. An async context manager.

    Args:
        bus: Where the events come from and the commands of the buttons go.
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
        snooze_s: float,
        icons: Mapping[Mood | None, Path] | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._snooze_s = snooze_s
        self._icons = icons or {}
        self._postbox = Postbox(notifiers, redact)
        self._missed: dict[str, AuditEnded] = {}
        self._silence: asyncio.Task[None] | None = None
        self._leave: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        await self._postbox.__aenter__()
        self._leave = self._bus.subscribe(self._see)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End listening; what was not shown yet is dropped."""
        self._leave()
        if self._silence is not None:
            self._silence.cancel()
            await asyncio.wait([self._silence], timeout=_STOP_S)
        await self._postbox.__aexit__(kind, error, trace)

    def _see(self, event: Event, snapshot: Snapshot) -> None:
        if isinstance(event, AuditEnded):
            self._see_audit(event, snapshot)
        elif isinstance(event, NotificationsSnoozed):
            if self._silence is not None:
                self._silence.cancel()
            self._silence = spawn(self._after_silence(event.until - self._clock.wall()), name="end of the snooze")
        elif isinstance(event, AgentResumed):
            self._catch_up()

    def _see_audit(self, event: AuditEnded, snapshot: Snapshot) -> None:
        if not event.told:
            return
        if self._is_silent(snapshot):
            self._missed[event.project] = event
        else:
            self._missed.pop(event.project, None)
            self._postbox.post(self._of(event, snapshot))

    async def _after_silence(self, seconds: float) -> None:
        await self._clock.sleep(max(0.0, seconds))
        self._catch_up()

    def _catch_up(self) -> None:
        """Tell what was found in the silence and is still open; what an audit since then no longer finds is no news."""
        snapshot = self._bus.snapshot
        if self._is_silent(snapshot):
            return
        missed, self._missed = self._missed, {}
        for project, event in missed.items():
            audit = snapshot.audits.get(project)
            if audit is not None and any(count for _, count in audit.open):
                self._postbox.post(self._of(event, snapshot))

    def _is_silent(self, snapshot: Snapshot) -> bool:
        return is_silent(snapshot, self._clock.wall())

    def _of(self, event: AuditEnded, snapshot: Snapshot) -> Notification:
        names = {audit.project: name for name, audit in snapshot.audited}
        name = names.get(event.project) or PurePath(event.project).name
        made = notification_for_audit(
            event,
            name,
            on_open=self._sender(RaiseWindow(page="audits", project=event.project)),
            on_snooze=self._sender(Snooze(seconds=self._snooze_s)),
        )
        return replace(made, icon=self._icons.get(Mood.ATTENTION))

    def _sender(self, command: Command) -> Callable[[], None]:
        def send() -> None:
            spawn(self._bus.send(command), name=f"button {type(command).__name__}")

        return send


def notification_for_audit(
    event: AuditEnded, project: str, *, on_open: Callable[[], None], on_snooze: Callable[[], None]
) -> Notification:
    """Put the new findings of an audit into a notification. Pure.

    Args:
        event: The audit, with one new finding at least that is to be told.
        project: The project's name for people.
        on_open: Called for the Open button and for a click.
        on_snooze: Called for the Snooze button.
    """
    return Notification(
        key=f"audit:{event.project}",
        title=finding_title(event, project),
        body=finding_body(event),
        buttons=(("Open", on_open), ("Snooze", on_snooze)),
        on_clicked=on_open,
    )
