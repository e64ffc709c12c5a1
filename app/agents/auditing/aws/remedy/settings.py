"""The settings that remedies read and write, each as a JSON document: None where nothing is set.

Operations, and the errors by which S3 says that nothing is set, after the Amazon S3 API Reference.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from app.agents.auditing.aws.clients.context import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.agents.auditing.aws.clients.backend import Answer

Json: TypeAlias = Any
"""What JSON can hold; of a policy, its text, so that it can be put back to the letter."""

SWITCHES = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _same(document: Json) -> Json:
    return document


def _no_body(document: Json) -> dict[str, Json]:
    raise ValueError(f"This setting is only read, never written: {type(document).__name__}.")


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, or an account where no bucket is named.

    Attributes:
        account: The account's id, 12 digits.
        region: Where the bucket is; of an account, where it is asked.
        bucket: The bucket's name; empty for the account.
        partition: `aws`, `aws-cn`, `aws-us-gov` ...
    """

    account: str
    region: str
    bucket: str = ""
    partition: str = "aws"

    @property
    def arn(self) -> str:
        """The ARN of the bucket, or of the account's root."""
        if self.bucket:
            return f"arn:{self.partition}:s3:::{self.bucket}"
        return f"arn:{self.partition}:iam::{self.account}:root"

    @property
    def name(self) -> str:
        """What people are told: `bucket shop`, `account 123456789012`."""
        return f"bucket {self.bucket}" if self.bucket else f"account {self.account}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a bucket, or of an account.

    Attributes:
        name: By which plans name it.
        title: What people are told: `the policy`.
        get: The operation that reads it.
        read: Makes the document of an answer.
        put: The operation that writes it; empty for what is only read.
        body: Makes the operation's parameters of a document.
        delete: The operation that takes it away; empty where None is put as well.
        missing: The error codes by which S3 says that nothing is set.
        service: As botocore names it.
        least: What comes closest to None where it cannot be had back; None where it can.
        alike: The form in which two documents are compared.
    """

    name: str
    title: str
    get: str
    read: Callable[[Answer], Json]
    put: str = ""
    body: Callable[[Json], dict[str, Json]] = _no_body
    delete: str = ""
    missing: frozenset[str] = frozenset()
    service: str = "s3"
    least: Json = None
    alike: Callable[[Json], Json] = _same

    def _whose(self, place: Place) -> dict[str, Json]:
        if self.service == "s3control":
            return {"AccountId": place.account}
        # a bucket that was deleted and made anew by somebody else is neither read nor written: "Verifying bucket
        # ownership with bucket owner condition" (Amazon S3 User Guide)
        return {"Bucket": place.bucket, "ExpectedBucketOwner": place.account}

    def ask(self, place: Place) -> Ask:
        """Return the call that reads it.

        Args:
            place: Whose.
        """
        return Ask(self.service, self.get, self._whose(place), place.region)

    def write(self, place: Place, document: Json) -> Ask:
        """Return the call that writes it.

        Args:
            place: Whose.
            document: What it is to be; None for nothing.

        Raises:
            ValueError: It is only read.
        """
        if document is None and self.delete:
            return Ask(self.service, self.delete, self._whose(place), place.region)
        return Ask(self.service, self.put, {**self._whose(place), **self.body(document)}, place.region)

    def equal(self, one: Json, other: Json) -> bool:
        """Return whether two documents mean the same to S3, which gives lists in an order of its own."""
        return bool(self.alike(one) == self.alike(other))

    def is_back(self, found: Json, before: Json) -> bool:
        """Return whether the setting is what it was before, as far as S3 lets it be so again."""
        return self.equal(found, before) or (
            before is None and self.least is not None and self.equal(found, self.least)
        )

    def restored(self, before: Json) -> Json:
        """Return what is written to have it back."""
        return self.least if before is None and self.least is not None else before


def pruned(raw: Json) -> Json:
    """Return an answer without what is absent, and without display names, which S3 no longer gives or takes."""
    if isinstance(raw, dict):
        return {name: pruned(each) for name, each in raw.items() if each is not None and name != "DisplayName"}
    return [pruned(each) for each in raw] if isinstance(raw, list) else raw


def _switches(answer: Answer) -> Json:
    found = answer["PublicAccessBlockConfiguration"]
    return {each: bool(found.get(each)) for each in SWITCHES}


def _versioning(answer: Answer) -> Json:
    return {name: answer[name] for name in ("Status", "MFADelete") if answer.get(name)} or None


def _versioning_alike(document: Json) -> Json:
    found: Mapping[str, str] = document or {}
    return found.get("Status", ""), found.get("MFADelete") == "Enabled"


def _acl(answer: Answer) -> Json:
    return {"Owner": pruned(answer["Owner"]), "Grants": pruned(answer["Grants"])}


def _acl_alike(document: Json) -> Json:
    grants = sorted(json.dumps(each, sort_keys=True) for each in (document or {}).get("Grants", []))
    return (document or {}).get("Owner"), grants


def _encryption_alike(document: Json) -> Json:
    return [{"BucketKeyEnabled": False, **each} for each in document or []]


def policy_alike(text: Json) -> Json:
    """Return a policy in the form in which two are compared: S3 turns lists of one into their element, and sorts.

    Args:
        text: JSON; None for no policy. What is no JSON is returned as it is.
    """
    if text is None:
        return None
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(policy, dict) and isinstance(policy.get("Statement"), list):
        return {**_sorted({**policy, "Statement": None}), "Statement": [_sorted(each) for each in policy["Statement"]]}
    return _sorted(policy)


def _sorted(raw: Json) -> Json:
    if isinstance(raw, dict):
        return {name: _sorted(each) for name, each in raw.items()}
    if isinstance(raw, list):
        every = sorted((_sorted(each) for each in raw), key=repr)
        return every[0] if len(every) == 1 else every
    return raw


_NO_BLOCK = frozenset({"NoSuchPublicAccessBlockConfiguration"})


def _block_body(document: Json) -> dict[str, Json]:
    return {"PublicAccessBlockConfiguration": document}


_EVERY = (
    Setting(
        "block", "block public access", "GetPublicAccessBlock", _switches, "PutPublicAccessBlock", _block_body,
        "DeletePublicAccessBlock", _NO_BLOCK,
    ),
    Setting(
        "account_block", "block public access of the account", "GetPublicAccessBlock", _switches,
        "PutPublicAccessBlock", _block_body, "DeletePublicAccessBlock", _NO_BLOCK, "s3control",
    ),
    Setting(
        "encryption", "the default encryption", "GetBucketEncryption",
        lambda answer: pruned(answer["ServerSideEncryptionConfiguration"]["Rules"]), "PutBucketEncryption",
        lambda document: {"ServerSideEncryptionConfiguration": {"Rules": document}}, "DeleteBucketEncryption",
        frozenset({"ServerSideEncryptionConfigurationNotFoundError"}), alike=_encryption_alike,
    ),
    # "Using versioning in S3 buckets": a bucket never returns to the unversioned state; and the second factor is
    # never touched, since that needs the root user's device
    Setting(
        "versioning", "versioning", "GetBucketVersioning", _versioning, "PutBucketVersioning",
        lambda document: {"VersioningConfiguration": {"Status": document["Status"]}},
        least={"Status": "Suspended"}, alike=_versioning_alike,
    ),
    Setting(
        "logging", "server access logging", "GetBucketLogging", lambda answer: pruned(answer.get("LoggingEnabled")),
        "PutBucketLogging",
        lambda document: {"BucketLoggingStatus": {} if document is None else {"LoggingEnabled": document}},
    ),
    Setting(
        "policy", "the policy", "GetBucketPolicy", lambda answer: str(answer["Policy"]), "PutBucketPolicy",
        lambda document: {"Policy": document}, "DeleteBucketPolicy", frozenset({"NoSuchBucketPolicy"}),
        alike=policy_alike,
    ),
    Setting(
        "acl", "the ACL", "GetBucketAcl", _acl, "PutBucketAcl",
        lambda document: {"AccessControlPolicy": document}, alike=_acl_alike,
    ),
    Setting(
        "ownership", "object ownership", "GetBucketOwnershipControls",
        lambda answer: answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"], "PutBucketOwnershipControls",
        lambda document: {"OwnershipControls": {"Rules": [{"ObjectOwnership": document}]}},
        "DeleteBucketOwnershipControls", frozenset({"OwnershipControlsNotFoundError"}),
    ),
    Setting(
        "website", "the website", "GetBucketWebsite",
        lambda answer: pruned({name: each for name, each in answer.items() if name != "ResponseMetadata"}),
        missing=frozenset({"NoSuchWebsiteConfiguration"}),
    ),
    Setting(
        "object_lock", "object lock", "GetObjectLockConfiguration",
        lambda answer: pruned(answer["ObjectLockConfiguration"]),
        missing=frozenset({"ObjectLockConfigurationNotFoundError"}),
    ),
    Setting(
        "location", "the region", "GetBucketLocation", lambda answer: region_of(answer.get("LocationConstraint"))
    ),
)  # fmt: skip

SETTINGS: Mapping[str, Setting] = {each.name: each for each in _EVERY}
"""All of them, by name."""


def region_of(constraint: str | None) -> str:
    """Return a region after "GetBucketLocation": none is us-east-1, and `EU` the first name of eu-west-1."""
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(constraint, constraint or "")
