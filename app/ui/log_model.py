"""The log as a list that grows at its end, bounded, with a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt

from app.domain import words
from app.ui.items import SPOKEN_ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.history import LogLine
    from app.ui.items import AnyIndex

LINE_ROLE = int(Qt.ItemDataRole.UserRole) + 1
"""Gives the app.domain.history.LogLine itself."""
KEPT_LINES = 10_000
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def spoken(line: LogLine) -> str:
    """Return a log line as text to copy, to read out and to look at whole."""
    return f"{words.time_of_day(line.at)} {line.level:<8} {line.logger}: {line.text}"


class LogModel(QAbstractListModel):
    """The newest `KEPT_LINES` lines that pass the filter."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lines: list[LogLine] = []
        self._shown: list[LogLine] = []
        self._level = 0
        self._text = ""

    @property
    def newest(self) -> int:
        """The number of the newest line, 0 when there is none."""
        return self._lines[-1].seq if self._lines else 0

    def set_filter(self, *, level: int, text: str) -> None:
        """Show only lines of at least this level (10 debug to 50 critical) that hold `text`, in any case."""
        text = text.strip().casefold()
        if (level, text) == (self._level, self._text):
            return
        self._level, self._text = level, text
        self.beginResetModel()
        self._shown = [line for line in self._lines if self._passes(line)]
        self.endResetModel()

    def append(self, lines: Sequence[LogLine]) -> None:
        """Add lines at the end, and drop the oldest above the bound; lines that are known already are left out."""
        newest = self.newest
        fresh = [line for line in lines if line.seq > newest][-KEPT_LINES:]
        if not fresh:
            return
        self._lines += fresh
        del self._lines[: max(len(self._lines) - KEPT_LINES, 0)]
        passing = [line for line in fresh if self._passes(line)]
        if passing:
            self.beginInsertRows(QModelIndex(), len(self._shown), len(self._shown) + len(passing) - 1)
            self._shown += passing
            self.endInsertRows()
        oldest = self._lines[0].seq
        stale = next((row for row, line in enumerate(self._shown) if line.seq >= oldest), len(self._shown))
        if stale:
            self.beginRemoveRows(QModelIndex(), 0, stale - 1)
            del self._shown[:stale]
            self.endRemoveRows()

    def line(self, row: int) -> LogLine:
        """Return the line that is shown in a row."""
        return self._shown[row]

    def rowCount(self, parent: AnyIndex | None = None) -> int:
        """Return how many lines are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._shown)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a line as text, or itself for the delegate."""
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        if role == LINE_ROLE:
            return self._shown[index.row()]
        return spoken(self._shown[index.row()]) if role in SPOKEN_ROLES else None

    def _passes(self, line: LogLine) -> bool:
        if LEVELS.get(line.level, LEVELS["info"]) < self._level:
            return False
        return not self._text or self._text in line.text.casefold() or self._text in line.logger.casefold()
