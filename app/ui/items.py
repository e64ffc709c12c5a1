"""What Qt's item models, what paints them, and the pages that show them beside one of them, share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QSplitter, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.ui.theme import Theme

AnyIndex = QModelIndex | QPersistentModelIndex
"""What Qt hands over as an index."""
SPOKEN_ROLES = frozenset(
    {int(Qt.ItemDataRole.DisplayRole), int(Qt.ItemDataRole.ToolTipRole), int(Qt.ItemDataRole.AccessibleTextRole)}
)
"""The roles under which a row says what it is: to eyes, under the pointer, to a screen reader."""

_LEFT = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)


class RowDelegate(QStyledItemDelegate):
    """What those share that paint rows: the ground of a row, and text that is cut to its room."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.theme = theme

    def ground(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        """Draw what shows that a row is chosen, or under the pointer."""
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, QColor(self.theme.selection))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, QColor(self.theme.hover))

    @staticmethod
    def text(
        painter: QPainter,
        box: QRect,
        text: str,
        color: str,
        *,
        flags: int = _LEFT,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
    ) -> int:
        """Draw the text in the box and return the width it took, in logical pixels."""
        if box.width() <= 0:
            return 0
        metrics = painter.fontMetrics()
        shown = metrics.elidedText(text, elide, box.width())
        painter.setPen(QColor(color))
        painter.drawText(box, flags, shown)
        return metrics.horizontalAdvance(shown)


def side_by_side(
    left: QWidget, right: QWidget, *, sizes: tuple[int, int], shares: tuple[int, int] = (5, 6)
) -> QSplitter:
    """Return a list with what is shown of the chosen row beside it, and a line between them that can be moved.

    Args:
        left: The list.
        right: What is shown of one of its rows.
        sizes: Their widths to begin with, in logical pixels.
        shares: What each gets of the width that is gained.
    """
    split = QSplitter(Qt.Orientation.Horizontal)
    split.setChildrenCollapsible(False)
    split.setHandleWidth(SPACE + 4)
    for place, (widget, share) in enumerate(zip((left, right), shares, strict=True)):
        split.addWidget(widget)
        split.setStretchFactor(place, share)
    split.setSizes(list(sizes))
    return split
