"""A model is asked once, with a key that was just typed, by a service on loopback."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from app.agents.analysis.settings import AnalysisSettings, ProviderSettings
from app.agents.analysis.trying import ANSWER_TOKENS, Trials, choices
from app.ai.providers.budget import SCHEMA, Budget, BudgetLimits
from app.domain.commands import TryModel
from app.domain.errors import UsageError
from app.domain.firststart import ModelChoice, Trial
from app.engine.clock import SystemClock
from app.engine.statefile import StateFile
from tests.ai.modelserver import KEY, MODEL, ModelServer, busy, cut, failing, raw, refused, silent, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.ai.modelserver import Wire

ASKED = TryModel(name="deepseek", key=KEY)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A service that takes one key."""
    with ModelServer(keys={KEY}) as made:
        yield made


class Trier:
    """Trials of a service that the stand-in plays."""

    def __init__(self, server: ModelServer, folder: Path, *, tokens: int = 100_000, deadline_s: float = 10.0) -> None:
        own = ProviderSettings(base_url=server.url, model=MODEL, key="DEEPSEEK_API_KEY")
        settings = AnalysisSettings(deepseek=own)
        clock = SystemClock()
        self.hidden: list[str] = []
        self.budget = Budget(BudgetLimits(tokens, 1.0), StateFile(folder / "spending.json", schema=SCHEMA), clock=clock)
        self.trials = Trials(lambda: settings, self.budget, clock=clock, hide=self.hidden.append, deadline_s=deadline_s)


async def test_a_good_key_is_told_with_the_model_that_answered(server: ModelServer, tmp_path: Path) -> None:
    """One small question goes out, its key is hidden from logs first, and what it took is counted."""
    trier = Trier(server, tmp_path)

    trial = await trier.trials.tried(TryModel(name="deepseek", key=f" {KEY}\n"))
    spent = trier.budget.spent
    await trier.budget.aclose()

    (asked,) = server.asked
    assert (trial.trial, trial.model) == (Trial.GOOD, MODEL)
    assert (asked.key, asked.json["max_tokens"]) == (KEY, ANSWER_TOKENS)
    assert len(asked.said) < 60
    assert trier.hidden == [KEY]
    assert 0 < spent.tokens <= 120


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (refused(402, "Insufficient Balance"), Trial.NO_MONEY_OR_RIGHT),
        (refused(403, "no"), Trial.NO_MONEY_OR_RIGHT),
        (refused(404, "no such model"), Trial.NO_MODEL),
        (busy(7), Trial.BUSY),
        (failing(500), Trial.OUT_OF_REACH),
        (cut("half an ans"), Trial.FAILED),
        (raw(b"<html>Log in to this network</html>"), Trial.FAILED),
        (stream("", finish="length"), Trial.GOOD),
    ],
    ids=["no money", "forbidden", "no model", "busy", "failing", "cut off", "a hotel's page", "thinks aloud"],
)
async def test_each_answer_is_told_as_what_it_is(
    server: ModelServer, tmp_path: Path, reply: Callable[[Wire], None], told: Trial
) -> None:
    """What the service says decides; the key is in nothing that is told."""
    server.then(reply)
    trier = Trier(server, tmp_path)

    trial = await trier.trials.tried(ASKED)
    await trier.budget.aclose()

    assert trial.trial is told
    assert bool(trial.detail) is (told is not Trial.GOOD)
    assert KEY not in repr(trial)


async def test_a_key_that_is_refused_is_told_without_it(server: ModelServer, tmp_path: Path) -> None:
    """The service echoes the key in its refusal, as some do; what is told has it not."""
    trier = Trier(server, tmp_path)

    trial = await trier.trials.tried(TryModel(name="deepseek", key=f"{KEY}x"))
    await trier.budget.aclose()

    assert trial.trial is Trial.KEY_REFUSED
    assert "Authentication fails" in trial.detail
    assert KEY not in repr(trial)


@pytest.mark.parametrize("key", ["", "  ", "two words", "ключ", "a\nb"])
async def test_what_cannot_be_a_key_is_not_sent(server: ModelServer, tmp_path: Path, key: str) -> None:
    """A sentence that was pasted by mistake stays on this machine."""
    trier = Trier(server, tmp_path)

    trial = await trier.trials.tried(TryModel(name="deepseek", key=key))

    assert trial.trial is Trial.NO_KEY
    assert server.asked == []


async def test_a_service_that_does_not_answer_is_given_up_in_time(server: ModelServer, tmp_path: Path) -> None:
    """Nobody looks at a wizard that waits for ever."""
    server.always(silent())
    trier = Trier(server, tmp_path, deadline_s=0.3)
    began = time.monotonic()

    trial = await trier.trials.tried(ASKED)
    await trier.budget.aclose()

    assert trial.trial is Trial.OUT_OF_REACH
    assert "0.3 s" in trial.detail
    assert time.monotonic() - began < 5


async def test_the_day_s_budget_holds_for_it(server: ModelServer, tmp_path: Path) -> None:
    """A limit that a person has set is no less one here."""
    trier = Trier(server, tmp_path, tokens=5)

    trial = await trier.trials.tried(ASKED)
    await trier.budget.aclose()

    assert trial.trial is Trial.FAILED
    assert "tokens" in trial.detail
    assert server.asked == []


async def test_a_service_that_is_none_is_refused(server: ModelServer, tmp_path: Path) -> None:
    """Nothing is looked up by a name that may come from anywhere."""
    with pytest.raises(UsageError, match="no service"):
        await Trier(server, tmp_path).trials.tried(TryModel(name="language", key=KEY))


def test_the_usual_service_is_offered_first_and_those_on_this_machine_need_no_key() -> None:
    """DeepSeek leads; what has no address yet is left out; a setting's address and model are shown."""
    found = choices(AnalysisSettings(ollama=ProviderSettings(base_url="http://127.0.0.1:9/v1", model="mine")))

    assert found[0] == ModelChoice("deepseek", "api.deepseek.com", "deepseek-chat", "DEEPSEEK_API_KEY")
    assert [each.name for each in found if not each.key] == ["ollama", "lmstudio"]
    assert ModelChoice("ollama", "127.0.0.1:9", "mine", is_local=True) in found
    assert "custom" not in [each.name for each in found]
