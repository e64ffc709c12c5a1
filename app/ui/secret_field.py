"""A field for what must not be read over a shoulder: shown only while its eye is held, and emptied without a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

if TYPE_CHECKING:
    from PySide6.QtGui import QHideEvent

    from app.ui.theme import Theme

LONGEST = 64 * 1024
"""Characters: Qt cuts off at 32,767 without a word, and the vault takes 64 KiB."""
_EYE = 18


class SecretField(QWidget):
    """A line to type or paste a secret into.

    Args:
        name: What it is for, to screen readers; its value is never among what they are told.
        hint: What stands in it while it is empty.
        eye: What its eye does, as a tooltip and to screen readers; in English where it is not said.
    """

    submitted = Signal()
    """Enter was pressed in it."""
    edited = Signal()
    """What is in it changed."""

    def __init__(
        self, name: str, hint: str = "", parent: QWidget | None = None, *, eye: tuple[str, str] | None = None
    ) -> None:
        super().__init__(parent)
        self._line = QLineEdit()
        self._line.setEchoMode(QLineEdit.EchoMode.Password)
        self._line.setInputMethodHints(
            Qt.InputMethodHint.ImhHiddenText
            | Qt.InputMethodHint.ImhSensitiveData
            | Qt.InputMethodHint.ImhNoPredictiveText
            | Qt.InputMethodHint.ImhNoAutoUppercase
        )
        self._line.setMaxLength(LONGEST)
        self._line.setAccessibleName(name)
        self._line.setPlaceholderText(hint)
        self._line.setDragEnabled(False)
        self._line.returnPressed.connect(self.submitted)
        self._line.textChanged.connect(lambda _text: self.edited.emit())
        self._eye = QPushButton()
        self._eye.setObjectName("segment")
        self._eye.setProperty("edge", "right")
        self._eye.setAutoDefault(False)
        self._eye.setIconSize(QSize(_EYE, _EYE))
        tip, spoken = eye or ("Hold to see what was typed", f"Hold to show: {name}")
        self._eye.setToolTip(tip)
        self._eye.setAccessibleName(spoken)
        self._eye.pressed.connect(self._reveal)
        self._eye.released.connect(self._conceal)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(self._line, 1)
        box.addWidget(self._eye)
        self.setFocusProxy(self._line)

    @property
    def is_empty(self) -> bool:
        """True while nothing is in it."""
        return not self._line.text()

    def set_hint(self, hint: str) -> None:
        """Show these words in it while it is empty."""
        self._line.setPlaceholderText(hint)

    def take(self) -> str:
        """Return what was typed, without a line's end at its end, and empty the field."""
        typed = self._line.text().rstrip("\r\n")
        self.wipe()
        return typed

    def wipe(self) -> None:
        """Empty the field, and what could be undone with it."""
        self._conceal()
        self._line.setText("")  # clear() could be undone; this forgets the history

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._eye.setIcon(_eye_icon(theme.muted, self.devicePixelRatioF()))

    def hideEvent(self, event: QHideEvent) -> None:
        """Keep nothing that nobody looks at."""
        super().hideEvent(event)
        if not event.spontaneous():
            self.wipe()

    @Slot()
    def _reveal(self) -> None:
        self._line.deselect()  # X11 would take a selection in clear text for its own clipboard
        self._line.setEchoMode(QLineEdit.EchoMode.Normal)

    @Slot()
    def _conceal(self) -> None:
        self._line.deselect()
        self._line.setEchoMode(QLineEdit.EchoMode.Password)


def _eye_icon(color: str, ratio: float) -> QIcon:
    pixmap = QPixmap(round(_EYE * ratio), round(_EYE * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(color), 1.6))
    middle = _EYE / 2
    lids = QPainterPath(QPointF(1.5, middle))
    lids.quadTo(QPointF(middle, 0.5), QPointF(_EYE - 1.5, middle))
    lids.quadTo(QPointF(middle, _EYE - 0.5), QPointF(1.5, middle))
    painter.drawPath(lids)
    painter.setBrush(QColor(color))
    painter.drawEllipse(QRectF(middle - 2.2, middle - 2.2, 4.4, 4.4))
    painter.end()
    return QIcon(pixmap)
