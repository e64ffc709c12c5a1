"""What an audit of a cloud account is made of: rules, units of work, and judgements of three values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.domain.findings import AuditVerdict, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked at in each resource of a kind.

    Attributes:
        id: Lower case with dashes, beginning with its service: `s3-public-policy`.
        title: What is right, in a few words: `Bucket policy grants nothing to the public`.
        severity: How much it matters where it is not so.
        remedy: What to do then, in a sentence.
        detail: Why it matters, in one or two sentences.
        prowler: The id of Prowler's check that looks at the same; empty for none.
        security_hub: AWS Security Hub's controls that look at the same, or at a part of it: `("S3.8",)`.
        needs: The facts that it is judged by, by the scanner's names: nothing else is asked for.
        can_repair: Whether there is a remediation for it.
    """

    id: str
    title: str
    severity: Severity
    remedy: str
    detail: str = ""
    prowler: str = ""
    security_hub: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    can_repair: bool = False


def needs_of(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the facts that rules are judged by, each once.

    Args:
        rules: Of one scanner.
    """
    return frozenset(fact for each in rules for fact in each.needs)


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of work that can be done anywhere, and again: it holds no keys.

    Attributes:
        id: Unique within its audit, and the same when the audit is done again.
        service: The scanner's: `s3`, `iam`, `ec2`.
        account: The account's id, 12 digits.
        region: Where its resources are; empty for everywhere.
        resources: Their names, as the scanner takes them.
        rules: The ids of the rules to judge them by.
    """

    id: str
    service: str
    account: str
    region: str = ""
    resources: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """How one resource stands to one rule.

    Attributes:
        rule: The rule's id.
        resource: The resource's ARN.
        account: The account's id.
        region: Where it is; empty for what is everywhere.
        verdict: PASS, FAIL, or UNKNOWN when a fact that decides it is not known.
        why: What decides it, in words for people: what is set, or which call was denied (`s3:GetBucketPolicy`).
        evidence: The setting or statement that shows it, as text; empty for none.
        severity: Where it matters more or less than the rule says; None for the rule's.
    """

    rule: str
    resource: str
    account: str
    region: str
    verdict: AuditVerdict
    why: str
    evidence: str = ""
    severity: Severity | None = None


class Scanner(Protocol):
    """Audits the resources of one service."""

    @property
    def service(self) -> str:
        """Return the service, as units name it."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return all its rules."""

    def units(self, context: AuditContext, rules: Collection[str], regions: Collection[str]) -> AsyncIterator[Unit]:
        """Yield the work that there is, as it is found.

        Args:
            context: The account.
            rules: The ids of the rules that are wanted; those of other services are passed over.
            regions: Where to look; none for everywhere.

        Raises:
            AWSError: What there is cannot be listed.
        """

    async def judge(self, context: AuditContext, unit: Unit) -> tuple[Judgement, ...]:
        """Return a judgement for each resource and each rule of a unit, whatever the service answers.

        What is denied, gone, or cannot be asked makes UNKNOWN of each rule that needs it, and of no other; a resource
        that is gone meanwhile has no judgement.
        """
