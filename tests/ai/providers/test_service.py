"""All providers as one: in order, within the deadline, the budget and the person's consent, whatever they do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import structlog

from app.ai.providers.budget import SCHEMA, Budget, BudgetLimits
from app.ai.providers.client import ClientLimits
from app.ai.providers.provider import Price
from app.domain.analysis import BreakerState, ProviderView
from app.domain.errors import (
    BudgetSpent,
    ConsentMissing,
    ModelBusy,
    ModelError,
    ModelNonsense,
    ModelNotSetUp,
    ModelOutOfReach,
    ModelRefused,
)
from app.engine.clock import SystemClock
from app.engine.redaction import Redactor
from app.engine.resilience.breaker import BreakerLimits
from app.engine.resilience.calls import CallLimits
from app.engine.statefile import StateFile
from tests.ai.modelserver import (
    KEY,
    MODEL,
    ModelServer,
    busy,
    cut,
    error_in_stream,
    failing,
    huge,
    refused,
    silent,
    stalls,
    stream,
)
from tests.ai.providers.conftest import Asking, ask, provider_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.ai.providers.service import Models
    from tests.ai.modelserver import Wire

QUICK = CallLimits(deadline_s=0.9, attempt_s=0.6, backoff_first_s=0.01, backoff_ceiling_s=0.02)
LONG_S = 20.0
"""Far above what a loaded machine needs to notice a deadline of a second."""
ELSEWHERE = "https://nobody.invalid/v1"


class CountingTransport(httpx.AsyncHTTPTransport):
    """The network, with a count of how many wait for an answer at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once = 0
        self._waiting = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._waiting += 1
        self.at_once = max(self.at_once, self._waiting)
        try:
            return await super().handle_async_request(request)
        finally:
            self._waiting -= 1


async def fault_of(models: Models, **words: Any) -> ModelError:
    """Return what asking raises, after it was seen that nothing of a key comes along."""
    with pytest.raises(ModelError) as told:
        await ask(models, **words)
    error = told.value
    assert KEY not in f"{error!r} {error} {error.args!r}"
    assert (error.__cause__, error.__context__) == (None, None)
    assert type(error).__module__ == "app.domain.errors"
    return error


def budget_in(folder: Path, limits: BudgetLimits) -> Budget:
    return Budget(limits, StateFile(folder / "budget.json", schema=SCHEMA), clock=SystemClock())


async def test_the_first_provider_answers(server: ModelServer, second: ModelServer, asking: Asking) -> None:
    """A whole answer comes with who gave it, and what it took; the others are not asked."""
    server.then(stream("It is cart.py.", usage=(1000, 500)))
    models = asking.models(provider_at(server), provider_at(second, "other"))

    answer = await ask(models)

    assert (answer.text, answer.provider, answer.model, answer.trouble) == ("It is cart.py.", "first", MODEL, "")
    assert (answer.usage.prompt_tokens, answer.usage.answer_tokens, answer.usage.is_estimate) == (1000, 500, False)
    assert answer.usage.cost == pytest.approx(0.002)
    assert answer.usage.latency_s > 0
    assert second.asked == []
    assert asking.vault.asked == [("A_KEY", "ask a language model")]


async def test_each_answer_is_logged_without_what_was_said(server: ModelServer, asking: Asking) -> None:
    """Who answered, where, by which model and with how many tokens: nothing of question or answer, and no key."""
    server.then(stream("It is cart.py.", usage=(1000, 500)))
    provider = provider_at(server)
    models = asking.models(provider)

    with structlog.testing.capture_logs() as lines:
        await ask(models, "Why is cart red?")

    (line,) = [each for each in lines if each["event"] == "a model has answered"]
    assert line.pop("took_s") > 0
    assert line == {
        "event": "a model has answered",
        "log_level": "info",
        "provider": "first",
        "host": provider.host,
        "model": MODEL,
        "sent": 1000,
        "came": 500,
        "trouble": "",
    }


async def test_what_a_service_says_of_a_key_is_not_taken_for_it(server: ModelServer, asking: Asking) -> None:
    """Its words stand in the log as it said them: a key's name with a colon behind it would have them taken out."""
    server.then(refused(401, "Authentication fails, your api key is invalid"))
    models = asking.models(provider_at(server))

    error = await fault_of(models)

    assert "A_KEY" in error.message
    assert "Authentication fails, your api key is invalid." in Redactor().redact(error.message)


@pytest.mark.parametrize(
    ("reply", "attempts"),
    [
        (refused(400, "no"), 1),
        (refused(401, "no"), 1),
        (refused(402, "no"), 1),
        (refused(403, "no"), 1),
        (refused(404, "no"), 1),
        (error_in_stream("no", code=400), 1),
        (huge("line", size=1024 * 1024), 1),
        (busy(60), 1),
        (failing(500), 3),
    ],
)
async def test_the_next_is_asked_when_one_does_not_answer(
    server: ModelServer, second: ModelServer, asking: Asking, reply: Callable[[Wire], None], attempts: int
) -> None:
    """What will not pass is not repeated, what may pass is; then the next one in order answers."""
    server.always(reply)
    models = asking.models(provider_at(server), provider_at(second, "other"))

    answer = await ask(models)

    assert answer.provider == "other"
    assert len(server.asked) == attempts


async def test_a_service_that_recovers_is_asked_again(server: ModelServer, asking: Asking) -> None:
    """A 500 and a short wait are got over without anybody noticing, and a 429 is waited for as long as it says."""
    server.then(failing(500), busy(0.3), stream("Well again."))
    begun = time.monotonic()

    answer = await ask(asking.models(provider_at(server)))

    assert answer.text == "Well again."
    assert time.monotonic() - begun >= 0.3


async def test_a_wait_that_does_not_fit_is_not_begun(server: ModelServer, asking: Asking) -> None:
    """When the service asks to wait for longer than there is time, that is told at once."""
    server.always(busy(300))
    begun = time.monotonic()

    error = await fault_of(asking.models(provider_at(server)))

    assert isinstance(error, ModelBusy)
    assert error.retry_after_s == pytest.approx(300, abs=1)
    assert time.monotonic() - begun < LONG_S
    assert len(server.asked) == 1


async def test_another_key_is_taken_when_one_is_put_off(server: ModelServer, asking: Asking) -> None:
    """A 429 puts one key off, a 401 another; the third answers, and the next question begins with it."""
    asking.vault.secrets = {"A_KEY": "key-one", "A_KEY_1": "key-two", "A_KEY_2": "key-three"}
    server.then(busy(300), refused(401, "no"))
    models = asking.models(provider_at(server))

    await ask(models)
    await ask(models)

    assert [each.key for each in server.asked] == ["key-one", "key-two", "key-three", "key-three"]


async def test_a_refused_key_is_not_sent_again_until_the_vault_changes(server: ModelServer, asking: Asking) -> None:
    """After a 401 the view says so, and the service is left in peace until another key is set."""
    server.keys = {"a-better-key"}
    models = asking.models(provider_at(server))

    errors = [await fault_of(models), await fault_of(models)]
    told = models.views()[0].reason
    asking.vault.secrets["A_KEY"] = "a-better-key"
    models.keys_changed()
    answer = await ask(models)

    assert all(isinstance(error, ModelRefused) and "A_KEY" in error.message for error in errors)
    assert "does not take the key A_KEY" in told or "was refused" in told
    assert answer.text == "All is well."
    assert len(server.asked) == 2
    assert models.views()[0].reason == ""


async def test_consent_is_kept_to(server: ModelServer, second: ModelServer, asking: Asking) -> None:
    """A host that the person has not agreed to gets nothing, not even when the other one fails."""
    server.always(failing(500))
    models = asking.models(provider_at(second, "other"), provider_at(server))

    error = await fault_of(models, hosts={server.host})

    assert isinstance(error, ModelOutOfReach)
    assert second.asked == []


async def test_without_consent_for_any_nobody_is_asked(server: ModelServer, asking: Asking) -> None:
    """With no host agreed to, the error names those that would be asked."""
    models = asking.models(provider_at(server))

    error = await fault_of(models, hosts=())

    assert isinstance(error, ConsentMissing)
    assert server.host in error.message
    assert server.asked == []
    assert asking.vault.asked == []


async def test_nothing_set_up(asking: Asking) -> None:
    """Without a provider the error says what to set."""
    error = await fault_of(asking.models())

    assert isinstance(error, ModelNotSetUp)
    assert "analysis.providers" in error.hint


async def test_a_provider_without_a_key_gives_way(server: ModelServer, second: ModelServer, asking: Asking) -> None:
    """Without its key the first is passed over, and the view tells why."""
    models = asking.models(provider_at(server, key="NO_SUCH_KEY"), provider_at(second, "other"))

    answer = await ask(models)

    assert answer.provider == "other"
    assert server.asked == []
    assert "NO_SUCH_KEY" in models.views()[0].reason
    assert models.views()[0].breaker is BreakerState.CLOSED


async def test_a_locked_vault_is_told(server: ModelServer, asking: Asking) -> None:
    """A locked vault is no fault of the service, and the error says how to open it."""
    asking.vault.is_locked = True
    models = asking.models(provider_at(server))

    error = await fault_of(models)

    assert isinstance(error, ModelNotSetUp)
    assert "keys unlock" in error.hint


async def test_when_all_fail_the_first_is_told_and_the_others_in_short(
    server: ModelServer, second: ModelServer, asking: Asking
) -> None:
    """The error is the first provider's, and its hint has a word about each other."""
    server.always(refused(402, "Insufficient Balance"))
    second.always(failing(503))
    models = asking.models(provider_at(server), provider_at(second, "other"))

    error = await fault_of(models)

    assert isinstance(error, ModelRefused)
    assert "Insufficient Balance" in error.message
    assert "other did not help" in error.hint
    assert "(503)" in error.hint


@pytest.mark.parametrize(
    "reply", [cut("It is the off"), stalls("It is the off"), error_in_stream("fell", text="It is the off")]
)
@pytest.mark.parametrize("listens", [True, False])
async def test_what_came_before_a_failure_is_returned(
    server: ModelServer, second: ModelServer, asking: Asking, reply: Callable[[Wire], None], *, listens: bool
) -> None:
    """Once text has come nobody else is asked, for it would come twice: the answer has its trouble."""
    server.then(reply)
    pieces: list[str] = []
    client = ClientLimits(between_s=0.3)
    models = asking.models(provider_at(server), provider_at(second, "other"), client=client)

    answer = await ask(models, on_text=pieces.append if listens else None)

    assert (answer.text, answer.provider) == ("It is the off", "first")
    assert answer.trouble
    assert answer.usage.is_estimate
    assert answer.usage.answer_tokens > 0
    assert "".join(pieces) == ("It is the off" if listens else "")
    assert (len(server.asked), second.asked) == (1, [])


async def test_what_came_before_the_deadline_is_returned(server: ModelServer, asking: Asking) -> None:
    """An answer that is too slow is returned as far as it came."""
    server.then(stream("word " * 1000, delay_s=0.1))
    models = asking.models(provider_at(server), limits=QUICK)

    answer = await ask(models)

    assert answer.text.startswith("word ")
    assert "in time" in answer.trouble


async def test_fault_37_a_silent_service_opens_the_breaker_and_is_probed(
    server: ModelServer, asking: Asking, fake_clock: Any
) -> None:
    """A service that accepts and never answers: deadline, open breaker, no call while it is open, one probe after."""
    server.always(silent())
    limits = CallLimits(deadline_s=2.0, attempt_s=0.5, attempts=1, backoff_first_s=0.01)
    models = asking.models(
        provider_at(server),
        clock=fake_clock,
        limits=limits,
        breaker=BreakerLimits(least_calls=2, probes=1),
    )

    errors = [await fault_of(models) for _ in range(2)]
    while_open = [await fault_of(models) for _ in range(5)]
    asked_before = len(server.asked)
    fake_clock.advance(10.0)
    half_open = await asyncio.gather(*(fault_of(models) for _ in range(10)))
    asked_after = len(server.asked)

    assert all(isinstance(error, ModelOutOfReach | ModelBusy) for error in (*errors, *while_open, *half_open))
    assert (asked_before, asked_after) == (2, 3)
    assert "left alone" in models.views()[0].reason
    server.always(stream("Well again."))
    fake_clock.advance(20.0)
    assert (await ask(models)).text == "Well again."
    assert models.views() == (ProviderView("first", server.host, MODEL),)


async def test_fault_38_a_storm_opens_the_breaker_and_refusals_do_not(
    server: ModelServer, second: ModelServer, asking: Asking
) -> None:
    """Failures of a service open its breaker; 400, 401, 404 and 429 say nothing against it."""
    server.always(failing(503))
    second.then(*(refused(status, "no") for status in (400, 404, 400, 402)), busy(300), busy(300), refused(401, "no"))
    stormy = asking.models(provider_at(server))
    refusing = asking.models(provider_at(second, "other", key="B_KEY"))
    asking.vault.secrets.update(B_KEY="b1", B_KEY_1="b2", B_KEY_2="b3")

    for _ in range(10):
        await fault_of(stormy)
    for _ in range(5):
        await fault_of(refusing)

    assert stormy.views()[0].breaker is BreakerState.OPEN
    assert len(server.asked) == 5
    assert len(second.asked) == 7
    assert refusing.views()[0].breaker is BreakerState.CLOSED


async def test_fault_40_offline_at_the_start_it_catches_up(server: ModelServer, asking: Asking) -> None:
    """Made without a network it says what is wrong, and it works again after a word that the network is back."""
    offline = asking.models(provider_at(server, base_url=ELSEWHERE))
    for _ in range(3):
        assert isinstance(await fault_of(offline), ModelOutOfReach | ModelBusy)

    assert offline.views()[0].breaker is BreakerState.OPEN
    offline.try_again()
    assert offline.views()[0].breaker is BreakerState.CLOSED
    offline.reconfigure([provider_at(server)])
    assert (await ask(offline)).text == "All is well."


async def test_who_is_left_alone_is_asked_when_a_person_says_so(server: ModelServer, asking: Asking) -> None:
    """While the breaker is open the error says for how long; a person who asks again by hand need not wait for that."""
    server.always(failing(500))
    models = asking.models(provider_at(server))
    for _ in range(2):
        await fault_of(models)
    server.always(stream("Well again."))

    left_alone = await fault_of(models)
    asked = len(server.asked)
    models.try_again()
    answer = await ask(models)

    assert isinstance(left_alone, ModelBusy)
    assert left_alone.retry_after_s == pytest.approx(10, abs=5)
    assert answer.text == "Well again."
    assert len(server.asked) == asked + 1


async def test_a_refused_key_is_taken_again_when_a_person_says_so(server: ModelServer, asking: Asking) -> None:
    """What was put right at the service itself is found out by asking again by hand."""
    server.then(refused(401, "no"))
    models = asking.models(provider_at(server))
    errors = [await fault_of(models), await fault_of(models)]

    models.try_again()

    assert (await ask(models)).text == "All is well."
    assert all(isinstance(error, ModelRefused) for error in errors)
    assert len(server.asked) == 2


async def test_when_time_is_up_the_last_reason_is_told(server: ModelServer, asking: Asking) -> None:
    """A service that failed and then kept silent is said to have done both."""
    server.then(failing(503))
    server.always(silent())
    limits = CallLimits(deadline_s=0.8, attempt_s=0.8, backoff_first_s=0.01, backoff_ceiling_s=0.02)

    error = await fault_of(asking.models(provider_at(server), limits=limits))

    assert isinstance(error, ModelOutOfReach)
    assert "in time" in error.message
    assert "fails (503)" in error.message


@pytest.mark.parametrize("reply", [silent(), silent(after_head=True)])
async def test_fifty_at_once_end_by_the_deadline(
    server: ModelServer, asking: Asking, reply: Callable[[Wire], None]
) -> None:
    """Fifty questions to a service that never answers all end by the deadline, few at a time, and none stays behind."""
    server.always(reply)
    counted: list[CountingTransport] = []

    def transport() -> CountingTransport:
        counted.append(CountingTransport())
        return counted[-1]

    models = asking.models(provider_at(server), limits=QUICK, transport=transport)
    before = len(asyncio.all_tasks())
    begun = time.monotonic()

    errors = await asyncio.gather(*(fault_of(models) for _ in range(50)))

    assert all(isinstance(error, ModelOutOfReach) for error in errors)
    assert time.monotonic() - begun < LONG_S
    assert 0 < counted[0].at_once <= QUICK.at_once
    assert len(asyncio.all_tasks()) == before


async def test_the_deadline_is_for_all_providers_together(
    server: ModelServer, second: ModelServer, asking: Asking
) -> None:
    """A silent provider does not use up the time of the next: it has its share, and the other answers."""
    server.always(silent())
    limits = CallLimits(deadline_s=20.0, attempt_s=0.3, backoff_first_s=0.01)
    models = asking.models(provider_at(server), provider_at(second, "other"), limits=limits)

    assert (await ask(models)).provider == "other"


async def test_a_silent_first_leaves_time_for_the_second(
    server: ModelServer, second: ModelServer, asking: Asking
) -> None:
    """Half of the time is over when the first attempt ends, so there is no second one."""
    server.always(silent())
    limits = CallLimits(deadline_s=2.0, attempt_s=1.1, backoff_first_s=0.01)
    models = asking.models(provider_at(server), provider_at(second, "other"), limits=limits)

    assert (await ask(models)).provider == "other"
    assert len(server.asked) == 1


async def test_a_cancelled_question_passes_through_and_costs_what_came(
    server: ModelServer, second: ModelServer, asking: Asking, tmp_path: Path
) -> None:
    """The person's cancel ends all at once, nobody else is asked, and what had come is paid for."""
    server.always(stalls("It is the off-by-one"))
    budget = budget_in(tmp_path, BudgetLimits())
    models = asking.models(provider_at(server), provider_at(second, "other"), budget=budget)
    came = asyncio.Event()
    question = asyncio.ensure_future(ask(models, on_text=lambda _text: came.set()))
    await asyncio.wait_for(came.wait(), LONG_S)

    question.cancel()
    await asyncio.wait([question])

    assert question.cancelled()
    assert second.asked == []
    assert budget.spent.tokens > 0
    assert models.views()[0].breaker is BreakerState.CLOSED


async def test_the_budget_is_kept_to(server: ModelServer, asking: Asking, tmp_path: Path) -> None:
    """What was used is counted by the service's figures, and a question beyond the budget is not sent."""
    budget = budget_in(tmp_path, BudgetLimits(tokens_per_day=1500))
    server.then(stream("A long answer.", usage=(700, 400)))
    models = asking.models(provider_at(server), budget=budget)

    await ask(models)
    error = await fault_of(models)

    assert isinstance(error, BudgetSpent)
    assert budget.spent.tokens == 1100
    assert budget.spent.cost == pytest.approx((700 + 800) / 1_000_000)
    assert len(server.asked) == 1


async def test_what_was_not_answered_costs_nothing(server: ModelServer, asking: Asking, tmp_path: Path) -> None:
    """Refusals and failures give back what was held for them."""
    budget = budget_in(tmp_path, BudgetLimits(tokens_per_day=600))
    server.then(refused(400, "no"), failing(500), failing(500), failing(500))
    models = asking.models(provider_at(server), budget=budget)

    await fault_of(models)
    await fault_of(models)
    answer = await ask(models)

    assert answer.text == "All is well."
    assert budget.spent.tokens == 120


async def test_an_unknown_price_counts_tokens_alone(server: ModelServer, asking: Asking, tmp_path: Path) -> None:
    """Without a price there is no cost, and the tokens count."""
    budget = budget_in(tmp_path, BudgetLimits(dollars_per_day=0.01))
    models = asking.models(provider_at(server, price=None), budget=budget)

    answer = await ask(models)

    assert answer.usage.cost is None
    assert (budget.spent.tokens, budget.spent.cost) == (120, 0.0)


async def test_who_has_no_price_can_be_told(server: ModelServer, asking: Asking) -> None:
    """A limit in dollars does nothing for those whose price is not known, so they can be named."""
    free, dear = provider_at(server, "free", price=Price(0, 0)), provider_at(server, "dear", price=Price(9, 9))
    unknown = provider_at(server, "unknown", price=None)
    models = asking.models(free, unknown, dear)

    before = models.unpriced
    models.reconfigure([free, dear])

    assert (before, models.unpriced) == (("unknown",), ())


async def test_settings_that_change_keep_what_is_known_of_the_rest(
    server: ModelServer, second: ModelServer, asking: Asking
) -> None:
    """A provider that stays keeps its open breaker; a new one is there at once, one that changed begins anew."""
    server.always(failing(500))
    models = asking.models(provider_at(server))
    for _ in range(2):
        await fault_of(models)

    models.reconfigure([provider_at(second, "other"), provider_at(server)])
    kept = models.views()
    models.reconfigure([provider_at(server, price=Price(9, 9))])
    changed = models.views()

    assert [view.breaker for view in kept] == [BreakerState.CLOSED, BreakerState.OPEN]
    assert [view.breaker for view in changed] == [BreakerState.CLOSED]
    assert [view.name for view in changed] == ["first"]


async def test_json_is_asked_for_when_wanted(server: ModelServer, asking: Asking) -> None:
    """A question that wants JSON says so to a provider that can promise it."""
    models = asking.models(provider_at(server, json_mode=True))

    await ask(models, as_json=True)

    assert server.asked[0].json["response_format"] == {"type": "json_object"}


async def test_nonsense_is_told_as_such(server: ModelServer, asking: Asking) -> None:
    """Far too much of what is no answer is one error, and it is not asked for again."""
    server.always(huge("noise"))

    error = await fault_of(asking.models(provider_at(server)))

    assert isinstance(error, ModelNonsense)
    assert len(server.asked) == 1
