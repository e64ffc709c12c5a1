"""What is said of audits, the same in every face. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import words
from app.domain.findings import AuditVerdict, Severity, TriggerKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.findings import AuditView, Finding, FindingHistory, Trigger

WAITING = "waiting"
"""Said in place of a check while an audit has not begun."""
_LENGTH = 60

_VERDICTS = {
    AuditVerdict.PASS: "nothing of weight found",
    AuditVerdict.FAIL: "findings",
    AuditVerdict.UNKNOWN: "not all could be looked at",
}


def verdict(value: AuditVerdict) -> str:
    """Return what an audit or a check came to, in words."""
    return _VERDICTS[value]


def auditing(view: AuditView) -> str:
    """Return what an audit does that is on its way: `audit is waiting`, `auditing, Secrets`; empty when none is."""
    if not view.running:
        return ""
    check = words.one_line(view.running)
    return "audit is waiting" if check == WAITING else f"auditing, {words.clip(check, _LENGTH)}"


def opened(view: AuditView) -> str:
    """Return how many findings are open, the most severe first: `1 critical, 4 low`; empty when there is none."""
    return ", ".join(f"{count:,} {severity.value}" for severity, count in view.open if count)


def since(history: FindingHistory, now: float) -> str:
    """Return since when a finding is known: `first seen 4 days ago`, `first seen yesterday, and back again`.

    Args:
        history: What the audits say of it.
        now: Wall-clock time.
    """
    if history.audits <= 1 and not history.came_back:
        return ""
    seen = f"first seen {words.ago(max(0.0, now - history.first_at))}"
    return f"{seen}, fixed and back again" if history.came_back else seen


def grave(views: Sequence[AuditView]) -> str:
    """Return what is grave in some projects: `1 high finding`, `1 critical and 4 high findings`; empty for nothing."""
    counts = {severity: 0 for severity in reversed(Severity) if severity.rank >= Severity.HIGH.rank}
    for view in views:
        for severity, count in view.open:
            if severity in counts:
                counts[severity] += count
    said = " and ".join(f"{count:,} {severity.value}" for severity, count in counts.items() if count)
    return f"{said} {'finding' if sum(counts.values()) == 1 else 'findings'}" if said else ""


def standing(view: AuditView) -> str:
    """Return in a line where the audits of a project stand, without their age; empty when there was none."""
    if view.verdict is None:
        return ""
    found = opened(view)
    said = [found] if found else []
    if found and view.new:
        said.append(f"{view.new:,} new")
    if not found or view.verdict is AuditVerdict.UNKNOWN:
        said.append(verdict(view.verdict) if view.verdict is not AuditVerdict.FAIL else "nothing open")
    return ", ".join(said)


def occasion(trigger: Trigger) -> str:
    """Return why an audit began: `asked for`, `marker docs/DONE_COMPLETE.md`, `coverage 82.0 %`."""
    what = words.clip(words.one_line(trigger.what), _LENGTH)
    match trigger.kind:
        case TriggerKind.ASKED:
            said = "asked for"
        case TriggerKind.MARKER:
            said = f"marker {what}"
        case TriggerKind.COMMIT:
            said = f"commit {what}"
        case TriggerKind.TAG:
            said = f"tag {what}"
        case TriggerKind.COVERAGE:
            said = what or "coverage"
        case TriggerKind.SCHEDULE:
            said = what or "scheduled"
    return said.strip() + (f" and {trigger.others:,} more" if trigger.others > 0 else "")


def place(finding: Finding) -> str:
    """Return where a finding is: `app/a.py:12`, `app/a.py`, or a resource's ARN; empty when it is about neither."""
    path, resource = words.one_line(finding.path), words.one_line(finding.resource)
    line = f":{finding.line}" if path and finding.line > 0 else ""
    return ", ".join(filter(None, (path + line, resource)))


def title(finding: Finding) -> str:
    """Return what is wrong, in one line; the name of the rule where the check says nothing."""
    return words.one_line(finding.title) or rule(finding) or "(no title)"


def rule(finding: Finding) -> str:
    """Return which rule of which check a finding is of: `secrets/aws-access-key`."""
    return "/".join(part for part in (words.one_line(finding.check), words.one_line(finding.rule)) if part)
