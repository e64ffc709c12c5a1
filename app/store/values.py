"""Values as every database takes them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

LEFT_OUT = "[A line that is too long to be kept was left out.]"

_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY[^\n]*\n?")


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insertion that knows what to do about a conflict."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def storable(text: str) -> str:
    """Return the text as every database takes it: PostgreSQL refuses NUL, and UTF-8 has no lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def finite(number: float) -> float:
    """Return the number, or 0 for one that is none or has no end."""
    return number if math.isfinite(number) else 0.0


def ending(text: str, cap: int) -> str:
    """Return the last lines of a text, whole ones alone.

    What takes secrets out of it later knows them whole: the rest of a line, or of a private key, would pass.

    Args:
        text: Any text.
        cap: How many characters may stay; of a last line that is longer, `LEFT_OUT` is told.
    """
    if len(text) <= cap:
        return text
    start = text.find("\n", len(text) - cap - 1) + 1  # where a line begins with the first kept character, all stay
    kept = text[start:] if start else ""
    key_end = _KEY_END.search(kept)
    if key_end is not None and _KEY_BEGIN.search(kept, 0, key_end.start()) is None:
        kept = kept[key_end.end() :]
    return kept if kept.strip() else LEFT_OUT
