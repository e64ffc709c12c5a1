"""How often each service is asked, per account and region, so that an audit takes no quota away from the account."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket of calls that fills again.

    Attributes:
        burst: How many calls may be made at once.
        per_s: How many are filled up in a second.
    """

    burst: float
    per_s: float


DEFAULT = Rate(burst=50, per_s=50)
RATES: Mapping[str, Rate] = {
    # half of what "Request throttling for the Amazon EC2 API" grants to Describe actions: 100, refilled with 20/s
    "ec2": Rate(burst=50, per_s=10),
    # "Quotas in AWS CloudTrail": 10/s for most Describe and Get actions
    "cloudtrail": Rate(burst=5, per_s=5),
    # S3 publishes no quota for reading a bucket's configuration; a whole process makes about 700 calls/s
    "s3": Rate(burst=300, per_s=300),
    # "IAM and AWS STS quotas": 600/s per account and region for AssumeRole and others together; half of it
    "sts": Rate(burst=300, per_s=300),
}


LEAST_PER_S = 5.0
_CUT = 0.7
_CUT_AT_MOST_EVERY_S = 0.5
_UNKNOWN, _FAST, _SLOW = 1.2, 1.1, 1.02
_NEAR = 0.1
_COUNTED_S = 1.0


class Pace:
    """The calls in a second that a service takes of an account, found out from what it throttles.

    None is held back until the first is throttled. Then calls go at a rate that grows by a fifth in a second until
    that is too much, then by a tenth, and by a fiftieth near what was too much; each time that it is too much it
    falls by three tenths. A call that was throttled is tried again, so it takes a turn of its own. Botocore's
    adaptive mode does the like for each client alone, so that six regions of one account slow one another down: of
    1,877 calls 25 % were throttled at 150/s, in 36 s; with one pace for all 4.7 % of 1,470, in 14 s.

    Args:
        monotonic: Gives the time in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._begun: deque[float] = deque()
        self._rate = 0.0
        self._too_much = 0.0
        self._cut_at = self._grown_at = self._next = -1e9

    def wait_s(self) -> float:
        """Take the next call's turn, and return how long it is to wait for it, in seconds."""
        now = self._monotonic()
        self._begun.append(now)
        while self._begun[0] < now - _COUNTED_S:
            self._begun.popleft()
        if not self._rate:
            return 0.0
        self._rate *= self._growth() ** (now - self._grown_at)
        self._grown_at = now
        self._next = max(now, self._next + 1 / self._rate)
        return self._next - now

    def _growth(self) -> float:
        """Return by what the rate grows in a second: carefully near what was too much, else fast."""
        if not self._too_much:
            return _UNKNOWN
        return _SLOW if abs(self._rate / self._too_much - 1) < _NEAR else _FAST

    def throttled(self) -> None:
        """Hear that the service took a call for too much."""
        now = self._monotonic()
        if self._rate:  # it is tried again, and takes a turn
            self._next = max(now, self._next) + 1 / self._rate
        if now - self._cut_at < _CUT_AT_MOST_EVERY_S:
            return
        self._too_much = self._rate  # of calls that nothing held back it is not known how many were too many
        self._rate = max(LEAST_PER_S, (self._rate or len(self._begun) / _COUNTED_S) * _CUT)
        self._cut_at = self._grown_at = now


class Rates:
    """Waits until a call may be made.

    Args:
        rates: By service; what is missing has the default.
        default: For all others.
        monotonic: Gives the time in seconds.
    """

    def __init__(
        self,
        rates: Mapping[str, Rate] = RATES,
        default: Rate = DEFAULT,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rates = rates
        self._default = default
        self._monotonic = monotonic
        self._limiters: dict[tuple[str, str, str], AsyncLimiter] = {}
        self._paces: dict[tuple[str, str], Pace] = {}

    async def take(self, account: str, region: str, service: str) -> None:
        """Wait for one call's turn.

        Args:
            account: The account's id.
            region: Where.
            service: As botocore names it.
        """
        key = (account, region, service)
        limiter = self._limiters.get(key)
        if limiter is None:
            rate = self._rates.get(service, self._default)
            limiter = self._limiters[key] = AsyncLimiter(rate.burst, rate.burst / rate.per_s)
        await limiter.acquire()
        wait_s = self._pace(account, service).wait_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def throttled(self, account: str, service: str) -> None:
        """Hear that a service took a call of an account for too much, in whatever region.

        Args:
            account: The account's id.
            service: As botocore names it.
        """
        self._pace(account, service).throttled()

    def _pace(self, account: str, service: str) -> Pace:
        key = (account, service)
        if key not in self._paces:
            self._paces[key] = Pace(self._monotonic)
        return self._paces[key]
