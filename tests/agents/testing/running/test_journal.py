"""The journal of a run: any lines in, a verdict out that is never green without reason."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from app.agents.testing.running.journal import Journal, readable, signal_name
from app.domain.verdicts import Outcome, Verdict
from app.engine.processes import Ended

IDS = st.sampled_from(["a.py::one", "a.py::two", "b.py::three"])
TEXTS = st.text(st.characters(), max_size=20)
LINES = st.one_of(
    st.builds(lambda i: {"kind": "start", "id": i}, IDS),
    st.builds(
        lambda i, o, t: {"kind": "end", "id": i, "outcome": o, "seconds": 0.1, "text": t},
        IDS,
        st.sampled_from([each.value for each in Outcome]),
        TEXTS,
    ),
    st.builds(lambda i: {"kind": "items", "ids": i}, st.lists(IDS, unique=True)),
    st.just({"kind": "collected", "count": 1}),
    st.just({"kind": "session", "python": "3", "pytest": "9", "rootdir": "/"}),
    st.builds(lambda i, t: {"kind": "collect-error", "id": i, "text": t}, IDS, TEXTS),
    st.builds(lambda w, p: {"kind": "stopped", "why": w, "partial": p}, TEXTS, st.booleans()),
    st.builds(lambda c: {"kind": "finish", "exit": c}, st.integers(0, 6)),
    st.builds(lambda t: {"kind": "interrupted", "text": t}, TEXTS),
    st.builds(lambda t: {"kind": "internal-error", "text": t}, TEXTS),
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "id", "ids", "exit"]), inner),
    max_leaves=5,
)
ENDS = st.builds(
    lambda code, number: Ended(None if number else code, number, b"", killed=False),
    st.integers(0, 6),
    st.sampled_from([None, None, 9, 11]),
)


def journal_of(lines: list[object]) -> Journal:
    journal = Journal()
    for line in lines:
        journal.take(json.dumps(line).encode())
    return journal


@given(lines=st.lists(LINES, max_size=12), ended=ENDS)
def test_green_needs_every_sign_of_it(lines: list[object], ended: Ended) -> None:
    """Whatever a worker tells in whatever order, green means: exit 0 twice, all results there, none of them red."""
    journal = journal_of(lines)

    finding = journal.conclude(ended)

    if finding.verdict is Verdict.GREEN:
        assert journal.finish == ended.code == 0
        assert set(journal.collected) <= set(journal.results)
        assert not any(result.outcome.is_red for result in journal.results.values())
        assert not journal.collection_errors
    assert bool(finding.message) == finding.verdict.is_trouble or finding.verdict is Verdict.NO_PYTEST


@given(lines=st.lists(LINES, max_size=12), ended=ENDS)
def test_a_red_test_is_never_swallowed(lines: list[object], ended: Ended) -> None:
    """A run with a red test is bad, whatever the exit codes say."""
    journal = journal_of(lines)

    finding = journal.conclude(ended)

    if journal.red:
        assert finding.verdict.is_bad


@given(lines=st.lists(ANY_JSON | st.binary(), max_size=8))
def test_lines_of_another_kind_do_no_harm(lines: list[object]) -> None:
    """What a test writes into the channel by mistake is passed over."""
    journal = Journal()

    for line in lines:
        journal.take(line if isinstance(line, bytes) else json.dumps(line).encode())

    assert not journal.is_complete


@given(text=st.text(st.characters(codec=None)))
def test_every_text_can_be_stored_and_shown(text: str) -> None:
    """Lone surrogates and NUL, which neither a database nor Qt takes, are replaced."""
    journal = journal_of([{"kind": "end", "id": f"a::{text}", "outcome": "failed", "seconds": 0.0, "text": text}])

    for result in journal.fresh():
        assert "\x00" not in result.nodeid + result.output
        assert (result.nodeid + result.output).encode().decode().startswith("a::")


@given(output=st.binary())
def test_any_output_is_readable(output: bytes) -> None:
    """Output is bytes of any kind; what is shown is text."""
    text = readable(output)

    assert text.encode().decode() == text
    assert "\x00" not in text


def test_output_has_no_colours() -> None:
    """Escape sequences are for terminals."""
    assert readable(b"\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\r\n") == "red link"


def test_fresh_results_are_handed_on_once() -> None:
    """Each result comes out of the journal exactly once."""
    journal = journal_of([{"kind": "end", "id": "a", "outcome": "passed", "seconds": 0.1, "text": ""}])

    assert [result.nodeid for result in journal.fresh()] == ["a"]
    assert journal.fresh() == ()


def test_signals_have_names() -> None:
    """A person reads the name, not the number."""
    assert signal_name(11).startswith("SIGSEGV")
    assert signal_name(250) == "signal 250"
