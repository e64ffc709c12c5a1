"""Remedies that keep and protect what is stored: default encryption, versioning, access logs, TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from app.agents.auditing.aws.errors import AWSError
from app.agents.auditing.aws.reading import listed
from app.agents.auditing.aws.remedy.errors import NotPlanned, NotPossible
from app.agents.auditing.aws.remedy.looking import look
from app.agents.auditing.aws.remedy.plan import checked, planned
from app.agents.auditing.aws.remedy.policies import (
    delivery_statement,
    holds,
    is_tls_only,
    lets_logs_in,
    with_tls_only,
)
from app.agents.auditing.aws.remedy.settings import Place

if TYPE_CHECKING:
    from datetime import datetime

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.remedy.looking import Seen
    from app.agents.auditing.aws.remedy.plan import Plan
    from app.agents.auditing.aws.remedy.settings import Json

AES256 = "AES256"
KMS = "aws:kms"


class DefaultEncryption:
    """Encrypts new objects: with keys of S3, or with a key of KMS that a person names.

    Args:
        key: The key's ARN or id, or an alias of it; empty for keys of S3 (AES256), which are asked for nothing where
            KMS is set already.
    """

    id: ClassVar[str] = "s3-default-encryption"
    title: ClassVar[str] = "Encrypt new objects by default"

    def __init__(self, key: str = "") -> None:
        self._key = key

    @property
    def rule(self) -> str:
        """The id of the rule that it satisfies."""
        return "s3-kms-encryption" if self._key else "s3-default-encryption"

    async def plan(self, context: AuditContext, place: Place, *, now: datetime) -> Plan:
        """Return what would be done; for arguments and errors see Remedy."""
        checked(context, place)
        seen = await look(context, place, "encryption")
        rules: list[Json] = seen.need("encryption") or []
        has = _default(rules)
        if not self._key:
            wanted: Json = {"SSEAlgorithm": AES256}
            if has:
                return planned(self, seen, now, {})
            return planned(self, seen, now, {"encryption": _with(rules, wanted, bucket_key=False)}, (_FROM_NOW,))
        arn = await self._usable(context, place)
        wanted = {"SSEAlgorithm": has if has.startswith(KMS) else KMS, "KMSMasterKeyID": arn}
        touches = (
            _FROM_NOW,
            (
                f"Who reads a new object needs kms:Decrypt on {arn}, and who puts one kms:GenerateDataKey: other "
                "accounts, roles without it and anybody without credentials lose access to new objects."
            ),
            "Each use of the key is billed; a bucket key keeps that low.",
        )
        return planned(self, seen, now, {"encryption": _with(rules, wanted, bucket_key=True)}, touches)

    async def _usable(self, context: AuditContext, place: Place) -> str:
        """Return the key's ARN, of one that S3 can use: "Using server-side encryption with AWS KMS keys (SSE-KMS)"."""
        try:
            answer = await context.execute_async("kms", "DescribeKey", region=place.region, KeyId=self._key)
        except AWSError as error:
            raise NotPlanned(
                f"{place.name} in {place.region}: {error.operation} {error.short} for the key {self._key[:200]}. "
                "Nothing was changed.",
                "Name a key of the bucket's region that may be looked at.",
            ) from None
        found = answer["KeyMetadata"]
        faults = {
            "it is not enabled": found.get("KeyState") != "Enabled",
            "it is not symmetric": found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT",
            "it is not for encryption": found.get("KeyUsage") != "ENCRYPT_DECRYPT",
            f"it is not in {place.region}": found["Arn"].split(":")[3] != place.region,
        }
        fault = next((why for why, is_so in faults.items() if is_so), "")
        if fault:
            raise NotPossible(
                f"The key {found['Arn']} cannot encrypt {place.name}: {fault}. Nothing was changed.",
                "Name an enabled, symmetric key of the bucket's region.",
            )
        return str(found["Arn"])


_FROM_NOW = "Only objects that are put from then on are encrypted so; those that are there stay as they are."


def _default(rules: list[Json]) -> str:
    found = [
        each["ApplyServerSideEncryptionByDefault"] for each in rules if "ApplyServerSideEncryptionByDefault" in each
    ]
    return str(found[0]["SSEAlgorithm"]) if found else ""


def _with(rules: list[Json], wanted: Json, *, bucket_key: bool) -> list[Json]:
    """Return the rules with another default; what else they say stays."""
    rest = rules[0] if rules else {}
    return [{**rest, "ApplyServerSideEncryptionByDefault": wanted, "BucketKeyEnabled": bucket_key}, *rules[1:]]


class KeptVersions:
    """Keeps former versions of objects: "Enabling versioning on buckets"."""

    id: ClassVar[str] = "s3-versioning"
    rule: ClassVar[str] = "s3-versioning"
    title: ClassVar[str] = "Keep former versions of objects"

    async def plan(self, context: AuditContext, place: Place, *, now: datetime) -> Plan:
        """Return what would be done; for arguments and errors see Remedy."""
        checked(context, place)
        seen = await look(context, place, "versioning")
        found = seen.need("versioning") or {}
        if found.get("Status") == "Enabled":
            return planned(self, seen, now, {})
        if found.get("MFADelete") == "Enabled":
            raise NotPossible(
                f"{place.name} has MFA delete on, so only the root user with the device can change its versioning. "
                "Nothing was changed.",
                "Do it as the root user: aws s3api put-bucket-versioning with --mfa.",
            )
        touches = (
            (
                "Nobody loses access. Each version is stored and paid for until it is deleted: add a life cycle rule "
                "that lets old ones expire."
            ),
            (
                "A bucket that had versioning once can only suspend it, and never be without it again: taken back, "
                "versioning is suspended."
            ),
            "When it is turned on for the first time, S3 may take 15 minutes until it holds everywhere.",
        )
        return planned(self, seen, now, {"versioning": {**found, "Status": "Enabled"}}, touches)


class TlsOnly:
    """Adds a statement to the policy that denies what comes without TLS; all else of the policy stays."""

    id: ClassVar[str] = "s3-tls-only"
    rule: ClassVar[str] = "s3-tls-only"
    title: ClassVar[str] = "Deny requests without TLS"

    async def plan(self, context: AuditContext, place: Place, *, now: datetime) -> Plan:
        """Return what would be done; for arguments and errors see Remedy."""
        checked(context, place)
        seen = await look(context, place, "policy", "website")
        text = seen.need("policy")
        # to judge a policy may take a tenth of a second, in which others want to hear their answers
        if holds(await asyncio.to_thread(is_tls_only, text, place, now)):
            return planned(self, seen, now, {})
        after = with_tls_only(text, place)
        answer = await asyncio.to_thread(is_tls_only, after, place, now)
        if not holds(answer):
            raise NotPossible(
                f"The policy of {place.name} is not understood well enough to tell what the new statement would do: "
                f"{' '.join(answer.reasons)[:300]} Nothing was changed.",
                "Make the policy simpler, or add the statement by hand.",
            )
        touches = ["Whoever asks by plain HTTP, signed or not, is refused from then on."]
        website = seen.of("website")
        if website.document:
            touches.append("The bucket is a website, and S3 serves websites by plain HTTP only: its address goes dead.")
        elif website.unread:
            touches.append(f"Whether the bucket is a website, which would go dead, is not known: {website.unread}.")
        return planned(self, seen, now, {"policy": after}, touches)


class AccessLogs:
    """Logs requests to another bucket that a person names: "Enabling Amazon S3 server access logging".

    Args:
        target: The bucket that takes the logs, of the same account and region.
        prefix: What the names of log objects begin with; None for the bucket's name and `/`.
    """

    id: ClassVar[str] = "s3-access-logging"
    rule: ClassVar[str] = "s3-access-logging"
    title: ClassVar[str] = "Log requests to the bucket"

    def __init__(self, target: str, prefix: str | None = None) -> None:
        self._target = target
        self._prefix = prefix

    async def plan(self, context: AuditContext, place: Place, *, now: datetime) -> Plan:
        """Return what would be done; for arguments and errors see Remedy."""
        checked(context, place)
        target = Place(place.account, place.region, self._target, place.partition)
        prefix = f"{place.bucket}/" if self._prefix is None else self._prefix
        if self._target == place.bucket:
            raise _refused(place, target, "it is the bucket itself, and each log would be logged in turn")
        await _must_own(context, place, target)
        of_target = ("location", "policy", "encryption", "object_lock")
        seen = await look(context, place, "logging", other=of_target, at=self._target)
        before = seen.need("logging")
        if before and (before["TargetBucket"], before["TargetPrefix"]) == (self._target, prefix):
            return planned(self, seen, now, {})
        await _must_take_logs(seen, place, target, prefix, now)
        touches = [
            "Nobody loses access. S3 delivers logs with a delay of hours, and a few may be missing.",
            f"Logs are stored in {self._target} and paid for until they are deleted: add a life cycle rule there.",
            f"Who reads {self._target} sees who asked for what in {place.bucket}, with addresses.",
        ]
        if before:
            touches.append(f"No more logs are delivered to {before['TargetBucket']}/{before['TargetPrefix']}.")
        after = {**(before or {}), "TargetBucket": self._target, "TargetPrefix": prefix}
        return planned(self, seen, now, {"logging": after}, touches)


async def _must_own(context: AuditContext, place: Place, target: Place) -> None:
    found = await listed(
        context.within(place.region),
        "s3",
        "ListBuckets",
        lambda page: [each["Name"] for each in page.get("Buckets") or []],
        Prefix=target.bucket,
    )
    if target.bucket in found.items:
        return
    if found.lost:
        raise NotPlanned(
            f"{place.name} in {place.region}: {found.lost}, so whose {target.name} is is not known. "
            "Nothing was changed.",
            "Allow that call to who repairs, or try again later.",
        )
    raise _refused(place, target, f"account {place.account} has no such bucket")


async def _must_take_logs(seen: Seen, place: Place, target: Place, prefix: str, now: datetime) -> None:
    """See whether logs would arrive.

    Raises:
        NotPlanned: That is not known.
        NotPossible: They would not.
    """
    region = seen.need("location", target.bucket)
    if region != place.region:
        raise _refused(place, target, f"it is in {region}, and not in {place.region}")
    if _default(seen.need("encryption", target.bucket) or []).startswith(KMS):
        raise _refused(place, target, "its default encryption is by KMS, and logs can be put with keys of S3 only")
    lock = seen.need("object_lock", target.bucket) or {}
    if "DefaultRetention" in lock.get("Rule", {}):
        raise _refused(place, target, "its object lock has a default retention, with which no logs are delivered")
    answer = await asyncio.to_thread(lets_logs_in, seen.need("policy", target.bucket), target, place, prefix, now)
    if not holds(answer):
        why = " ".join(answer.reasons)[:300]
        raise _refused(
            place,
            target,
            f"its policy does not surely let logs in{f' ({why})' if why else ''}",
            f"Add to its policy: {delivery_statement(target, place, prefix)}",
        )


def _refused(place: Place, target: Place, why: str, hint: str = "") -> NotPossible:
    return NotPossible(
        f"Requests to {place.bucket} cannot be logged to {target.bucket}: {why}. Nothing was changed.",
        hint or f"Name another bucket of account {place.account} in {place.region}.",
    )
