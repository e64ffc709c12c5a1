"""What of an audit is new, known, fixed or muted."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.standing import BASELINE, Judged, Remembered, fingerprinted, judged
from app.domain.findings import AuditVerdict, Checked, CheckOutcome, Finding, Mute, Severity, Standing

FIRST = Finding("security", "S602", "A shell is started", Severity.HIGH, "a.py", 3, "run(x, shell=True)")
OTHER = Finding("security", "S105", "A password", Severity.LOW, "b.py", 9, 'password = "****"')


def result(*findings: Finding, reasons: tuple[str, ...] = (), left_out: int = 0, check: str = "security") -> Checked:
    """Return what a check came to."""
    verdict = AuditVerdict.FAIL if findings else AuditVerdict.UNKNOWN if reasons else AuditVerdict.PASS
    outcome = CheckOutcome(check, check, verdict, reasons, len(findings) + left_out, left_out)
    return Checked(outcome, findings)


def after(*results: Checked, before: Remembered | None = None, now: float = 100.0) -> Judged:
    """Return how findings stand."""
    return judged(results, before or Remembered(), now=now)


def remembered(told: Judged) -> Remembered:
    """Return what is known after an audit."""
    return Remembered(told.findings_by_check)


def standings(told: Judged) -> list[tuple[str, Standing]]:
    """Return rules and how they stand."""
    return [(each.finding.rule, each.standing) for each in told.findings]


def test_a_second_audit_without_change_finds_nothing_new() -> None:
    """New the first time, known the second; the most severe first."""
    first = after(result(OTHER, FIRST))
    second = after(result(OTHER, FIRST), before=remembered(first))

    assert standings(first) == [("S602", Standing.NEW), ("S105", Standing.NEW)]
    assert standings(second) == [("S602", Standing.KNOWN), ("S105", Standing.KNOWN)]
    assert second.fixed == ()


def test_what_is_no_longer_there_is_fixed() -> None:
    """And it is new again when it comes back."""
    first = after(result(FIRST, OTHER))
    second = after(result(OTHER), before=remembered(first))
    third = after(result(FIRST, OTHER), before=remembered(second))

    assert [each.rule for each in second.fixed] == ["S602"]
    assert standings(third) == [("S602", Standing.NEW), ("S105", Standing.KNOWN)]


def test_what_could_not_be_looked_at_is_not_fixed() -> None:
    """A check that did not end forgets nothing: later its findings are known, not new."""
    first = after(result(FIRST, OTHER))
    broken = after(result(OTHER, reasons=("it was ended",)), before=remembered(first))
    flooded = after(result(OTHER, left_out=3), before=remembered(broken))
    whole = after(result(FIRST, OTHER), before=remembered(flooded))

    assert (broken.fixed, flooded.fixed) == ((), ())
    assert standings(whole) == [("S602", Standing.KNOWN), ("S105", Standing.KNOWN)]


def test_a_check_that_was_not_run_keeps_what_it_found() -> None:
    """An audit of one check alone says nothing of the others."""
    first = after(result(FIRST), result(OTHER, check="secrets"))
    alone = after(result(FIRST), before=remembered(first))

    assert alone.fixed == ()
    assert set(alone.findings_by_check) == {"security", "secrets"}


def test_a_mute_holds_until_it_expires() -> None:
    """Muted findings stand last, with the reason; from the moment on they are told again."""
    (found,) = fingerprinted([FIRST])
    before = Remembered(mutes={found.fingerprint: Mute(found.fingerprint, "a test server", until=200.0)})

    early = after(result(OTHER, FIRST), before=before, now=199.0)
    late = after(result(OTHER, FIRST), before=before, now=200.0)

    assert standings(early) == [("S105", Standing.NEW), ("S602", Standing.MUTED)]
    assert early.findings[1].reason == "a test server"
    assert standings(late)[0] == ("S602", Standing.NEW)


def test_the_baseline_is_silent() -> None:
    """What a project has accepted stands with the muted."""
    (found,) = fingerprinted([FIRST])

    told = after(result(FIRST), before=Remembered(baseline=frozenset({found.fingerprint})))

    assert standings(told) == [("S602", Standing.MUTED)]
    assert told.findings[0].reason == BASELINE


@given(st.lists(st.sampled_from([FIRST, replace(FIRST, line=8), OTHER]), max_size=6), st.integers(1, 999))
def test_a_line_that_moves_keeps_its_fingerprint(findings: list[Finding], by: int) -> None:
    """So does one that is indented; two alike in a file are two, and the same one told twice is one."""
    moved = [replace(each, line=each.line + by, evidence="    " + each.evidence) for each in findings]

    before, now = fingerprinted(findings), fingerprinted(moved)

    assert [each.fingerprint for each in before] == [each.fingerprint for each in now]
    assert len({each.fingerprint for each in before}) == len(before) == len(set(findings))


def test_a_secret_that_was_removed_is_the_same_one_in_its_commit() -> None:
    """Whether it is in the tree or in history alone, it is one finding."""
    (here,) = fingerprinted([OTHER])
    (gone,) = fingerprinted([replace(OTHER, commit="a" * 40, line=2)])

    assert here.fingerprint == gone.fingerprint


def test_a_resource_is_what_a_finding_is_known_by() -> None:
    """Alike in all but the resource they are two; with other evidence it is the same one, and files are as before."""
    first = Finding("s3", "s3-tls-only", "No policy", Severity.LOW, evidence="{}", resource="arn:aws:s3:::a")

    one, two = fingerprinted([first, replace(first, resource="arn:aws:s3:::b")])
    (changed,) = fingerprinted([replace(first, title="Another policy", evidence="{...}")])

    assert one.fingerprint != two.fingerprint
    assert changed.fingerprint == one.fingerprint
    assert fingerprinted([FIRST])[0].fingerprint == PRINT_OF_FIRST


PRINT_OF_FIRST = "b85294a570d3d1ef9dd83c38"
"""As releases before resources had it: what a person has muted stays muted."""


def claim(marker: str, path: str, line: int = 1, evidence: str = "") -> Finding:
    """Return a marker's claim that is not so."""
    title = f"{path} is said to be created, and is not there"
    return Finding("claims", "file-missing", title, Severity.HIGH, marker, line, evidence or f"Created `{path}`")


def test_a_marker_says_nothing_of_another_ones_claims() -> None:
    """What was not looked at is neither fixed nor told, and is known when it is looked at again."""
    first = judged([result(claim("A.md", "a.py"), check="claims")], Remembered(), now=1.0, markers=["A.md"])
    other = judged([result(claim("B.md", "b.py"), check="claims")], remembered(first), now=2.0, markers=["B.md"])
    third = judged([result(claim("A.md", "a.py"), check="claims")], remembered(other), now=3.0, markers=["A.md"])
    nobody = judged([result(check="claims")], remembered(third), now=4.0)
    last = judged([result(check="claims")], remembered(nobody), now=5.0, markers=["A.md", "B.md"])

    assert other.fixed == third.fixed == nobody.fixed == ()
    assert standings(other) == [("file-missing", Standing.NEW)]
    assert standings(third) == [("file-missing", Standing.KNOWN)]
    assert {each.path for each in last.fixed} == {"A.md", "B.md"}


def test_a_claim_in_other_words_is_the_same() -> None:
    """A marker's line may be written anew: who claims the same is not told of it again."""
    was, new = claim("A.md", "a.py"), claim("A.md", "a.py", 7, "I created `a.py` today, at last.")
    first = judged([result(was, check="claims")], Remembered(), now=1.0, markers=["A.md"])
    second = judged([result(new, check="claims")], remembered(first), now=2.0, markers=["A.md"])
    third = judged([result(claim("A.md", "b.py"), check="claims")], remembered(second), now=3.0, markers=["A.md"])

    assert (standings(second), second.fixed) == ([("file-missing", Standing.KNOWN)], ())
    assert standings(third) == [("file-missing", Standing.NEW)]
    assert len(third.fixed) == 1
