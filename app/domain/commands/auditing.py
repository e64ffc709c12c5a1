"""What is asked of audits and repairs."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.commands.base import Command, PrivateCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAudit(Command):
    """Audit a watched project now, or after the audit that is on its way. Answer: None.

    Refused with UsageError when nobody watches it.
    """

    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAudit(Command):
    """End the audit of a project that is on its way. Answer: None."""

    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAudit(Command):
    """Answer: app.domain.findings.AuditReport, the last one of a project; None when there is none.

    Attributes:
        audit: The id of another one.
        known: All that is known of its findings: the last report, with what audits of some checks after it add.
    """

    project: str
    audit: str = ""
    known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFinding(Command):
    """Answer: app.domain.findings.Standings, a known finding of a project, also a fixed one; None for no such.

    Refused with UsageError when several begin like that.

    Attributes:
        fingerprint: Which one, or as many of its first digits as no other has, 6 at least.
    """

    project: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAudits(Command):
    """Answer: the last audits of a project, the oldest first, as a tuple of app.domain.findings.Past."""

    project: str
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFindingHistory(Command):
    """Answer: app.domain.findings.FindingHistory, or None when no audit that is kept has found it.

    Attributes:
        fingerprint: Which finding, all its digits.
    """

    project: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReview(Command):
    """Have a model review what changed in a project. Answer: app.domain.findings.Checked; None while it is on its way.

    To be sent again until there is an answer: the first one begins the review, the others wait for it.

    Attributes:
        since: The commit since which; empty for the last commits.
        wait_s: How long an answer is waited for; 20 at most.
    """

    project: str
    since: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteFinding(Command):
    """Be silent about a finding of the last audit. Answer: None. Refused with UsageError.

    Attributes:
        fingerprint: Which one, or as many of its first digits as no other has.
        reason: Why, in a person's words; not empty.
        days: For how long; 0 for good.
    """

    project: str
    fingerprint: str
    reason: str
    days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmuteFinding(Command):
    """Tell of a finding again. Answer: None. Refused with UsageError when it is not muted."""

    project: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRepair(Command):
    """Say how a finding of an account would be repaired; nothing is changed. Answer: app.domain.repairs.RepairPlan.

    Refused with UsageError or CannotError when there is no such repair, or when it cannot be planned.

    Attributes:
        project: The account's root folder.
        fingerprint: Which finding, all its digits.
        logs_to: The bucket that takes access logs; empty for none.
        kms_key: The key of KMS that encrypts; empty for none.
    """

    project: str
    fingerprint: str
    logs_to: str = ""
    kms_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRepair(PrivateCommand):
    """Do what a plan says that a person was shown and agreed to. Answer: app.domain.repairs.RepairOutcome.

    Refused with UsageError when another plan was made since, and with CannotError when it failed; says what was done.

    Attributes:
        project: The account's root folder.
        fingerprint: Which finding, all its digits.
        digest: Of the plan.
    """

    project: str
    fingerprint: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackRepair(PrivateCommand):
    """Put back what was before a repair. Answer: app.domain.repairs.RepairOutcome.

    Refused with UsageError when no repair is kept, and with CannotError when it failed; says what was done.

    Attributes:
        project: The account's root folder.
        fingerprint: Which finding, all its digits.
    """

    project: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAuditFacts(Command):
    """Answer: what is known of a project's tests, as audits take it; nothing of a project that nobody watches."""

    project: str
