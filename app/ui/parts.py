"""Building blocks that the pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.theme import SPACE
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from app.domain.snapshot import Snapshot
    from app.ui.theme import Theme


class Page(QWidget):
    """One page of the window; it is rendered only while it is seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def render_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""

    def tick(self) -> None:
        """Bring ages up to date; called once a second while the page is seen."""

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""

    def focus_search(self) -> bool:
        """Put the cursor into the page's search field; False when it has none."""
        return False


class Card(QFrame):
    """A frame around things that belong together, with its name above them where it has one."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(2 * SPACE, 2 * SPACE - 2, 2 * SPACE, 2 * SPACE - 2)
        self.body.setSpacing(SPACE)
        self.heading: QLabel | None = None
        if title:
            self.heading = label(title, "section")
            self.body.addWidget(self.heading)
            self.setAccessibleName(title)


class ElidedLabel(QLabel):
    """A label that leaves out a part when there is no room, its middle by default; the whole text is its tooltip."""

    def __init__(self, mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._mode = mode
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """Return a height only: the width is whatever is left."""
        return QSize(0, super().minimumSizeHint().height())

    def setText(self, text: str) -> None:
        """Show a text, and tell all of it in the tooltip."""
        if text != self.text():
            super().setText(text)
            self.setToolTip(plain_tooltip(text))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as much of the text as fits."""
        del event
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        text = QFontMetrics(self.font()).elidedText(self.text(), self._mode, self.width())
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)
        painter.end()


class Strip(QFrame):
    """A line that says something out of the ordinary and what to do about it; `kind` is `notice` or `error`."""

    def __init__(self, kind: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(kind)
        row = QVBoxLayout(self)
        row.setContentsMargins(SPACE + 4, SPACE, SPACE + 4, SPACE)
        row.setSpacing(2)
        self._text = label("", "strong", wraps=True)
        self._hint = label("", "muted", wraps=True)
        row.addWidget(self._text)
        row.addWidget(self._hint)

    def say(self, text: str, hint: str) -> None:
        """Show what happened, and below it what to do."""
        set_text(self._text, text)
        set_text(self._hint, hint)
        self._hint.setVisible(bool(hint))
        self.setAccessibleName(f"{text} {hint}".strip())


def label(text: str, name: str = "", *, wraps: bool = False) -> QLabel:
    """Return a plain-text label of this style (`title`, `section`, `muted`, ...)."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setObjectName(name)
    made.setWordWrap(wraps)
    return made


def focus_of(widget: QWidget) -> QWidget | None:
    """Return what has the focus in a widget's window, whether that is in front or not."""
    return widget.window().focusWidget()


def set_text(widget: QLabel | QPushButton, text: str) -> None:
    """Change a widget's text only where it differs, so that nothing is laid out anew for nothing."""
    if widget.text() != text:
        widget.setText(text)


def button(text: str, name: str = "", tooltip: str = "") -> QPushButton:
    """Return a button of this style (`primary`, `link`, or the plain one), reachable by the keyboard."""
    made = QPushButton(text)
    made.setObjectName(name)
    made.setAutoDefault(False)
    made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    made.setIconSize(QSize(20, 16))  # Qt leaves no room between an icon and the text beside it
    if tooltip:
        made.setToolTip(tooltip)
    return made


class CheckBox(QCheckBox):
    """A check box in the theme's colours: the tick of Qt's own styles cannot be seen in dark ones."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the box as the style sheet says, and the tick over it."""
        super().paintEvent(event)
        if not self.isChecked():
            return
        option = QStyleOptionButton()
        self.initStyleOption(option)
        box = QRectF(self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # A widget that a style sheet touches does not take on its window's palette.
        painter.setPen(QPen(self.window().palette().brightText(), box.height() / 8))
        places = ((0.24, 0.53), (0.43, 0.71), (0.77, 0.31))
        painter.drawPolyline([QPointF(box.x() + x * box.width(), box.y() + y * box.height()) for x, y in places])
        painter.end()


def row(*items: QWidget | int, spacing: int = SPACE) -> QHBoxLayout:
    """Return a row of widgets; a number stands for room that stretches by it."""
    made = QHBoxLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    for item in items:
        if isinstance(item, int):
            made.addStretch(item)
        else:
            made.addWidget(item)
    return made


def fill_scrolling(page: QWidget, content: QWidget) -> None:
    """Fill a page that has no layout yet with one widget, which scrolls up and down where the page is too low."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(content)
    box = QVBoxLayout(page)
    box.setContentsMargins(0, 0, 0, 0)
    box.addWidget(area)
