"""The answer beside a marker: `NAME.audit.md` for who reads, `NAME.audit.json` for programs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.agents.auditing.ownfiles import ANSWER_ENDS
from app.agents.auditing.reports.jsonform import to_json
from app.agents.auditing.reports.markdown import to_markdown
from app.agents.auditing.reports.outline import CLAIMS, without_root
from app.domain.findings import AuditVerdict, Trigger, TriggerKind, weighs
from app.engine.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from app.domain.findings import AuditReport, CheckOutcome, Past

OF_THE_PROJECT = 0o644


def answer_beside(
    root: Path, marker: str, report: AuditReport, past: Sequence[Past] = (), *, among: Iterable[str] = ()
) -> tuple[Path, ...]:
    """Write both answers, in place of older ones, and return their paths; of a marker that is gone none is written.

    A link that lies there already is replaced: what it leads to is not the answer's to change.

    Args:
        root: The project's root folder.
        marker: The marker's path, relative to it with `/`.
        report: What the audit came to.
        past: The audits before it, the oldest first.
        among: The markers of that audit.

    Raises:
        OSError: They cannot be written, or the marker's folder lies outside of the project.
    """
    path = root / marker
    if not path.is_file():
        return ()
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise OSError("its folder lies outside of the project")
    report = about(report, marker, among)
    stem = path.name.removesuffix(".md") or path.name
    told: Sequence[str] = (to_markdown(report, past), to_json(without_root(report), past))
    written = []
    for end, text in zip(ANSWER_ENDS, told, strict=True):
        answer = path.with_name(stem + end)
        write_atomic(answer, text.encode(), mode=OF_THE_PROJECT, follow=False)
        written.append(answer)
    return tuple(written)


def about(report: AuditReport, marker: str, among: Iterable[str] = ()) -> AuditReport:
    """Return what a report says to who wrote one of its markers: the claims of the other ones are not theirs.

    Args:
        report: What the audit came to.
        marker: Whose.
        among: The markers of that audit.
    """
    others = tuple(f"{each}: " for each in among if each != marker)
    findings = tuple(each for each in report.findings if each.finding.check != CLAIMS or each.finding.path == marker)
    own = [each.finding for each in findings if each.finding.check == CLAIMS]

    def outcome(check: CheckOutcome) -> CheckOutcome:
        if check.check != CLAIMS or check.left_out:
            return check
        reasons = tuple(each for each in check.reasons if not each.startswith(others))
        verdict = AuditVerdict.UNKNOWN if reasons else AuditVerdict.PASS
        if any(weighs(each) for each in own):
            verdict = AuditVerdict.FAIL
        return replace(check, verdict=verdict, reasons=reasons, findings=len(own))

    return replace(
        report,
        trigger=Trigger(TriggerKind.MARKER, marker, report.trigger.others),
        checks=tuple(map(outcome, report.checks)),
        findings=findings,
        fixed=tuple(each for each in report.fixed if each.check != CLAIMS or each.path == marker),
    )
