"""What is said of an explanation, made without a window."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.analysis import ExplainStage, Explanation, Usage, When
from app.ui.explain_view import (
    TAKEN_OUT,
    explain_view,
    prompt_head,
    prompt_sections,
    prompt_text,
    set_up_of,
    visible,
)
from tests.ui.models import ANALYSIS, ANSWER, LOCAL, NOW, PREVIEW, PROVIDER

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff"


def _explanation(stage: ExplainStage = ExplainStage.LOCAL, **values: object) -> Explanation:
    return Explanation("/p", "t.py::a", "f", stage, LOCAL, **values)  # type: ignore[arg-type] # names are checked by the caller


def test_what_is_known_here_is_said_at_once() -> None:
    """Failure, place, changed lines, last green and doubt need no model."""
    view = explain_view(_explanation(), ANALYSIS, NOW).local

    assert view.failure == "AssertionError: assert 404 == 200"
    assert [place.where for place in view.place] == ["tests/test_basic.py:112"]
    assert [(place.where, place.source) for place in view.suspects] == [("src/flask/app.py:812", "return a - b")]
    assert view.facts == ("Last green 5 min ago", "It is flaky: it was green when it ran again alone.")


@pytest.mark.parametrize(
    ("explanation", "progress", "explain", "trouble"),
    [
        (_explanation(), "", "Explain", ""),
        (_explanation(ExplainStage.ASKING, trouble="Of before."), "Asking deepseek-chat\u2026", "Asking\u2026", ""),
        (_explanation(ExplainStage.EXPLAINED, answer=ANSWER), "", "Explain again", ""),
        (_explanation(ExplainStage.UNANSWERED, trouble="No answer.", hint="Wait."), "", "Explain", "No answer."),
        (_explanation(needs_consent=("api.deepseek.com",)), "", "Explain", ""),
    ],
)
def test_each_stage_has_its_words(explanation: Explanation, progress: str, explain: str, trouble: str) -> None:
    """Trouble is told once the asking has ended, and only what was explained is explained again."""
    view = explain_view(explanation, ANALYSIS, NOW)

    assert view.is_asking is bool(progress)
    assert (view.progress, view.explain, view.trouble) == (progress, explain, trouble)


def test_consent_names_the_hosts() -> None:
    """Before anything is sent it is said what, and to whom."""
    view = explain_view(_explanation(needs_consent=("api.deepseek.com", "b.example")), ANALYSIS, NOW)

    assert view.consent == "Parts of this project's source would be sent to api.deepseek.com, b.example."


def test_what_is_taken_out_is_not_promised_to_be_all() -> None:
    """Nobody can know each secret, and whoever agrees is told so."""
    assert TAKEN_OUT.startswith("What is known as a secret or as a personal detail is taken out first.")
    assert "What cannot be known as one stays in" in TAKEN_OUT


@pytest.mark.parametrize(
    ("explanation", "may"),
    [
        (_explanation(), False),
        (_explanation(ExplainStage.ASKING), True),
        (_explanation(ExplainStage.EXPLAINED, answer=ANSWER), True),
        (_explanation(ExplainStage.EXPLAINED, answer=ANSWER, needs_consent=("h",)), False),
    ],
)
def test_consent_can_be_taken_back_where_it_may_have_been_given(explanation: Explanation, *, may: bool) -> None:
    """That is where a model was asked, and nobody is asked to agree."""
    assert explain_view(explanation, ANALYSIS, NOW).may_withdraw is may
    assert not explain_view(explanation, replace(ANALYSIS, providers=()), NOW).may_withdraw


def test_another_setting_is_another_set_up() -> None:
    """Who is asked, where, and what is missing count; what was spent does not."""
    assert set_up_of(ANALYSIS) == set_up_of(replace(ANALYSIS, tokens_today=1, asking=1))
    assert set_up_of(ANALYSIS) != set_up_of(replace(ANALYSIS, when=When.ALWAYS))
    for name in ("name", "host", "model", "reason"):
        assert set_up_of(ANALYSIS) != set_up_of(replace(ANALYSIS, providers=(replace(PROVIDER, **{name: "x"}),)))


def test_never_leaves_what_is_known_here() -> None:
    """Where no model may be asked, nothing offers to, and the rest is as it was."""
    never = replace(ANALYSIS, when=When.NEVER)

    view = explain_view(_explanation(needs_consent=("h",), trouble="No."), never, NOW)

    assert view.local.failure
    assert (view.offers_models, view.explain, view.consent, view.trouble) == (False, "", "", "")
    assert view.switched_off == (
        "Models are switched off by the setting analysis.when. "
        "Switch them on with: watchkeeper config set analysis.when ask"
    )


@pytest.mark.parametrize(
    ("values", "is_repeat", "foot"),
    [
        ({}, False, "deepseek-chat, 3,622 tokens, 0.4 cents, 3.20 s, 2 min ago"),
        ({}, True, "deepseek-chat, from before, at no cost, 2 min ago"),
        ({"provider": "home", "model": "qwen"}, True, "home qwen, from before, at no cost, 2 min ago"),
        (
            {"usage": Usage(100, 20, None, 61.0, is_estimate=True)},
            False,
            "deepseek-chat, about 120 tokens, price not known, 1 min 01 s, 2 min ago",
        ),
    ],
)
def test_the_foot_tells_who_and_what_it_took(values: dict[str, object], is_repeat: bool, foot: str) -> None:  # noqa: FBT001 - a parameter of pytest
    """Provider, model, tokens, cost, latency and age stand below an answer."""
    explanation = _explanation(ExplainStage.EXPLAINED, answer=replace(ANSWER, **values), is_repeat=is_repeat)

    answer = explain_view(explanation, ANALYSIS, NOW).answer

    assert answer is not None
    assert answer.foot == foot


def test_an_answer_that_is_not_in_form_is_text() -> None:
    """What was not understood is shown as it came, without a confidence that nobody gave."""
    answer = replace(ANSWER, cause="", confidence=None, text="Maybe the route.")

    view = explain_view(_explanation(ExplainStage.EXPLAINED, answer=answer), ANALYSIS, NOW).answer

    assert view is not None
    assert (view.cause, view.sure) == ("Maybe the route.", "")


@given(st.text(alphabet=st.characters() | st.sampled_from(BIDI)))
def test_nothing_hides_in_a_text(text: str) -> None:
    """No sign that turns or hides others is left, and what can be seen stays as it is."""
    shown = visible(text)

    assert not set(BIDI) & set(shown)
    assert all(sign.isprintable() or sign in "\n\t\u200d" or sign.isspace() for sign in shown)
    if text.isprintable():
        assert shown == text


def test_a_turned_line_shows_its_turn() -> None:
    """The override of CVE-2021-42574 is written out."""
    assert visible("a\u202eb") == "a\\u202eb"


def test_a_prompt_is_told_to_the_letter() -> None:
    """To whom, how much, of what, and every word."""
    assert prompt_head(PREVIEW) == (
        "To deepseek-chat at api.deepseek.com (deepseek)\n"
        "About 3,210 of at most 8,000 tokens, 2 secrets and personal details taken out"
    )
    assert prompt_sections(PREVIEW) == "output 300 tokens, source 200 of 900 tokens"
    assert prompt_text(PREVIEW) == "[system]\nYou explain why a test fails.\n\n[user]\nassert 404 == 200"


def test_the_model_that_will_be_asked_is_the_first_that_can_be() -> None:
    """A provider that cannot be used is not the one that is named."""
    analysis = replace(ANALYSIS, providers=(replace(PROVIDER, model="x", reason="No key."), PROVIDER))

    assert explain_view(_explanation(ExplainStage.ASKING), analysis, NOW).progress == "Asking deepseek-chat\u2026"
