"""Reading what a model answered: it was asked for JSON of one form, and may have sent anything.

What is understood stands in fields, without characters that a screen would obey or hide, and each no longer than it may
be. An answer in which no cause is found is kept as text. Nothing here fails, and a text takes time in proportion to its
length.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from app.ai.answers.loose import Value, read_object
from app.ai.answers.plain import plain
from app.domain.analysis import Confidence, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_ANSWER = 1 << 20
"""Characters of an answer that are looked at; what is behind counts as cut off."""
LONGEST_CAUSE = 2_000
LONGEST_STEP = 2_000
LONGEST_TEXT = 16 * 1024
LONGEST_PATCH = 64 * 1024
"""Bytes. A longer patch is left out whole: a part of one would be another patch."""
MOST_EVIDENCE = 20

TOO_LONG = "The patch is not shown: it is too long."
CUT_OFF = "The patch is not shown: the answer ends within it."

_LONGEST_PATH = 1_000
_LONGEST_WHY = 500
_LAST_LINE = 10_000_000
_FIELDS = ("cause", "confidence", "evidence", "next_step", "patch")
_LIKELY = re.compile(r'\{\s*+"(?:cause|confidence|evidence|next_step|patch)"')
_POSSIBLE = re.compile(r'\{\s*+"')
_TRIES = 8
_DEEPEST_WRAPPING = 3
_PLACE = re.compile(r"(?P<path>[^:\n]{1,1000}):(?P<line>\d{1,8})(?P<why>[^\n]{0,1000})")
_NUMBER = re.compile(r"\D{0,8}(?P<line>\d{1,8})(?!\d)")
_SHARE = re.compile(r"(?P<share>\d{1,3}(?:\.\d{1,9})?)\s{0,3}(?P<percent>%?)")
_MEDIUM, _HIGH = 0.4, 0.75


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A model's answer as it was understood; nothing of it is checked yet.

    Attributes:
        cause: What most likely caused the failure, at most `LONGEST_CAUSE` characters; empty when it was not found.
        confidence: None when it did not say, or not in a way that is understood.
        evidence: Places as it named them: they need not exist. At most `MOST_EVIDENCE`.
        next_step: At most `LONGEST_STEP` characters.
        patch: As it came, at most `LONGEST_PATCH` bytes.
        text: The whole answer, at most `LONGEST_TEXT` characters, when no cause was found; else empty.
        patch_note: Why a patch that came is left out, a sentence; else empty.
    """

    cause: str = ""
    confidence: Confidence | None = None
    evidence: tuple[Evidence, ...] = ()
    next_step: str = ""
    patch: str = ""
    text: str = ""
    patch_note: str = ""


def read_answer(text: str) -> ReadAnswer:
    """Return what is understood of an answer. Never raises, whatever the text is."""
    text = _said(text[:LONGEST_ANSWER])
    found, is_whole = _best(text)
    cause = _words(found.get("cause"), LONGEST_CAUSE)
    patch, patch_note = _patch(found.get("patch"))
    if not patch_note and not patch and not is_whole and _breaks_off_in_patch(text, found):
        patch_note = CUT_OFF
    return ReadAnswer(
        cause=cause,
        confidence=_confidence(found.get("confidence")),
        evidence=tuple(islice(_evidence(found.get("evidence")), MOST_EVIDENCE)),
        next_step=_words(found.get("next_step"), LONGEST_STEP),
        patch=patch,
        text="" if cause else plain(text).strip()[:LONGEST_TEXT],
        patch_note=patch_note,
    )


def _said(text: str) -> str:
    """Return the answer without the thoughts that some models put in front of it."""
    thoughts, mark, answer = text.partition("</think>")
    return answer if mark and thoughts.lstrip().startswith("<think>") else text


def _best(text: str) -> tuple[dict[str, Value], bool]:
    """Return the object that has the most of what was asked for, and whether it has its end."""
    best: dict[str, Value] = {}
    is_whole = True
    behind = 0
    starts = chain(islice(_LIKELY.finditer(text), _TRIES), islice(_POSSIBLE.finditer(text), _TRIES))
    for start in starts:
        if start.start() < behind:
            continue
        found, end, ended = read_object(text, start.start())
        found = _unwrapped(found)
        if sum(name in found for name in _FIELDS) > sum(name in best for name in _FIELDS):
            best, is_whole, behind = found, ended, end
    return best, is_whole


def _unwrapped(found: dict[str, Value]) -> dict[str, Value]:
    """Return the object itself, or the first one within that has a field of ours."""
    level: list[Value] = [found]
    for _ in range(_DEEPEST_WRAPPING):
        for each in level:
            if isinstance(each, dict) and any(name in each for name in _FIELDS):
                return each
        level = [below for each in level for below in (each.values() if isinstance(each, dict) else _items(each))]
    return {}


def _items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _words(value: Value, limit: int) -> str:
    if isinstance(value, list):
        value = "\n".join(each for each in value if isinstance(each, str))
    return plain(value).strip()[:limit].rstrip() if isinstance(value, str) else ""


def _confidence(value: Value) -> Confidence | None:
    if isinstance(value, str):
        word = plain(value).strip().lower()
        named = [level for level in Confidence if re.search(rf"\b{level}\b", word[:100])]
        if len(named) == 1:
            return named[0]
        share = _SHARE.fullmatch(word)
        if share is None:
            return None
        value = float(share["share"]) / (100 if share["percent"] else 1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    share_of_one = value / 100 if value > 1 else value
    if not 0 <= share_of_one <= 1:
        return None
    if share_of_one < _MEDIUM:
        return Confidence.LOW
    return Confidence.MEDIUM if share_of_one < _HIGH else Confidence.HIGH


def _evidence(value: Value) -> Iterator[Evidence]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            each = _from_place(each)  # noqa: PLW2901 - one form is turned into the other
        if not isinstance(each, dict):
            continue
        path = each.get("path", each.get("file"))
        line = line_number(each.get("line"))
        if isinstance(path, str) and line:
            named = plain(path).strip()
            if named and "\n" not in named and len(named) <= _LONGEST_PATH:
                yield Evidence(path=named, line=line, why=_words(each.get("why"), _LONGEST_WHY))


def _from_place(text: str) -> dict[str, Value]:
    """Return `path:line: why` as the object that was asked for."""
    found = _PLACE.match(text)
    if found is None:
        return {}
    return {"path": found["path"], "line": found["line"], "why": found["why"].lstrip(" :-\u2013\u2014")}


def line_number(value: Value) -> int:
    """Return a line's number, of a range the first; 0 for what is none."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        found = _NUMBER.match(value)
        value = int(found["line"]) if found else 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return int(value) if 1 <= value <= _LAST_LINE and value == int(value) else 0


def _patch(value: Value) -> tuple[str, str]:
    if isinstance(value, list):
        value = "\n".join(each for each in value if isinstance(each, str))
    if not isinstance(value, str):
        return "", ""
    patch = plain(value).strip("\n")
    if not patch.strip():
        return "", ""
    return ("", TOO_LONG) if len(patch.encode()) > LONGEST_PATCH else (patch, "")


def _breaks_off_in_patch(text: str, found: dict[str, Value]) -> bool:
    last = text.rfind('"patch"')
    return bool(found) and "patch" not in found and last >= 0 and text.startswith(":", last + len('"patch"'))
