"""The actions of Amazon S3: what each gives access to, and on what it acts.

From "Actions, resources, and condition keys for Amazon S3" (Service Authorization Reference). Only those that a
bucket's or an access point's policy can speak of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy.answers import Access

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Action:
    """One action.

    Attributes:
        name: With its service, as the documentation writes it: `s3:GetObject`.
        access: What it gives.
        on_object: Whether it acts on objects; else on the bucket.
    """

    name: str
    access: Access
    on_object: bool

    @property
    def lower(self) -> str:
        """Its name as patterns of actions are matched: without case."""
        return self.name.lower()


_OBJECT = {
    Access.READ: """GetObject GetObjectVersion GetObjectAttributes GetObjectVersionAttributes GetObjectTagging
        GetObjectVersionTagging GetObjectTorrent GetObjectVersionTorrent GetObjectLegalHold GetObjectRetention
        GetObjectVersionForReplication GetObjectAnnotation GetObjectVersionAnnotation""",
    Access.INSPECT: "GetObjectAcl GetObjectVersionAcl",
    Access.LIST: "ListMultipartUploadParts",
    Access.WRITE: """PutObject DeleteObject DeleteObjectVersion PutObjectTagging PutObjectVersionTagging
        DeleteObjectTagging DeleteObjectVersionTagging AbortMultipartUpload RestoreObject ReplicateObject
        ReplicateDelete ReplicateTags PutObjectLegalHold PutObjectRetention InitiateReplication UpdateObjectEncryption
        PutObjectAnnotation DeleteObjectAnnotation""",
    Access.ADMIN: """PutObjectAcl PutObjectVersionAcl BypassGovernanceRetention ObjectOwnerOverrideToBucketOwner""",
}
_BUCKET = {
    Access.LIST: "ListBucket ListBucketVersions ListBucketMultipartUploads",
    Access.INSPECT: """GetBucketAcl GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketLocation
        GetBucketVersioning GetBucketLogging GetBucketCORS GetBucketNotification GetBucketOwnershipControls
        GetBucketObjectLockConfiguration GetBucketRequestPayment GetBucketTagging GetBucketWebsite
        GetEncryptionConfiguration GetLifecycleConfiguration GetReplicationConfiguration GetInventoryConfiguration
        GetMetricsConfiguration GetAnalyticsConfiguration GetAccelerateConfiguration
        GetIntelligentTieringConfiguration GetBucketMetadataTableConfiguration GetBucketAbac""",
    Access.ADMIN: """PutBucketAcl PutBucketPolicy DeleteBucketPolicy PutBucketPublicAccessBlock PutBucketVersioning
        PutBucketLogging PutBucketCORS PutBucketNotification PutBucketOwnershipControls
        PutBucketObjectLockConfiguration PutBucketRequestPayment PutBucketTagging PutBucketWebsite DeleteBucketWebsite
        PutEncryptionConfiguration PutLifecycleConfiguration PutReplicationConfiguration PutInventoryConfiguration
        PutMetricsConfiguration PutAnalyticsConfiguration PutAccelerateConfiguration DeleteBucket
        PutIntelligentTieringConfiguration UpdateBucketMetadataInventoryTableConfiguration
        UpdateBucketMetadataJournalTableConfiguration CreateBucketMetadataTableConfiguration
        DeleteBucketMetadataTableConfiguration PutBucketAbac""",
}


def _every() -> Iterator[Action]:
    for table, on_object in ((_OBJECT, True), (_BUCKET, False)):
        for access, names in table.items():
            for name in names.split():
                yield Action(f"s3:{name}", access, on_object)


ACTIONS: tuple[Action, ...] = tuple(_every())
"""All of them."""

PUT_OBJECT = next(each for each in ACTIONS if each.name == "s3:PutObject")

_LISTING = frozenset({"s3:listbucket", "s3:listbucketversions"})
_PUTTING = frozenset({"s3:putobject", "s3:replicateobject"})
_PUTTING_ACLS = frozenset({
    "s3:putobject", "s3:putobjectacl", "s3:putobjectversionacl", "s3:putbucketacl", "s3:putbucketownershipcontrols",
})  # fmt: skip
_VERSIONS = frozenset(each.lower for each in ACTIONS if "Version" in each.name and each.on_object)
_CARRIED = {
    "s3:prefix": _LISTING,
    "s3:delimiter": _LISTING,
    "s3:max-keys": _LISTING,
    "s3:x-amz-acl": _PUTTING_ACLS,
    "s3:x-amz-grant-full-control": _PUTTING_ACLS,
    "s3:x-amz-grant-read": _PUTTING_ACLS,
    "s3:x-amz-grant-read-acp": _PUTTING_ACLS,
    "s3:x-amz-grant-write": _PUTTING_ACLS,
    "s3:x-amz-grant-write-acp": _PUTTING_ACLS,
    "s3:x-amz-copy-source": _PUTTING,
    "s3:x-amz-metadata-directive": _PUTTING,
    "s3:x-amz-server-side-encryption": _PUTTING,
    "s3:x-amz-server-side-encryption-aws-kms-key-id": _PUTTING,
    "s3:x-amz-storage-class": _PUTTING,
    "s3:versionid": _VERSIONS,
    "iam:policyarn": frozenset(
        f"iam:{verb}{kind}policy" for verb in ("attach", "detach") for kind in ("user", "group", "role")
    ),
}


def carries(action: Action, key: str) -> bool:
    """Return whether requests for an action can carry a condition key.

    Args:
        action: Of ACTIONS.
        key: In lower case. Those of which it is not known to be otherwise are carried by all.
    """
    if key.startswith("s3:existingobjecttag/"):
        return action.on_object
    return key not in _CARRIED or action.lower in _CARRIED[key]
