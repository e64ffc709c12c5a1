"""What people read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import words
from app.domain.agents import AgentState
from app.domain.verdicts import Cause, CauseKind, Outcome, Verdict


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
    assert [words.plural(n, "is", "are") for n in (0, 1)] == ["0 are", "1 is"]
    assert [words.tests(n) for n in (0, 1, 2, 12_345)] == ["0 tests", "1 test", "2 tests", "12,345 tests"]


@pytest.mark.parametrize(
    ("nodeid", "parts"),
    [
        ("a.py", ("a.py",)),
        ("t/a.py::test_x", ("t/a.py", "test_x")),
        ("t/a.py::TestA::test_x[a::b-c/d]", ("t/a.py", "TestA", "test_x[a::b-c/d]")),
        ("t[1]/a.py::test_x[2]", ("t[1]/a.py", "test_x[2]")),
    ],
)
def test_parameters_may_hold_the_separator(nodeid: str, parts: tuple[str, ...]) -> None:
    """Only what stands before the parameters is taken apart."""
    assert words.node_parts(nodeid) == parts


@given(st.text(alphabet="ab:[]/.", max_size=40))
def test_the_parts_are_the_node_id_again(nodeid: str) -> None:
    """Nothing of a node id is lost when it is taken apart."""
    assert "::".join(words.node_parts(nodeid)) == nodeid


@pytest.mark.parametrize(
    ("nodeid", "long", "short", "with_file"),
    [
        ("t/a.py", "a.py", "a.py", "t/a.py"),
        ("t/a.py::test_x[1]", "test_x[1]", "test_x[1]", "test_x[1] (t/a.py)"),
        ("t/a.py::TestA::test_x[a::b]", "TestA.test_x[a::b]", "test_x[a::b]", "TestA::test_x[a::b] (t/a.py)"),
    ],
)
def test_a_test_has_a_name_for_each_place(nodeid: str, long: str, short: str, with_file: str) -> None:
    """With its class in a list, alone in a title, and with its file where there is room."""
    assert words.test_name(nodeid) == long
    assert words.function_name(nodeid) == short
    assert words.name_and_file(nodeid) == with_file


@given(st.text())
def test_one_line_can_be_printed(text: str) -> None:
    """No line feed, no control sequence and no mark that turns the direction of writing is left."""
    line = words.one_line(text)

    assert line.isprintable()
    assert line == words.one_line(line)


def test_a_time_of_another_day_has_its_date() -> None:
    """Within the day the time alone is enough."""
    noon = time.mktime((2026, 5, 4, 12, 30, 0, 0, 0, -1))

    assert words.moment(noon, noon + 60) == "12:30"
    assert words.moment(noon, noon + 86_400 * 2) == "2026-05-04 12:30"


@pytest.mark.parametrize(("name", "shown"), [("tests:shop", "Tests of shop"), ("tests", "Tests")])
def test_an_agent_has_a_name_for_people(name: str, shown: str) -> None:
    """The kind of work first, and what it is done for."""
    assert words.agent_name(name) == shown


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
    """No verdict, outcome, cause or state of an agent is without words."""
    said = [words.verdict(v) for v in Verdict] + [words.outcome(o) for o in Outcome]
    said += [words.cause(Cause(kind)) for kind in CauseKind] + [words.state(each) for each in AgentState]
    said += [words.recovery(v) for v in Verdict] + [words.verdict_word(v) for v in Verdict]

    assert all(said)
    assert words.cause(Cause(CauseKind.SAVE, ("src/a.py", "b.py", "c.py"))) == "after a.py and 2 more files were saved"


def test_a_sentence_begins_with_a_capital_but_for_pytest() -> None:
    """The name of a program keeps its small letter."""
    assert words.sentence("the test run hung") == "The test run hung"
    assert words.sentence("pytest is not installed") == "pytest is not installed"


def test_a_test_whose_name_cannot_be_printed_has_a_name_for_people() -> None:
    """A menu entry must not be empty: U+D7FC is a letter that was never assigned."""
    assert words.test_name("\ud7fc") == "(no name)"
