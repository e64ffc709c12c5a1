"""Finds what a program left of a secret when it shortened a text: `'Zz9Yy8Xx7Ww...'`, or where a text was cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.engine.redaction import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SHORTEST = 8
"""Characters of a half: a shorter one tells nothing."""
_LONGEST = 1024
_NOTHING = re.compile(r"[a-z][a-z0-9+.\-]*:/{1,2}[\w.\-]*|[^\W\d_]+|\W+")
"""What the beginnings and ends of many texts look like."""
_DOTS = re.compile(r"\.{3,100}|\u2026")


class Halves:
    """Knows the beginnings and ends of values.

    Args:
        values: The secrets.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._values = [value[:_LONGEST] for value in values if len(value) > SHORTEST]
        self._by_part: dict[str, list[int]] | None = None

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Return where halves stand in a text, in order: at its start and end, and beside three dots."""
        done = 0
        for before, after in self._gaps(text):
            for start, end in (self._ending_at(text, before), self._starting_at(text, after)):
                if end > start >= done and not _NOTHING.fullmatch(text, start, end):
                    yield start, end
                    done = end

    def _gaps(self, text: str) -> Iterator[tuple[int, int]]:
        if not self._values:
            return
        yield 0, 0
        for found in matches(_DOTS, text):
            yield found.span()
        yield len(text), len(text)

    def _ending_at(self, text: str, at: int) -> tuple[int, int]:
        """Return where a value's beginning stands that ends at a place."""
        part = text[max(0, at - SHORTEST) : at]
        longest = 0
        for number in self._with(part):
            value = self._values[number]
            length = value.find(part) + SHORTEST
            while length >= SHORTEST:
                if length < len(value) and text.endswith(value[:length], 0, at):
                    longest = max(longest, length)
                found = value.find(part, length - SHORTEST + 1)
                length = found + SHORTEST if found >= 0 else 0
        return at - longest, at

    def _starting_at(self, text: str, at: int) -> tuple[int, int]:
        """Return where a value's end stands that starts at a place."""
        part = text[at : at + SHORTEST]
        longest = 0
        for number in self._with(part):
            value = self._values[number]
            begins = value.find(part)
            while begins >= 0:
                if begins and text.startswith(value[begins:], at):
                    longest = max(longest, len(value) - begins)
                begins = value.find(part, begins + 1)
        return at, at + longest

    def _with(self, part: str) -> Sequence[int]:
        """Return the numbers of the values in which a part stands."""
        if len(part) < SHORTEST:
            return ()
        if self._by_part is None:
            self._by_part = {}
            for number, value in enumerate(self._values):
                for at in range(len(value) - SHORTEST + 1):
                    known = self._by_part.setdefault(value[at : at + SHORTEST], [])
                    if not known or known[-1] != number:
                        known.append(number)
        return self._by_part.get(part, ())
