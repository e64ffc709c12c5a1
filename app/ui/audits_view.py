"""What the Audits page shows, as plain values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.domain import auditwords, words
from app.domain.findinglines import is_its_line
from app.domain.findings import AuditVerdict, AuditView, Severity, Standing, Standings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.domain.findings import AuditReport, CheckOutcome, Finding, Past

NO_AUDIT = (
    "An audit begins by itself when work is declared finished: a file such as TASK_COMPLETE.md is written, a commit "
    "says [MILESTONE], a tag is made, or the coverage crosses its threshold.\n\nOr begin one now."
)
NO_ACCOUNT_AUDIT = (
    "This account was not audited yet. Audit now looks it over, and so does Watchkeeper itself at the time of day that "
    "audits.aws.daily names."
)
NOTHING_FOUND = "Nothing was found."
NOTHING_MATCHES = "No finding is like that."
NOT_READ = "The last audit's report is not there any more. Audit now makes a new one."
AROUND = 3
"""Lines of a file that are shown before and after a finding's own."""
LONGEST_LINE = 300
_REASON = 200
GROUPS = (Standing.NEW, Standing.KNOWN, Standing.FIXED, Standing.MUTED)
"""In the order in which they are listed."""
_GROUP_NAMES = {
    Standing.NEW: "New",
    Standing.KNOWN: "Known",
    Standing.FIXED: "Fixed since the audit before",
    Standing.MUTED: "Muted",
}
SEVERITIES = (
    ("Any severity", Severity.INFO),
    ("Low and above", Severity.LOW),
    ("Medium and above", Severity.MEDIUM),
    ("High and above", Severity.HIGH),
    ("Critical", Severity.CRITICAL),
)
STANDINGS: tuple[tuple[str, Standing | None], ...] = (
    ("All findings", None),
    *((_GROUP_NAMES[standing].partition(" ")[0], standing) for standing in GROUPS),
)
DAYS = (("for good", 0), ("for a week", 7), ("for 30 days", 30), ("for 90 days", 90), ("for a year", 365))


@dataclass(frozen=True, slots=True)
class AuditHeadline:
    """The top of the page.

    Attributes:
        title: What the last audit came to, or what the one does that is on its way.
        detail: When that was, why, and how long it took.
        verdict: Of the last audit; None when there was none.
        is_running: Whether one is on its way.
        counts: How many open findings there are of each severity, the most severe first, and those that are none too.
    """

    title: str
    detail: str
    verdict: AuditVerdict | None
    is_running: bool
    counts: tuple[tuple[Severity, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding in the list.

    Attributes:
        fingerprint: Which finding.
        title: What is wrong.
        place: File and line; empty when it is about no file.
        said: All of it, for a screen reader and a tooltip.
    """

    fingerprint: str
    title: str
    place: str
    severity: Severity
    standing: Standing
    said: str


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings that stand alike.

    Attributes:
        name: What they are called, with their number.
        is_calm: Whether it is closed until somebody opens it.
    """

    standing: Standing
    name: str
    rows: tuple[FindingRow, ...]
    is_calm: bool


@dataclass(frozen=True, slots=True)
class FindingDetail:
    """All that is said of a finding.

    Attributes:
        facts: Severity, standing, rule and commit, in a line.
        evidence: The line that shows it.
        can_mute: Whether it can be muted now; else, whether it can be told again stands in `can_tell`.
    """

    title: str
    place: str
    facts: str
    evidence: str
    detail: str
    remedy: str
    muted: str
    can_mute: bool
    can_tell: bool


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What a check came to.

    Attributes:
        said: In a few words.
        reasons: Why something is not known, a line for each; empty for a check that has looked at everything.
    """

    title: str
    verdict: AuditVerdict
    said: str
    reasons: str


@dataclass(frozen=True, slots=True)
class TrendBar:
    """An audit in the trend: how many findings of each severity were open, the most severe first."""

    counts: tuple[tuple[Severity, int], ...]
    verdict: AuditVerdict
    said: str


def standing_of(view: AuditView | None, report: AuditReport | None) -> AuditView | None:
    """Return where the audits stand by a report that was read: a command may have made one that is newer."""
    ended_at = report.started_at + report.duration_s if report is not None else 0.0
    if report is None or (view is not None and view.last_at > ended_at and view.last_id != report.id):
        return view
    counts = report.counts()
    before = view or AuditView(report.project)
    return replace(
        before,
        trigger=before.trigger if before.running else report.trigger,
        last_id=report.id,
        last_at=ended_at,
        verdict=report.verdict,
        open=tuple((severity, count) for severity, count in counts.items() if count),
        new=sum(report.counts(Standing.NEW).values()),
    )


def audit_headline(view: AuditView | None, report: AuditReport | None, now: float) -> AuditHeadline:
    """Return the top of the page at the wall-clock time `now`.

    Args:
        view: Where the audits of the project stand; None when nothing is known of them.
        report: The last audit, when it was read already.
        now: Wall-clock time.
    """
    if view is None:
        return AuditHeadline("No audit yet", "", None, is_running=False)
    last = f"Last audit {words.ago(now - view.last_at)}" if view.verdict is not None else ""
    if view.running:
        detail = f"Began: {auditwords.occasion(view.trigger)}"
        title = words.sentence(auditwords.auditing(view))
        return AuditHeadline(title, " \u00b7 ".join(filter(None, (detail, last))), view.verdict, True, _counts(view))  # noqa: FBT003 - a field
    if view.verdict is None:
        return AuditHeadline("No audit yet", "", None, is_running=False)
    took = ""
    if report is not None and report.id == view.last_id:
        took = f"took {words.duration(report.duration_s)}"
    detail = " \u00b7 ".join(filter(None, (last, auditwords.occasion(view.trigger), took)))
    return AuditHeadline(_verdict(view), detail, view.verdict, is_running=False, counts=_counts(view))


def _verdict(view: AuditView) -> str:
    total = sum(count for _, count in view.open)
    if view.verdict is AuditVerdict.FAIL:
        new = f", {view.new:,} new" if view.new else ", none new"
        return f"{words.plural(total, 'finding')}{new}"
    if view.verdict is AuditVerdict.UNKNOWN:
        return "Not all could be looked at"
    return "Nothing of weight was found" if total else "Nothing was found"


def _counts(view: AuditView) -> tuple[tuple[Severity, int], ...]:
    known = dict(view.open)
    return tuple((severity, known.get(severity, 0)) for severity in reversed(Severity))


def finding_groups(
    report: AuditReport, text: str = "", least: Severity = Severity.INFO, standing: Standing | None = None
) -> tuple[FindingGroup, ...]:
    """Return the findings of an audit in their groups: new ones first, muted ones last; no group without any.

    Args:
        report: The audit.
        text: Only findings with these words in their title, place, rule or evidence.
        least: Only findings of this severity and above.
        standing: Only those that stand so; None for all.
    """
    found: dict[Standing, list[FindingRow]] = {group: [] for group in GROUPS}
    wanted = text.casefold().split()
    for each in all_findings(report):
        is_wanted = standing in (None, each.standing) and each.finding.severity.rank >= least.rank
        if is_wanted and _holds(each.finding, wanted):
            found[each.standing].append(_row(each))
    groups = []
    for group, rows in found.items():
        rows.sort(key=lambda row: -row.severity.rank)
        if rows:
            calm = group in (Standing.MUTED, Standing.FIXED) and standing is None and not wanted
            groups.append(FindingGroup(group, f"{_GROUP_NAMES[group]} \u00b7 {len(rows):,}", tuple(rows), calm))
    return tuple(groups)


def all_findings(report: AuditReport) -> Iterable[Standings]:
    """Return what was found, and what is fixed."""
    yield from report.findings
    yield from (Standings(each, Standing.FIXED) for each in report.fixed)


def _holds(finding: Finding, wanted: Sequence[str]) -> bool:
    if not wanted:
        return True
    where = f"{finding.path} {finding.resource}"
    said = f"{finding.title} {where} {finding.check} {finding.rule} {finding.evidence}".casefold()
    return all(word in said for word in wanted)


def _row(each: Standings) -> FindingRow:
    finding = each.finding
    title, place = auditwords.title(finding), auditwords.place(finding)
    said = ", ".join(filter(None, (title, place, finding.severity.value, each.standing.value)))
    return FindingRow(finding.fingerprint, title, place, finding.severity, each.standing, said)


def finding_detail(each: Standings) -> FindingDetail:
    """Return all that is said of a finding; what it holds is foreign, and comes without what cannot be printed."""
    finding = each.finding
    commit = words.one_line(finding.commit)
    facts = (
        finding.severity.value,
        each.standing.value,
        auditwords.rule(finding),
        f"in commit {commit[:12]}" if commit else "",
    )
    is_muted = each.standing is Standing.MUTED
    reason = words.clip(words.one_line(each.reason), _REASON)
    return FindingDetail(
        title=auditwords.title(finding),
        place=auditwords.place(finding),
        facts=" \u00b7 ".join(filter(None, facts)),
        evidence=printable(finding.evidence),
        detail=printable(finding.detail),
        remedy=words.one_line(finding.remedy),
        muted=f"Muted: {reason}" if is_muted else "",
        can_mute=each.standing in (Standing.NEW, Standing.KNOWN),
        can_tell=is_muted and each.reason != IN_BASELINE,
    )


IN_BASELINE = "It is in the baseline."
"""The reason of what the project's baseline file accepts: only that file can tell of it again."""


def printable(text: str) -> str:
    """Return text of several lines in which nothing moves a cursor, turns a line round or is not to be seen."""
    lines = ("".join(sign if sign.isprintable() else " " for sign in line.expandtabs(4)) for line in text.splitlines())
    return "\n".join(words.clip(line.rstrip(), LONGEST_LINE) for line in lines)


def excerpt(source: str, finding: Finding) -> str:
    """Return the lines of a file around a finding, each with its number, the finding's own marked.

    Empty when the line is not there, or is no longer the one that was found.

    Args:
        source: The file's text.
        finding: What was found in it.
    """
    lines = source.splitlines()
    if not 0 < finding.line <= len(lines):
        return ""
    if not is_its_line(finding, lines[finding.line - 1]):
        return ""
    first, last = max(finding.line - AROUND, 1), min(finding.line + AROUND, len(lines))
    shown = []
    for number in range(first, last + 1):
        mark = "\u25b8" if number == finding.line else " "
        shown.append(f"{mark} {number:>{len(str(last))}}  {printable(lines[number - 1])}".rstrip())
    return "\n".join(shown)


def check_rows(report: AuditReport) -> tuple[CheckRow, ...]:
    """Return what each check came to: first those that are not known, since they say why, then those that failed."""
    order = (AuditVerdict.UNKNOWN, AuditVerdict.FAIL, AuditVerdict.PASS)
    told = [replace(each, verdict=report.verdict_of(each)) for each in report.checks]  # what is muted does not count
    return tuple(_check(each) for each in sorted(told, key=lambda each: order.index(each.verdict)))


def _check(each: CheckOutcome) -> CheckRow:
    found = words.plural(each.findings, "finding") if each.findings else "nothing found"
    if each.left_out:
        found += f", {each.left_out:,} not listed"
    if each.verdict is AuditVerdict.UNKNOWN:
        found = f"could not look at everything, {found}" if each.findings else "could not look at everything"
    reasons = "\n".join(words.clip(words.one_line(reason), _REASON) for reason in each.reasons if reason.strip())
    title = words.one_line(each.title) or words.one_line(each.check)
    return CheckRow(title, each.verdict, f"{found} \u00b7 {words.duration(each.took_s)}", reasons)


def trend(past: Sequence[Past], now: float) -> tuple[TrendBar, ...]:
    """Return the last audits as bars, the oldest first."""
    bars = []
    for each in past:
        counts = tuple((severity, each.counts.get(severity, 0)) for severity in reversed(Severity))
        found = ", ".join(f"{count:,} {severity.value}" for severity, count in counts if count) or "nothing open"
        changed = ", ".join(
            filter(None, (f"{each.new:,} new" if each.new else "", f"{each.fixed:,} fixed" if each.fixed else ""))
        )
        said = f"{words.moment(each.at, now)}: {found}" + (f" ({changed})" if changed else "")
        bars.append(TrendBar(counts, each.verdict, said))
    return tuple(bars)
