"""How operations are called, and how often they are asked."""

from __future__ import annotations

import asyncio

import pytest

from app.agents.auditing.aws.clients.iam import action_of
from app.agents.auditing.aws.clients.rates import Pace, Rate, Rates


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("s3", "GetBucketPolicy", "s3:GetBucketPolicy"),
        ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
        ("s3", "GetBucketEncryption", "s3:GetEncryptionConfiguration"),
        ("s3", "GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
        ("s3control", "GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock"),
        ("stepfunctions", "ListStateMachines", "states:ListStateMachines"),
        ("sts", "AssumeRole", "sts:AssumeRole"),
    ],
)
def test_iam_has_its_own_names(service: str, operation: str, action: str) -> None:
    """A person who is to allow something reads the name that a policy takes."""
    assert action_of(service, operation) == action


async def test_each_account_region_and_service_has_its_own_rate() -> None:
    """Who has used up its calls waits; other accounts, regions and services do not."""
    rates = Rates({"s3": Rate(burst=2, per_s=0.001)}, Rate(burst=1, per_s=0.001))
    for _ in range(2):
        await rates.take("1", "eu-central-1", "s3")

    third = asyncio.create_task(rates.take("1", "eu-central-1", "s3"))
    others = [("2", "eu-central-1", "s3"), ("1", "us-east-1", "s3"), ("1", "eu-central-1", "sts")]
    async with asyncio.timeout(5):
        for account, region, service in others:
            await rates.take(account, region, service)

    assert not third.done()
    third.cancel()
    await asyncio.wait([third])


@pytest.mark.parametrize("allowed", [20, 150, 400])
def test_a_pace_is_found_that_the_service_takes(allowed: int) -> None:
    """Of thousands of calls few are throttled, and a fair part of what is allowed is used."""
    now, tokens, refused, taken = 0.0, allowed / 10, 0, 0
    pace = Pace(lambda: now)
    while taken < 3_000:
        step = max(pace.wait_s(), 0.0005)  # faster than any service allows, as long as nothing holds it back
        now += step
        tokens = min(allowed / 10, tokens + step * allowed)
        if tokens < 1:
            refused += 1
            pace.throttled()
        else:
            tokens -= 1
            taken += 1

    assert refused / (taken + refused) < 0.05
    assert taken / now > allowed * 0.25


def test_nothing_is_held_back_before_anything_was_throttled() -> None:
    """A service that takes all gets all at once."""
    pace = Pace(lambda: 1.0)

    assert [pace.wait_s() for _ in range(1_000)] == [0.0] * 1_000


async def test_regions_of_an_account_share_their_pace() -> None:
    """What one region throttles holds the others back; another account or service goes on."""
    now = 1.0
    rates = Rates({}, Rate(burst=100, per_s=100), monotonic=lambda: now)
    for _ in range(5):
        await rates.take("1", "eu-central-1", "s3")
    rates.throttled("1", "s3")
    await rates.take("1", "us-east-1", "s3")

    held = asyncio.create_task(rates.take("1", "us-west-1", "s3"))
    async with asyncio.timeout(5):
        await rates.take("2", "us-east-1", "s3")
        await rates.take("1", "us-east-1", "iam")

    assert not held.done()
    held.cancel()
    await asyncio.wait([held])
