"""Watching in the tray, with a window and notifications."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.house.alerts import alerts
from app.house.firststart import first_start
from app.house.ground import ground
from app.house.lives import lived
from app.house.rooms import house
from app.house.succession import moved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from PySide6.QtWidgets import QApplication

    from app.cli.launchers import TrayOptions
    from app.engine.places import Places
    from app.house.ground import Ground
    from app.keys.manager import KeyManager


def watch_in_tray(places: Places, folders: tuple[Path, ...], options: TrayOptions) -> int:
    """Watch in the tray until told to stop, and return the exit code."""
    from PySide6.QtWidgets import QApplication

    from app.system.identity import claim_windows
    from app.ui.loop import run
    from app.ui.qtlog import qt_messages_logged

    claim_windows()
    app = QApplication(["watchkeeper"])
    app.setApplicationName("watchkeeper")
    app.setApplicationDisplayName("Watchkeeper")
    app.setDesktopFileName("watchkeeper")
    with ground(places, safe=options.safe) as on, qt_messages_logged():
        return run(lambda: _until_session_ends(on, folders, options, app), app)


async def _until_session_ends(on: Ground, folders: tuple[Path, ...], options: TrayOptions, app: QApplication) -> int:
    from app.ui.sessionend import SessionEnd

    with SessionEnd(app, on.shutdown.ask):
        return await _live_in_tray(on, folders, options)


async def _live_in_tray(on: Ground, folders: tuple[Path, ...], options: TrayOptions) -> int:
    from app.ui.desk import Desk

    async with Desk(on.bus, on.clock) as desk:
        if options.window:
            desk.open_window()
        async with (
            house(on, folders, attended=True) as built,
            _copying(on, built.keys),
            alerts(on, built, desk),
            first_start(on, built, desk, folders),
            lived(on),
            moved(on),
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
