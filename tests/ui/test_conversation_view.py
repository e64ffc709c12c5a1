"""What the Conversation page says, made without a window."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.analysis import AnalysisView, Exchange, ProviderView, Reply, Subject, SubjectKind, Usage, When
from app.domain.commands import Ask
from app.ui.conversation_view import (
    EMPTY,
    SET_UP,
    answering,
    conversation_row,
    empty_text,
    file_name,
    newest,
    question_about,
    set_up,
    subject,
    took,
)
from tests.ui.models import HOSTILE, NOW, PROVIDER, RECORDS


def test_a_row_tells_beginning_subject_age_and_cost() -> None:
    """What a person knows a conversation by stands in its row; a price that is nothing is left out."""
    rows = [conversation_row(record, NOW) for record in RECORDS]

    assert [(row.title, row.below) for row in rows] == [
        ("Why did it break?", "test_teardown_3 \u00b7 1 min ago \u00b7 0.4 cents"),
        ("How do I share a fixture?", "flask \u00b7 2 h ago"),
    ]


def test_a_search_shows_what_was_found() -> None:
    """The passage that a conversation was found by takes the place of its figures, on one line."""
    row = conversation_row(replace(RECORDS[0], found="the\nroute", title="\n"), NOW)

    assert (row.title, row.below) == ("(no words)", "the route")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (Subject(), ""),
        (Subject(SubjectKind.FREE, "/home/ada/shop"), "shop"),
        (Subject(SubjectKind.FAILURE, "/p", "t.py::TestA::test_x[1]"), "TestA.test_x[1]"),
        (Subject(SubjectKind.FINDING, "/p", "PY101"), "finding PY101"),
    ],
)
def test_a_subject_has_a_name(about: Subject, said: str) -> None:
    """A test, a finding and a project are named; nothing is nothing."""
    assert subject(about) == said
    assert (empty_text(about) == EMPTY) is (not said)


@pytest.mark.parametrize(
    ("providers", "said"),
    [
        ((), ("No model is set up.", SET_UP)),
        ((PROVIDER,), ("", "")),
        ((replace(PROVIDER, reason="deepseek has no key."),), ("deepseek has no key.", SET_UP)),
        ((replace(PROVIDER, reason="It is off."),), ("It is off.", "")),
        ((replace(PROVIDER, reason="deepseek has no key."), PROVIDER), ("", "")),
    ],
)
def test_it_is_said_how_to_set_up_a_model(providers: tuple[ProviderView, ...], said: tuple[str, str]) -> None:
    """Without a model that can be asked the page says why, and how a key is set."""
    assert set_up(AnalysisView(providers=providers)) == said
    assert set_up(AnalysisView(When.NEVER, providers)) == (
        "Models are switched off by the setting analysis.when.",
        "Switch them on with: watchkeeper config set analysis.when ask",
    )


def test_an_answer_tells_who_and_what_it_took() -> None:
    """Who answered stands with the figures, and what is not known is left out."""
    assert took("deepseek", "deepseek-chat", Usage(1000, 240, 0.004, 3.2)) == (
        "deepseek-chat, 1,240 tokens, 0.4 cents, 3.20 s"
    )
    assert took("deepseek", "", Usage()) == "deepseek"
    assert took("", "", Usage()) == ""


def test_an_answer_on_its_way_names_who_gives_it() -> None:
    """Until that is known, it is asked."""
    assert answering(None) == "Asking\u2026"
    assert answering(Reply("a", 1, "", 0, is_done=False, model="m")) == "m answers\u2026"


@given(st.text())
def test_any_title_gives_a_file_name(title: str) -> None:
    """Nothing of a title leads out of the folder that was chosen, or breaks a file system's rules."""
    name = file_name(title)

    assert name.endswith(".md")
    assert name[0].isalnum()
    assert len(name) <= 70
    assert all(sign.isalnum() or sign in "-." for sign in name)


def test_a_hostile_title_gives_a_plain_file_name() -> None:
    """Signs of a path and of markup are left out."""
    assert file_name("../../etc/passwd <b>") == "etc-passwd-b.md"
    assert "/" not in file_name(HOSTILE)


@pytest.mark.parametrize(("limit", "kept"), [(1000, [1, 2, 3]), (20, [2, 3]), (19, [3]), (0, [3])])
def test_only_the_newest_of_a_long_conversation_are_set(limit: int, kept: list[int]) -> None:
    """What would take long to set is left out, the last exchange never."""
    exchanges = [Exchange(seq, NOW, "12345", "12345") for seq in (1, 2, 3)]

    shown, left_out = newest(exchanges, limit)

    assert [each.seq for each in shown] == kept
    assert left_out == 3 - len(kept)
    assert newest([]) == ([], 0)


@pytest.mark.parametrize(
    ("about", "asked"),
    [
        (Subject(), Ask(text="Why?")),
        (Subject(SubjectKind.FREE, "/p"), Ask(text="Why?", project="/p")),
        (Subject(SubjectKind.FAILURE, "/p", "t.py::test_a"), Ask(text="Why?", project="/p", nodeid="t.py::test_a")),
        (Subject(SubjectKind.FINDING, "/p", "a1" * 12), Ask(text="Why?", project="/p", finding="a1" * 12)),
    ],
)
def test_a_question_names_what_it_is_about(about: Subject, asked: Ask) -> None:
    """A test by its node id, a finding by its fingerprint, a project by its root."""
    assert question_about("Why?", about) == asked


def test_a_finding_is_called_by_its_first_digits() -> None:
    """A whole fingerprint would take a line's room; what goes along with a question is told."""
    about = Subject(SubjectKind.FINDING, "/p", "0123456789abcdef01234567")

    assert subject(about) == "finding 0123456789ab"
    assert empty_text(about).startswith("Ask about finding 0123456789ab: what was found")
