"""Figures in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.verdicts import Cause, CauseKind, Outcome, Verdict
from app.ui import words


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "just now"),
        (0, "just now"),
        (12, "12 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (86_400, "yesterday"),
        (4 * 86_400, "4 days ago"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, expected: str) -> None:
    """An age reads as a person would say it, and a clock that was set back reads as now."""
    assert words.ago(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 ms"),
        (0.004, "4 ms"),
        (0.25, "0.25 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (59.96, "1 min 00 s"),
        (65, "1 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_a_duration_has_three_figures(seconds: float, expected: str) -> None:
    """A duration keeps the figures that matter at its size, without a unit rounding up into the next."""
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(10, "less than a minute"), (1500, "25 min"), (1501, "26 min"), (7260, "2 h 01 min")]
)
def test_what_is_left_is_rounded_up(seconds: float, expected: str) -> None:
    """A wait is never told shorter than it is."""
    assert words.time_left(seconds) == expected


def test_a_count_takes_the_word_that_fits() -> None:
    """One takes the singular, all else the plural, with thousands set apart."""
    assert [words.tests(n) for n in (0, 1, 2, 12_345)] == ["0 tests", "1 test", "2 tests", "12,345 tests"]


@pytest.mark.parametrize(
    ("nodeid", "parts"),
    [
        ("a.py", ("a.py",)),
        ("t/a.py::test_x", ("t/a.py", "test_x")),
        ("t/a.py::TestA::test_x[a::b-c/d]", ("t/a.py", "TestA", "test_x[a::b-c/d]")),
    ],
)
def test_parameters_may_hold_the_separator(nodeid: str, parts: tuple[str, ...]) -> None:
    """Only what stands before the parameters is taken apart."""
    assert words.node_parts(nodeid) == parts


@given(st.text(max_size=300), st.integers(1, 200))
def test_a_clipped_text_fits(text: str, limit: int) -> None:
    """A clipped text has no more UTF-16 units than allowed, and one that fits is left as it is."""
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2

    clipped = words.clip(text, limit)

    assert len(clipped.encode("utf-16-le", "surrogatepass")) // 2 <= limit
    assert (clipped == text) == (units <= limit)


@given(st.text(max_size=200), st.integers(3, 100))
def test_an_elided_text_keeps_both_ends(text: str, limit: int) -> None:
    """A text that is too long keeps its last character and has exactly the allowed length."""
    elided = words.elide_middle(text, limit)

    assert len(elided) == min(len(text), limit)
    assert not text or elided[-1] == text[-1]


def test_every_state_has_words() -> None:
    """No verdict, outcome or cause is without words."""
    said = [words.verdict(v) for v in Verdict] + [words.outcome(o) for o in Outcome]
    said += [words.cause(Cause(kind)) for kind in CauseKind]

    assert all(said)
    assert words.cause(Cause(CauseKind.SAVE, ("src/a.py", "b.py", "c.py"))) == "after a.py and 2 more files were saved"
