"""Asks S3 for facts: only for those that are wanted, each once, each bucket in its own region.

What S3 answers, and by which error it says that a setting is missing, is from the Amazon S3 API Reference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from app.agents.auditing.aws.clients.context import Ask
from app.agents.auditing.aws.policy import AclGrant, Ownership, PublicAccessBlock
from app.agents.auditing.aws.reading import NotRead, fact_of, is_missing
from app.agents.auditing.aws.s3.exposures import open_to
from app.agents.auditing.aws.s3.facts import Acl, Bucket, Encryption, ObjectLock, Policy, Versioning

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

    from app.agents.auditing.aws.clients.backend import Answer
    from app.agents.auditing.aws.clients.batch import Outcome
    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.policy import ResourceVerdict
    from app.agents.auditing.aws.reading import Fact

ACCOUNT_BLOCK = "account_block"
GONE = "NoSuchBucket"

_FIRST_NAMES = {"": "us-east-1", "EU": "eu-west-1"}

Read: TypeAlias = "Callable[[Answer], object]"
Judge: TypeAlias = "Callable[[str, Bucket], Awaitable[ResourceVerdict]]"


@dataclass(frozen=True, slots=True)
class _Question:
    """How a fact is asked for.

    Attributes:
        operation: As the API names it.
        read: Makes the fact of an answer; None when nothing is set.
        none: The error codes by which S3 says that nothing is set.
        service: As botocore names it.
    """

    operation: str
    read: Read
    none: frozenset[str] = frozenset()
    service: str = "s3"


async def gather(
    context: AuditContext,
    buckets: Sequence[Bucket],
    needs: Collection[str],
    judge: Judge,
    *,
    where_open: Collection[str] = (),
) -> list[Bucket | None]:
    """Return the buckets with the facts that are needed, in their order; None for one that does not exist any more.

    Args:
        context: The account.
        buckets: With their regions.
        needs: The facts, by the names of Bucket's attributes.
        judge: Judges the text of a bucket's policy.
        where_open: More facts, which are asked for only of buckets where they decide (see `open_to`). Of 200 buckets of
            which a half is or seems open that saves 262 of 1,663 calls.
    """
    made = await _asked(context, [(each, needs) for each in buckets], judge)
    doubted = {
        number: facts
        for number, bucket in enumerate(made)
        if bucket is not None and (facts := open_to(bucket).intersection(where_open))
    }
    asks = [(bucket, doubted[number]) for number, bucket in enumerate(made) if bucket is not None and number in doubted]
    for number, again in zip(doubted, await _asked(context, asks, judge), strict=True):
        made[number] = again
    return made


async def _asked(
    context: AuditContext, wanted: Sequence[tuple[Bucket, Collection[str]]], judge: Judge
) -> list[Bucket | None]:
    """Return each bucket with its facts; the account's are asked for once."""
    named = [(bucket, [each for each in _QUESTIONS if each in facts]) for bucket, facts in wanted]
    asks = [
        Ask("s3", _QUESTIONS[fact].operation, {"Bucket": bucket.name}, bucket.region)
        for bucket, facts in named
        for fact in facts
    ]
    for_account = any(ACCOUNT_BLOCK in facts for _, facts in wanted)
    if for_account:
        asks.append(Ask("s3control", _ACCOUNT_QUESTION.operation, {"AccountId": context.account.id}))
    outcomes = iter(await context.batch_execute_async(asks)) if asks else iter(())
    answers = [dict(zip(facts, islice(outcomes, len(facts)), strict=True)) for _, facts in named]
    shared = {ACCOUNT_BLOCK: _fact(_ACCOUNT_QUESTION, next(outcomes))} if for_account else {}
    return [
        None if any(map(_is_gone, own.values())) else await _filled(bucket, own, shared, judge)
        for (bucket, _), own in zip(named, answers, strict=True)
    ]


async def account_of(context: AuditContext, needs: Collection[str]) -> Bucket:
    """Return what is known of the account, as a bucket without a name.

    Args:
        context: The account.
        needs: As of `gather`.
    """
    account = Bucket("", "", context.account.id, context.partition)
    if ACCOUNT_BLOCK not in needs:
        return account
    asks = [Ask("s3control", _ACCOUNT_QUESTION.operation, {"AccountId": context.account.id})]
    (outcome,) = await context.batch_execute_async(asks)
    return replace(account, account_block=_fact(_ACCOUNT_QUESTION, outcome))


async def locate(context: AuditContext, names: Sequence[str]) -> list[str | NotRead | None]:
    """Return the region of each bucket by GetBucketLocation, in their order; None for one that does not exist any more.

    Args:
        context: The account.
        names: Of the buckets.
    """
    outcomes = await context.batch_execute_async(Ask("s3", _LOCATION.operation, {"Bucket": each}) for each in names)
    return [None if _is_gone(each) else _region(each) for each in outcomes]


def _region(outcome: Outcome[Answer]) -> str | NotRead:
    """Return a region after "GetBucketLocation": none is us-east-1, and `EU` the first name of eu-west-1."""
    fact = _fact(_LOCATION, outcome)
    return fact if isinstance(fact, NotRead) else _FIRST_NAMES.get(fact or "", str(fact))


def _is_gone(outcome: Outcome[Answer]) -> bool:
    return is_missing(outcome, {GONE})


async def _filled(
    bucket: Bucket, own: Mapping[str, Outcome[Answer]], shared: Mapping[str, Any], judge: Judge
) -> Bucket:
    facts: dict[str, Any] = {fact: _fact(_QUESTIONS[fact], outcome) for fact, outcome in own.items()}
    text = facts.get("policy")
    if isinstance(text, str):
        facts["policy"] = Policy(text, await judge(text, bucket))
    return replace(bucket, **facts, **shared)


def _fact(question: _Question, outcome: Outcome[Answer]) -> Fact[Any]:
    if is_missing(outcome, question.none):
        return None
    return fact_of(outcome, question.service, question.operation, question.read)


def _acl(answer: Answer) -> Acl:
    return Acl(
        owner=answer.get("Owner", {}).get("ID", ""),
        grants=tuple(AclGrant(_grantee(each["Grantee"]), each["Permission"]) for each in answer["Grants"]),
    )


def _grantee(raw: Mapping[str, str]) -> str:
    return raw.get("URI") or raw.get("ID") or raw["EmailAddress"]


def _block(answer: Answer) -> PublicAccessBlock:
    switches = answer["PublicAccessBlockConfiguration"]
    return PublicAccessBlock(
        block_public_acls=bool(switches.get("BlockPublicAcls")),
        ignore_public_acls=bool(switches.get("IgnorePublicAcls")),
        block_public_policy=bool(switches.get("BlockPublicPolicy")),
        restrict_public_buckets=bool(switches.get("RestrictPublicBuckets")),
    )


def _ownership(answer: Answer) -> Ownership:
    (rule,) = answer["OwnershipControls"]["Rules"]
    return Ownership(rule["ObjectOwnership"])


def _encryption(answer: Answer) -> Encryption | None:
    rules: Iterable[Answer] = answer["ServerSideEncryptionConfiguration"]["Rules"]
    defaults = (each.get("ApplyServerSideEncryptionByDefault") for each in rules)
    found = next((each for each in defaults if each), None)
    return Encryption(found["SSEAlgorithm"], found.get("KMSMasterKeyID", "")) if found else None


def _logging(answer: Answer) -> str | None:
    enabled = answer.get("LoggingEnabled")
    return str(enabled["TargetBucket"]) if enabled else None


def _versioning(answer: Answer) -> Versioning:
    return Versioning(answer.get("Status", ""), mfa_delete=answer.get("MFADelete") == "Enabled")


def _object_lock(answer: Answer) -> ObjectLock | None:
    lock = answer["ObjectLockConfiguration"]
    if lock.get("ObjectLockEnabled") != "Enabled":
        return None
    default = lock.get("Rule", {}).get("DefaultRetention", {})
    times = [f"{default[unit]} {unit.lower()}" for unit in ("Days", "Years") if unit in default]
    return ObjectLock(", ".join([default["Mode"], *times]) if default else "")


def _lifecycle(answer: Answer) -> int:
    return sum(each["Status"] == "Enabled" for each in answer["Rules"])


def _replication(answer: Answer) -> tuple[str, ...]:
    rules = answer["ReplicationConfiguration"]["Rules"]
    return tuple(dict.fromkeys(each["Destination"]["Bucket"] for each in rules if each["Status"] == "Enabled"))


_NO_BLOCK = frozenset({"NoSuchPublicAccessBlockConfiguration"})
_QUESTIONS: dict[str, _Question] = {
    "acl": _Question("GetBucketAcl", _acl),
    "policy": _Question("GetBucketPolicy", lambda answer: answer["Policy"], frozenset({"NoSuchBucketPolicy"})),
    "block": _Question("GetPublicAccessBlock", _block, _NO_BLOCK),
    "ownership": _Question("GetBucketOwnershipControls", _ownership, frozenset({"OwnershipControlsNotFoundError"})),
    "encryption": _Question(
        "GetBucketEncryption", _encryption, frozenset({"ServerSideEncryptionConfigurationNotFoundError"})
    ),
    "logging": _Question("GetBucketLogging", _logging),
    "versioning": _Question("GetBucketVersioning", _versioning),
    "object_lock": _Question(
        "GetObjectLockConfiguration", _object_lock, frozenset({"ObjectLockConfigurationNotFoundError"})
    ),
    "lifecycle": _Question("GetBucketLifecycleConfiguration", _lifecycle, frozenset({"NoSuchLifecycleConfiguration"})),
    "replication": _Question(
        "GetBucketReplication", _replication, frozenset({"ReplicationConfigurationNotFoundError"})
    ),
}
"""By the names of Bucket's attributes."""
_ACCOUNT_QUESTION = _Question("GetPublicAccessBlock", _block, _NO_BLOCK, service="s3control")
_LOCATION = _Question("GetBucketLocation", lambda answer: answer.get("LocationConstraint"))
