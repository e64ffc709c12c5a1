"""Two hundred buckets in six regions whose faults are known: what to put on AWS' stand-in, and what is to be found.

    await seed(context)                       # puts them there
    ORACLE[name, Check.TLS_ONLY]              # what an audit must say

The table is made from a fixed seed, so it is the same each time. It is judged from what was put there, by rules that
are told in `verdict_of`, and by no code of the audits.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from app.agents.auditing.aws.clients.batch import Failed
from app.domain.findings import AuditVerdict

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.context import AuditContext

SEED = 20_240
COUNT = 200
REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "eu-west-1", "ap-southeast-2", "sa-east-1")
OFF = (False, False, False, False)
ON = (True, True, True, True)
SWITCHES = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class Check(StrEnum):
    """What is looked at. The first five make a thousand verdicts."""

    PUBLIC = "public"
    ENCRYPTION = "encryption"
    VERSIONING = "versioning"
    LOGGING = "logging"
    TLS_ONLY = "tls-only"
    BLOCK_PUBLIC_ACCESS = "block-public-access"


@dataclass(frozen=True)
class Exposure:
    """How a bucket is, or seems to be, open.

    Attributes:
        word: What it is called here.
        public: Whether anybody outside gets in, with what `blocks` do.
        acl: A canned ACL.
        principal: Of a statement that allows reading, as JSON has it; None for no statement.
        condition: Of that statement.
        blocks: The four switches that are set on the bucket; None where they are free.
    """

    word: str
    public: bool
    acl: str = ""
    principal: Any = None
    condition: Any = None
    blocks: tuple[bool, bool, bool, bool] | None = None


# "public" after "The meaning of 'public'" in "Blocking public access to your Amazon S3 storage", Amazon S3 User Guide.
EXPOSURES = (
    Exposure("private", public=False),
    Exposure("private-blocked", public=False, blocks=ON),
    Exposure("private-half-blocked", public=False, blocks=(True, True, False, False)),
    Exposure("acl-read", public=True, acl="public-read", blocks=OFF),
    Exposure("acl-write", public=True, acl="public-read-write", blocks=OFF),
    Exposure("acl-authenticated", public=True, acl="authenticated-read", blocks=OFF),
    Exposure("acl-ignored", public=False, acl="public-read", blocks=(False, True, False, False)),
    Exposure("acl-blocked-too-late", public=True, acl="public-read", blocks=(True, False, False, False)),
    Exposure("policy-star", public=True, principal="*", blocks=OFF),
    Exposure("policy-aws-star", public=True, principal={"AWS": "*"}, blocks=OFF),
    Exposure("policy-restricted", public=False, principal="*", blocks=(False, False, False, True)),
    Exposure("policy-blocked-too-late", public=True, principal="*", blocks=(False, False, True, False)),
    Exposure(
        "policy-address",
        public=False,
        principal="*",
        condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        blocks=OFF,
    ),
    Exposure(
        "policy-all-addresses",
        public=True,
        principal="*",
        condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
        blocks=OFF,
    ),
    Exposure(
        "policy-organisation",
        public=False,
        principal="*",
        condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
        blocks=OFF,
    ),
    Exposure(
        "policy-endpoint",
        public=False,
        principal="*",
        condition={"StringEquals": {"aws:SourceVpce": "vpce-0a1b2c3d4e5f60718"}},
        blocks=OFF,
    ),
    Exposure("policy-account", public=False, principal={"AWS": "arn:aws:iam::210987654321:root"}, blocks=OFF),
)


_CYCLE = (*EXPOSURES, *[EXPOSURES[1]] * 3)
"""Wholly blocked ones are as common as others are rare."""


@dataclass(frozen=True)
class Bucket:
    """A bucket as it is put there.

    Attributes:
        name: Its name.
        region: Where.
        exposure: How it is open.
        blocks: The four switches; None for none set.
        encrypted: Whether a default encryption is set.
        versioned: `Enabled`, `Suspended`, or empty for never set.
        logged: Whether accesses are logged.
        tls: Whether its policy refuses what comes without TLS.
    """

    name: str
    region: str
    exposure: Exposure
    blocks: tuple[bool, bool, bool, bool] | None
    encrypted: bool
    versioned: str
    logged: bool
    tls: bool

    @property
    def policy(self) -> str:
        """Its policy as JSON; empty for none."""
        arns = [f"arn:aws:s3:::{self.name}", f"arn:aws:s3:::{self.name}/*"]
        statements: list[dict[str, Any]] = []
        if self.tls:
            statements.append(
                {
                    "Sid": "TLSOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": arns,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            )
        if self.exposure.principal is not None:
            opened = {"Effect": "Allow", "Principal": self.exposure.principal, "Action": "s3:GetObject"}
            condition = {"Condition": self.exposure.condition} if self.exposure.condition else {}
            statements.append({"Sid": "Open", **opened, "Resource": arns[1], **condition})
        return json.dumps({"Version": "2012-10-17", "Statement": statements}) if statements else ""


def _made() -> tuple[Bucket, ...]:
    chance = random.Random(SEED)  # noqa: S311 - a table, not a secret
    buckets = []
    for number in range(COUNT):
        exposure = _CYCLE[number % len(_CYCLE)]
        buckets.append(
            Bucket(
                name=f"wk-{number:03d}-{exposure.word}",
                region=chance.choice(REGIONS),
                exposure=exposure,
                blocks=exposure.blocks,
                encrypted=chance.random() < 0.7,
                versioned=chance.choices(("Enabled", "Suspended", ""), (6, 1, 3))[0],
                logged=chance.random() < 0.6,
                tls=chance.random() < 0.5,
            )
        )
    return tuple(buckets)


def verdict_of(bucket: Bucket, check: Check) -> AuditVerdict:
    """Return what an audit must say about a bucket.

    Public: PASS unless anybody outside gets in. Encryption: PASS when a default encryption is set. Versioning: PASS
    when it is enabled; suspended is not. Logging: PASS when it has a target. TLS only: PASS when the policy refuses the
    rest. Block public access: PASS when all four switches of the bucket are on.
    """
    passes = {
        Check.PUBLIC: not bucket.exposure.public,
        Check.ENCRYPTION: bucket.encrypted,
        Check.VERSIONING: bucket.versioned == "Enabled",
        Check.LOGGING: bucket.logged,
        Check.TLS_ONLY: bucket.tls,
        Check.BLOCK_PUBLIC_ACCESS: bucket.blocks == ON,
    }[check]
    return AuditVerdict.PASS if passes else AuditVerdict.FAIL


BUCKETS = _made()
ORACLE = {(bucket.name, check): verdict_of(bucket, check) for bucket in BUCKETS for check in Check}


def log_bucket(region: str) -> str:
    """Return the bucket that the logs of a region go to; it has no verdicts."""
    return f"wk-logs-{region}"


async def seed(context: AuditContext, buckets: tuple[Bucket, ...] = BUCKETS, at_once: int = 4) -> None:
    """Put buckets there, and where their logs go.

    Args:
        context: The account they shall belong to.
        buckets: Which; all for an oracle of all.
        at_once: How many at a time.

    Raises:
        CannotError: One could not be put there.
    """
    places = [partial(_log_place, context, region) for region in sorted({each.region for each in buckets})]
    for units in (places, [partial(_put, context, each) for each in buckets]):
        for outcome in await context.clients.batch(units, at_once):
            if isinstance(outcome, Failed):
                raise outcome.error


async def _create(context: AuditContext, name: str, region: str, **more: object) -> None:
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    await context.execute_async("s3", "CreateBucket", region=region, Bucket=name, **where, **more)


async def _log_place(context: AuditContext, region: str) -> None:
    await _create(context, log_bucket(region), region, ACL="log-delivery-write")


async def _put(context: AuditContext, bucket: Bucket) -> None:
    name, region = bucket.name, bucket.region
    do = partial(context.execute_async, "s3", region=region, Bucket=name)
    await _create(context, name, region)
    if bucket.encrypted:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        await do("PutBucketEncryption", ServerSideEncryptionConfiguration={"Rules": [rule]})
    if bucket.versioned:
        await do("PutBucketVersioning", VersioningConfiguration={"Status": bucket.versioned})
    if bucket.logged:  # before the policy: moto denies it afterwards where a statement has the principal "*"
        target = {"TargetBucket": log_bucket(region), "TargetPrefix": f"{name}/"}
        await do("PutBucketLogging", BucketLoggingStatus={"LoggingEnabled": target})
    if bucket.exposure.acl:
        await do("PutBucketAcl", ACL=bucket.exposure.acl)
    if bucket.policy:
        await do("PutBucketPolicy", Policy=bucket.policy)
    if bucket.blocks is not None:  # last: set first, AWS would refuse what it is to block
        switches = dict(zip(SWITCHES, bucket.blocks, strict=True))
        await do("PutPublicAccessBlock", PublicAccessBlockConfiguration=switches)
