"""What `once` writes, and the exit code that goes with it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from app.agents.testing.once import Report
from app.agents.testing.running.interpreters import Interpreter
from app.agents.testing.running.runs import RunOutcome
from app.cli.once import report_once
from app.cli.terminal import Terminal
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.verdicts import Counts, Outcome, TestResult, Verdict

LINES = ChangedLines(7, 5, (("src/a.py", (3, 4, 9)),))
COVERAGE = Coverage((FileCoverage("src/a.py", 10, (3, 4, 9)), FileCoverage("src/b.py", 0, ())))
OSC = "\x1b]0;owned\x07"


def report(verdict: Verdict, *tests: TestResult, message: str = "", output: str = "") -> Report:
    nodeids = tuple(test.nodeid for test in tests)
    outcome = RunOutcome(verdict, message, output, 1.5, nodeids, complete=True)
    return Report("/p/shop", Interpreter(f"/bin/python{OSC}", ".venv"), (), outcome, tests)


def told(found: Report, *, as_json: bool = False) -> tuple[int, str]:
    out = io.StringIO()
    return report_once(found, Terminal(out, io.StringIO(), {}), as_json=as_json), out.getvalue()


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict.GREEN, 0), (Verdict.RED, 1), (Verdict.CRASHED, 1), (Verdict.NO_TESTS, 3), (Verdict.NO_PYTEST, 3)],
)
def test_the_exit_code_tells_red_from_not_run(verdict: Verdict, code: int) -> None:
    """A script must not take tests that were not run for red ones, and even less for green ones."""
    assert told(report(verdict))[0] == code


def test_red_tests_come_with_their_output() -> None:
    """Then the verdict, the counts and the time."""
    _, text = told(report(Verdict.RED, TestResult("t.py::a", Outcome.FAILED, 0.1, "boom\nbang")))

    assert text.startswith("FAILED t.py::a\n    boom\n    bang\nRED  1 failed in 1.50 s")


def test_the_document_has_the_schema_of_all_documents() -> None:
    """One schema number, and every test."""
    _, text = told(report(Verdict.GREEN, TestResult("t.py::a", Outcome.PASSED, 0.1)), as_json=True)

    found = json.loads(text)
    assert (found["schema"], found["verdict"], found["tests"][0]["nodeid"]) == (1, "green", "t.py::a")


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "found",
    [
        report(Verdict.RED, TestResult(f"t.py::a{OSC}", Outcome.FAILED, 0.1, f"boom {OSC}"), message=OSC),
        report(Verdict.COLLECTION_ERROR, message=f"no {OSC}", output=f"E {OSC}"),
    ],
    ids=["red", "trouble"],
)
def test_no_control_sequence_from_outside_gets_through(found: Report, *, as_json: bool) -> None:
    """A test that sets the terminal's title by its name or its output is shown instead of obeyed."""
    _, text = told(found, as_json=as_json)

    assert "owned" in text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.isascii()


def test_the_document_tells_what_the_change_touches_and_what_is_covered() -> None:
    """Counts of the tests that ran first, the changed lines by file, and coverage file by file."""
    found = replace(report(Verdict.GREEN), impacted=Counts(passed=6, failed=1), changed_lines=LINES, coverage=COVERAGE)

    document = json.loads(told(found, as_json=True)[1])

    assert (document["impacted"]["total"], document["impacted"]["red"], document["impacted"]["passed"]) == (7, 1, 6)
    assert document["changed_lines"] == {"total": 7, "covered": 5, "uncovered": {"src/a.py": [3, 4, 9]}}
    assert document["coverage"] == {
        "percent": 70.0,
        "files": [
            {"path": "src/a.py", "percent": 70.0, "statements": 10, "missing": [3, 4, 9]},
            {"path": "src/b.py", "percent": 100.0, "statements": 0, "missing": []},
        ],
    }


def test_what_is_not_known_is_null() -> None:
    """The keys are there for scripts, whatever was measured."""
    document = json.loads(told(report(Verdict.GREEN), as_json=True)[1])

    assert [document[key] for key in ("impacted", "changed_lines", "coverage")] == [None, None, None]


def test_coverage_that_cannot_be_measured_says_why() -> None:
    """In words and in JSON; the verdict stands all the same."""
    found = replace(report(Verdict.GREEN), coverage=f"coverage.py is not installed there{OSC}")

    code, text = told(found)
    document = json.loads(told(found, as_json=True)[1])

    assert code == 0
    assert "coverage was not measured: coverage.py is not installed there\\x1b" in text
    assert document["coverage"] == {"error": found.coverage}


def test_the_change_and_the_coverage_come_behind_the_verdict() -> None:
    """A line for the tests of the change, one for its lines, and a table of files with the lines that are missing."""
    found = replace(report(Verdict.GREEN), impacted=Counts(passed=7), changed_lines=LINES, coverage=COVERAGE)

    _, text = told(found)

    assert text.splitlines()[1:] == [
        "7 tests of the change ran first: 7 passed",
        "5 of 7 changed lines are covered, not: src/a.py:3-4, 9",
        "",
        "coverage 70.0 %",
        "  70.0 %  src/a.py  3-4, 9",
        "   100 %  src/b.py",
    ]
