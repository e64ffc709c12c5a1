"""The findings of an audit as a tree of two levels: how they stand, and below that each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

from app.ui.audits_view import FindingRow
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from app.domain.findings import Standing
    from app.ui.audits_view import FindingGroup
    from app.ui.items import AnyIndex

FINDING_ROLE = int(Qt.ItemDataRole.UserRole) + 1
"""Gives the app.ui.audits_view.FindingRow of a finding; None for a group."""


class FindingsModel(QStandardItemModel):
    """A row for each group, and below it one for each finding."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._groups: tuple[FindingGroup, ...] = ()

    @property
    def groups(self) -> tuple[FindingGroup, ...]:
        """What is shown."""
        return self._groups

    def show_groups(self, groups: tuple[FindingGroup, ...]) -> bool:
        """Show these findings. Returns whether that is another tree than before."""
        if groups == self._groups:
            return False
        self._groups = groups
        self.clear()
        for group in groups:
            head = _item(group.name, "")
            head.setSelectable(False)
            for row in group.rows:
                item = _item(row.title, row.said)
                item.setData(row, FINDING_ROLE)
                head.appendRow(item)
            self.appendRow(head)
        return True

    def row_at(self, index: AnyIndex) -> FindingRow | None:
        """Return the finding at an index; None for a group and for an invalid one."""
        row = index.data(FINDING_ROLE) if index.isValid() else None
        return row if isinstance(row, FindingRow) else None

    def index_of(self, fingerprint: str, standing: Standing | None = None) -> QModelIndex:
        """Return where a finding is, an invalid index when it is not shown."""
        for place, group in enumerate(self._groups):
            for below, row in enumerate(group.rows):
                if row.fingerprint == fingerprint and standing in (None, row.standing):
                    return self.index(below, 0, self.index(place, 0))
        return QModelIndex()


def _item(text: str, said: str) -> QStandardItem:
    item = QStandardItem(text)
    item.setEditable(False)
    item.setToolTip(plain_tooltip(said))
    item.setData(said or text, int(Qt.ItemDataRole.AccessibleTextRole))
    return item
