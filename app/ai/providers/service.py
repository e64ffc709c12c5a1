"""All providers that are set up, as one: the next is asked when one does not answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from app.ai.messages import Completion
from app.ai.providers import faults
from app.ai.providers.client import ChatClient
from app.ai.providers.draft import Draft, Question
from app.ai.providers.keys import KeyTurns
from app.domain.analysis import BreakerState, ProviderView, Usage
from app.domain.errors import (
    BreakerOpen,
    BudgetSpent,
    ConsentMissing,
    ModelBusy,
    ModelError,
    ModelNotSetUp,
    ModelOutOfReach,
    ModelRefused,
)
from app.engine.resilience.breaker import Breaker, BreakerLimits
from app.engine.resilience.calls import CallLimits, Calls, DeadlineExpired, Judgement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from app.ai.messages import Message
    from app.ai.providers.budget import Budget, Reservation
    from app.ai.providers.keys import Key, KeySource
    from app.ai.providers.provider import Provider
    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

USUAL_BREAKER = BreakerLimits(slow_after_s=45.0)
"""A good answer of a thinking model takes half a minute; one that takes longer than this is slow."""

SHORT_WAIT_S = 3.0
"""For so long a busy service is waited for while there is another to ask."""

CLOSE_S = 0.3
"""For so long the end of the program waits for connections to close."""


class _Place:
    """One provider, and how it fares."""

    def __init__(self, provider: Provider, keys: KeyTurns, breaker: Breaker, calls: Calls) -> None:
        self.provider = provider
        self.keys = keys
        self.breaker = breaker
        self.calls = calls
        self.reason = ""

    @property
    def view(self) -> ProviderView:
        state = self.breaker.state
        is_open = state in {BreakerState.OPEN, BreakerState.FORCED_OPEN}
        reason = "It failed too often, and is left alone for a while." if is_open else self.reason
        provider = self.provider
        return ProviderView(provider.name, provider.host, provider.model, state, reason)


@dataclass(slots=True)
class _Turn:
    """One provider's turn with a question.

    Attributes:
        place: Whose.
        question: What is asked.
        until: Time on the monotonic clock at which the deadline of all is over.
        retry_until: Time on the monotonic clock after which it is not asked again: others are to have their turn.
        is_last: Whether nobody else could be asked.
        draft: What came of the last attempt.
        key: With which the last attempt was made.
        held: What is held back for the first attempt until it is made; None when nothing is.
        usages: What each attempt took.
        failed: Why the last attempt that was made failed; None when that was no error of the service's.
    """

    place: _Place
    question: Question
    until: float
    retry_until: float
    is_last: bool
    draft: Draft
    key: Key | None = None
    held: Reservation | None = None
    usages: list[Usage] = field(default_factory=list)
    failed: ModelError | None = None

    def usage(self, latency_s: float) -> Usage:
        """Return what all attempts took together."""
        costs = [each.cost for each in self.usages if each.cost is not None]
        return Usage(
            sum(each.prompt_tokens for each in self.usages),
            sum(each.answer_tokens for each in self.usages),
            sum(costs) if costs else None,
            latency_s,
            any(each.is_estimate for each in self.usages),
        )


class Models:
    """Fulfils app.ai.messages.Model. To be made once; used on the loop's thread.

    Args:
        providers: Whom to ask, in order.
        keys: The vault.
        clock: Time.
        limits: Of the calls to each provider; the deadline is for all of them together.
        budget: What may be spent; None for any amount.
        breaker: When a provider is left alone.
        client: The HTTP client; None for the usual one.

    Attributes:
        on_change: Called when somebody is left alone from now on, or no more; may be set at any time.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        keys: KeySource,
        clock: Clock,
        limits: CallLimits | None = None,
        budget: Budget | None = None,
        breaker: BreakerLimits = USUAL_BREAKER,
        client: ChatClient | None = None,
    ) -> None:
        self.on_change: Callable[[], None] = _nothing
        self._vault = keys
        self._turns: dict[str, KeyTurns] = {}
        self._clock = clock
        self._limits = limits or CallLimits()
        self._budget = budget
        self._breaker_limits = breaker
        self._client = client or ChatClient(clock=clock)
        self._places: tuple[_Place, ...] = tuple(map(self._place, providers))

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Who is asked, in order."""
        return tuple(place.provider for place in self._places)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The names of those whose price is not known: a limit in dollars does not keep them back."""
        return tuple(provider.name for provider in self.providers if provider.price is None)

    def views(self) -> tuple[ProviderView, ...]:
        """Return how each provider fares, in order."""
        return tuple(place.view for place in self._places)

    def reconfigure(self, providers: Sequence[Provider], limits: CallLimits | None = None) -> None:
        """Ask these from now on. What is known of those that have not changed is kept, unless the limits have.

        Args:
            providers: Whom to ask, in order.
            limits: Of the calls; None for those of before.
        """
        kept = {place.provider: place for place in self._places}
        if limits is not None and limits != self._limits:
            self._limits = limits
            kept = {}
        self._places = tuple(kept.get(provider) or self._place(provider) for provider in providers)

    def keys_changed(self) -> None:
        """Take all keys again: the vault was opened, or what it holds has changed."""
        for turns in self._turns.values():
            turns.forget()
        for place in self._places:
            place.reason = ""

    def try_again(self) -> None:
        """Leave nobody alone any more: the next question is asked whatever failed before.

        For a person who asks again by hand while a breaker is open: they may know that the network or the service is
        back, and are not to be told to wait. What asks by itself does not call this.
        """
        for place in self._places:
            place.breaker.reset()
        self.keys_changed()

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        answer_tokens: int,
        hosts: Collection[str] | None,
        on_text: Callable[[str], None] | None = None,
        as_json: bool = False,
    ) -> Completion:
        """Have a chat completed by the first provider that does; see app.ai.messages.Model.

        An answer that broke off after some text had come is returned, with its trouble: nobody else is asked then.

        Args:
            messages: As there.
            answer_tokens: As there.
            hosts: As there.
            on_text: As there.
            as_json: Whether the answer is to be a JSON object, where a provider can promise that.

        Raises:
            ModelNotSetUp: There is no provider, or no key for any.
            ConsentMissing: None of them is at one of the hosts.
            BudgetSpent: The question may take more than is left of the day's budget.
            ModelError: Nobody has answered. The error is of the first that was asked, and tells of the others.
            CannotError: `aclose` was called.
        """
        allowed = self._allowed(hosts)
        begun = self._clock.monotonic()
        question = Question(tuple(messages), answer_tokens, as_json, on_text)
        failed: list[tuple[Provider, ModelError]] = []
        for number, place in enumerate(allowed):
            now = self._clock.monotonic()
            until = begun + self._limits.deadline_s
            if until <= now:
                break
            others = len(allowed) - number - 1
            share = (until - now) / (others + 1)
            turn = _Turn(place, question, until, now + share, not others, Draft(on_text))
            try:
                answer = await self._ask(turn, begun)
            except BudgetSpent:
                raise
            except ModelError as error:
                failed.append((place.provider, error))
                _log.info("a model did not answer", provider=place.provider.name, reason=error.message)
            else:
                return answer
        raise _of_all(failed)

    async def aclose(self) -> None:
        """Close all connections for good, and wait until the budget is written; neither for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._client.aclose()
        if self._budget is not None:
            await self._budget.aclose()

    def _allowed(self, hosts: Collection[str] | None) -> tuple[_Place, ...]:
        if not self._places:
            raise ModelNotSetUp(
                "No language model is set up.",
                "Name one in the setting analysis.providers, and set its key: watchkeeper keys set DEEPSEEK_API_KEY",
            )
        allowed = tuple(place for place in self._places if hosts is None or place.provider.host in hosts)
        if not allowed:
            names = ", ".join(dict.fromkeys(place.provider.host for place in self._places))
            raise ConsentMissing(
                f"You have not agreed that the source of this project is sent to {names}.",
                "Agree, or set up a model on this machine: ollama or lmstudio in analysis.providers.",
            )
        return allowed

    def _place(self, provider: Provider) -> _Place:
        breaker = Breaker(
            provider.name,
            monotonic=self._clock.monotonic,
            limits=self._breaker_limits,
            on_change=lambda _state: self.on_change(),
        )
        # What one service thinks of a key says nothing of another's opinion.
        keys = self._turns.setdefault(provider.host, KeyTurns(self._vault, monotonic=self._clock.monotonic))
        return _Place(provider, keys, breaker, Calls(provider.name, breaker, self._limits))

    async def _ask(self, turn: _Turn, begun: float) -> Completion:
        """Ask one provider, with its retries, and pay for what came.

        Raises:
            ModelError: It has not answered.
        """
        place, provider = turn.place, turn.place.provider
        trouble: ModelError | None = None
        try:
            try:
                async with asyncio.timeout(self._left_s(turn)):
                    # before its turn comes, so that what cannot be paid for does not wait
                    turn.held = await self._reserve(turn)
                await place.calls.run(
                    partial(self._attempt, turn), judge=partial(self._judge, turn), within_s=self._left_s(turn)
                )
            except BudgetSpent as error:
                trouble = _unaffordable(error, turn)
            except ModelError as error:
                trouble = error
            except BreakerOpen as error:
                trouble = ModelBusy(error.message, error.hint, retry_after_s=error.retry_after_s)
            except TimeoutError as error:
                trouble = _too_late(error, provider)
        finally:
            if turn.held is not None:
                turn.held.settle(None)
        self._note(place, trouble)
        if trouble is not None and not turn.draft.has_text:
            raise trouble
        said = turn.draft
        why = trouble.message if trouble is not None else said.trouble
        usage = turn.usage(self._clock.monotonic() - begun)
        _log.info(
            "a model has answered",
            provider=provider.name,
            host=provider.host,
            model=said.model or provider.model,
            sent=usage.prompt_tokens,
            came=usage.answer_tokens,
            took_s=round(usage.latency_s, 3),
            trouble=why,
        )
        return Completion(said.text, provider.name, said.model or provider.model, usage, why)

    def _left_s(self, turn: _Turn) -> float:
        return max(0.0, turn.until - self._clock.monotonic())

    async def _reserve(self, turn: _Turn) -> Reservation | None:
        """Hold back what one attempt may take.

        Raises:
            BudgetSpent: It is more than what is left.
        """
        if self._budget is None:
            return None
        question = turn.question
        return await self._budget.reserve(question.prompt_tokens, question.answer_tokens, turn.place.provider.price)

    async def _attempt(self, turn: _Turn) -> None:
        """Make one attempt, and pay for what it took: a service charges for each that it accepted."""
        provider, keys = turn.place.provider, turn.place.keys
        draft = turn.draft = Draft(turn.question.on_text)
        turn.key = None
        held, turn.held = turn.held or await self._reserve(turn), None
        try:
            turn.key = key = await keys.take(provider.key)
            try:
                await self._client.ask(provider, key, turn.question, draft)
            except ModelBusy as busy:
                keys.put_off(key, busy.retry_after_s)
                raise
            except faults.KeyRefused:
                keys.refuse(key)
                raise
        finally:
            usage = draft.usage(turn.question, provider.price, 0.0)
            turn.usages.append(usage)
            if held is not None:
                held.settle(usage)

    def _judge(self, turn: _Turn, error: Exception) -> Judgement:
        """Say what a failed attempt means: whether to try again, and whether it speaks against the service."""
        if isinstance(error, BudgetSpent):
            return Judgement(retry=False, counts=False)
        turn.failed = error if isinstance(error, ModelError) else None
        counts = not isinstance(error, ModelRefused | ModelBusy | ModelNotSetUp)
        if turn.draft.has_text:
            return Judgement(retry=False, counts=counts)
        is_about_key = isinstance(error, ModelBusy | faults.KeyRefused) and turn.key is not None and turn.key.name
        if is_about_key and turn.place.keys.has_another(turn.place.provider.key):
            return Judgement(retry=True, counts=False, after_s=0.0)
        if isinstance(error, ModelBusy):
            wait = error.retry_after_s
            return Judgement(
                retry=turn.is_last or (wait is not None and wait <= SHORT_WAIT_S), counts=False, after_s=wait
            )
        if isinstance(error, ModelOutOfReach | TimeoutError):
            return Judgement(retry=turn.is_last or self._clock.monotonic() < turn.retry_until, counts=True)
        return Judgement(retry=False, counts=counts)

    def _note(self, place: _Place, trouble: ModelError | None) -> None:
        """Remember why a provider cannot be used until something is done about it."""
        if not isinstance(trouble, BudgetSpent):
            place.reason = trouble.message if isinstance(trouble, ModelNotSetUp | faults.AccountRefused) else ""


def _nothing() -> None:
    return


def _unaffordable(error: BudgetSpent, turn: _Turn) -> BudgetSpent:
    """Return the error, with why there was to be another attempt."""
    if turn.failed is None:
        return error
    return BudgetSpent(error.message, f"{error.hint} The attempt before it failed: {turn.failed.message}")


def _too_late(error: TimeoutError, provider: Provider) -> ModelOutOfReach:
    """Return that a provider has not answered in time, with what the last attempt failed with."""
    last = error.last if isinstance(error, DeadlineExpired) else None
    why = f" The last attempt failed: {last.message}" if isinstance(last, ModelError) else ""
    return ModelOutOfReach(
        f"{provider.name} at {provider.host} has not answered in time.{why}",
        "Try again later. How long is waited: analysis.deadline_seconds",
    )


def _of_all(failed: list[tuple[Provider, ModelError]]) -> ModelError:
    """Return the first's error, with what became of the others in its hint."""
    if not failed:
        return ModelOutOfReach("There was no time left to ask a model.", "Raise it: analysis.deadline_seconds")
    (_, first), *others = failed
    hint = " ".join((first.hint, *(f"{provider.name} did not help: {error.message}" for provider, error in others)))
    if isinstance(first, ModelBusy):
        return ModelBusy(first.message, hint.strip(), retry_after_s=first.retry_after_s)
    kind = ModelRefused if isinstance(first, ModelRefused) else type(first)
    return kind(first.message, hint.strip())
