"""What the tests of the forms share: one report with something of everything, and reports of any kind."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

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

_SIGNS = [
    "`",
    "``",
    "```",
    "~~~",
    "#",
    "-",
    "1.",
    "===",
    "---",
    "\t",
    "-->",
    "]]>",
    "\\",
    "|",
    "*",
    "**",
    "_",
    "\"'>",
    "{0}",
    "$x",
    "${x}",
    "é",
    "a",
    "word",
    "&lt;",
    "漢字",
    "поиск",
]
_UNSEEN = ["\n", "\r\n", "\x1b[31m", "\x1b]0;t\x07", "\u202e", "\u200b", "\x00", "\x85", "\u2028", " ", "    "]
_ACTIVE = ["<script>alert(1)</script>", "<img src=x>", "![x](http://e)", "[x](//e)", "https://evil.example"]
_NAMED = ["www.evil.example", "anna@evil.example", "/srv/anna/shop/a.py", "\U0001f469\u200d\U0001f4bb"]
HOSTILE = st.lists(st.sampled_from([*_SIGNS, *_UNSEEN, *_ACTIVE, *_NAMED]), max_size=14).map("".join)
"""Words that mean something to a terminal, to HTML or to Markdown."""
TEXT = st.one_of(st.just(""), st.text(max_size=40), HOSTILE)
WHOLE = st.integers(0, 10**9)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)

FINDINGS = st.builds(
    Finding,
    check=st.one_of(st.sampled_from(["secrets", "claims"]), TEXT),
    rule=TEXT,
    title=TEXT,
    severity=st.sampled_from(Severity),
    path=TEXT,
    line=WHOLE,
    evidence=TEXT,
    detail=TEXT,
    remedy=TEXT,
    commit=TEXT,
    fingerprint=TEXT,
    resource=TEXT,
)
REPORTS = st.builds(
    AuditReport,
    id=TEXT,
    project=st.one_of(st.just("/srv/anna/shop"), TEXT),
    started_at=NUMBER,
    duration_s=NUMBER,
    trigger=st.builds(Trigger, kind=st.sampled_from(TriggerKind), what=TEXT, others=WHOLE),
    checks=st.lists(
        st.builds(
            CheckOutcome,
            check=TEXT,
            title=TEXT,
            verdict=st.sampled_from(AuditVerdict),
            reasons=st.lists(TEXT, max_size=3).map(tuple),
            findings=WHOLE,
            left_out=WHOLE,
            took_s=NUMBER,
        ),
        max_size=4,
    ).map(tuple),
    findings=st.lists(
        st.builds(
            Standings,
            finding=FINDINGS,
            standing=st.sampled_from([Standing.NEW, Standing.KNOWN, Standing.MUTED]),
            reason=TEXT,
        ),
        max_size=5,
    ).map(tuple),
    fixed=st.lists(FINDINGS, max_size=3).map(tuple),
    head=TEXT,
)
PASTS = st.lists(
    st.builds(
        Past,
        at=NUMBER,
        verdict=st.sampled_from(AuditVerdict),
        counts=st.fixed_dictionaries(dict.fromkeys(reversed(Severity), WHOLE)),
        new=WHOLE,
        fixed=WHOLE,
    ),
    max_size=4,
).map(tuple)


@pytest.fixture(scope="session")
def reports() -> st.SearchStrategy[AuditReport]:
    return REPORTS


@pytest.fixture(scope="session")
def pasts() -> st.SearchStrategy[tuple[Past, ...]]:
    return PASTS


@pytest.fixture
def claim() -> Standings:
    told = "The marker says 95 % coverage, and it is 81.3 %"
    finding = Finding("claims", "coverage", told, Severity.LOW, "docs/DONE_COMPLETE.md", 14, fingerprint="c" * 24)
    return Standings(finding, Standing.NEW)


@pytest.fixture
def report(claim: Standings) -> AuditReport:
    """An audit after a marker: one claim, one finding new, one known, one muted and one fixed, and one check blind."""
    key = Finding(
        check="secrets",
        rule="aws-access-key",
        title="An AWS access key stands in a file",
        severity=Severity.CRITICAL,
        path="app/настройки prod.py",
        line=12,
        evidence='KEY = "AKIA****WXYZ"',
        detail="It lies in 3 commits.\nRewriting history does not make it secret.",
        remedy="Revoke it.",
        commit="3f2a9bc41d22aa0bb4e19f2277c0a1d9e0f1b2c3",
        fingerprint="a" * 24,
    )
    md5 = Finding("static", "S324", "Weak hash MD5", Severity.MEDIUM, "app/cache.py", 7, fingerprint="b" * 24)
    test_key = Finding("secrets", "private-key", "A private key", Severity.CRITICAL, "t/k.pem", 1, fingerprint="d" * 24)
    todo = Finding("leftovers", "todo", "A TODO was left", Severity.LOW, "app/mail.py", 31, fingerprint="e" * 24)
    return AuditReport(
        id="20260101-a",
        project="/srv/anna/shop",
        started_at=1_767_225_600.0,
        duration_s=12.4,
        trigger=Trigger(TriggerKind.MARKER, "docs/DONE_COMPLETE.md", 1),
        checks=(
            CheckOutcome("claims", "What the marker claims", AuditVerdict.FAIL, (), 1, 0, 0.02),
            CheckOutcome("secrets", "Secrets", AuditVerdict.FAIL, (), 2, 0, 1.3),
            CheckOutcome("static", "Static security", AuditVerdict.FAIL, (), 121, 120, 0.2),
            CheckOutcome(
                "deps", "Dependencies", AuditVerdict.UNKNOWN, ("/srv/anna/shop/x.lock is unreadable",), 0, 0, 9.0
            ),
        ),
        findings=(
            Standings(key, Standing.NEW),
            Standings(md5, Standing.KNOWN),
            claim,
            Standings(test_key, Standing.MUTED, "It opens nothing."),
        ),
        fixed=(todo,),
        head="48046bb1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7",
    )
