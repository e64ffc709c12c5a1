"""An audit's report for a terminal."""

from __future__ import annotations

import time
import unicodedata
from typing import TYPE_CHECKING, Protocol

from app.agents.auditing.reports.outline import (
    checks_of,
    limits,
    name,
    occasion,
    outline,
    place,
    severities,
    summary,
    title,
)
from app.domain.findings import AuditVerdict, Severity
from app.domain.fingerprints import SHOWN_DIGITS
from app.domain.words import ELLIPSIS, duration, one_line, plural, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.findings import AuditReport, CheckOutcome, Finding, Past

WIDTH = 100
"""Columns, where nobody says how many there are."""
NARROWEST = 40
_SEVERITY = max(len(each.value) for each in Severity)
_VERDICT = max(len(each.value) for each in AuditVerdict)
_INDENT = " " * (_SEVERITY + 4)
_LINES = 4
"""Lines of a title, a remedy or a reason, at most."""
_TREND = 8
"""Past audits of which the trend tells."""

_SEVERITIES = {
    Severity.CRITICAL: ("red", "bold"),
    Severity.HIGH: ("red",),
    Severity.MEDIUM: ("yellow",),
    Severity.LOW: ("blue",),
    Severity.INFO: ("dim",),
}
_VERDICTS = {
    AuditVerdict.PASS: ("green", "bold"),
    AuditVerdict.FAIL: ("red", "bold"),
    AuditVerdict.UNKNOWN: ("yellow", "bold"),
}


class Paint(Protocol):
    """Colours a text, as `Terminal.paint` of the command line does."""

    def __call__(self, text: str, /, *styles: str) -> str:
        """Return the text in these styles: `red`, `green`, `yellow`, `blue`, `bold`, `dim`."""


def to_text(report: AuditReport, past: Sequence[Past] = (), *, width: int = WIDTH, paint: Paint | None = None) -> str:
    """Return a report as lines for a terminal; the last of them says it all.

    Args:
        report: The audit.
        past: The audits before it, the oldest first.
        width: Columns; fewer than `NARROWEST` are taken for so many. Only the last line may be longer.
        paint: Colours it; without, it is plain.
    """
    return "\n".join(_Page(max(width, NARROWEST), paint or _plain).lines(report, past)) + "\n"


class _Page:
    def __init__(self, width: int, paint: Paint) -> None:
        self._width = width
        self._paint = paint

    def lines(self, report: AuditReport, past: Sequence[Past]) -> Iterator[str]:
        parts = outline(report)
        yield from self._wrapped(f"Audit of {one_line(report.target) or one_line(report.project)}", "", "bold")
        yield from self._wrapped(_circumstances(report), "", "dim")
        for heading, found in (
            ("What the marker says that is not so", parts.claims),
            ("New", parts.new),
            ("Known", parts.known),
        ):
            yield from self._heading(heading, len(found))
            for each in found:
                yield from self._finding(each.finding)
        yield from self._heading("Fixed", len(parts.fixed))
        for gone in parts.fixed:
            yield from self._brief(gone)
        yield from self._heading("Muted", len(parts.muted))
        for each in parts.muted:
            yield from self._brief(each.finding)
            yield from self._wrapped(one_line(each.reason), _INDENT)
        yield from self._heading("Checks", len(report.checks))
        for check in checks_of(report):
            yield from self._check(check)
        if past:
            yield from self._trend(past)
        yield ""
        yield self._paint(summary(report, with_reason=False), *_VERDICTS[report.verdict])

    def _heading(self, words: str, count: int) -> Iterator[str]:
        if count:
            yield ""
            yield self._paint(f"{words} ({count:,})", "bold")

    def _finding(self, finding: Finding) -> Iterator[str]:
        yield from self._brief(finding)
        if evidence := one_line(finding.evidence):
            yield _INDENT + _cut(f"| {evidence}", self._width - len(_INDENT))
        yield from self._wrapped(one_line(finding.remedy), _INDENT)

    def _brief(self, finding: Finding) -> Iterator[str]:
        severity = self._paint(finding.severity.value.ljust(_SEVERITY), *_SEVERITIES[finding.severity])
        first, *rest = _wrap(title(finding), self._width - len(_INDENT), _LINES)
        yield f"  {severity}  {self._paint(first, 'bold')}"
        for line in rest:
            yield _INDENT + self._paint(line, "bold")
        commit = one_line(finding.commit)[:12]
        where = [place(finding), f"commit {commit}" if commit else "", name(finding)]
        where.append(one_line(finding.fingerprint)[:SHOWN_DIGITS])
        yield from self._wrapped(" · ".join(filter(None, where)), _INDENT, "dim")

    def _check(self, check: CheckOutcome) -> Iterator[str]:
        verdict = self._paint(check.verdict.value.upper().ljust(_VERDICT), *_VERDICTS[check.verdict])
        told = [one_line(check.title) or one_line(check.check) or "(no name)"]
        told += [plural(check.findings, "finding")] if check.findings else []
        told += [f"{check.left_out:,} not listed"] if check.left_out else []
        indent = " " * (_VERDICT + 4)
        first, *rest = _wrap(", ".join([*told, duration(check.took_s)]), self._width - len(indent), _LINES)
        yield f"  {verdict}  {first}"
        for line in rest:
            yield indent + line
        for reason in check.reasons:
            yield from self._wrapped(one_line(reason), indent, "yellow")

    def _trend(self, past: Sequence[Past]) -> Iterator[str]:
        yield ""
        yield self._paint("Audits before", "bold")
        for each in past[-_TREND:]:
            verdict = self._paint(each.verdict.value.upper().ljust(_VERDICT), *_VERDICTS[each.verdict])
            told = severities(each.counts) or "nothing open"
            told += f" ({each.new:,} new)" if each.new else ""
            told += f", {each.fixed:,} fixed" if each.fixed else ""
            yield f"  {verdict}  {_cut(f'{_local(each.at)}  {told}', self._width - _VERDICT - 4)}"

    def _wrapped(self, text: str, indent: str, *styles: str) -> Iterator[str]:
        if text:
            for line in _wrap(text, self._width - len(indent), _LINES):
                yield indent + self._paint(line, *styles)


def _circumstances(report: AuditReport) -> str:
    told = [_local(report.started_at), occasion(report.trigger), f"took {duration(report.duration_s)}"]
    told += [limits(report)] if report.only else []
    if report.head:
        told.append(f"commit {one_line(report.head)[:12]}")
    return sentence(", ".join(told))


def _local(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "at a time that is not known"


def _plain(text: str, /, *_: str) -> str:
    return text


def cells(text: str) -> int:
    """Return how many columns a terminal takes for a text: two for wide signs, none for marks that combine."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _wrap(text: str, width: int, most: int) -> list[str]:
    """Return a line as at least one and at most `most` lines of that many columns; what is over is cut."""
    lines = [""]
    for word in text.split(" "):
        rest = word
        while rest:
            line = lines[-1]
            joined = f"{line} {rest}" if line else rest
            if cells(joined) <= width:
                lines[-1] = joined
                break
            if len(lines) == most:
                lines[-1] = _cut(joined, width)
                return lines
            if line:
                lines.append("")
                continue
            lines[-1] = _head(rest, width)
            rest = rest[len(lines[-1]) :]
            lines.append("")
    return lines


def _cut(text: str, width: int) -> str:
    return text if cells(text) <= width else _head(text, width - 1) + ELLIPSIS


def _head(text: str, width: int) -> str:
    """Return as much of the beginning as fits."""
    taken = 0
    for place_, sign in enumerate(text):
        taken += _cells(sign)
        if taken > width:
            return text[:place_]
    return text
