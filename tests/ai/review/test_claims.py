"""What a model claims, and what of it is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ai.review.claims import Review, proved, read_review
from app.ai.review.parts import Line, Part
from app.ai.review.prompt import MOST_CLAIMS
from app.domain.findings import Severity

CLAIM: dict[str, Any] = {
    "path": "a.py",
    "line": 3,
    "quote": "    total -= 1",
    "severity": "high",
    "confidence": "high",
    "title": "It counts down.",
}
LINES = (Line(" ", 1, "def f():"), Line("-", 0, "    total += 1"), Line("+", 2, "    total -= 1"), Line("+", 3, "}"))
SHOWN = Part("a.py", LINES).shown(str)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"findings": [CLAIM]}),
        "Here you are:\n```json\n" + json.dumps({"findings": [CLAIM]}, indent=2) + "\n```\nAnything else?",
        "<think>{findings: maybe {}}</think>" + json.dumps({"findings": [CLAIM]}),
        json.dumps({"result": {"findings": [CLAIM]}}),
        json.dumps([CLAIM]),
        json.dumps({"findings": [CLAIM, CLAIM]})[: -len(json.dumps(CLAIM)) - 3],
        json.dumps({"findings": [{**CLAIM, "line": "3"}]}),
    ],
)
def test_claims_are_read_however_they_are_wrapped(text: str) -> None:
    """In prose, in a fence, after thoughts, in another object, as a list, broken off."""
    review = read_review(text)

    assert review is not None
    assert (review.claims[0].path, review.claims[0].line, review.claims[0].title) == ("a.py", 3, "It counts down.")


@pytest.mark.parametrize("text", ["", "All is well.", "{}", '{"verdict": "good"}', "[]", '{"findings": "none"}'])
def test_what_is_no_answer_is_not_taken_for_praise(text: str) -> None:
    """Only a list of findings says that nothing is wrong."""
    assert read_review(text) is None
    assert read_review('{"findings": []}') == Review()


def test_what_is_mended_is_read() -> None:
    """Names alone, whatever else the list holds."""
    review = read_review('{"findings": [], "mended": ["k1", 2, null, "k3"]}')

    assert review is not None
    assert review.mended == {"k1", "k3"}


def test_no_more_than_so_many_are_read() -> None:
    """A model that claims everything claims nothing."""
    review = read_review(json.dumps({"findings": [CLAIM] * 100}))

    assert review is not None
    assert len(review.claims) == MOST_CLAIMS


@pytest.mark.parametrize(
    ("severity", "confidence", "weight"),
    [
        ("critical", "high", Severity.HIGH),
        ("high", "medium", Severity.MEDIUM),
        ("high", "low", Severity.INFO),
        ("low", "high", Severity.LOW),
        ("terrible", "high", Severity.LOW),
        ("high", "", Severity.INFO),
    ],
)
def test_what_it_is_unsure_of_weighs_less(severity: str, confidence: str, weight: Severity) -> None:
    """A model's guess does not make an audit fail, and none of its words is critical."""
    review = read_review(json.dumps({"findings": [{**CLAIM, "severity": severity, "confidence": confidence}]}))

    assert review is not None
    assert review.claims[0].weight is weight


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, 2),
        ({"line": 999}, 2),
        ({"quote": "total  -=  1  # here"}, 2),
        ({"quote": "", "line": 2}, 2),
        ({"quote": "", "line": 1}, None),
        ({"quote": "total += 1"}, None),
        ({"quote": "}"}, 3),
        ({"quote": "{"}, None),
        ({"path": "b.py"}, None),
    ],
)
def test_a_claim_is_tied_to_the_line_that_it_quotes(changes: dict[str, Any], line: int | None) -> None:
    """The quote counts more than the number; what is gone, was not shown, or could be anywhere proves nothing."""
    review = read_review(json.dumps({"findings": [{**CLAIM, **changes}]}))

    assert review is not None
    assert [each.line.number for each in proved(review.claims, [SHOWN])] == ([] if line is None else [line])


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), lambda of: st.lists(of) | st.dictionaries(
    st.sampled_from(["findings", "path", "line", "quote", "title", "severity", "x"]), of)).map(json.dumps))  # fmt: skip
def test_nothing_that_is_said_raises(text: str) -> None:
    """Whatever comes, each claim that is believed names a line that was shown."""
    review = read_review(text) or Review()

    assert all(each.line in LINES for each in proved(review.claims, [SHOWN]))
