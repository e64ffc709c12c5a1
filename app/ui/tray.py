"""The tray: an icon with a menu, wherever and whenever there is a tray to show it in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import structlog
from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QSystemTrayIcon

from app.domain.commands import RaiseWindow, Stop
from app.domain.snapshot import Mood
from app.ui.theme import current_theme
from app.ui.tooltips import without_markup
from app.ui.tray_host import TrayHosts
from app.ui.tray_menu import TrayMenu
from app.ui.tray_view import TrayView, is_busy, tray_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.commands import Command
    from app.domain.snapshot import Snapshot
    from app.engine.clock import Clock
    from app.ui.icons import Icons, Panel

_log = structlog.get_logger(__name__)

FIRST_POLL_MS = 2_000
SLOWEST_POLL_MS = 10_000
HOST_SETTLES_MS = 300
"""A host that just took its name does not serve at once."""
BALLOON_MS = 10_000


class Tray(QObject):
    """The tray's icon, tooltip and menu.

    An icon made before there is a tray never appears (measured with Qt 6.8 to 6.12), so it is made when a tray comes:
    the session bus tells of a StatusNotifier host, and a slow poll finds the old X11 tray, which tells nobody.

    Args:
        send: Has a command carried out and returns at once; it shows errors itself.
        clock: Tells the time that ages are counted from.
        icons: Draws the icon.
        panel: The colour of the panel where it is known; else the system's appearance decides.
        current: Gives the newest snapshot, for what must not be decided on one that is a moment old; without it the
            snapshot that is shown decides.
    """

    unavailable = Signal()
    """There is no tray now. Told once, so that a window can be shown instead."""

    def __init__(
        self,
        send: Callable[[Command], None],
        clock: Clock,
        icons: Icons,
        panel: Panel | None = None,
        parent: QObject | None = None,
        *,
        current: Callable[[], Snapshot] | None = None,
    ) -> None:
        super().__init__(parent)
        self._send = send
        self._current = current
        self._clock = clock
        self._icons = icons
        self._panel = panel
        self._snapshot: Snapshot | None = None
        self._view: TrayView | None = None
        self._shown: tuple[object, ...] = ()
        self._icon: QSystemTrayIcon | None = None
        self._question: QMessageBox | None = None
        self._hosts = TrayHosts(self)
        self._told_unavailable = False
        self._closed = False
        self._menu = TrayMenu(self._chosen)
        self._menu.opening.connect(self._refresh_ages)
        self._poll = QTimer(self)
        self._poll.setSingleShot(True)
        self._poll.timeout.connect(self._look)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._recolor)
        self._look()
        # The icon comes first: the bus, and the window in place of a missing tray, can wait for the loop.
        QTimer.singleShot(0, self, self._after_start)

    @property
    def is_shown(self) -> bool:
        """True while there is a tray that has our icon."""
        return self._icon is not None

    def render(self, snapshot: Snapshot) -> None:
        """Show a snapshot; what did not change is left alone."""
        if snapshot is self._snapshot or self._closed:
            return
        self._snapshot = snapshot
        self._view = tray_view(snapshot, self._clock.wall())
        self._menu.show_entries(self._view.entries)
        self._paint()

    def balloon(self, title: str, text: str) -> bool:
        """Show a message at the icon, for systems with no notification service. False when there is no tray."""
        if self._icon is None:
            return False
        self._icon.showMessage(without_markup(title), without_markup(text), self._icon.icon(), BALLOON_MS)
        return True

    def close(self) -> None:
        """Take the icon away. To be called before the process ends, or Windows keeps a ghost of it."""
        self._closed = True
        self._poll.stop()
        QGuiApplication.styleHints().colorSchemeChanged.disconnect(self._recolor)
        self._hosts.deleteLater()
        if self._question is not None:
            self._question.close()
        self._drop_icon()
        self._menu.close()

    @Slot()
    def _after_start(self) -> None:
        if self._closed:
            return
        if self._icon is None:
            self._tell_unavailable()
        self._hosts.came.connect(self._host_came)
        self._hosts.went.connect(self._look)
        self._hosts.watch()

    @Slot()
    def _host_came(self) -> None:
        QTimer.singleShot(HOST_SETTLES_MS, self, self._renew)

    @Slot()
    def _renew(self) -> None:
        self._drop_icon()
        self._look()

    @Slot()
    def _look(self) -> None:
        """Make the icon where a tray has come, drop it where the tray went, and look again later."""
        if self._closed:
            return
        # isVisible and supportsMessages say True with no tray at all: only this tells (measured, Qt 6.8 to 6.12).
        available = QSystemTrayIcon.isSystemTrayAvailable()
        if available and self._icon is None:
            self._make_icon()
        elif not available and self._icon is not None:
            _log.info("the tray went away")
            self._drop_icon()
            self._poll.setInterval(FIRST_POLL_MS)
            self._tell_unavailable()
        wait = self._poll.interval() * 3 // 2 if self._poll.interval() else FIRST_POLL_MS
        self._poll.start(SLOWEST_POLL_MS if available else min(wait, SLOWEST_POLL_MS))

    def _make_icon(self) -> None:
        icon = QSystemTrayIcon(self)
        self._menu.label_for_bus(on_bus=self._hosts.is_there)
        icon.setContextMenu(self._menu.widget)
        icon.activated.connect(self._activated)
        icon.messageClicked.connect(self._open_window)
        self._icon = icon
        self._shown = ()
        self._paint()
        icon.show()
        _log.info("the tray has the icon")

    def _drop_icon(self) -> None:
        if self._icon is not None:
            self._icon.hide()
            self._icon.deleteLater()
            self._icon = None

    def _tell_unavailable(self) -> None:
        if not self._told_unavailable:
            self._told_unavailable = True
            self.unavailable.emit()

    def _paint(self) -> None:
        if self._icon is None:
            return
        mood, count, tooltip = (
            (self._view.mood, self._view.count, without_markup(self._view.tooltip))
            if self._view
            else (Mood.UNKNOWN, 0, "Watchkeeper")
        )
        panel = self._panel or current_theme().panel
        shown = (mood, count, panel)
        if shown != self._shown:
            self._shown = shown
            self._icon.setIcon(self._icons.tray(mood, count, panel))
        if self._icon.toolTip() != tooltip:
            self._icon.setToolTip(tooltip)

    @Slot()
    def _recolor(self) -> None:
        self._paint()

    @Slot()
    def _refresh_ages(self) -> None:
        if self._snapshot is not None:
            self._menu.show_entries(tray_view(self._snapshot, self._clock.wall()).entries)

    @Slot(QSystemTrayIcon.ActivationReason)
    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason is not QSystemTrayIcon.ActivationReason.Context and sys.platform != "darwin":
            self._open_window()

    @Slot()
    def _open_window(self) -> None:
        self._send(RaiseWindow())

    def _chosen(self, command: Command) -> None:
        newest = self._current() if self._current is not None else self._snapshot
        if isinstance(command, Stop) and newest is not None and is_busy(newest):
            self._ask_to_quit(command)
        else:
            self._send(command)

    def _ask_to_quit(self, command: Stop) -> None:
        if self._question is not None:
            self._question.raise_()
            self._question.activateWindow()
            return
        question = QMessageBox(
            QMessageBox.Icon.Question,
            "Quit Watchkeeper",
            "Tests are running.",
            QMessageBox.StandardButton.NoButton,
        )
        question.setInformativeText("If you quit now, this run ends without a verdict.")
        quits = question.addButton("Quit", QMessageBox.ButtonRole.AcceptRole)
        stays = question.addButton("Keep watching", QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(stays)
        question.setEscapeButton(stays)
        question.setWindowIcon(self._icons.app())

        def finished() -> None:
            confirmed = question.clickedButton() is quits
            self._question = None
            question.deleteLater()
            if confirmed and not self._closed:
                self._send(command)

        question.finished.connect(finished)
        self._question = question
        question.open()
