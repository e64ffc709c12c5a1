"""Judges policies of Amazon S3 and IAM: pure, without I/O, three-valued, and never with a guess.

    verdict = judge_resource_policy(text, owner="111122223333", resource="arn:aws:s3:::a-bucket")
    verdict.public[Access.READ].value  # Ternary.YES, NO or UNKNOWN, with reasons beside it

A policy is not matched against known shapes. Each question is answered by looking at one request for each way in which
the policy can tell requests apart: who asks, for what, whence, with which keys. So a Deny that takes back a part of an
Allow counts as that part, and statements count together.
"""

from __future__ import annotations

from app.agents.auditing.aws.policy.answers import (
    Access,
    Answer,
    Grant,
    Grantee,
    GranteeKind,
    IdentityVerdict,
    ResourceVerdict,
    Ternary,
    any_of,
)
from app.agents.auditing.aws.policy.documents import read_document
from app.agents.auditing.aws.policy.exposure import (
    ALL_USERS,
    AUTHENTICATED_USERS,
    LOG_DELIVERY,
    NOT_READ,
    AclGrant,
    Exposure,
    Ownership,
    PublicAccessBlock,
    expose,
)
from app.agents.auditing.aws.policy.identity import judge_identity_policy
from app.agents.auditing.aws.policy.resource import judge_resource_policy
from app.agents.auditing.aws.policy.verdicts import Verdicts

__all__ = [
    "ALL_USERS",
    "AUTHENTICATED_USERS",
    "LOG_DELIVERY",
    "NOT_READ",
    "Access",
    "AclGrant",
    "Answer",
    "Exposure",
    "Grant",
    "Grantee",
    "GranteeKind",
    "IdentityVerdict",
    "Ownership",
    "PublicAccessBlock",
    "ResourceVerdict",
    "Ternary",
    "Verdicts",
    "any_of",
    "expose",
    "judge_identity_policy",
    "judge_resource_policy",
    "read_document",
]
