"""The list of a project's files with their coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QObject, Qt

from app.ui.delegates import ROW_ROLE
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from app.ui.coverage_view import FileRow
    from app.ui.items import AnyIndex


class CoverageModel(QAbstractListModel):
    """Files in the order in which they are handed over."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[FileRow, ...] = ()

    def show_rows(self, rows: tuple[FileRow, ...]) -> None:
        """Show these files."""
        if rows != self._rows:
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()

    def rowCount(self, parent: AnyIndex | None = None) -> int:
        """Return how many files are listed."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a file's path, all that is said of it to screen readers, or the row itself for the delegate."""
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        match role:
            case int() if role == ROW_ROLE:
                return row
            case Qt.ItemDataRole.DisplayRole:
                return row.path
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tooltip(f"{row.path}\n{row.missing}")
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{row.path}: {row.percent}, {row.missing}"
            case _:
                return None
