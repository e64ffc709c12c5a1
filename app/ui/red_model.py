"""The list of red tests on the Now page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QObject, Qt

from app.ui.delegates import ROW_ROLE
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from app.ui.items import AnyIndex
    from app.ui.now_view import RedRow


class RedModel(QAbstractListModel):
    """The red tests, newest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[RedRow, ...] = ()

    def show_rows(self, rows: tuple[RedRow, ...]) -> None:
        """Show these tests; when they are the same ones, only what is said of them changes."""
        if rows == self._rows:
            return
        if [(r.project, r.nodeid) for r in rows] == [(r.project, r.nodeid) for r in self._rows]:
            self._rows = rows
            self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def row(self, index: AnyIndex) -> RedRow | None:
        """Return the test at an index, None for an invalid one."""
        return self._rows[index.row()] if index.isValid() else None

    def rowCount(self, parent: AnyIndex | None = None) -> int:
        """Return how many tests are listed."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a test's name, all that is said of it to screen readers, or the row itself for the delegate."""
        row = self.row(index)
        if row is None:
            return None
        match role:
            case int() if role == ROW_ROLE:
                return row
            case Qt.ItemDataRole.DisplayRole:
                return row.name
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tooltip(row.nodeid)
            case Qt.ItemDataRole.AccessibleTextRole:
                said = (f"{row.name} in {row.where}", f"red for {row.since}", row.cause, row.check)
                return ", ".join(part for part in said if part)
            case _:
                return None
