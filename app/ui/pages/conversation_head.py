"""The upper edge of the Conversation page: what is talked about, and why no model can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui.conversation_view import set_up
from app.ui.parts import ElidedLabel, Strip, button, row
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.domain.analysis import AnalysisView


class ConversationHead(QWidget):
    """A heading, a button to export what was said, and where models are not set up a strip that says so."""

    export_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = ElidedLabel(Qt.TextElideMode.ElideRight)
        self._title.setObjectName("heading")
        self._export = button("Export\u2026", tooltip="Write this conversation to a Markdown file")
        self._export.setAccessibleName("Export the conversation")
        self._export.clicked.connect(self.export_wanted)
        self._setup = Strip("notice")
        head = row(self._title, self._export)
        head.setStretch(0, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        box.addLayout(head)
        box.addWidget(self._setup)

    def show_head(self, heading: str, analysis: AnalysisView | None, *, can_export: bool) -> None:
        """Show what is talked about.

        Args:
            heading: The title of the conversation.
            analysis: Whether a model can be asked; None while that is not known.
            can_export: Whether there is a conversation that is kept.
        """
        self._title.setText(heading)
        self._export.setVisible(can_export)
        reason, hint = set_up(analysis) if analysis is not None else ("", "")
        self._setup.setVisible(bool(reason))
        if reason:
            self._setup.say(reason, hint)
