"""What would be sent to a model, to the letter, before anything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QDialog, QPlainTextEdit, QVBoxLayout, QWidget

from app.ui.explain_view import TAKEN_OUT, consent_text, prompt_head, prompt_sections, prompt_text, visible
from app.ui.parts import button, label, row
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.domain.analysis import PromptPreview

_SIZE = (620, 440)


class PromptDialog(QDialog):
    """A window over the window: to whom, how much, of what, and the messages themselves. Show it with open().

    Args:
        preview: What would be sent.
        parent: The window that it lies over.
    """

    def __init__(self, preview: PromptPreview, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("content")  # the style's ground: a window of its own inherits none
        self.setPalette(parent.palette())
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle("What is sent")
        self.resize(*_SIZE)
        self._text = QPlainTextEdit()
        self._text.setReadOnly(True)
        self._text.setAccessibleName("Messages that would be sent")
        self._text.setTabChangesFocus(True)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.setPlainText(visible(prompt_text(preview)))
        self._copy = button("Copy", tooltip="Copy the messages to the clipboard")
        self._copy.clicked.connect(self._copy_text)
        self._close = button("Close", "primary")
        self._close.setDefault(True)
        self._close.clicked.connect(self.accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        box.setSpacing(SPACE)
        box.addWidget(label(prompt_head(preview), "strong", wraps=True))
        consent = f"{consent_text(preview.needs_consent)} {TAKEN_OUT}" if preview.needs_consent else ""
        for text in (prompt_sections(preview), consent):
            if text:
                box.addWidget(label(text, "muted", wraps=True))
        box.addWidget(self._text, 1)
        box.addLayout(row(1, self._copy, self._close))

    @Slot()
    def _copy_text(self) -> None:
        QGuiApplication.clipboard().setText(self._text.toPlainText())
