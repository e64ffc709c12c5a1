"""Pieces of the explanation: text of any origin that is shown as it stands, and places that can be copied."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QFontDatabase, QFontMetrics, QTextCursor, QTextOption
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.ui.markdown import read_text
from app.ui.markdown_format import format_of
from app.ui.parts import ElidedLabel, button, label, row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QResizeEvent

    from app.ui.explain_view import Place

_LEAST_SCROLLED = 48
_FLOW_STYLE = """
QPlainTextEdit { background: transparent; border: 1px solid transparent; border-radius: 4px; padding: 0; }
QPlainTextEdit:focus { border: 1px solid palette(link); }
"""


class FlowText(QPlainTextEdit):
    """Text to read, select and copy that takes the height it needs, and is never wider than its room.

    It is set piece by piece: nothing in it is ever read as HTML, and no link or picture of it is followed.

    Args:
        name: What a screen reader calls it.
        most_lines: From so many lines on it scrolls.
        is_code: Whether it is monospaced, framed and not wrapped.
        is_marked: Whether the Markdown that models write is set as it is meant.
    """

    def __init__(
        self,
        name: str,
        *,
        most_lines: int = 14,
        is_code: bool = False,
        is_marked: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._text = ""
        self._most_lines = most_lines
        self._is_code = is_code
        self._is_marked = is_marked
        self.setReadOnly(True)
        self.setAccessibleName(name)
        self.setTabChangesFocus(True)
        self.setUndoRedoEnabled(False)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        if is_code:
            self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
            self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        else:
            self.setStyleSheet(_FLOW_STYLE)
            self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
            self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.document().setDocumentMargin(1)

    def show_text(self, text: str) -> None:
        """Show a text; without one there is nothing to see."""
        self.setVisible(bool(text))
        if text != self._text:  # Qt gives a text back with other spaces than it was given
            self._text = text
            if self._is_marked:
                self._set_marked(text)
            else:
                self.setPlainText(text)
            self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take the height that the text needs at this width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def _set_marked(self, text: str) -> None:
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for run in read_text(text):
            cursor.insertText(run.text, format_of(run.mark))
        cursor.endEditBlock()

    def _fit(self) -> None:
        # QPlainTextDocumentLayout measures a document's height in lines.
        lines = max(self.document().size().height(), 1.0)
        self.setVerticalScrollBarPolicy(
            Qt.ScrollBarPolicy.ScrollBarAsNeeded if lines > self._most_lines else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        frame = self.height() - self.viewport().height() if self.isVisible() else 2
        bar = self.horizontalScrollBar().sizeHint().height() if self._is_code else 0
        if self._is_code:
            frame = 14 + bar
        line = self.fontMetrics().lineSpacing()
        if self._is_marked:
            line = max(line, QFontMetrics(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)).lineSpacing())
        height = min(lines, self._most_lines) * line
        self.setFixedHeight(math.ceil(height + 2 * self.document().documentMargin() + frame))


class Sides(QWidget):
    """Buttons of which one is pressed: which side of something is looked at.

    Args:
        sides: For each side its name, where its button stands (`left`, `middle` or `right`), and a tooltip.
    """

    chosen = Signal()

    def __init__(self, sides: Sequence[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choice = QButtonGroup(self)
        line = row(spacing=0)
        for place, (text, edge, tooltip) in enumerate(sides):
            each = button(text, "segment", tooltip)
            each.setCheckable(True)
            each.setChecked(place == 0)
            each.setProperty("edge", edge)
            self._choice.addButton(each, place)
            line.addWidget(each)
        line.addStretch(1)
        self.setLayout(line)
        self._choice.idClicked.connect(lambda _side: self.chosen.emit())

    @property
    def side(self) -> int:
        """Which side is looked at, from 0 on."""
        return self._choice.checkedId()


class FittingScroll(QScrollArea):
    """Takes the height of what it holds, where there is that much, and scrolls where there is not.

    Args:
        name: What a screen reader calls it.
        inside: What it holds.
    """

    def __init__(self, name: str, inside: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._inside = inside
        self.setAccessibleName(name)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        inside.setObjectName("clear")
        inside.setStyleSheet("#clear { background: transparent; }")
        self.setWidget(inside)
        self.viewport().setAutoFillBackground(False)

    def sizeHint(self) -> QSize:
        """Return the height of what it holds, at the width that it has."""
        inside = self._inside
        height = inside.heightForWidth(self.viewport().width()) if inside.hasHeightForWidth() else -1
        return QSize(0, height if height >= 0 else inside.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return so much that a line or two can be seen."""
        return QSize(0, min(self.sizeHint().height(), _LEAST_SCROLLED))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for another height at another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask for another height when what it holds needs one."""
        if watched is self._inside and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class PlaceList(QWidget):
    """Places in the source, each as a button that copies `path:line`, its line of source, and why it counts.

    Args:
        title: What stands above them.
        is_marked: Whether a model says why they count, and may have written that as Markdown.
    """

    copied = Signal(str)
    """The place that was asked for."""

    def __init__(self, title: str, *, is_marked: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._is_marked = is_marked
        self._places: tuple[Place, ...] = ()
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(1)
        self._made: list[QWidget] = []
        self.hide()

    def show_places(self, places: tuple[Place, ...]) -> None:
        """Show these; without any there is nothing to see."""
        self.setVisible(bool(places))
        if places == self._places:
            return
        self._places = places
        for old in self._made:
            self._box.removeWidget(old)
            old.setParent(None)
            old.deleteLater()
        self._made = [label(self._title, "section")]
        for each in places:
            self._made += self._lines_of(each)
        for widget in self._made:
            self._box.addWidget(widget)

    def _lines_of(self, place: Place) -> list[QWidget]:
        made: list[QWidget] = [self._button_of(place)]
        if place.source:
            source = ElidedLabel(Qt.TextElideMode.ElideRight)
            source.setObjectName("muted")
            source.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
            source.setText(place.source)
            made.append(source)
        if place.why:
            why = FlowText(f"Why {place.where}", is_marked=self._is_marked)
            why.show_text(place.why)
            made.append(why)
        return made

    def _button_of(self, place: Place) -> QPushButton:
        made = button(place.where.replace("&", "&&"), "link", "Copy this place to the clipboard")
        made.setAccessibleName(f"Copy {place.where}")
        made.setStyleSheet("text-align: left; padding-left: 0;")
        made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        made.clicked.connect(lambda _checked=False, where=place.where: self.copied.emit(where))
        return made
