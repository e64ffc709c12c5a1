"""The ledger: what is told is the difference between what is red and what was told last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.agents.testing.ledger import Ledger
from app.domain.verdicts import Outcome, TestResult, Verdict

GREEN = Outcome.PASSED
RED = Outcome.FAILED


def results(**outcomes: Outcome) -> list[TestResult]:
    return [TestResult(f"t.py::{name}", outcome) for name, outcome in outcomes.items()]


def run(ledger: Ledger, verdict: Verdict | None = None, **outcomes: Outcome) -> object:
    ledger.begin()
    ended = results(**outcomes)
    ledger.add(ended)
    red = any(result.outcome.is_red for result in ended)
    verdict = verdict or (Verdict.RED if red else Verdict.GREEN)
    turn, _ = ledger.finish(verdict, {result.nodeid for result in ended}, complete=not verdict.is_trouble)
    return turn


def test_the_first_look_at_a_red_project_is_no_change() -> None:
    """What was red before anyone watched is not news, but its mending is."""
    ledger = Ledger()

    first = run(ledger, a=RED, b=GREEN)
    mended = run(ledger, a=GREEN, b=GREEN)

    assert not first
    assert mended.fixed == ("t.py::a",)


def test_what_breaks_is_told_once() -> None:
    """A test that stays red is not told again."""
    ledger = Ledger()
    run(ledger, a=GREEN)

    broke = run(ledger, a=RED)
    still = run(ledger, a=RED)

    assert broke.broke == ("t.py::a",)
    assert not still


def test_a_new_test_that_fails_is_news() -> None:
    """Once a project is known, a red test that was never seen counts as broken."""
    ledger = Ledger()
    run(ledger, a=GREEN)

    assert run(ledger, a=GREEN, new=RED).broke == ("t.py::new",)


def test_what_a_cancelled_run_saw_red_is_told_by_the_next() -> None:
    """A run that was cut off before it could tell loses no red test."""
    ledger = Ledger()
    run(ledger, a=GREEN)
    ledger.begin()
    ledger.add(results(a=RED))
    cancelled, _ = ledger.finish(Verdict.CANCELLED, (), complete=False)

    after = run(ledger, a=RED)

    assert not cancelled
    assert after.broke == ("t.py::a",)


def test_what_was_told_early_is_not_told_at_the_end() -> None:
    """The early word and the last word of a run together name each test once."""
    ledger = Ledger()
    run(ledger, a=GREEN, b=GREEN)
    ledger.begin()
    ledger.add(results(a=RED))

    early = ledger.broke_so_far()
    ledger.add(results(b=RED))
    late, _ = ledger.finish(Verdict.RED, {"t.py::a", "t.py::b"}, complete=True)

    assert early.broke == ("t.py::a",)
    assert late.broke == ("t.py::b",)


def test_a_deleted_red_test_is_told_as_gone_not_as_fixed() -> None:
    """Deleting a red test does not mend it, and a person should know which of the two happened."""
    ledger = Ledger()
    run(ledger, a=GREEN, b=GREEN)
    run(ledger, a=RED, b=GREEN)

    turn = run(ledger, b=GREEN)

    assert (turn.fixed, turn.gone) == ((), ("t.py::a",))


def test_a_file_that_collects_again_is_fixed() -> None:
    """A collection error is red under the file's own node id, which later runs do not have."""
    ledger = Ledger()
    run(ledger, a=GREEN)
    ledger.add([TestResult("t.py", Outcome.ERROR)])
    broken, _ = ledger.finish(Verdict.COLLECTION_ERROR, (), complete=False)

    mended = run(ledger, a=GREEN)

    assert (broken.broke, broken.trouble) == (("t.py",), Verdict.COLLECTION_ERROR)
    assert (mended.fixed, mended.gone, mended.recovered) == (("t.py",), (), Verdict.COLLECTION_ERROR)


def test_trouble_is_told_when_it_comes_and_when_it_goes() -> None:
    """The same trouble twice is told once."""
    ledger = Ledger()

    turns = [run(ledger, verdict) for verdict in (Verdict.NO_PYTEST, Verdict.NO_PYTEST, Verdict.GREEN)]

    assert [(turn.trouble, turn.recovered) for turn in turns] == [
        (Verdict.NO_PYTEST, None),
        (None, None),
        (None, Verdict.NO_PYTEST),
    ]


def test_history_is_taken_as_told() -> None:
    """After a restart, what was red before is not told again."""
    ledger = Ledger.remembering([("t.py::a", RED), ("t.py::b", GREEN)], told=["t.py::a"])

    turn = run(ledger, a=RED, b=RED)

    assert turn.broke == ("t.py::b",)


def test_red_that_nobody_was_told_of_is_told_after_a_restart() -> None:
    """A run that the end of the program cut off had found it, and could not tell."""
    ledger = Ledger.remembering([("t.py::a", RED), ("t.py::b", GREEN)])

    assert run(ledger, a=RED, b=GREEN).broke == ("t.py::a",)


def test_trouble_that_stood_before_a_restart_is_no_news() -> None:
    """It is told when it goes."""
    ledger = Ledger.remembering([], trouble=Verdict.NO_PYTEST)

    assert not run(ledger, Verdict.NO_PYTEST)
    assert run(ledger, a=GREEN).recovered is Verdict.NO_PYTEST


def test_what_the_first_look_saw_green_and_then_red_is_told() -> None:
    """A break that is saved while the first run goes on is news, though nothing was known before."""
    ledger = Ledger()
    ledger.begin()
    ledger.add(results(a=GREEN))
    ledger.finish(Verdict.CANCELLED, (), complete=False)

    assert run(ledger, a=RED, b=RED).broke == ("t.py::a",)


def test_an_early_word_is_about_this_run_alone() -> None:
    """What a cancelled run found red and a newer save has mended already is never told."""
    ledger = Ledger()
    run(ledger, a=GREEN, b=GREEN)
    ledger.begin()
    ledger.add(results(a=RED))
    ledger.finish(Verdict.CANCELLED, (), complete=False)

    ledger.begin()
    ledger.add(results(b=GREEN))

    assert not ledger.untold
    assert not run(ledger, a=GREEN, b=GREEN)


def test_a_test_whose_id_changes_with_each_run_is_told_once() -> None:
    """Ids that hold the time of day make the same red test gone and new in each run."""
    ledger = Ledger()
    run(ledger, **{"a[0]": GREEN})

    turns = [run(ledger, **{f"a[{number}]": RED}) for number in (1, 2, 3)]

    assert [turn.broke for turn in turns] == [("t.py::a[1]",), (), ()]
    assert not any(turn.gone or turn.fixed for turn in turns)


def test_a_file_is_fixed_though_the_run_is_not_complete() -> None:
    """Under --lf the file's other tests are left out; that it collects is enough."""
    ledger = Ledger()
    run(ledger, a=GREEN)
    ledger.begin()
    ledger.add([TestResult("t.py", Outcome.ERROR)])
    ledger.finish(Verdict.COLLECTION_ERROR, (), complete=False)

    ledger.begin()
    ledger.add(results(a=GREEN))
    turn, lost = ledger.finish(Verdict.GREEN, {"t.py::a"}, complete=False)

    assert (turn.fixed, lost) == (("t.py",), ("t.py",))
    assert not ledger.red


def test_a_conftest_that_works_again_is_fixed_not_gone() -> None:
    """It collects nothing itself when it is well."""
    ledger = Ledger()
    run(ledger, a=GREEN)
    ledger.begin()
    ledger.add([TestResult("conftest.py", Outcome.ERROR)])
    ledger.finish(Verdict.COLLECTION_ERROR, (), complete=False)

    mended = run(ledger, a=GREEN)

    assert (mended.fixed, mended.gone) == (("conftest.py",), ())


runs = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from([RED, GREEN]), min_size=1),
        st.sampled_from([None, Verdict.CANCELLED]),
        st.booleans(),
    ),
    max_size=8,
)


@given(runs)
def test_told_and_truth_agree_after_each_run(happened: list[tuple[dict[str, Outcome], Verdict | None, bool]]) -> None:
    """Whatever is cancelled or told early, a person who adds up what was told knows exactly what is red."""
    ledger = Ledger()
    run(ledger, start=GREEN)
    believed: set[str] = set()

    for outcomes, verdict, early in happened:
        ledger.begin()
        ended = results(**outcomes)
        ledger.add(ended)
        if early:
            believed |= set(ledger.broke_so_far().broke)
        red = any(result.outcome.is_red for result in ended)
        said = verdict or (Verdict.RED if red else Verdict.GREEN)
        turn, _ = ledger.finish(said, {result.nodeid for result in ended}, complete=True)
        believed = (believed | set(turn.broke)) - set(turn.fixed) - set(turn.gone)
        if verdict is None:
            assert believed == {result.nodeid for result in ended if result.outcome.is_red}
