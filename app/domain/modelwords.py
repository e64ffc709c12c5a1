"""What people read of models, in one place for all faces: explanations, costs, budgets, providers. Pure, in English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import words
from app.domain.analysis import BreakerState, ExplainStage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.analysis import AnalysisView, Confidence, ProviderView, Usage

STOPPED = "You stopped it."
"""The trouble of an answer that a person ended: nothing went wrong."""


_FINDING_QUESTION = "What is the risk here, is it real in this code, and how do I mend it?"
_FINDING_QUESTIONS = {
    "Czech": "Jaké je tu riziko, je v tomto kódu skutečné a jak to opravím?",
    "Dutch": "Wat is hier het risico, is het in deze code echt, en hoe los ik het op?",
    "English": _FINDING_QUESTION,
    "French": "Quel est le risque ici, est-il réel dans ce code, et comment le corriger ?",
    "German": "Was ist hier das Risiko, besteht es in diesem Code wirklich, und wie behebe ich es?",
    "Italian": "Qual è il rischio qui, è reale in questo codice, e come si corregge?",
    "Polish": "Jakie jest tu ryzyko, czy w tym kodzie jest prawdziwe i jak to naprawić?",
    "Portuguese": "Qual é o risco aqui, ele é real neste código, e como o corrijo?",
    "Russian": "В чём здесь риск, есть ли он на самом деле в этом коде и как это исправить?",  # noqa: RUF001 - it is Russian
    "Spanish": "¿Cuál es el riesgo aquí, es real en este código y cómo lo corrijo?",
    "Turkish": "Buradaki risk nedir, bu kodda gerçek mi ve bunu nasıl düzeltirim?",  # noqa: RUF001 - it is Turkish
    "Ukrainian": "У чому тут ризик, чи є він насправді в цьому коді та як це виправити?",  # noqa: RUF001 - it is Ukrainian
}


TALK_TITLE = 80
"""Characters of a conversation's title."""


def finding_question(language: str) -> str:
    """Return the standard question about what an audit found: what the risk is, whether it is real, how to mend it.

    Args:
        language: In which it is to be answered, by its English name. Where the question is not known in it, it is
            asked in English and says in which language to answer.
    """
    return _FINDING_QUESTIONS.get(language, f"{_FINDING_QUESTION} Answer in {words.one_line(language)}.")


def talk_title(title: str, question: str) -> str:
    """Return what a conversation about a finding is called: as the finding, where it begins with the standard question.

    Any other question stands before it, so that several conversations about one finding can be told apart.

    Args:
        title: The finding's.
        question: The first one.
    """
    said, title = words.one_line(question), words.one_line(title)
    if said in _FINDING_QUESTIONS.values() or said.startswith(f"{_FINDING_QUESTION} Answer in "):
        return words.clip(title, TALK_TITLE)
    return words.clip(f"{words.clip(said, TALK_TITLE // 2)} \u00b7 {title}", TALK_TITLE)


def explain_stage(stage: ExplainStage, model: str = "") -> str:
    """Return how far an explanation has come, as a sentence: `Asking deepseek-chat\u2026`; empty when it has ended."""
    return {
        ExplainStage.ASKING: f"Asking {model or 'a model'}{words.ELLIPSIS}",
    }.get(stage, "")


def confidence(confidence: Confidence | None) -> str:
    """Return how sure a model is of its explanation: `high confidence`; None when it did not say."""
    return "confidence not given" if confidence is None else f"{confidence.value} confidence"


def cost(dollars: float | None) -> str:
    """Return what an answer cost: `0.4 cents`, `$1.20`, `no cost`; None is a price that is not known."""
    if dollars is None:
        return "price not known"
    if dollars <= 0:
        return "no cost"
    cents = dollars * 100
    if cents < 0.095:  # noqa: PLR2004 - one decimal would round it to none
        return "under 0.1 cents"
    return f"{cents:.1f} cents" if cents < 9.95 else dollars_of(dollars)  # noqa: PLR2004 - from ten cents on, as money


def dollars_of(dollars: float) -> str:
    """Return a sum as money: `$0.02`, `$1,200.00`; less than a cent that is not nothing is `under $0.01`."""
    return "under $0.01" if 0 < dollars < 0.005 else f"${max(dollars, 0.0):,.2f}"  # noqa: PLR2004 - it rounds to none


def limit_of(dollars: float) -> str:
    """Return a limit as money, as exact as it was set: `$1.00`, `$0.001`."""
    return f"${dollars:,.2f}" if round(dollars, 2) == dollars else f"${dollars:,.6f}".rstrip("0")


def usage(usage: Usage) -> str:
    """Return what an answer took: `1,240 tokens, 0.4 cents, 3.20 s`; tokens that are reckoned are `about` so many."""
    about = "about " if usage.is_estimate else ""
    return f"{about}{words.plural(usage.tokens, 'token')}, {cost(usage.cost)}, {words.duration(usage.latency_s)}"


def spent_today(analysis: AnalysisView) -> str:
    """Return what of the day's budget is used: `today 12,400 of 200,000 tokens, $0.02 of $1.00`.

    Where a limit in dollars does not count what is used, for want of a price, that is said.
    """
    limit = analysis.tokens_limit
    used = f"{analysis.tokens_today:,} of " if limit else ""
    tokens = used + words.plural(limit or analysis.tokens_today, "token")
    money = dollars_of(analysis.cost_today)
    money += f" of {limit_of(analysis.cost_limit)}" if analysis.cost_limit else ""
    unknown = unlimited(analysis.unpriced) if analysis.cost_limit else ""
    return f"today {tokens}, {money}" + (f" ({unknown})" if unknown else "")


def unlimited(unpriced: Sequence[str]) -> str:
    """Return that a limit in dollars does not hold for those whose price is not known; empty for none."""
    names = [words.one_line(each) for each in unpriced]
    if not names:
        return ""
    settings = ", ".join(f"analysis.{each}.prices" for each in names)
    return f"the limit of dollars does not hold for {', '.join(names)}; set {settings}"


def analysis(view: AnalysisView) -> str:
    """Return in a few words why no model can be asked now; empty while all is well, or none is set up.

    It is a trouble of its own only that the day's budget is spent, or that services are left alone: one of several
    that is out hides nothing from a person while another answers.
    """
    if not view.providers:
        return ""
    if (view.tokens_limit and view.tokens_today >= view.tokens_limit) or (
        view.cost_limit and view.cost_today >= view.cost_limit
    ):
        return "Models: today's budget is spent"
    out = [each for each in view.providers if is_left_alone(each)]
    if len(out) < len(view.providers):
        return ""
    return (
        f"Models: {words.one_line(out[0].name)} is left alone for a while" if len(out) == 1 else "Models: none answers"
    )


def is_left_alone(provider: ProviderView) -> bool:
    """Return whether a provider is not asked, because it failed too often or a person said so."""
    return provider.breaker in (BreakerState.OPEN, BreakerState.FORCED_OPEN)
