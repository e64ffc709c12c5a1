"""A report as SARIF: valid by the standard's schema, and telling what is new, gone, muted and not looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from app.agents.auditing.reports.sarif import to_sarif
from app.domain.findings import AuditReport, AuditVerdict, CheckOutcome, Finding, Severity, Standing, Standings

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = Path(__file__).parent / "schema" / "sarif-2.1.0-rtm.5.json"
PASSED = (CheckOutcome("a", "A", AuditVerdict.PASS),)


@pytest.fixture(scope="session")
def validator() -> Draft4Validator:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema)


@pytest.fixture
def run(validator: Draft4Validator) -> Callable[[AuditReport], dict[str, Any]]:
    """Returns the one run of a report's log, which is valid."""

    def made(report: AuditReport) -> dict[str, Any]:
        log = json.loads(to_sarif(report))
        validator.validate(log)
        (only,) = log["runs"]
        return only

    return made


def located(path: str, report: AuditReport) -> AuditReport:
    found = Finding("a", "r", "T", Severity.LOW, path, 3, evidence="x = 1")
    return replace(report, findings=(Standings(found, Standing.NEW),), fixed=(), checks=PASSED)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_report_is_valid(
    data: st.DataObject, reports: st.SearchStrategy[AuditReport], validator: Draft4Validator
) -> None:
    """Whatever checks say, the log holds to the schema, and each result to its rule."""
    report = data.draw(reports)

    log = json.loads(to_sarif(report))

    validator.validate(log)
    rules = [each["id"] for each in log["runs"][0]["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert all(rules[each["ruleIndex"]] == each["ruleId"] for each in log["runs"][0]["results"])


def test_the_schema_refuses_what_is_no_log(validator: Draft4Validator) -> None:
    """The schema of these tests can say no."""
    assert not validator.is_valid({"version": "2.1.0", "runs": [{"tool": {}}]})


def test_results_say_how_they_stand(report: AuditReport, run: Callable[[AuditReport], dict[str, Any]]) -> None:
    """New, known, muted and fixed findings have baseline states, fingerprints and, muted, a justification."""
    results = {each["partialFingerprints"]["watchkeeper/v1"][0]: each for each in run(report)["results"]}

    states = {key: each["baselineState"] for key, each in results.items()}

    assert states == {"a": "new", "b": "unchanged", "c": "new", "d": "unchanged", "e": "absent"}
    assert results["d"]["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "It opens nothing."}
    ]
    assert all(results[key]["suppressions"] == [] for key in "abce")
    assert {key: each["level"] for key, each in results.items()} == {
        "a": "error",
        "b": "warning",
        "c": "note",
        "d": "error",
        "e": "note",
    }


def test_a_result_says_what_is_wrong_and_where(
    report: AuditReport, run: Callable[[AuditReport], dict[str, Any]]
) -> None:
    """The message holds title and remedy, the region its line and evidence, the path percent-encoded UTF-8."""
    (result,) = (each for each in run(report)["results"] if each["ruleId"] == "secrets/aws-access-key")

    assert result["message"]["text"] == "An AWS access key stands in a file. Revoke it."
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {
            "uri": "app/%D0%BD%D0%B0%D1%81%D1%82%D1%80%D0%BE%D0%B9%D0%BA%D0%B8%20prod.py",
            "uriBaseId": "%SRCROOT%",
        },
        "region": {"startLine": 12, "snippet": {"text": 'KEY = "AKIA****WXYZ"'}},
    }


def test_a_check_that_could_not_look_is_an_error_of_the_run(
    report: AuditReport, run: Callable[[AuditReport], dict[str, Any]]
) -> None:
    """Each reason is a notification, and the run did not succeed."""
    (invocation,) = run(report)["invocations"]

    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"] == [
        {
            "level": "error",
            "descriptor": {"id": "deps"},
            "message": {"text": "Dependencies could not wholly be looked at: x.lock is unreadable"},
        }
    ]
    assert (invocation["startTimeUtc"], invocation["endTimeUtc"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:12Z")


@pytest.mark.parametrize(
    ("change", "succeeded"),
    [({}, True), ({"checks": ()}, False)],
    ids=["whole", "no check"],
)
def test_only_a_whole_audit_is_a_successful_run(
    report: AuditReport, change: dict[str, Any], *, succeeded: bool, run: Callable[[AuditReport], dict[str, Any]]
) -> None:
    """An audit in which nothing was looked at did not succeed."""
    told = run(replace(report, findings=(), fixed=(), **{"checks": PASSED, **change}))

    assert told["invocations"][0]["executionSuccessful"] is succeeded


def test_nothing_says_where_on_the_machine_the_project_lies(report: AuditReport) -> None:
    """Neither the base of the paths nor a reason holds a folder of the person's."""
    told = to_sarif(report)

    assert "anna" not in told
    assert json.loads(told)["runs"][0]["originalUriBaseIds"]["%SRCROOT%"].get("uri") is None


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("c:d.py", "c%3Ad.py"),
        ("a b#1?.py", "a%20b%231%3F.py"),
        ("100%.py", "100%25.py"),
        ("x\udcff.py", "x%FF.py"),
        ("/srv/anna/shop/a.py", "a.py"),
        ("/home/bob/secret/b.py", "b.py"),
        ("C:\\Users\\bob\\b.py", "b.py"),
    ],
)
def test_paths_are_relative_references(
    path: str, uri: str, report: AuditReport, run: Callable[[AuditReport], dict[str, Any]]
) -> None:
    """No path is taken for a scheme, a query or a fragment, and none tells of a folder outside."""
    (result,) = run(located(path, report))["results"]

    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_messages_hold_no_links(report: AuditReport, run: Callable[[AuditReport], dict[str, Any]]) -> None:
    """Words of a finding in the form of SARIF's embedded links are none."""
    found = Finding("a", "r", "See [this](http://evil.example)", Severity.LOW)

    (result,) = run(replace(report, findings=(Standings(found, Standing.NEW),), fixed=()))["results"]

    assert result["message"]["text"] == "See [this] (http://evil.example)."


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("arn:aws:s3:::shop-logs", "shop-logs"),
        ("arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1", "sg-1"),
        ("arn:aws:iam::111122223333:user/", "arn:aws:iam::111122223333:user/"),
        ("shop", "shop"),
    ],
)
def test_a_resource_is_a_logical_location(
    resource: str, name: str, report: AuditReport, run: Callable[[AuditReport], dict[str, Any]]
) -> None:
    """With its whole name and its last part, beside the place in a file where there is one."""
    found = Finding("s3", "r", "T", Severity.LOW, resource=resource)
    findings = (Standings(found, Standing.NEW), Standings(replace(found, path="main.tf", line=3), Standing.NEW))

    cloud, both = run(replace(report, findings=findings, fixed=()))["results"]

    logical = [{"fullyQualifiedName": resource, "name": name, "kind": "resource"}]
    assert cloud["locations"] == [{"logicalLocations": logical}]
    assert both["locations"][0]["logicalLocations"] == logical
    assert both["locations"][0]["physicalLocation"]["region"]["startLine"] == 3
