"""What a model claims of a change, and which of it can be tied to a line that was shown."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from app.ai.answers.loose import read_object
from app.ai.answers.plain import plain
from app.ai.answers.reading import line_number
from app.ai.review.prompt import MOST_CLAIMS
from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.ai.answers.loose import Value
    from app.ai.review.parts import Line, Shown

LONGEST_ANSWER = 200_000
_LONGEST_TITLE = 160
_LONGEST_TEXT = 1_000
_TRIES = 200
_DEEPEST = 3
LEAST_TO_TELL = 8
"""Characters, without spaces, by which a line can be told that is quoted in part: a bracket stands everywhere."""
_CONFIDENCES = ("low", "medium", "high")
_SEVERITIES = {
    "info": Severity.INFO, "low": Severity.LOW, "medium": Severity.MEDIUM, "high": Severity.HIGH,
    "critical": Severity.HIGH, "major": Severity.HIGH, "minor": Severity.LOW,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """What a model says is wrong.

    Attributes:
        path: The file, as it calls it.
        line: The line's number; 0 when it says none.
        quote: The line, by its word.
        severity: How much it matters, by its word; HIGH at most.
        confidence: How sure it is: `low`, `medium` or `high`.
        title: What is wrong.
        why: When it goes wrong.
        fix: What to do.
    """

    path: str
    line: int
    quote: str
    severity: Severity
    confidence: str
    title: str
    why: str = ""
    fix: str = ""

    @property
    def weight(self) -> Severity:
        """How much it counts: what the model is unsure of is only told, and what it half believes is MEDIUM at most."""
        if self.confidence == "low":
            return Severity.INFO
        if self.confidence == "medium" and self.severity.rank > Severity.MEDIUM.rank:
            return Severity.MEDIUM
        return self.severity


@dataclass(frozen=True, slots=True)
class Proved:
    """A claim that names a line that was shown.

    Attributes:
        claim: What is claimed.
        shown: The part of the change in which the line stands.
        place: Which of its lines.
    """

    claim: Claim
    shown: Shown
    place: int

    @property
    def line(self) -> Line:
        """The line as it was shown."""
        return self.shown.lines[self.place]


@dataclass(frozen=True, slots=True)
class Review:
    """A model's answer.

    Attributes:
        claims: What it claims now.
        mended: The names of earlier claims that no longer hold.
    """

    claims: tuple[Claim, ...] = ()
    mended: frozenset[str] = frozenset()


def read_review(text: str) -> Review | None:
    """Return what an answer says; None when it is no answer to what was asked. Never raises, whatever the text is."""
    _, mark, said = text[:LONGEST_ANSWER].rpartition("</think>")
    said = said if mark else text[:LONGEST_ANSWER]
    claims: list[Claim] = []
    mended: set[str] = set()
    is_answer = False
    behind = 0
    starts = (at for at, sign in enumerate(said) if sign == "{")
    for start in islice(starts, _TRIES):
        if start < behind:
            continue
        found, end, _ = read_object(said, start)
        holder = _holder(found)
        if holder is not None:
            is_answer = True
            claims += _claims(_items(holder["findings"]))
            mended |= {each for each in _items(holder.get("mended")) if isinstance(each, str)}
            behind = end
        elif "title" in found and "path" in found:  # a list without the object around it, or one that breaks off
            is_answer = True
            claims += _claims([found])
            behind = end
    return Review(tuple(claims[:MOST_CLAIMS]), frozenset(mended)) if is_answer else None


def proved(claims: Sequence[Claim], piece: Sequence[Shown]) -> tuple[Proved, ...]:
    """Return those claims that can be tied to a line that was shown and is there, each of one line once.

    The quoted line counts more than its number, which models miscount; without a quote only a line that was added can
    be meant.

    Args:
        claims: What was claimed.
        piece: What was shown.
    """
    found: dict[tuple[str, int], Proved] = {}
    for claim in claims:
        tied = _tied(claim, piece)
        if tied is not None:
            found.setdefault((tied.shown.path, tied.line.number), tied)
    return tuple(found.values())


def _tied(claim: Claim, piece: Sequence[Shown]) -> Proved | None:
    candidates = [
        (abs(line.number - claim.line), order, place, shown)
        for order, shown in enumerate(piece)
        if shown.path == claim.path
        for place, line in enumerate(shown.lines)
        if line.number and _is_meant(claim, line)
    ]
    if not candidates:
        return None
    _, _, place, shown = min(candidates, key=lambda each: each[:3])
    return Proved(claim, shown, place)


def _is_meant(claim: Claim, line: Line) -> bool:
    said, there = "".join(claim.quote.split()), "".join(line.text.split())
    if not said:
        return line.sign == "+" and line.number == claim.line
    shorter, longer = sorted((said, there), key=len)
    return said == there or (len(shorter) >= LEAST_TO_TELL and shorter in longer)


def _holder(found: Value, depth: int = 0) -> dict[str, Value] | None:
    """Return the object that has the list of findings: the one that was found, or one within."""
    if not isinstance(found, dict) or depth > _DEEPEST:
        return None
    if isinstance(found.get("findings"), list):
        return found
    within = (_holder(each, depth + 1) for each in found.values())
    return next((each for each in within if each is not None), None)


def _items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _claims(listed: list[Value]) -> Iterator[Claim]:
    for each in listed:
        if not isinstance(each, dict):
            continue
        path, title = _words(each.get("path"), 1_000), _words(each.get("title"), _LONGEST_TITLE)
        if not path or not title:
            continue
        severity = _words(each.get("severity"), 20).lower()
        confidence = _words(each.get("confidence"), 20).lower()
        yield Claim(
            path=path,
            line=line_number(each.get("line")),
            quote=_words(each.get("quote"), _LONGEST_TEXT),
            severity=_SEVERITIES.get(severity, Severity.LOW),
            confidence=confidence if confidence in _CONFIDENCES else "low",
            title=" ".join(title.split()),
            why=_words(each.get("why"), _LONGEST_TEXT),
            fix=" ".join(_words(each.get("fix"), _LONGEST_TEXT).split()),
        )


def _words(value: Value, limit: int) -> str:
    return plain(value).strip()[:limit].rstrip() if isinstance(value, str) else ""
