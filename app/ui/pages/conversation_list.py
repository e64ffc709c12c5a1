"""The left of the Conversation page: what was talked about before, with a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QFont, QFontMetrics, QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStackedWidget,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.domain.analysis import ConversationRecord
from app.domain.commands import ReadConversations
from app.ui.conversation_model import CONVERSATION_ROLE, ConversationModel
from app.ui.conversation_view import NO_CONVERSATIONS, NOTHING_FOUND, conversation_row
from app.ui.items import RowDelegate
from app.ui.parts import button, label, row, set_text
from app.ui.search_field import SearchField
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.ui.conversation_view import ConversationRow
    from app.ui.items import AnyIndex
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

SEARCH_AFTER_MS = 250
"""A search waits until nobody has typed for so long."""


class ConversationDelegate(RowDelegate):
    """A conversation on two lines: how it began above, what it is about, its age and its cost below."""

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return the height of two lines."""
        del index
        return QSize(80, 2 * QFontMetrics(option.font).height() + 14)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Draw a conversation, each line cut at its end."""
        shown: ConversationRow = index.data(CONVERSATION_ROLE)
        painter.save()
        self.ground(painter, option)
        box = option.rect.adjusted(10, 5, -10, -5)
        half = box.height() // 2
        bold = QFont(option.font)
        bold.setWeight(QFont.Weight.Medium)
        for text, font, color, top in (
            (shown.title, bold, self.theme.text, 0),
            (shown.below, option.font, self.theme.muted, half),
        ):
            painter.setFont(font)
            self.text(painter, box.adjusted(0, top, 0, top - half), text, color, elide=Qt.TextElideMode.ElideRight)
        painter.restore()


class ConversationList(QWidget):
    """A search field, the conversations that it finds, and what can be done with them."""

    chosen = Signal(str)
    """A person has chosen the conversation of this id."""
    new_wanted = Signal()
    was_read = Signal()
    """The conversations are as they stand now."""
    delete_wanted = Signal(str, str)
    """The conversation of this id and title is to be deleted."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._records: tuple[ConversationRecord, ...] = ()
        self._chosen = ""
        self._turn = 0
        self._choosing = False
        self._model = ConversationModel(self)
        self._delegate = ConversationDelegate(theme, self)
        self._search = SearchField("Search conversations")
        self._search.setMinimumWidth(100)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(SEARCH_AFTER_MS)
        self._later.timeout.connect(self.read)
        self._search.textChanged.connect(lambda _text: self._later.start())
        self._view = self._make_view()
        self._empty = label("", "muted", wraps=True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._view)
        self._stack.addWidget(self._empty)
        new = button("New", "primary", "Begin a new conversation (Ctrl+N)")
        new.setAccessibleName("New conversation")
        new.clicked.connect(self.new_wanted)
        self._delete = button("Delete", tooltip="Delete the chosen conversation for good (Del)")
        self._delete.setAccessibleName("Delete conversation")
        self._delete.clicked.connect(self._ask_to_delete)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        box.addWidget(self._search)
        box.addWidget(self._stack, 1)
        box.addLayout(row(new, self._delete, 1))
        self._show()

    @property
    def model(self) -> ConversationModel:
        """The conversations that are shown."""
        return self._model

    @property
    def view(self) -> QListView:
        """The list itself."""
        return self._view

    @Slot()
    def read(self) -> None:
        """Ask for the conversations as they stand now."""
        self._later.stop()
        self._turn += 1
        turn = self._turn

        def answered(answer: object) -> None:
            if turn == self._turn and isinstance(answer, tuple):
                self._records = tuple(each for each in answer if isinstance(each, ConversationRecord))
                self._show()
                self.was_read.emit()

        def failed(text: str, hint: str) -> None:
            if turn == self._turn:
                self._records = ()
                self._show(f"{text} {hint}".strip())

        self._context.request(ReadConversations(query=self._search.text().strip()), answered, failed)

    def choose(self, conversation: str) -> None:
        """Mark a conversation as the one that is looked at; an empty id marks none."""
        self._chosen = conversation
        self._mark()

    def title_of(self, conversation: str) -> str:
        """Return how a conversation began, as one line; empty when it is not shown."""
        place = self._model.row_of(conversation)
        return self._model.rows[place].title if place >= 0 else ""

    def exchanges_of(self, conversation: str) -> int:
        """Return how many questions a conversation has; 0 when it is not shown."""
        return next((each.exchanges for each in self._records if each.id == conversation), 0)

    def tick(self) -> None:
        """Bring ages up to date."""
        self._show()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._delegate.theme = theme
        self._view.viewport().update()

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()

    def _make_view(self) -> QListView:
        view = QListView()
        view.setObjectName("framed")
        view.setAccessibleName("Conversations")
        view.setModel(self._model)
        view.setItemDelegate(self._delegate)
        view.setUniformItemSizes(True)
        view.setMouseTracking(True)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.selectionModel().currentChanged.connect(self._choose)
        deletes = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), view)
        deletes.setContext(Qt.ShortcutContext.WidgetShortcut)
        deletes.activated.connect(self._ask_to_delete)
        return view

    def _show(self, trouble: str = "") -> None:
        now = self._context.clock.wall()
        self._choosing = True  # a list that is filled anew forgets what was chosen
        self._model.show_rows(tuple(conversation_row(record, now) for record in self._records))
        self._choosing = False
        self._mark()
        nothing = NOTHING_FOUND if self._search.text().strip() else NO_CONVERSATIONS
        if trouble or not self._records:
            set_text(self._empty, trouble or nothing)
        self._stack.setCurrentWidget(self._view if self._records else self._empty)

    def _mark(self) -> None:
        place = self._model.row_of(self._chosen)
        self._choosing = True
        if place != self._view.currentIndex().row():
            self._view.setCurrentIndex(self._model.index(place) if place >= 0 else QModelIndex())
        self._choosing = False
        self._delete.setEnabled(place >= 0)

    @Slot(QModelIndex)
    def _choose(self, index: QModelIndex) -> None:
        if self._choosing or not index.isValid():
            return
        self._chosen = self._model.rows[index.row()].id
        self._delete.setEnabled(True)
        self.chosen.emit(self._chosen)

    @Slot()
    def _ask_to_delete(self) -> None:
        if self._model.row_of(self._chosen) >= 0:
            self.delete_wanted.emit(self._chosen, self.title_of(self._chosen))
