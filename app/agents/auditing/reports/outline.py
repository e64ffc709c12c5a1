"""What the forms of a report have in common: its parts, its sentences, and text of others made harmless.

Whatever findings and checks say is foreign: it may hold what moves a cursor, turns a line round or is not to be seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from textwrap import dedent
from typing import TYPE_CHECKING

from app.domain.findings import AuditVerdict, Severity, Standing, TriggerKind
from app.domain.words import clip, file_name, one_line, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.domain.findings import AuditReport, CheckOutcome, Finding, Standings, Trigger

CLAIMS = "claims"
"""The id of the check that compares what a marker says with what is so."""
_TAKES_FOLDER = re.compile(r"--project[ =]['\"]?\Z|watchkeeper audit ['\"]?\Z")
"""What stands before a folder that is typed: a person who is in it types a dot."""
_TAB = 4
_REASON = 160
"""Characters of a reason within a sentence."""
_SHALLOW = 2
"""A project's folder with fewer parts than this (`/srv`) may well be meant as such where it is named."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A report in its parts, each with the most severe first.

    Attributes:
        claims: What a marker says that is not so; these are in no other part.
        new: What the audit before did not find.
        known: What it found already.
        muted: What is to be silent.
        fixed: What is gone.
        unknown: The checks that could not look at all that they look at.
    """

    claims: Sequence[Standings]
    new: Sequence[Standings]
    known: Sequence[Standings]
    muted: Sequence[Standings]
    fixed: Sequence[Finding]
    unknown: Sequence[CheckOutcome]


def outline(report: AuditReport) -> Outline:
    """Return a report in its parts. Within a severity, the order is the report's."""
    told = sorted(report.findings, key=lambda each: -each.finding.severity.rank)
    heard = [each for each in told if each.standing is not Standing.MUTED]
    others = [each for each in heard if each.finding.check != CLAIMS]
    return Outline(
        claims=[each for each in heard if each.finding.check == CLAIMS],
        new=[each for each in others if each.standing is Standing.NEW],
        known=[each for each in others if each.standing is not Standing.NEW],
        muted=[each for each in told if each.standing is Standing.MUTED],
        fixed=sorted(report.fixed, key=lambda each: -each.severity.rank),
        unknown=[each for each in report.checks if each.reasons or each.verdict is AuditVerdict.UNKNOWN],
    )


def checks_of(report: AuditReport) -> tuple[CheckOutcome, ...]:
    """Return the checks as they are told: what of them is muted does not count."""
    return tuple(replace(each, verdict=report.verdict_of(each)) for each in report.checks)


def summary(report: AuditReport, *, with_reason: bool = True) -> str:
    """Return the one line that says it all: `2 new, 5 known, 1 fixed: FAIL; Secrets could not be looked at: ...`.

    Args:
        report: The audit.
        with_reason: Whether it says why a check could not look at everything.
    """
    unknown = [each for each in report.checks if report.verdict_of(each) is AuditVerdict.UNKNOWN]
    said = f"{tally(report)}: {report.verdict.value.upper()}"
    if unknown:
        more = len(unknown) - 1
        names = one_line(unknown[0].title) or one_line(unknown[0].check)
        names += f" and {plural(more, 'more check')}" if more else ""
        said += f"; {names} could not wholly be looked at"
        reason = next((one_line(each) for each in unknown[0].reasons if one_line(each)), "")
        said += f": {_shortened(reason)}" if reason and with_reason else ""
    return said


def _shortened(reason: str) -> str:
    """Return the sentences of a reason that there is room for: half a command is worse than none."""
    whole = reason[:_REASON].rpartition(". ")[0] if len(reason) > _REASON else ""
    return f"{whole}." if whole else clip(reason, _REASON)


def tally(report: AuditReport) -> str:
    """Return how many findings stand how: `2 new, 5 known, 1 fixed, 3 muted`."""
    counted = [
        (sum(each.standing is standing for each in report.findings), standing.value)
        for standing in (Standing.NEW, Standing.KNOWN)
    ]
    counted.append((len(report.fixed), Standing.FIXED.value))
    counted.append((sum(each.standing is Standing.MUTED for each in report.findings), Standing.MUTED.value))
    counted.append((sum(each.left_out for each in report.checks), "not listed"))
    words = [f"{count:,} {word}" for count, word in counted if count]
    if not report.checks and not report.findings:
        words = ["No check ran", *words]
    elif not report.findings:
        words = ["Nothing found", *words]
    return ", ".join(words)


def occasion(trigger: Trigger) -> str:
    """Return what made an audit begin, as words after its time: `because of the marker docs/DONE_COMPLETE.md`."""
    what = one_line(trigger.what)
    words = {
        TriggerKind.ASKED: "as you asked",
        TriggerKind.MARKER: "because of the marker",
        TriggerKind.COMMIT: "because of the commit",
        TriggerKind.TAG: "because of the tag",
        TriggerKind.COVERAGE: "because of",
        TriggerKind.SCHEDULE: "as scheduled",
    }[trigger.kind]
    if trigger.kind is TriggerKind.COVERAGE and not what:
        what = "the tests' coverage"
    said = f"{words} {what}" if what and trigger.kind is not TriggerKind.ASKED else words
    return said + (f" and {plural(trigger.others, 'more occasion')}" if trigger.others > 0 else "")


def limits(report: AuditReport) -> str:
    """Return to which checks an audit was limited: `only secrets, leftovers`; empty when it was not."""
    return f"only {', '.join(map(one_line, report.only))}" if report.only else ""


def place(finding: Finding) -> str:
    """Return where a finding is: `app/a.py:12`, `app/a.py`, or a resource's ARN; empty when it is about neither."""
    path, resource = one_line(finding.path), one_line(finding.resource)
    line = f":{finding.line}" if path and finding.line > 0 else ""
    return ", ".join(filter(None, (path + line, resource)))


def name(finding: Finding) -> str:
    """Return which rule of which check a finding is of: `secrets/aws-access-key`."""
    return "/".join(part for part in (one_line(finding.check), one_line(finding.rule)) if part)


def title(finding: Finding) -> str:
    """Return what is wrong, in one line; a rule's name where a check says nothing."""
    return one_line(finding.title) or name(finding) or "(no title)"


def project_name(report: AuditReport) -> str:
    """Return what people call that which was audited: the last part of the project's folder, or an account."""
    return one_line(report.target) or one_line(file_name(report.project.replace("\\", "/"))) or "the project"


def block(text: str, limit: int) -> str:
    """Return text of several lines without what cannot be printed; what all lines are indented by goes.

    Args:
        text: Any text.
        limit: Characters that are kept at most.
    """
    lines = (
        "".join(sign if sign.isprintable() else " " for sign in line.expandtabs(_TAB)).rstrip()
        for line in text[: limit * 2].splitlines()
    )
    return clip(dedent("\n".join(lines)).strip("\n"), limit)


def moment(at: float, form: str = "%Y-%m-%d %H:%M UTC") -> str:
    """Return a wall-clock time in UTC; words when it is beyond what a calendar holds."""
    try:
        return datetime.fromtimestamp(at, tz=UTC).strftime(form)
    except (OverflowError, ValueError, OSError):
        return "at a time that is not known"


def severities(counts: Mapping[Severity, int]) -> str:
    """Return the counts in words: `1 critical, 4 low`; empty when there is none."""
    return ", ".join(f"{count:,} {severity.value}" for severity, count in counts.items() if count)


def without_root(report: AuditReport) -> AuditReport:
    """Return the report with its paths relative and the project named by its last part, in commands by a dot.

    A form that is passed on tells nobody where on a person's machine the project lies.
    """
    root = report.project.rstrip("/\\")
    if len([part for part in re.split(r"[/\\]", root) if part]) < _SHALLOW:
        return replace(report, project=project_name(report))
    folders = r"[/\\]".join(re.escape(part) for part in re.split(r"[/\\]", root))
    below = re.compile(rf"(?<![\w.-]){folders}(?:[/\\]+|(?![\w-]))")
    last = file_name(root.replace("\\", "/"))

    def relative(found: re.Match[str]) -> str:
        if found[0][-1] in "/\\":
            return ""
        return "." if _TAKES_FOLDER.search(found.string, 0, found.start()) else last

    def told(text: str) -> str:
        return below.sub(relative, text) if last in text else text

    def clean(finding: Finding) -> Finding:
        return replace(
            finding,
            title=told(finding.title),
            path=told(finding.path),
            resource=told(finding.resource),
            evidence=told(finding.evidence),
            detail=told(finding.detail),
            remedy=told(finding.remedy),
        )

    return replace(
        report,
        project=project_name(report),
        trigger=replace(report.trigger, what=told(report.trigger.what)),
        checks=tuple(replace(each, reasons=tuple(map(told, each.reasons))) for each in report.checks),
        findings=tuple(
            replace(each, finding=clean(each.finding), reason=told(each.reason)) for each in report.findings
        ),
        fixed=tuple(map(clean, report.fixed)),
    )
