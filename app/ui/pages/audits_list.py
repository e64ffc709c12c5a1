"""The left of the Audits page: the findings, with a search, and filters by severity and standing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QStackedWidget,
    QStyle,
    QStyleOptionViewItem,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from app.domain.findings import Severity, Standing
from app.ui.audits_view import NOTHING_FOUND, NOTHING_MATCHES, SEVERITIES, STANDINGS, finding_groups
from app.ui.findings_model import FINDING_ROLE, FindingsModel
from app.ui.items import RowDelegate
from app.ui.parts import label, row, set_text
from app.ui.search_field import SearchField
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.domain.findings import AuditReport
    from app.ui.audits_view import FindingRow
    from app.ui.icons import Icons
    from app.ui.items import AnyIndex
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_MARK = 15
_END = Qt.TextElideMode.ElideRight
_INDENT = 14
_WIDEST = 2_000


class FindingDelegate(RowDelegate):
    """A finding on two lines: its severity by a symbol and what is wrong above, where it is below."""

    def __init__(self, icons: Icons, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(theme, parent)
        self._icons = icons

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return the height of one line for a group, of two for a finding."""
        line = QFontMetrics(option.font).height()
        return QSize(80, 2 * line + 12 if index.data(FINDING_ROLE) is not None else line + 14)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Draw a group's name, or a finding."""
        painter.save()
        finding: FindingRow | None = index.data(FINDING_ROLE)
        if finding is None:
            self._paint_group(painter, option, str(index.data(Qt.ItemDataRole.DisplayRole)))
        else:
            self._paint_finding(painter, option, finding)
        painter.restore()

    def _paint_group(self, painter: QPainter, option: QStyleOptionViewItem, name: str) -> None:
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.fillRect(option.rect, QColor(self.theme.hover))
        bold = QFont(option.font)
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        box = option.rect.adjusted(4, 0, -8, 0)
        arrow = "\u25be" if option.state & QStyle.StateFlag.State_Open else "\u25b8"
        self.text(painter, box, arrow, self.theme.muted)
        self.text(painter, box.adjusted(16, 0, 0, 0), name, self.theme.muted, elide=_END)

    def _paint_finding(self, painter: QPainter, option: QStyleOptionViewItem, finding: FindingRow) -> None:
        self.ground(painter, option)
        box = option.rect.adjusted(10, 4, -10, -4)
        half = box.height() // 2
        is_calm = finding.standing in (Standing.MUTED, Standing.FIXED)
        color = self.theme.muted if is_calm else self.theme.severity(finding.severity)
        ratio = painter.device().devicePixelRatio()
        symbol = self._icons.symbol(f"severity-{finding.severity}", color, _MARK, ratio)
        painter.drawPixmap(box.left(), box.top() + (half - _MARK) // 2, symbol)
        medium = QFont(option.font)
        medium.setWeight(QFont.Weight.Medium)
        painter.setFont(medium)
        right = box.adjusted(_MARK + 8, 0, 0, 0)
        top = QRect(right.left(), right.top(), right.width(), half)
        self.text(painter, top, finding.title, self.theme.muted if is_calm else self.theme.text, elide=_END)
        painter.setFont(option.font)
        low = top.translated(0, half)
        kind = finding.severity.value
        room = painter.fontMetrics().horizontalAdvance(kind) + 10
        self.text(painter, low, kind, color)
        self.text(painter, low.adjusted(room, 0, 0, 0), finding.place, self.theme.muted)


class FindingsList(QWidget):
    """The findings of one audit."""

    chosen = Signal(str, str)
    """The finding of this fingerprint and standing is looked at; an empty one when none is."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report: AuditReport | None = None
        self._fingerprint = ""
        self._place = 0
        self._open: dict[Standing, bool] = {}
        self._is_filling = False
        self._model = FindingsModel(self)
        self._delegate = FindingDelegate(context.icons, theme, self)
        self._search = SearchField("Search findings")
        self._search.setMinimumWidth(120)
        self._search.setMaximumWidth(_WIDEST)
        self._search.textChanged.connect(self._refilter)
        self._severity = _choice("Severity", [name for name, _ in SEVERITIES])
        self._standing = _choice("Standing", [name for name, _ in STANDINGS])
        for each in (self._severity, self._standing):
            each.currentIndexChanged.connect(self._refilter)
        self._view = self._make_view()
        self._empty = label("", "muted", wraps=True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._view)
        self._stack.addWidget(self._empty)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        box.addWidget(self._search)
        choices = row(self._severity, self._standing)
        choices.setStretch(0, 1)
        choices.setStretch(1, 1)
        box.addLayout(choices)
        box.addWidget(self._stack, 1)

    @property
    def model(self) -> FindingsModel:
        """The findings that are shown."""
        return self._model

    @property
    def view(self) -> QTreeView:
        """The tree itself."""
        return self._view

    def show_report(self, report: AuditReport | None, nothing: str = "") -> None:
        """Show the findings of an audit, what was chosen stays chosen; without one, why there is nothing to see."""
        if report is not None and report is self._report:
            return
        self._report = report
        for each in (self._search, self._severity, self._standing):
            each.setEnabled(report is not None)
        if report is None:
            self._model.show_groups(())
            set_text(self._empty, nothing)
            self._stack.setCurrentWidget(self._empty)
            self._choose_again()
            return
        self._refilter()

    def forget_chosen(self) -> None:
        """Choose nothing, and open what is open by default: another project is looked at."""
        self._fingerprint, self._place = "", 0
        self._open.clear()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._delegate.theme = theme
        self._view.viewport().update()

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()

    def focus_list(self) -> None:
        """Put the keyboard onto the list."""
        self._view.setFocus(Qt.FocusReason.OtherFocusReason)

    def _make_view(self) -> QTreeView:
        view = QTreeView()
        view.setObjectName("framed")
        view.setAccessibleName("Findings")
        view.setModel(self._model)
        view.setItemDelegate(self._delegate)
        view.setHeaderHidden(True)
        view.setRootIsDecorated(False)
        view.setIndentation(_INDENT)
        view.setMouseTracking(True)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setExpandsOnDoubleClick(False)
        view.clicked.connect(self._toggle)
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            opens = QShortcut(QKeySequence(key), view)
            opens.setContext(Qt.ShortcutContext.WidgetShortcut)
            opens.activated.connect(lambda: self._toggle(self._view.currentIndex()))
        view.expanded.connect(lambda index: self._note(index, is_open=True))
        view.collapsed.connect(lambda index: self._note(index, is_open=False))
        view.selectionModel().currentChanged.connect(self._choose)
        return view

    @Slot()
    def _refilter(self) -> None:
        if self._report is None:
            return
        least: Severity = SEVERITIES[self._severity.currentIndex()][1]
        standing: Standing | None = STANDINGS[self._standing.currentIndex()][1]
        groups = finding_groups(self._report, self._search.text(), least, standing)
        self._is_filling = True
        is_other = self._model.show_groups(groups)
        if is_other:
            for place, group in enumerate(groups):
                is_open = self._open.get(group.standing, not group.is_calm)
                self._view.setExpanded(self._model.index(place, 0), is_open)
        self._is_filling = False
        has_any = bool(self._report.findings or self._report.fixed)
        set_text(self._empty, NOTHING_MATCHES if has_any else NOTHING_FOUND)
        self._stack.setCurrentWidget(self._view if groups else self._empty)
        if is_other:
            self._choose_again()
        else:
            self._choose(self._view.currentIndex())

    def _choose_again(self) -> None:
        """Choose the finding of before; where that is not in sight, one that has its place, else the first one."""
        index = self._model.index_of(self._fingerprint) if self._fingerprint else QModelIndex()
        if not self._view.isExpanded(index.parent()):
            index = QModelIndex()
        for place, group in enumerate(self._model.groups):
            above = self._model.index(place, 0)
            if not index.isValid() and self._view.isExpanded(above):
                index = self._model.index(min(self._place, len(group.rows) - 1), 0, above)
        self._view.setCurrentIndex(index)
        self._choose(index)

    @Slot(QModelIndex)
    def _choose(self, index: AnyIndex) -> None:
        found = self._model.row_at(index)
        if self._is_filling:
            return
        if found is not None:
            self._fingerprint, self._place = found.fingerprint, index.row()
            self.chosen.emit(found.fingerprint, found.standing.value)
        elif not index.isValid():
            self.chosen.emit("", "")

    @Slot(QModelIndex)
    def _toggle(self, index: AnyIndex) -> None:
        if index.isValid() and self._model.row_at(index) is None:
            self._view.setExpanded(index, not self._view.isExpanded(index))

    def _note(self, index: QModelIndex, *, is_open: bool) -> None:
        if not self._is_filling and index.isValid() and index.row() < len(self._model.groups):
            self._open[self._model.groups[index.row()].standing] = is_open


def _choice(name: str, texts: list[str]) -> QComboBox:
    made = QComboBox()
    made.setAccessibleName(name)
    made.addItems(texts)
    made.setMinimumContentsLength(8)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return made
