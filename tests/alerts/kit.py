"""A screen that keeps what it is asked to show, and alerts that go there."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from app.alerts.desktop import Desktop
from app.alerts.flow import Alerts, Route
from app.alerts.policy import Policy, Rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.alerts.quiet import QuietHours
    from app.engine.bus import Bus
    from app.system.notifications import Notification


class Screen:
    """A notifier that keeps what it was asked to show."""

    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.shown: list[Notification] = []
        self._moved = asyncio.Condition()

    async def send(self, notification: Notification) -> bool:
        """Keep it, and say whether it was shown."""
        async with self._moved:
            self.shown.append(notification)
            self._moved.notify_all()
        return self.works

    async def aclose(self) -> None:
        """Hold nothing."""

    async def titles(self, count: int) -> list[str]:
        """Wait until `count` were asked for and everything on the loop is quiet, then return all titles."""
        async with asyncio.timeout(10), self._moved:
            await self._moved.wait_for(lambda: len(self.shown) >= count)
        await settle()
        return [each.title for each in self.shown]


async def settle() -> None:
    """Let everything that is ready on the loop run."""
    for _ in range(20):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def on_desktop(
    bus: Bus,
    clock: Any,
    *screens: Screen,
    redact: Callable[[str], str] = str,
    quiet: QuietHours | None = None,
    minute: Callable[[float], int] = lambda _wall: 0,
) -> AsyncIterator[None]:
    """Show alerts on these screens, as the tray does, by the usual settings and a snooze of a minute."""
    async with Desktop(bus, screens, snooze_s=lambda: 60, redact=redact) as desktop:
        route = Route(Policy(news_at_once=True), Rules, lambda: quiet, desktop.post)
        async with Alerts(bus, clock, [route], redact=redact, minute=minute):
            yield
