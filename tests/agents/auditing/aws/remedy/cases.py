"""A bucket, or the account, for each remedy: set up so that there is something to repair."""

from __future__ import annotations

import contextlib
import functools
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.config import Config
from botocore.session import Session

from app.agents.auditing.aws.clients.backend import Patience, config_of
from app.agents.auditing.aws.clients.backend import Place as ClientPlace
from app.agents.auditing.aws.clients.batch import Failed
from app.agents.auditing.aws.clients.context import Ask
from app.agents.auditing.aws.errors import NotFound
from app.agents.auditing.aws.remedy.access import BlockPublicAccess, BlockPublicAccessOfAccount, ClosedAcl
from app.agents.auditing.aws.remedy.keeping import AccessLogs, DefaultEncryption, KeptVersions, TlsOnly
from app.agents.auditing.aws.remedy.settings import Place

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.agents.auditing.aws.clients.batch import Outcome
    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.remedy.plan import Plan, Remedy

ACCOUNT = "123456789012"
"""Whose all buckets of moto are."""
REGION = "eu-central-1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "http://aws.test"
STRANGER = "444455556666"
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
LOGS = "logs-of-all"

_READS = {
    "block": "GetPublicAccessBlock", "encryption": "GetBucketEncryption", "versioning": "GetBucketVersioning",
    "logging": "GetBucketLogging", "policy": "GetBucketPolicy", "acl": "GetBucketAcl",
    "ownership": "GetBucketOwnershipControls",
}  # fmt: skip


class QuickClock:
    """A clock on which all waiting is over at once; it tells how long it was."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return NOW.timestamp() + sum(self.slept)

    def monotonic(self) -> float:
        """Return the seconds that were waited."""
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        """Wait for nothing."""
        self.slept.append(seconds)


@dataclass
class S3:
    """Sets up buckets, and tells what they are."""

    context: AuditContext

    async def __call__(self, operation: str, bucket: str, **parameters: Any) -> dict[str, Any]:
        """Make a call to S3."""
        return await self.context.execute_async("s3", operation, Bucket=bucket, **parameters)

    async def bucket(self, name: str, region: str = REGION) -> Place:
        """Make a bucket."""
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        await self("CreateBucket", name, region=region, **where)
        return Place(ACCOUNT, region, name)

    async def policy(self, name: str, *statements: dict[str, Any]) -> None:
        """Give a bucket a policy."""
        both = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
        every = [{"Resource": both, **each} for each in statements]
        await self("PutBucketPolicy", name, Policy=json.dumps({"Version": "2012-10-17", "Statement": every}))

    async def public(self, name: str) -> None:
        """Give a bucket a policy that lets in anybody, and one account by name."""
        await self.policy(
            name,
            {"Sid": "All", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"},
            {
                "Sid": "Partner",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
                "Action": "s3:ListBucket",
            },
        )

    async def acl(self, name: str, **grants: str) -> None:
        """Give a bucket an ACL: a permission for each grantee, as `READ="uri=..."` or `id=...`."""
        words = {"READ": "GrantRead", "WRITE": "GrantWrite", "FULL_CONTROL": "GrantFullControl"}
        await self("PutBucketAcl", name, **{words[each]: grantee for each, grantee in grants.items()})

    async def logs(self, name: str = LOGS, region: str = REGION) -> None:
        """Make a bucket that takes logs."""
        await self.bucket(name, region)
        await self.policy(
            name,
            {
                "Effect": "Allow",
                "Principal": {"Service": "logging.s3.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::{name}/*",
                "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
            },
        )

    async def snapshot(self, bucket: str) -> dict[str, Any]:
        """Return all settings of a bucket and of the account, as the service answers."""
        asks = [Ask("s3", each, {"Bucket": bucket}) for each in _READS.values()]
        asks.append(Ask("s3control", "GetPublicAccessBlock", {"AccountId": ACCOUNT}))
        found = await self.context.batch_execute_async(asks)
        return {name: _answer(each) for name, each in zip((*_READS, "account"), found, strict=True)}


def _answer(outcome: Outcome[dict[str, Any]]) -> dict[str, Any]:
    if isinstance(outcome, Failed):
        assert isinstance(outcome.error, NotFound), outcome.error
        return {"Code": outcome.error.code}
    return {name: each for name, each in outcome.value.items() if name != "ResponseMetadata"}


def files_of(folder: Path) -> list[Path]:
    """Return the state files in a folder."""
    return sorted(folder.glob("*.json"))


def as_before(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Return whether all is as before; versioning that never was on may be suspended, since S3 knows no way back."""
    if before["versioning"] == {} and now["versioning"] == {"Status": "Suspended"}:
        now = {**now, "versioning": {}}
    return now == before


@dataclass(frozen=True)
class Case:
    """A remedy and what it repairs.

    Attributes:
        name: Of the test.
        writes: The operations that it takes.
    """

    name: str
    writes: tuple[str, ...]

    async def set_up(  # noqa: C901, PLR0911 - one row each
        self, s3: S3, bucket: str
    ) -> tuple[Remedy, Place]:
        """Make a bucket that needs the remedy; return both."""
        place = await s3.bucket(bucket)
        match self.name:
            case "block":
                await s3.public(bucket)
                return BlockPublicAccess(), place
            case "block, some on":
                on = {"BlockPublicAcls": True, "IgnorePublicAcls": False}
                await s3("PutPublicAccessBlock", bucket, PublicAccessBlockConfiguration=on)
                return BlockPublicAccess(), place
            case "account":
                await s3.context.execute_async("s3control", "DeletePublicAccessBlock", AccountId=ACCOUNT)
                return BlockPublicAccessOfAccount(), Place(ACCOUNT, REGION)
            case "encryption":
                return DefaultEncryption(), place
            case "kms":
                rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                await s3("PutBucketEncryption", bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
                made = await s3.context.execute_async(
                    "kms", "CreateKey", KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT"
                )
                return DefaultEncryption(made["KeyMetadata"]["KeyId"]), place
            case "versioning":
                return KeptVersions(), place
            case "logging":
                await s3.logs(f"{bucket}-logs")
                return AccessLogs(f"{bucket}-logs"), place
            case "tls":
                await s3.public(bucket)
                return TlsOnly(), place
            case "tls, no policy":
                return TlsOnly(), place
            case "acl":
                await s3.acl(bucket, READ=f'uri="{ALL_USERS}"', WRITE=f'uri="{ALL_USERS}"')
                return ClosedAcl(), place
        raise AssertionError(self.name)


CASES = (
    Case("block", ("s3:PutPublicAccessBlock",)),
    Case("block, some on", ("s3:PutPublicAccessBlock",)),
    Case("account", ("s3control:PutPublicAccessBlock",)),
    Case("encryption", ("s3:PutBucketEncryption",)),
    Case("kms", ("s3:PutBucketEncryption",)),
    Case("versioning", ("s3:PutBucketVersioning",)),
    Case("logging", ("s3:PutBucketLogging",)),
    Case("tls", ("s3:PutBucketPolicy",)),
    Case("tls, no policy", ("s3:PutBucketPolicy",)),
    Case("acl", ("s3:PutBucketAcl", "s3:PutBucketOwnershipControls")),
)

SOME = frozenset({"block", "account", "acl"})
"""Cases that stand for all where the remedy hardly matters: a setting that was not there before, one of the account,
and two settings."""

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
mostly_some_cases = pytest.mark.parametrize(
    "case", [pytest.param(each, id=each.name, marks=[] if each.name in SOME else pytest.mark.slow) for each in CASES]
)


class Made:
    """What needs a remedy, with a plan of it. It is made anew where it is no longer to the letter as it was.

    Args:
        case: The remedy.
        s3: Sets it up.
    """

    def __init__(self, case: Case, s3: S3) -> None:
        self._case = case
        self._s3 = s3
        self._number = 0
        self._is_as_it_was = False

    async def plan(self) -> tuple[Remedy, Place, Plan]:
        """Return the remedy, for what, and the plan."""
        if not self._is_as_it_was:
            self._number += 1
            remedy, place = await self._case.set_up(self._s3, self._bucket)
            self._made = remedy, place, await remedy.plan(self._s3.context, place, now=NOW)
            self._before = await self._s3.snapshot(self._bucket)
        self._is_as_it_was = False
        return self._made

    async def is_as_before(self) -> bool:
        """Return whether all is as before, as of `as_before`."""
        now = await self._s3.snapshot(self._bucket)
        self._is_as_it_was = now == self._before
        return as_before(self._before, now)

    @property
    def _bucket(self) -> str:
        return f"shop-{self._number}"


@functools.cache
def _session() -> Session:
    session = Session()
    session.set_credentials("AKIAOFTHETESTS", "secret")
    return session


def as_sent(asks: Iterable[Ask]) -> list[tuple[str, str, tuple[tuple[str, str], ...], bytes]]:
    """Return what calls look like on the wire, as botocore puts them: method, path, query and body."""
    session = _session()
    made = []
    for ask in asks:
        place = ClientPlace(ask.service, ask.region, URL)
        client = session.create_client(
            ask.service, region_name=ask.region, endpoint_url=URL, config=Config(**config_of(place, Patience()))
        )
        sent: list[Any] = []

        def keep(request: Any, into: list[Any] = sent, **_: Any) -> None:
            into.append(request)
            raise _KeptError

        client.meta.events.register("before-send", keep)
        name = "".join(f"_{each.lower()}" if each.isupper() else each for each in ask.operation).lstrip("_")
        with contextlib.suppress(_KeptError):
            getattr(client, name)(**ask.parameters)
        client.close()
        made.append(_wire(sent[0]))
    return made


class _KeptError(Exception):
    pass


def _wire(request: Any) -> tuple[str, str, tuple[tuple[str, str], ...], bytes]:
    target = urlsplit(request.url)
    body = request.body or b""
    body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
    return request.method, target.path, tuple(sorted(parse_qsl(target.query, keep_blank_values=True))), body
