"""The Health page: how the program itself fares, and what can be done when a part of it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QDir, Qt
from PySide6.QtWidgets import QBoxLayout, QFileDialog, QFrame, QLabel, QVBoxLayout, QWidget

from app.domain.commands import LeaveSafeMode, SaveBundle
from app.domain.snapshot import Mood
from app.ui.health_view import HealthPageView, health_page_view
from app.ui.pages.health_rows import AgentPart, ChannelRow, FactLine, LagTrace
from app.ui.pages.health_update import UpdateCard
from app.ui.pages.now_rows import keep_rows
from app.ui.parts import Card, Page, Strip, button, fill_scrolling, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from app.domain.snapshot import Snapshot
    from app.ui.beats import Beats
    from app.ui.lags import Lags
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_MARK = 40
_TWO_COLUMNS = 660
"""The page is two columns wide from here on, in logical pixels."""
_ENDS = "No earlier life of the program is known to have ended badly."
BUNDLE_NAME = "watchkeeper-report.zip"


class HealthPage(Page):
    """The state in a line, what is wrong, the agents, the program, its alerts, and how earlier lives ended.

    Its parts are kept and only their texts change.
    """

    def __init__(
        self, context: PageContext, theme: Theme, beats: Beats, lags: Lags, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = theme
        self._beats = beats
        self._lags = lags
        self._snapshot: Snapshot | None = None
        self._view: HealthPageView | None = None
        self._mark_shown: tuple[object, ...] = ()
        self._strips: dict[str, Strip] = {}
        self._agents: dict[str, AgentPart] = {}
        self._facts: dict[str, FactLine] = {}
        self._channels: dict[str, ChannelRow] = {}
        self._ends: dict[str, FactLine] = {}

        content = QWidget()
        content.setObjectName("content")
        column = QVBoxLayout(content)
        column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        column.setSpacing(2 * SPACE - 4)
        column.addWidget(self._make_head())
        column.addWidget(self._make_safe_mode())
        self._trouble = Strip("error")
        column.addWidget(self._trouble)
        self._strip_box = QVBoxLayout()
        self._strip_box.setSpacing(SPACE)
        column.addLayout(self._strip_box)
        self._update = UpdateCard(context)
        column.addWidget(self._update)
        self._columns = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._columns.setSpacing(2 * SPACE - 4)
        left, right = QVBoxLayout(), QVBoxLayout()
        for side, cards in ((left, (self._make_agents(),)), (right, (self._make_program(), self._make_channels()))):
            side.setSpacing(2 * SPACE - 4)
            for card in cards:
                side.addWidget(card)
        left.addWidget(self._make_ends())
        for side in (left, right):
            side.addStretch()
            self._columns.addLayout(side, 1)
        column.addLayout(self._columns)
        column.addStretch()

        fill_scrolling(self, content)

    def render_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        self._snapshot = snapshot
        now = self._context.clock.wall()
        self._show(health_page_view(snapshot, now))
        self._update.show_update(snapshot.updates, now)

    def tick(self) -> None:
        """Bring ages and heartbeats up to date."""
        if self._snapshot is not None:
            self.render_snapshot(self._snapshot)

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        self._mark_shown = ()
        self.tick()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the cards beside each other where there is room for two columns, else below each other."""
        super().resizeEvent(event)
        narrow = self.width() < _TWO_COLUMNS
        kinds = QBoxLayout.Direction
        self._columns.setDirection(kinds.TopToBottom if narrow else kinds.LeftToRight)

    def _make_head(self) -> QWidget:
        card = Card()
        self._mark = QLabel()
        self._mark.setFixedSize(_MARK, _MARK)
        self._title = label("", "title", wraps=True)
        self._detail = label("", "muted", wraps=True)
        self._bundle = button(
            "Save a crash bundle...", tooltip="Write what helps to find a fault of Watchkeeper into one file"
        )
        self._bundle.setAccessibleName("Save a crash bundle")
        self._bundle.clicked.connect(self._ask_where)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self._title)
        texts.addWidget(self._detail)
        top = row(self._mark, spacing=2 * SPACE)
        top.addLayout(texts, 1)
        top.addWidget(self._bundle)
        card.body.addLayout(top)
        self._saved = label("", "muted", wraps=True)
        self._saved.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._saved.hide()
        card.body.addWidget(self._saved)
        return card

    def _make_safe_mode(self) -> QWidget:
        self._safe_mode = QFrame()
        self._safe_mode.setObjectName("notice")
        self._why_safe = label("", "strong", wraps=True)
        what = label("The log and the crash bundle work; nothing is watched until the agents are started.", "muted")
        what.setWordWrap(True)
        start = button("Start the agents", "primary", "Leave safe mode, and start all agents")
        start.clicked.connect(lambda: self._context.request(LeaveSafeMode()))
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self._why_safe)
        texts.addWidget(what)
        line = row(spacing=2 * SPACE)
        line.setContentsMargins(SPACE + 4, SPACE, SPACE + 4, SPACE)
        line.addLayout(texts, 1)
        line.addWidget(start)
        self._safe_mode.setLayout(line)
        self._safe_mode.hide()
        return self._safe_mode

    def _make_agents(self) -> QWidget:
        card = Card("Agents")
        self._no_agent = label("No agent has started yet.", "muted", wraps=True)
        card.body.addWidget(self._no_agent)
        self._agent_box = QVBoxLayout()
        self._agent_box.setSpacing(2 * SPACE)
        card.body.addLayout(self._agent_box)
        return card

    def _make_program(self) -> QWidget:
        card = Card("The program")
        self._fact_box = QVBoxLayout()
        self._fact_box.setSpacing(6)
        card.body.addLayout(self._fact_box)
        self._lag = LagTrace(self._theme)
        card.body.addWidget(self._lag)
        return card

    def _make_channels(self) -> QWidget:
        card = Card("Alerts")
        self._channel_box = QVBoxLayout()
        self._channel_box.setSpacing(SPACE)
        card.body.addLayout(self._channel_box)
        return card

    def _make_ends(self) -> QWidget:
        card = Card("Earlier lives that ended badly")
        self._no_end = label(_ENDS, "muted", wraps=True)
        card.body.addWidget(self._no_end)
        self._end_box = QVBoxLayout()
        self._end_box.setSpacing(6)
        card.body.addLayout(self._end_box)
        self._more_ends = label("", "muted")
        card.body.addWidget(self._more_ends)
        return card

    def _show(self, view: HealthPageView) -> None:
        self._view = view
        self._show_head(view)
        self._show_strips(view)
        self._show_agents(view)
        facts = keep_rows(self._facts, self._fact_box, [each.key for each in view.facts], lambda _: FactLine())
        for line, fact in zip(facts, view.facts, strict=True):
            line.show_fact(fact, self._theme)
        lags = self._lags.all()
        self._lag.setVisible(bool(lags))
        self._lag.show_lags(lags, self._theme)
        channels = keep_rows(
            self._channels, self._channel_box, [c.key for c in view.channels], lambda _: ChannelRow(self._context)
        )
        for channel_row, channel in zip(channels, view.channels, strict=True):
            channel_row.show_channel(channel, self._theme)
        ends = keep_rows(self._ends, self._end_box, [each.key for each in view.ends], lambda _: FactLine())
        for line, end in zip(ends, view.ends, strict=True):
            line.show_fact(end, self._theme)
        self._no_end.setVisible(not view.ends)
        set_text(self._more_ends, f"and {view.more_ends:,} more")
        self._more_ends.setVisible(view.more_ends > 0)

    def _show_head(self, view: HealthPageView) -> None:
        mood = Mood.GREEN if view.is_well else Mood.ATTENTION
        shown = (mood, self.devicePixelRatioF(), self._theme)
        if shown != self._mark_shown:
            self._mark_shown = shown
            icons = self._context.icons
            self._mark.setPixmap(icons.mood_pixmap(mood, _MARK, self.devicePixelRatioF(), self._theme.panel))
        self._mark.setAccessibleName("All is well" if view.is_well else "Something wants a look")
        set_text(self._title, view.title)
        set_text(self._detail, view.detail)
        set_text(self._why_safe, f"Safe mode: no agent was started. {view.safe_mode}")
        self._safe_mode.setVisible(bool(view.safe_mode))

    def _show_strips(self, view: HealthPageView) -> None:
        # One strip for all of them: what can be done about each stands beside it, in the cards below.
        self._trouble.say("\n".join(each.text for each in view.troubles), "")
        self._trouble.setVisible(bool(view.troubles))
        strips = keep_rows(
            self._strips, self._strip_box, [each.key for each in view.notices], lambda _: Strip("notice")
        )
        for strip, notice in zip(strips, view.notices, strict=True):
            strip.say(notice.text, notice.hint)

    def _show_agents(self, view: HealthPageView) -> None:
        self._no_agent.setVisible(not view.agents)
        now = self._context.clock.wall()
        parts = keep_rows(
            self._agents,
            self._agent_box,
            [each.view.name for each in view.agents],
            lambda _: AgentPart(self._context, self._theme),
        )
        for part, agent in zip(parts, view.agents, strict=True):
            part.show_agent(agent, self._beats.of(agent.view.name, now), now, self._theme)

    def _ask_where(self) -> None:
        dialog = QFileDialog(self.window(), "Save a crash bundle")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(["Archive (*.zip)"])
        dialog.setDefaultSuffix("zip")
        dialog.setDirectory(QDir.homePath())
        dialog.selectFile(BUNDLE_NAME)
        dialog.fileSelected.connect(self.save_bundle)
        dialog.open()

    def save_bundle(self, path: str) -> None:
        """Have the crash bundle written to a file, and say where it is."""
        self._say_saved("The crash bundle is being made...")
        self._context.request(SaveBundle(path=path), self._bundle_saved, self._bundle_failed)

    def _bundle_saved(self, path: object) -> None:
        self._say_saved(
            f"The crash bundle is {path}. Nothing was sent anywhere: look at it, and attach it where you tell of the"
            " fault. It holds no keys, no source code and no output of tests."
        )

    def _bundle_failed(self, text: str, hint: str) -> None:
        self._saved.hide()
        self._context.complain(text, hint)

    def _say_saved(self, text: str) -> None:
        set_text(self._saved, text)
        self._saved.show()
