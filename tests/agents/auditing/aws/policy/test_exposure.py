"""How a policy, an ACL and block public access come together."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from app.agents.auditing.aws.policy import (
    NOT_READ,
    Access,
    AclGrant,
    GranteeKind,
    Ownership,
    PublicAccessBlock,
    Ternary,
    expose,
    judge_resource_policy,
)
from app.agents.auditing.aws.policy.exposure import ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY

YES, NO, UNKNOWN = Ternary.YES, Ternary.NO, Ternary.UNKNOWN
OWNER, OTHER = "111122223333", "444455556666"
SELF, FOREIGN = "a" * 64, "b" * 64


def judged(principal: Any, **more: Any) -> Any:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
    return judge_resource_policy(json.dumps({"Statement": [statement | more]}), OWNER)


NOTHING = judge_resource_policy(None, OWNER)
PUBLIC = judged({"AWS": ["*", OTHER], "Service": "cloudtrail.amazonaws.com"})
NAMED = judged({"AWS": OTHER, "Service": "cloudtrail.amazonaws.com"})
UNSURE = judged({"AWS": ["*", OTHER], "Service": "s3.amazonaws.com"}, Condition={"StringEquals": {"example:key": "x"}})
OPEN_ACL = (AclGrant(SELF, "FULL_CONTROL"), AclGrant(ALL_USERS, "READ"))
OFF, ON = PublicAccessBlock(), PublicAccessBlock(*[True] * 4)
IGNORE = PublicAccessBlock(ignore_public_acls=True)
RESTRICT = PublicAccessBlock(restrict_public_buckets=True)
REFUSE = PublicAccessBlock(block_public_acls=True, block_public_policy=True)
HALF = PublicAccessBlock(block_public_acls=None, ignore_public_acls=None)


def exposed(
    policy: Any = NOTHING,
    acl: Any = (),
    *,
    account: PublicAccessBlock = OFF,
    bucket: PublicAccessBlock = OFF,
    ownership: Ownership | None = Ownership.OBJECT_WRITER,
    owner: str = SELF,
) -> Any:
    return expose(policy, acl, account=account, bucket=bucket, ownership=ownership, owner=owner)


CASES = [
    (NO, NO, "nothing at all", {}),
    (YES, NO, "a public policy", {"policy": PUBLIC}),
    (NO, NO, "a policy that names an account", {"policy": NAMED}),
    (UNKNOWN, NO, "a policy that is not understood", {"policy": UNSURE}),
    (UNKNOWN, NO, "a policy that could not be read", {"policy": None}),
    (NO, NO, "a public policy, restricted by the bucket", {"policy": PUBLIC, "bucket": RESTRICT}),
    (NO, NO, "a public policy, restricted by the account", {"policy": PUBLIC, "account": RESTRICT}),
    (NO, NO, "a policy that is not understood, restricted", {"policy": UNSURE, "bucket": RESTRICT}),
    (NO, NO, "a policy that could not be read, restricted", {"policy": None, "bucket": RESTRICT}),
    (YES, NO, "refusing new policies does not change the one there is", {"policy": PUBLIC, "bucket": REFUSE}),
    (YES, NO, "ignoring ACLs does not change a policy", {"policy": PUBLIC, "bucket": IGNORE}),
    (UNKNOWN, NO, "a public policy, and switches that could not be read", {"policy": PUBLIC, "account": NOT_READ}),
    (NO, NO, "a public policy, restricted by one, the other not read", {
        "policy": PUBLIC, "account": NOT_READ, "bucket": RESTRICT}),
    (NO, NO, "a policy that is not public, and switches not read", {"policy": NAMED, "account": NOT_READ}),
    (NO, YES, "an ACL for everybody", {"acl": OPEN_ACL}),
    (NO, YES, "an ACL for everybody with an account", {"acl": [AclGrant(AUTHENTICATED_USERS, "READ")]}),
    (NO, NO, "an ACL for the owner", {"acl": [AclGrant(SELF, "FULL_CONTROL")]}),
    (NO, NO, "an ACL for another", {"acl": [AclGrant(FOREIGN, "FULL_CONTROL")]}),
    (NO, NO, "an ACL for the delivery of logs", {"acl": [AclGrant(LOG_DELIVERY, "WRITE")]}),
    (NO, UNKNOWN, "an ACL for a group that is not known", {
        "acl": [AclGrant("http://acs.amazonaws.com/groups/global/Neighbours", "READ")]}),
    (NO, YES, "a permission that is not known, for everybody", {"acl": [AclGrant(ALL_USERS, "DANCE")]}),
    (NO, NO, "an ACL for everybody, ignored by the bucket", {"acl": OPEN_ACL, "bucket": IGNORE}),
    (NO, NO, "an ACL for everybody, ignored by the account", {"acl": OPEN_ACL, "account": IGNORE}),
    (NO, YES, "refusing new ACLs does not change the one there is", {"acl": OPEN_ACL, "bucket": REFUSE}),
    (NO, YES, "restricting policies does not change an ACL", {"acl": OPEN_ACL, "bucket": RESTRICT}),
    (NO, NO, "an ACL for everybody, ACLs disabled", {"acl": OPEN_ACL, "ownership": Ownership.ENFORCED}),
    (NO, YES, "an ACL for everybody, ACLs preferred to the owner", {"acl": OPEN_ACL, "ownership": Ownership.PREFERRED}),
    (NO, UNKNOWN, "an ACL for everybody, ownership not read", {"acl": OPEN_ACL, "ownership": None}),
    (NO, NO, "an ACL for the owner, ownership not read", {"acl": [AclGrant(SELF, "READ")], "ownership": None}),
    (NO, UNKNOWN, "an ACL for everybody, one switch not read", {"acl": OPEN_ACL, "account": HALF}),
    (NO, UNKNOWN, "an ACL that could not be read", {"acl": None}),
    (NO, NO, "an ACL that could not be read, ACLs disabled", {"acl": None, "ownership": Ownership.ENFORCED}),
    (NO, NO, "an ACL that could not be read, ignored", {"acl": None, "account": IGNORE}),
    (YES, YES, "both", {"policy": PUBLIC, "acl": OPEN_ACL}),
    (NO, NO, "both, all switches on", {"policy": PUBLIC, "acl": OPEN_ACL, "account": ON}),
    (UNKNOWN, UNKNOWN, "nothing could be read", {
        "policy": None, "acl": None, "account": NOT_READ, "bucket": NOT_READ, "ownership": None}),
]  # fmt: skip


@pytest.mark.parametrize(("by_policy", "by_acl", "why", "given"), CASES, ids=[each[2] for each in CASES])
def test_exposure(by_policy: Ternary, by_acl: Ternary, why: str, given: dict[str, Any]) -> None:
    """What is public in effect follows from all of them together."""
    exposure = exposed(**given)

    assert (exposure.by_policy.value, exposure.by_acl.value) == (by_policy, by_acl), why
    rank = [NO, UNKNOWN, YES]
    assert exposure.is_public.value is max(by_policy, by_acl, key=rank.index)


PERMISSIONS = [
    ("READ", False, {Access.LIST}),
    ("WRITE", False, {Access.WRITE}),
    ("READ_ACP", False, {Access.INSPECT}),
    ("WRITE_ACP", False, {Access.ADMIN}),
    ("FULL_CONTROL", False, {Access.LIST, Access.WRITE, Access.INSPECT, Access.ADMIN}),
    ("READ", True, {Access.READ}),
    ("READ_ACP", True, {Access.INSPECT}),
    ("WRITE_ACP", True, {Access.ADMIN}),
    ("FULL_CONTROL", True, {Access.READ, Access.INSPECT, Access.ADMIN}),
]


@pytest.mark.parametrize(("permission", "on_object", "accesses"), PERMISSIONS)
def test_permissions_of_acls(permission: str, on_object: bool, accesses: set[Access]) -> None:  # noqa: FBT001 - a row
    """Each permission gives what the overview of ACLs has, on a bucket or on an object."""
    exposure = exposed(acl=[AclGrant(ALL_USERS, permission, on_object)])

    assert {each for each, answer in exposure.public.items() if answer.value is YES} == accesses


def test_restricting_a_public_policy_keeps_other_accounts_out_too() -> None:
    """With RestrictPublicBuckets a public policy lets in AWS services only, of those it names."""
    free, kept = exposed(PUBLIC), exposed(PUBLIC, bucket=RESTRICT)

    assert {each.grantee.id for each in free.grants} == {OTHER, "cloudtrail.amazonaws.com"}
    assert {each.grantee.id for each in kept.grants} == {"cloudtrail.amazonaws.com"}


def test_restricting_does_not_touch_a_policy_that_is_not_public() -> None:
    """A policy that names accounts goes on as it is."""
    assert exposed(NAMED, bucket=RESTRICT).grants == NAMED.grants


def test_restricting_a_policy_that_is_not_understood_leaves_others_unknown() -> None:
    """Whether other accounts are kept out follows from whether the policy is public."""
    exposure = exposed(UNSURE, bucket=RESTRICT)

    (other,) = [each for each in exposure.grants if each.grantee.id == OTHER]
    assert other.access[Access.READ].value is UNKNOWN
    assert any("RestrictPublicBuckets" in each for each in other.access[Access.READ].reasons)


def test_grants_of_acls() -> None:
    """Foreign canonical users and the delivery of logs are told as outsiders, the owner is not."""
    acl = [AclGrant(SELF, "FULL_CONTROL"), AclGrant(FOREIGN, "READ"), AclGrant(LOG_DELIVERY, "WRITE")]

    exposure = exposed(acl=acl)

    assert {(each.grantee.kind, each.grantee.id) for each in exposure.grants} == {
        (GranteeKind.CANONICAL_USER, FOREIGN),
        (GranteeKind.SERVICE, "logging.s3.amazonaws.com"),
    }
    assert exposed(acl=acl, ownership=Ownership.ENFORCED).grants == ()


def test_without_the_owners_id_canonical_users_are_not_known() -> None:
    """Whose a canonical user id is, it does not tell."""
    exposure = exposed(acl=[AclGrant(FOREIGN, "READ")], owner="")

    assert exposure.grants[0].access[Access.LIST].value is UNKNOWN


@pytest.mark.parametrize(("account", "bucket"), list(product([True, False, None], repeat=2)))
def test_a_switch_is_on_when_account_or_bucket_has_it_on(account: Any, bucket: Any) -> None:
    """The most restrictive of both counts, and one that is on suffices, whatever is not known."""
    exposure = exposed(
        account=PublicAccessBlock(block_public_policy=account), bucket=PublicAccessBlock(block_public_policy=bucket)
    )

    expected = YES if True in {account, bucket} else UNKNOWN if None in {account, bucket} else NO
    assert exposure.blocked["BlockPublicPolicy"].value is expected
