"""The coverage of one project: how much of it its tests execute, and file by file what they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QButtonGroup, QListView, QPushButton, QVBoxLayout, QWidget

from app.ui.coverage_model import CoverageModel
from app.ui.coverage_view import CoverageOrder, coverage_view
from app.ui.delegates import CoverageDelegate
from app.ui.painted import ShareBar
from app.ui.parts import button, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.domain.coverage import Coverage
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_LIST_HEIGHT = 120
_ORDERS = (
    (CoverageOrder.LEAST, "Least covered", "left", "The smallest share first"),
    (CoverageOrder.MISSING, "Most missing", "middle", "The most lines that are not covered first"),
    (CoverageOrder.NAME, "Name", "right", "In the order of their names"),
)


class CoveragePart(QWidget):
    """The whole as a figure and a bar, and below it the files, in an order that can be chosen."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._coverage: Coverage | None = None
        self._order = CoverageOrder.LEAST
        self._shown: tuple[object, ...] = ()
        self._percent = label("", "heading")
        self._figures = label("", "muted")
        self._bar = ShareBar(theme, "Coverage of the project")
        self._model = CoverageModel(self)
        self._delegate = CoverageDelegate(context.icons, theme, self)
        self._list = QListView()
        self._list.setObjectName("framed")
        self._list.setAccessibleName("Coverage of each file")
        self._list.setModel(self._model)
        self._list.setItemDelegate(self._delegate)
        self._list.setUniformItemSizes(True)
        self._list.setMouseTracking(True)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setMinimumHeight(_LIST_HEIGHT)
        self._orders: dict[CoverageOrder, QPushButton] = {}
        choice = QButtonGroup(self)
        for order, text, edge, tooltip in _ORDERS:
            each = button(text, "segment", tooltip)
            each.setCheckable(True)
            each.setProperty("edge", edge)
            each.setAccessibleName(f"Order of files: {text}")
            choice.addButton(each)
            self._orders[order] = each
        self._orders[self._order].setChecked(True)
        choice.buttonToggled.connect(self._reorder)

        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        box.addLayout(row(label("Coverage", "section"), 1))
        box.addLayout(row(self._percent, self._figures, 1))
        box.addWidget(self._bar)
        box.addSpacing(2)
        line = row(1)
        line.addLayout(row(*self._orders.values(), spacing=0))
        box.addLayout(line)
        box.addWidget(self._list, 1)
        self.hide()

    def show_coverage(self, coverage: Coverage | None) -> bool:
        """Show a coverage; without one there is nothing to see. Returns whether there is."""
        self._coverage = coverage
        self.setVisible(coverage is not None)
        if coverage is not None and (coverage, self._order, self._theme) != self._shown:
            self._shown = (coverage, self._order, self._theme)
            view = coverage_view(coverage, self._order)
            set_text(self._percent, view.title)
            set_text(self._figures, view.detail)
            self._bar.show_share(view.share, self._theme)
            self._model.show_rows(view.rows)
        return coverage is not None

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = self._delegate.theme = theme
        self._list.viewport().update()
        self.show_coverage(self._coverage)

    @Slot()
    def _reorder(self) -> None:
        self._order = next(order for order, each in self._orders.items() if each.isChecked())
        self.show_coverage(self._coverage)
