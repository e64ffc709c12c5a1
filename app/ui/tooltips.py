"""Foreign text, a test's name or a path, where Qt or a desktop would take it for markup."""

from __future__ import annotations

import html

from PySide6.QtGui import Qt


def plain_tooltip(text: str) -> str:
    """Return a text as a tooltip that is shown to the letter.

    Qt shows a tooltip as rich text as soon as it looks like that, and would load the pictures that it names.
    """
    if not Qt.mightBeRichText(text):
        return text
    return f'<p style="white-space: pre-wrap">{html.escape(text, quote=False)}</p>'


def without_markup(text: str) -> str:
    """Return a text in which nothing begins markup, for a desktop of which nobody knows whether it reads any.

    Escaping would be seen where none is read, so that the sign itself gives way to one that looks like it.
    """
    return text.replace("<", "\u2039")
