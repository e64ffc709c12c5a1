"""One small question to a model, with a key that a person has just typed: does it work?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from app.ai.messages import Message, Role
from app.ai.providers import faults
from app.ai.providers.client import ChatClient
from app.ai.providers.draft import Draft, Question
from app.ai.providers.keys import Key
from app.ai.providers.presets import PRESETS
from app.ai.providers.provider import Price
from app.domain.errors import (
    BudgetSpent,
    CannotError,
    ModelBusy,
    ModelNonsense,
    ModelOutOfReach,
    ModelRefused,
    UsageError,
)
from app.domain.firststart import ModelChoice, ModelTrial, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.agents.analysis.settings import AnalysisSettings, ProviderSettings
    from app.ai.providers.budget import Budget
    from app.ai.providers.provider import Provider
    from app.domain.commands import TryModel
    from app.domain.errors import ModelError
    from app.engine.clock import Clock

DEADLINE_S = 20.0
ANSWER_TOKENS = 16
_QUESTION = (Message(Role.USER, "Answer with the one word OK."),)


def choices(settings: AnalysisSettings) -> tuple[ModelChoice, ...]:
    """Return the services that can be asked, the usual one first; those without an address or a model are left out."""
    return tuple(_choices(settings))


def _choices(settings: AnalysisSettings) -> Iterator[ModelChoice]:
    for name in PRESETS:
        try:
            provider = _provider(name, settings)
        except UsageError:
            continue
        yield ModelChoice(name, provider.host, provider.model, provider.key, provider.is_local)


class Trials:
    """Asks models once. Belongs to the loop's thread.

    Args:
        settings: Gives the settings in force.
        budget: What may be spent; a trial costs a few tokens, and they count.
        clock: Time.
        hide: Takes a key before anything is done with it, so that it comes into no log.
        deadline_s: How long an answer is waited for, in seconds.
    """

    def __init__(
        self,
        settings: Callable[[], AnalysisSettings],
        budget: Budget,
        *,
        clock: Clock,
        hide: Callable[[str], object],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._clock = clock
        self._hide = hide
        self._deadline_s = deadline_s

    async def tried(self, asked: TryModel) -> ModelTrial:
        """Ask, and return what came of it.

        Raises:
            UsageError: There is no such service.
        """
        if asked.name not in PRESETS:
            raise UsageError(f"There is no service {asked.name!r}.", f"There is: {', '.join(PRESETS)}.")
        value = asked.key.strip()
        if value:
            self._hide(value)
        try:
            provider = _provider(asked.name, self._settings(), asked.model)
        except UsageError as error:
            return ModelTrial(Trial.FAILED, detail=error.message, hint=error.hint)
        if provider.key and not _can_be_key(value):
            return ModelTrial(Trial.NO_KEY)
        return await self._asked(provider, Key(provider.key, value))

    async def _asked(self, provider: Provider, key: Key) -> ModelTrial:
        question = Question(_QUESTION, ANSWER_TOKENS)
        draft = Draft()
        client = ChatClient(clock=self._clock)
        begun = self._clock.monotonic()
        held = None
        try:
            async with asyncio.timeout(self._deadline_s):
                held = await self._budget.reserve(question.prompt_tokens, question.answer_tokens, provider.price)
                await client.ask(provider, key, question, draft)
        except TimeoutError:
            return ModelTrial(
                Trial.OUT_OF_REACH, detail=f"{provider.host} has not answered within {self._deadline_s:g} s."
            )
        except (CannotError, UsageError) as error:
            return _told(error, draft)
        finally:
            if held is not None:
                held.settle(draft.usage(question, provider.price, self._clock.monotonic() - begun))
            await client.aclose()
        return ModelTrial(Trial.GOOD, model=draft.model or provider.model)


def _provider(name: str, settings: AnalysisSettings, model: str = "") -> Provider:
    own: ProviderSettings = getattr(settings, name)
    provider = PRESETS[name].provider(
        name,
        base_url=own.base_url,
        model=model or own.model,
        key=own.key or None,
        price=Price(*own.prices) if own.prices else None,
        temperature=settings.temperature,
    )
    return replace(provider, json_mode=False)


def _can_be_key(value: str) -> bool:
    """Return whether it can stand in a header: a library's own complaint would show it."""
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


_TRIALS: tuple[tuple[type[ModelError], Trial], ...] = (
    (faults.KeyRefused, Trial.KEY_REFUSED),
    (faults.AccountRefused, Trial.NO_MONEY_OR_RIGHT),
    (ModelRefused, Trial.NO_MODEL),
    (ModelBusy, Trial.BUSY),
    (ModelOutOfReach, Trial.OUT_OF_REACH),
)
"""What an error means: the first that fits."""


def _told(error: CannotError | UsageError, draft: Draft) -> ModelTrial:
    # A model that thinks aloud may use all of so short an answer up before it says anything: it took the key, though.
    if isinstance(error, ModelNonsense) and draft.finish:
        return ModelTrial(Trial.GOOD, model=draft.model)
    trial = next((trial for kind, trial in _TRIALS if isinstance(error, kind)), Trial.FAILED)
    hint = error.hint if isinstance(error, BudgetSpent) or trial is not Trial.KEY_REFUSED else ""
    return ModelTrial(trial, detail=error.message, hint=hint)
