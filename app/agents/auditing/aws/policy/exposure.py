"""How a bucket's policy, its ACL and block public access come together: who reaches it in effect.

From "Blocking public access to your Amazon S3 storage", "Access control list (ACL) overview" and "Controlling ownership
of objects and disabling ACLs for your bucket" (Amazon S3 User Guide). Of the four switches two act on what is there:
IgnorePublicAcls and RestrictPublicBuckets. BlockPublicAcls and BlockPublicPolicy only refuse what is put from then on.
A switch is on when it is on for the account or for the bucket.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy.answers import (
    NO,
    Access,
    Answer,
    Grant,
    Grantee,
    GranteeKind,
    ResourceVerdict,
    Ternary,
    any_of,
    unknown,
    yes,
)
from app.agents.auditing.aws.policy.conditions import Kleene, either

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GROUPS = "http://acs.amazonaws.com/groups/"
ALL_USERS = f"{_GROUPS}global/AllUsers"
AUTHENTICATED_USERS = f"{_GROUPS}global/AuthenticatedUsers"
LOG_DELIVERY = f"{_GROUPS}s3/LogDelivery"
_PUBLIC = {ALL_USERS: "anybody", AUTHENTICATED_USERS: "anybody with an AWS account"}

_ON_BUCKET = {
    "READ": (Access.LIST,),
    "WRITE": (Access.WRITE,),
    "READ_ACP": (Access.INSPECT,),
    "WRITE_ACP": (Access.ADMIN,),
    "FULL_CONTROL": (Access.LIST, Access.WRITE, Access.INSPECT, Access.ADMIN),
}
_ON_OBJECT = {
    "READ": (Access.READ,),
    "READ_ACP": (Access.INSPECT,),
    "WRITE_ACP": (Access.ADMIN,),
    "FULL_CONTROL": (Access.READ, Access.INSPECT, Access.ADMIN),
}


class Ownership(StrEnum):
    """Who owns objects. Buckets older than April 2023 without ownership controls are OBJECT_WRITER."""

    ENFORCED = "BucketOwnerEnforced"
    """ACLs are disabled, and count for nothing."""
    PREFERRED = "BucketOwnerPreferred"
    OBJECT_WRITER = "ObjectWriter"


@dataclass(frozen=True, slots=True)
class AclGrant:
    """One grant of an ACL.

    Attributes:
        grantee: The URI of a group, a canonical user id, or an e-mail address.
        permission: READ, WRITE, READ_ACP, WRITE_ACP or FULL_CONTROL.
        on_object: Whether it is of an object's ACL.
    """

    grantee: str
    permission: str
    on_object: bool = False


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    """The four switches of an account or a bucket; None for one that is not known.

    A bucket or account without any has them all off: `PublicAccessBlock()`.
    """

    block_public_acls: bool | None = False
    ignore_public_acls: bool | None = False
    block_public_policy: bool | None = False
    restrict_public_buckets: bool | None = False


NOT_READ = PublicAccessBlock(None, None, None, None)
"""Switches that could not be read."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who reaches a bucket in effect.

    Attributes:
        public: For each kind of access, whether anybody has it.
        grants: What named outsiders get, by policy and by ACL.
        by_policy: Whether anybody has any access by the policy, switches taken into account.
        by_acl: Likewise by the ACL.
        acls_disabled: Whether ACLs count for nothing.
        blocked: Each of the four switches by its name at AWS (`BlockPublicAcls`), account and bucket taken together.
    """

    public: Mapping[Access, Answer]
    grants: tuple[Grant, ...]
    by_policy: Answer
    by_acl: Answer
    acls_disabled: Answer
    blocked: Mapping[str, Answer]

    @property
    def is_public(self) -> Answer:
        """Whether anybody has any access at all."""
        return any_of(self.public.values())


def expose(
    policy: ResourceVerdict | None,
    acl: Iterable[AclGrant] | None,
    *,
    account: PublicAccessBlock,
    bucket: PublicAccessBlock,
    ownership: Ownership | None,
    owner: str = "",
) -> Exposure:
    """Return who reaches a bucket in effect.

    Args:
        policy: The verdict on its policy; None when the policy could not be read. For a bucket without a policy, that
            of `judge_resource_policy(None, ...)`.
        acl: The grants of its ACL; None when it could not be read.
        account: The switches of the account; NOT_READ when they could not be read.
        bucket: Those of the bucket.
        ownership: Its ownership controls; None when they could not be read.
        owner: The owner's canonical user id; empty when not known: then each canonical user may be an outsider.
    """
    ignores = either([account.ignore_public_acls, bucket.ignore_public_acls])
    restricts = either([account.restrict_public_buckets, bucket.restrict_public_buckets])
    disabled = None if ownership is None else ownership is Ownership.ENFORCED
    by_policy, grants = _by_policy(policy, restricts)
    every = None if acl is None else tuple(acl)
    by_acl = {each: _by_acl(each, every, ignores, disabled) for each in Access}
    return Exposure(
        public={each: any_of([by_policy[each], by_acl[each]]) for each in Access},
        grants=(*grants, *_acl_grants(every or (), ignores, disabled, owner)),
        by_policy=any_of(by_policy.values()),
        by_acl=any_of(by_acl.values()),
        acls_disabled=_answer(disabled, "whether ACLs are disabled could not be read"),
        blocked={
            name: _answer(either(pair), f"whether {name} is on could not be read")
            for name, pair in (
                ("BlockPublicAcls", (account.block_public_acls, bucket.block_public_acls)),
                ("IgnorePublicAcls", (account.ignore_public_acls, bucket.ignore_public_acls)),
                ("BlockPublicPolicy", (account.block_public_policy, bucket.block_public_policy)),
                ("RestrictPublicBuckets", (account.restrict_public_buckets, bucket.restrict_public_buckets)),
            )
        },
    )


def _answer(value: Kleene, otherwise: str) -> Answer:
    return unknown(otherwise) if value is None else yes() if value else NO


def _by_policy(policy: ResourceVerdict | None, restricts: Kleene) -> tuple[dict[Access, Answer], tuple[Grant, ...]]:
    """Return what anybody and what named outsiders have by the policy.

    With RestrictPublicBuckets a public policy lets in only AWS services and the owner's account: other accounts too are
    kept out, even where the policy names them. A policy that is not public goes on as it is.
    """
    if restricts:
        closed = Answer(Ternary.NO, ("RestrictPublicBuckets keeps out whom a public policy would let in",))
        shut = {each: closed if policy is None or policy.public[each].value is not Ternary.NO else policy.public[each]
                for each in Access}  # fmt: skip
        return shut, () if policy is None else _kept(policy)
    if policy is None:
        return dict.fromkeys(Access, unknown("The bucket's policy could not be read.")), ()
    if restricts is None:
        reason = "whether RestrictPublicBuckets is on could not be read"
        grants = policy.grants if policy.is_public.value is Ternary.NO else _doubted(policy, reason)
        return {each: _doubt(answer, reason) for each, answer in policy.public.items()}, grants
    return dict(policy.public), policy.grants


def _kept(policy: ResourceVerdict) -> tuple[Grant, ...]:
    if policy.is_public.value is Ternary.NO:
        return policy.grants
    services = tuple(each for each in policy.grants if each.grantee.kind is GranteeKind.SERVICE)
    if policy.is_public.value is Ternary.YES:
        return services
    doubted = _doubted(policy, "RestrictPublicBuckets keeps others out if the policy counts as public")
    return (*services, *(each for each in doubted if each.grantee.kind is not GranteeKind.SERVICE))


def _doubted(policy: ResourceVerdict, reason: str) -> tuple[Grant, ...]:
    return tuple(
        replace(each, access={kind: _doubt(answer, reason) for kind, answer in each.access.items()})
        for each in policy.grants
    )


def _doubt(answer: Answer, reason: str) -> Answer:
    return answer if answer.value is Ternary.NO else unknown(*answer.reasons, reason)


def _by_acl(access: Access, acl: tuple[AclGrant, ...] | None, ignores: Kleene, disabled: Kleene) -> Answer:
    if disabled:
        return Answer(Ternary.NO, ("ACLs are disabled",))
    if ignores:
        return Answer(Ternary.NO, ("IgnorePublicAcls keeps out whom a public ACL would let in",))
    if acl is None:
        return unknown("The bucket's ACL could not be read.")
    answers = []
    for each in acl:
        if access not in _accesses(each):
            continue
        if each.grantee in _PUBLIC:
            answers.append(yes(f"its ACL gives {each.permission} to {_PUBLIC[each.grantee]}"))
        elif each.grantee.startswith("http") and each.grantee != LOG_DELIVERY:
            answers.append(unknown(f"its ACL names a group that is not known: {each.grantee[:120]!r}"))
    answer = any_of(answers)
    if disabled is None:
        answer = _doubt(answer, "whether ACLs are disabled could not be read")
    return _doubt(answer, "whether IgnorePublicAcls is on could not be read") if ignores is None else answer


def _accesses(grant: AclGrant) -> tuple[Access, ...]:
    """Return what a grant gives; a permission that is not known may give anything."""
    return (_ON_OBJECT if grant.on_object else _ON_BUCKET).get(grant.permission, tuple(Access))


def _acl_grants(acl: tuple[AclGrant, ...], ignores: Kleene, disabled: Kleene, owner: str) -> tuple[Grant, ...]:
    if disabled:
        return ()
    public = any(each.grantee in _PUBLIC for each in acl)
    found: dict[Grantee, dict[Access, Answer]] = {}
    for each in acl:
        if each.grantee == LOG_DELIVERY:
            grantee = Grantee(GranteeKind.SERVICE, "logging.s3.amazonaws.com")
        elif each.grantee.startswith("http") or each.grantee == owner:
            continue
        else:
            grantee = Grantee(GranteeKind.CANONICAL_USER, each.grantee)
        answer = yes(f"its ACL gives {each.permission} to {each.grantee[:80]}")
        if grantee.kind is GranteeKind.CANONICAL_USER and (not owner or "@" in each.grantee):
            answer = unknown(*answer.reasons, "whether that is the owner itself is not known")
        if disabled is None:
            answer = _doubt(answer, "whether ACLs are disabled could not be read")
        if public and ignores is not False:
            answer = _doubt(answer, "IgnorePublicAcls may leave out the whole of an ACL that is public")
        found.setdefault(grantee, {}).update(
            {kind: any_of([answer, found.get(grantee, {}).get(kind, NO)]) for kind in _accesses(each)}
        )
    return tuple(Grant(grantee, access) for grantee, access in found.items())
