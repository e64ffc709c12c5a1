"""An alert as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import words

if TYPE_CHECKING:
    from app.domain.alerts import Alert

TITLE_LENGTH = 200
"""UTF-16 units of a title."""


def title_of(alert: Alert) -> str:
    """Return the title as one line that can be encoded."""
    return words.clip(words.one_line(_encodable(alert.title)), TITLE_LENGTH)


def body_of(alert: Alert) -> str:
    """Return the body with nothing in it but what is printed, and line ends."""
    lines = _encodable(alert.body).splitlines()
    return "\n".join("".join(sign if sign.isprintable() else " " for sign in line).rstrip() for line in lines).strip()


def mark_of(alert: Alert) -> str:
    """Return the line by which a person knows one that came twice for the same."""
    return f"(alert {alert.id[:8]})" if alert.id else ""


def text_of(alert: Alert, limit: int) -> str:
    """Return title, body and mark in at most `limit` UTF-16 units; of more, the body loses its end."""
    title, body, mark = title_of(alert), body_of(alert), mark_of(alert)
    if not mark:
        return words.clip("\n\n".join(filter(None, (title, body))), limit)
    whole = words.clip("\n\n".join(filter(None, (title, body))), limit - len(mark) - 2)
    return f"{whole}\n\n{mark}"


def _encodable(text: str) -> str:
    """Return the text without halves of UTF-16 pairs, which a file's name may hold and no encoding takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
