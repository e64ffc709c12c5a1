"""Which remedy satisfies which rule, and what a person must name for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.aws.remedy.access import BlockPublicAccess, BlockPublicAccessOfAccount, ClosedAcl
from app.agents.auditing.aws.remedy.errors import NotPossible
from app.agents.auditing.aws.remedy.keeping import AccessLogs, DefaultEncryption, KeptVersions, TlsOnly

if TYPE_CHECKING:
    from app.agents.auditing.aws.remedy.plan import Remedy

REPAIRABLE: frozenset[str] = frozenset(
    {
        "s3-access-logging",
        "s3-account-block-public-access",
        "s3-block-public-access",
        "s3-default-encryption",
        "s3-kms-encryption",
        "s3-public-acl",
        "s3-tls-only",
        "s3-versioning",
    }
)
"""The ids of the rules for which there is a remedy."""


def remedy_for(
    rule: str, *, key: str = "", target: str = "", prefix: str | None = None, keep_named: bool = False
) -> Remedy:
    """Return the remedy that satisfies a rule.

    Args:
        rule: The rule's id.
        key: As of DefaultEncryption; s3-kms-encryption needs it.
        target: As of AccessLogs, which needs it.
        prefix: Likewise.
        keep_named: As of ClosedAcl.

    Raises:
        NotPossible: There is none, or something must be named for it.
    """
    if rule not in REPAIRABLE:
        raise NotPossible(f"There is no repair for {rule}. Nothing was changed.", "Do what its finding says by hand.")
    if rule == "s3-access-logging" and not target:
        raise NotPossible(
            "Access logs need a bucket that takes them, and none is named. Nothing was changed.",
            "Name one of the same account and region.",
        )
    if rule == "s3-kms-encryption" and not key:
        raise NotPossible(
            "Encryption by KMS needs a key, and none is named. Nothing was changed.",
            "Name an enabled, symmetric key of the bucket's region by its ARN.",
        )
    every: tuple[Remedy, ...] = (
        BlockPublicAccess(),
        BlockPublicAccessOfAccount(),
        ClosedAcl(keep_named=keep_named),
        DefaultEncryption(key),
        KeptVersions(),
        TlsOnly(),
        AccessLogs(target, prefix),
    )
    # with a key, the default encryption satisfies both rules
    known = {each.rule: each for each in every}
    return known.get(rule) or DefaultEncryption(key)
