"""The tray's menu: entries that change in place, and never under an open menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.commands import Command
    from app.ui.tray_view import MenuEntry

OPEN_AT_MOST_MS = 60_000
"""A menu that a tray host shows over D-Bus may never be said to have closed."""


class TrayMenu(QObject):
    """A menu that shows entries.

    While it is open, an entry keeps its place and what it does, since a person may be about to choose it: only its
    text may change. Everything else waits until it is closed.

    Args:
        choose: Called with the command of the entry that was chosen.
    """

    opening = Signal()
    """The menu is about to be seen: ages may be brought up to date."""

    def __init__(self, choose: Callable[[Command], None]) -> None:
        super().__init__()
        self.widget = QMenu()
        self.widget.setToolTipsVisible(True)
        self._choose = choose
        self._entries: tuple[MenuEntry, ...] = ()
        self._waiting: tuple[MenuEntry, ...] | None = None
        self._actions: dict[str, QAction] = {}
        self._is_open = False
        self._on_bus = False
        self._forget = QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.setInterval(OPEN_AT_MOST_MS)
        self._forget.timeout.connect(self._closed)
        self.widget.aboutToShow.connect(self._opens)
        self.widget.aboutToHide.connect(self._closes)

    @property
    def entries(self) -> tuple[MenuEntry, ...]:
        """What the menu shows now."""
        return self._entries

    def show_entries(self, entries: tuple[MenuEntry, ...]) -> None:
        """Show these entries, at once or, for more than texts, when the menu is closed."""
        if _form(entries) == _form(self._entries):
            self._waiting = None
            self._retext(entries)
        elif self._is_open:
            self._waiting = entries
        else:
            self._waiting = None
            self._rebuild(entries)

    def label_for_bus(self, *, on_bus: bool) -> None:
        """Write labels for a host that shows the menu over D-Bus, or for Qt's own menu.

        The dbusmenu protocol takes an underscore for the mark of a shortcut and two for one, and Qt (6.11) hands labels
        over as they are: without this KDE and GNOME show `test_a` as `testa`.
        """
        if on_bus != self._on_bus:
            self._on_bus = on_bus
            for entry in self._entries:
                self._actions[entry.key].setText(self._label(entry))

    def close(self) -> None:
        """Take the menu away for good."""
        self._forget.stop()
        self.widget.close()
        self.widget.deleteLater()

    def _retext(self, entries: tuple[MenuEntry, ...]) -> None:
        for before, entry in zip(self._entries, entries, strict=True):
            if entry.text != before.text:
                self._actions[entry.key].setText(self._label(entry))
        self._entries = entries

    def _rebuild(self, entries: tuple[MenuEntry, ...]) -> None:
        self._entries = entries
        wanted: list[QAction] = []
        section = entries[0].section if entries else ""
        for entry in entries:
            if entry.section != section:
                section = entry.section
                wanted.append(self._separator(section))
            wanted.append(self._action(entry))
        for action in self.widget.actions():
            if action not in wanted:
                self.widget.removeAction(action)
        for place, action in enumerate(wanted):
            shown = self.widget.actions()
            if place >= len(shown) or shown[place] is not action:
                self.widget.insertAction(shown[place] if place < len(shown) else None, action)  # type: ignore[arg-type] # None appends

    def _label(self, entry: MenuEntry) -> str:
        text = entry.text.replace("&", "&&")
        return text.replace("_", "__") if self._on_bus else text

    def _separator(self, section: str) -> QAction:
        key = f"line:{section}"
        if key not in self._actions:
            self._actions[key] = QAction(self.widget)
            self._actions[key].setSeparator(True)
        return self._actions[key]

    def _action(self, entry: MenuEntry) -> QAction:
        action = self._actions.get(entry.key)
        if action is None:
            action = QAction(self.widget)
            action.triggered.connect(lambda _checked=False, key=entry.key: self._triggered(key))
            self._actions[entry.key] = action
        if action.text() != self._label(entry):
            action.setText(self._label(entry))
        action.setToolTip(plain_tooltip(entry.tooltip))
        action.setEnabled(entry.command is not None)
        return action

    def _triggered(self, key: str) -> None:
        command = next((entry.command for entry in self._entries if entry.key == key), None)
        if command is not None:
            self._choose(command)

    @Slot()
    def _opens(self) -> None:
        self._is_open = True
        self._forget.start()
        self.opening.emit()

    @Slot()
    def _closes(self) -> None:
        # The chosen entry is triggered after the menu hides: what it does must not change before that.
        QTimer.singleShot(0, self, self._closed)

    @Slot()
    def _closed(self) -> None:
        self._is_open = False
        self._forget.stop()
        if self._waiting is not None:
            self.show_entries(self._waiting)


def _form(entries: tuple[MenuEntry, ...]) -> tuple[tuple[str, Command | None], ...]:
    return tuple((entry.key, entry.command) for entry in entries)
