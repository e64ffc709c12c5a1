"""What people read of models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import modelwords
from app.domain.analysis import AnalysisView, BreakerState, Confidence, ExplainStage, ProviderView, Usage


@pytest.mark.parametrize(
    ("dollars", "said"),
    [
        (None, "price not known"),
        (0.0, "no cost"),
        (-1.0, "no cost"),
        (0.0004, "under 0.1 cents"),
        (0.004, "0.4 cents"),
        (0.0994, "9.9 cents"),
        (0.0996, "$0.10"),
        (1234.5, "$1,234.50"),
    ],
)
def test_a_cost_is_told_in_what_people_count_in(dollars: float | None, said: str) -> None:
    """Cents below ten of them, dollars above, and never nothing for what cost something."""
    assert modelwords.cost(dollars) == said


@given(st.floats(min_value=1e-9, max_value=1e6))
def test_what_cost_something_never_reads_as_nothing(dollars: float) -> None:
    """However little it was, no figure is rounded to none."""
    for said in (modelwords.cost(dollars), modelwords.dollars_of(dollars)):
        figure = said.removeprefix("under ").strip("$ cents").replace(",", "")
        assert float(figure) > 0


def test_usage_tells_tokens_cost_and_latency() -> None:
    """Tokens that were reckoned say so."""
    assert modelwords.usage(Usage(1000, 240, 0.004, 3.2)) == "1,240 tokens, 0.4 cents, 3.20 s"
    assert modelwords.usage(Usage(1, 0, None, 0.2, is_estimate=True)) == "about 1 token, price not known, 0.20 s"


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (
            AnalysisView(tokens_today=12_400, tokens_limit=200_000, cost_today=0.02, cost_limit=1.0),
            "today 12,400 of 200,000 tokens, $0.02 of $1.00",
        ),
        (AnalysisView(tokens_today=5, cost_today=0.001), "today 5 tokens, under $0.01"),
        (AnalysisView(tokens_today=1), "today 1 token, $0.00"),
        (AnalysisView(tokens_today=1, tokens_limit=2), "today 1 of 2 tokens, $0.00"),
        (
            AnalysisView(tokens_today=1, cost_limit=1.0, unpriced=("mine", "yours")),
            (
                "today 1 token, $0.00 of $1.00 (the limit of dollars does not hold for mine, yours; "
                "set analysis.mine.prices, analysis.yours.prices)"
            ),
        ),
        (AnalysisView(tokens_today=1, unpriced=("mine",)), "today 1 token, $0.00"),
    ],
)
def test_the_days_budget_is_told_with_its_limits(view: AnalysisView, said: str) -> None:
    """A limit that there is none of is left out."""
    assert modelwords.spent_today(view) == said


OPEN, FORCED, HALF = (
    ProviderView(name, "h", "m", state)
    for name, state in (
        ("deepseek", BreakerState.OPEN),
        ("home", BreakerState.FORCED_OPEN),
        ("other", BreakerState.HALF_OPEN),
    )
)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (AnalysisView(), ""),
        (AnalysisView(providers=(HALF,), tokens_today=9), ""),
        (AnalysisView(providers=(OPEN,)), "Models: deepseek is left alone for a while"),
        (AnalysisView(providers=(OPEN, HALF)), ""),
        (AnalysisView(providers=(OPEN, FORCED)), "Models: none answers"),
        (AnalysisView(providers=(HALF,), tokens_today=10, tokens_limit=10), "Models: today's budget is spent"),
        (AnalysisView(providers=(HALF,), cost_today=1.0, cost_limit=1.0), "Models: today's budget is spent"),
        (AnalysisView(providers=(HALF,), tokens_today=9, tokens_limit=10, cost_today=0.9, cost_limit=1.0), ""),
        (AnalysisView(tokens_today=10, tokens_limit=10), ""),
    ],
)
def test_the_models_trouble_is_one_short_line(view: AnalysisView, said: str) -> None:
    """It is said only when no model can be asked, and nothing where none is set up."""
    assert modelwords.analysis(view) == said


def test_stage_and_confidence_have_words() -> None:
    """While a model is asked it is named, where it is known; a confidence that was not given says so."""
    assert modelwords.explain_stage(ExplainStage.ASKING, "deepseek-chat") == "Asking deepseek-chat\u2026"
    assert [modelwords.explain_stage(stage) for stage in (ExplainStage.LOCAL, ExplainStage.EXPLAINED)] == ["", ""]
    assert [modelwords.confidence(each) for each in (*Confidence, None)] == [
        "low confidence",
        "medium confidence",
        "high confidence",
        "confidence not given",
    ]


@pytest.mark.parametrize(
    ("dollars", "said"), [(1.0, "$1.00"), (0.5, "$0.50"), (0.001, "$0.001"), (0.0125, "$0.0125"), (1200.0, "$1,200.00")]
)
def test_a_limit_is_told_as_exactly_as_it_was_set(dollars: float, said: str) -> None:
    """One of a tenth of a cent is not rounded to none."""
    view = AnalysisView(tokens_today=1, cost_limit=dollars)

    told = modelwords.spent_today(view)

    assert (modelwords.limit_of(dollars), told) == (said, f"today 1 token, $0.00 of {said}")


@pytest.mark.parametrize(
    ("language", "begins", "ends"),
    [
        ("English", "What is the risk here", "mend it?"),
        ("Russian", "В чём здесь риск", "исправить?"),  # noqa: RUF001 - it is Russian
        ("Klingon", "What is the risk here", "Answer in Klingon."),
    ],
)
def test_the_standard_question_is_in_the_persons_language(language: str, begins: str, ends: str) -> None:
    """Where it is not known in that, it says in which language to answer."""
    question = modelwords.finding_question(language)

    assert question.startswith(begins)
    assert question.endswith(ends)


@pytest.mark.parametrize("language", ["English", "Russian", "Klingon"])
def test_conversations_about_one_finding_are_told_apart(language: str) -> None:
    """The one of the standard question is called as the finding; a question of one's own stands before it."""
    standard = modelwords.talk_title("subprocess call with shell=True", modelwords.finding_question(language))
    own = modelwords.talk_title("subprocess call with shell=True", "Is it\nPerl?")

    assert standard == "subprocess call with shell=True"
    assert own == "Is it Perl? \u00b7 subprocess call with shell=True"
    assert len(modelwords.talk_title("t" * 200, "q" * 200)) == modelwords.TALK_TITLE
