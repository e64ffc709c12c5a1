"""Which finding a person means by its fingerprint, and which lines around one may be shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.errors import UsageError
from app.domain.findinglines import is_its_line, may_be_read
from app.domain.findings import AuditReport, Finding, Severity, Standing, Standings, Trigger
from app.domain.fingerprints import finding_named, is_like_one

PRINT = "3f9c0a51d2e8" + "77" * 6
SHELL = Finding("security", "S602", "shell=True", Severity.HIGH, "a.py", 3, "call(shell=True)", fingerprint=PRINT)
NEAR = replace(SHELL, line=9, fingerprint="3f9c0a" + "00" * 9)
GONE = replace(SHELL, path="b.py", fingerprint="d4" * 12)
KEY = replace(SHELL, check="secrets", path="key.py", detail="It is also in b.py:3 and 2 more places.")


def report(*found: Finding, fixed: tuple[Finding, ...] = ()) -> AuditReport:
    standings = tuple(Standings(each, Standing.NEW) for each in found)
    return AuditReport("ab" * 8, "/p", 1.0, 2.0, Trigger(), findings=standings, fixed=fixed)


@pytest.mark.parametrize(
    ("said", "is_one"),
    [(PRINT, True), (PRINT[:6], True), ("ABCDEF", True), (PRINT[:5], False), (f"{PRINT}0", False), ("test_a", False)],
)
def test_what_looks_like_a_fingerprint(said: str, *, is_one: bool) -> None:
    """Six to 24 hexadecimal digits, whatever their case."""
    assert is_like_one(said) is is_one


def test_a_finding_is_named_by_as_many_digits_as_no_other_has() -> None:
    """What was fixed has its name still; what several begin with is refused, and what is too short names nothing."""
    audit = report(SHELL, NEAR, fixed=(GONE,))

    found, fixed = finding_named(audit, "3F9C0A5"), finding_named(audit, "d4d4d4")

    assert found == Standings(SHELL, Standing.NEW)
    assert fixed == Standings(GONE, Standing.FIXED)
    assert finding_named(audit, "c0ffee") is None
    assert finding_named(audit, "d4d4d") is None
    with pytest.raises(UsageError, match="several"):
        finding_named(audit, "3f9c0a")


def test_a_finding_that_is_there_again_is_not_told_as_fixed() -> None:
    """Where a report has it both ways, what was found counts."""
    audit = report(SHELL, fixed=(SHELL,))

    assert finding_named(audit, PRINT) == Standings(SHELL, Standing.NEW)


@pytest.mark.parametrize(
    ("finding", "may"),
    [
        (SHELL, True),
        (replace(SHELL, line=0), False),
        (replace(SHELL, path=""), False),
        (replace(SHELL, commit="0" * 40), False),
        (replace(SHELL, path="key.py"), False),
        (replace(SHELL, path="b.py"), False),
        (KEY, False),
    ],
    ids=["its file", "no line", "no file", "of a commit", "beside a secret", "beside the same secret", "a secret"],
)
def test_no_line_of_a_file_with_a_secret_may_be_read(finding: Finding, *, may: bool) -> None:
    """Neither of the file that the secret's finding names, nor of those that its detail names."""
    assert may_be_read(finding, report(SHELL, KEY)) is may


@pytest.mark.parametrize(
    ("line", "is_its"),
    [("    call(shell = True)  # here", True), ("call(shell=True)", True), ("call()", False), ("", False)],
)
def test_a_line_is_told_by_its_evidence(line: str, *, is_its: bool) -> None:
    """Spacing does not count."""
    assert is_its_line(SHELL, line) is is_its
