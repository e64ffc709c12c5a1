"""Red tests, tests that did not run, and too little coverage are told from what is known, and nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.checks.tested import Tested
from app.agents.auditing.context import Context
from app.agents.auditing.plugin import Finding, NotKnown
from app.domain.findings import Severity

if TYPE_CHECKING:
    from pathlib import Path

FUTURE = 4e9


def ended(nodeid: str, outcome: str = "passed", at: float = FUTURE) -> dict[str, Any]:
    return {"nodeid": nodeid, "outcome": outcome, "at": at}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_x():\n    assert 1\n")
    return tmp_path


def told(root: Path, facts: dict[str, Any], **options: Any) -> list[Any]:
    return list(Tested().look(Context(root=root, facts=facts, options=options)))


def test_green_tests(project: Path) -> None:
    """Green, skipped and expectedly failing tests after the last change leave nothing to tell."""
    facts = {
        "tests": [ended("tests/test_a.py::test_x"), ended("b", "skipped"), ended("c", "xfailed")],
        "verdict": "green",
        "verdict_at": FUTURE,
    }

    assert told(project, facts) == []


@pytest.mark.parametrize("outcome", ["failed", "error", "crashed", "hung"])
def test_a_red_test(project: Path, outcome: str) -> None:
    """Each red test is told by its id and its file."""
    facts = {"tests": [ended("tests/test_a.py::test_x", outcome), ended("tests/test_a.py::test_y")], "verdict": "red"}

    found = told(project, facts)

    assert [(each.path, each.severity, each.evidence) for each in found] == [
        ("tests/test_a.py", Severity.HIGH, f"tests/test_a.py::test_x {outcome}")
    ]


def test_a_red_test_whose_file_is_gone(project: Path) -> None:
    """A red test is told without a path that is not there."""
    found = told(project, {"tests": [ended("tests/gone.py::test_x", "failed"), ended("a\0b::x", "failed")]})

    assert [each.path for each in found] == ["", ""]


@pytest.mark.parametrize("facts", [{}, {"tests": None}, {"tests": []}, {"tests": [{"at": 3}, 7]}])
def test_nobody_watches(project: Path, facts: dict[str, Any]) -> None:
    """Where no test is known, it is said how tests come to be known."""
    found = told(project, facts)

    assert [type(each) for each in found] == [NotKnown]
    assert "start Watchkeeper on this project" in found[0].reason


@pytest.mark.parametrize("when", [{"verdict_at": 1.0}, {}, {"verdict_at": "soon"}, {"verdict_at": float("nan")}])
def test_a_change_after_the_tests(project: Path, when: dict[str, Any]) -> None:
    """Outcomes of before the last change of the source do not let the check pass."""
    found = told(project, {"tests": [ended("a", at=1.0)], **when})

    assert found == [NotKnown("the tests were not run since the last change of the source")]


def test_a_document_is_no_source(project: Path) -> None:
    """A marker that is written after the tests ran does not make their outcomes old."""
    ran = (project / "tests" / "test_a.py").stat().st_mtime
    (project / "TASK_COMPLETE.md").write_text("done")

    assert told(project, {"tests": [ended("a", at=ran)], "verdict_at": ran}) == []


def test_a_run_that_went_wrong(project: Path) -> None:
    """Green tests of a run that was not done are not enough."""
    found = told(project, {"tests": [ended("a")], "verdict": "collection-error", "verdict_at": FUTURE})

    assert [each.reason for each in found] == [
        "the last run of the tests ended with `collection-error`, so that its tests alone tell too little"
    ]


@pytest.mark.parametrize(
    ("coverage", "floor", "kind"),
    [
        ({"percent": 79.9}, 80, Finding),
        ({"percent": 80}, 80, None),
        ({"percent": 1}, None, None),
        (None, 80, NotKnown),
        ({"percent": "all"}, 80, NotKnown),
        ({"percent": 90}, "high", NotKnown),
        ({"percent": 90}, True, NotKnown),
    ],
)
def test_coverage(project: Path, coverage: Any, floor: Any, kind: type | None) -> None:
    """Coverage below the floor is told, and one that was not measured is not known."""
    found = told(project, {"tests": [ended("a")], "coverage": coverage}, coverage_floor=floor)

    assert [type(each) for each in found] == ([kind] if kind else [])
