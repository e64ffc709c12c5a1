"""The Now page: how things stand, what is happening, and what is red."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPoint, Qt, Slot
from PySide6.QtWidgets import QGridLayout, QLabel, QListView, QMenu, QVBoxLayout, QWidget

from app.domain.commands import AskForProject, CancelRun, LeaveSafeMode, Pause, Resume, RunTests
from app.ui.delegates import RedDelegate
from app.ui.headline import NO_PROJECT
from app.ui.now_view import NowView, now_view
from app.ui.pages.now_rows import AgentLine, ProjectLine, RunLines, keep_rows
from app.ui.parts import Card, Page, Strip, button, fill_scrolling, label, row, set_text
from app.ui.red_model import RedModel
from app.ui.theme import SPACE
from app.ui.tray_view import PAUSE_S

if TYPE_CHECKING:
    from app.domain.snapshot import Snapshot
    from app.ui.beats import Beats
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

HERO = 56


class NowPage(Page):
    """The first page. Its parts are kept and only their texts change."""

    def __init__(self, context: PageContext, theme: Theme, beats: Beats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = theme
        self._beats = beats
        self._snapshot: Snapshot | None = None
        self._view: NowView | None = None
        self._hero_shown: tuple[object, ...] = ()
        self._notices: dict[str, Strip] = {}
        self._projects: dict[str, ProjectLine] = {}
        self._agents: dict[str, AgentLine] = {}
        self._runs: dict[str, RunLines] = {}

        content = QWidget()
        content.setObjectName("content")
        column = QVBoxLayout(content)
        column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        column.setSpacing(2 * SPACE - 4)
        column.addWidget(self._make_hero())
        self._notice_box = QVBoxLayout()
        self._notice_box.setSpacing(SPACE)
        column.addLayout(self._notice_box)
        grid = QGridLayout()
        grid.setSpacing(2 * SPACE - 4)
        grid.addWidget(self._make_reds(), 0, 0, 3, 1)
        grid.addWidget(self._make_projects(), 0, 1)
        grid.addWidget(self._make_agents(), 1, 1)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        grid.setRowStretch(2, 1)
        column.addLayout(grid, 1)

        fill_scrolling(self, content)

    def render_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        self._snapshot = snapshot
        self._show(now_view(snapshot, self._context.clock.wall()))

    def tick(self) -> None:
        """Bring ages and heartbeats up to date."""
        if self._snapshot is not None:
            self.render_snapshot(self._snapshot)

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        self._delegate.theme = theme
        self._hero_shown = ()
        self._view = None
        picture = self._context.icons.symbol("page-tests", theme.border, 72, self.devicePixelRatioF())
        self._calm_picture.setPixmap(picture)
        self._run.setIcon(self._context.icons.symbol_icon("button-run", theme.accent_text, disabled=theme.muted))
        self._stop.setIcon(self._context.icons.symbol_icon("button-stop", theme.text))
        self._pause.setIcon(self._context.icons.symbol_icon("button-pause", theme.text, disabled=theme.muted))
        self.tick()

    def _make_hero(self) -> QWidget:
        card = Card()
        self._mood = QLabel()
        self._mood.setFixedSize(HERO, HERO)
        self._title = label("", "title", wraps=True)
        self._detail = label("", "muted", wraps=True)
        self._start_agents = button("Start the agents", "primary", "Leave safe mode, and start all agents")
        self._start_agents.clicked.connect(lambda: self._context.request(LeaveSafeMode()))
        self._start_agents.hide()
        self._run = button("Run tests", "primary", "Run the tests of all projects now (F5)")
        self._run.clicked.connect(lambda: self._context.request(RunTests()))
        self._add = button("Add a project\u2026", "primary", "Choose the folder of a project")
        self._add.clicked.connect(self._add_project)
        self._stop = button("Stop run", tooltip="End the running tests without a verdict")
        self._stop.clicked.connect(lambda: self._context.request(CancelRun()))
        self._pause = button("Pause", tooltip="Do not test saves for a while")
        self._pause.clicked.connect(self._pause_or_resume)
        self._pause_menu = QMenu(self)
        for text, command in (
            ("Pause for 30 minutes", Pause(seconds=PAUSE_S)),
            ("Pause until resumed", Pause()),
        ):
            action = self._pause_menu.addAction(text)
            action.triggered.connect(lambda _checked=False, asked=command: self._context.request(asked))
        text_box = QVBoxLayout()
        text_box.setSpacing(2)
        text_box.addStretch()
        text_box.addWidget(self._title)
        text_box.addWidget(self._detail)
        text_box.addStretch()
        top = row(self._mood, spacing=2 * SPACE)
        top.addLayout(text_box, 1)
        top.addLayout(row(self._start_agents, self._add, self._run, self._stop, self._pause))
        card.body.addLayout(top)
        self._run_box = QVBoxLayout()
        self._run_box.setSpacing(SPACE)
        card.body.addLayout(self._run_box)
        return card

    def _make_reds(self) -> QWidget:
        self._reds_card = Card("Red tests")
        self._reds_card.body.setContentsMargins(SPACE, 2 * SPACE - 2, SPACE, SPACE)
        if self._reds_card.heading is not None:
            self._reds_card.heading.setContentsMargins(SPACE, 0, 0, 0)
        self._reds = RedModel(self)
        self._delegate = RedDelegate(self._context.icons, self._theme, self)
        self._list = QListView()
        self._list.setAccessibleName("Red tests")
        self._list.setModel(self._reds)
        self._list.setItemDelegate(self._delegate)
        self._list.setUniformItemSizes(True)
        self._list.setMouseTracking(True)
        self._list.setCursor(Qt.CursorShape.PointingHandCursor)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setMinimumHeight(180)
        self._list.clicked.connect(self._open_red)
        self._list.activated.connect(self._open_red)
        self._more = button("", "link")
        self._more.clicked.connect(self._open_all)
        self._calm_box = QWidget()
        self._calm_box.setMinimumHeight(180)
        self._calm_picture = QLabel()
        self._calm = label("", "muted", wraps=True)
        for widget in (self._calm_picture, self._calm):
            widget.setAlignment(Qt.AlignmentFlag.AlignCenter)
        calm = QVBoxLayout(self._calm_box)
        calm.addStretch(2)
        calm.addWidget(self._calm_picture)
        calm.addWidget(self._calm)
        calm.addStretch(3)
        self._reds_card.body.addWidget(self._list, 1)
        self._reds_card.body.addLayout(row(self._more, 1))
        self._reds_card.body.addWidget(self._calm_box, 1)
        return self._reds_card

    def _make_projects(self) -> QWidget:
        card = Card("Projects")
        self._no_project = label(f"{NO_PROJECT}.", "muted", wraps=True)
        card.body.addWidget(self._no_project)
        self._project_box = QVBoxLayout()
        self._project_box.setSpacing(SPACE + 4)
        card.body.addLayout(self._project_box)
        self._add_more = button("Add a project\u2026", "link", "Choose the folder of one more project")
        self._add_more.clicked.connect(self._add_project)
        card.body.addLayout(row(self._add_more, 1))
        return card

    def _make_agents(self) -> QWidget:
        card = Card("Agents")
        self._no_agent = label("No agent has started yet.", "muted", wraps=True)
        card.body.addWidget(self._no_agent)
        self._agent_box = QVBoxLayout()
        self._agent_box.setSpacing(SPACE + 4)
        card.body.addLayout(self._agent_box)
        self._lag = label("", "muted", wraps=True)
        card.body.addWidget(self._lag)
        return card

    def _show(self, view: NowView) -> None:
        before, self._view = self._view, view
        self._show_hero(view)
        if before is None or view.notices != before.notices:
            strips = keep_rows(
                self._notices, self._notice_box, [n.key for n in view.notices], lambda _: Strip("notice")
            )
            for strip, notice in zip(strips, view.notices, strict=True):
                strip.say(notice.text, notice.hint)
        runs = keep_rows(self._runs, self._run_box, [r.project for r in view.runs], lambda _: RunLines(self._theme))
        for lines, run in zip(runs, view.runs, strict=True):
            lines.show_run(run, self._theme, several=len(view.projects) > 1)
        self._show_reds(view)
        self._show_projects(view)
        self._show_agents(view)

    def _show_hero(self, view: NowView) -> None:
        shown = (view.headline.mood, view.count, self.devicePixelRatioF(), self._theme)
        if shown != self._hero_shown:
            self._hero_shown = shown
            self._mood.setPixmap(
                self._context.icons.mood_pixmap(
                    view.headline.mood, HERO, self.devicePixelRatioF(), self._theme.panel, view.count
                )
            )
            self._mood.setAccessibleName(f"State: {view.headline.mood.value}")
        set_text(self._title, view.headline.title)
        set_text(self._detail, view.headline.detail)
        self._detail.setVisible(bool(view.headline.detail))
        self._start_agents.setVisible(view.is_safe)
        self._add.setVisible(view.wants_project)
        self._run.setVisible(not (view.is_safe or view.wants_project))
        self._pause.setVisible(not (view.is_safe or view.wants_project))
        self._run.setEnabled(view.can_run)
        self._stop.setVisible(bool(view.runs))
        set_text(self._pause, "Resume" if view.can_resume else "Pause")
        self._pause.setEnabled(view.can_pause or view.can_resume)

    def _show_reds(self, view: NowView) -> None:
        self._reds.show_rows(view.reds)
        self._list.setVisible(bool(view.reds))
        self._calm_box.setVisible(not view.reds)
        set_text(self._calm, view.calm)
        self._more.setVisible(view.more_reds > 0)
        set_text(self._more, f"and {view.more_reds:,} more")
        if self._reds_card.heading is not None:
            set_text(self._reds_card.heading, f"Red tests \u00b7 {view.count:,}" if view.count else "Red tests")

    def _show_projects(self, view: NowView) -> None:
        self._no_project.setVisible(not view.projects)
        self._add_more.setVisible(bool(view.projects) and not view.is_safe)
        lines = keep_rows(
            self._projects,
            self._project_box,
            [p.root for p in view.projects],
            lambda _: ProjectLine(self._context),
        )
        for line, project in zip(lines, view.projects, strict=True):
            line.show_project(project, self._theme)

    def _show_agents(self, view: NowView) -> None:
        self._no_agent.setVisible(not view.agents)
        now = self._context.clock.wall()
        lines = keep_rows(
            self._agents,
            self._agent_box,
            [a.view.name for a in view.agents],
            lambda _: AgentLine(self._context, self._theme),
        )
        for line, agent in zip(lines, view.agents, strict=True):
            line.show_agent(agent, self._beats.of(agent.view.name, now), now, self._theme)
        set_text(self._lag, view.lag)
        self._lag.setVisible(bool(view.lag))

    @Slot(QModelIndex)
    def _open_red(self, index: QModelIndex) -> None:
        red = self._reds.row(index)
        if red is not None:
            self._context.open_test(red.project, red.nodeid)

    @Slot()
    def _open_all(self) -> None:
        if self._view is not None and self._view.reds:
            self._context.open_test(self._view.reds[0].project, None)

    @Slot()
    def _add_project(self) -> None:
        self._context.request(AskForProject())

    @Slot()
    def _pause_or_resume(self) -> None:
        if self._view is not None and self._view.can_resume:
            self._context.request(Resume())
        else:
            self._pause_menu.popup(self._pause.mapToGlobal(QPoint(0, self._pause.height() + 2)))
