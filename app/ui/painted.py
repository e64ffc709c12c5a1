"""Small pictures: an agent's heartbeats, the progress of a run, a share, the history of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.domain import words
from app.domain.verdicts import Counts, Outcome
from app.ui.beats import SPAN_S

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from app.domain.history import TestMoment
    from app.ui.beats import Beat
    from app.ui.theme import Theme


class HeartbeatTrace(QWidget):
    """The last minute of an agent's heartbeats, as a line with a pulse at each."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._color = theme.muted
        self._beats: tuple[Beat, ...] = ()
        self._now = 0.0
        self.setFixedHeight(30)
        self.setMinimumWidth(80)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_beats(self, beats: tuple[Beat, ...], now: float, color: str, theme: Theme) -> None:
        """Draw these beats as of the wall-clock time `now`."""
        self._beats, self._now, self._color, self._theme = beats, now, color, theme
        self.update()

    def sizeHint(self) -> QSize:
        """Return a size that shows a minute well."""
        return QSize(150, 30)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the trace: the newest beat at the right end."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width, middle = float(self.width()), self.height() * 0.62
        path = QPainterPath(QPointF(0, middle))
        for beat in self._beats:
            x = width * (1 - (self._now - beat.at) / SPAN_S)
            height = middle - 4 if beat.worked else (middle - 4) * 0.62
            for dx, dy in ((-4, 0), (-2, -0.18), (-0.5, 0.28), (1.2, -1.0), (2.8, 0.34), (4, 0)):
                path.lineTo(x + dx, middle + dy * height)
        path.lineTo(width, middle)
        color = QColor(self._color)
        faint = QColor(self._theme.border)
        painter.setPen(QPen(faint, 1))
        painter.drawLine(QPointF(0, middle), QPointF(width, middle))
        if self._beats:
            pen = QPen(color, 1.6)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            painter.drawPath(path)
        painter.end()


class RunBar(QWidget):
    """How far a run is: green, red and other tests side by side, the rest open."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._counts = Counts()
        self._expected: int | None = None
        self.setFixedHeight(10)
        self.setAccessibleName("Progress of the run")

    def show_run(self, counts: Counts, expected: int | None, theme: Theme) -> None:
        """Show these counts out of `expected` tests; None while the tests are being found."""
        if (counts, expected, theme) != (self._counts, self._expected, self._theme):
            self._counts, self._expected, self._theme = counts, expected, theme
            self.setAccessibleDescription(f"{counts.total} of {expected or 'unknown'}, {counts.red} red")
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect())
        shape = QPainterPath()
        shape.addRoundedRect(box, 5, 5)
        painter.setClipPath(shape)
        painter.fillRect(box, QColor(self._theme.grid))
        counts, total = self._counts, max(self._expected or 0, self._counts.total, 1)
        left = 0.0
        other = counts.skipped + counts.xfailed + counts.xpassed
        parts = ((counts.red, self._theme.red), (counts.passed, self._theme.green), (other, self._theme.muted))
        for number, color in parts:
            width = box.width() * number / total
            if number:
                width = max(width, 3.0)
                painter.fillRect(QRectF(left, 0, width, box.height()), QColor(color))
            left += width
        painter.end()


def draw_share(painter: QPainter, box: QRectF, share: float, theme: Theme) -> None:
    """Draw a share of 0 to 100 as a bar that is filled so far."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    shape = QPainterPath()
    shape.addRoundedRect(box, box.height() / 2, box.height() / 2)
    painter.setClipPath(shape)
    painter.fillRect(box, QColor(theme.grid))
    filled = QRectF(box.left(), box.top(), box.width() * min(max(share, 0.0), 100.0) / 100, box.height())
    painter.fillRect(filled, QColor(theme.green))
    painter.restore()


class ShareBar(QWidget):
    """A share of 0 to 100 as a bar."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._share = 0.0
        self.setFixedHeight(8)
        self.setAccessibleName(name)

    def show_share(self, share: float, theme: Theme) -> None:
        """Show this share."""
        self._share, self._theme = share, theme
        self.setAccessibleDescription(words.percent(share))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar."""
        del event
        painter = QPainter(self)
        draw_share(painter, QRectF(self.rect()), self._share, self._theme)
        painter.end()


class HistoryPlot(QWidget):
    """How a test ended in its last runs: a bar for each, as high as it took long, the newest at the right."""

    BAR, GAP = 7, 3

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._moments: tuple[TestMoment, ...] = ()
        self._now = 0.0
        self.setFixedHeight(64)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("History of the test")

    def show_moments(self, moments: tuple[TestMoment, ...], now: float, theme: Theme) -> None:
        """Draw these moments, which come newest first."""
        self._moments, self._now, self._theme = moments, now, theme
        red = sum(m.outcome.is_red for m in moments)
        self.setAccessibleDescription(f"{words.plural(len(moments), 'run', 'runs')}, {red} of them red")
        self.update()

    def _visible(self) -> tuple[TestMoment, ...]:
        return self._moments[: max(self.width() // (self.BAR + self.GAP), 1)]

    def event(self, event: QEvent) -> bool:
        """Show a bar's run as a tooltip."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = (self.width() - event.pos().x()) // (self.BAR + self.GAP)
            moments = self._visible()
            if 0 <= place < len(moments):
                m = moments[place]
                QToolTip.showText(
                    event.globalPos(),
                    f"{words.moment(m.at, self._now)}: {words.outcome(m.outcome)}, "
                    f"{words.duration(m.duration_s)}, {words.cause(m.cause)}",
                    self,
                )
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bars on a base line; a red test's bar is marked below it as well, for eyes that see no colour."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        moments = self._visible()
        base = self.height() - 10.0
        painter.setPen(QPen(QColor(self._theme.border), 1))
        painter.drawLine(QPointF(0, base + 0.5), QPointF(self.width(), base + 0.5))
        painter.setPen(Qt.PenStyle.NoPen)
        longest = max((m.duration_s for m in moments), default=0.0)
        for place, moment in enumerate(moments):
            x = self.width() - (place + 1) * (self.BAR + self.GAP) + self.GAP
            height = 4.0 + (base - 8.0) * (moment.duration_s / longest if longest > 0 else 0.0)
            painter.setBrush(QColor(self._theme.outcome(moment.outcome)))
            painter.drawRoundedRect(QRectF(x, base - height, self.BAR, height), 2, 2)
            if moment.outcome.is_red:
                painter.drawEllipse(QPointF(x + self.BAR / 2, base + 6), 2.2, 2.2)
            elif moment.outcome is Outcome.SKIPPED:
                painter.drawRect(QRectF(x + 1.5, base + 5, self.BAR - 3, 1.5))
        painter.end()
