"""Deleting a conversation, and the question before that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QMessageBox, QSpacerItem, QWidget

from app.domain import words
from app.domain.commands import DeleteConversation

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ui.requests import PageContext

TITLE = "Delete a conversation"
_TITLE_LENGTH = 80
_FRAME_WIDTH = 220
"""What a window's frame has beside its title: an icon, buttons, and the room between."""


class Deletion:
    """Deletes a conversation once a person has said yes. One question is open at a time.

    Args:
        context: Whom to ask.
        deleted: Called with the conversation that is gone.
    """

    def __init__(self, context: PageContext, deleted: Callable[[str], None]) -> None:
        self._context = context
        self._deleted = deleted
        self._question: QMessageBox | None = None

    def ask(self, conversation: str, title: str, over: QWidget) -> None:
        """Ask about a conversation.

        Args:
            conversation: Which.
            title: How it began.
            over: The window that the question lies over.
        """
        if self._question is None:
            self._question = ask_to_delete(title, over)
            self._question.finished.connect(lambda _: self._decide(conversation))

    def _decide(self, conversation: str) -> None:
        question, self._question = self._question, None
        if question is not None and wants_to_delete(question):
            self._context.request(DeleteConversation(conversation=conversation), lambda _: self._deleted(conversation))


def ask_to_delete(title: str, over: QWidget) -> QMessageBox:
    """Ask, in a window that blocks nothing. Returns the question, which is open and removes itself once answered.

    Args:
        title: How the conversation began.
        over: The window that the question lies over.
    """
    question = QMessageBox(
        QMessageBox.Icon.Question,
        TITLE,
        f"Delete \u201c{words.clip(title, _TITLE_LENGTH)}\u201d?",
        QMessageBox.StandardButton.NoButton,
        over,
    )
    question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    question.setObjectName("content")  # the style's ground: a window of its own inherits none
    question.setPalette(over.palette())
    question.setTextFormat(Qt.TextFormat.PlainText)
    question.setInformativeText("What was asked and answered in it is gone for good then.")
    question.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
    keeps = question.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
    _make_room_for_title(question)
    question.setDefaultButton(keeps)
    question.setEscapeButton(keeps)
    question.open()
    return question


def _make_room_for_title(question: QMessageBox) -> None:
    """Widen a question, which takes no size of its own, until its window's title fits into the frame."""
    layout = question.layout()
    if isinstance(layout, QGridLayout):
        width = question.fontMetrics().horizontalAdvance(question.windowTitle()) + _FRAME_WIDTH
        layout.addItem(QSpacerItem(width, 0), layout.rowCount(), 0, 1, layout.columnCount())


def wants_to_delete(question: QMessageBox) -> bool:
    """Return whether the answer to the question was yes."""
    chosen = question.clickedButton()
    return any(
        each is chosen and question.buttonRole(each) is QMessageBox.ButtonRole.DestructiveRole
        for each in question.buttons()
    )
