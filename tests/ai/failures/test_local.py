"""What is said of a failure without a model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.ai.failures.local import explain_locally
from app.ai.failures.sources import Sources
from app.domain.analysis import Evidence, SourceDiff
from app.domain.history import TestMoment
from app.domain.verdicts import Cause, CauseKind, Check, Outcome

if TYPE_CHECKING:
    from app.ai.failures.facts import FailureFacts

SAVE, REQUEST = Cause(CauseKind.SAVE, ("a.py",)), Cause(CauseKind.REQUEST)


def moment(at: float, outcome: Outcome, cause: Cause = SAVE) -> TestMoment:
    return TestMoment(f"r{at}", at, outcome, 0.1, cause)


def test_a_changed_function_that_the_failure_names_is_suspect(facts: FailureFacts) -> None:
    """The wrong operator is named, although the function that holds it is in no frame."""
    local = explain_locally(facts, Sources(facts.root))

    assert local.failure == "AssertionError: assert 12.0 == 18\n +  where 12.0 = total([10, 5], 0.2)"
    assert local.place == Evidence("tests/test_price.py", 5, "in test_total()", "assert total([10, 5], 0.2) == 18")
    assert local.suspects[0] == Evidence(
        "shop/price.py", 10, "changed in total(), which the failure names", "return before - before * rate"
    )
    assert local.changed[0] == "shop/price.py"
    assert set(local.changed) == {"README.md", "shop/other.py", "shop/price.py"}
    assert "return before + before * rate" in local.diff
    assert "README" not in local.diff
    assert (local.last_green, local.doubt) == (700.0, "")


def test_a_changed_function_that_a_frame_touches_is_suspect(facts: FailureFacts) -> None:
    """Where the failure passed through changed lines, the one nearest to the frame comes first."""
    output = (
        "tests/test_price.py:9: in test_parse\n    assert parse('') == 0\n"
        'shop/price.py:15: in parse\n    raise ValueError("empty")\nE   ValueError: empty\n'
    )
    diff = facts.diff.text + (
        "@@ -13,4 +13,4 @@ def parse(text):\n def parse(text):\n-    if text is None:\n+    if not text:\n"
        '         raise ValueError("empty")\n     return int(text)\n'
    )
    about = replace(facts, nodeid="tests/test_price.py::test_parse", output=output, diff=SourceDiff("x", diff))

    local = explain_locally(about, Sources(facts.root))

    assert [(frame.path, frame.line) for frame in local.frames] == [("tests/test_price.py", 9), ("shop/price.py", 15)]
    assert (local.suspects[0].path, local.suspects[0].line) == ("shop/price.py", 14)
    assert local.suspects[0].why == "changed in parse(), where the failure passed"


def test_a_function_that_the_test_reaches_is_suspect(facts: FailureFacts) -> None:
    """A function that the test calls only through another is found over the calls of its source."""
    diff = (
        "--- a/shop/price.py\n+++ b/shop/price.py\n"
        "@@ -4,2 +4,2 @@\n def net(items):\n-    return max(items)\n+    return sum(items)\n"
    )

    local = explain_locally(replace(facts, diff=SourceDiff("x", facts.diff.text[:240] + diff)), Sources(facts.root))

    assert local.suspects[0].line == 5
    assert local.suspects[0].why == "changed in net(), which the test may reach"


def test_the_only_change_is_suspect(facts: FailureFacts) -> None:
    """Where nothing points at the only change, it is shown all the same."""
    diff = "--- a/shop/other.py\n+++ b/shop/other.py\n@@ -1 +1 @@\n-X = 1\n+X = 2\n"

    local = explain_locally(replace(facts, diff=SourceDiff("x", diff)), Sources(facts.root))

    assert local.suspects == (Evidence("shop/other.py", 1, "the only change", "X = 2"),)


def test_the_test_itself_is_the_place_where_nothing_else_is(facts: FailureFacts) -> None:
    """A failure that names no place is told by the test's source."""
    local = explain_locally(replace(facts, output="", outcome=Outcome.HUNG), Sources(facts.root))

    assert local.failure == "The test hung."
    assert local.place == Evidence("tests/test_price.py", 4, "the test", "def test_total():")


@pytest.mark.parametrize(
    ("check", "moments", "diff", "doubt"),
    [
        (Check(alone=Outcome.PASSED), (), "x", "Flaky: green when run again alone."),
        (
            Check(alone=Outcome.FAILED, before=Outcome.FAILED),
            (),
            "x",
            "Red on the last green source too, so not this change.",
        ),
        (Check(alone=Outcome.FAILED, before=Outcome.PASSED), (), "x", ""),
        (None, (moment(3, Outcome.FAILED), moment(2, Outcome.PASSED)), "x", ""),
        (
            None,
            (moment(3, Outcome.FAILED, REQUEST), moment(2, Outcome.PASSED), moment(1, Outcome.FAILED)),
            "x",
            "In its last 3 runs it changed between red and green once without a change of a file, so it may be flaky.",
        ),
        (None, (), "", "No source differs from the last commit, so the cause may lie outside the project's files."),
    ],
)
def test_doubt(
    facts: FailureFacts, check: Check | None, moments: tuple[TestMoment, ...], diff: str, doubt: str
) -> None:
    """What speaks against the change as the cause is said, and nothing else."""
    about = replace(facts, check=check, moments=moments, diff=SourceDiff("the last commit", diff))

    assert explain_locally(about, Sources(facts.root)).doubt == doubt


def test_last_green_is_the_newest_green_moment(facts: FailureFacts) -> None:
    """Of the runs that are known, the newest green one counts, and the green source that the change is against."""
    moments = (moment(950, Outcome.FAILED), moment(800, Outcome.PASSED), moment(100, Outcome.PASSED))

    newer = explain_locally(replace(facts, moments=moments), Sources(facts.root))
    unknown = explain_locally(replace(facts, diff=SourceDiff("the last commit", "", base_at=5.0)), Sources(facts.root))

    assert newer.last_green == 800
    assert unknown.last_green is None
