"""The fault catalogue is whole: each row is shown by a test, and each test that names a row means one there is."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.faults.catalogue import ROWS, Row

TESTS = Path(__file__).parents[1]
ROOMS = ("faults", "desktop")
NAMED = re.compile(r"test_row_(\d+)_\w+")
SLOW = "pytest.mark.slow"


@dataclass(frozen=True)
class Shown:
    """A test that shows a row.

    Attributes:
        test: Where it stands and what it is called.
        is_short: Whether it runs each time, and not behind `--full` only.
    """

    test: str
    is_short: bool


@cache
def shown() -> dict[int, list[Shown]]:
    """Return the tests of each row, found in the source without running any."""
    found: dict[int, list[Shown]] = defaultdict(list)
    for room in ROOMS:
        for path in sorted((TESTS / room).rglob("test_*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            is_all_slow = any(isinstance(each, ast.Assign) and SLOW in ast.unparse(each) for each in tree.body)
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (name := NAMED.fullmatch(node.name)):
                    is_slow = is_all_slow or any(ast.unparse(each) == SLOW for each in node.decorator_list)
                    test = f"{path.relative_to(TESTS)}::{node.name}"
                    found[int(name[1])].append(Shown(test, is_short=not is_slow))
    return found


def test_the_rows_are_numbered_from_one_without_a_gap() -> None:
    """A row keeps its number, since tests are named by it."""
    assert [row.number for row in ROWS] == list(range(1, 51))
    assert all(row.fault and row.expected for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number:02}")
def test_each_row_is_shown_each_time(row: Row) -> None:
    """At least one test shows the row, and it is one that runs each time; heavier forms may stand beside it."""
    tests = shown().get(row.number, [])

    assert tests, f"no test_row_{row.number:02}_... shows: {row.fault} -> {row.expected}"
    assert any(test.is_short for test in tests), f"only behind --full: {[test.test for test in tests]}"


def test_no_test_names_a_row_that_there_is_not() -> None:
    """A mistyped number would leave a row without the test that seems to be there."""
    unknown = {number: tests for number, tests in shown().items() if number not in {row.number for row in ROWS}}

    assert unknown == {}


def test_tests_name_their_rows_in_two_digits() -> None:
    """So that they can be chosen: `-k row_07`."""
    numbers = [test.test.partition("test_row_")[2].partition("_")[0] for tests in shown().values() for test in tests]

    assert [number for number in numbers if len(number) != 2] == []
