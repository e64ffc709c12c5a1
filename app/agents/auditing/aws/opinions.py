"""How one resource stands to one rule, before it is known of which unit that is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.auditing.aws.shape import Judgement
from app.domain.findings import AuditVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.agents.auditing.aws.reading import NotRead
    from app.agents.auditing.aws.shape import Rule, Unit
    from app.domain.findings import Severity

_TOLD = 6
_MOST_SENTENCES = 5


@dataclass(frozen=True, slots=True)
class Opinion:
    """How a resource stands to a rule.

    Attributes:
        verdict: PASS, FAIL or UNKNOWN.
        why: What decides it, in words for people.
        evidence: What shows it, as text; empty for none.
        severity: Where it matters more or less than the rule says; None for the rule's.
    """

    verdict: AuditVerdict
    why: str
    evidence: str = ""
    severity: Severity | None = None

    def on(self, resource: str, rule: Rule, unit: Unit) -> Judgement:
        """Return it as the judgement of a unit.

        Args:
            resource: The resource's ARN.
            rule: The rule.
            unit: Which unit.
        """
        return Judgement(
            rule.id, resource, unit.account, unit.region, self.verdict, self.why, self.evidence, self.severity
        )


def passes(why: str, evidence: str = "") -> Opinion:
    """Return a PASS; for its arguments see Opinion."""
    return Opinion(AuditVerdict.PASS, why, evidence)


def fails(why: str, evidence: str = "", severity: Severity | None = None) -> Opinion:
    """Return a FAIL; for its arguments see Opinion."""
    return Opinion(AuditVerdict.FAIL, why, evidence, severity)


def unknown(why: str, evidence: str = "") -> Opinion:
    """Return an UNKNOWN; for its arguments see Opinion."""
    return Opinion(AuditVerdict.UNKNOWN, why, evidence)


def not_known(lost: Iterable[NotRead], reasons: Iterable[str] = ()) -> Opinion:
    """Return an UNKNOWN for facts that could not be had.

    Args:
        lost: The facts that would decide; each tells its call.
        reasons: Why else it is not known.
    """
    missing = list(dict.fromkeys(each.why for each in lost))
    return unknown(sentences([f"Not known: {named(missing)}."] if missing else [], reasons))


def sentences(first: Iterable[str], reasons: Iterable[str]) -> str:
    """Return reasons as sentences in one line, the first five of them.

    Args:
        first: Sentences that come before them.
        reasons: Their first letter may be small, and their full stop missing.
    """
    every = list(dict.fromkeys([*first, *(_sentence(each) for each in reasons)]))
    left = len(every) - _MOST_SENTENCES
    return " ".join([*every[:_MOST_SENTENCES], *([f"And {left} more."] if left > 0 else [])])


def _sentence(reason: str) -> str:
    text = reason[:1].upper() + reason[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def named(names: Sequence[str]) -> str:
    """Return names as people list them, the first six of many: `a, b and c`."""
    more = [f"{len(names) - _TOLD} others"] if len(names) > _TOLD else []
    every = [*names[:_TOLD], *more]
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))
