"""The foot of the Audits page: what each check came to, and how the last audits went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.domain.findings import AuditVerdict
from app.ui.parts import Card, ElidedLabel, label, row
from app.ui.theme import SPACE
from app.ui.tooltips import plain_tooltip
from app.ui.trend_plot import TrendPlot

if TYPE_CHECKING:
    from PySide6.QtGui import QPixmap

    from app.ui.audits_view import CheckRow, TrendBar
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_MARK = 13
_TREND_WIDTH = 250
_SYMBOLS = {
    AuditVerdict.PASS: "outcome-passed",
    AuditVerdict.FAIL: "outcome-failed",
    AuditVerdict.UNKNOWN: "verdict-unknown",
}


class ChecksPart(Card):
    """Checks at the left, each with its verdict by shape and colour and why it is not known; the trend at the right."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName("Checks and trend")
        self._context = context
        self._theme = theme
        self._rows: tuple[CheckRow, ...] = ()
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.viewport().setAutoFillBackground(False)
        self._scroll.setAccessibleName("Checks")
        self._plot = TrendPlot(theme)
        left = QVBoxLayout()
        left.setSpacing(SPACE // 2)
        left.addWidget(label("Checks", "section"))
        left.addWidget(self._scroll, 1)
        side = QWidget()
        side.setMaximumWidth(_TREND_WIDTH)
        side.setMinimumWidth(_TREND_WIDTH // 2)
        right = QVBoxLayout(side)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(SPACE // 2)
        right.addWidget(label("Open findings", "section"))
        right.addWidget(self._plot, 1)
        columns = row(spacing=2 * SPACE)
        columns.addLayout(left, 2)
        columns.addWidget(side, 1)
        self.body.addLayout(columns)

    @property
    def plot(self) -> TrendPlot:
        """The trend."""
        return self._plot

    def show_checks(self, rows: tuple[CheckRow, ...]) -> None:
        """Show what the checks came to."""
        if rows != self._rows:
            self._rows = rows
            self._fill()

    def show_trend(self, bars: tuple[TrendBar, ...]) -> None:
        """Show the last audits, the oldest first."""
        self._plot.show_bars(bars, self._theme)

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        self._plot.show_bars(self._plot.bars, theme)
        self._fill()

    def sizeHint(self) -> QSize:
        """Return a height in which a few checks can be read."""
        return QSize(600, 170)

    def minimumSizeHint(self) -> QSize:
        """Return a height in which two checks can be read, and scrolled."""
        return QSize(200, 84)

    def _fill(self) -> None:
        inside = QWidget()
        inside.setObjectName("flow")
        inside.setStyleSheet("#flow { background: transparent; }")
        grid = QGridLayout(inside)
        grid.setContentsMargins(0, 0, SPACE, 0)
        grid.setHorizontalSpacing(SPACE + 4)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(2, 1)
        line = 0
        for each in self._rows:
            mark = QLabel()
            mark.setPixmap(self._symbol(each.verdict))
            mark.setAccessibleName(each.verdict.value)
            grid.addWidget(mark, line, 0)
            name = label(each.title, "strong")
            name.setToolTip(plain_tooltip(each.reasons or each.said))
            name.setAccessibleName(f"{each.title}: {each.verdict.value}, {each.said}")
            grid.addWidget(name, line, 1)
            said = ElidedLabel(Qt.TextElideMode.ElideRight)
            said.setObjectName("muted")
            said.setText(each.said)
            grid.addWidget(said, line, 2)
            line += 1
            if each.reasons:
                grid.addWidget(label(each.reasons, "muted", wraps=True), line, 1, 1, 2)
                line += 1
        grid.setRowStretch(line, 1)
        self._scroll.setWidget(inside)

    def _symbol(self, verdict: AuditVerdict) -> QPixmap:
        colors = {AuditVerdict.PASS: self._theme.green, AuditVerdict.FAIL: self._theme.red}
        color = colors.get(verdict, self._theme.amber)
        return self._context.icons.symbol(_SYMBOLS[verdict], color, _MARK, self.devicePixelRatioF())
