"""How operations are called, and how often they are asked."""

from __future__ import annotations

import asyncio

import pytest

from app.agents.auditing.aws.clients.iam import action_of
from app.agents.auditing.aws.clients.rates import Rate, Rates


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
