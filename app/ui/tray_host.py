"""Tells of the tray hosts of KDE, GNOME's extension and others, which show icons and menus over the session bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

if TYPE_CHECKING:
    from PySide6.QtDBus import QDBusConnection

SERVICE = "org.kde.StatusNotifierWatcher"
"""The name that a host of the StatusNotifierItem protocol takes on the session bus."""


class TrayHosts(QObject):
    """Watches the session bus for a tray host; without a bus, or without Qt's module for it, there never is one."""

    came = Signal()
    went = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bus = _session_bus()

    @property
    def is_there(self) -> bool:
        """True while a host has the name: Qt then hands it the icon and the menu over the bus."""
        return self._bus is not None and bool(self._bus.interface().isServiceRegistered(SERVICE).value())

    def watch(self) -> None:
        """Tell from now on when a host comes and goes."""
        if self._bus is None:
            return
        from PySide6.QtDBus import QDBusServiceWatcher  # noqa: PLC0415 - not on every system

        mode = QDBusServiceWatcher.WatchModeFlag.WatchForOwnerChange
        watcher = QDBusServiceWatcher(SERVICE, self._bus, mode, self)
        watcher.serviceRegistered.connect(self._registered)
        watcher.serviceUnregistered.connect(self._unregistered)

    @Slot(str)
    def _registered(self, _service: str) -> None:
        self.came.emit()

    @Slot(str)
    def _unregistered(self, _service: str) -> None:
        self.went.emit()


def _session_bus() -> QDBusConnection | None:
    try:
        from PySide6.QtDBus import QDBusConnection  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    bus = QDBusConnection.sessionBus()
    return bus if bus.isConnected() else None
