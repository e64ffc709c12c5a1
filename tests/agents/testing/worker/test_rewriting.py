"""Assertions of functions that will not run are left as they are, and nothing else."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.worker.rewriting import functions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TESTS = """
    import helper

    def test_first():
        value = 1
        assert value == 2

    class TestIt:
        def test_method(self):
            value = 1
            assert value == 2

        def test_other(self):
            value = 1
            assert value == 2
"""
HELPER = "def check(value):\n    assert value == 2\n"


def chunk(*unused: str, **fields: Any) -> dict[str, Any]:
    return {"path": "test_it.py", "only": None, "leave": [], "probe": [], "unused": list(unused), **fields}


def explained(told: Any) -> set[str]:
    """Return the tests whose failure says what the values were."""
    return {line["id"].rpartition("::")[2] for line in told.all("end") if "assert 1 == 2" in line["text"]}


def test_only_what_runs_is_rewritten(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """A test that runs all the same is as red as ever, and says less."""
    write(tmp_path, test_it=TESTS, helper=HELPER)

    told = work(tmp_path, orders=run_order(chunk("TestIt::test_other", "test_first"), rest=False))

    assert told.outcomes == {"test_first": "failed", "TestIt::test_method": "failed", "TestIt::test_other": "failed"}
    assert explained(told) == {"test_method"}


def test_what_is_rewritten_in_part_is_not_kept(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """The next process rewrites the whole file."""
    write(tmp_path, test_it=TESTS, helper=HELPER)

    work(tmp_path, orders=run_order(chunk("test_first"), rest=False), PYTHONDONTWRITEBYTECODE="")
    kept = [path.name for path in tmp_path.glob("__pycache__/*") if "test_it" in path.name]
    again = work(tmp_path, orders=run_order(), PYTHONDONTWRITEBYTECODE="")

    assert kept == []
    assert explained(again) == {"test_first", "test_method", "test_other"}
    assert [path.name for path in tmp_path.glob("__pycache__/*") if "test_it" in path.name]


def test_a_hook_that_hears_of_assertions_hears_of_all(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Where the project asks for pytest_assertion_pass, each assertion is rewritten."""
    write(tmp_path, test_it=TESTS, helper=HELPER)
    (tmp_path / "pytest.ini").write_text("[pytest]\nenable_assertion_pass_hook = true\n")

    told = work(tmp_path, orders=run_order(chunk("test_first"), rest=False))

    assert "test_first" in explained(told)


@pytest.mark.parametrize(
    ("name", "lines"),
    [("test_a", [1]), ("One::test_a", [5]), ("One::Two::test_a", [7]), ("One::test_b", []), ("Two::test_a", [])],
)
def test_functions_are_found_by_their_classes(name: str, lines: list[int]) -> None:
    """A name is that of a node id, without the file and the parameters."""
    text = (
        "def test_a(): pass\ndef other():\n    def test_a(): pass\nclass One:\n"
        "    def test_a(self): pass\n    class Two:\n        async def test_a(self): pass\n"
    )

    found = [function.lineno for function in functions(ast.parse(text), {name})]

    assert found == lines
