"""Who is told what: the desktop where there is one, and the channels that go further."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from app.domain import healthwords
from app.domain.alerts import Alert, Urgency
from app.domain.errors import UsageError
from app.domain.events import ChannelChanged
from app.domain.health import ChannelTest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from app.agents.settings import AlertSettings, Settings
    from app.alerts.channel import Channel
    from app.alerts.desktop import Desktop
    from app.alerts.flow import Route
    from app.alerts.further import Further
    from app.alerts.keeping import Keeping
    from app.alerts.outbox import Outbox
    from app.alerts.quiet import QuietHours
    from app.domain.commands import TestAlerts
    from app.domain.events import Event
    from app.domain.snapshot import Mood, Snapshot
    from app.house.ground import Ground
    from app.house.rooms import House
    from app.ui.desk import Desk

DESKTOP = "desktop"
"""What people and commands call the way that needs no setting up."""


@asynccontextmanager
async def alerts(ground: Ground, built: House, desk: Desk | None) -> AsyncIterator[None]:
    """Tell people of what happens, and answer `Snooze` and `TestAlerts`.

    Args:
        ground: What the house stands on.
        built: The house.
        desk: The window and the tray, on whose desktop alerts are shown; None in a terminal, which has no desktop.
    """
    from app.alerts.flow import Alerts
    from app.domain.commands import TestAlerts

    bus = ground.bus
    async with AsyncExitStack() as stack:
        stack.callback(bus.subscribe(_channel_notices(built)))
        further = await stack.enter_async_context(_further(ground, built))
        desktop = await stack.enter_async_context(_desktop(ground, built, desk)) if desk is not None else None
        redact, folder = ground.log.redactor.redact, ground.places.data / "alerts"
        sent = _keeping(ground, folder / "held.json", handed_over=further.kept)
        shown = _keeping(ground, folder / "shown.json")
        await stack.enter_async_context(sent)
        await stack.enter_async_context(shown)
        routes = _routes(built, desktop, further, sent=sent, shown=shown)
        await stack.enter_async_context(Alerts(bus, ground.clock, routes, redact=redact))
        stack.callback(bus.handle(TestAlerts, lambda asked: _tested(asked, ground, built, desktop, further)))
        yield


def _keeping(ground: Ground, path: Path, *, handed_over: Callable[[], Awaitable[None]] | None = None) -> Keeping:
    from app.alerts.keeping import Keeping

    redact = ground.log.redactor.redact
    return Keeping(path, ground.clock, new_id=lambda: uuid4().hex, redact=redact, handed_over=handed_over)


def _further(ground: Ground, built: House) -> Further:
    from app.alerts.further import Further

    async def secret(name: str) -> str:
        return await built.keys.secret(name, why="alerts")

    def channels(settings: AlertSettings) -> tuple[Channel, ...]:
        if not (settings.mail.host or settings.telegram.chat or settings.webhook.form):
            return ()  # most have none, and need not wait for the import
        from app.alerts.channels import channels

        return channels(settings, secret, wall=ground.clock.wall)

    def queue(channel: Channel) -> Outbox:
        from app.alerts.outbox import Outbox

        folder = ground.places.data / "alerts" / channel.name
        bus, clock = ground.bus, ground.clock
        return Outbox(channel, folder, publish=bus.publish, clock=clock, new_id=lambda: uuid4().hex)

    return Further(lambda: built.in_force.current.alerts, channels, queue, bus=ground.bus, clock=ground.clock)


@asynccontextmanager
async def _desktop(ground: Ground, built: House, desk: Desk) -> AsyncIterator[Desktop]:
    from app.alerts.desktop import TOLD_MOODS, Desktop
    from app.engine.files import write_atomic
    from app.system.notifications import BalloonNotifier, DesktopNotifierAdapter

    icons: dict[Mood | None, Path] = {}
    for mood in (None, *TOLD_MOODS):
        path = ground.places.cache / f"icon-{mood or 'app'}.png"
        with suppress(OSError):  # a full disk: notifications go without
            await asyncio.to_thread(write_atomic, path, desk.icon_png(mood), sync=False)
            icons[mood] = path
    notifiers = (DesktopNotifierAdapter(icons.get(None)), BalloonNotifier(desk.balloon))
    try:
        async with Desktop(
            ground.bus,
            notifiers,
            snooze_s=lambda: built.in_force.current.notifications.snooze_minutes * 60,
            icons=icons,
            redact=ground.log.redactor.redact,
        ) as desktop:
            yield desktop
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(ground.limits.alerts_close_s):
                for notifier in notifiers:
                    await notifier.aclose()


def _routes(built: House, desktop: Desktop | None, further: Further, *, sent: Keeping, shown: Keeping) -> list[Route]:
    from app.alerts.flow import Route
    from app.alerts.policy import Policy, Rules
    from app.alerts.quiet import QuietHours

    def settings() -> Settings:
        return built.in_force.current

    def quiet() -> QuietHours | None:
        return QuietHours.read(settings().alerts.quiet)

    def outside() -> Rules:
        return Rules(Urgency(settings().alerts.least), settings().alerts.repeat_minutes * 60)

    def here() -> Rules:
        return Rules(Urgency.NEWS, settings().alerts.repeat_minutes * 60)

    routes = [
        Route(
            Policy(),
            outside,
            quiet,
            lambda occasion: further.post(occasion.alert),
            lambda occasion: bool(further.names) and not occasion.is_local,
            keeping=sent,
            is_further=True,
        )
    ]
    if desktop is not None:
        policy = Policy(news_at_once=True)
        routes.append(
            Route(
                policy,
                here,
                quiet,
                desktop.post,
                lambda _occasion: settings().notifications.enabled,
                keeping=shown,
            )
        )
    return routes


def _channel_notices(built: House) -> Callable[[Event, Snapshot], None]:
    loop = asyncio.get_running_loop()

    def see(event: Event, _snapshot: Snapshot) -> None:
        if isinstance(event, ChannelChanged):
            name, reason, hint = event.channel.name, event.channel.reason, event.channel.hint
            said = f"Alerts do not go through {healthwords.channel_name(name)}: {reason}" if reason else ""
            # Not at once: whoever hears of the channel after this one would hear of the notice first.
            loop.call_soon(built.notices.show, f"channel:{name}", said, hint or healthwords.CHANNEL_HINT)

    return see


async def _tested(
    asked: TestAlerts, ground: Ground, built: House, desktop: Desktop | None, further: Further
) -> tuple[ChannelTest, ...]:
    """Send a test alert at once, past policy and queue, and say for each channel what came of it."""
    await asyncio.to_thread(built.in_force.general)  # what a person has set a moment ago is what is to be tested
    await further.refresh()
    there = (*((DESKTOP,) if desktop is not None else ()), *further.names)
    if asked.channel is not None and asked.channel not in there:
        raise UsageError(
            f"Alerts are not set up to go through {asked.channel!r}.",
            f"Set up are: {', '.join(there) or 'none'}. Others are set up under [alerts] in the settings.",
        )
    body = "Whoever reads this is reached."
    title, at = "This is a test alert of Watchkeeper", ground.clock.wall()
    alert = Alert("test", Urgency.NEWS, title, body, at, id=uuid4().hex)

    async def tested(name: str) -> ChannelTest:
        if name != DESKTOP:
            return await further.test(name, alert)
        if desktop is None or not await desktop.test(alert):
            return ChannelTest(name, "No notification could be shown.", "See what is missing: watchkeeper doctor")
        return ChannelTest(name)

    return tuple(await asyncio.gather(*(tested(each) for each in there if asked.channel in (None, each))))
