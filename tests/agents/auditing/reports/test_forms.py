"""The forms by name: each takes any report, and gives text that any file can hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.reports.forms import FORMS
from app.domain.findings import Finding, Severity, Standing, Standings, past_of

if TYPE_CHECKING:
    from app.domain.findings import AuditReport


def test_forms_have_the_names_that_the_command_takes() -> None:
    """These are the words of `--format`."""
    assert list(FORMS) == ["text", "json", "sarif", "html", "md"]


@pytest.mark.parametrize("name", ["text", "json", "sarif", "html", "md"])
def test_names_that_are_no_text_end_no_form(name: str, report: AuditReport) -> None:
    """A path whose bytes are no UTF-8 is told by each form, and what it gives can be written as UTF-8."""
    odd = replace(
        report.findings[0].finding, path="b\udcff\ud800.py", title="\udfff", evidence="\udc80", commit="\udc80"
    )
    findings = (replace(report.findings[0], finding=odd),)

    told = FORMS[name](replace(report, project="/srv/\udcff", findings=findings, fixed=(odd,)), [past_of(report)])

    assert told.endswith("\n")
    assert told.encode("utf-8")


BUCKET = "arn:aws:s3:::anna-shop-logs"


@pytest.mark.parametrize("name", ["text", "json", "sarif", "html", "md"])
def test_a_resource_is_told_where_a_file_would_be(name: str, report: AuditReport) -> None:
    """A finding about no file says what it is about, in each form."""
    bucket = Finding("s3", "s3-tls-only", "Nothing denies plain HTTP", Severity.LOW, resource=BUCKET)
    findings = (*report.findings, Standings(bucket, Standing.NEW))

    told, before = FORMS[name](replace(report, findings=findings)), FORMS[name](report)

    assert BUCKET in told
    assert BUCKET not in before
