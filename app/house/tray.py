"""Watching in the tray, with a window and notifications."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from app.house.ground import ground
from app.house.rooms import house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.agents.settings import Settings
    from app.cli.launchers import TrayOptions
    from app.domain.snapshot import Mood
    from app.engine.places import Places
    from app.house.ground import Ground
    from app.keys.manager import KeyManager
    from app.ui.desk import Desk


def watch_in_tray(places: Places, folders: tuple[Path, ...], options: TrayOptions) -> int:
    """Watch in the tray until told to stop, and return the exit code."""
    from PySide6.QtWidgets import QApplication

    from app.ui.loop import run
    from app.ui.qtlog import qt_messages_logged

    app = QApplication(["watchkeeper"])
    app.setApplicationName("watchkeeper")
    app.setApplicationDisplayName("Watchkeeper")
    app.setDesktopFileName("watchkeeper")
    with ground(places) as on, qt_messages_logged():
        return run(lambda: _live_in_tray(on, folders, options), app)


async def _live_in_tray(on: Ground, folders: tuple[Path, ...], options: TrayOptions) -> int:
    from app.ui.desk import Desk

    async with Desk(on.bus, on.clock) as desk:
        if options.window:
            desk.open_window()
        async with (
            house(on, folders, attended=True) as built,
            _copying(on, built.keys),
            _alerts(on, built.settings, desk),
        ):
            await on.shutdown.wait()
    return 0


@asynccontextmanager
async def _copying(on: Ground, keys: KeyManager) -> AsyncIterator[None]:
    """Let secrets be copied into the desktop's clipboard, from which they are cleared in time."""
    from app.domain.commands import CopySecret
    from app.ui.clipboard import Clipboard

    async with Clipboard(on.clock) as clipboard:

        async def copy(asked: CopySecret) -> float:
            return clipboard.put(await keys.copied(asked.name))

        stop = on.bus.handle(CopySecret, copy)
        try:
            yield
        finally:
            stop()


@asynccontextmanager
async def _alerts(on: Ground, settings: Settings, desk: Desk) -> AsyncIterator[None]:
    from app.alerts.audits import AuditAlerts
    from app.alerts.desktop import TOLD_MOODS, DesktopAlerts
    from app.engine.files import write_atomic
    from app.system.notifications import BalloonNotifier, DesktopNotifierAdapter

    if not settings.notifications.enabled:
        yield
        return
    icons: dict[Mood | None, Path] = {}
    for mood in (None, *TOLD_MOODS):
        path = on.places.cache / f"icon-{mood or 'app'}.png"
        with suppress(OSError):  # a full disk: notifications go without
            await asyncio.to_thread(write_atomic, path, desk.icon_png(mood), sync=False)
            icons[mood] = path
    notifiers = (DesktopNotifierAdapter(icons.get(None)), BalloonNotifier(desk.balloon))
    try:
        snooze_s = settings.notifications.snooze_minutes * 60
        redact = on.log.redactor.redact
        async with (
            DesktopAlerts(on.bus, notifiers, on.clock, snooze_s=snooze_s, icons=icons, redact=redact),
            AuditAlerts(on.bus, notifiers, on.clock, snooze_s=snooze_s, icons=icons, redact=redact),
        ):
            yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(on.limits.alerts_close_s):
                for notifier in notifiers:
                    await notifier.aclose()
