"""The field that a question is typed into."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent, QResizeEvent

_MOST_LINES = 6
_LEAST_LINES = 2
_PADDING = 22


class QuestionField(QPlainTextEdit):
    """Several lines. Enter and Ctrl+Enter send, Shift+Enter breaks the line, Tab leaves."""

    submitted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Question")
        self.setPlaceholderText("Ask a question (Enter sends, Shift+Enter breaks the line)")
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.textChanged.connect(self._fit)
        self._fit()

    def take_back(self, text: str) -> None:
        """Hold a text again that was sent and not taken, with the cursor behind it."""
        self.setPlainText(text)
        self.moveCursor(QTextCursor.MoveOperation.End)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Send, or break the line, on Enter."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.insertPlainText("\n")
            self.ensureCursorVisible()
        else:
            self.submitted.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take the height that the text needs at this width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def minimumSizeHint(self) -> QSize:
        """Return little: the page gives the rest."""
        return QSize(80, 40)

    def _fit(self) -> None:
        lines = min(max(self.document().size().height(), _LEAST_LINES), _MOST_LINES)
        self.setFixedHeight(math.ceil(lines * self.fontMetrics().lineSpacing()) + _PADDING)
