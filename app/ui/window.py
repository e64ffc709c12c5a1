"""The window: pages at the right of a side bar, each built when it is first looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.domain import modelwords, words
from app.domain.analysis import AnalysisView
from app.domain.commands import RunTests
from app.ui.beats import Beats
from app.ui.lags import Lags
from app.ui.parts import Page, Strip, label, row, set_text
from app.ui.requests import PageContext, Spawn
from app.ui.style import style_sheet
from app.ui.theme import SPACE, Theme, current_theme

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from PySide6.QtGui import QCloseEvent, QHideEvent, QShowEvent

    from app.domain.commands import Command
    from app.domain.findings import Finding
    from app.domain.snapshot import Snapshot
    from app.engine.clock import Clock
    from app.ui.icons import Icons
    from app.ui.pages.audits import AuditsPage
    from app.ui.pages.conversation import ConversationPage
    from app.ui.pages.tests import TestsPage

TICK_MS = 1_000
ERROR_SHOWN_MS = 10_000
_SIDEBAR_WIDTH = 172
PAGES = (
    ("now", "Now"),
    ("tests", "Tests"),
    ("conversation", "Conversation"),
    ("audits", "Audits"),
    ("keys", "Keys"),
    ("health", "Health"),
    ("log", "Log"),
)


class Window(QMainWindow):
    """The one window. Closing it hides it; while it is hidden it only keeps the newest snapshot.

    Args:
        ask: Has a command carried out and gives its answer.
        spawn: Starts a coroutine from a slot (app.engine.tasks.spawn).
        clock: Tells the time that ages are counted from.
        icons: Draws symbols and moods.
        theme: The colours; without them the system's appearance decides, and is followed.
    """

    def __init__(
        self,
        ask: Callable[[Command], Awaitable[object]],
        spawn: Spawn,
        clock: Clock,
        icons: Icons,
        *,
        theme: Theme | None = None,
    ) -> None:
        super().__init__()
        self._context = PageContext(
            ask,
            spawn,
            clock,
            icons,
            complain=self._complain,
            open_test=self.show_test,
            open_conversation=self.show_conversation,
            explain_finding=self.explain_finding,
            analysis=self._analysis,
        )
        self._fixed_theme = theme
        self._theme = theme or current_theme()
        self._snapshot: Snapshot | None = None
        self._rendered: Snapshot | None = None
        self._beats = Beats()
        self._lags = Lags()
        self._pages: dict[str, Page] = {}
        self._nav: dict[str, QPushButton] = {}
        self._page = ""

        self.setWindowTitle("Watchkeeper")
        self.setWindowIcon(icons.app())
        self.setObjectName("window")
        self.resize(1040, 680)
        self.setMinimumSize(720, 480)
        self._stack = QStackedWidget()
        self._error = Strip("error")
        self._error.hide()
        self._forget_error = QTimer(self)
        self._forget_error.setSingleShot(True)
        self._forget_error.setInterval(ERROR_SHOWN_MS)
        self._forget_error.timeout.connect(self._error.hide)
        self._build()
        self._add_shortcuts()
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self._show_ages)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_system)
        self._wear()

    @property
    def page(self) -> str:
        """The page that is looked at, by its name in `PAGES`; empty before the first."""
        return self._page

    def page_widget(self, name: str) -> Page:
        """Return a page, built now if it was not before."""
        if name not in self._pages:
            page = self._make_page(name)
            self._pages[name] = page
            self._stack.addWidget(page)
        return self._pages[name]

    def render(self, snapshot: Snapshot) -> None:  # type: ignore[override] # QWidget.render paints into a device: faces share this name
        """Take a snapshot, and show it if anybody can see it."""
        if snapshot is self._snapshot:
            return
        self._snapshot = snapshot
        self._beats.note(snapshot)
        self._lags.note(snapshot)
        if self.isVisible() and not self.isMinimized():
            self._show_snapshot()

    def show_test(self, project: str, nodeid: str | None) -> None:
        """Open the Tests page at a test, or with no node id at its project."""
        self.show_page("tests")
        page: TestsPage = self.page_widget("tests")  # type: ignore[assignment] # the name says which page it is
        if self._snapshot is not None:
            page.render_snapshot(self._snapshot)
        page.show_test(project, nodeid)

    def show_conversation(self, conversation: str, project: str = "", nodeid: str = "") -> None:
        """Open the Conversation page at a conversation, or with an empty id at a new one about a project's test."""
        self.show_page("conversation")
        page: ConversationPage = self.page_widget("conversation")  # type: ignore[assignment] # the name says which page it is
        page.show_conversation(conversation, project, nodeid)

    def explain_finding(self, project: str, finding: Finding) -> None:
        """Open the Conversation page at what was said about a finding, or have a model explain it there."""
        self.show_page("conversation")
        page: ConversationPage = self.page_widget("conversation")  # type: ignore[assignment] # likewise
        page.explain_finding(project, finding)

    def show_audits(self, project: str = "") -> None:
        """Open the Audits page, at this project where one is named."""
        page: AuditsPage = self.page_widget("audits")  # type: ignore[assignment] # the name says which page it is
        page.show_project(project)
        self.show_page("audits")

    def show_page(self, name: str) -> None:
        """Look at a page of `PAGES`. Any other name changes nothing: it may come from outside."""
        if name not in self._nav:
            return
        page = self.page_widget(name)
        self._page = name
        self._nav[name].setChecked(True)
        self._stack.setCurrentWidget(page)
        if self.isVisible() and self._snapshot is not None:
            page.render_snapshot(self._snapshot)

    def open(self) -> None:
        """Show the window in front of others."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def showEvent(self, event: QShowEvent) -> None:
        """Show the newest snapshot before the window is seen."""
        super().showEvent(event)
        if not self._page:
            self.show_page("now")
        self._show_snapshot()
        self._tick.start()
        if self.focusWidget() is None:
            self._whole.setFocus(Qt.FocusReason.OtherFocusReason)  # Tab then begins at the first page

    def hideEvent(self, event: QHideEvent) -> None:
        """Rest while nobody looks."""
        super().hideEvent(event)
        self._tick.stop()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Hide: the watch goes on."""
        event.ignore()
        self.hide()

    def changeEvent(self, event: QEvent) -> None:
        """Catch up when the window comes back from being minimized."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.WindowStateChange and self.isVisible() and not self.isMinimized():
            self._show_snapshot()

    def _make_page(self, name: str) -> Page:
        if name == "now":
            from app.ui.pages.now import NowPage  # noqa: PLC0415 - a page costs nothing before it is looked at

            page: Page = NowPage(self._context, self._theme, self._beats)
        elif name == "tests":
            from app.ui.pages.tests import TestsPage  # noqa: PLC0415 - likewise

            page = TestsPage(self._context, self._theme)
        elif name == "conversation":
            from app.ui.pages.conversation import ConversationPage  # noqa: PLC0415 - likewise

            page = ConversationPage(self._context, self._theme)
        elif name == "audits":
            from app.ui.pages.audits import AuditsPage  # noqa: PLC0415 - likewise

            page = AuditsPage(self._context, self._theme)
        elif name == "keys":
            from app.ui.pages.keys import KeysPage  # noqa: PLC0415 - likewise

            page = KeysPage(self._context, self._theme)
        elif name == "health":
            from app.ui.pages.health import HealthPage  # noqa: PLC0415 - likewise

            page = HealthPage(self._context, self._theme, self._beats, self._lags)
        else:
            from app.ui.pages.log import LogPage  # noqa: PLC0415 - likewise

            page = LogPage(self._context, self._theme)
        page.wear(self._theme)
        return page

    def _build(self) -> None:
        side = QFrame()
        side.setObjectName("sidebar")
        side.setFixedWidth(_SIDEBAR_WIDTH)
        column = QVBoxLayout(side)
        column.setContentsMargins(SPACE + 4, 2 * SPACE, SPACE + 4, 2 * SPACE)
        column.setSpacing(4)
        self._logo = QLabel()
        self._logo.setFixedSize(28, 28)
        column.addLayout(row(self._logo, label("Watchkeeper", "brand"), 1))
        column.addSpacing(2 * SPACE)
        group = QButtonGroup(self)
        for place, (name, text) in enumerate(PAGES, 1):
            nav = QPushButton(text)
            nav.setObjectName("nav")
            nav.setCheckable(True)
            nav.setIconSize(QSize(18, 18))
            nav.setToolTip(f"{text} (Ctrl+{place})")
            nav.setAccessibleName(f"Page {text}")
            nav.clicked.connect(lambda _checked=False, page=name: self.show_page(page))
            group.addButton(nav)
            column.addWidget(nav)
            self._nav[name] = nav
        column.addStretch()
        self._status = label("", "status", wraps=True)
        column.addWidget(self._status)

        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        error_box = QVBoxLayout()
        error_box.setContentsMargins(2 * SPACE, 0, 2 * SPACE, 0)
        error_box.addWidget(self._error)
        right.addLayout(error_box)
        right.addWidget(self._stack, 1)
        self._whole = whole = QWidget()
        whole.setObjectName("content")
        columns = QHBoxLayout(whole)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(0)
        columns.addWidget(side)
        columns.addLayout(right, 1)
        whole.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setCentralWidget(whole)

    def _add_shortcuts(self) -> None:
        for place, (name, _) in enumerate(PAGES, 1):
            QShortcut(QKeySequence(f"Ctrl+{place}"), self, lambda page=name: self.show_page(page))
        QShortcut(QKeySequence("Ctrl+F"), self, self._search)
        QShortcut(QKeySequence("F5"), self, self._run_tests)
        QShortcut(QKeySequence("Esc"), self, self.close)
        QShortcut(QKeySequence("Ctrl+W"), self, self.close)

    def _show_snapshot(self) -> None:
        snapshot = self._snapshot
        if snapshot is None or not self._page:
            return
        self._pages[self._page].render_snapshot(snapshot)
        if snapshot is not self._rendered:
            self._rendered = snapshot
            set_text(self._status, self._status_text(snapshot))
            count = snapshot.red_count
            self.setWindowTitle(f"({count:,} red) Watchkeeper" if count else "Watchkeeper")

    def _status_text(self, snapshot: Snapshot) -> str:
        now = self._context.clock.wall()
        lines = [words.sentence(words.vault_word(snapshot.vault.state)), modelwords.analysis(snapshot.analysis)]
        if snapshot.snoozed_until > now:
            lines.append(f"Notifications are silent for {words.time_left(snapshot.snoozed_until - now)}")
        return "\n".join(filter(None, lines))

    @Slot()
    def _show_ages(self) -> None:
        if self.isMinimized() or not self._page:
            return
        self._pages[self._page].tick()
        if self._snapshot is not None:
            set_text(self._status, self._status_text(self._snapshot))

    def _analysis(self) -> AnalysisView:
        return self._snapshot.analysis if self._snapshot is not None else AnalysisView()

    def _complain(self, text: str, hint: str) -> None:
        self._error.say(text, hint)
        self._error.show()
        self._forget_error.start()

    @Slot()
    def _follow_system(self) -> None:
        if self._fixed_theme is None and current_theme() is not self._theme:
            self._theme = current_theme()
            self._wear()

    def _wear(self) -> None:
        theme, icons = self._theme, self._context.icons
        self.setPalette(theme.palette())
        self.setStyleSheet(style_sheet(theme))
        self._logo.setPixmap(icons.app().pixmap(QSize(28, 28), self.devicePixelRatioF()))
        for name, nav in self._nav.items():
            nav.setIcon(icons.symbol_icon(f"page-{name}", theme.muted, checked=theme.accent))
        for page in self._pages.values():
            page.wear(theme)

    @Slot()
    def _search(self) -> None:
        if not self._page or not self._pages[self._page].focus_search():
            self.show_page("tests")
            self._pages["tests"].focus_search()

    @Slot()
    def _run_tests(self) -> None:
        if self._snapshot is not None and self._snapshot.projects:
            self._context.request(RunTests())
