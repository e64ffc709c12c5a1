"""What was asked and answered, as text that grows at its end."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QTextCharFormat, QTextCursor, QTextOption
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from app.domain.modelwords import STOPPED
from app.ui.explain_view import visible

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from app.ui.theme import Theme

FENCE = "```"
BETWEEN = "\n\n"
"""What stands between an answer and the next question."""
_NEAR_END = 4
"""Lines from the end that still count as being there."""


class Ink(StrEnum):
    """How a piece of text is set."""

    QUESTIONER = "questioner"
    ANSWERER = "answerer"
    TEXT = "text"
    CODE = "code"
    FENCE = "fence"
    NOTE = "note"
    TROUBLE = "trouble"


class Transcript(QPlainTextEdit):
    """Questions and answers, one after the other. All of it is plain text: no markup of a model is ever followed.

    It stays at its end only while a person is there, so that nobody is torn away from what they read.
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._pieces: list[tuple[Ink, str]] = []
        self._line = ""
        self._in_code = False
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setAccessibleName("Conversation")
        self.setTabChangesFocus(True)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said yet."""
        return not self._pieces

    @property
    def is_at_end(self) -> bool:
        """Whether the newest line is in sight."""
        bar = self.verticalScrollBar()
        return bar.value() >= bar.maximum() - _NEAR_END

    def forget(self) -> None:
        """Begin anew, with nothing."""
        self._pieces = []
        self._begin()

    def note(self, text: str) -> None:
        """Add a remark of the page's own, before what was said."""
        self._say(Ink.NOTE, text)

    def question(self, text: str, when: str) -> None:
        """Add a question, and go to the end: it was just asked.

        Args:
            text: What was asked.
            when: The time of it, in words.
        """
        self._say(Ink.QUESTIONER, f"{BETWEEN if self._pieces else ''}You, {when}\n")
        self._add_text(f"{visible(text)}\n")
        self._end_line()
        self.go_to_end()

    def answerer(self, who: str) -> None:
        """Add who answers, above an answer."""
        self._say(Ink.ANSWERER, f"\n{who}\n")
        self._end_line()

    def answer(self, text: str) -> None:
        """Add what came of an answer. Lines between fences are set as code."""
        shown = visible(text.replace("\r", ""))
        if shown:
            stays = not self.is_at_end
            self._add_text(shown)
            if not stays:
                self.go_to_end()

    def end_answer(self, note: str, trouble: str = "") -> None:
        """Add what an answer took, and why it is not whole."""
        was_at_end = self.is_at_end
        self._end_line()
        for ink, text in ((Ink.NOTE if trouble == STOPPED else Ink.TROUBLE, trouble), (Ink.NOTE, note)):
            if text:
                self._say(ink, f"\n{visible(text)}")
        if was_at_end:
            self.go_to_end()

    def go_to_end(self) -> None:
        """Bring the newest line into sight."""
        bar = self.verticalScrollBar()
        bar.setValue(bar.maximum())

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme: all is written anew."""
        if theme is self._theme and self._pieces:
            return
        self._theme = theme
        place, was_at_end, pieces = self.verticalScrollBar().value(), self.is_at_end, self._pieces
        self._begin()
        for ink, text in pieces:
            if ink is Ink.TEXT:
                self._write_text(text)
            else:
                self._end_line()
                self._write(ink, text)
        self._pieces = pieces
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum() if was_at_end else place)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stay at the end where a person was there."""
        was_at_end = self.is_at_end
        super().resizeEvent(event)
        if was_at_end:
            self.go_to_end()

    def _begin(self) -> None:
        self._line, self._in_code = "", False
        self.clear()

    def _end_line(self) -> None:
        """What follows is no part of an answer's code, even if that was never closed."""
        self._line, self._in_code = "", False

    def _say(self, ink: Ink, text: str) -> None:
        self._pieces.append((ink, text))
        self._write(ink, text)

    def _add_text(self, text: str) -> None:
        self._pieces.append((Ink.TEXT, text))
        self._write_text(text)

    def _write_text(self, text: str) -> None:
        """Write text whose lines may come in pieces: a fence is known at its third sign, and counts from the next line.

        What stands of a fence's line already is then set anew.
        """
        runs: list[tuple[Ink, str]] = []
        for piece in text.splitlines(keepends=True):
            before = self._line
            self._line += piece
            is_fence = _is_fence(self._line)
            if is_fence and before and not _is_fence(before):
                self._set_anew(len(before), Ink.FENCE)
            ink = Ink.FENCE if is_fence else Ink.CODE if self._in_code else Ink.TEXT
            if runs and runs[-1][0] is ink:
                runs[-1] = (ink, runs[-1][1] + piece)
            else:
                runs.append((ink, piece))
            if piece.endswith("\n"):
                self._in_code ^= is_fence
                self._line = ""
        cursor = self._cursor()
        cursor.beginEditBlock()
        for ink, run in runs:
            cursor.insertText(run, self._format(ink))
        cursor.endEditBlock()

    def _set_anew(self, length: int, ink: Ink) -> None:
        """Set the last signs in another ink."""
        cursor = self._cursor()
        cursor.movePosition(QTextCursor.MoveOperation.Left, QTextCursor.MoveMode.KeepAnchor, length)
        cursor.setCharFormat(self._format(ink))

    def _write(self, ink: Ink, text: str) -> None:
        self._cursor().insertText(text, self._format(ink))

    def _cursor(self) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        return cursor

    def _format(self, ink: Ink) -> QTextCharFormat:
        theme = self._theme
        color = {
            Ink.QUESTIONER: theme.accent,
            Ink.ANSWERER: theme.green,
            Ink.FENCE: theme.muted,
            Ink.NOTE: theme.muted,
            Ink.TROUBLE: theme.amber,
        }.get(ink, theme.text)
        made = QTextCharFormat()
        made.setForeground(QColor(color))
        if ink in (Ink.CODE, Ink.FENCE):
            made.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        elif ink in (Ink.QUESTIONER, Ink.ANSWERER):
            made.setFontWeight(QFont.Weight.DemiBold)
        return made


def _is_fence(line: str) -> bool:
    return line.lstrip().startswith(FENCE)
