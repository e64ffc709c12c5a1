"""The Log page: what the program does, line by line, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QComboBox, QListView, QVBoxLayout, QWidget

from app.domain.commands import ReadLogs
from app.ui.delegates import LogDelegate
from app.ui.log_model import LEVELS, LogModel, spoken
from app.ui.parts import CheckBox, Page, button, label, row
from app.ui.search_field import SearchField
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QHideEvent, QShowEvent

    from app.ui.requests import PageContext
    from app.ui.theme import Theme

POLL_MS = 500
LINES_AT_ONCE = 500
_CHOICES = (("All levels", 0), ("Info and above", LEVELS["info"]), ("Warnings and errors", LEVELS["warning"]))


class LogPage(Page):
    """Live lines with a filter by level and by text. It asks for new ones only while it is seen."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._asking = False
        self._model = LogModel(self)
        self._delegate = LogDelegate(context.icons, theme, self)

        self._search = SearchField("Filter the log")
        self._search.textChanged.connect(self._refilter)
        self._level = QComboBox()
        self._level.setAccessibleName("Lowest level that is shown")
        for text, level in (*_CHOICES, ("Errors only", LEVELS["error"])):
            self._level.addItem(text, level)
        self._level.setCurrentIndex(1)
        self._level.currentIndexChanged.connect(self._refilter)
        self._follow = CheckBox("Follow")
        self._follow.setToolTip("Keep the newest line in sight")
        self._follow.setChecked(True)
        self._follow.toggled.connect(self._follow_if_asked)
        self._copy = button("Copy", tooltip="Copy the selected lines, or all that are shown (Ctrl+C)")
        self._copy.clicked.connect(self._copy_lines)

        self._view = QListView()
        self._view.setObjectName("framed")
        self._view.setAccessibleName("Log")
        self._view.setModel(self._model)
        self._view.setItemDelegate(self._delegate)
        self._view.setUniformItemSizes(True)
        self._view.setLayoutMode(QListView.LayoutMode.SinglePass)
        self._view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._view.setMouseTracking(True)
        self._view.verticalScrollBar().sliderMoved.connect(self._scrolled)
        self._view.verticalScrollBar().actionTriggered.connect(lambda _action: QTimer.singleShot(0, self._scrolled))
        self._empty = label("", "muted")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)

        box = QVBoxLayout(self)
        box.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        box.setSpacing(SPACE + 4)
        bar = row(self._search, self._level, self._follow, 1, self._copy)
        bar.setStretch(0, 2)
        box.addLayout(bar)
        box.addWidget(self._view, 1)
        box.addWidget(self._empty)
        copies = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self._view)
        copies.setContext(Qt.ShortcutContext.WidgetShortcut)
        copies.activated.connect(self._copy_lines)

        self._poll = QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._poll.timeout.connect(self._ask)
        self._refilter()

    @property
    def model(self) -> LogModel:
        """The lines that are shown."""
        return self._model

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._delegate.theme = theme
        self._view.viewport().update()

    def focus_search(self) -> bool:
        """Put the cursor into the filter."""
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()
        return True

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to ask for lines."""
        super().showEvent(event)
        self._poll.start()
        self._ask()

    def hideEvent(self, event: QHideEvent) -> None:
        """Ask no longer."""
        super().hideEvent(event)
        self._poll.stop()

    @Slot()
    def _ask(self) -> None:
        if self._asking:
            return
        self._asking = True
        command = ReadLogs(after=self._model.newest, limit=LINES_AT_ONCE)
        self._context.request(command, self._answered, self._failed)

    def _answered(self, answer: object) -> None:
        self._asking = False
        if not isinstance(answer, tuple):
            return
        self._model.append(answer)
        self._say_empty("Nothing has been logged yet.")
        self._follow_if_asked()
        if len(answer) >= LINES_AT_ONCE and self.isVisible():
            QTimer.singleShot(0, self, self._ask)

    def _failed(self, text: str, hint: str) -> None:
        self._asking = False
        self._say_empty(f"{text} {hint}".strip())

    def _say_empty(self, text: str) -> None:
        nothing = self._model.rowCount() == 0
        self._empty.setVisible(nothing)
        filtered = nothing and self._model.newest > 0
        self._empty.setText("No line passes the filter." if filtered else text)

    @Slot()
    def _refilter(self) -> None:
        self._model.set_filter(level=int(self._level.currentData() or 0), text=self._search.text())
        self._say_empty("Nothing has been logged yet.")
        self._follow_if_asked()

    @Slot()
    def _follow_if_asked(self) -> None:
        if self._follow.isChecked():
            self._view.scrollToBottom()

    @Slot()
    def _scrolled(self) -> None:
        """Follow no longer when a person scrolls back, and follow again at the end."""
        bar = self._view.verticalScrollBar()
        self._follow.setChecked(bar.sliderPosition() >= bar.maximum())

    @Slot()
    def _copy_lines(self) -> None:
        rows = sorted(index.row() for index in self._view.selectionModel().selectedRows())
        chosen = rows or range(self._model.rowCount())
        QGuiApplication.clipboard().setText("\n".join(spoken(self._model.line(each)) for each in chosen))
