"""The question whether a conversation is to be deleted."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from app.domain import words

_TITLE_LENGTH = 80


def ask_to_delete(title: str, over: QWidget) -> QMessageBox:
    """Ask, in a window that blocks nothing. Returns the question, which is open and removes itself once answered.

    Args:
        title: How the conversation began.
        over: The window that the question lies over.
    """
    question = QMessageBox(
        QMessageBox.Icon.Question,
        "Delete a conversation",
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
    question.setDefaultButton(keeps)
    question.setEscapeButton(keeps)
    question.open()
    return question


def wants_to_delete(question: QMessageBox) -> bool:
    """Return whether the answer to the question was yes."""
    chosen = question.clickedButton()
    return any(
        each is chosen and question.buttonRole(each) is QMessageBox.ButtonRole.DestructiveRole
        for each in question.buttons()
    )
