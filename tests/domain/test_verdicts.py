"""Outcomes, verdicts, causes and counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.verdicts import Blame, Cause, CauseKind, Check, Counts, Outcome, Verdict


@given(st.lists(st.sampled_from(Outcome)))
def test_counts_keep_every_outcome(outcomes: list[Outcome]) -> None:
    """Nothing is lost in counting, and red is what is red."""
    counts = Counts.of(outcomes)

    assert counts.total == len(outcomes)
    assert counts.red == sum(outcome.is_red for outcome in outcomes)


@given(st.lists(st.sampled_from(Outcome)), st.lists(st.sampled_from(Outcome)))
def test_counts_add_up(one: list[Outcome], two: list[Outcome]) -> None:
    """Counting in parts is counting the whole."""
    assert Counts.of(one).plus(Counts.of(two)) == Counts.of(one + two)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counts(), "no tests"),
        (Counts(passed=3), "3 passed"),
        (Counts(passed=3, failed=1, skipped=2), "1 failed, 3 passed, 2 skipped"),
    ],
)
def test_counts_in_words_leave_out_zeros(counts: Counts, text: str) -> None:
    """What is red stands first."""
    assert str(counts) == text


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (Cause(CauseKind.START), "start"),
        (Cause(CauseKind.SAVE, ("a.py",)), "a.py"),
        (Cause(CauseKind.SAVE, ("a.py", "b.py", "c.py")), "a.py and 2 more"),
    ],
)
def test_a_cause_in_words_names_the_first_file(cause: Cause, text: str) -> None:
    """A cause is readable at a glance."""
    assert str(cause) == text


def test_a_cancelled_run_is_neither_good_nor_bad() -> None:
    """Cancelled says nothing; each other verdict is green, red or trouble."""
    assert not Verdict.CANCELLED.is_bad
    assert {verdict for verdict in Verdict if not verdict.is_bad} == {Verdict.GREEN, Verdict.CANCELLED}


@pytest.mark.parametrize(
    ("check", "blame"),
    [
        (Check(), None),
        (Check(Outcome.FAILED), None),
        (Check(Outcome.PASSED), Blame.FLAKY),
        (Check(Outcome.PASSED, Outcome.FAILED), Blame.FLAKY),
        (Check(Outcome.FAILED, Outcome.PASSED), Blame.CHANGE),
        (Check(None, Outcome.SKIPPED), Blame.CHANGE),
        (Check(Outcome.FAILED, Outcome.ERROR), Blame.ELSEWHERE),
    ],
)
def test_two_looks_say_who_is_to_blame(check: Check, blame: Blame | None) -> None:
    """Green alone is flaky whatever was before; else the last green source decides, where it could be asked."""
    assert check.blame is blame
