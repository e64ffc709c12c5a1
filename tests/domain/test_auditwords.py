"""What is said of audits in every face."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import auditwords
from app.domain.findings import AuditVerdict, AuditView, Finding, FindingHistory, Severity, Trigger, TriggerKind

MANY = ((Severity.CRITICAL, 1), (Severity.HIGH, 1_200), (Severity.LOW, 3))


@pytest.mark.parametrize(
    ("views", "said"),
    [
        ([], ""),
        ([AuditView("/a", open=((Severity.MEDIUM, 3),))], ""),
        ([AuditView("/a", open=((Severity.HIGH, 1),))], "1 high finding"),
        ([AuditView("/a", open=MANY), AuditView("/b", open=MANY)], "2 critical and 2,400 high findings"),
    ],
)
def test_what_is_grave_is_counted_over_projects(views: list[AuditView], said: str) -> None:
    """Only what is of high severity and above, the most severe first."""
    assert auditwords.grave(views) == said


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (AuditView("/a"), ""),
        (AuditView("/a", verdict=AuditVerdict.PASS), "nothing of weight found"),
        (AuditView("/a", verdict=AuditVerdict.UNKNOWN), "not all could be looked at"),
        (AuditView("/a", verdict=AuditVerdict.FAIL, open=MANY, new=2), "1 critical, 1,200 high, 3 low, 2 new"),
        (
            AuditView("/a", verdict=AuditVerdict.UNKNOWN, open=((Severity.INFO, 1),)),
            "1 info, not all could be looked at",
        ),
    ],
)
def test_a_project_is_told_in_a_line(view: AuditView, said: str) -> None:
    """What is open and how much of it is new; what could not be looked at is never left out."""
    assert auditwords.standing(view) == said


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        (Trigger(), "asked for"),
        (Trigger(TriggerKind.ASKED, "asked for", 2), "asked for and 2 more"),
        (Trigger(TriggerKind.MARKER, "docs/TASK_COMPLETE.md"), "marker docs/TASK_COMPLETE.md"),
        (Trigger(TriggerKind.COMMIT, "[MILESTONE] shop"), "commit [MILESTONE] shop"),
        (Trigger(TriggerKind.TAG, "v1.0"), "tag v1.0"),
        (Trigger(TriggerKind.COVERAGE, "coverage 82.0 %"), "coverage 82.0 %"),
        (Trigger(TriggerKind.SCHEDULE, "daily at 18:30"), "daily at 18:30"),
    ],
)
def test_why_an_audit_began(trigger: Trigger, said: str) -> None:
    """Each kind of occasion is named, with those that were folded into it."""
    assert auditwords.occasion(trigger) == said


@given(text=st.text(), kind=st.sampled_from(TriggerKind), line=st.integers())
def test_whatever_is_said_is_one_line(text: str, kind: TriggerKind, line: int) -> None:
    """Texts of others come without what cannot be printed or breaks a line, and a finding always has a title."""
    finding = Finding(text, text, text, Severity.LOW, path=text, line=line)
    said = [
        auditwords.auditing(AuditView("/a", text)),
        auditwords.occasion(Trigger(kind, text)),
        auditwords.place(finding),
        auditwords.title(finding),
        auditwords.rule(finding),
    ]

    assert all(each.isprintable() for each in said)
    assert auditwords.title(finding)


@pytest.mark.parametrize(
    ("audits", "came_back", "said"),
    [
        (1, False, ""),
        (3, False, "first seen 4 days ago"),
        (3, True, "first seen 4 days ago, fixed and back again"),
        (1, True, "first seen 4 days ago, fixed and back again"),
    ],
)
def test_it_is_said_since_when_a_finding_is_known(audits: int, came_back: bool, said: str) -> None:  # noqa: FBT001 - a parameter
    """Nothing of one that only the last audit has found."""
    history = FindingHistory("a" * 24, "A key", 1_000.0, 2_000.0, audits, came_back=came_back)

    assert auditwords.since(history, 1_000.0 + 4 * 86_400) == said


@pytest.mark.parametrize(
    ("path", "line", "resource", "said"),
    [
        ("app/a.py", 12, "", "app/a.py:12"),
        ("app/a.py", 0, "", "app/a.py"),
        ("", 3, "", ""),
        ("", 0, "arn:aws:s3:::shop", "arn:aws:s3:::shop"),
        ("main.tf", 3, "arn:aws:s3:::shop", "main.tf:3, arn:aws:s3:::shop"),
    ],
)
def test_where_a_finding_is(path: str, line: int, resource: str, said: str) -> None:
    """A file and its line, or a resource, or both."""
    finding = Finding("a", "r", "T", Severity.LOW, path, line, resource=resource)

    assert auditwords.place(finding) == said
