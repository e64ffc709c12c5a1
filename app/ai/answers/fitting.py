"""A patch made to fit the source: the same change, with the numbers and the context that git wants.

Models get lines and counts wrong, and leave out context; git refuses such a patch, though it says clearly what it
changes. So each hunk's old lines are looked for in the file, and the hunk is written anew around what was found there.
It is found where its old lines stand, blanks at a line's end aside: nearest to the line that it names, or at the only
place there is. The text that comes of it is all that git and people see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ai.answers.patches import NOWHERE, NoPatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.ai.answers.patches import FilePatch, Hunk

CONTEXT = 3
"""Lines around a change, as git has it."""
MOST_LINES = 50_000
"""Of a file, and `MOST_OLD` of a hunk: more would take long to search."""
MOST_OLD = 1_000

NOT_APPLYING = "it does not apply to the source as it stands"
AMBIGUOUS = "it does not say which of several places it changes"

_NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True, slots=True)
class _Place:
    """Lines `begin` to `end` (from 0 on, the end not included) of the old file, and a hunk's lines for them."""

    begin: int
    end: int
    lines: list[str]


def fit(patch: FilePatch, source: str | None) -> str:
    """Return the part of a patch that changes one file, with right numbers and context.

    Args:
        patch: What is to be done to the file.
        source: The file as it is; None for one that is to be made.

    Raises:
        NoPatch: The lines that it changes are not there, or it is not clear which they are.
    """
    # git takes a tab for the end of a name that holds a space
    end = "\t" if " " in patch.path else ""
    old = NOWHERE if patch.is_new else f"a/{patch.path}{end}"
    new = NOWHERE if patch.is_deleted else f"b/{patch.path}{end}"
    hunks = _made(patch) if source is None else _File(source).changed(patch)
    return "\n".join([f"--- {old}", f"+++ {new}", *hunks, ""])


def _made(patch: FilePatch) -> Iterator[str]:
    lines = [line for hunk in patch.hunks for line in _trimmed(hunk.lines) if not line.startswith("\\")]
    if not all(line.startswith("+") for line in lines):
        raise NoPatch(NOT_APPLYING)
    yield f"@@ -0,0 +1,{len(lines)} @@"
    yield from lines


class _File:
    def __init__(self, source: str) -> None:
        self._lines = source.split("\n")
        self._ends_with_newline = self._lines[-1] == ""
        if self._ends_with_newline:
            self._lines.pop()
        self._bare = [line.rstrip() for line in self._lines]
        self._ending = "\r" if source.count("\r\n") * 2 > source.count("\n") else ""

    def changed(self, patch: FilePatch) -> Iterator[str]:
        if len(self._lines) > MOST_LINES:
            raise NoPatch("it changes a very long file")
        places: list[_Place] = []
        for hunk in patch.hunks:
            places.append(self._place(hunk, places[-1].end if places else 0))
        shift = 0
        for group in _neighbours(places):
            first, last = max(group[0].begin - CONTEXT, 0), min(group[-1].end + CONTEXT, len(self._lines))
            lines = list(self._written(group, first, last))
            before, after = (sum(line[0] in signs for line in lines) for signs in (" -", " +"))
            yield f"@@ -{first + bool(before)},{before} +{first + shift + bool(after)},{after} @@"
            yield from lines
            shift += after - before

    def _place(self, hunk: Hunk, behind: int) -> _Place:
        whole = [line or " " for line in hunk.lines if not line.startswith("\\")]
        trimmed = [line or " " for line in _trimmed(hunk.lines) if not line.startswith("\\")]
        # an empty line at a hunk's end is more often a gap before what follows than a line of the file
        for lines in (trimmed, whole):
            old = [line[1:].rstrip() for line in lines if line[0] in " -"]
            begins = self._begins(old, behind)
            if begins:
                begin = _chosen(begins, hunk.start - 1)
                return _Place(begin, begin + len(old), lines)
        raise NoPatch(NOT_APPLYING)

    def _begins(self, old: list[str], behind: int) -> list[int]:
        if not old:  # nothing tells where it belongs, but in an empty file
            return [] if self._lines else [0]
        if len(old) > MOST_OLD:
            raise NoPatch("it changes very many lines at once")
        last = len(self._bare) - len(old)
        return [
            begin
            for begin in range(behind, last + 1)
            if self._bare[begin] == old[0] and self._bare[begin : begin + len(old)] == old
        ]

    def _written(self, group: list[_Place], first: int, last: int) -> Iterator[str]:
        """Yield the lines of some places, the context before, between and behind them, as the file has them."""
        at = first
        for place in group:
            for number in range(at, place.begin):
                yield from self._kept(number, " ")
            at = place.begin
            for index, line in enumerate(place.lines):
                if line[0] == "+":
                    yield line + self._ending
                else:
                    adds = any(later[0] == "+" for later in place.lines[index + 1 :])
                    yield from self._kept(at, line[0], adds=adds)
                    at += 1
        for number in range(at, last):
            yield from self._kept(number, " ")

    def _kept(self, number: int, sign: str, *, adds: bool = False) -> Iterator[str]:
        """Yield a line of the file; `adds` says that lines are added behind it."""
        line = self._lines[number]
        if self._ends_with_newline or number < len(self._lines) - 1:
            yield sign + line
        elif sign == " " and adds:
            yield from ("-" + line, _NO_NEWLINE, "+" + line)
        else:
            yield from (sign + line, _NO_NEWLINE)


def _trimmed(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    return lines[:end]


def _chosen(begins: list[int], named: int) -> int:
    """Return the place nearest to the named line; line 1 is what models say who do not know."""
    if len(begins) == 1 or named in begins:
        return named if named in begins else begins[0]
    if named <= 0:
        raise NoPatch(AMBIGUOUS)
    nearest = sorted(begins, key=lambda begin: abs(begin - named))
    if abs(nearest[0] - named) == abs(nearest[1] - named):
        raise NoPatch(AMBIGUOUS)
    return nearest[0]


def _neighbours(places: list[_Place]) -> Iterator[list[_Place]]:
    """Yield the places in groups whose contexts touch."""
    group: list[_Place] = []
    for place in places:
        if group and place.begin - group[-1].end > 2 * CONTEXT:
            yield group
            group = []
        group.append(place)
    yield group
