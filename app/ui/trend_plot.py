"""A picture of the last audits: how many findings were open, by severity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.domain import words
from app.domain.findings import AuditVerdict
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from app.ui.audits_view import TrendBar
    from app.ui.theme import Theme


class TrendPlot(QWidget):
    """A bar for each audit, as high as there were open findings, the most severe at the bottom, the newest right.

    Below its bar, an audit that found nothing of weight has a tick's dot, and one that could not look at everything a
    ring: told without colour.
    """

    BAR, GAP = 10, 4

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._bars: tuple[TrendBar, ...] = ()
        self.setMinimumHeight(44)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Findings of the last audits")

    @property
    def bars(self) -> tuple[TrendBar, ...]:
        """What is shown, the oldest first."""
        return self._bars

    def show_bars(self, bars: tuple[TrendBar, ...], theme: Theme) -> None:
        """Draw these audits, the oldest first."""
        if (bars, theme) != (self._bars, self._theme):
            self._bars, self._theme = bars, theme
            last = f", the last {bars[-1].said}" if bars else ""
            self.setAccessibleDescription(f"{words.plural(len(bars), 'audit')}{last}")
            self.update()

    def event(self, event: QEvent) -> bool:
        """Show what an audit found as a tooltip."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = (self.width() - event.pos().x()) // (self.BAR + self.GAP)
            bars = self._visible()
            if 0 <= place < len(bars):
                QToolTip.showText(event.globalPos(), plain_tooltip(bars[place].said), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bars on a base line."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        base, theme = self.height() - 12.0, self._theme
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawLine(QPointF(0, base + 0.5), QPointF(self.width(), base + 0.5))
        bars = self._visible()
        most = max((sum(count for _, count in bar.counts) for bar in bars), default=0)
        for place, bar in enumerate(bars):
            x = self.width() - (place + 1) * (self.BAR + self.GAP) + self.GAP
            top = base
            for severity, count in bar.counts:
                height = (base - 4.0) * count / most if most else 0.0
                painter.setPen(QPen(QColor(theme.surface), 1))
                painter.setBrush(QColor(theme.severity(severity)))
                if height:
                    painter.drawRect(QRectF(x, top - height, self.BAR, height))
                top -= height
            self._mark(painter, QPointF(x + self.BAR / 2, base + 6), bar.verdict)
        painter.end()

    def _mark(self, painter: QPainter, middle: QPointF, verdict: AuditVerdict) -> None:
        if verdict is AuditVerdict.PASS:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self._theme.green))
            painter.drawEllipse(middle, 2.4, 2.4)
        elif verdict is AuditVerdict.UNKNOWN:
            painter.setPen(QPen(QColor(self._theme.amber), 1.4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(middle, 2.6, 2.6)

    def _visible(self) -> tuple[TrendBar, ...]:
        """Return the audits for which there is room, the newest first."""
        room = max(self.width() // (self.BAR + self.GAP), 1)
        return tuple(reversed(self._bars[-room:]))
