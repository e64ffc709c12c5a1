"""How often each service is asked, per account and region, so that an audit takes no quota away from the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    from collections.abc import Mapping


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


class Rates:
    """Waits until a call may be made.

    Args:
        rates: By service; what is missing has the default.
        default: For all others.
    """

    def __init__(self, rates: Mapping[str, Rate] = RATES, default: Rate = DEFAULT) -> None:
        self._rates = rates
        self._default = default
        self._limiters: dict[tuple[str, str, str], AsyncLimiter] = {}

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
