"""moto for what S3 would answer, behind a proxy that can answer otherwise, and an account that is asked through it."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.clients.account import Account
from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.agents.auditing.aws.policy import ALL_USERS
from tests.agents.auditing.aws.denying import Denying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from app.agents.auditing.aws.clients.backend import Backend

ACCOUNT = "123456789012"
"""Whose all buckets of moto are."""
REGION = "eu-central-1"
ON = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


@pytest.fixture
def proxy(moto_url: str, no_aws_around: None) -> Iterator[Denying]:
    """Give the proxy in front of moto, which is empty."""
    del no_aws_around
    reset = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")  # noqa: S310 - on loopback
    urllib.request.urlopen(reset).close()  # noqa: S310 - likewise
    with Denying(moto_url) as made:
        yield made


@pytest.fixture
def patience() -> Patience:
    """Give the patience with S3: one attempt, since what is tested here is what becomes of a failure."""
    return Patience(connect_s=10.0, read_s=10.0, attempts=1)


@pytest.fixture
async def context(proxy: Denying, backend: Backend, patience: Patience) -> AsyncIterator[AuditContext]:
    """Give the account."""
    async with AsyncClientManager(backend, endpoint_url=proxy.url, patience=patience) as clients:
        yield AuditContext(Account(ACCOUNT, GivenKeys(Keys("AKIAOFTHETESTS", "secret"))), REGION, clients)


class S3:
    """Sets up buckets, in few words."""

    def __init__(self, context: AuditContext) -> None:
        self._context = context

    async def __call__(self, operation: str, **parameters: Any) -> None:
        """Make a call to S3."""
        await self._context.execute_async("s3", operation, **parameters)

    async def bucket(self, name: str, region: str = REGION, *, ownership: str = "", **parameters: Any) -> None:
        """Make a bucket."""
        if region != "us-east-1":
            parameters["CreateBucketConfiguration"] = {"LocationConstraint": region}
        if ownership:
            parameters["ObjectOwnership"] = ownership
        await self("CreateBucket", Bucket=name, region=region, **parameters)

    async def policy(self, name: str, *statements: dict[str, Any]) -> None:
        """Give a bucket a policy; a statement without resources is about the bucket and its objects."""
        both = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
        text = json.dumps({"Version": "2012-10-17", "Statement": [{"Resource": both, **each} for each in statements]})
        await self("PutBucketPolicy", Bucket=name, Policy=text)

    async def block(self, name: str = "", **switches: bool) -> None:
        """Turn on block public access, for a bucket or, without a name, for the account."""
        configuration = switches or ON
        if name:
            await self("PutPublicAccessBlock", Bucket=name, PublicAccessBlockConfiguration=configuration)
            return
        await self._context.execute_async(
            "s3control", "PutPublicAccessBlock", AccountId=ACCOUNT, PublicAccessBlockConfiguration=configuration
        )


@pytest.fixture
def s3(context: AuditContext) -> S3:
    """Give what sets up buckets."""
    return S3(context)


EVERYBODY: dict[str, Any] = {"Effect": "Allow", "Principal": "*"}
TLS_ONLY: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
PARTNER = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "s3:GetObject"}


@pytest.fixture
async def account(s3: S3, proxy: Denying) -> None:
    """Set up buckets of several kinds; none is protected by the account."""
    await s3.bucket("closed", ownership="BucketOwnerEnforced", ObjectLockEnabledForBucket=True)
    await s3.bucket("logs", ACL="log-delivery-write")
    logging = {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": ""}}
    await s3("PutBucketLogging", Bucket="closed", BucketLoggingStatus=logging)
    await s3.policy("closed", TLS_ONLY)
    await s3.block("closed")
    kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:eu-central-1:123456789012:key/1"}
    await s3(
        "PutBucketEncryption",
        Bucket="closed",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": kms}]},
    )
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 90}}
    await s3("PutBucketLifecycleConfiguration", Bucket="closed", LifecycleConfiguration={"Rules": [rule]})
    await s3.bucket("acl-read", "eu-west-1", ACL="public-read")
    await s3.bucket("acl-write", "eu-west-1")
    # moto tells only the READ of public-read-write
    await s3("PutBucketAcl", Bucket="acl-write", GrantWrite=f"uri={ALL_USERS}", region="eu-west-1")
    await s3.bucket("web")
    await s3.policy("web", {**EVERYBODY, "Action": "s3:GetObject", "Sid": "Web"}, PARTNER)
    await s3.bucket("drop", "us-east-1")
    await s3.policy("drop", {**EVERYBODY, "Action": "s3:PutObject"})
    await s3.bucket("office")
    await s3.policy(
        "office", {**EVERYBODY, "Action": "s3:*", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}
    )
    await s3.bucket("partner")
    await s3.policy("partner", PARTNER)
    await s3.bucket("friend")
    await s3("PutBucketAcl", Bucket="friend", GrantRead=f"id={'d' * 64}")
    await s3.bucket("shielded", ACL="public-read-write")
    await s3.policy("shielded", {**EVERYBODY, "Action": "s3:*"})
    await s3.block("shielded")
    proxy.asked.clear()
