"""TAP 12 to 14: what real tools printed, and streams that are not whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.testing.runners.story import Story
from app.agents.testing.runners.tap import Tap
from app.domain.verdicts import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSED, FAILED, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED


def read(text: str) -> tuple[Tap, Story]:
    story = Story()
    tap = Tap(story)
    for line in text.splitlines():
        tap.take(line)
    tap.finish()
    return tap, story


def outcomes(story: Story) -> dict[str, Outcome]:
    return {nodeid: result.outcome for nodeid, result in story.results.items()}


def test_node(recorded: Callable[[str], Path]) -> None:
    """Node announces a block before it comes, and describes each point in YAML."""
    tap, story = read(recorded("node.tap").read_text())

    assert outcomes(story) == {
        "tap::outer > inner a": PASSED,
        "tap::outer > inner b": FAILED,
        "tap::outer": FAILED,
        "tap::plain": PASSED,
        "tap::skipped": SKIPPED,
        "tap::todo": Outcome.XFAILED,
    }
    assert "error: '1 == 2'" in story.results["tap::outer > inner b"].output
    assert 0 < story.results["tap::outer > inner b"].duration_s < 0.1
    assert (tap.is_tap, tap.lacking) == (True, "")


def test_perl_prints_its_plan_last(recorded: Callable[[str], Path]) -> None:
    """A plan at the end makes it TAP, and all of it is told then."""
    tap, story = read(recorded("perl.tap").read_text())

    assert outcomes(story) == {
        "tap::one": PASSED,
        "tap::two": FAILED,
        "tap::sub > x": PASSED,
        "tap::sub > y": FAILED,
        "tap::sub": FAILED,
        "tap::three": Outcome.XFAILED,
        "tap::#5": SKIPPED,
    }
    assert (tap.is_tap, tap.lacking) == (True, "")


def test_prove_prints_a_document_for_each_file(recorded: Callable[[str], Path]) -> None:
    """The file that prove names stands before its tests."""
    text = recorded("prove.tap").read_text()

    tap, story = read(f"t/0.t .. \nok 1 - one\n1..1\nok\n{text}")

    assert [nodeid for nodeid in story.results if nodeid.endswith("one")] == ["t/0.t::one", "t/a.t::one"]
    assert tap.lacking == ""


def test_vitest_puts_blocks_in_braces(recorded: Callable[[str], Path]) -> None:
    """A point before its block in braces names it."""
    tap, story = read(recorded("vitest.tap").read_text())

    assert outcomes(story)["tap::test/mul.test.js > red"] is FAILED
    assert outcomes(story)["tap::test/add.test.js > add > same (2)"] is PASSED
    assert story.results["tap::test/mul.test.js > slow"].duration_s > 1
    assert tap.lacking == ""


def test_an_old_block_is_named_by_its_first_line() -> None:
    """Test::More before TAP 14 writes the block's name inside of it."""
    _, story = read("TAP version 13\n    # Subtest: in\n    ok 1 - a\n    1..1\nok 1 - in\n1..1\n")

    assert list(story.results) == ["tap::in > a", "tap::in"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1..3\nok 1\nok 2\n", "plans 3 tests, but tells of 2"),
        ("TAP version 14\nok 1\nok 2\n", "has no plan"),
        ("1..1\n# Subtest: in\n    1..2\n    ok 1\nok 1 - in\n", "plans 2 tests in in, but tells of 1"),
        ("t/a.t .. \n1..2\nok 1\nt/b.t .. \n1..1\nok 1\n", "plans 2 tests in t/a.t, but tells of 1"),
    ],
)
def test_a_stream_that_breaks_off_is_not_whole(text: str, said: str) -> None:
    """What is planned and not told of is not taken for green."""
    tap, _ = read(text)

    assert said in tap.lacking


def test_bail_out() -> None:
    """A bail out is heard, with its reason."""
    tap, _ = read("1..2\nok 1\nBail out! no database\n")

    assert tap.bailed == "no database"


def test_other_output_is_no_tap() -> None:
    """A program that happens to print "ok" is judged by its exit code."""
    tap, story = read("ok, let us begin\nnot ok for you?\nok 1\n")

    assert (tap.is_tap, story.results) == (False, {})


@given(
    st.lists(
        st.sampled_from(
            [
                "ok",
                "not ok 2 - a # TODO",
                "1..2",
                "    ok 1 {",
                "}",
                "  ---",
                "  ...",
                "# Subtest: x",
                "x .. ",
                "        not ok",
                "    1..1",
                "TAP version 13",
            ]
        )
    )
)
def test_no_lines_make_it_fail(lines: list[str]) -> None:
    """Whatever the order of lines, each point is told once, or the stream is no TAP."""
    tap, story = read("\n".join(lines))

    points = sum(line.lstrip().startswith(("ok", "not ok")) for line in lines)
    assert len(story.results) <= points
    assert tap.is_tap or not story.results
