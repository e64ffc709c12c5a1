"""A marker in its lines: under which heading each stands, and whether it says what was done at all."""

# ruff: noqa: RUF001 - Russian words stand beside English ones

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_LONGEST = 1000
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_HEADING = re.compile(r"^\s{0,3}(?P<signs>#{1,6})\s+(?P<text>.+?)\s*#*\s*$")
_BOLD_HEADING = re.compile(
    r"^\s*(?:[-*+]\s+|\d{1,3}[.)]\s+)?(?:\W{0,3}\s)?(?:\*\*|__)(?P<bold>[^*_]{3,60}?):?(?:\*\*|__):?\s*$"
)
_PLAIN_HEADING = re.compile(r"^(?P<text>[^\W\d_][\w /&-]{3,60}):\s*$")
_UNDERLINE = re.compile(r"^\s{0,3}(?:={3,}|-{3,})\s*$")

_LATER = re.compile(
    r"\b(?:next steps?|to[- ]?do|future|remaining|pending|planned|plans?|roadmap|backlog|out of scope|not done|not yet"
    r"|left out|known (?:issues?|limitations?|failures?)|limitations?|follow[- ]?ups?|recommend\w*|suggest\w*|ideas?"
    r"|before(?: this)?|previously|to be|to (?:create|modify|add|update|change)|deferred|blocked"
    r"|open (?:issues|questions)"
    r"|prerequisites?|acceptance criteria|success criteria|requirements?|how to|usage|examples?|instructions?|checklist"
    r"|what (?:is|was) not|won'?t|problem|root cause|background|context|issue description)\b"
    r"|\b(?:следующ\w+ шаг\w*|осталось|дальнейш\w+|план\w*|не сделано|не вошло|известн\w+ проблем\w*|ограничени\w+"
    r"|рекомендац\w+|предложени\w+|будущ\w+|потом|критери\w+|требовани\w+|пример\w*|использовани\w+|проблем\w+"
    r"|как запустить|как проверить|чек-?лист|было)\b",
    re.IGNORECASE,
)
"""Headings under which nothing is said to be done."""
_UNSURE = re.compile(
    r"\[ \]|[\u23f3\u274c\U0001f6a7\U0001f504\u23f8]|\?\s*$"
    r"|\b(?:will|would|should|shall|must|might|may|could|can|cannot|can't|tbd|to be|not yet|pending|planned|later|todo"
    r"|once|when|whenever|until|unless|if|ensure|make sure|verify that|check that|expected?|needs?|want|wish|goal"
    r"|target|aim|try|plan|before|previously|originally|was not|were not|wasn't|weren't|not|didn't|don't|doesn't"
    r"|isn't|never|without|unchanged|untouched|instead of|e\.g\.|for example|such as|revert\w*|rolled back|skip\w*)\b"
    r"|\bno (?:changes?|longer|need)\b"
    r"|(?<!\w)(?:будет|будут|нужно|надо|следует|должн\w+|может|можно|если|когда|пока|после того"
    r"|убедит\w+|провер(?:ьте|ить)"
    r"|планир\w+|позже|потом|ещё|еще|не|без|ожида\w+|цель|например|вместо|раньше|было)(?!\w)",
    re.IGNORECASE,
)
"""Words with which a line says something else than that a thing was done."""

_NAMES = re.compile(r"`[^`]{1,200}`|\S*[\w]/\S*|\w+\.\w+")
"""What names something, and says nothing by its words."""


class Deed(StrEnum):
    """What is said to have been done to what stands in a line or below a heading."""

    NONE = ""
    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    THERE = "there"
    """It is only said to be there."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a marker.

    Attributes:
        number: Counted from 1.
        text: As it stands there.
        deed: What the heading above says was done to what is listed below it.
        in_fence: Whether it stands in a fenced block.
        is_later: Whether a heading above says that what follows is not done.
        is_unsure: Whether the line itself speaks of what is not, or of what shall be.
    """

    number: int
    text: str
    deed: Deed
    in_fence: bool
    is_later: bool
    is_unsure: bool

    @property
    def claims(self) -> bool:
        """Whether it may claim something."""
        return not (self.is_later or self.is_unsure or self.text.lstrip().startswith(">"))


_DEEDS = (
    (Deed.DELETED, re.compile(r"\b(?:deleted|removed)\b|\bудал[её]н\w*", re.IGNORECASE)),
    (
        Deed.CHANGED,
        re.compile(
            r"\b(?:modified|changed|updated|edited|touched|fixed)\b"
            r"|\b(?:измен|обновл|исправл)[её]?н\w*", re.IGNORECASE),
    ),
    (
        Deed.CREATED,
        re.compile(
            r"\b(?:created|added|new)\b"
            r"|\b(?:созда|добавл)[её]?н\w*|\bнов(?:ые|ый|ое)\b", re.IGNORECASE
        ),
    ),
    (Deed.THERE, re.compile(r"\b(?:deliverables|artifacts|key files)\b|\bартефакты\b", re.IGNORECASE)),
)  # fmt: skip
_FILES = re.compile(
    r"\b(?:files?|modules?|tests?|scripts?|components?|documentation|docs|code)\b"
    r"|файл|модул|тест|документ",
    re.IGNORECASE,
)


def lines_of(text: str) -> list[Line]:
    """Return the lines of a marker. Text without Markdown has headings when lines end with a colon."""
    found: list[Line] = []
    trail: list[tuple[int, str]] = []
    in_fence = False
    raw = text.splitlines()
    for number, whole in enumerate(raw, 1):
        line = whole[:_LONGEST]
        if _FENCE.match(line):
            in_fence = not in_fence
            continue
        below = raw[number] if number < len(raw) else ""
        heading = None if in_fence else _heading(line, below)
        if heading is not None:
            level, title = heading
            trail = [each for each in trail if each[0] < level]
            trail.append((level, title))
        elif not in_fence and trail and trail[-1][0] == _PLAIN and not line.strip() and not _is_list(below):
            trail.pop()
        is_later = any(_LATER.search(title) for _, title in trail)
        deed = next((each for _, title in reversed(trail) if (each := deed_of_heading(title))), Deed.NONE)
        is_unsure = len(whole) > _LONGEST or _UNSURE.search(_NAMES.sub("", line)) is not None
        found.append(Line(number, line, deed, in_fence, is_later, is_unsure))
    return found


def deed_of_heading(title: str) -> Deed:
    """Return what a heading says was done to the files listed below it; of two things the lesser."""
    deeds = [deed for deed, pattern in _DEEDS if pattern.search(title)]
    if not deeds or (deeds[0] is not Deed.THERE and not _FILES.search(title) and len(title.split()) > 1):
        return Deed.NONE
    if Deed.DELETED in deeds and len(deeds) > 1:
        return Deed.NONE
    return deeds[0]


_BOLD, _PLAIN = 7, 8


def _heading(line: str, below: str) -> tuple[int, str] | None:
    if found := _HEADING.match(line):
        return len(found["signs"]), found["text"]
    if line.strip() and _UNDERLINE.match(below) and not _is_list(line) and "|" not in line:
        return (1 if "=" in below else 2), line.strip()
    if found := _BOLD_HEADING.match(line):
        return _BOLD, found["bold"]
    if found := _PLAIN_HEADING.match(line):
        return _PLAIN, found["text"]
    return None


def _is_list(line: str) -> bool:
    return re.match(r"\s*(?:[-*+\u2022]|\d{1,3}[.)])\s", line) is not None
