"""What the check of claims does with what it cannot look up, and with whatever a marker holds."""
# ruff: noqa: RUF001 - Russian markers

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.checks.claims import Claims
from app.agents.auditing.checks.claims.marker import lines_of
from app.agents.auditing.checks.claims.named import files_in, names_in
from app.agents.auditing.checks.claims.outcomes import coverage_claimed, outcomes_claimed
from app.agents.auditing.context import Context
from app.agents.auditing.plugin import NotKnown

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Work


@pytest.mark.parametrize("said", ["All tests pass.", "40 tests passed", "Все тесты проходят."])
def test_what_nobody_can_confirm(work: Work, said: str) -> None:
    """Outcomes are not known when nobody watched, or when the source changed after the tests ran."""
    nobody = work.told(said, facts={})
    late = work.told(said, facts=work.ended(green=40, at=1.0))
    broken = work.told(said, facts=work.facts | {"verdict": "collection-error"})

    assert [type(each) for each in (*nobody, *late, *broken)] == [NotKnown] * 3
    assert "start Watchkeeper on this project" in nobody[0].reason
    assert "not run since the last change" in late[0].reason
    assert "collection-error" in broken[0].reason


def test_coverage_that_was_not_measured(work: Work) -> None:
    """Coverage is not known when it was not measured, or before the last change only."""
    del work.facts["coverage"]

    missing = work.told("Coverage: 90 %")
    work.facts["coverage"] = {"percent": 50, "at": 1.0}

    assert "was not measured" in missing[0].reason
    assert "before the last change" in work.told("Coverage: 90 %")[0].reason


def test_only_new_lines_of_a_long_marker_claim(work: Work) -> None:
    """Of a log that grows with each task only what was added since the last audit is looked at."""
    log = "# Log\n\nCreated `shop/gone.py`. All 900 tests pass.\n"
    work.write({"PHASE_1.md": log})
    work.commit()

    told = work.told(log + "\nCreated `shop/orders.py`.\n", "PHASE_1.md", since=work.git("rev-parse", "HEAD"))

    assert [(each.rule, each.line) for each in told] == [("file-missing", 5)]


def test_recent_work_of_before_the_last_audit(work: Work) -> None:
    """A second marker of the same work does not lie because an audit lay between."""
    work.commit()

    assert work.told("Updated `shop/price.py`.\n", since=work.git("rev-parse", "HEAD")) == []


def test_counts_of_a_project_with_other_tests(work: Work) -> None:
    """Where others than pytest test as well, more tests may pass than pytest has."""
    work.write({"web/package.json": "{}"})

    assert work.told("128 tests pass.") == []


def test_a_project_without_git(work: Work, tmp_path: Path) -> None:
    """Without git, what is not there is told, and what was not touched is not known."""
    work.root.rename(tmp_path / "moved")
    work.root = tmp_path / "moved"
    (work.root / ".git").rename(tmp_path / "git")

    told = work.told("Created `shop/orders.py`. Updated `shop/untouched.py`. Added `gross()` and `refund()`.\n")

    assert [each.rule for each in told] == ["file-missing", "name-missing"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("A_COMPLETE.md", b"\x00\x01", "holds no text"),
        ("B_COMPLETE.md", b"a" * 300_000, "is larger than a marker is"),
        ("C_COMPLETE.md", None, "cannot be read (FileNotFoundError)"),
        ("../D_COMPLETE.md", None, "lies outside of the project"),
    ],
)
def test_a_marker_that_cannot_be_read(work: Work, name: str, content: bytes | None, reason: str) -> None:
    """A marker that is no text, too large, gone or elsewhere is not known."""
    if content is not None:
        (work.root / name).write_bytes(content)

    told = list(Claims().look(Context(root=work.root, since=work.since, marker=name)))

    assert len(told) == 1
    assert reason in told[0].reason


def test_without_a_marker(work: Work) -> None:
    """Nothing is claimed when no marker made the audit begin."""
    assert list(Claims().look(Context(root=work.root, since=work.since))) == []


PIECES = [
    "coverage ",
    "tests ",
    "pass ",
    "all ",
    "created ",
    ".py",
    "все тесты ",
    "```\n",
    *"abc /.`*|-#:\n%0129()[]\\",
]


@given(st.lists(st.sampled_from(PIECES), max_size=200).map("".join) | st.text(max_size=200))
def test_any_marker_is_read(text: str) -> None:
    """Whatever a marker holds, its claims lie in its lines."""
    lines = lines_of(text)
    claims = [*files_in(lines), *names_in(lines), *outcomes_claimed(lines), *coverage_claimed(lines)]

    assert {each.line for each in claims} <= set(range(1, len(text.splitlines()) + 1))


@pytest.mark.parametrize(
    "unit",
    ["a/", "a.",
     "`", "**", "coverage ", "coverage is ", "coverage 1% -> ", "all tests are ", "1,", "1 ", "tests now ",
     "все тесты ", "покрытие с 1 % до ", "added new ", "fixed it in ", "| a.py ", "[a.py](", "- ", "(",
     "created a.py, ", "new file: ", "class A ", "added test_a, ", "tests pass ", "and tests ", "tests/test_a.py ",
     "pytest tests/ ", "all tests pass (1 ", "5 new tests ", "тесты прошли "],
)  # fmt: skip
def test_a_marker_made_to_be_slow(unit: str) -> None:
    """Lines that repeat what the patterns look for are read in a time that grows with their length alone."""
    lines = lines_of("\n".join([unit * (1000 // len(unit))] * 20))

    claims = [*files_in(lines), *names_in(lines), *outcomes_claimed(lines), *coverage_claimed(lines)]

    assert len(claims) < 20 * 1000


@pytest.mark.parametrize(
    "said",
    [
        "tests/test_cart.py: all tests pass.",
        "Ran `pytest tests/test_cart.py -q`, all tests pass.",
        "All tests pass (tests/test_cart.py)",
        "All tests in `tests/test_cart.py` pass.",
        "- `tests/test_cart.py` (9 lines): 40 tests pass",
        "Tests do not pass yet.",
        "Tests pass on Linux with the new flag.",
        "The tests passed down from Bob are old.",
        "Tests pass except two.",
    ],
)
def test_what_is_said_of_some_tests_only(work: Work, said: str) -> None:
    """Who says of one file that its tests pass says nothing of those of another one, nor does who promises nothing."""
    assert work.told(said, facts=work.facts | work.ended(green=40, red=2)) == []


def test_tests_that_were_all_skipped(work: Work) -> None:
    """What did not run did not pass; where others passed, a skipped test is no lie."""
    skipped = {"nodeid": "tests/test_cart.py::test_slow", "outcome": "skipped", "at": time.time() + 60}

    told = work.told("All tests pass. 1 new test.", facts=work.facts | {"tests": [skipped]})
    among = work.told("All tests pass.", facts=work.facts | {"tests": [*work.facts["tests"], skipped]})

    assert [(each.rule, each.title) for each in told] == [
        ("tests-skipped", "The marker says `All tests pass`, and none did: 1 test skipped")
    ]
    assert among == []


def test_tests_that_nobody_knows(work: Work) -> None:
    """Of a file of which no test is known nothing is confirmed."""
    told = work.told("All tests in tests/test_orders.py pass.")

    assert "no test of tests/test_orders.py is known" in told[0].reason


def test_what_cannot_be_confirmed_names_its_marker(work: Work) -> None:
    """With several markers at once, each has reasons of its own."""
    told = [*work.told("Coverage: 90 %. All tests pass.", facts={}), *work.told("\0")]

    assert [each.reason.partition(" ")[0] for each in told] == ["TASK_1_COMPLETION_REPORT.md:"] * 3


def test_an_answer_is_no_proof(work: Work) -> None:
    """The answer of an audit quotes what was claimed: the name stands there, and nowhere in the source."""
    work.write(
        {"TASK_1_COMPLETION_REPORT.audit.json": '{"evidence": "Added refund()"}', "src.json": '{"a": "gross_of"}'}
    )

    told = work.told("Added function `refund` and function `gross_of`.\n")

    assert [each.title.partition(" ")[0] for each in told] == ["refund"]
