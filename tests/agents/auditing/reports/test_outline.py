"""What all forms have in common: the parts of a report, its sentence, and what is not told of the machine."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.reports.forms import FORMS
from app.agents.auditing.reports.outline import block, moment, occasion, outline, summary, without_root
from app.domain.findings import (
    AuditReport,
    AuditVerdict,
    CheckOutcome,
    Finding,
    Severity,
    Standing,
    Standings,
    Trigger,
    TriggerKind,
    past_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

LOW = Finding("a", "r", "T", Severity.LOW)
HIGH = replace(LOW, severity=Severity.HIGH)
GOOD = CheckOutcome("a", "A", AuditVerdict.PASS)
BLIND = CheckOutcome("b", "B", AuditVerdict.UNKNOWN, ("git is\nnot installed", "second"))


def audit(checks: Sequence[CheckOutcome] = (GOOD,), findings: Sequence[Standings] = (), **more: object) -> AuditReport:
    whole = AuditReport("1", "/srv/anna/shop", 0.0, 1.0, Trigger(), tuple(checks), tuple(findings))
    return replace(whole, **more)  # type: ignore[arg-type] # the fields of a report


def test_parts_are_in_the_order_of_severity() -> None:
    """Each part begins with its most severe finding, whatever the report's order."""
    parts = outline(
        audit(findings=[Standings(LOW, Standing.NEW), Standings(HIGH, Standing.NEW), Standings(LOW, Standing.KNOWN)])
    )

    assert [each.finding for each in parts.new] == [HIGH, LOW]
    assert [each.finding for each in parts.known] == [LOW]


def test_what_a_marker_claims_is_a_part_of_its_own() -> None:
    """A claim is in no other part, and a muted one is muted."""
    claim = replace(LOW, check="claims")

    parts = outline(
        audit(
            findings=[
                Standings(claim, Standing.NEW),
                Standings(LOW, Standing.NEW),
                Standings(claim, Standing.MUTED, "so"),
            ]
        )
    )

    assert [each.finding for each in parts.claims] == [claim]
    assert [each.finding for each in parts.new] == [LOW]
    assert [each.finding for each in parts.muted] == [claim]


def test_a_long_reason_is_cut_between_its_sentences() -> None:
    """What to type is told whole or not at all."""
    why = f"Parts of {'a' * 80} would be sent to api.deepseek.com, and you have not agreed to that."
    report = audit([replace(BLIND, reasons=(f"{why} Agree to it with: watchkeeper explain --allow --project .",))])

    assert summary(report).endswith(f"could not wholly be looked at: {why}")


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (audit(), "Nothing found: PASS"),
        (audit([]), "No check ran: UNKNOWN"),
        (audit(fixed=(LOW,)), "Nothing found, 1 fixed: PASS"),
        (audit([BLIND]), "Nothing found: UNKNOWN; B could not wholly be looked at: git is not installed"),
        (
            audit([BLIND, GOOD, BLIND], [Standings(LOW, Standing.NEW)] * 1200),
            "1,200 new: FAIL; B and 1 more check could not wholly be looked at: git is not installed",
        ),
        (audit([replace(BLIND, title="", reasons=())]), "Nothing found: UNKNOWN; b could not wholly be looked at"),
        (
            audit([replace(GOOD, left_out=5)], [Standings(LOW, Standing.KNOWN), Standings(HIGH, Standing.MUTED, "so")]),
            "1 known, 1 muted, 5 not listed: FAIL",
        ),
    ],
)
def test_one_sentence_says_it_all(report: AuditReport, said: str) -> None:
    """The counts, the verdict, and what could not be looked at."""
    assert summary(report) == said


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        (Trigger(), "as you asked"),
        (Trigger(TriggerKind.MARKER, "a\nb.md", 2), "because of the marker a b.md and 2 more occasions"),
        (Trigger(TriggerKind.COVERAGE, "coverage 82 %"), "because of coverage 82 %"),
        (Trigger(TriggerKind.COVERAGE), "because of the tests' coverage"),
        (Trigger(TriggerKind.SCHEDULE, "", 1), "as scheduled and 1 more occasion"),
    ],
)
def test_the_occasion_is_said_in_words(trigger: Trigger, said: str) -> None:
    """What made the audit begin, with what was folded into it."""
    assert occasion(trigger) == said


@pytest.mark.parametrize(
    ("project", "text", "told"),
    [
        ("/srv/anna/shop", "cannot read /srv/anna/shop/a/b.py", "cannot read a/b.py"),
        ("/srv/anna/shop/", "in /srv/anna/shop", "in shop"),
        ("/srv/anna/shop", "in /srv/anna/shop.", "in shop."),
        ("/srv/anna/shop", "explain --allow --project /srv/anna/shop", "explain --allow --project ."),
        ("/srv/anna/shop", "/srv/anna/shop2/a.py", "/srv/anna/shop2/a.py"),
        ("/srv/anna/shop", "/backup/srv/anna/shop/a.py", "/backup/srv/anna/shop/a.py"),
        ("C:\\Users\\anna\\shop", "C:\\Users\\anna\\shop\\a.py, C:/Users/anna/shop/b.py", "a.py, b.py"),
        ("/srv", "in /srv/a.py", "in /srv/a.py"),
    ],
)
def test_the_projects_folder_is_taken_out(project: str, text: str, told: str) -> None:
    """Paths below the project become relative; others, and a folder too common to be meant, stay."""
    finding = replace(LOW, title=text, path=text, evidence=text, detail=text, remedy=text)
    report = audit([replace(BLIND, reasons=(text,))], [Standings(finding, Standing.MUTED, text)], fixed=(finding,))

    clean = without_root(replace(report, project=project, trigger=Trigger(TriggerKind.MARKER, text)))

    found = clean.findings[0].finding
    assert {found.title, found.path, found.evidence, found.detail, found.remedy} == {told}
    assert (clean.checks[0].reasons[0], clean.findings[0].reason, clean.trigger.what) == (told, told, told)
    assert clean.fixed[0] == found
    assert clean.project == project.strip("/").replace("\\", "/").rpartition("/")[2]


def test_an_audit_in_figures_counts_what_is_open() -> None:
    """Muted findings are not open, and the verdict is the report's."""
    past = past_of(
        audit(
            findings=[
                Standings(HIGH, Standing.NEW),
                Standings(LOW, Standing.KNOWN),
                Standings(LOW, Standing.MUTED, "so"),
            ]
        )
    )

    assert (past.open, past.new, past.fixed, past.verdict) == (2, 1, 0, AuditVerdict.FAIL)
    assert past.counts[Severity.HIGH] == 1


def test_a_time_that_no_calendar_holds_is_words() -> None:
    """A clock that says nonsense ends no report."""
    assert {moment(at) for at in (1e300, float("nan"), float("inf"))} == {"at a time that is not known"}


@given(st.text(), st.integers(1, 60))
def test_a_block_holds_only_what_can_be_printed(text: str, limit: int) -> None:
    """Lines stay lines, within the limit; nothing in them moves a cursor."""
    told = block(text, limit)

    assert len(told) <= limit
    assert all(sign.isprintable() or sign == "\n" for sign in told)


def test_a_block_keeps_its_inner_indentation() -> None:
    """Only what all lines are indented by goes."""
    assert block("    if x:\n\ty = 1\n        z\x1b[0m()\n", 80) == "if x:\ny = 1\n    z [0m()"


@pytest.mark.parametrize("form", list(FORMS))
def test_a_check_of_which_all_is_muted_fails_in_no_form(form: str, report: AuditReport) -> None:
    """The list of checks agrees with the verdict: what is accepted does not count, what was not seen still does."""
    muted = tuple(replace(each, standing=Standing.MUTED, reason="so") for each in report.findings)
    checks = (
        CheckOutcome("secrets", "Secrets", AuditVerdict.FAIL, ("x could not be read",), 2),
        CheckOutcome("static", "Static", AuditVerdict.FAIL, (), 1),
    )
    quiet = replace(report, findings=muted, checks=checks, fixed=())

    told = FORMS[form](quiet)

    assert quiet.verdict is AuditVerdict.UNKNOWN
    assert [quiet.verdict_of(each) for each in checks] == [AuditVerdict.UNKNOWN, AuditVerdict.PASS]
    assert form in {"json", "sarif"} or not re.search(r"\bFAIL\b", told)


def test_a_check_fails_for_what_is_not_muted(report: AuditReport) -> None:
    """One finding that stands is enough, also one of a rule that has an outcome of its own."""
    check = CheckOutcome("aws-access-key", "Keys", AuditVerdict.FAIL, (), 1)

    assert report.verdict_of(check) is AuditVerdict.FAIL
    assert report.verdict_of(replace(check, check="of another")) is AuditVerdict.FAIL


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_says_what_a_failing_check_could_not_look_at(form: str, report: AuditReport) -> None:
    """A failing check may have seen only a part."""
    failing = CheckOutcome("secrets", "Secrets", AuditVerdict.FAIL, ("the archive could not be read",), 1)

    assert "the archive could not be read" in FORMS[form](replace(report, checks=(failing,)))
