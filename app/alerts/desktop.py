"""Alerts on this desktop: a notification for each cause, with buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import structlog

from app.alerts.postbox import Postbox
from app.alerts.wording import message
from app.domain.analysis import When
from app.domain.commands import Explain, RaiseWindow, Snooze
from app.domain.errors import WatchkeeperError
from app.domain.snapshot import Mood
from app.engine.tasks import spawn
from app.system.notifications import Notification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from app.alerts.occasions import Occasion
    from app.domain.alerts import Alert
    from app.domain.commands import Command
    from app.engine.bus import Bus
    from app.system.notifications import Notifier

_log = structlog.get_logger(__name__)

SNOOZE_S: Final = 30 * 60.0
"""What the Snooze button asks for."""

TOLD_MOODS: Final = (Mood.RED, Mood.ATTENTION, Mood.GREEN)
"""The moods that a notification can be about."""


class Desktop:
    """Shows alerts. One notification stands for each cause: a newer one takes its place.

    An async context manager; the notifiers are not closed by it.

    Args:
        bus: Where the commands of the buttons go.
        notifiers: Ways to show a notification, asked in order until one has shown it.
        snooze_s: Gives the seconds of silence that the Snooze button asks for.
        icons: Pictures of moods, for what they are known.
        redact: Takes secrets out of a text.
    """

    def __init__(
        self,
        bus: Bus,
        notifiers: Sequence[Notifier],
        *,
        snooze_s: Callable[[], float] = lambda: SNOOZE_S,
        icons: Mapping[Mood | None, Path] | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._bus = bus
        self._snooze_s = snooze_s
        self._icons = icons or {}
        self._postbox = Postbox(notifiers, redact)

    async def __aenter__(self) -> Self:
        """Begin to show what is posted."""
        await self._postbox.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; what was not shown yet is dropped."""
        await self._postbox.__aexit__(kind, error, trace)

    def post(self, occasion: Occasion) -> None:
        """Have an alert shown, in place of an older one of its cause."""
        alert, opens = occasion.alert, occasion.opens
        self._postbox.post(
            notification_for(
                alert,
                on_open=self._asker(opens, alert.cause, opens),
                on_snooze=self._asker(Snooze(seconds=self._snooze_s()), alert.cause, opens),
                on_explain=self._explainer(opens.project, occasion.explains),
                offers=tuple((label, self._asker(command, alert.cause, opens)) for label, command in occasion.offers),
                icon=self._icons.get(occasion.mood) if occasion.mood is not None else None,
            )
        )

    async def test(self, alert: Alert) -> bool:
        """Show an alert at once, past all others that wait, and return whether it could be shown."""
        on_open = self._asker(RaiseWindow(), alert.cause, RaiseWindow())
        return await self._postbox.show(Notification(alert.cause, alert.title, alert.body, on_clicked=on_open))

    def _explainer(self, project: str | None, nodeid: str | None) -> Callable[[], None] | None:
        """Return what the Explain button does, or None where there is nothing to explain or nobody to do it."""
        if project is None or nodeid is None or self._bus.snapshot.analysis.when is When.NEVER:
            return None

        def explain() -> None:
            spawn(self._have_explained(project, nodeid), name="button Explain")

        return explain

    async def _have_explained(self, project: str, nodeid: str) -> None:
        """Show the test, and have it explained; a refusal is told where the person has pressed the button."""
        shows = RaiseWindow(project=project, nodeid=nodeid)
        try:
            await self._bus.send(shows)
        except WatchkeeperError as error:
            _log.warning("a command was refused", command="RaiseWindow", reason=str(error))
        await self._have_done(Explain(project=project, nodeid=nodeid), f"explain:{project}", shows)

    def _asker(self, command: Command, cause: str, opens: RaiseWindow) -> Callable[[], None]:
        """Return what a button does. A refusal is told where the person has pressed it: in the notification's place."""

        def ask() -> None:
            spawn(self._have_done(command, cause, opens), name=f"button {type(command).__name__}")

        return ask

    async def _have_done(self, command: Command, cause: str, opens: RaiseWindow) -> None:
        try:
            await self._bus.send(command)
        except WatchkeeperError as error:
            _log.warning("a command was refused", command=type(command).__name__, reason=str(error))
            on_open = self._asker(opens, cause, opens)
            self._postbox.post(notification_for_refusal(cause, error, on_open=on_open))


def notification_for(
    alert: Alert,
    *,
    on_open: Callable[[], None],
    on_snooze: Callable[[], None],
    on_explain: Callable[[], None] | None = None,
    offers: Sequence[tuple[str, Callable[[], None]]] = (),
    icon: Path | None = None,
) -> Notification:
    """Put an alert into a notification. Pure.

    It is never urgent: an urgent one would break through do-not-disturb.

    Args:
        alert: What is told.
        on_open: Called for the Open button and for a click.
        on_snooze: Called for the Snooze button.
        on_explain: Called for the Explain button, which there is none of without it.
        offers: More buttons: their words, and what each calls.
        icon: The picture; None for the program's own.
    """
    explain = (("Explain", on_explain),) if on_explain is not None else ()
    return Notification(
        key=alert.cause,
        title=alert.title,
        body=alert.body,
        buttons=(("Open", on_open), *explain, *offers, ("Snooze", on_snooze)),
        on_clicked=on_open,
        icon=icon,
    )


def notification_for_refusal(cause: str, error: WatchkeeperError, *, on_open: Callable[[], None]) -> Notification:
    """Put the reason why a button did nothing into a notification, in place of the one of this cause. Pure."""
    return Notification(
        key=cause,
        title=error.title,
        body=message(str(error)),
        buttons=(("Open", on_open),),
        on_clicked=on_open,
    )
