"""What is on the desk: the tray, and the window once somebody wants it, kept to the newest snapshot."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import structlog

from app.domain.commands import RaiseWindow
from app.domain.errors import WatchkeeperError
from app.engine.notices import Notices
from app.engine.tasks import spawn
from app.ui.icons import Icons
from app.ui.tray import Tray

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from PySide6.QtWidgets import QWidget

    from app.domain.commands import Command
    from app.domain.snapshot import Mood
    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.ui.window import Window

_log = structlog.get_logger(__name__)

NOTIFICATION_ICON_PX = 128


class Desk:
    """Tray and window over one bus. Answers `RaiseWindow`; an async context manager.

    Where there is no tray the window opens in its place.

    Args:
        bus: Whose snapshots are shown, and where commands go.
        clock: Time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._icons = Icons()
        self._tray = Tray(self._send, clock, self._icons, current=lambda: bus.snapshot)
        self._notices = Notices(bus.publish, clock)
        self._window: Window | None = None
        self._first: QWidget | None = None
        self._follower: asyncio.Task[None] | None = None
        self._unhandle: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        """Show the tray, and follow the bus."""
        self._unhandle = self._bus.handle(RaiseWindow, self._raise_window)
        self._tray.unavailable.connect(self._without_tray)
        self._follower = spawn(self._follow(), name="desk")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take everything off the desk."""
        self._unhandle()
        if self._follower is not None:
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower
        if self._window is not None:
            self._window.hide()
            self._window.deleteLater()
        self._tray.close()

    def balloon(self, title: str, text: str) -> bool:
        """Show a message at the tray's icon. Returns False when there is none."""
        return self._tray.balloon(title, text)

    def icon_png(self, mood: Mood | None) -> bytes:
        """Return the picture of a mood, or without one the program's, as a PNG file for notifications."""
        if mood is None:
            return self._icons.app_png(NOTIFICATION_ICON_PX)
        return self._icons.mood_png(mood, NOTIFICATION_ICON_PX)

    def open_window(self) -> None:
        """Show the window in front of others."""
        self._built_window().open()
        self._show_first()

    def put_first(self, widget: QWidget | None) -> None:
        """Show another window, which the window stays behind for as long as it is open; None when it is done with."""
        self._first = widget
        if widget is not None:
            widget.show()
            self._show_first()

    def _show_first(self) -> None:
        if self._first is not None and self._first.isVisible():
            self._first.raise_()
            self._first.activateWindow()

    def _built_window(self) -> Window:
        if self._window is None:
            from app.ui.window import Window  # noqa: PLC0415 - the tray appears without waiting for it

            self._window = Window(self._bus.send, spawn, self._clock, self._icons)
            self._window.render(self._bus.snapshot)
        return self._window

    def _raise_window(self, command: RaiseWindow) -> None:
        window = self._built_window()
        window.render(self._bus.snapshot)
        window.open()
        if command.conversation is not None:
            window.show_conversation(command.conversation, command.project or "", command.nodeid or "")
        elif command.page == "audits":
            window.show_audits(command.project or "")
        elif command.project is not None:
            window.show_test(command.project, command.nodeid)
        elif command.page is not None:
            window.show_page(command.page)
        self._show_first()

    def _without_tray(self) -> None:
        hint = "The icon appears by itself when a tray comes (on GNOME: with the AppIndicator extension)."
        self._notices.show("tray", "There is no tray here, so the window is open instead.", hint)
        self.open_window()

    async def _follow(self) -> None:
        async for snapshot in self._bus.snapshots():
            if self._tray.is_shown:
                self._notices.show("tray", "")
            self._tray.render(snapshot)
            if self._window is not None:
                self._window.render(snapshot)

    def _send(self, command: Command) -> None:
        spawn(self._carry_out(command), name=f"command {type(command).__name__}")

    async def _carry_out(self, command: Command) -> None:
        try:
            await self._bus.send(command)
        except WatchkeeperError as error:
            _log.warning("a command was refused", command=type(command).__name__, reason=str(error))
            self._tray.balloon(error.title, str(error))
