"""What audits find: verdicts of three values, findings, and how they stand to the audit before."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(StrEnum):
    """How much a finding matters, from least to most."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least, 4 for the most."""
        return list(Severity).index(self)


class AuditVerdict(StrEnum):
    """What a check came to. What could not be looked at is UNKNOWN, and never PASS."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNKNOWN = "unknown"


class Standing(StrEnum):
    """How a finding stands to the audit before."""

    NEW = "new"
    KNOWN = "known"
    FIXED = "fixed"
    MUTED = "muted"


class TriggerKind(StrEnum):
    """What made an audit begin."""

    ASKED = "asked"
    MARKER = "marker"
    COMMIT = "commit"
    TAG = "tag"
    COVERAGE = "coverage"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What made an audit begin.

    Attributes:
        kind: What kind of thing.
        what: Which one, in words for people: a marker's path, a commit's subject, `coverage 82 %`.
        others: How many later triggers were folded into this audit.
    """

    kind: TriggerKind = TriggerKind.ASKED
    what: str = ""
    others: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        check: The id of the check that found it.
        rule: The rule's id within the check, lower case with dashes or as its tool has it: `S602`, `aws-access-key`.
        title: What is wrong, in one line, without a secret's value.
        severity: How much it matters.
        path: The file, relative to the project's root with `/`; empty when it is about no file.
        line: Counted from 1; 0 when it is about no line.
        evidence: The source line or fact that shows it; a secret's value is masked in it.
        detail: More about it, for who wants to know; may have several lines.
        remedy: What to do about it, in a sentence.
        commit: The commit in which it lies, when it is no longer, or not only, in the working tree.
        fingerprint: Which finding this is, as 24 hexadecimal digits, the same when its line moves. The engine fills it.
        resource: What it is about where that is no file: the ARN of a bucket; else empty.
    """

    check: str
    rule: str
    title: str
    severity: Severity
    path: str = ""
    line: int = 0
    evidence: str = ""
    detail: str = ""
    remedy: str = ""
    commit: str = ""
    fingerprint: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Standings:
    """A finding and how it stands.

    Attributes:
        finding: What was found.
        standing: How it stands to the audit before.
        reason: Why it is muted; else empty.
    """

    finding: Finding
    standing: Standing
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What one check came to.

    Attributes:
        check: Its id.
        title: Its name for people.
        verdict: PASS only when all that it looks at was looked at, and nothing of weight was found.
        reasons: Why something is not known; of an UNKNOWN verdict at least one.
        findings: How many were found, also those that were left out of the report.
        left_out: How many of them were too many to report.
        took_s: How long it took.
    """

    check: str
    title: str
    verdict: AuditVerdict
    reasons: tuple[str, ...] = ()
    findings: int = 0
    left_out: int = 0
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check came to, and what it found; `target` is what it saw that it looked at, as of AuditReport."""

    outcome: CheckOutcome
    findings: tuple[Finding, ...] = ()
    target: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """An audit.

    Attributes:
        id: Unique.
        project: The project's root folder.
        started_at: Wall-clock time.
        duration_s: How long it took.
        trigger: What made it begin.
        checks: What each check came to, in the order in which they are told.
        findings: What was found, the most severe first, new before known; muted ones last.
        fixed: What the audit before found and this one, having looked at the same, did not.
        head: The commit that was looked at, as 40 hexadecimal digits; empty without git.
        target: What was audited, in words, where that is no folder of a person's, such as
            `AWS account production (111122223333)`; else empty.
        only: The checks to which it was limited by name; empty when it ran all that the settings do not leave out.
            One that was limited is kept and can be read, but it is not the last audit, and no point of the trend.
    """

    id: str
    project: str
    started_at: float
    duration_s: float
    trigger: Trigger
    checks: tuple[CheckOutcome, ...] = ()
    findings: tuple[Standings, ...] = ()
    fixed: tuple[Finding, ...] = ()
    head: str = ""
    target: str = ""
    only: tuple[str, ...] = ()

    @property
    def verdict(self) -> AuditVerdict:
        """FAIL when anything of weight was found that is not muted, PASS only when every check passed."""
        verdicts = set(map(self.verdict_of, self.checks))
        if any(weighs(each.finding) for each in self.findings if each.standing is not Standing.MUTED):
            return AuditVerdict.FAIL
        if not verdicts or AuditVerdict.UNKNOWN in verdicts:
            return AuditVerdict.UNKNOWN
        return AuditVerdict.PASS

    def verdict_of(self, check: CheckOutcome) -> AuditVerdict:
        """Return what one of the checks came to, when what is muted does not count.

        Args:
            check: One of `checks`.
        """
        found = [each for each in self.findings if check.check in {each.finding.check, each.finding.rule}]
        if check.verdict is not AuditVerdict.FAIL or not found:
            return check.verdict
        if any(weighs(each.finding) for each in found if each.standing is not Standing.MUTED):
            return AuditVerdict.FAIL
        return AuditVerdict.UNKNOWN if check.reasons or check.left_out else AuditVerdict.PASS

    def counts(self, *standings: Standing) -> dict[Severity, int]:
        """Return how many findings there are of each severity, the most severe first.

        Args:
            standings: Those that count; none for new and known ones.
        """
        wanted = standings or (Standing.NEW, Standing.KNOWN)
        counts = dict.fromkeys(reversed(Severity), 0)
        for each in self.findings:
            counts[each.finding.severity] += each.standing in wanted
        return counts


@dataclass(frozen=True, slots=True)
class Mute:
    """A finding that is to be silent.

    Attributes:
        fingerprint: Which finding.
        reason: Why, in a person's words; never empty.
        until: Wall-clock time from which on it is told again; 0 for never.
        at: When it was muted.
        title: What it was called then, so that the list can be read.
    """

    fingerprint: str
    reason: str
    until: float = 0.0
    at: float = 0.0
    title: str = ""


@dataclass(frozen=True, slots=True)
class AuditView:
    """Where the audits of a project stand.

    Attributes:
        project: The project's root folder.
        running: The check that is being done, or `waiting`; empty when no audit is on its way.
        trigger: What made the last audit, or the one on its way, begin.
        last_id: The id of the last audit; empty when there was none.
        last_at: When it ended, wall-clock time.
        verdict: What it came to; None when there was none.
        open: How many findings of each severity are neither muted nor fixed, as (severity, count).
        new: How many of them were new.
        target: What it is called where it is no project but an account: `AWS production`; else empty.
    """

    project: str
    running: str = ""
    trigger: Trigger = field(default_factory=Trigger)
    last_id: str = ""
    last_at: float = 0.0
    verdict: AuditVerdict | None = None
    open: tuple[tuple[Severity, int], ...] = ()
    new: int = 0
    target: str = ""

    @property
    def grave(self) -> int:
        """How many findings that are neither muted nor fixed are of severity HIGH or above."""
        return sum(count for severity, count in self.open if severity.rank >= Severity.HIGH.rank)


def weighs(finding: Finding) -> bool:
    """Return whether a finding makes its check fail: what is only told does not."""
    return finding.severity is not Severity.INFO


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier audit in figures.

    Attributes:
        at: When it began, wall-clock time.
        verdict: What it came to.
        counts: How many findings of each severity were neither muted nor fixed.
        new: How many of them were new.
        fixed: How many of the audit before were gone.
    """

    at: float
    verdict: AuditVerdict
    counts: Mapping[Severity, int]
    new: int = 0
    fixed: int = 0

    @property
    def open(self) -> int:
        """How many findings were neither muted nor fixed."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class FindingHistory:
    """What the audits of a project say of one finding, as far back as they are kept.

    Attributes:
        fingerprint: Which finding.
        title: What it was called last.
        first_at: When the first audit that found it began, wall-clock time.
        last_at: When the last audit that found it began.
        audits: How many audits found it; of the older ones only those count in which it changed.
        fixed_at: When the last audit began that no longer found it; None when it was never fixed.
        came_back: Whether it was found again after it had been fixed.
    """

    fingerprint: str
    title: str
    first_at: float
    last_at: float
    audits: int
    fixed_at: float | None = None
    came_back: bool = False


def past_of(report: AuditReport) -> Past:
    """Return an audit in figures, to be kept for the trend of later ones."""
    return Past(
        at=report.started_at,
        verdict=report.verdict,
        counts=report.counts(),
        new=sum(report.counts(Standing.NEW).values()),
        fixed=len(report.fixed),
    )
