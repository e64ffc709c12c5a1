"""Reads the text form of gettext's message catalogues (PO files, GNU gettext manual, "The Format of PO Files").

As far as ours go: msgid, msgid_plural, msgstr, comments and flags; no contexts, and no obsolete entries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATEMENT = re.compile(r'(?:(msgid|msgid_plural|msgstr)(?:\[(\d)\])?\s+)?"(.*)"')
_ESCAPED = re.compile(r"\\(.)")
_MEANS = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


class BadCatalogueError(ValueError):
    """A line is none that a catalogue of ours has; says which."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One text and its translation.

    Attributes:
        text: The English text; that for one where there are two.
        many: The English text for several; empty for a text that counts nothing.
        said: The translation, or one for each of the language's plural forms; empty texts where there is none yet.
    """

    text: str
    many: str
    said: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    parts: dict[tuple[str, int], str] = field(default_factory=dict)
    is_fuzzy: bool = False

    def entry(self) -> Entry:
        forms = sorted(place for kind, place in self.parts if kind == "msgstr")
        said = tuple("" if self.is_fuzzy else self.parts["msgstr", place] for place in forms)
        return Entry(self.parts["msgid", 0], self.parts.get(("msgid_plural", 0), ""), said)


def read(text: str) -> tuple[Entry, ...]:
    """Return the entries of a catalogue, its header (the entry of the empty text) first.

    A translation that is marked as fuzzy, so that somebody has to look at it, is none.

    Raises:
        BadCatalogueError: A line is not understood.
    """
    return tuple(_entries(text))


def _entries(text: str) -> Iterator[Entry]:
    draft, last = _Draft(), ("", 0)
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()  # noqa: PLW2901 - nobody wants the blanks
        if line.startswith("#") or not line:
            if ("msgstr", 0) in draft.parts:
                yield draft.entry()
                draft = _Draft()
            draft.is_fuzzy = draft.is_fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        found = _STATEMENT.fullmatch(line)
        if found is None:
            raise BadCatalogueError(f"line {number} is not understood: {line}")
        kind, place, quoted = found.groups()
        if kind == "msgid" and ("msgstr", 0) in draft.parts:
            yield draft.entry()
            draft = _Draft()
        if kind:
            last = (kind, int(place or 0))
            draft.parts[last] = ""
        elif last not in draft.parts:
            raise BadCatalogueError(f"line {number} belongs to nothing: {line}")
        draft.parts[last] += _ESCAPED.sub(lambda escaped: _MEANS.get(escaped[1], escaped[0]), quoted)
    if ("msgstr", 0) in draft.parts:
        yield draft.entry()
