"""A report as JSON: whoever reads it back has the same report, and what is no report is refused with its place."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.auditing.reports.jsonform import NotAReport, history_from_json, report_from_json, to_json
from app.domain.findings import AuditReport, AuditVerdict, Severity, Trigger, past_of

if TYPE_CHECKING:
    from app.domain.findings import Past

HEAD = {"schema": 1, "kind": "watchkeeper-audit"}
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
KEYS = ["id", "project", "started_at", "duration_s", "trigger", "checks", "findings", "fixed", "head"]


@settings(deadline=None)
@given(data=st.data())
def test_a_report_comes_back_as_it_was(
    data: st.DataObject, reports: st.SearchStrategy[AuditReport], pasts: st.SearchStrategy[tuple[Past, ...]]
) -> None:
    """Any report and its history are the same after they were written and read."""
    report, past = data.draw(reports), data.draw(pasts)

    told = to_json(report, past)

    assert report_from_json(told) == report
    assert history_from_json(told) == past
    assert told.isascii()


def test_names_of_files_that_are_no_text_come_back(report: AuditReport) -> None:
    """A path with bytes that are no UTF-8, as the system hands it over, survives."""
    named = replace(report.findings[0], finding=replace(report.findings[0].finding, path="a\udcff.py"))

    back = report_from_json(to_json(replace(report, findings=(named,))))

    assert back.findings == (named,)


def test_the_same_report_is_the_same_document_with_its_keys_in_order(report: AuditReport) -> None:
    """The order of keys is stable, so that two documents can be compared line by line."""
    told = to_json(report, [past_of(report)])

    document = json.loads(told)

    assert told == to_json(report_from_json(told), history_from_json(told))
    assert list(document)[:7] == ["schema", "kind", "id", "project", "target", "started_at", "duration_s"]
    assert list(document["open"]) == ["critical", "high", "medium", "low", "info"]
    assert (document["verdict"], document["open"]["critical"], document["history"][0]["fixed"]) == ("fail", 1, 1)


def test_what_a_later_release_adds_is_passed_over(report: AuditReport) -> None:
    """Keys that are not known change nothing, wherever they stand."""
    document = json.loads(to_json(report))
    for each in (document, document["trigger"], *document["checks"], *document["findings"], *document["fixed"]):
        each["of_a_later_release"] = {"more": [1]}

    assert report_from_json(json.dumps(document)) == report


def test_what_is_missing_takes_its_usual_value() -> None:
    """A document with nothing but its head is a report in which nothing was looked at."""
    back = report_from_json(json.dumps(HEAD))

    assert back == AuditReport("", "", 0.0, 0.0, Trigger())
    assert back.verdict is AuditVerdict.UNKNOWN


def test_a_finding_without_severity_still_weighs() -> None:
    """What does not say how much it matters is not taken for a remark."""
    back = report_from_json(json.dumps({**HEAD, "findings": [{"title": "x"}]}))

    assert back.findings[0].finding.severity is Severity.MEDIUM
    assert back.verdict is AuditVerdict.FAIL


def test_numbers_that_are_none_are_written_as_json_knows(report: AuditReport) -> None:
    """Infinity and what is not a number are null in the document, and 0 when it is read."""
    told = to_json(replace(report, started_at=float("nan"), duration_s=float("inf")))

    assert json.loads(told, parse_constant=pytest.fail)["started_at"] is None
    assert (report_from_json(told).started_at, report_from_json(told).duration_s) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("", "The document is not JSON"),
        ("[" * 200_000, "The document is not JSON"),
        ("[]", "The document is not an object"),
        ("{}", "The document is not the report of an audit"),
        (json.dumps({**HEAD, "schema": 2}), "The report has the schema 2; this release reads 1"),
        (json.dumps({**HEAD, "id": 7}), "id is not text"),
        (json.dumps({**HEAD, "started_at": "now"}), "started_at is not a number"),
        (json.dumps({**HEAD, "started_at": 10**400}), "started_at is not a number of usual size"),
        (json.dumps({**HEAD, "trigger": {"others": True}}), "trigger.others is not a whole number"),
        (json.dumps({**HEAD, "findings": {}}), "findings is not a list"),
        (json.dumps({**HEAD, "checks": [{}, {"verdict": []}]}), "checks[1].verdict is not pass or fail or unknown"),
        (json.dumps({**HEAD, "checks": [{"reasons": [1]}]}), "checks[0].reasons is not a list of texts"),
        (json.dumps({**HEAD, "fixed": ["x"]}), "fixed[0] is not an object"),
    ],
)
def test_what_is_no_report_is_refused_with_its_place(document: str, reason: str) -> None:
    """The reason says what is wrong, and where."""
    with pytest.raises(NotAReport) as refused:
        report_from_json(document)

    assert str(refused.value) == reason


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_document_is_read_or_refused(found: dict[str, Any]) -> None:
    """Nothing that JSON can hold ends in another error."""
    try:
        report = report_from_json(json.dumps({**HEAD, **found}))
    except NotAReport:
        return

    assert report_from_json(to_json(report)) == report
