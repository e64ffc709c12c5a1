"""The part of a test's details that says why it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui.detail_view import why_in_full, why_lines, why_title
from app.ui.parts import label, set_text
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from app.domain.history import Why


class WhyPart(QWidget):
    """Where a test stood in the last run, and the strongest reasons; all of them, and the files, in the tooltip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = label("", "section")
        self._text = label("", wraps=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 4)
        box.setSpacing(4)
        box.addWidget(self._title)
        box.addWidget(self._text)
        self.hide()

    def show_why(self, why: Why | None) -> None:
        """Show why a test ran; without that there is nothing to see."""
        self.setVisible(why is not None)
        if why is None:
            return
        text = "\n".join(why_lines(why))
        set_text(self._title, why_title(why))
        set_text(self._text, text)
        self._text.setToolTip(plain_tooltip(why_in_full(why)))
        self.setAccessibleName(f"{why_title(why)}: {text}")
