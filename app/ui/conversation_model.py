"""Conversations as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QObject, Qt

from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from app.ui.conversation_view import ConversationRow
    from app.ui.items import AnyIndex

CONVERSATION_ROLE = int(Qt.ItemDataRole.UserRole) + 1
"""Gives the app.ui.conversation_view.ConversationRow itself."""
_SPOKEN = frozenset({int(Qt.ItemDataRole.DisplayRole), int(Qt.ItemDataRole.AccessibleTextRole)})


class ConversationModel(QAbstractListModel):
    """A row for each conversation."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[ConversationRow, ...] = ()

    @property
    def rows(self) -> tuple[ConversationRow, ...]:
        """What is shown."""
        return self._rows

    def row_of(self, conversation: str) -> int:
        """Return the row of a conversation, -1 when it is not shown."""
        return next((place for place, row in enumerate(self._rows) if row.id == conversation), -1)

    def show_rows(self, rows: tuple[ConversationRow, ...]) -> None:
        """Show these rows; as long as the conversations are the same ones, a selection stays."""
        if rows == self._rows:
            return
        if [row.id for row in rows] == [row.id for row in self._rows]:
            self._rows = rows
            self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def rowCount(self, parent: AnyIndex | None = None) -> int:
        """Return how many conversations are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a conversation in words, or its row for the delegate."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        if role == CONVERSATION_ROLE:
            return row
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tooltip(f"{row.title}\n{row.below}")
        return f"{row.title}, {row.below}" if role in _SPOKEN else None
