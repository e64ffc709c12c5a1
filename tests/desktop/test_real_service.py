"""Our notifications with a notification service that people really use (dunst)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from kit.waiting import until

from app.system.notifications import DesktopNotifierAdapter, Notification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kit.notifications import Dunst, NotificationMonitor
    from kit.screen import Screen


@contextlib.asynccontextmanager
async def _adapter() -> AsyncIterator[DesktopNotifierAdapter]:
    adapter = DesktopNotifierAdapter(None, deadline_s=10)
    try:
        yield adapter
    finally:
        await adapter.aclose()


async def test_a_button_on_the_screen_calls_back(dunst: Dunst, notifications: NotificationMonitor) -> None:
    """A person who chooses Open in dunst's menu of buttons reaches our callback, and no other."""
    pressed: asyncio.Queue[str] = asyncio.Queue()
    buttons = tuple((name, lambda name=name: pressed.put_nowait(name)) for name in ("Open", "Snooze"))

    async with _adapter() as adapter:
        assert await adapter.send(Notification("k", "test_login went red", "shop", buttons=buttons))
        await until(lambda: dunst.displayed() == 1, "a notification on the screen")
        dunst.press("Open")

        assert await asyncio.wait_for(pressed.get(), 10) == "Open"
        assert pressed.empty()
        assert notifications.sent[0].buttons == ("Open", "Snooze")


async def test_a_click_on_the_notification_calls_back(dunst: Dunst) -> None:
    """A click anywhere on the notification is the Open button."""
    clicked = asyncio.Event()

    async with _adapter() as adapter:
        await adapter.send(Notification("k", "test_login went red", "shop", on_clicked=clicked.set))
        await until(lambda: dunst.displayed() == 1, "a notification on the screen")
        dunst.click()

        await asyncio.wait_for(clicked.wait(), 10)


async def test_signs_of_markup_are_shown_as_they_are(dunst: Dunst, screen: Screen) -> None:
    """A name like `test_x[<lambda>]` is neither swallowed nor refused; the picture shows it."""
    async with _adapter() as adapter:
        assert await adapter.send(Notification("k", "test_x[<lambda>] went red", "shop: a & b <b>not bold</b>"))
        await until(lambda: dunst.displayed() == 1, "a notification on the screen")

        screen.screenshot("notification-markup")
        assert "a & b <b>not bold</b>" in dunst.shown_text()


async def test_the_newer_one_takes_the_older_ones_place_and_the_end_takes_all(dunst: Dunst) -> None:
    """One cause has one notification on the screen, and none stays whose buttons would do nothing."""
    async with _adapter() as adapter:
        await adapter.send(Notification("k", "test_login went red", "shop"))
        await adapter.send(Notification("k", "All green again", "shop"))

        await until(lambda: dunst.displayed() == 1, "one notification on the screen")
    await until(lambda: dunst.displayed() == 0, "no notification on the screen")
