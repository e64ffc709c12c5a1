"""An audit's report as JSON, and back.

The document is one object. Text is in ASCII with escapes, so that none of it moves a cursor; keys have a stable order.

    schema       1; a reader refuses a higher one and ignores keys that it does not know
    kind         "watchkeeper-audit"
    id           of the audit, unique
    project      the project's root folder
    target       what was audited where that is no folder of a person's: an account; else empty
    started_at   seconds since 1970-01-01 UTC
    duration_s   seconds
    verdict      "pass", "fail" or "unknown"; follows from the rest, and is not read
    summary      the audit in one line for people; follows from the rest, and is not read
    open         an object: how many findings of each severity are new or known; likewise
    head         the commit that was looked at; empty without git
    only         the checks to which the audit was limited by name; [] when it was not
    trigger      {kind, what, others}
    checks       [{check, title, verdict, reasons, findings, left_out, took_s}]
    findings     [{standing, reason, and what a finding has}]
    fixed        [what a finding has]
    history      earlier audits, the oldest first: [{at, verdict, counts, new, fixed}]

A finding has: check, rule, title, severity, path, line, evidence, detail, remedy, commit, fingerprint, resource.
A number that is none (infinite, or not a number) is written as null and read as 0.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from app.agents.auditing.reports.outline import summary
from app.domain.findings import (
    AuditReport,
    AuditVerdict,
    CheckOutcome,
    Finding,
    Past,
    Severity,
    Standing,
    Standings,
    Trigger,
    TriggerKind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = 1
KIND = "watchkeeper-audit"

_Kind = TypeVar("_Kind", bound=StrEnum)
_Value = TypeVar("_Value")


class NotAReport(ValueError):
    """A document is no audit's report, or one of a later release; the text says which and where."""


def to_json(report: AuditReport, past: Sequence[Past] = ()) -> str:
    """Return a report as JSON, as this module's documentation describes it.

    Args:
        report: The audit.
        past: The audits before it, the oldest first.
    """
    document = {
        "schema": SCHEMA,
        "kind": KIND,
        "id": report.id,
        "project": report.project,
        "target": report.target,
        "started_at": report.started_at,
        "duration_s": report.duration_s,
        "verdict": report.verdict,
        "summary": summary(report),
        "open": report.counts(),
        "head": report.head,
        "only": list(report.only),
        "trigger": asdict(report.trigger),
        "checks": [asdict(each) for each in report.checks],
        "findings": [
            {"standing": each.standing, "reason": each.reason, **asdict(each.finding)} for each in report.findings
        ],
        "fixed": [asdict(each) for each in report.fixed],
        "history": [{"at": each.at, "verdict": each.verdict, "counts": dict(each.counts), "new": each.new,
                     "fixed": each.fixed} for each in past],
    }  # fmt: skip
    return json.dumps(_finite(document), indent=2, allow_nan=False) + "\n"


def report_from_json(text: str) -> AuditReport:
    """Return the report that a document tells of. What is missing takes its usual value.

    Raises:
        NotAReport: It is no JSON, no such document, of a later schema, or a value is of a wrong kind.
    """
    top = _document(text)
    return AuditReport(
        id=top.text("id"),
        project=top.text("project"),
        started_at=top.number("started_at"),
        duration_s=top.number("duration_s"),
        trigger=_trigger(top.object("trigger")),
        checks=tuple(_check(each) for each in top.objects("checks")),
        findings=tuple(
            Standings(_finding(each), each.one_of("standing", Standing, Standing.NEW), each.text("reason"))
            for each in top.objects("findings")
        ),
        fixed=tuple(_finding(each) for each in top.objects("fixed")),
        head=top.text("head"),
        target=top.text("target"),
        only=top.texts("only"),
    )


def history_from_json(text: str) -> tuple[Past, ...]:
    """Return the earlier audits that a document tells of, the oldest first.

    Raises:
        NotAReport: As `report_from_json`.
    """
    return tuple(
        Past(
            at=each.number("at"),
            verdict=each.one_of("verdict", AuditVerdict, AuditVerdict.UNKNOWN),
            counts={severity: each.object("counts").whole(severity.value) for severity in reversed(Severity)},
            new=each.whole("new"),
            fixed=each.whole("fixed"),
        )
        for each in _document(text).objects("history")
    )


class _Object:
    """An object of the document. Each reading says where a value is of a wrong kind."""

    def __init__(self, found: object, where: str) -> None:
        if not isinstance(found, dict):
            raise NotAReport(f"{where or 'The document'} is not an object")
        self._found: dict[str, Any] = found
        self._where = where

    def text(self, key: str) -> str:
        return self._of(key, str, "", "text")

    def number(self, key: str) -> float:
        found = self._found.get(key)
        if found is None:
            return 0.0
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(key, "a number")
        try:
            return float(found) if math.isfinite(found) else 0.0
        except OverflowError:
            raise self._wrong(key, "a number of usual size") from None

    def whole(self, key: str) -> int:
        found = self._found.get(key, 0)
        if isinstance(found, bool) or not isinstance(found, int):
            raise self._wrong(key, "a whole number")
        return found

    def one_of(self, key: str, kind: type[_Kind], default: _Kind) -> _Kind:
        found = self._found.get(key, default)
        try:
            return kind(found)
        except ValueError:
            raise self._wrong(key, " or ".join(each.value for each in kind)) from None

    def object(self, key: str) -> _Object:
        return _Object(self._found.get(key, {}), self._named(key))

    def objects(self, key: str) -> list[_Object]:
        found = self._of(key, list, [], "a list")
        return [_Object(each, f"{self._named(key)}[{number}]") for number, each in enumerate(found)]

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._of(key, list, [], "a list")
        if not all(isinstance(each, str) for each in found):
            raise self._wrong(key, "a list of texts")
        return tuple(found)

    def _of(self, key: str, kind: type[_Value], default: _Value, what: str) -> _Value:
        found = self._found.get(key, default)
        if not isinstance(found, kind):
            raise self._wrong(key, what)
        return found

    def _wrong(self, key: str, what: str) -> NotAReport:
        return NotAReport(f"{self._named(key)} is not {what}")

    def _named(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key


def _document(text: str) -> _Object:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NotAReport("The document is not JSON") from None
    top = _Object(found, "")
    if top.text("kind") != KIND:
        raise NotAReport("The document is not the report of an audit")
    schema = top.whole("schema")
    if schema != SCHEMA:
        raise NotAReport(f"The report has the schema {schema}; this release reads {SCHEMA}")
    return top


def _trigger(found: _Object) -> Trigger:
    return Trigger(found.one_of("kind", TriggerKind, TriggerKind.ASKED), found.text("what"), found.whole("others"))


def _check(found: _Object) -> CheckOutcome:
    return CheckOutcome(
        check=found.text("check"),
        title=found.text("title"),
        verdict=found.one_of("verdict", AuditVerdict, AuditVerdict.UNKNOWN),
        reasons=found.texts("reasons"),
        findings=found.whole("findings"),
        left_out=found.whole("left_out"),
        took_s=found.number("took_s"),
    )


def _finding(found: _Object) -> Finding:
    return Finding(
        check=found.text("check"),
        rule=found.text("rule"),
        title=found.text("title"),
        severity=found.one_of("severity", Severity, Severity.MEDIUM),
        path=found.text("path"),
        line=found.whole("line"),
        evidence=found.text("evidence"),
        detail=found.text("detail"),
        remedy=found.text("remedy"),
        commit=found.text("commit"),
        fingerprint=found.text("fingerprint"),
        resource=found.text("resource"),
    )


def _finite(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
