"""The secrets of an open vault as a table: names, ages, dates and readers; values are not known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PySide6.QtGui import QColor, QFont

from app.domain import words
from app.ui.items import SPOKEN_ROLES
from app.ui.keys_view import Urgency
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from app.ui.icons import Icons
    from app.ui.items import AnyIndex
    from app.ui.keys_view import SecretRow
    from app.ui.theme import Theme

COLUMNS = ("Name", "Group", "Age", "Renewal", "Last read", "Notes")
NAME, GROUP, AGE, DUE, READ, NOTES = range(len(COLUMNS))
_MARK = 14
_LONGEST_SHOWN = 36
_SYMBOLS = {Urgency.OVERDUE: "outcome-error", Urgency.SOON: "outcome-hung"}
"""An exclamation mark and an hourglass: told apart without colour."""


class KeysModel(QAbstractTableModel):
    """A row for each secret.

    Args:
        icons: Draws the mark of what is due.
        theme: The colours.

    Attributes:
        ratio: Device pixels for each logical one, for the marks.
    """

    def __init__(self, icons: Icons, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self._theme = theme
        self._rows: tuple[SecretRow, ...] = ()
        self.ratio = 1.0

    @property
    def rows(self) -> tuple[SecretRow, ...]:
        """What is shown."""
        return self._rows

    def row_of(self, name: str) -> int:
        """Return the row of a secret, -1 when it is not shown."""
        return next((place for place, row in enumerate(self._rows) if row.name == name), -1)

    def show_rows(self, rows: tuple[SecretRow, ...]) -> None:
        """Show these rows; as long as the names are the same, a selection stays."""
        if rows == self._rows:
            return
        if [row.name for row in rows] == [row.name for row in self._rows]:
            self._rows = rows
            self._changed()
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        self._changed()

    def rowCount(self, parent: AnyIndex | None = None) -> int:
        """Return how many secrets are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex | None = None) -> int:
        """Return how many things are said of each."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a column's name."""
        if orientation is Qt.Orientation.Vertical or not 0 <= section < len(COLUMNS):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return COLUMNS[section] if role in SPOKEN_ROLES else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return what is said in a cell, its colour, and for a renewal that is near its mark."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row, column = self._rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                # Names are told apart by both ends, which the view's own cut at the right would not show.
                text = _text(row, column)
                return words.elide_middle(text, _LONGEST_SHOWN) if column in (NAME, GROUP) else text
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tooltip(_tooltip(row) if column == NAME else _text(row, column)) or None
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{COLUMNS[column]}: {_text(row, column) or 'none'}"
            case _:
                return self._look(row, column, role)

    def _look(self, row: SecretRow, column: int, role: int) -> object:
        color = self._color(row, column)
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(color)
        if role == Qt.ItemDataRole.DecorationRole and column == DUE and row.urgency in _SYMBOLS:
            return self._icons.symbol(_SYMBOLS[row.urgency], color, _MARK, self.ratio)
        if role == Qt.ItemDataRole.FontRole and (column == NAME or (column == DUE and row.urgency is Urgency.OVERDUE)):
            font = QFont()
            font.setBold(True)
            return font
        return None

    def _color(self, row: SecretRow, column: int) -> str:
        if column == DUE:
            return {Urgency.OVERDUE: self._theme.red, Urgency.SOON: self._theme.amber}.get(
                row.urgency, self._theme.muted
            )
        return self._theme.text if column == NAME else self._theme.muted

    def _changed(self) -> None:
        if self._rows:
            last = self.index(len(self._rows) - 1, len(COLUMNS) - 1, QModelIndex())
            self.dataChanged.emit(self.index(0, 0, QModelIndex()), last)


def _tooltip(row: SecretRow) -> str:
    """Return all that a narrow table leaves out."""
    parts = (row.name, f"Group: {row.group}" if row.group else "", f"Age: {row.age}" if row.age else "", row.notes)
    return "\n".join(filter(None, parts))


def _text(row: SecretRow, column: int) -> str:
    return (row.name, row.group, row.age, row.due, row.read, row.notes)[column]
