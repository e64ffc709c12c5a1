"""What the tests of the scanner share: how an account is scanned, and which calls its rules need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.aws.s3 import RULES, S3Scanner
from app.agents.auditing.aws.s3.rules import ACCOUNT_RULES
from app.domain.findings import AuditVerdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.shape import Judgement, Unit
    from tests.agents.auditing.aws.denying import Asked, Denying, Reply

PASS, FAIL, UNKNOWN = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN
ALL = tuple(each.id for each in RULES)
OF_BUCKETS = tuple(each for each in ALL if each not in ACCOUNT_RULES)
NAMES = {
    "s3:GetBucketAcl": "s3:GetBucketAcl",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketLogging": "s3:GetBucketLogging",
    "s3:GetBucketOwnershipControls": "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy": "s3:GetBucketPolicy",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetBucketVersioning": "s3:GetBucketVersioning",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
}
"""How IAM names what judging asks for."""


async def scanned(
    context: AuditContext, rules: Collection[str] = ALL, regions: Collection[str] = ()
) -> dict[tuple[str, str], Judgement]:
    """Return all judgements by the last part of the resource's ARN and the rule."""
    return await judged(context, await units_of(context, rules, *regions))


async def judged(context: AuditContext, units: Iterable[Unit]) -> dict[tuple[str, str], Judgement]:
    """Return the judgements of units, likewise."""
    every = [each for unit in units for each in await S3Scanner().judge(context, unit)]
    found = {(each.resource.rpartition(":")[2], each.rule): each for each in every}
    assert len(found) == len(every)
    return found


async def units_of(context: AuditContext, rules: Collection[str] = OF_BUCKETS, *regions: str) -> list[Unit]:
    return [each async for each in S3Scanner().units(context, rules, regions)]


def operation_of(need: str) -> str:
    return {
        "acl": "s3:GetBucketAcl",
        "policy": "s3:GetBucketPolicy",
        "block": "s3:GetPublicAccessBlock",
        "account_block": "s3control:GetPublicAccessBlock",
        "ownership": "s3:GetBucketOwnershipControls",
        "encryption": "s3:GetBucketEncryption",
        "logging": "s3:GetBucketLogging",
        "versioning": "s3:GetBucketVersioning",
        "object_lock": "s3:GetObjectLockConfiguration",
        "lifecycle": "s3:GetBucketLifecycleConfiguration",
        "replication": "s3:GetBucketReplication",
    }[need]


def listing(*buckets: tuple[str, str], more: str = "") -> str:
    """Return an answer to ListBuckets, with names and regions, and what the next page is asked for with."""
    told = (
        f"<Bucket><Name>{name}</Name>{f'<BucketRegion>{region}</BucketRegion>' if region else ''}</Bucket>"
        for name, region in buckets
    )
    token = f"<ContinuationToken>{more}</ContinuationToken>" if more else ""
    return f"<ListAllMyBucketsResult><Buckets>{''.join(told)}</Buckets>{token}</ListAllMyBucketsResult>"


def paged(proxy: Denying, *replies: Reply) -> None:
    """Have ListBuckets answered with one reply after the other."""
    left = list(replies)

    def turn(asked: Asked) -> None:
        if asked.operation == "s3:ListBuckets":
            proxy.answers[asked.operation] = left.pop(0)

    proxy.before = turn
