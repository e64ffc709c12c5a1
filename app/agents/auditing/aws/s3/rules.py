"""The rules for buckets and for the account's S3 settings, each with the function that judges by it.

Controls of AWS Security Hub after "Security Hub controls for Amazon S3" (AWS Security Hub User Guide). Severities are
ours: what is a matter of taste is INFO and not among DEFAULT_RULES.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from app.agents.auditing.aws.s3 import exposures, protections
from app.agents.auditing.aws.shape import Rule
from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.agents.auditing.aws.opinions import Opinion
    from app.agents.auditing.aws.s3.facts import Bucket

Judge: TypeAlias = "Callable[[Bucket], Opinion]"

_TABLE: tuple[tuple[Rule, Judge], ...] = (
    (
        Rule(
            id="s3-account-block-public-access",
            title="Block public access is on for the whole account",
            severity=Severity.MEDIUM,
            remedy="Turn on all four switches for the account, once no bucket needs to be public.",
            detail="It holds for each bucket, also for those to come, whatever their policies and ACLs say.",
            prowler="s3_account_level_public_access_blocks",
            security_hub=("S3.1",),
            needs=frozenset({"account_block"}),
            can_repair=True,
        ),
        exposures.account_block_public_access,
    ),
    (
        Rule(
            id="s3-block-public-access",
            title="Block public access is on for the bucket",
            severity=Severity.MEDIUM,
            remedy="Turn on all four switches for the bucket, or for the account.",
            detail="Without it one careless policy or ACL opens the bucket. A switch of the account counts too.",
            prowler="s3_bucket_level_public_access_block",
            security_hub=("S3.8",),
            needs=frozenset({"block", "account_block"}),
            can_repair=True,
        ),
        exposures.block_public_access,
    ),
    (
        Rule(
            id="s3-public-policy",
            title="Bucket policy lets in nobody whom it does not name",
            severity=Severity.HIGH,
            remedy="Name in the policy who may come in, or turn on RestrictPublicBuckets.",
            detail="Judged in effect: conditions, Deny statements and block public access are taken into account.",
            prowler="s3_bucket_public_access",
            security_hub=("S3.2", "S3.3"),
            needs=frozenset({"policy", "block", "account_block"}),
        ),
        exposures.public_policy,
    ),
    (
        Rule(
            id="s3-public-acl",
            title="Bucket ACL lets in nobody whom it does not name",
            severity=Severity.HIGH,
            remedy="Disable ACLs (BucketOwnerEnforced), or turn on IgnorePublicAcls.",
            detail="Judged in effect: disabled ACLs and block public access are taken into account. "
            "The ACLs of single objects are not looked at.",
            prowler="s3_bucket_public_list_acl",
            security_hub=("S3.2", "S3.3"),
            needs=frozenset({"acl", "ownership", "block", "account_block"}),
            can_repair=True,
        ),
        exposures.public_acl,
    ),
    (
        Rule(
            id="s3-public-write",
            title="Nobody can change the bucket or its objects who is not named",
            severity=Severity.CRITICAL,
            remedy="Turn on block public access for the bucket at once, then look for objects that others put there.",
            detail="Anybody can put, overwrite or delete objects, or change who may do what: by policy or by ACL, "
            "in effect.",
            prowler="s3_bucket_policy_public_write_access",
            security_hub=("S3.3",),
            needs=frozenset({"policy", "acl", "ownership", "block", "account_block"}),
        ),
        exposures.public_write,
    ),
    (
        Rule(
            id="s3-cross-account",
            title="No other account gets in by the bucket's policy or ACL",
            severity=Severity.MEDIUM,
            remedy="Take out those who need no access any more, and mute the finding for those who do.",
            detail="HIGH where an outsider can change policy, ACL or encryption, LOW where none can change anything. "
            "AWS services, networks and access points do not count.",
            prowler="s3_bucket_cross_account_access",
            security_hub=("S3.6",),
            needs=frozenset({"policy", "acl", "ownership", "block", "account_block"}),
        ),
        exposures.cross_account,
    ),
    (
        Rule(
            id="s3-tls-only",
            title="Bucket policy denies requests without TLS",
            severity=Severity.MEDIUM,
            remedy="Add a statement that denies s3:* to everybody where aws:SecureTransport is false.",
            detail="What is asked for by plain HTTP can be read and changed on its way.",
            prowler="s3_bucket_secure_transport_policy",
            security_hub=("S3.5",),
            needs=frozenset({"policy"}),
            can_repair=True,
        ),
        protections.tls_only,
    ),
    (
        Rule(
            id="s3-default-encryption",
            title="New objects are encrypted",
            severity=Severity.MEDIUM,
            remedy="Set a default encryption for the bucket.",
            detail="Each bucket on AWS has been encrypted with keys of S3 or of KMS since January 2023.",
            prowler="s3_bucket_default_encryption",
            needs=frozenset({"encryption"}),
            can_repair=True,
        ),
        protections.default_encryption,
    ),
    (
        Rule(
            id="s3-acls-disabled",
            title="ACLs are disabled",
            severity=Severity.LOW,
            remedy="Set object ownership to BucketOwnerEnforced, after moving what ACLs grant into the policy.",
            detail="With ACLs in force, whoever puts an object can decide who reads it, and access is decided in two "
            "places.",
            prowler="s3_bucket_acl_prohibited",
            security_hub=("S3.12",),
            needs=frozenset({"ownership"}),
        ),
        protections.acls_disabled,
    ),
    (
        Rule(
            id="s3-access-logging",
            title="Requests to the bucket are logged",
            severity=Severity.LOW,
            remedy="Log to another bucket of the same region, or mute this where CloudTrail logs the data events.",
            detail="Without a log nobody can tell who read what after a leak. Logs of CloudTrail are not looked at.",
            prowler="s3_bucket_server_access_logging_enabled",
            security_hub=("S3.9",),
            needs=frozenset({"logging"}),
            can_repair=True,
        ),
        protections.access_logging,
    ),
    (
        Rule(
            id="s3-versioning",
            title="Former versions of objects are kept",
            severity=Severity.LOW,
            remedy="Turn on versioning, with a life cycle rule that lets old versions expire.",
            detail="What is overwritten or deleted, by mistake or by malware, can be had back.",
            prowler="s3_bucket_object_versioning",
            security_hub=("S3.14",),
            needs=frozenset({"versioning"}),
            can_repair=True,
        ),
        protections.versioning,
    ),
    (
        Rule(
            id="s3-kms-encryption",
            title="New objects are encrypted by a key of KMS",
            severity=Severity.INFO,
            remedy="Set aws:kms with a bucket key as the default encryption, where its cost is worth it.",
            detail="A key of KMS has a policy and a log of its own. Keys of S3 encrypt as well.",
            prowler="s3_bucket_kms_encryption",
            security_hub=("S3.17",),
            needs=frozenset({"encryption"}),
            can_repair=True,
        ),
        protections.kms_encryption,
    ),
    (
        Rule(
            id="s3-mfa-delete",
            title="Deleting a version for good needs a second factor",
            severity=Severity.INFO,
            remedy="Turn on MFA delete with the root user's device, where nobody deletes by program.",
            detail="Only the root user can turn it on, and life cycle rules cannot be used with it.",
            prowler="s3_bucket_no_mfa_delete",
            security_hub=("S3.20",),
            needs=frozenset({"versioning"}),
        ),
        protections.mfa_delete,
    ),
    (
        Rule(
            id="s3-object-lock",
            title="Objects can be locked against deletion",
            severity=Severity.INFO,
            remedy="Turn on object lock for records that must not be deleted.",
            detail="It matters for backups and records; elsewhere it makes deleting hard.",
            prowler="s3_bucket_object_lock",
            security_hub=("S3.15",),
            needs=frozenset({"object_lock"}),
        ),
        protections.object_lock,
    ),
    (
        Rule(
            id="s3-lifecycle",
            title="A life cycle rule is enabled",
            severity=Severity.INFO,
            remedy="Add a life cycle rule that moves or deletes what is old, and ends unfinished uploads.",
            detail="Without one, old versions and unfinished uploads are kept, and paid for, for ever.",
            prowler="s3_bucket_lifecycle_enabled",
            security_hub=("S3.10", "S3.13"),
            needs=frozenset({"lifecycle"}),
        ),
        protections.lifecycle,
    ),
    (
        Rule(
            id="s3-replication",
            title="Objects are replicated to another bucket",
            severity=Severity.INFO,
            remedy="Add a replication rule for what must outlive a region.",
            detail="Whether the other bucket is in another region is not looked at.",
            prowler="s3_bucket_cross_region_replication",
            security_hub=("S3.7",),
            needs=frozenset({"replication"}),
        ),
        protections.replication,
    ),
)

RULES: tuple[Rule, ...] = tuple(rule for rule, _ in _TABLE)
"""All of them."""

IN_EFFECT = frozenset({"s3-public-policy", "s3-public-acl", "s3-public-write", "s3-cross-account"})
"""Those that need switches and ownership only of buckets that policy or ACL open (`exposures.open_to`)."""
WHERE_OPEN = frozenset({"block", "account_block", "ownership"})
"""These facts."""

JUDGES: Mapping[str, Judge] = {rule.id: judge for rule, judge in _TABLE}
"""What judges by each, by the rule's id."""

ACCOUNT_RULES: frozenset[str] = frozenset({"s3-account-block-public-access"})
"""The ids of those that are about the account, and not about a bucket."""

DEFAULT_RULES: tuple[str, ...] = tuple(rule.id for rule in RULES if rule.severity is not Severity.INFO)
"""The ids of those that are judged by unless somebody asks for others."""
