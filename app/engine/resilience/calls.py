"""Calls to one service: total deadline > retry > rate limit > bulkhead > breaker > attempt timeout."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import stamina
import structlog
from aiolimiter import AsyncLimiter
from stamina.instrumentation import set_on_retry_hooks

from app.domain.analysis import BreakerState
from app.domain.errors import BreakerOpen, WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.engine.resilience.breaker import Breaker, Permit

T = TypeVar("T")

_log = structlog.get_logger(__name__)

MINUTE_S = 60.0
FAIR_SHARE = 0.5
"""An attempt that the deadline cuts off counts against the service if it had this share of the whole time: with less,
it was our own queue that used the time up."""
LEAST_S = 0.05
"""With less than this left no attempt is begun: where many deadlines end together, each call that is cut off would
hand its place to the next one for the blink of an eye, and the service would be asked in vain."""
LEAST_SHARE = 0.01
"""Likewise for a deadline so short that this share of it is less."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How a service is called. All times are seconds.

    Attributes:
        deadline_s: How long a call may take in all, with waiting for its turn and all attempts.
        attempt_s: How long one attempt may take.
        attempts: How many there are at most.
        at_once: How many attempts are under way at most.
        per_minute: How many attempts are begun in a minute; that many may begin in one burst.
        backoff_first_s: The least wait before the second attempt; it doubles with each, and as much again as this is
            added at random at most.
        backoff_ceiling_s: The longest such wait.
    """

    deadline_s: float = 90.0
    attempt_s: float = 60.0
    attempts: int = 3
    at_once: int = 4
    per_minute: int = 60
    backoff_first_s: float = 0.5
    backoff_ceiling_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a failed attempt means.

    Attributes:
        retry: Whether another attempt may help.
        counts: Whether it speaks against the service, so that the breaker counts it.
        after_s: For how many seconds the service asks to wait (Retry-After); None when it does not say.
    """

    retry: bool
    counts: bool
    after_s: float | None = None


class AttemptExpired(TimeoutError):
    """One attempt took too long. It is put before the judge like what an attempt raises."""


class DeadlineExpired(TimeoutError):
    """The whole call took too long.

    Attributes:
        service: Who was called.
        attempts: How many attempts were begun.
        last: What the last one that ended has failed with; None when none did.
    """

    def __init__(self, service: str, within_s: float, attempts: int, last: Exception | None) -> None:
        begun = {0: "its turn did not come", 1: "1 attempt was made"}.get(attempts, f"{attempts} attempts were made")
        # What a library's exception says may hold what was sent.
        reason = last.message if isinstance(last, WatchkeeperError) else type(last).__name__
        why = f"; the last reason: {reason}" if last is not None else ""
        super().__init__(f"{service} did not answer within {within_s:g} s: {begun}{why}")
        self.service = service
        self.attempts = attempts
        self.last = last


class _Rate(AsyncLimiter):
    """A leaky bucket that takes back what was not used."""

    __slots__ = ()

    def give_back(self) -> None:
        """Take back a slot with which no attempt was begun. The library offers no way to."""
        self._level = max(0.0, self._level - 1)
        self._wake_next()


class _Call(Generic[T]):
    """How far one call has come."""

    def __init__(
        self,
        attempt: Callable[[], Awaitable[T]],
        judge: Callable[[Exception], Judgement],
        allowed_s: float,
        deadline: asyncio.Timeout,
        breaker: Breaker,
    ) -> None:
        self._attempt = attempt
        self._judge = judge
        self._allowed_s = allowed_s
        self._deadline = deadline
        self._breaker = breaker
        self._judgement: Judgement | None = None
        self.attempts = 0
        self.last: Exception | None = None

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        due = self._deadline.when()
        return due - asyncio.get_running_loop().time() if due is not None else 0.0

    @property
    def is_as_good_as_over(self) -> bool:
        """Whether there is no time left for another attempt."""
        return self.left_s < min(LEAST_S, LEAST_SHARE * self._allowed_s)

    def expired(self, service: str) -> DeadlineExpired:
        """Return what is raised when its time is up."""
        return DeadlineExpired(service, self._allowed_s, self.attempts, self.last)

    async def make(self, permit: Permit, attempt_s: float) -> T:
        """Make one attempt, and mark its permit."""
        self.attempts += 1
        self._judgement = None
        begun = asyncio.get_running_loop().time()
        scope = asyncio.timeout(attempt_s)
        try:
            try:
                async with scope:
                    return await self._attempt()
            except TimeoutError as error:
                if not scope.expired():
                    raise
                raise AttemptExpired(f"there was no answer within {attempt_s:g} s") from error
        except asyncio.CancelledError:
            had = asyncio.get_running_loop().time() - begun
            if self._deadline.expired() and had >= FAIR_SHARE * self._allowed_s:
                permit.failed()
            raise
        except Exception as error:
            self.last = error
            permit.neutral()  # also if the judge fails
            self._judgement = self._judge(error)
            if self._judgement.counts:
                permit.failed()
            raise

    def is_worth_another(self, error: BaseException) -> bool | float:
        """Tell stamina whether to make another attempt after this, or after how many seconds to."""
        judgement = self._judgement if error is self.last else None
        if judgement is None or not judgement.retry or isinstance(error, BreakerOpen):
            return False
        if self._breaker.state in {BreakerState.OPEN, BreakerState.FORCED_OPEN}:
            return False
        if judgement.after_s is None:
            return True
        return float(judgement.after_s) if judgement.after_s < self.left_s else False


class Calls:
    """Calls one service, the same way for all who call it. It belongs to the loop that it first runs on.

    Args:
        name: What the service is called, in messages to people.
        breaker: The service's circuit breaker.
        limits: How it is called.
    """

    def __init__(self, name: str, breaker: Breaker, limits: CallLimits) -> None:
        self.name = name
        self._breaker = breaker
        self._limits = limits
        self._rate = _Rate(limits.per_minute, MINUTE_S)
        self._bulkhead = asyncio.Semaphore(limits.at_once)
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=limits.attempts,
            timeout=None,  # stamina's would not cut off an attempt that hangs
            wait_initial=limits.backoff_first_s,
            wait_jitter=limits.backoff_first_s,
            wait_max=limits.backoff_ceiling_s,
        )
        # Its hooks log each exception's repr as a warning, which may hold what was sent. They are the whole process's:
        # stamina knows no others.
        set_on_retry_hooks(())

    async def run(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        judge: Callable[[Exception], Judgement],
        within_s: float | None = None,
    ) -> T:
        """Call the service, and return what the first attempt that succeeds returns.

        Args:
            attempt: Makes one attempt. It is cancelled when its time is up.
            judge: Says what an exception of an attempt means. Asked once for each, AttemptExpired included.
            within_s: Seconds that this call may take at most, if that is less than the limits allow.

        Raises:
            BreakerOpen: The service is left alone: at once, without an attempt; or it came to that while the call
                waited.
            DeadlineExpired: Time was up; caused by what the last attempt failed with.
            Exception: What the last attempt failed with, when no other is made: because there were enough, the judge
                says so, the breaker has opened, or the service asks to wait for longer than there is time.
        """
        allowed = self._limits.deadline_s if within_s is None else min(within_s, self._limits.deadline_s)
        if allowed <= 0:
            raise DeadlineExpired(self.name, allowed, 0, None)
        deadline = asyncio.timeout(allowed)
        call = _Call(attempt, judge, allowed, deadline, self._breaker)
        try:
            async with deadline:
                return await self._retrying(call.is_worth_another, self._queue, call)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise call.expired(self.name) from call.last

    async def _queue(self, call: _Call[T]) -> T:
        self._breaker.check()
        await self._rate.acquire()
        attempts = call.attempts
        try:
            async with self._bulkhead:
                if call.is_as_good_as_over:
                    raise call.expired(self.name)
                with self._breaker.admit() as permit:
                    return await call.make(permit, self._limits.attempt_s)
        finally:
            if call.attempts == attempts:
                self._rate.give_back()
