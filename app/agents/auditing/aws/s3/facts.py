"""What is known of a bucket. A fact is a value, None when nothing is set, or NotRead with the call that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.auditing.aws.reading import NOT_ASKED, NotRead

if TYPE_CHECKING:
    from app.agents.auditing.aws.policy import AclGrant, Ownership, PublicAccessBlock, ResourceVerdict
    from app.agents.auditing.aws.reading import Fact


@dataclass(frozen=True, slots=True)
class Policy:
    """A bucket's policy.

    Attributes:
        text: JSON.
        verdict: What it comes to.
    """

    text: str
    verdict: ResourceVerdict


@dataclass(frozen=True, slots=True)
class Acl:
    """A bucket's ACL.

    Attributes:
        owner: The owner's canonical user id; empty when it is not told.
        grants: Whom it gives what.
    """

    owner: str
    grants: tuple[AclGrant, ...] = ()


@dataclass(frozen=True, slots=True)
class Encryption:
    """How objects are encrypted that are put without saying how.

    Attributes:
        algorithm: `AES256` (keys of S3), `aws:kms` or `aws:kms:dsse`.
        key: The KMS key; empty for the one of AWS.
    """

    algorithm: str
    key: str = ""

    @property
    def by_kms(self) -> bool:
        """Whether the key is of KMS, and so has a policy and a log of its own."""
        return self.algorithm.startswith("aws:kms")


@dataclass(frozen=True, slots=True)
class Versioning:
    """Whether former versions of objects are kept.

    Attributes:
        status: `Enabled` or `Suspended`; empty where it never was on.
        mfa_delete: Whether deleting a version for good needs a second factor.
    """

    status: str = ""
    mfa_delete: bool = False


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """Whether objects can be kept from being deleted.

    Attributes:
        retention: For how long by default: `GOVERNANCE, 30 days`; empty when each object says it itself.
    """

    retention: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """All that is known of a bucket, or of an account when the name is empty. What was not asked for is not known.

    Attributes:
        name: Its name.
        region: Where it is; empty when that is not known.
        account: The id of the account that owns it.
        partition: `aws`, `aws-cn`, `aws-us-gov` ...
        acl: Its ACL.
        policy: Its policy.
        block: Its own switches of block public access.
        account_block: Those of the account.
        ownership: Who owns objects; None on buckets older than the setting, which is as OBJECT_WRITER.
        encryption: The default encryption.
        logging: The bucket to which requests are logged.
        versioning: Whether former versions are kept.
        object_lock: Whether objects can be locked.
        lifecycle: How many life cycle rules are enabled.
        replication: The ARNs of the buckets to which an enabled rule replicates.
    """

    name: str
    region: str
    account: str
    partition: str = "aws"
    acl: Fact[Acl | None] = NOT_ASKED
    policy: Fact[Policy | None] = NOT_ASKED
    block: Fact[PublicAccessBlock | None] = NOT_ASKED
    account_block: Fact[PublicAccessBlock | None] = NOT_ASKED
    ownership: Fact[Ownership | None] = NOT_ASKED
    encryption: Fact[Encryption | None] = NOT_ASKED
    logging: Fact[str | None] = NOT_ASKED
    versioning: Fact[Versioning | None] = NOT_ASKED
    object_lock: Fact[ObjectLock | None] = NOT_ASKED
    lifecycle: Fact[int | None] = NOT_ASKED
    replication: Fact[tuple[str, ...] | None] = NOT_ASKED

    @property
    def arn(self) -> str:
        """Its ARN; of an account, that of its root."""
        if self.name:
            return f"arn:{self.partition}:s3:::{self.name}"
        return f"arn:{self.partition}:iam::{self.account}:root"

    def lost(self, needs: frozenset[str]) -> tuple[NotRead, ...]:
        """Return which facts are not known; those that were not asked for only where there is no other.

        Args:
            needs: The facts that are of interest, by the names of the attributes.
        """
        facts = (getattr(self, each) for each in sorted(needs))
        lost = tuple(dict.fromkeys(each for each in facts if isinstance(each, NotRead)))
        return tuple(each for each in lost if each is not NOT_ASKED) or lost
