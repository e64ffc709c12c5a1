"""How the pieces of an answer look in a document. Each is put into it as plain text, and never as markup."""

from __future__ import annotations

from PySide6.QtGui import QFont, QFontDatabase, QTextCharFormat

from app.ui.markdown import Mark


def format_of(mark: Mark) -> QTextCharFormat:
    """Return the format of a piece; colours are its document's."""
    made = QTextCharFormat()
    if mark & (Mark.CODE | Mark.NOTE):
        made.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    if mark & Mark.BOLD:
        made.setFontWeight(QFont.Weight.DemiBold)
    if mark & Mark.ITALIC:
        made.setFontItalic(True)
    return made
