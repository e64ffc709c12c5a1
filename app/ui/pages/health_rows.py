"""The rows of the Health page: an agent, a fact, a channel of alerts. Each is kept and only its texts change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.domain import words
from app.domain.commands import Pause, RestartAgent, Resume, TestAlerts
from app.domain.health import ChannelTest
from app.domain.healthwords import LAG_GOAL_S
from app.ui.painted import HeartbeatTrace
from app.ui.parts import ElidedLabel, button, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from app.ui.beats import Beat
    from app.ui.health_view import AgentLife, ChannelLine, Fact
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_NAME_WIDTH = 92
_FULL_SCALE_S = 2 * LAG_GOAL_S
"""What the trace of the lag reaches up to at least, so that calm looks calm; its goal lies in the middle then."""


class _Row(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(0, 0, 0, 0)
        self.box.setSpacing(3)


class AgentPart(_Row):
    """An agent: its state, its heartbeats as a trace, what it did and why it was started again, and two buttons."""

    def __init__(self, context: PageContext, theme: Theme) -> None:
        super().__init__()
        self._context = context
        self._agent: AgentLife | None = None
        self._name = ElidedLabel()
        self._name.setObjectName("strong")
        self._state = label("")
        self._trace = HeartbeatTrace(theme)
        self._beat = ElidedLabel(Qt.TextElideMode.ElideRight)
        self._beat.setObjectName("muted")
        self._reason = label("", "muted", wraps=True)
        self._restart = button("Restart", "link", "End this agent and start it again")
        self._restart.clicked.connect(self._ask_restart)
        self._pause = button("Pause", "link", "Let this agent begin no new work until it is resumed")
        self._pause.clicked.connect(self._pause_or_resume)
        line = row()
        line.addWidget(self._name, 1)
        line.addWidget(self._state)
        self.box.addLayout(line)
        self.box.addWidget(self._trace)
        below = row()
        below.addWidget(self._beat, 1)
        below.addWidget(self._restart)
        below.addWidget(self._pause)
        self.box.addLayout(below)
        self.box.addWidget(self._reason)
        self._shown: tuple[object, ...] = ()

    def show_agent(self, agent: AgentLife, beats: tuple[Beat, ...], now: float, theme: Theme) -> None:
        """Show how an agent stands, with its heartbeats up to the wall-clock time `now`."""
        color = theme.agent(agent.view)
        if agent.view.stalled_s > 0 and agent.view.state.is_alive:
            color = theme.amber
        self._trace.show_beats(beats, now, color, theme)
        self._agent = agent
        shown = (agent.name, agent.state, agent.beat, agent.done, agent.reason, agent.can_restart, agent.pause, color)
        if shown == self._shown:
            return
        self._shown = shown
        self._name.setText(agent.name)
        set_text(self._state, agent.state)
        self._state.setStyleSheet(f"color: {color}; font-weight: 600;")
        self._beat.setText(f"{agent.beat} \u00b7 {agent.done}")
        set_text(self._reason, agent.reason)
        self._reason.setVisible(bool(agent.reason))
        self._restart.setVisible(agent.can_restart)
        self._restart.setAccessibleName(f"Restart {agent.name}")
        set_text(self._pause, agent.pause)
        self._pause.setVisible(bool(agent.pause))
        self._pause.setAccessibleName(f"{agent.pause} {agent.name}")
        self.setAccessibleName(f"Agent {agent.name}: {agent.state}, {agent.beat}. {agent.reason}".strip())

    def _ask_restart(self) -> None:
        if self._agent is not None:
            self._context.request(RestartAgent(agent=self._agent.view.name))

    def _pause_or_resume(self) -> None:
        if self._agent is not None:
            kind = Resume if self._agent.view.paused else Pause
            self._context.request(kind(agent=self._agent.view.name))


class FactLine(_Row):
    """One thing about the program: what it is called, and how it stands."""

    def __init__(self) -> None:
        super().__init__()
        self._name = label("", "muted")
        self._name.setFixedWidth(_NAME_WIDTH)
        self._value = label("", wraps=True)
        self._value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        line = row(self._name)
        line.setAlignment(self._name, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self._value, 1)
        self.box.addLayout(line)

    def show_fact(self, fact: Fact, theme: Theme) -> None:
        """Show it."""
        set_text(self._name, fact.name)
        set_text(self._value, fact.value)
        color = theme.amber if fact.is_bad else theme.text
        style = f"color: {color};{' font-weight: 600;' if fact.is_bad else ''}"
        if self._value.styleSheet() != style:
            self._value.setStyleSheet(style)
        self.setAccessibleName(f"{fact.name}: {fact.value}")


class LagTrace(QWidget):
    """How late the event loop was over the last while: a line, the newest at the right, over that of the goal."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._lags: tuple[float, ...] = ()
        self.setFixedHeight(34)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Loop lag over the last hour")
        self.setToolTip(f"Loop lag, p99; the dotted line is {words.duration(LAG_GOAL_S)}")

    def show_lags(self, lags: tuple[float, ...], theme: Theme) -> None:
        """Draw these lags in seconds, the oldest first."""
        if (lags, theme) != (self._lags, self._theme):
            self._lags, self._theme = lags, theme
            worst = f", the worst {words.duration(max(lags))}" if lags else ""
            self.setAccessibleDescription(f"{words.plural(len(lags), 'measurement')}{worst}")
            self.update()

    def sizeHint(self) -> QSize:
        """Return a size that shows an hour well."""
        return QSize(160, 34)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the line, filled below, in another colour where it is over the goal."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 3, -1, -3)
        top = max(_FULL_SCALE_S, *self._lags) if self._lags else _FULL_SCALE_S

        def height(lag: float) -> float:
            return box.bottom() - box.height() * lag / top

        painter.setPen(QPen(QColor(self._theme.border), 1))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        painter.setPen(QPen(QColor(self._theme.border), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(box.left(), height(LAG_GOAL_S)), QPointF(box.right(), height(LAG_GOAL_S)))
        if self._lags:
            self._draw(painter, box, [height(lag) for lag in self._lags])
        painter.end()

    def _draw(self, painter: QPainter, box: QRectF, heights: list[float]) -> None:
        step = box.width() / max(len(heights) - 1, 1)
        points = [QPointF(box.left() + place * step, y) for place, y in enumerate(heights)]
        if len(points) == 1:
            points.append(QPointF(box.right(), points[0].y()))
        path = QPainterPath(points[0])
        for point in points[1:]:
            path.lineTo(point)
        color = QColor(self._theme.amber if max(self._lags) > LAG_GOAL_S else self._theme.green)
        filled = QPainterPath(path)
        filled.lineTo(points[-1].x(), box.bottom())
        filled.lineTo(points[0].x(), box.bottom())
        wash = QColor(color)
        wash.setAlpha(40)
        painter.fillPath(filled, wash)
        pen = QPen(color, 1.6)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.drawPath(path)


class ChannelRow(_Row):
    """A channel of alerts: how it stands, why the last alert did not go through, and a button that sends a test."""

    def __init__(self, context: PageContext) -> None:
        super().__init__()
        self._context = context
        self._key = ""
        self._waits = False
        self._name = label("", "strong")
        self._name.setFixedWidth(_NAME_WIDTH)
        self._state = label("", "muted", wraps=True)
        self._test = button("Send a test", "link", "Send a test alert through this channel now")
        self._test.clicked.connect(self._send_test)
        self._reason = label("", wraps=True)
        self._answer = label("", "muted", wraps=True)
        line = row(self._name)
        line.addWidget(self._state, 1)
        line.addWidget(self._test)
        self.box.addLayout(line)
        for each in (self._reason, self._answer):
            inner = row()
            inner.setContentsMargins(_NAME_WIDTH + SPACE, 0, 0, 0)
            inner.addWidget(each, 1)
            self.box.addLayout(inner)
        self._answer.hide()

    def show_channel(self, channel: ChannelLine, theme: Theme) -> None:
        """Show how it stands."""
        self._key = channel.key
        set_text(self._name, channel.name)
        set_text(self._state, channel.state)
        set_text(self._reason, channel.reason)
        self._reason.setVisible(bool(channel.reason))
        style = f"color: {theme.red};"
        if self._reason.styleSheet() != style:
            self._reason.setStyleSheet(style)
        self._test.setAccessibleName(f"Send a test through {channel.name}")
        self.setAccessibleName(f"Alerts through {channel.name}: {channel.state}. {channel.reason}".strip())

    def _send_test(self) -> None:
        if not self._waits:
            self._waits = True
            self._say("Sending a test...")
            self._context.request(TestAlerts(channel=self._key), self._tested, self._failed)

    def _tested(self, answer: object) -> None:
        tests = [each for each in answer if isinstance(each, ChannelTest)] if isinstance(answer, tuple) else []
        failed = next((each for each in tests if each.reason), None)
        if failed is not None:
            self._failed(failed.reason, failed.hint)
        else:
            self._waits = False
            self._say(f"A test went through at {words.time_of_day(self._context.clock.wall())}.")

    def _failed(self, text: str, hint: str) -> None:
        self._waits = False
        self._say(" ".join(each for each in ("The test did not go through.", text, hint) if each))

    def _say(self, text: str) -> None:
        set_text(self._answer, text)
        self._answer.show()
