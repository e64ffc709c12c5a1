"""Reading what a model answered: the form that was asked for, and everything else that comes instead."""

from __future__ import annotations

import json
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ai.answers.reading import (
    CUT_OFF,
    LONGEST_CAUSE,
    LONGEST_PATCH,
    LONGEST_STEP,
    LONGEST_TEXT,
    MOST_EVIDENCE,
    TOO_LONG,
    ReadAnswer,
    read_answer,
)
from app.domain.analysis import Confidence, Evidence

GOOD = {
    "cause": "`total` is read before it is set.",
    "confidence": "high",
    "evidence": [{"path": "src/core.py", "line": 12, "why": "It is read here."}],
    "next_step": "Set it first.",
    "patch": "--- a/src/core.py\n+++ b/src/core.py\n@@ -1 +1 @@\n-a\n+b",
}
UNDERSTOOD = ReadAnswer(
    cause="`total` is read before it is set.",
    confidence=Confidence.HIGH,
    evidence=(Evidence("src/core.py", 12, "It is read here."),),
    next_step="Set it first.",
    patch="--- a/src/core.py\n+++ b/src/core.py\n@@ -1 +1 @@\n-a\n+b",
)
JSON = json.dumps(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(JSON, id="bare"),
        pytest.param(json.dumps(GOOD, indent=2), id="indented"),
        pytest.param(f"```json\n{JSON}\n```", id="fenced"),
        pytest.param(f"Sure! Here is {{what}} I found:\n\n```json\n{JSON}\n```\nHope that helps.", id="prose around"),
        pytest.param(f'The call got {{"a": 1}}, so:\n{JSON}', id="another object before"),
        pytest.param(f'It got {{"a is odd. {JSON}', id="half an object before"),
        pytest.param(f'<think>Perhaps {{"cause": "no"}}</think>{JSON}', id="thoughts before"),
        pytest.param(JSON[:-1] + ",}", id="trailing comma"),
        pytest.param(JSON.replace("}]", "},]"), id="trailing comma in the list"),
        pytest.param(JSON[:-1], id="the last brace is missing"),
        pytest.param(json.dumps({"answer": GOOD}), id="wrapped"),
        pytest.param(json.dumps([GOOD]), id="in a list"),
        pytest.param(JSON.replace('"line": 12', '"line": "12"'), id="the line as text"),
        pytest.param(JSON.replace('"line": 12', '"line": "12-15"'), id="a range of lines"),
        pytest.param(JSON.replace('"line": 12', '"line": 12.0'), id="the line as a fraction"),
        pytest.param(JSON.replace('"high"', '" High."'), id="a capital letter"),
        pytest.param(JSON.replace('"high"', "0.8"), id="confidence as a number"),
        pytest.param(JSON.replace('"high"', '"80 %"'), id="confidence as per cent"),
        pytest.param('{"cause": "an earlier one", ' + JSON[1:], id="a key twice"),
        pytest.param(JSON.replace("\\n", "\n"), id="newlines within strings"),
        pytest.param(JSON.replace("{", '{"more": [[["x"]]], ', 1), id="a key that was not asked for"),
        pytest.param(json.dumps({**GOOD, "evidence": ["src/core.py:12 - It is read here."]}), id="evidence as a text"),
        pytest.param(json.dumps({**GOOD, "patch": str(GOOD["patch"]).split("\n")}), id="the patch as lines"),
    ],
)
def test_what_was_asked_for_is_understood_however_it_is_wrapped(text: str) -> None:
    """An answer of the right sense is read whole, with the faults that cheap models make."""
    found = read_answer(text)

    assert found == UNDERSTOOD


@pytest.mark.parametrize("end", range(len(JSON)))
def test_a_cut_answer_yields_what_is_sure_of_it(end: int) -> None:
    """Wherever an answer is cut, a field is there whole or not at all."""
    found = read_answer(JSON[:end])

    assert found.cause in {"", UNDERSTOOD.cause}
    assert found.evidence in {(), UNDERSTOOD.evidence, (Evidence("src/core.py", 12),)}
    assert found.patch in {"", UNDERSTOOD.patch}
    assert found.text == ("" if found.cause else JSON[:end].strip())


def test_a_cause_outlives_a_cut_behind_it() -> None:
    """An answer that ends within its patch still tells the cause, and that the patch is missing."""
    found = read_answer(JSON[:-10])

    assert found.cause == UNDERSTOOD.cause
    assert found.next_step == UNDERSTOOD.next_step
    assert found.patch == ""
    assert found.patch_note == CUT_OFF


def test_a_string_with_quotation_marks_in_it_is_not_cut_at_them() -> None:
    """Half a sentence is worse than the whole answer as text."""
    text = '{"cause": "the "total" is wrong", "confidence": "high"}'

    found = read_answer(text)

    assert found.cause == ""
    assert found.text == text


@pytest.mark.parametrize(
    "text",
    ["", "I do not know.", "null", "[]", "{}", "42", '{"verdict": "red"}', '{"cause": 3}', '{"cause": {"a": "b"}}'],
)
def test_what_is_not_understood_is_kept_as_text(text: str) -> None:
    """Anything else is shown as it came."""
    found = read_answer(text)

    assert found == ReadAnswer(text=text)


@pytest.mark.parametrize(
    "said", ["certain", "9", "", "very", None, True, [], {}, -1, 101, 1e999, "low or high", "99999999999999"]
)
def test_a_confidence_of_no_sense_is_none(said: object) -> None:
    """What cannot be a confidence is not made one."""
    text = json.dumps({**GOOD, "confidence": said})

    found = read_answer(text)

    assert found.confidence is (Confidence.LOW if said == "9" else None)


@pytest.mark.parametrize("line", [0, -3, None, True, 1.5, "twelve", [], {}, 10**300, "99999999", "0", 1e999, [[1]]])
def test_evidence_without_a_line_of_a_file_is_dropped(line: object) -> None:
    """A place needs a line from 1 on."""
    text = json.dumps({**GOOD, "evidence": [{"path": "a.py", "line": line}, 3, None, "x", {"path": 3, "line": 3}]})

    found = read_answer(text)

    assert found.evidence == ()
    assert found.cause == UNDERSTOOD.cause


def test_each_field_has_its_limit() -> None:
    """Nothing is longer than it may be, and a patch is whole or missing."""
    long = "ab " * 100_000
    answer = {"cause": long, "next_step": long, "evidence": [{"path": "a.py", "line": 1}] * 99, "patch": long}

    found = read_answer(json.dumps(answer))
    as_text = read_answer(long)

    assert LONGEST_CAUSE - 3 < len(found.cause) <= LONGEST_CAUSE
    assert LONGEST_STEP - 3 < len(found.next_step) <= LONGEST_STEP
    assert len(found.evidence) == MOST_EVIDENCE
    assert (found.patch, found.patch_note) == ("", TOO_LONG)
    assert len(as_text.text) == LONGEST_TEXT
    assert len(read_answer(json.dumps({"cause": "c", "patch": "x" * LONGEST_PATCH})).patch) == LONGEST_PATCH


def test_nothing_hidden_or_obeyed_by_a_screen_comes_through() -> None:
    """Escapes, control, bidi and zero-width characters and halves of characters are taken out of every field."""
    bad = "a\x1b[31m\x1b]0;title\x07\x00\x9b2J\u202e\u2066\u200b\ufeff\U000e0041\ud800\x7f\r\nb"
    answer = {
        "cause": bad,
        "next_step": bad,
        "patch": bad,
        "evidence": [{"path": bad.replace("\r\n", ""), "line": 1, "why": bad}],
    }

    found = read_answer(json.dumps(answer))
    as_text = read_answer(bad)

    for text in (found.cause, found.next_step, found.patch, found.evidence[0].why, as_text.text):
        assert text == "a\nb"
    assert found.evidence[0].path == "ab"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 10_000_000, id="10 MB"),
        pytest.param('{"cause": "' + "x" * 10_000_000, id="an endless string"),
        pytest.param('{"cause": "' + "\\" * 10_000_001, id="backslashes"),
        pytest.param('{"a":' * 100_000, id="objects 100,000 deep"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="lists 100,000 deep"),
        pytest.param('{"cause": ' + "[" * 100_000, id="a list 100,000 deep"),
        pytest.param('{"cause"' * 200_000, id="keys only"),
        pytest.param('{ "' * 500_000, id="beginnings only"),
        pytest.param("{" + " " * 2_000_000, id="blanks"),
        pytest.param('{"cause": "a"' + "," * 2_000_000, id="commas"),
        pytest.param('{"evidence": [' + '"' + "a:" * 500_000 + '"]}', id="colons"),
        pytest.param('{"evidence": [{"line": ' + "9" * 1_000_000 + "}]}", id="a long number"),
        pytest.param("\x1b[" * 500_000, id="half escapes"),
        pytest.param("\x1b]" * 500_000, id="half titles"),
    ],
)
def test_a_hostile_answer_takes_its_length_in_time(text: str) -> None:
    """No text takes longer than a little for each character; ten times that is allowed here for a busy machine."""
    began = time.process_time()

    found = read_answer(text)

    assert time.process_time() - began < 3
    assert len(found.text) <= LONGEST_TEXT


PIECES = st.sampled_from(
    [
        '{"cause": ',
        '"x"',
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "\\",
        "\\u",
        "\\ud800",
        '"patch": ',
        "```json\n",
        "12",
        "e9",
    ]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES).map("".join), st.text(st.characters(exclude_categories=[]))))
def test_any_text_is_read(text: str) -> None:
    """Nothing that a model may send raises, and what comes out can be encoded and shown."""
    found = read_answer(text)

    for said in (found.cause, found.next_step, found.text, found.patch):
        said.encode()
        assert not any(unicodedata.category(sign) in {"Cc", "Cs"} and sign not in "\n\t" for sign in said)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.sampled_from([*GOOD, "path", "line"]), s),
    )
)
def test_any_json_is_read(value: object) -> None:
    """Nor does JSON of the wrong form."""
    found = read_answer(json.dumps(value))

    assert isinstance(found, ReadAnswer)
