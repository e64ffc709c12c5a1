"""The Markdown that models write, as pieces of plain text and how each is set. Pure.

It is a small part of Markdown: headings, lists, fenced and inline code, bold and italics. The rest stays as it was
written, to the letter: links, pictures and HTML are text, and underscores too, since `__init__` is a name here. What is
read costs time in proportion to its length, whatever stands in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_LINE: Final = 4_000
"""Characters of a line that marks are looked for in; what follows is set as it is."""
_FENCE = re.compile(r"\s*(`{3,})([^`]*)$")
_HEADING = re.compile(r" {0,3}#{1,6} +(?=\S)")
_ITEM = re.compile(r"([ \t]*)[-*] {1,3}(?=\S)")
_TICKS = re.compile(r"`+")
_STARS = re.compile(r"\*+")
_MOST_STARS = 3
_BEFORE = frozenset("([{\"'`\u201c\u2018\u2014-*")
_AFTER = frozenset(")]}\"'`\u201d\u2019\u2014-.,;:!?\u2026*")


class Mark(Flag):
    """How a piece of text is set."""

    NONE = 0
    BOLD = auto()
    ITALIC = auto()
    CODE = auto()
    NOTE = auto()
    """It is no part of what was said: the language of the code below."""


_MIXED: Final = {
    (is_code, is_bold, is_italic): (Mark.CODE if is_code else Mark.NONE)
    | (Mark.BOLD if is_bold else Mark.NONE)
    | (Mark.ITALIC if is_italic else Mark.NONE)
    for is_code in (False, True)
    for is_bold in (False, True)
    for is_italic in (False, True)
}
"""Flags are put together once: doing it for each piece would take most of the time."""


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text that is set in one way."""

    text: str
    mark: Mark = Mark.NONE


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is set.

    Attributes:
        runs: Its pieces.
        is_shown: False for a fence that says nothing: not even an empty line stands for it.
        fence: How many backticks end the code that the next line is in; 0 outside of code.
    """

    runs: tuple[Run, ...]
    is_shown: bool
    fence: int


def read_line(text: str, fence: int = 0) -> Line:
    """Read a line, without its end.

    Args:
        text: The line.
        fence: What the line before says of the next one.

    Returns:
        How it is set.
    """
    found = _FENCE.match(text) if len(text) < LONGEST_LINE else None
    ticks = len(found[1]) if found is not None else 0
    language = found[2].strip() if found is not None else ""
    if fence:
        if ticks >= fence and not language:
            return Line((), is_shown=False, fence=0)
        return Line((Run(text, Mark.CODE),) if text else (), is_shown=True, fence=fence)
    if ticks:
        return Line((Run(language, Mark.NOTE),) if language else (), is_shown=bool(language), fence=ticks)
    return Line(tuple(joined(_prose(text))), is_shown=True, fence=0)


def read_text(text: str) -> tuple[Run, ...]:
    """Read a whole text. Returns its pieces, with the line feeds between its lines."""
    made: list[Run] = []
    fence = 0
    for each in text.split("\n"):
        line = read_line(each, fence)
        if line.is_shown:
            made += (*line.runs, Run("\n"))
        fence = line.fence
    return tuple(joined(made[:-1]))


def _prose(text: str) -> Iterator[Run]:
    text, rest = text[:LONGEST_LINE], text[LONGEST_LINE:]
    mark = Mark.NONE
    if heading := _HEADING.match(text):
        text, mark = text[heading.end() :], Mark.BOLD
    elif item := _ITEM.match(text):
        yield Run(f"{item[1]}\u2022 ")
        text = text[item.end() :]
    if "*" in text or "`" in text:
        yield from _emphasis(_without_code(text), mark)
    else:
        yield Run(text, mark)
    if rest:
        yield Run(rest)


def _without_code(text: str) -> list[Run]:
    """Return inline code apart from the text between: as many backticks end it as began it."""
    ticks = list(_TICKS.finditer(text))
    ends: dict[int, list[int]] = {}
    for place in range(len(ticks) - 1, -1, -1):
        ends.setdefault(len(ticks[place][0]), []).append(place)
    made: list[Run] = []
    at = place = 0
    while place < len(ticks):
        same = ends[len(ticks[place][0])]
        while same and same[-1] <= place:
            same.pop()
        if not same:
            place += 1
            continue
        begin, end = ticks[place], ticks[same[-1]]
        made += (Run(text[at : begin.start()]), Run(_trimmed(text[begin.end() : end.start()]), Mark.CODE))
        at, place = end.end(), same[-1] + 1
    return [*made, Run(text[at:])]


def _trimmed(code: str) -> str:
    """Return code without the space on each side that keeps backticks of its own apart."""
    is_padded = len(code) > 2 and code[0] == code[-1] == " " and not code.isspace()  # noqa: PLR2004 - a space each
    return code[1:-1] if is_padded else code


def _emphasis(runs: list[Run], mark: Mark) -> Iterator[Run]:
    """Set what stands between stars in bold or italics; stars without a partner stay."""
    pieces: list[Run] = []
    partner: dict[int, int] = {}
    waiting: list[int] = []
    counted = [0] * (_MOST_STARS + 1)
    for place, run in enumerate(runs):
        if run.mark is Mark.CODE:
            pieces.append(run)
            continue
        at = 0
        for stars in _STARS.finditer(run.text):
            pieces += (Run(run.text[at : stars.start()]), Run(stars[0]))
            at, length = stars.end(), len(stars[0])
            if length > _MOST_STARS:
                continue
            left = run.text[stars.start() - 1] if stars.start() else "`" if place else ""
            right = run.text[at] if at < len(run.text) else "`" if place + 1 < len(runs) else ""
            if counted[length] and _ends(left, right):
                begun = -1
                while begun < 0 or len(pieces[begun].text) != length:
                    begun = waiting.pop()
                    counted[len(pieces[begun].text)] -= 1
                partner[begun] = len(pieces) - 1
            elif _begins(left, right):
                waiting.append(len(pieces) - 1)
                counted[length] += 1
        pieces.append(Run(run.text[at:]))
    yield from _set(pieces, partner, mark)


def _begins(left: str, right: str) -> bool:
    """Return whether stars between these signs begin something: those of `a*b` and `a/**/b` do not."""
    return (not left or left.isspace() or left in _BEFORE) and bool(right) and not right.isspace()


def _ends(left: str, right: str) -> bool:
    return bool(left) and not left.isspace() and (not right or right.isspace() or right in _AFTER)


def _set(pieces: list[Run], partner: dict[int, int], mark: Mark) -> Iterator[Run]:
    """Return the pieces without the stars that have a partner; those are nested in one another."""
    ends = set(partner.values())
    bold, italic = int(mark is Mark.BOLD), 0
    for place, piece in enumerate(pieces):
        if place in partner or place in ends:
            stars = len(piece.text)
            step = 1 if place in partner else -1
            italic += step * (stars % 2)
            bold += step * (stars // 2)
        elif piece.text:
            yield Run(piece.text, _MIXED[piece.mark is Mark.CODE, bold > 0, italic > 0])


def joined(runs: Iterable[Run]) -> Iterator[Run]:
    """Return neighbours that are set in one way as one, and none that is empty."""
    text: list[str] = []
    mark = Mark.NONE
    for run in runs:
        if run.text and run.mark is not mark:
            if text:
                yield Run("".join(text), mark)
            text, mark = [], run.mark
        if run.text:
            text.append(run.text)
    if text:
        yield Run("".join(text), mark)
