"""An audit's report as one page: offline, without scripts to be read, light and dark, and on paper."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from app import __version__
from app.agents.auditing.reports import plots
from app.agents.auditing.reports.outline import (
    block,
    checks_of,
    limits,
    moment,
    name,
    occasion,
    outline,
    place,
    project_name,
    summary,
    title,
    without_root,
)
from app.domain.findings import Severity, Standing, past_of
from app.domain.words import clip, duration, one_line, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.agents.auditing.reports.outline import Outline
    from app.domain.findings import AuditReport, CheckOutcome, Finding, Past

LONGEST = 1_000
"""Findings of a section; what is over is counted."""
_LINE = 1_000
_EVIDENCE = 4_000
_DETAIL = 20_000
_REASONS = 20
_CODE = re.compile("`([^`]+)`")


def to_html(report: AuditReport, past: Sequence[Past] = ()) -> str:
    """Return a report as an HTML page that needs nothing else.

    Its policy lets no other script or style run than its own, and nothing be fetched; text of findings is escaped, and
    no link is made of it.

    Args:
        report: The audit.
        past: The audits before it, the oldest first, for the trend.
    """
    report = without_root(report)
    parts = outline(report)
    style, script = _asset("page.css"), _asset("page.js")
    return Template(_asset("page.html")).substitute(
        style_hash=_hash(style),
        script_hash=_hash(script),
        style=style,
        script=script,
        version=escape(__version__),
        title=_said(f"{report.verdict.value.upper()}: audit of {project_name(report)}"),
        verdict=report.verdict.value,
        badge=plots.badge(report.verdict),
        verdict_word=report.verdict.value.upper(),
        project=_said(project_name(report)),
        circumstances=_circumstances(report),
        summary=_said(summary(report, with_reason=False)),
        tiles=_tiles(report, parts),
        plots=_plots(report, past),
        choices="".join(_choice(each) for each in reversed(Severity)),
        sections=_sections(report, parts),
    )


@cache
def _asset(file: str) -> str:
    return (files(__package__) / "assets" / file).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _said(text: str, limit: int = _LINE) -> str:
    """Return foreign words in one line for HTML, also within an attribute."""
    return escape(clip(one_line(text), limit))


def _marked(text: str) -> str:
    """Return foreign words in one line for HTML; what stands between backticks is shown as code."""
    return _CODE.sub(r"<code>\1</code>", _said(text))


def _circumstances(report: AuditReport) -> str:
    told = [moment(report.started_at), _said(occasion(report.trigger)), f"took {duration(report.duration_s)}"]
    told += [f"commit <code>{_said(report.head[:12])}</code>"] if report.head else []
    told += [_said(limits(report))] if report.only else []
    return ", ".join(told)


def _tiles(report: AuditReport, parts: Outline) -> str:
    def count(standing: Standing) -> int:
        return sum(each.standing is standing for each in report.findings)

    tiles = (
        ("new" if parts.new else "claims", count(Standing.NEW), "new", "bad"),
        ("known" if parts.known else "claims", count(Standing.KNOWN), "known", ""),
        ("fixed", len(parts.fixed), "fixed", "good"),
        ("muted", len(parts.muted), "muted", ""),
        ("unknown", len(parts.unknown), "not looked at", "doubt"),
    )
    return "".join(
        f'<li class="{kind}"><a href="#{anchor}"><b>{number:,}</b><span>{words}</span></a></li>'
        if number
        else f'<li class="none"><div><b>0</b><span>{words}</span></div></li>'
        for anchor, number, words, kind in tiles
    )


def _plots(report: AuditReport, past: Sequence[Past]) -> str:
    key = (
        '<span class="key"><span><svg viewBox="0 0 10 10"><rect class="high" width="10" height="10" rx="2"/></svg>new'
        '</span><span><svg viewBox="0 0 10 10"><rect class="high old" width="10" height="10" rx="2"/></svg>known</span>'
        "</span>"
    )
    drawn = f"<figure><figcaption>Findings by severity{key}</figcaption>{plots.by_severity(report)}</figure>"
    if past:
        shown = plots.trend([*past, past_of(report)])
        words = plural(min(len(past) + 1, plots.AUDITS), "audit")
        drawn += (
            f'<figure><figcaption>Open findings<span class="key">the last {words}</span></figcaption>{shown}</figure>'
        )
    return drawn


def _choice(severity: Severity) -> str:
    return f'<label><input type="checkbox" value="{severity.value}" checked>{severity.value}</label>'


def _sections(report: AuditReport, parts: Outline) -> str:
    return "".join(
        (
            _section("claims", "Claimed, and not so", [_finding(each.finding) for each in parts.claims]),
            _section("new", "New", [_finding(each.finding) for each in parts.new]),
            _blind(parts.unknown),
            _section("known", "Known", [_finding(each.finding) for each in parts.known]),
            _section("fixed", "Fixed", [_brief(each, "gone") for each in parts.fixed], "brief"),
            _section("muted", "Muted", [_brief(each.finding, "", each.reason) for each in parts.muted], "brief"),
            _checks(checks_of(report)),
        )
    )


def _section(anchor: str, heading: str, items: Sequence[str], kind: str = "") -> str:
    if not items:
        return ""
    more = len(items) - LONGEST
    rest = f'<p class="rest">and {more:,} more, which the JSON form lists</p>' if more > 0 else ""
    return (
        f'<section id="{anchor}" class="{kind}"><h2>{heading}<small>{len(items):,}</small></h2>'
        f"{''.join(items[:LONGEST])}{rest}</section>"
    )


def _finding(finding: Finding) -> str:
    evidence = escape(block(finding.evidence, _EVIDENCE))
    remedy = _marked(finding.remedy)
    detail = escape(block(finding.detail, _DETAIL))
    inside = (
        _top(finding),
        f"<pre>{evidence}</pre>" if evidence else "",
        f'<p class="remedy"><b>To do</b>{remedy}</p>' if remedy else "",
        f"<details><summary>More about it</summary><pre>{detail}</pre></details>" if detail else "",
        _of(finding),
    )
    return _article(finding, "", "".join(inside))


def _brief(finding: Finding, kind: str, reason: str = "") -> str:
    told = _said(reason)
    words = f'<p class="remedy"><b>Muted</b>{told}</p>' if told else ""
    return _article(finding, kind, _top(finding) + words + _of(finding))


def _article(finding: Finding, kind: str, inside: str) -> str:
    severity = finding.severity.value
    classes = " ".join(filter(None, ("finding", severity, kind)))
    return f'<article class="{classes}" data-severity="{severity}">{inside}</article>'


def _top(finding: Finding) -> str:
    where = _said(place(finding))
    return f'<h3><span class="chip">{finding.severity.value}</span>{_marked(title(finding))}</h3>' + (
        f'<div class="where">{where}</div>' if where else ""
    )


def _of(finding: Finding) -> str:
    told = [f"<code>{_said(name(finding))}</code>"]
    told += [f"commit <code>{_said(finding.commit[:12])}</code>"] if one_line(finding.commit) else []
    told += [f"finding <code>{_said(finding.fingerprint)}</code>"] if one_line(finding.fingerprint) else []
    return f'<p class="of">{" · ".join(told)}</p>'


def _blind(unknown: Sequence[CheckOutcome]) -> str:
    items = []
    for check in unknown:
        reasons = [told for told in map(_said, check.reasons) if told] or ["It is not known why."]
        more = len(reasons) - _REASONS
        listed = [f"<li>{each}</li>" for each in reasons[:_REASONS]]
        listed += [f"<li>and {more:,} more</li>"] if more > 0 else []
        items.append(f'<div class="blind"><b>{_named(check)}</b><ul>{"".join(listed)}</ul></div>')
    return _section("unknown", "Could not be looked at", items)


def _checks(checks: Sequence[CheckOutcome]) -> str:
    if not checks:
        return ""
    rows = (
        f'<tr><td>{_named(each)}</td><td><span class="word {each.verdict.value}">{plots.badge(each.verdict)}'
        f'{each.verdict.value.upper()}</span></td><td class="number">{each.findings:,}'
        + (f" ({each.left_out:,} not listed)" if each.left_out else "")
        + f'</td><td class="number">{duration(each.took_s)}</td></tr>'
        for each in checks
    )
    return (
        f'<section id="checks"><h2>Checks<small>{len(checks):,}</small></h2><div class="table"><table><thead><tr>'
        '<th>Check</th><th>Verdict</th><th class="number">Findings</th><th class="number">Took</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _named(check: CheckOutcome) -> str:
    return _said(check.title) or _said(check.check) or "A check"
