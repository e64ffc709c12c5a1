"""A report's figures as pictures: SVG that stands in the page. Nothing foreign is in them; colours are the page's."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from app.agents.auditing.reports.outline import moment, severities
from app.domain.findings import AuditVerdict, Severity, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.domain.findings import AuditReport, Past

AUDITS = 30
"""Audits in the trend, at most."""
_WIDTH, _HEIGHT = 420, 168

_BADGES = {
    AuditVerdict.PASS: '<path d="M7.5 12.4l3 3 6-6.6"/>',
    AuditVerdict.FAIL: '<path d="M8.6 8.6l6.8 6.8M15.4 8.6l-6.8 6.8"/>',
    AuditVerdict.UNKNOWN: '<path d="M9.6 9.6a2.5 2.5 0 1 1 3.7 2.2c-.9.5-1.3 1-1.3 1.9M12 16.6v.1"/>',
}


def badge(verdict: AuditVerdict) -> str:
    """Return a verdict's sign: told by its shape as well as by its colour."""
    return (
        '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" '
        f'stroke-linejoin="round" aria-hidden="true"><circle cx="12" cy="12" r="9.5"/>{_BADGES[verdict]}</svg>'
    )


def by_severity(report: AuditReport) -> str:
    """Return bars of how many findings there are of each severity, new ones before known ones."""
    new, known = report.counts(Standing.NEW), report.counts(Standing.KNOWN)
    most = max(1, *(new[each] + known[each] for each in new))
    left, right, row = 66, 44, _HEIGHT / len(new)
    room = _WIDTH - left - right
    bars = []
    for number, severity in enumerate(new):
        top = number * row
        fresh = room * new[severity] / most
        whole = room * (new[severity] + known[severity]) / most
        middle = f"{top + row / 2 + 4:.1f}"
        bars.append(
            f'<text x="{left - 10}" y="{middle}" text-anchor="end">{severity.value}</text>'
            + _bar("track", left, top + 8, room, row - 16)
            + _bar(f"{severity.value} old", left, top + 8, whole, row - 16)
            + _bar(severity.value, left, top + 8, fresh, row - 16)
            + f'<text class="figure" x="{left + room + 10}" y="{middle}">{new[severity] + known[severity]:,}</text>'
        )
    words = f"New: {severities(new) or 'none'}. Known: {severities(known) or 'none'}."
    return _picture("".join(bars), words)


def trend(past: Sequence[Past]) -> str:
    """Return columns of what was open in each audit, the most severe at the foot, with its verdict below.

    Args:
        past: Audits, the oldest first; the last `AUDITS` of them are shown. At least one.
    """
    shown = past[-AUDITS:]
    most = max(1, *(each.open for each in shown))
    top, foot, left = 10, _HEIGHT - 34, 34
    step = (_WIDTH - left) / max(len(shown), 8)
    width = min(step * 0.7, 26)
    parts = [
        (
            f'<line class="grid" x1="{left}" x2="{_WIDTH}" y1="{top}" y2="{top}"/>'
            f'<line class="axis" x1="{left}" x2="{_WIDTH}" y1="{foot}" y2="{foot}"/>'
            f'<text x="{left - 8}" y="{top + 4}" text-anchor="end">{most:,}</text>'
            f'<text x="{left - 8}" y="{foot + 4}" text-anchor="end">0</text>'
        )
    ]
    for number, each in enumerate(shown):
        middle = left + step * (number + 0.5)
        told = f"{moment(each.at)}: {each.verdict.value}, {severities(each.counts) or 'nothing open'}"
        told += f"; {each.new:,} new, {each.fixed:,} fixed"
        parts.append(
            f"<g><title>{escape(told)}</title>"
            + _column(each.counts, middle - width / 2, width, foot, (foot - top) / most)
            + _mark(each.verdict, middle, foot + 11)
            + "</g>"
        )
    last = left + step * (len(shown) - 0.5)
    ends = {moment(shown[0].at, "%d %b"): left, moment(shown[-1].at, "%d %b"): last}
    for number, (day, at) in enumerate(ends.items()):
        anchor = "start" if not number else ("end" if last > left + _WIDTH / 3 else "start")
        if not number or at > left + _WIDTH / 4:
            parts.append(f'<text x="{at:.1f}" y="{_HEIGHT - 2}" text-anchor="{anchor}">{day}</text>')
    words = f"{len(shown)} audits; open findings from {shown[0].open:,} to {shown[-1].open:,}."
    return _picture("".join(parts), words)


def _column(counts: Mapping[Severity, int], left: float, width: float, foot: float, scale: float) -> str:
    parts = []
    for severity in reversed(Severity):
        height = counts.get(severity, 0) * scale
        foot -= height
        # A hair of the ground between two colours keeps them apart where they are alike, as in print.
        parts.append(_bar(severity.value, left, foot, width, max(height - 0.8, 0.6), radius=1) if height else "")
    return "".join(parts)


def _mark(verdict: AuditVerdict, x: float, y: float) -> str:
    shape = {
        AuditVerdict.PASS: f'<circle class="pass" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>',
        AuditVerdict.FAIL: f'<path class="fail" d="M{x:.1f} {y - 4:.1f}l4.2 7.6h-8.4z"/>',
        AuditVerdict.UNKNOWN: f'<path class="unknown" d="M{x:.1f} {y - 4.4:.1f}l4.4 4.4-4.4 4.4-4.4-4.4z"/>',
    }
    return shape[verdict]


def _bar(kind: str, x: float, y: float, width: float, height: float, *, radius: float = 3) -> str:
    if width <= 0:
        return ""
    size = f'width="{max(width, 2):.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size} rx="{radius}"/>'


def _picture(inside: str, words: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">{inside}</svg>'
