"""What was asked and answered, as text that grows at its end."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QTextCharFormat, QTextCursor, QTextOption
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from app.domain.modelwords import STOPPED
from app.ui.explain_view import visible
from app.ui.markdown import LONGEST_LINE, Line, Mark, Run, joined, read_line
from app.ui.markdown_format import format_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtGui import QResizeEvent

    from app.ui.theme import Theme

BETWEEN = "\n\n"
"""What stands between an answer and the next question."""
_NEAR_END = 4
"""Lines from the end that still count as being there."""


class Ink(StrEnum):
    """How a piece of text is set."""

    QUESTIONER = "questioner"
    ANSWERER = "answerer"
    TEXT = "text"
    NOTE = "note"
    TROUBLE = "trouble"


class Transcript(QPlainTextEdit):
    """Questions and answers, one after the other. No link or picture of a model is ever followed, no HTML read.

    It stays at its end only while a person is there, so that nobody is torn away from what they read.
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._pieces: list[tuple[Ink, str]] = []
        self._line = ""
        """What has come of the last line, as it was written."""
        self._line_at: int | None = None
        """Where that stands in the document; None before its first sign."""
        self._fence = 0
        self._formats: dict[Mark, QTextCharFormat] = {}
        """Those of the theme: to make one for each piece would take most of the time."""
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
        """Add what came of an answer. The Markdown in it is set as it is meant."""
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
        self.clear()
        self._formats.clear()
        self._end_line()

    def _end_line(self) -> None:
        """What follows is no part of an answer's line or code, even if that was never closed."""
        self._line, self._fence, self._line_at = "", 0, None

    def _say(self, ink: Ink, text: str) -> None:
        self._pieces.append((ink, text))
        self._write(ink, text)
        self._end_line()

    def _add_text(self, text: str) -> None:
        self._pieces.append((Ink.TEXT, text))
        self._write_text(text)

    def _write_text(self, text: str) -> None:
        """Write text whose lines may come in pieces: how a line is set is known for sure when it has ended.

        What stands of it already is then set anew, so that the same text looks the same however it was cut.
        """
        cursor = self._cursor()
        cursor.beginEditBlock()
        *ended, last = text.split("\n")
        runs: list[Run] = []
        for piece in ended:
            line = self._take(piece, cursor)
            runs += (*line.runs, Run("\n")) if line.is_shown else ()
            self._line, self._line_at, self._fence = "", None, line.fence
        self._insert(runs, cursor)
        if last:
            self._insert(self._take(last, cursor).runs, cursor)
        cursor.endEditBlock()

    def _take(self, piece: str, cursor: QTextCursor) -> Line:
        """Return how a line is set, or the rest of one that is read no longer; what is set anew is taken away."""
        before, self._line = self._line, self._line + piece
        if len(before) >= LONGEST_LINE:
            return Line((Run(piece, Mark.CODE if self._fence else Mark.NONE),), is_shown=True, fence=self._fence)
        if self._line_at is None:
            self._line_at = cursor.position()
        if before:
            cursor.setPosition(self._line_at)
            cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
        return read_line(self._line, self._fence)

    def _insert(self, runs: Iterable[Run], cursor: QTextCursor) -> None:
        for run in joined(runs):
            if run.mark not in self._formats:
                self._formats[run.mark] = self._format_of(run.mark)
            cursor.insertText(run.text, self._formats[run.mark])

    def _write(self, ink: Ink, text: str) -> None:
        self._cursor().insertText(text, self._format(ink))

    def _cursor(self) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        return cursor

    def _format_of(self, mark: Mark) -> QTextCharFormat:
        made = format_of(mark)
        made.setForeground(QColor(self._theme.muted if mark & Mark.NOTE else self._theme.text))
        return made

    def _format(self, ink: Ink) -> QTextCharFormat:
        theme = self._theme
        color = {
            Ink.QUESTIONER: theme.accent,
            Ink.ANSWERER: theme.green,
            Ink.NOTE: theme.muted,
            Ink.TROUBLE: theme.amber,
        }.get(ink, theme.text)
        made = QTextCharFormat()
        made.setForeground(QColor(color))
        if ink in (Ink.QUESTIONER, Ink.ANSWERER):
            made.setFontWeight(QFont.Weight.DemiBold)
        return made
