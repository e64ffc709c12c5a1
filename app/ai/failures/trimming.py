"""Text trimmed to a budget of tokens: in whole lines, the least relevant ones first, and never over it.

A text's size is reckoned in thirds of a token, in which `app.ai.messages.tokens_of` is exact for sums of lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.ai.messages import CHARACTERS_PER_TOKEN, FOREIGN_PER_TOKEN, tokens_of
from app.domain.analysis import PromptSection
from app.domain.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

THIRDS = CHARACTERS_PER_TOKEN
_NOTE = 36
"""Thirds that a note of lines that were left out takes at most, with its end."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together.

    Attributes:
        lines: The lines.
        focus: The line that stays when they are trimmed, and those around it with it.
        head: How many lines stay at the beginning besides.
    """

    lines: tuple[str, ...]
    focus: int = 0
    head: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a prompt.

    Attributes:
        title: Its heading.
        blocks: What it holds, the most relevant first.
        share: The part of the budget that is its own, 0 to 1; what others leave is given by relevance.
        left_out: Lines that are known not to fit, and are not among the blocks.
        left_tokens: And their tokens.
    """

    title: str
    blocks: tuple[Block, ...] = ()
    share: float = 0.0
    left_out: int = 0
    left_tokens: int = 0


@dataclass(slots=True)
class _Kept:
    lines: list[str] = field(default_factory=list)
    size: int = 0
    is_whole: bool = False


def size_of(text: str) -> int:
    """Return a text's size in thirds of a token."""
    ascii_length = len(text.encode("ascii", "ignore"))
    return ascii_length + (len(text) - ascii_length) * THIRDS // FOREIGN_PER_TOKEN


def shortened(line: str, limit: int) -> str:
    """Return a line of at most `limit` tokens, its middle left out when it is longer; `limit` is at least 20."""
    room = limit * THIRDS
    if size_of(line) <= room:
        return line
    note = f" ... {len(line):,} characters ... "
    room -= size_of(note)
    tail = _prefix(line[::-1][:room], room // 3)[::-1]
    return _prefix(line[:room], room - size_of(tail)) + note + tail


def trimmed(sections: Sequence[Section], thirds: int) -> tuple[str, tuple[PromptSection, ...]]:
    """Return the sections as one text of at most `thirds` thirds of a token, and how much of each is in it.

    Args:
        sections: In the order of their relevance, which is the order in which they stand.
        thirds: The budget.
    """
    kept = [_fit(section, int(thirds * section.share)) for section in sections]
    left = thirds - sum(each.size for each in kept)
    for at, section in enumerate(sections):
        if not kept[at].is_whole:
            wider = _fit(section, kept[at].size + left)
            left -= wider.size - kept[at].size
            kept[at] = wider
    told = tuple(
        PromptSection(
            section.title,
            tokens_of("\n".join(line for block in section.blocks for line in block.lines)) + section.left_tokens,
            tokens_of("\n".join(each.lines[1:])),
        )
        for section, each in zip(sections, kept, strict=True)
        if section.blocks or section.left_out
    )
    return "\n".join(line for each in kept for line in each.lines), told


def _fit(section: Section, thirds: int) -> _Kept:
    """Return as much of a section as fits, with its title; nothing of it when that would be next to nothing."""
    blocks = [block for block in section.blocks if block.lines]
    if not blocks:
        return _Kept(is_whole=True)
    title = f"## {section.title}"
    whole = [title, *(line for block in blocks for line in block.lines)]
    if not section.left_out and _size(whole) <= thirds:
        return _Kept(whole, _size(whole), is_whole=True)
    room = thirds - _size([title]) - _NOTE
    lines: list[str] = []
    missing = section.left_out
    is_full = False
    for block in blocks:
        part = [] if is_full else _part_of(block, room)
        room -= _size(part)
        is_full = is_full or len(part) != len(block.lines)
        lines += part
        missing += 0 if part else len(block.lines)
    if not lines:
        return _Kept()
    if missing:
        lines.append(_note(missing))
    return _Kept([title, *lines], _size([title, *lines]))


def _part_of(block: Block, room: int) -> list[str]:
    """Return a block's head, and of its other lines those around the focus, as far as there is room."""
    if _size(block.lines) <= room:
        return list(block.lines)
    room -= 2 * _NOTE
    chosen: set[int] = set()
    for at in _by_nearness(block):
        room -= size_of(block.lines[at]) + 1
        if room < 0:
            break
        chosen.add(at)
    if block.focus not in chosen:
        return []
    part: list[str] = []
    before = -1
    for at in sorted(chosen):
        if at > before + 1:
            part.append(_note(at - before - 1))
        part.append(block.lines[at])
        before = at
    if before + 1 < len(block.lines):
        part.append(_note(len(block.lines) - before - 1))
    return part


def _by_nearness(block: Block) -> Iterator[int]:
    """Tell the places of a block's lines: the head, then the focus and its neighbours, in one piece."""
    yield from range(block.head)
    focus = max(block.focus, block.head)
    yield focus
    above, below = focus - 1, focus + 1
    while above >= block.head or below < len(block.lines):
        if above >= block.head:
            yield above
            above -= 1
        if below < len(block.lines):
            yield below
            below += 1


def _note(count: int) -> str:
    return f"... {plural(count, 'line')} left out"


def _size(lines: Iterable[str]) -> int:
    return sum(size_of(line) + 1 for line in lines)


def _prefix(text: str, room: int) -> str:
    """Return the beginning of a text that has this size."""
    if text.isascii():
        return text[: max(room, 0)]
    for at, sign in enumerate(text):
        room -= 1 if sign.isascii() else THIRDS
        if room < 0:
            return text[:at]
    return text
