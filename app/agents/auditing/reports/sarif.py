"""An audit's report as SARIF 2.1.0 (OASIS), as code hosts and editors read it.

Paths are relative to `%SRCROOT%`, of which it is not said where it lies on the person's machine.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app import __version__
from app.agents.auditing.reports.outline import block, limits, moment, name, occasion, summary, title, without_root
from app.domain.findings import AuditVerdict, Severity, Standing
from app.domain.words import clip, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.findings import AuditReport, CheckOutcome, Finding, Past

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "watchkeeper/v1"
ROOT = "%SRCROOT%"

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_BASELINE = {Standing.NEW: "new", Standing.KNOWN: "unchanged", Standing.MUTED: "unchanged", Standing.FIXED: "absent"}
_EVIDENCE = 2_000
_DETAIL = 8_000
_MESSAGE = 1_000
_STEP = 25
"""Of 100, between the ranks of two neighbouring severities."""
_LINK = re.compile(r"\](?=\()")
_LAST = re.compile(r"[:/]")
_ABSOLUTE = re.compile(r"/|\\\\|[A-Za-z]:[/\\]")
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def to_sarif(report: AuditReport, past: Sequence[Past] = ()) -> str:  # noqa: ARG001 - SARIF knows no trend
    """Return a report as a SARIF log with one run.

    New, known and fixed findings have the baseline states `new`, `unchanged` and `absent`; muted ones are suppressed
    with their reason. A check that could not look at everything is a notification of level `error`, and the run
    then did not succeed: what was not looked at is not good.

    Args:
        report: The audit.
        past: Is not told.
    """
    report = without_root(report)
    log = {"$schema": SCHEMA, "version": VERSION, "runs": [_run(report)]}
    return json.dumps(log, indent=2, allow_nan=False) + "\n"


def _run(report: AuditReport) -> dict[str, Any]:
    rules = _Rules(report)
    results = [_result(rules, each.finding, each.standing, each.reason) for each in report.findings]
    results += [_result(rules, each, Standing.FIXED, "") for each in report.fixed]
    told = {
        "audit": one_line(report.id),
        "project": one_line(report.project),
        "verdict": report.verdict.value,
        "summary": summary(report),
        "occasion": occasion(report.trigger),
    }
    if report.only:
        told["checks"] = limits(report)
    if report.head:
        told["commit"] = one_line(report.head)
    return {
        "tool": {
            "driver": {
                "name": "Watchkeeper",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": rules.told,
                "notifications": [
                    {"id": check, "shortDescription": {"text": _message(text)}}
                    for check, text in {_id(each.check): each.title or each.check for each in report.checks}.items()
                ],
            }
        },
        "automationDetails": {"id": "watchkeeper/"},
        "language": "en",
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The project's root folder."}}},
        "invocations": [_invocation(report)],
        "results": results,
        "properties": told,
    }


class _Rules:
    """The rules that a report's findings are of, each once."""

    def __init__(self, report: AuditReport) -> None:
        self.told: list[dict[str, Any]] = []
        self.index: dict[str, int] = {}
        titles = {each.check: one_line(each.title) for each in report.checks}
        for finding in (*(each.finding for each in report.findings), *report.fixed):
            rule = _id(name(finding))
            if rule in self.index:
                continue
            self.index[rule] = len(self.told)
            check = titles.get(finding.check) or one_line(finding.check) or "Audit"
            told: dict[str, Any] = {
                "id": rule,
                "shortDescription": {"text": _message(f"{check}: {one_line(finding.rule) or title(finding)}")},
                "defaultConfiguration": {"level": _LEVELS[finding.severity]},
                "properties": {"check": one_line(finding.check), "severity": finding.severity.value},
            }
            if one_line(finding.remedy):
                told["help"] = {"text": _message(finding.remedy)}
            self.told.append(told)


def _result(rules: _Rules, finding: Finding, standing: Standing, reason: str) -> dict[str, Any]:
    rule = _id(name(finding))
    remedy = _message(finding.remedy)
    result: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": rules.index[rule],
        "level": _LEVELS[finding.severity],
        "rank": float(finding.severity.rank * _STEP),
        "message": {"text": " ".join(filter(None, (_sentence(_message(title(finding))), remedy)))},
        "baselineState": _BASELINE[standing],
        # All results of a run have suppressions or none has (3.27.23): an empty list says that it was looked.
        "suppressions": [_suppression(reason)] if standing is Standing.MUTED else [],
    }
    if finding.fingerprint:
        result["partialFingerprints"] = {FINGERPRINT: one_line(finding.fingerprint)}
    if location := {**_location(finding), **_logical(finding)}:
        result["locations"] = [location]
    properties = {
        "severity": finding.severity.value,
        "standing": standing.value,
        "commit": one_line(finding.commit),
        "detail": block(finding.detail, _DETAIL),
    }
    result["properties"] = {key: value for key, value in properties.items() if value}
    return result


def _suppression(reason: str) -> dict[str, Any]:
    return {"kind": "external", "status": "accepted", "justification": _message(reason) or "No reason was given."}


def _location(finding: Finding) -> dict[str, Any]:
    uri = _uri(finding.path)
    if not uri:
        return {}
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": ROOT}}
    evidence = block(finding.evidence, _EVIDENCE)
    if finding.line > 0:
        physical["region"] = {"startLine": finding.line}
        if evidence:
            physical["region"]["snippet"] = {"text": evidence}
    return {"physicalLocation": physical}


def _logical(finding: Finding) -> dict[str, Any]:
    """Return what a finding is about where that is no place in a file (3.28.4, 3.33)."""
    resource = one_line(finding.resource)
    if not resource:
        return {}
    name = _LAST.split(resource)[-1] or resource
    return {"logicalLocations": [{"fullyQualifiedName": resource, "name": name, "kind": "resource"}]}


def _invocation(report: AuditReport) -> dict[str, Any]:
    notifications = [each for check in report.checks for each in _notifications(check)]
    if not report.checks:
        notifications.append({"level": "error", "message": {"text": "No check ran."}})
    invocation: dict[str, Any] = {
        "executionSuccessful": not notifications,
        "toolExecutionNotifications": notifications,
    }
    ends = (("startTimeUtc", report.started_at), ("endTimeUtc", report.started_at + max(report.duration_s, 0.0)))
    for key, at in ends:
        if (told := moment(at, _MOMENT)).endswith("Z"):
            invocation[key] = told
    return invocation


def _notifications(check: CheckOutcome) -> Iterator[dict[str, Any]]:
    if check.verdict is not AuditVerdict.UNKNOWN and not check.reasons:
        return
    for reason in check.reasons or ("It is not known why.",):
        yield {
            "level": "error",
            "descriptor": {"id": _id(check.check)},
            "message": {
                "text": f"{_message(check.title or check.check)} could not wholly be looked at: {_message(reason)}"
            },
        }


def _uri(path: str) -> str:
    """Return a path as a relative reference (RFC 3986), its bytes percent-encoded as they are on the disk."""
    if _ABSOLUTE.match(path):
        path = path.replace("\\", "/").rpartition("/")[2]
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "replace")
    return quote(raw, safe="/")


def _id(text: str) -> str:
    return one_line(text) or "unnamed"


def _message(text: str) -> str:
    """Return foreign text for a message, in which a reader would take `[words](target)` for a link (3.11.6)."""
    return _LINK.sub("] ", clip(one_line(text), _MESSAGE))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
