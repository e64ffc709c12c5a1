"""What is paid for: each attempt that a service may charge for, by its own figures where those can be true."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from app.ai.messages import Message, Role
from app.ai.providers.budget import SCHEMA, Budget, BudgetLimits
from app.ai.providers.client import ClientLimits
from app.ai.providers.draft import Draft, Question
from app.ai.providers.provider import Price
from app.domain.errors import BudgetSpent, ModelError
from app.engine.clock import SystemClock
from app.engine.resilience.calls import CallLimits
from app.engine.statefile import StateFile
from tests.ai.modelserver import (
    ModelServer,
    busy,
    cut,
    error_in_stream,
    event,
    failing,
    piece,
    raw,
    redirect,
    refused,
    silent,
    stalls,
    stream,
)
from tests.ai.providers.conftest import Asking, ask, provider_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ai.modelserver import Wire

PROMPT = Question((Message(Role.SYSTEM, "Be short."), Message(Role.USER, "Why is it red?")), 500).prompt_tokens
"""What the tests' question is reckoned to have."""
ANSWER = 500
"""What its answer may have."""
ONCE = CallLimits(attempts=1, backoff_first_s=0.01)
THOUGHT = "I think. " * 1000
IMPATIENT = ClientLimits(between_s=0.3)


@pytest.fixture
def budget(tmp_path: Path) -> Budget:
    return Budget(BudgetLimits(), StateFile(tmp_path / "budget.json", schema=SCHEMA), clock=SystemClock())


async def test_each_attempt_is_paid_for(server: ModelServer, asking: Asking, budget: Budget) -> None:
    """An attempt that was accepted and came to nothing is charged for like the one that answered."""
    server.then(stalls(""), cut(""), stream("It is cart.py.", usage=(100, 20)))
    models = asking.models(provider_at(server), budget=budget, client=IMPATIENT)

    with pytest.raises(ModelError):  # a stream that was cut off is not asked for again
        await ask(models)
    after_failure = budget.spent
    answer = await ask(models)

    assert after_failure.tokens == 2 * PROMPT
    assert (answer.usage.prompt_tokens, answer.usage.answer_tokens) == (100, 20)
    assert not answer.usage.is_estimate
    assert budget.spent.tokens == 2 * PROMPT + 120


async def test_an_answer_tells_what_all_its_attempts_took(server: ModelServer, asking: Asking, budget: Budget) -> None:
    """The usage of an answer is the sum over the attempts, which is an estimate as soon as one of them is."""
    server.then(stalls(""), stalls(""), stream("It is cart.py.", usage=(100, 20)))
    models = asking.models(provider_at(server), budget=budget, client=IMPATIENT)

    answer = await ask(models)

    assert (answer.usage.prompt_tokens, answer.usage.answer_tokens) == (2 * PROMPT + 100, 20)
    assert answer.usage.is_estimate
    assert answer.usage.cost == pytest.approx((2 * PROMPT + 100 + 2 * 20) / 1_000_000)
    assert (budget.spent.tokens, budget.spent.cost) == (answer.usage.tokens, pytest.approx(answer.usage.cost))


@pytest.mark.parametrize(
    ("reply", "is_charged"),
    [
        (silent(), True),
        (silent(after_head=True), True),
        (cut(""), True),
        (error_in_stream("overloaded"), True),
        (failing(504), True),
        (failing(524), True),
        (failing(500), False),
        (failing(503), False),
        (refused(400, "no"), False),
        (refused(400, "max_tokens is not known here: stream_options, temperature"), False),
        (refused(401, "no"), False),
        (refused(402, "no"), False),
        (refused(404, "no"), False),
        (busy(300), False),
        (redirect("https://elsewhere.invalid/"), False),
    ],
)
async def test_a_question_that_was_not_answered(
    server: ModelServer, asking: Asking, budget: Budget, reply: Callable[[Wire], None], *, is_charged: bool
) -> None:
    """What was sent and not refused is counted, though no answer came; what the service turned down costs nothing."""
    server.always(reply)
    models = asking.models(provider_at(server), budget=budget, limits=ONCE, client=IMPATIENT)

    with pytest.raises(ModelError):
        await ask(models)

    assert budget.spent.tokens == (PROMPT if is_charged else 0)


async def test_what_could_not_be_sent_costs_nothing(asking: Asking, budget: Budget) -> None:
    """Without a connection, and without a secure one where there is to be, nothing was sent to be charged for."""
    with ModelServer(tls=True) as untrusted, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        providers = provider_at(untrusted), provider_at(untrusted, "nobody", base_url=nobody)
        models = asking.models(*providers, budget=budget, limits=ONCE)

        with pytest.raises(ModelError):
            await ask(models)

    assert budget.spent.tokens == 0


async def test_what_was_thought_counts(server: ModelServer, asking: Asking, budget: Budget) -> None:
    """Thinking that came before a failure is charged for as what is said is."""
    server.always(
        raw(event(piece({"reasoning_content": THOUGHT})) + event({"error": {"message": "overloaded", "code": 500}}))
    )
    models = asking.models(provider_at(server), budget=budget)

    with pytest.raises(ModelError):
        await ask(models)

    assert len(server.asked) == 3
    assert budget.spent.tokens == 3 * (PROMPT + len(THOUGHT) // 3)


async def test_another_attempt_has_to_be_affordable(server: ModelServer, asking: Asking, budget: Budget) -> None:
    """Before each attempt the budget is asked again; when it is used up, that is told, with why there was another."""
    server.then(stalls(""))
    budget.limits = BudgetLimits(tokens_per_day=2 * PROMPT + ANSWER - 1)
    models = asking.models(provider_at(server), budget=budget, client=IMPATIENT)

    with pytest.raises(BudgetSpent) as told:
        await ask(models)
    budget.limits = BudgetLimits(tokens_per_day=2 * PROMPT + ANSWER)
    answer = await ask(models)

    assert "has not answered in time" in told.value.hint
    assert "held back" not in told.value.message
    assert len(server.asked) == 2
    assert answer.text == "All is well."


async def test_what_waits_for_its_turn_in_vain_is_given_back(
    server: ModelServer, asking: Asking, budget: Budget
) -> None:
    """While a provider is left alone its questions hold nothing back and cost nothing."""
    server.always(failing(500))
    models = asking.models(provider_at(server), budget=budget)
    for _ in range(4):
        with pytest.raises(ModelError):
            await ask(models)
    server.always(stream("Well again."))
    models.try_again()
    budget.limits = BudgetLimits(tokens_per_day=PROMPT + ANSWER)

    answer = await ask(models)

    assert answer.text == "Well again."
    assert len(server.asked) == 6


async def test_a_service_that_says_nothing_was_used_is_not_believed(
    server: ModelServer, asking: Asking, budget: Budget
) -> None:
    """Answers whose figures are 0 and 0 use the budget up all the same."""
    server.always(stream("A long answer. " * 20, usage=(0, 0)))
    budget.limits = BudgetLimits(tokens_per_day=1000)
    models = asking.models(provider_at(server), budget=budget)

    answers = [await ask(models) for _ in range(5)]
    with pytest.raises(BudgetSpent):
        await ask(models)

    assert all(answer.usage.is_estimate for answer in answers)
    assert all((answer.usage.prompt_tokens, answer.usage.answer_tokens) == (PROMPT, 100) for answer in answers)
    assert budget.spent.tokens == 5 * (PROMPT + 100)
    assert len(server.asked) == 5


@pytest.mark.parametrize(
    ("told", "counted", "is_estimate"),
    [
        ((4, 25), (4, 25), False),
        ((3, 25), (PROMPT, 25), True),
        ((4, 24), (4, 100), True),
        ((0, 0), (PROMPT, 100), True),
        ((9_000, 8_000), (9_000, 8_000), False),
    ],
)
def test_figures_are_believed_from_a_quarter_of_our_own_on(
    told: tuple[int, int], counted: tuple[int, int], *, is_estimate: bool
) -> None:
    """Each side is taken as the service says, or as it is reckoned when what it says is too low to be true."""
    question = Question((Message(Role.SYSTEM, "Be short."), Message(Role.USER, "Why is it red?")), ANSWER)
    draft = Draft(is_sent=True)
    usage = {"prompt_tokens": told[0], "completion_tokens": told[1]}
    draft.take(json.dumps(piece({"content": "abc" * 100}, "stop", usage=usage)))

    found = draft.usage(question, Price(1.0, 2.0), 0.0)

    assert (found.prompt_tokens, found.answer_tokens, found.is_estimate) == (*counted, is_estimate)
    assert found.cost == pytest.approx((counted[0] + 2 * counted[1]) / 1_000_000)
