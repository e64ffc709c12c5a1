"""What people read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import words
from app.domain.agents import AgentState
from app.domain.coverage import ChangedLines
from app.domain.history import Why
from app.domain.keys import VaultState, VaultView
from app.domain.verdicts import Cause, CauseKind, Check, Outcome, Stage, Verdict


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


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (12 * 86_400 + 3_600, "in 12 days"),
        (86_400, "in 1 day"),
        (90 * 86_400 - 5, "in 90 days"),
        (86_399, "within a day"),
        (0, "within a day"),
        (-1, "overdue for a moment"),
        (-3 * 86_400, "overdue for 3 days"),
    ],
)
def test_what_is_due_is_told_by_what_is_left(seconds: float, expected: str) -> None:
    """Before and after, in the largest unit."""
    assert words.due(seconds) == expected


def test_a_vault_is_mentioned_while_somebody_should_look_at_it() -> None:
    """Locked, waiting and in trouble have words, and the trouble its cause; the other states have none."""
    told = {state for state in VaultState if words.vault(VaultView(state))}
    trouble = VaultView(VaultState.TROUBLE, "Its seal\ndoes not fit.")

    assert told == {VaultState.LOCKED, VaultState.WAITING, VaultState.TROUBLE}
    assert told == {state for state in VaultState if words.vault_word(state)}
    assert words.vault(trouble) == "The vault is in trouble: Its seal does not fit"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("keychain", "system keychain"),
        ("recovery", "recovery code"),
        ("aws-kms", "AWS KMS"),
        ("of-tomorrow", "of-tomorrow"),
    ],
)
def test_a_way_to_open_the_vault_has_a_name_for_people(kind: str, said: str) -> None:
    """One that is not known keeps its own."""
    assert words.slot_kind(kind) == said


def test_a_sentence_begins_with_a_capital_but_for_pytest() -> None:
    """The name of a program keeps its small letter."""
    assert words.sentence("the test run hung") == "The test run hung"
    assert words.sentence("pytest is not installed") == "pytest is not installed"


def test_a_test_whose_name_cannot_be_printed_has_a_name_for_people() -> None:
    """A menu entry must not be empty: U+D7FC is a letter that was never assigned."""
    assert words.test_name("\ud7fc") == "(no name)"


@pytest.mark.parametrize(
    ("check", "said", "doubt"),
    [
        (None, "", ""),
        (Check(), "", ""),
        (Check(Outcome.FAILED), "red again when run alone", ""),
        (Check(Outcome.PASSED), "flaky: green when run again alone", "flaky"),
        (Check(Outcome.FAILED, Outcome.PASSED), "the change did it: green on the last green source", ""),
        (Check(None, Outcome.FAILED), "red on the last green source too, so not this change", "not this change"),
    ],
)
def test_a_second_look_is_told_in_full_and_where_it_casts_doubt_in_a_word(
    check: Check | None, said: str, doubt: str
) -> None:
    """That the change did it is what everyone expects, so only the other findings are worth a word of their own."""
    assert (words.check(check), words.doubt(check)) == (said, doubt)


@pytest.mark.parametrize(
    ("impacted", "expected", "sentence"),
    [
        (7, 490, "7 tests of the change are green, 483 more are being confirmed"),
        (1, 2, "1 test of the change is green, 1 more is being confirmed"),
        (7, None, "7 tests of the change are green, the others are being confirmed"),
        (7, 7, "7 tests of the change are green, the others are being confirmed"),
        (0, 1200, "the change touches no test, 1,200 tests are being confirmed"),
        (None, None, "the change touches no test, all tests are being confirmed"),
    ],
)
def test_green_so_far_claims_nothing_for_the_others(impacted: int | None, expected: int | None, sentence: str) -> None:
    """What is green and what is still open are said in one breath."""
    assert ", ".join(words.so_far(impacted, expected)) == sentence


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (0.01, "0.1 %"), (50, "50.0 %"), (87.44, "87.4 %"), (99.99, "99.9 %"), (100, "100 %")],
)
def test_only_all_is_a_hundred_percent(share: float, said: str) -> None:
    """Rounding never claims that everything, or nothing, is covered."""
    assert words.percent(share) == said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (ChangedLines(0, 0), ""),
        (ChangedLines(1, 1), "the changed line is covered"),
        (ChangedLines(1, 0), "the changed line is not covered"),
        (ChangedLines(7, 7), "all 7 changed lines are covered"),
        (ChangedLines(7, 5), "5 of 7 changed lines are covered"),
        (ChangedLines(7, 0), "none of 7 changed lines is covered"),
    ],
)
def test_changed_lines_are_counted_in_words(lines: ChangedLines, said: str) -> None:
    """A change without code, a comment say, has nothing to tell."""
    assert words.changed_lines(lines) == said


@given(st.sets(st.integers(1, 60)))
def test_ranges_name_each_line_and_no_other(numbers: set[int]) -> None:
    """Read back, they are the very lines."""
    told = words.line_ranges(sorted(numbers))

    ends = [part.split("-") for part in told.split(", ") if part]
    assert {line for end in ends for line in range(int(end[0]), int(end[-1]) + 1)} == numbers
    assert len(ends) == sum(number - 1 not in numbers for number in numbers)


def test_places_and_ranges_stop_where_there_is_no_room() -> None:
    """And say how many are left out."""
    assert words.line_ranges((1, 3, 5, 7), 2) == "1, 3 and 2 more"
    assert words.places((("a.py", (1, 2)), ("b.py", (4,)))) == "a.py:1-2; b.py:4"
    assert words.places((("a.py", (1,)), ("b.py", (2,)), ("c.py", (3,))), 1) == "a.py:1 and 2 more files"


@pytest.mark.parametrize(
    ("stage", "ran", "said"),
    [
        (Stage.IMPACTED, True, "It ran among the first, after a.py was saved."),
        (Stage.REST, True, "It ran with the rest, after a.py was saved."),
        (Stage.REST, False, "It was to run with the rest, after a.py was saved, and has not ended."),
        (None, False, "It was no part of the last run that chose its tests, after a.py was saved."),
    ],
)
def test_a_tests_place_in_the_last_run_is_a_sentence(stage: Stage | None, said: str, *, ran: bool) -> None:
    """It tells when the test ran, after which change, and whether it has ended."""
    why = Why("/p", "t", stage, ran, Cause(CauseKind.SAVE, ("src/a.py",)), (), ("src/a.py",), 1)

    assert words.place_in_run(why) == said
    assert words.depends(why) == "Depends on 1 file, executes 1 function"


def test_before_any_run_has_chosen_its_tests_there_is_no_reason() -> None:
    """That is said instead of an empty answer."""
    why = Why("/p", "t", None, ran=False, cause=None, reasons=(), depends_on=(), functions=0)

    assert words.place_in_run(why) == "No run has chosen its tests yet."
    assert words.depends(why) == "What it depends on is not known yet"
