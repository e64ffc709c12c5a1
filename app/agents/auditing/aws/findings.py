"""Judgements as an audit's findings, and what each rule came to."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.agents.auditing.aws.audit import Progress
from app.agents.auditing.aws.opinions import named
from app.agents.auditing.host.heard import MOST_FINDINGS
from app.domain.findings import AuditVerdict, Checked, CheckOutcome, Finding, weighs
from app.domain.words import clip, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.agents.auditing.aws.audit import Told
    from app.agents.auditing.aws.shape import Judgement, Rule

REASONS = 20
"""Reasons of a rule that are told singly."""
_CALL = re.compile(
    r"\b([a-z0-9-]{2,40}:[A-Z][A-Za-z0-9]{1,80}) "
    r"(denied|throttled|expired|unreachable|out of order|no credentials|not found|rejected|given up|failed)"
)
_WHY = 300


def finding_of(rule: Rule, judgement: Judgement) -> Finding:
    """Return a FAIL as a finding: its check is the service, and it is about the resource.

    Args:
        rule: The rule.
        judgement: How a resource stands to it.
    """
    return Finding(
        check=rule.id.partition("-")[0],
        rule=rule.id,
        title=judgement.why or rule.title,
        severity=judgement.severity or rule.severity,
        evidence=judgement.evidence,
        detail=" ".join(filter(None, (f"What is right: {rule.title}.", rule.detail, _where(judgement)))),
        remedy=rule.remedy,
        resource=judgement.resource,
    )


def _where(judgement: Judgement) -> str:
    region = f" in {judgement.region}" if judgement.region else ""
    return f"Account {judgement.account}{region}."


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What a rule came to.

    Attributes:
        checked: The outcome and the findings, as audits know them; the outcome's check is the rule's id.
        passed: Resources that are as they should be.
        failed: Resources that are not.
        unknown: Resources of which it is not known.
    """

    checked: Checked
    passed: int
    failed: int
    unknown: int


@dataclass(slots=True)
class _Group:
    """Resources of which one thing is not known for one reason."""

    resources: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)


class Tally:
    """Takes what an audit tells, and says what it came to.

    Args:
        rules: The rules that were asked for, by their ids.
        accounts: The accounts that were asked for, as their targets name them.
    """

    def __init__(self, rules: Mapping[str, Rule], accounts: Iterable[str]) -> None:
        self._rules = rules
        self._unfinished = dict.fromkeys(accounts)
        self._counts: defaultdict[str, Counter[AuditVerdict]] = defaultdict(Counter)
        self._findings: defaultdict[str, list[Finding]] = defaultdict(list)
        self._weighs: set[str] = set()
        self._groups: defaultdict[str, defaultdict[str, _Group]] = defaultdict(lambda: defaultdict(_Group))

    def take(self, told: Told) -> None:
        """Take one thing that the audit told."""
        if isinstance(told, Progress):
            if told.listed and told.done == told.total:
                self._unfinished.pop(told.account, None)
            else:
                self._unfinished[told.account] = None
            return
        self._counts[told.rule][told.verdict] += 1
        if told.verdict is AuditVerdict.FAIL:
            finding = finding_of(self._rules[told.rule], told)
            if weighs(finding):
                self._weighs.add(told.rule)
            if len(self._findings[told.rule]) < MOST_FINDINGS:
                self._findings[told.rule].append(finding)
        elif told.verdict is AuditVerdict.UNKNOWN:
            for cause in causes_of(told.why):
                group = self._groups[told.rule][cause]
                group.resources.add(told.resource)
                group.accounts.add(told.account)
                group.rules.add(told.rule)

    def outcomes(self) -> tuple[RuleOutcome, ...]:
        """Return what each rule came to, in the order in which the rules were given.

        A rule passes only when each account was wholly looked at, and nothing is unknown.
        """
        return tuple(self._outcome(each) for each in self._rules.values())

    def lacking(self) -> tuple[str, ...]:
        """Return over all rules what could not be had and what for, one sentence for each denied call."""
        merged: defaultdict[str, _Group] = defaultdict(_Group)
        for groups in self._groups.values():
            for cause, group in groups.items():
                merged[cause].resources |= group.resources
                merged[cause].accounts |= group.accounts
                merged[cause].rules |= group.rules
        order = sorted(merged.items(), key=lambda each: (-len(each[1].resources), each[0]))
        return tuple(f"{_said(cause, group)} Rules: {named(sorted(group.rules))}." for cause, group in order)

    def _outcome(self, rule: Rule) -> RuleOutcome:
        counts, found = self._counts[rule.id], self._findings[rule.id]
        failed = counts[AuditVerdict.FAIL]
        reasons = self._reasons(rule.id)
        verdict = AuditVerdict.UNKNOWN if reasons else AuditVerdict.PASS
        if rule.id in self._weighs:
            verdict = AuditVerdict.FAIL
        outcome = CheckOutcome(rule.id, rule.title, verdict, reasons, failed, failed - len(found))
        checked = Checked(outcome, tuple(sorted(found, key=lambda each: each.resource)))
        return RuleOutcome(checked, counts[AuditVerdict.PASS], failed, counts[AuditVerdict.UNKNOWN])

    def _reasons(self, rule: str) -> tuple[str, ...]:
        order = sorted(self._groups[rule].items(), key=lambda each: (-len(each[1].resources), each[0]))
        said = [_said(cause, group) for cause, group in order[:REASONS]]
        if len(order) > REASONS:
            said.append(f"And {plural(len(order) - REASONS, 'more reason')}.")
        if self._unfinished:
            who = named(sorted(self._unfinished))
            said.append(f"The audit was ended before all was looked at in {who}.")
        return tuple(said)


def causes_of(why: str) -> tuple[str, ...]:
    """Return what made something unknown: the calls that came to nothing, or else the words as they are.

    Args:
        why: Of a judgement.
    """
    calls = dict.fromkeys(f"{call} {kind}" for call, kind in _CALL.findall(why))
    return tuple(calls) or (clip(why, _WHY) or "It is not known why.",)


def _said(cause: str, group: _Group) -> str:
    """Return one sentence for all resources with one cause."""
    resources: Sequence[str] = sorted(group.resources)
    what = resources[0] if len(resources) == 1 else f"{len(resources):,} resources"
    where = named([f"account {each}" for each in sorted(group.accounts)])
    return f"{cause.rstrip('.')}: {what} in {where} not known."
