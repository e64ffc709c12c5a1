"""Which outsiders a policy lets in, and to what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.agents.auditing.aws.policy import Access, GranteeKind, Ternary, judge_resource_policy

YES, NO, UNKNOWN = Ternary.YES, Ternary.NO, Ternary.UNKNOWN
OWNER = "111122223333"
OTHER = "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/r"
BUCKET = "arn:aws:s3:::b"
OBJECTS = "arn:aws:s3:::b/*"
ORGANISATION = "o-a1b2c3d4e5"
POINT = f"arn:aws:s3:eu-north-1:{OWNER}:accesspoint/a"


def allow(principal: Any = "*", action: Any = "s3:GetObject", resource: Any = OBJECTS, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, **more}


def deny(principal: Any = "*", action: Any = "s3:*", **more: Any) -> dict[str, Any]:
    return allow(principal, action, [BUCKET, OBJECTS], **more) | {"Effect": "Deny"}


def when(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


def judged(*statements: dict[str, Any], owner: str = OWNER, resource: str = BUCKET) -> Any:
    return judge_resource_policy(
        json.dumps({"Version": "2012-10-17", "Statement": statements}), owner, resource=resource
    )


K = GranteeKind
NAMED = [
    ({(K.ACCOUNT, OTHER): YES}, "an account by its id", [allow({"AWS": OTHER})]),
    ({(K.ACCOUNT, OTHER): YES}, "an account by its root", [allow({"AWS": f"arn:aws:iam::{OTHER}:root"})]),
    ({(K.ACCOUNT, OTHER): YES}, "an account twice is one", [
        allow({"AWS": OTHER}), allow({"AWS": f"arn:aws:iam::{OTHER}:root"})]),
    ({}, "the own account", [allow({"AWS": OWNER})]),
    ({}, "a role of the own account", [allow({"AWS": f"arn:aws:iam::{OWNER}:role/r"})]),
    ({(K.PRINCIPAL, ROLE): YES}, "a role", [allow({"AWS": ROLE})]),
    ({(K.PRINCIPAL, f"arn:aws:sts::{OTHER}:assumed-role/r/s"): YES}, "a session", [
        allow({"AWS": f"arn:aws:sts::{OTHER}:assumed-role/r/s"})]),
    ({(K.PRINCIPAL, "AIDAEXAMPLEEXAMPLE123"): YES}, "a unique id", [allow({"AWS": "AIDAEXAMPLEEXAMPLE123"})]),
    ({(K.CLOUDFRONT, "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"): YES}, "a distribution", [
        allow({"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"})]),
    ({(K.CANONICAL_USER, "79a59df900b949e5"): YES}, "a canonical user", [allow({"CanonicalUser": "79a59df900b949e5"})]),
    ({(K.FEDERATED, "accounts.google.com"): YES}, "a provider", [allow({"Federated": "accounts.google.com"})]),
    ({(K.FEDERATED, f"arn:aws:iam::{OTHER}:saml-provider/p"): YES}, "a provider of an account", [
        allow({"Federated": f"arn:aws:iam::{OTHER}:saml-provider/p"})]),
    ({(K.SERVICE, "cloudtrail.amazonaws.com"): YES}, "a service", [allow({"Service": "cloudtrail.amazonaws.com"})]),
    ({(K.ACCOUNT, OTHER): YES, (K.SERVICE, "s3.amazonaws.com"): YES}, "several", [
        allow({"AWS": [OTHER, OWNER], "Service": "s3.amazonaws.com"})]),
    ({(K.ORGANISATION, ORGANISATION): YES}, "an organisation", [
        allow(**when("StringEquals", "aws:PrincipalOrgID", ORGANISATION))]),
    ({(K.ORGANISATION, f"{ORGANISATION}/r-ab12/*"): YES}, "a part of an organisation", [
        allow(**when("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", f"{ORGANISATION}/r-ab12/*"))]),
    ({(K.ORGANISATION, ORGANISATION): YES}, "an organisation, by a Deny for all others", [
        allow(), deny(**when("StringNotEquals", "aws:PrincipalOrgID", ORGANISATION))]),
    ({(K.ACCOUNT, OTHER): YES}, "an account, by a condition", [
        allow(**when("StringEquals", "aws:PrincipalAccount", OTHER))]),
    ({(K.PRINCIPAL, ROLE): YES}, "a role, by a condition", [allow(**when("ArnEquals", "aws:PrincipalArn", ROLE))]),
    ({(K.ACCOUNT, OTHER): YES}, "the roles of an account, by a condition", [
        allow(**when("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{OTHER}:role/*"))]),
    ({}, "the own account, by a condition", [allow(**when("StringEquals", "aws:PrincipalAccount", OWNER))]),
    ({(K.PRINCIPAL, "AROAEXAMPLEEXAMPLE123:s"): YES}, "a session by its unique id", [
        allow(**when("StringEquals", "aws:userid", "AROAEXAMPLEEXAMPLE123:s"))]),
    ({(K.NETWORK, "203.0.113.0/24"): YES}, "a network", [allow(**when("IpAddress", "aws:SourceIp", "203.0.113.0/24"))]),
    ({(K.NETWORK, "203.0.113.0/24"): YES}, "a network, by a Deny for all others", [
        allow(), deny(**when("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"))]),
    ({}, "a private network, from which nobody comes", [allow(**when("IpAddress", "aws:SourceIp", "10.0.0.0/8"))]),
    ({(K.NETWORK, "vpc-0a1b2c3d"): YES}, "a VPC", [allow(**when("StringEquals", "aws:SourceVpc", "vpc-0a1b2c3d"))]),
    ({(K.NETWORK, "vpce-0a1b2c3d"): YES}, "an endpoint, by a Deny for all others", [
        allow(), deny(**when("StringNotEquals", "aws:SourceVpce", "vpce-0a1b2c3d"))]),
    ({}, "a network that a Deny takes back", [
        allow(**when("IpAddress", "aws:SourceIp", "203.0.113.0/24")),
        deny(**when("IpAddress", "aws:SourceIp", "203.0.0.0/16"))]),
    ({}, "everybody is not somebody", [allow()]),
    ({}, "a network beside everybody is not told", [
        allow(), allow(**when("IpAddress", "aws:SourceIp", "203.0.113.0/24"))]),
    ({(K.NETWORK, "203.0.113.0/24"): YES}, "a network of which a Deny takes back the upper half", [
        allow(**when("IpAddress", "aws:SourceIp", "203.0.113.0/24")),
        deny(**when("IpAddress", "aws:SourceIp", "203.0.113.128/25"))]),
    ({(K.NETWORK, "203.0.113.0/24"): YES, (K.NETWORK, "198.51.100.0/24"): YES}, "two networks", [
        allow(**when("IpAddress", "aws:SourceIp", ["203.0.113.0/24", "198.51.100.0/24"]))]),
    ({(K.NETWORK, "198.51.100.0/24"): YES}, "of two networks the one that no Deny takes back", [
        allow(**when("IpAddress", "aws:SourceIp", ["203.0.113.0/24", "198.51.100.0/24"])),
        deny(**when("IpAddress", "aws:SourceIp", "203.0.113.0/24"))]),
    ({(K.ACCESS_POINT, OWNER): YES}, "the access points of the owner", [
        allow(**when("StringEquals", "s3:DataAccessPointAccount", OWNER))]),
    ({(K.ACCESS_POINT, OTHER): YES}, "the access points of another", [
        allow(**when("StringEquals", "s3:DataAccessPointAccount", OTHER))]),
    ({(K.ACCESS_POINT, OWNER): YES}, "any access point of the owner", [
        allow(**when("ArnLike", "s3:DataAccessPointArn", f"arn:aws:s3:*:{OWNER}:accesspoint/*"))]),
    ({}, "an account that a Deny names", [allow({"AWS": OTHER}), deny({"AWS": OTHER})]),
    ({}, "a role whose account a Deny names", [allow({"AWS": ROLE}), deny({"AWS": OTHER})]),
    ({(K.ACCOUNT, OTHER): YES}, "an account of which a Deny names a role", [
        allow({"AWS": OTHER}), deny({"AWS": ROLE})]),
    ({}, "a role under a Deny for all", [allow({"AWS": ROLE}), deny()]),
    ({}, "a role under a Deny for all other organisations that cannot be", [
        allow({"AWS": ROLE}), deny(**when("StringNotEquals", "aws:PrincipalAccount", OWNER))]),
    ({(K.PRINCIPAL, ROLE): YES}, "a role that a Deny by NotPrincipal excepts", [
        allow({"AWS": ROLE}),
        {**deny(), "NotPrincipal": {"AWS": [ROLE, OTHER]}} | {}]),
    ({(K.PRINCIPAL, ROLE): UNKNOWN}, "a role whose account a NotPrincipal leaves out", [
        allow({"AWS": ROLE}), {**deny(), "NotPrincipal": {"AWS": [ROLE]}}]),
    ({(K.ACCOUNT, OTHER): UNKNOWN}, "an account under what is not known", [
        allow({"AWS": OTHER}, **when("StringEquals", "example:key", "x"))]),
    ({(K.CANONICAL_USER, "79a59df900b949e5"): UNKNOWN}, "a canonical user beside a Deny for an account", [
        allow({"CanonicalUser": "79a59df900b949e5"}), deny({"AWS": OTHER})]),
    ({(K.ACCOUNT, OTHER): YES}, "an account from a network only", [
        allow({"AWS": OTHER}, **when("IpAddress", "aws:SourceIp", "203.0.113.0/24"))]),
    ({}, "an account that cannot be at two places", [
        allow({"AWS": OTHER}, Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"},
                                         "StringEquals": {"aws:SourceVpc": "vpc-0a1b2c3d"}})]),
]  # fmt: skip


@pytest.mark.parametrize(("grants", "why", "statements"), NAMED, ids=[each[1] for each in NAMED])
def test_grantees(grants: dict[Any, Ternary], why: str, statements: list[dict[str, Any]]) -> None:
    """Each outsider that gets something is told, and nobody else."""
    for each in statements:
        if "NotPrincipal" in each:
            each.pop("Principal", None)

    verdict = judged(*statements)

    found = {(each.grantee.kind, each.grantee.id): each.access[Access.READ].value for each in verdict.grants}
    assert found == grants, why


CONFINED = [
    (NO, "for nobody in particular", {}),
    (YES, "for an account", when("StringEquals", "aws:SourceAccount", OWNER)),
    (YES, "for a resource", when("ArnLike", "aws:SourceArn", f"arn:aws:cloudtrail:*:{OWNER}:trail/*")),
    (YES, "for an organisation", when("StringEquals", "aws:SourceOrgID", ORGANISATION)),
    (NO, "for any account", when("StringLike", "aws:SourceAccount", "*")),
    (NO, "for an account, if any", when("StringEqualsIfExists", "aws:SourceAccount", OWNER)),
    (UNKNOWN, "for accounts that begin so", when("StringLike", "aws:SourceAccount", "1111*")),
    (NO, "with an ACL", when("StringEquals", "s3:x-amz-acl", "bucket-owner-full-control")),
]


@pytest.mark.parametrize(("confined", "why", "condition"), CONFINED, ids=[each[1] for each in CONFINED])
def test_whether_a_service_is_confined(confined: Ternary, why: str, condition: dict[str, Any]) -> None:
    """A service that need not act for somebody fixed can be made to act by anybody, and the policy is not public."""
    verdict = judged(allow({"Service": "cloudtrail.amazonaws.com"}, "s3:PutObject", **condition))

    assert [each.confined for each in verdict.grants] == [confined], why
    assert verdict.is_public.value is NO


def test_kinds_of_access_of_a_grant() -> None:
    """A grant tells what it gives, kind by kind."""
    verdict = judged(allow({"AWS": OTHER}, ["s3:PutObject", "s3:ListBucket"], [BUCKET, OBJECTS]))

    assert set(verdict.grants[0].access) == {Access.WRITE, Access.LIST}
    assert verdict.cross_account(Access.WRITE).value is YES
    assert verdict.cross_account(Access.READ).value is NO


def test_services_and_networks_are_no_accounts() -> None:
    """A service or network that is let in is no access across accounts."""
    verdict = judged(
        allow({"Service": "cloudtrail.amazonaws.com"}), allow(**when("IpAddress", "aws:SourceIp", "203.0.113.0/24"))
    )

    assert len(verdict.grants) == 2
    assert verdict.cross_account().value is NO


def test_without_an_owner_all_who_are_named_are_outsiders() -> None:
    """When the owner is not known, whoever is named counts."""
    verdict = judged(allow({"AWS": OWNER}), owner="")

    assert verdict.cross_account().value is YES


POINTS = [
    (YES, "everybody", allow("*", "s3:GetObject", f"{POINT}/object/*")),
    (NO, "an account", allow({"AWS": OTHER}, "s3:GetObject", f"{POINT}/object/*")),
    (NO, "objects of the bucket", allow("*", "s3:GetObject", OBJECTS)),
    (NO, "the access point without its objects", allow("*", "s3:GetObject", POINT)),
    (YES, "by the owner's account, which it is of", allow(
        "*", "s3:GetObject", f"{POINT}/object/*", **when("StringEquals", "s3:DataAccessPointAccount", OWNER))),
    (NO, "by another's account, which it is not of", allow(
        "*", "s3:GetObject", f"{POINT}/object/*", **when("StringEquals", "s3:DataAccessPointAccount", OTHER))),
    (NO, "a VPC", allow("*", "s3:GetObject", f"{POINT}/object/*", **when("StringEquals", "aws:SourceVpc", "vpc-0a1b"))),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "why", "statement"), POINTS, ids=[each[1] for each in POINTS])
def test_policies_of_access_points(answer: Ternary, why: str, statement: dict[str, Any]) -> None:
    """The policy of an access point speaks of its own objects."""
    verdict = judged(statement, resource=POINT)

    assert verdict.public[Access.READ].value is answer, why
