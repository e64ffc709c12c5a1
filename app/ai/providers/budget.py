"""What may be spent in a day, and what was."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from app.domain.errors import BudgetSpent
from app.domain.modelwords import limit_of
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from app.ai.providers.provider import Price
    from app.domain.analysis import Usage
    from app.engine.clock import Clock
    from app.engine.statefile import StateFile

_log = structlog.get_logger(__name__)

SCHEMA = 1
"""Of the state file."""

PATIENCE_S = 3.0
"""For so long a question waits until it is known what was spent today; then it goes on without."""

CLOSE_S = 0.3
"""For so long the end of the program waits for what was spent to be written."""

_MOST_TOKENS = 10**12
_MOST_DOLLARS = 10.0**9


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """What may be spent in a local calendar day; 0 for any amount."""

    tokens_per_day: int = 0
    dollars_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent in a day: tokens, and US dollars as far as prices are known."""

    tokens: int = 0
    cost: float = 0.0


class Reservation:
    """What one question may take, held back until it is known what it took."""

    def __init__(self, budget: Budget, tokens: int, cost: float) -> None:
        self._budget: Budget | None = budget
        self.tokens = tokens
        self.cost = cost

    def settle(self, usage: Usage | None) -> None:
        """Put what was really used in its place; None for nothing. A second call does nothing."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget._settle(self, usage)  # noqa: SLF001 - one module


class Budget:
    """A day's budget of tokens and money. Used on the loop's thread; its file is read and written in others.

    A folder that hangs holds up one thread that reads and one that writes, and no question for longer than the
    patience: the day begins in memory then, and what the file holds is added when it comes. Nothing is written before
    it was read.

    Args:
        limits: What may be spent.
        file: Where it is kept: a state file of schema `SCHEMA`. Its loss is harmless: the day begins anew.
        clock: Its wall time tells the day. A clock that is put back does not renew the budget: the day that began last
            goes on.
        patience_s: How long the file is waited for.

    Attributes:
        limits: May be set at any time.
        trouble: What is wrong with the file, a sentence; empty when nothing is.
    """

    def __init__(self, limits: BudgetLimits, file: StateFile, *, clock: Clock, patience_s: float = PATIENCE_S) -> None:
        self.limits = limits
        self.trouble = ""
        self._file = file
        self._clock = clock
        self._patience_s = patience_s
        self._day = ""
        self._spent = Spent()
        self._held = Spent()
        self._loading: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._is_read = False
        self._is_written = True

    @property
    def spent(self) -> Spent:
        """What was spent today, without what is held back; nothing until `load` has read it."""
        self._turn_day()
        return self._spent

    async def load(self) -> None:
        """Read what was spent, or give up waiting for it. The first reservation does it otherwise."""
        if self._loading is None:
            self._loading = spawn(self._load(), name="the budget is waited for")
        await asyncio.wait({self._loading})

    async def reserve(self, prompt_tokens: int, answer_tokens: int, price: Price | None) -> Reservation:
        """Hold back what a question may take.

        Args:
            prompt_tokens: Of what is sent.
            answer_tokens: That the answer may have.
            price: Of the model; None when it is not known: then tokens alone count.

        Raises:
            BudgetSpent: It is more than what is left of the day's budget.
        """
        await self.load()
        self._turn_day()
        wanted = Reservation(
            self, prompt_tokens + answer_tokens, price.cost(prompt_tokens, answer_tokens) if price else 0.0
        )
        self._check(wanted)
        self._held = Spent(self._held.tokens + wanted.tokens, self._held.cost + wanted.cost)
        return wanted

    async def aclose(self) -> None:
        """Wait until what was spent is written, at most `CLOSE_S`; a folder that hangs is left behind."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                while tasks := self._under_way():
                    await asyncio.wait(tasks)
        if tasks := self._under_way():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _under_way(self) -> set[asyncio.Task[None]]:
        tasks = (self._loading, self._reading, self._writing)
        return {task for task in tasks if task is not None and not task.done()}

    def _check(self, wanted: Reservation) -> None:
        limits, spent, held = self.limits, self._spent, self._held
        if limits.tokens_per_day and spent.tokens + held.tokens + wanted.tokens > limits.tokens_per_day:
            also = f", {held.tokens:,} are held back for questions that are on their way" if held.tokens else ""
            raise BudgetSpent(
                f"The question may take {wanted.tokens:,} tokens. Of the {limits.tokens_per_day:,} for a day, "
                f"{spent.tokens:,} are used{also}.",
                "It is renewed at midnight. To raise it, change the setting analysis.tokens_per_day.",
            )
        if limits.dollars_per_day and spent.cost + held.cost + wanted.cost > limits.dollars_per_day:
            if not wanted.cost:  # a model that costs nothing is not kept back by a lack of money
                return
            also = f", ${held.cost:.4f} are held back for questions that are on their way" if held.cost else ""
            raise BudgetSpent(
                f"The question may cost ${wanted.cost:.4f}. Of the {limit_of(limits.dollars_per_day)} for a day, "
                f"${spent.cost:.4f} are spent{also}.",
                "It is renewed at midnight. To raise it, change the setting analysis.dollars_per_day.",
            )

    def _settle(self, reserved: Reservation, usage: Usage | None) -> None:
        self._turn_day()
        self._held = Spent(self._held.tokens - reserved.tokens, max(0.0, self._held.cost - reserved.cost))
        if usage is None or not (usage.tokens or usage.cost):
            return
        self._spent = Spent(self._spent.tokens + usage.tokens, self._spent.cost + (usage.cost or 0.0))
        self._is_written = False
        self._begin_to_write()

    def _begin_to_write(self) -> None:
        if self._is_read and not self._is_written and self._writing is None:
            self._writing = spawn(self._write(), name="the budget is written")

    def _turn_day(self) -> None:
        """Begin a new day when it has come.

        A day that lies in the future goes on until it is over: it began before the clock was put back. One further off
        than tomorrow was a mistake of the clock, and what was spent in it counts for today.
        """
        today = date.fromisoformat(time.strftime("%Y-%m-%d", time.localtime(self._clock.wall())))
        if not self._day or self._day < today.isoformat():
            self._day, self._spent = today.isoformat(), Spent()
        elif self._day > (today + timedelta(days=1)).isoformat():
            self._day = today.isoformat()

    async def _load(self) -> None:
        self._reading = spawn(self._read(), name="the budget is read")
        await asyncio.wait({self._reading}, timeout=self._patience_s)
        if not self._reading.done():
            self.trouble = (
                f"{self._file.path} could not be read within {self._patience_s:g} s, so today's budget begins anew, in "
                "memory."
            )
            _log.warning("the budget cannot be read", file=str(self._file.path), reason="it takes too long")

    async def _read(self) -> None:
        """Add what the file holds to what was spent meanwhile."""
        found, self.trouble = await asyncio.to_thread(self._file.read)
        self._is_read = True
        kept = _kept(found)
        if kept is None:
            self.trouble = f"{self._file.path} does not hold a budget, so today's begins anew."
        elif kept[0] and kept[0] >= self._day:
            self._day = kept[0]
            self._spent = Spent(self._spent.tokens + kept[1].tokens, self._spent.cost + kept[1].cost)
        self._turn_day()
        self._begin_to_write()

    async def _write(self) -> None:
        """Write until what is written is what is known: many settled at once are few writes."""
        try:
            while not self._is_written:
                self._is_written = True
                state = {"day": self._day, "tokens": self._spent.tokens, "cost": self._spent.cost}
                try:
                    await asyncio.to_thread(self._file.write, state)
                except OSError as error:
                    reason = error.strerror or type(error).__name__
                    if not self.trouble:
                        _log.warning("the budget cannot be written", file=str(self._file.path), reason=reason)
                    self.trouble = f"{self._file.path} cannot be written ({reason}): today's budget is in memory alone."
                else:
                    self.trouble = ""
        finally:
            self._writing = None


def _kept(found: dict[str, Any]) -> tuple[str, Spent] | None:
    """Return the day and what was spent as the file says; an empty day for an empty file, None for nonsense."""
    match found:
        case {"day": str(day), "tokens": int(tokens), "cost": int(cost) | float(cost)}:
            try:
                known = date.fromisoformat(day).isoformat()
            except ValueError:
                return None
            if 0 <= tokens <= _MOST_TOKENS and 0 <= cost <= _MOST_DOLLARS:
                return known, Spent(tokens, float(cost))
        case {**rest} if not rest:
            return "", Spent()
    return None
