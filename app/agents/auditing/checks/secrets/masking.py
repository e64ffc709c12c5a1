"""Shows a line without the values in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from app.agents.auditing.checks.secrets.entropy import entropy, is_wordy

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "********"
"""Stands for a value, always as long, so that it does not say how long the value is."""
_MOST_KEPT = 4
_PART_KEPT = 4
_AROUND = 80
_READ = 2000
_LONGEST_VALUE = 30_000
_UNSEEN = re.compile(r"[^\x20-\x7e\u00a1-\u1fff\u2c00-\ud7ff\uf900-\ufffc]")
_LIKE_A_KEY = re.compile(r"[A-Za-z0-9+/_\-]{16,}={0,2}")
_CHANCE = 3.3
_CUT = 80
_LAST = re.compile(r"[A-Za-z0-9+/_\-]{12,}(?P<end>\.{0,3}|\u2026)$")
_LAST_READ = 300


def masked(value: str) -> str:
    """Return a value's beginning, four characters at most and no more than a quarter of it, and a mask."""
    return value[: min(_MOST_KEPT, len(value) // _PART_KEPT)] + MASK


def end_masked(text: str) -> str:
    """Return a line with its last word masked if that may be a key of which the line's end was cut off."""
    if len(text) < _CUT and not text.endswith("\u2026"):
        return text
    last = text[-_LAST_READ:]
    found = _LAST.search(last)
    if found is None or _without_chance(found) != MASK:
        return text
    return text[: len(text) - len(last) + found.start()] + MASK + found["end"]


def evidence(data: bytes, line_at: int, start: int, end: int, hidden: Sequence[tuple[int, int]]) -> str:
    """Return the line of a finding with all masked in it that may be a secret, cut to what is around the value.

    Args:
        data: What was scanned.
        line_at: Where the line begins.
        start: Where the value begins; it may begin behind the line.
        end: Where the value ends.
        hidden: Where anything stands that looks like a secret, sorted.
    """
    found = data.find(b"\n", line_at)
    line_end = len(data) if found < 0 else found
    value = data[start:end].decode("utf-8", "replace")
    before = after = here = ""
    if start < line_end:
        here = masked(value)
        before = _covered(data, max(line_at, start - _READ), start, hidden, value)[-_AROUND:]
        after = _covered(data, min(end, line_end), min(line_end, end + _READ), hidden, value)[:_AROUND]
    else:
        before = _covered(data, line_at, min(line_end, line_at + _READ), hidden, value)[:_AROUND]
    return _UNSEEN.sub(" ", before + here + after).strip()


def _covered(data: bytes, begin: int, end: int, hidden: Sequence[tuple[int, int]], value: str) -> str:
    """Return a part of a line in which all that may be secret is masked whole."""
    parts: list[str] = []
    at = begin
    near = hidden[bisect_left(hidden, (begin - _LONGEST_VALUE, 0)) : bisect_left(hidden, (end, 0))]
    for start, stop in sorted((max(left, begin), min(right, end)) for left, right in near):
        if start < stop and stop > at:
            parts += [data[at : max(at, start)].decode("utf-8", "replace"), MASK]
            at = stop
    parts.append(data[at:end].decode("utf-8", "replace"))
    text = "".join(parts).replace(value, MASK)
    return _LIKE_A_KEY.sub(_without_chance, text)


def _without_chance(match: re.Match[str]) -> str:
    text = match.group()
    by_chance = any(each.isdigit() for each in text) and entropy(text.encode()) >= _CHANCE and not is_wordy(text)
    return MASK if by_chance else text
