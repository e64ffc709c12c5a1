"""What AWS says of a bucket, read without any judgement: the plain way, to hold other ways against."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.agents.auditing.aws.errors import NotFound
from app.domain.findings import AuditVerdict
from tests.benchmarks.aws.buckets import SWITCHES, Check

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.context import AuditContext
    from tests.benchmarks.aws.buckets import Bucket

CALLS = (
    "GetBucketLocation",
    "GetBucketAcl",
    "GetBucketPolicy",
    "GetPublicAccessBlock",
    "GetBucketEncryption",
    "GetBucketVersioning",
    "GetBucketLogging",
)


async def facts_of(context: AuditContext, bucket: Bucket) -> dict[str, Any]:
    """Return the answer of each call; None where there is no such setting.

    Args:
        context: The account it belongs to.
        bucket: Which one.
    """
    facts: dict[str, Any] = {}
    for operation in CALLS:
        try:
            facts[operation] = await context.execute_async("s3", operation, region=bucket.region, Bucket=bucket.name)
        except NotFound:
            facts[operation] = None
    return facts


def seen_in(facts: dict[str, Any], check: Check) -> AuditVerdict:
    """Return what the facts come to, for the checks that need no understanding of policies.

    Args:
        facts: As of `facts_of`.
        check: Any but PUBLIC.
    """
    if set(facts) != set(CALLS):
        return AuditVerdict.UNKNOWN
    policy = json.loads(facts["GetBucketPolicy"]["Policy"]) if facts["GetBucketPolicy"] else {"Statement": []}
    block = facts["GetPublicAccessBlock"] or {"PublicAccessBlockConfiguration": {}}
    passes = {
        Check.ENCRYPTION: facts["GetBucketEncryption"] is not None,
        Check.VERSIONING: facts["GetBucketVersioning"].get("Status") == "Enabled",
        Check.LOGGING: "LoggingEnabled" in facts["GetBucketLogging"],
        Check.TLS_ONLY: any(each["Sid"] == "TLSOnly" for each in policy["Statement"]),
        Check.BLOCK_PUBLIC_ACCESS: all(block["PublicAccessBlockConfiguration"].get(each) for each in SWITCHES),
    }[check]
    return AuditVerdict.PASS if passes else AuditVerdict.FAIL
