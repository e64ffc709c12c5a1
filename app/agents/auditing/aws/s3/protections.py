"""Judges how a bucket's contents are protected: on their way, at rest, against loss, and by logs.

Each function for a rule takes a bucket with the facts that the rule needs, and gives an opinion. It is pure, and what
was not gathered counts as unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.aws.opinions import fails, not_known, passes, sentences
from app.agents.auditing.aws.policy import Ownership, Ternary
from app.agents.auditing.aws.reading import NotRead
from app.agents.auditing.aws.s3.evidence import lines, statements
from app.agents.auditing.aws.s3.facts import Encryption, Versioning
from app.domain.words import plural

if TYPE_CHECKING:
    from app.agents.auditing.aws.opinions import Opinion
    from app.agents.auditing.aws.s3.facts import Bucket


def tls_only(bucket: Bucket) -> Opinion:
    """Judge whether the policy denies each request without TLS."""
    if isinstance(bucket.policy, NotRead):
        return not_known([bucket.policy])
    if bucket.policy is None:
        return fails("There is no policy, so nothing denies requests without TLS.")
    answer = bucket.policy.verdict.refuses_plain_http
    if answer.value is Ternary.UNKNOWN:
        return not_known((), answer.reasons)
    if answer.value is Ternary.YES:
        return passes("The policy denies each request without TLS.", statements(bucket, answer))
    return fails(sentences([], answer.reasons) or "The policy does not deny each request without TLS.")


def default_encryption(bucket: Bucket) -> Opinion:
    """Judge whether objects are encrypted that are put without saying how.

    Since January 2023 each bucket on AWS has at least SSE-S3 ("Amazon S3 now automatically encrypts all new objects",
    Amazon S3 User Guide): where there is none, the service is a stand-in for S3.
    """
    match bucket.encryption:
        case NotRead() as lost:
            return not_known([lost])
        case None:
            return fails("There is no default encryption.")
        case Encryption() as found:
            return passes(f"New objects are encrypted with {found.algorithm}.", found.key)


def kms_encryption(bucket: Bucket) -> Opinion:
    """Judge whether the default encryption is by a key of KMS."""
    match bucket.encryption:
        case NotRead() as lost:
            return not_known([lost])
        case Encryption(by_kms=True) as found:
            return passes(f"New objects are encrypted with {found.algorithm}.", found.key)
        case found:
            return fails(f"New objects are encrypted with {found.algorithm if found else 'nothing'}.")


def access_logging(bucket: Bucket) -> Opinion:
    """Judge whether requests are logged."""
    match bucket.logging:
        case NotRead() as lost:
            return not_known([lost])
        case None:
            return fails("Requests are not logged.")
        case target:
            return passes(f"Requests are logged to {target}.")


def versioning(bucket: Bucket) -> Opinion:
    """Judge whether former versions of objects are kept."""
    match bucket.versioning:
        case NotRead() as lost:
            return not_known([lost])
        case Versioning(status="Enabled"):
            return passes("Versioning is on.")
        case found:
            return fails("Versioning is suspended." if found and found.status else "Versioning was never on.")


def mfa_delete(bucket: Bucket) -> Opinion:
    """Judge whether deleting a version for good needs a second factor."""
    match bucket.versioning:
        case NotRead() as lost:
            return not_known([lost])
        case Versioning(mfa_delete=True):
            return passes("MFA delete is on.")
        case _:
            return fails("MFA delete is off.")


def acls_disabled(bucket: Bucket) -> Opinion:
    """Judge whether ACLs count for nothing."""
    match bucket.ownership:
        case NotRead() as lost:
            return not_known([lost])
        case Ownership.ENFORCED:
            return passes("ACLs are disabled (BucketOwnerEnforced).")
        case found:
            return fails(f"ACLs are in force ({found.value if found else 'no ownership controls'}).")


def object_lock(bucket: Bucket) -> Opinion:
    """Judge whether objects can be kept from being deleted."""
    match bucket.object_lock:
        case NotRead() as lost:
            return not_known([lost])
        case None:
            return fails("Object lock is off.")
        case found:
            return passes("Object lock is on.", found.retention)


def lifecycle(bucket: Bucket) -> Opinion:
    """Judge whether a life cycle rule is enabled."""
    match bucket.lifecycle:
        case NotRead() as lost:
            return not_known([lost])
        case None | 0:
            return fails("No life cycle rule is enabled.")
        case count:
            return passes(f"{plural(count, 'life cycle rule')} enabled.")


def replication(bucket: Bucket) -> Opinion:
    """Judge whether objects are replicated to another bucket."""
    match bucket.replication:
        case NotRead() as lost:
            return not_known([lost])
        case None | ():
            return fails("No replication rule is enabled.")
        case targets:
            return passes("Objects are replicated.", lines(targets))
