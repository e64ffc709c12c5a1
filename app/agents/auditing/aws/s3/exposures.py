"""Judges who reaches a bucket in effect: by policy, ACL, ownership, and block public access of bucket and account.

Each function for a rule takes a bucket with the facts that the rule needs, and gives an opinion. It is pure, and what
was not gathered counts as unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.aws.opinions import fails, not_known, passes, sentences
from app.agents.auditing.aws.policy import (
    ALL_USERS,
    AUTHENTICATED_USERS,
    LOG_DELIVERY,
    NOT_READ,
    Access,
    GranteeKind,
    Ownership,
    PublicAccessBlock,
    Ternary,
    any_of,
    expose,
    judge_resource_policy,
)
from app.agents.auditing.aws.reading import NOT_ASKED, NotRead, was_lost
from app.agents.auditing.aws.s3.evidence import lines, statements
from app.agents.auditing.aws.s3.facts import Acl, Policy
from app.domain.findings import Severity
from app.domain.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.agents.auditing.aws.opinions import Opinion
    from app.agents.auditing.aws.policy import AclGrant, Answer, Exposure, Grant
    from app.agents.auditing.aws.reading import Fact
    from app.agents.auditing.aws.s3.facts import Bucket

_SWITCHES = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_NO_OUTSIDERS = frozenset({GranteeKind.SERVICE, GranteeKind.NETWORK, GranteeKind.ACCESS_POINT, GranteeKind.CLOUDFRONT})
"""Whom a policy can name without naming another account."""


def exposure(bucket: Bucket) -> Exposure:
    """Return who reaches a bucket in effect, as far as its facts tell.

    Args:
        bucket: With its policy, ACL, ownership and switches, each known or not.
    """
    policy, acl, ownership = bucket.policy, bucket.acl, bucket.ownership
    none = judge_resource_policy(None, bucket.account)
    return expose(
        none if policy is None else None if isinstance(policy, NotRead) else policy.verdict,
        () if acl is None else None if isinstance(acl, NotRead) else acl.grants,
        account=_switches(bucket.account_block),
        bucket=_switches(bucket.block),
        ownership=None if isinstance(ownership, NotRead) else ownership or Ownership.OBJECT_WRITER,
        owner=_owner(bucket),
    )


def open_to(bucket: Bucket) -> frozenset[str]:
    """Return which facts decide who is let in, besides policy and ACL: none where those two let in nobody for sure.

    A switch only takes away what a public policy or a public ACL gives, and ownership only what an ACL gives to others
    than the owner ("Blocking public access to your Amazon S3 storage" and "Controlling ownership of objects and
    disabling ACLs for your bucket", Amazon S3 User Guide). What could not be read may let in anybody.

    Args:
        bucket: With its policy and its ACL; one that was not asked for is of no interest.
    """
    policy, acl = bucket.policy, bucket.acl
    grants = acl.grants if isinstance(acl, Acl) else ()
    doubted = isinstance(policy, Policy) and any(
        answer.value is Ternary.UNKNOWN for grant in policy.verdict.grants for answer in grant.access.values()
    )
    if was_lost(acl) or doubted or any(each.grantee not in {LOG_DELIVERY, _owner(bucket)} for each in grants):
        return _BLOCKS | {"ownership"}
    if was_lost(policy) or (isinstance(policy, Policy) and policy.verdict.is_public.value is not Ternary.NO):
        return _BLOCKS
    return frozenset()


def _switches(fact: Fact[PublicAccessBlock | None]) -> PublicAccessBlock:
    if isinstance(fact, NotRead):
        return NOT_READ
    return fact or PublicAccessBlock()


_BY_POLICY = frozenset({"policy", "block", "account_block"})
_BY_ACL = frozenset({"acl", "ownership", "block", "account_block"})
_BLOCKS = frozenset({"block", "account_block"})
_CHANGING = frozenset({"WRITE", "WRITE_ACP", "FULL_CONTROL"})


def public_policy(bucket: Bucket) -> Opinion:
    """Judge whether the policy lets in anybody."""
    answer = exposure(bucket).by_policy
    if answer.value is not Ternary.YES:
        otherwise = "The policy lets in nobody whom it does not name." if bucket.policy else "There is no policy."
        return _told(answer, bucket, _BY_POLICY, otherwise)
    public = bucket.policy.verdict.public if isinstance(bucket.policy, Policy) else {}
    return fails(sentences([], answer.reasons), statements(bucket, answer), _grade(public))


def public_acl(bucket: Bucket) -> Opinion:
    """Judge whether the ACL lets in anybody."""
    answer = exposure(bucket).by_acl
    if answer.value is not Ternary.YES:
        return _told(answer, bucket, _BY_ACL, "The ACL lets in nobody whom it does not name.")
    only = Severity.MEDIUM if all(each.permission == "READ_ACP" for each in _opened(bucket)) else None
    return fails(sentences([], answer.reasons), _shown(_opened(bucket)), only)


def _opened(bucket: Bucket) -> list[AclGrant]:
    grants = bucket.acl.grants if isinstance(bucket.acl, Acl) else ()
    return [each for each in grants if each.grantee in {ALL_USERS, AUTHENTICATED_USERS}]


def _shown(grants: Iterable[AclGrant]) -> str:
    return lines(f"{each.permission}: {each.grantee}" for each in grants)


def public_write(bucket: Bucket) -> Opinion:
    """Judge whether anybody can put, change or delete objects, or change the bucket, by policy or by ACL."""
    public = exposure(bucket).public
    answer = any_of([public[Access.WRITE], public[Access.ADMIN]])
    if answer.value is not Ternary.YES:
        return _told(answer, bucket, _BY_POLICY | _BY_ACL, "Only whom it names can change the bucket or its objects.")
    shown = statements(bucket, answer) or _shown(each for each in _opened(bucket) if each.permission in _CHANGING)
    return fails(sentences([], answer.reasons), shown)


def _told(answer: Answer, bucket: Bucket, needs: frozenset[str], otherwise: str) -> Opinion:
    """Return what an answer means that is no yes, where a yes would be wrong."""
    if answer.value is Ternary.UNKNOWN:
        # what was not asked for decides nothing here (`open_to`): the answer's reasons do
        return not_known((each for each in bucket.lost(needs) if each is not NOT_ASKED), answer.reasons)
    return passes(sentences([], answer.reasons) or otherwise)


def _grade(public: Mapping[Access, Answer]) -> Severity | None:
    """Return MEDIUM where anybody sees only how the bucket is set up, and surely nothing of what is in it."""
    reached = {access for access, answer in public.items() if answer.value is not Ternary.NO}
    return Severity.MEDIUM if reached == {Access.INSPECT} else None


def block_public_access(bucket: Bucket) -> Opinion:
    """Judge whether each of the four switches is on, for the bucket or for the account."""
    blocked = exposure(bucket).blocked
    off = [name for name in _SWITCHES if blocked[name].value is Ternary.NO]
    if off:
        return fails(f"Off for the bucket and for the account: {', '.join(off)}.")
    if any(answer.value is Ternary.UNKNOWN for answer in blocked.values()):
        return not_known(bucket.lost(_BLOCKS))
    by = [
        whose for whose, fact in (("the account", bucket.account_block), ("the bucket", bucket.block))
        if _off(_switches(fact)) == []
    ]  # fmt: skip
    return passes(f"All four switches are on, {f'by {by[0]}' if by else 'by bucket and account together'}.")


def account_block_public_access(account: Bucket) -> Opinion:
    """Judge whether each of the four switches is on for the whole account."""
    if isinstance(account.account_block, NotRead):
        return not_known([account.account_block])
    off = _off(_switches(account.account_block))
    return fails(f"Off for the account: {', '.join(off)}.") if off else passes("All four switches are on.")


def _off(switches: PublicAccessBlock) -> list[str]:
    values = (
        switches.block_public_acls,
        switches.ignore_public_acls,
        switches.block_public_policy,
        switches.restrict_public_buckets,
    )
    return [name for name, on in zip(_SWITCHES, values, strict=True) if not on]


def cross_account(bucket: Bucket) -> Opinion:
    """Judge whether policy or ACL let in other accounts that they name."""
    grants = [each for each in exposure(bucket).grants if _may_be_outsider(each, bucket)]
    surely = [each for each in grants if _is_outsider(each, bucket)]
    if surely:
        names = lines(_named(each) for each in surely)
        return fails(f"Lets in {plural(len(surely), 'outsider')} that it names.", names, _power(surely))
    needs = {"policy"} if bucket.ownership is Ownership.ENFORCED else {"policy", "acl"}
    faults = bucket.policy.verdict.faults if isinstance(bucket.policy, Policy) else ()
    if not bucket.lost(frozenset(needs)) and not grants and not faults:
        return passes("It names nobody of another account.")
    if isinstance(bucket.acl, NotRead) or grants:
        needs.add("ownership")
    if grants:
        needs |= _BLOCKS
    if any(each.grantee.kind is GranteeKind.CANONICAL_USER for each in grants):
        needs.add("acl")
    doubted = [reason for each in grants for answer in each.access.values() for reason in answer.reasons]
    return not_known(bucket.lost(frozenset(needs)), (*faults, *doubted))


def _may_be_outsider(grant: Grant, bucket: Bucket) -> bool:
    if grant.grantee.kind in _NO_OUTSIDERS:
        return False
    return not _owner(bucket) or grant.grantee.id != _owner(bucket)


def _is_outsider(grant: Grant, bucket: Bucket) -> bool:
    """Return whether somebody surely gets in who surely is not the owner, whose own id only its ACL tells."""
    if grant.grantee.kind is GranteeKind.CANONICAL_USER and not _owner(bucket):
        return False
    return any(answer.value is Ternary.YES for answer in grant.access.values())


def _owner(bucket: Bucket) -> str:
    """Return the owner's canonical user id; empty when it is not known."""
    return bucket.acl.owner if isinstance(bucket.acl, Acl) else ""


def _named(grant: Grant) -> str:
    access = ", ".join(kind.value for kind, answer in grant.access.items() if answer.value is Ternary.YES)
    return f"{grant.grantee.kind.value} {grant.grantee.id[:200]}: {access}"


def _power(grants: Iterable[Grant]) -> Severity:
    """Return HIGH where an outsider can hand the bucket on, LOW where none can change anything."""
    kinds = {kind for each in grants for kind, answer in each.access.items() if answer.value is Ternary.YES}
    if Access.ADMIN in kinds:
        return Severity.HIGH
    return Severity.MEDIUM if Access.WRITE in kinds else Severity.LOW
