"""Whether the policy of a user, group or role makes an administrator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.agents.auditing.aws.policy import IdentityVerdict, Ternary, judge_identity_policy

YES, NO, UNKNOWN = Ternary.YES, Ternary.NO, Ternary.UNKNOWN
OWN = "arn:aws:iam::111122223333:user/${aws:username}"


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {name: value for name, value in made.items() if f"Not{name}" not in more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(action, resource, **more) | {"Effect": "Deny"}


def attaching(operator: str, policy: Any) -> dict[str, Any]:
    return {"Condition": {operator: {"iam:PolicyARN": policy}}}


MFA = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
CASES = [
    (YES, YES, YES, "all of all", [allow()]),
    (YES, YES, YES, "all of all by parts", [allow("*:*")]),
    (YES, YES, YES, "all by two halves", [allow("s3:*"), allow(NotAction="s3:*")]),
    (YES, YES, NO, "all of IAM", [allow("iam:*")]),
    (YES, YES, NO, "all of IAM without case", [allow("IAM:*")]),
    (YES, YES, NO, "all of services that begin so", [allow("i*")]),
    (YES, YES, NO, "what attaches", [allow("iam:Attach*")]),
    (YES, YES, NO, "what puts", [allow("iam:Put*")]),
    (YES, YES, NO, "what has to do with policies", [allow("iam:*Policy*")]),
    (YES, YES, NO, "what creates", [allow("iam:Create*")]),
    (YES, YES, NO, "all but S3", [allow(NotAction="s3:*")]),
    (YES, YES, NO, "all but one action", [allow(NotAction="iam:DeleteUser")]),
    (NO, NO, NO, "all but IAM", [allow(NotAction="iam:*")]),
    (NO, NO, NO, "all but IAM and organisations", [allow(NotAction=["iam:*", "organizations:*"])]),
    (YES, YES, NO, "all on all but one", [allow(NotResource="arn:aws:s3:::x")]),
    (NO, NO, NO, "all on all but all", [allow(NotResource="*")]),
    (NO, NO, NO, "all of S3", [allow("s3:*")]),
    (NO, NO, NO, "all on one bucket", [allow("*", ["arn:aws:s3:::b", "arn:aws:s3:::b/*"])]),
    (NO, NO, NO, "reading of IAM", [allow(["iam:Get*", "iam:List*"])]),
    (NO, NO, NO, "reading of all", [allow(["*:Get*", "*:List*", "*:Describe*"])]),
    (YES, YES, NO, "all of IAM on all users", [allow("iam:*", "arn:aws:iam::*:user/*")]),
    (YES, YES, NO, "all of IAM on all users of its account", [allow("iam:*", "arn:aws:iam::111122223333:user/*")]),
    (YES, YES, NO, "all of IAM on itself", [allow("iam:*", OWN)]),
    (NO, UNKNOWN, NO, "all of IAM on somebody", [allow("iam:*", "arn:aws:iam::111122223333:user/bob")]),
    (NO, UNKNOWN, NO, "passing of one role is none of them", [allow("iam:PutRolePolicy", "arn:aws:iam::1:role/app-*")]),
    (NO, YES, NO, "attaching, by name", [allow("iam:AttachUserPolicy")]),
    (NO, YES, NO, "a version of a policy, by name", [allow("iam:CreatePolicyVersion")]),
    (NO, YES, NO, "joining of groups, by name", [allow("iam:AddUserToGroup")]),
    (NO, YES, NO, "keys of anybody, by name", [allow("iam:CreateAccessKey")]),
    (NO, YES, NO, "a policy for itself, by name", [allow("iam:PutUserPolicy", OWN)]),
    (NO, NO, NO, "its own keys", [allow(["iam:CreateAccessKey", "iam:UpdateLoginProfile"], OWN)]),
    (NO, NO, NO, "an action that is not among them", [allow("iam:PassRole")]),
    (YES, YES, YES, "all with a second factor", [allow(**MFA)]),
    (YES, YES, NO, "all, but without a second factor nothing", [
        allow(), deny(Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}), deny("s3:DeleteBucket")]),
    (YES, YES, YES, "all from a network", [allow(Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})]),
    (NO, NO, NO, "all, and a Deny of all", [allow(), deny()]),
    (NO, NO, NO, "all, and a Deny of IAM", [allow(), deny("iam:*")]),
    (YES, YES, NO, "all, and a Deny of S3", [allow(), deny("s3:*")]),
    (YES, YES, NO, "all, and a Deny on one bucket", [allow(), deny("s3:*", "arn:aws:s3:::b/*")]),
    (NO, NO, NO, "all with a second factor, and a Deny with one", [allow(**MFA), deny(**MFA)]),
    (UNKNOWN, UNKNOWN, UNKNOWN, "under what is not known", [allow(Condition={"StringEquals": {"example:key": "x"}})]),
    (UNKNOWN, UNKNOWN, UNKNOWN, "a Deny under what is not known", [
        allow(), deny(Condition={"StringEquals": {"example:key": "x"}})]),
    (UNKNOWN, UNKNOWN, UNKNOWN, "a principal, which has no place here", [allow(Principal="*")]),
    (UNKNOWN, UNKNOWN, UNKNOWN, "no action", [{"Effect": "Allow", "Resource": "*"}]),
    (YES, YES, NO, "attaching, of policies of AWS alone", [
        allow("iam:Attach*", **attaching("ArnLike", "arn:aws:iam::aws:policy/*"))]),
    (YES, YES, NO, "attaching, of all but the best known one", [
        allow("iam:Attach*", **attaching("ArnNotEquals", "arn:aws:iam::aws:policy/AdministratorAccess"))]),
    (UNKNOWN, UNKNOWN, NO, "attaching, of all but the best known ones", [
        allow("iam:Attach*", **attaching("ArnNotLike", [
            "arn:aws:iam::aws:policy/AdministratorAccess*", "arn:aws:iam::aws:policy/IAM*"]))]),
    (YES, YES, NO, "all of IAM on all users of another partition", [allow("iam:*", "arn:aws-cn:iam::*:user/*")]),
    (NO, NO, NO, "attaching, of one harmless policy of AWS", [
        allow("iam:Attach*", **attaching("ArnEquals", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"))]),
    (UNKNOWN, UNKNOWN, NO, "attaching, of policies of its own account", [
        allow("iam:Attach*", **attaching("ArnLike", "arn:aws:iam::111122223333:policy/app-*"))]),
    (NO, UNKNOWN, NO, "attaching by name, of policies of its own account", [
        allow("iam:AttachUserPolicy", **attaching("ArnLike", "arn:aws:iam::111122223333:policy/app-*"))]),
    (NO, NO, NO, "putting, under a key that only attaching carries", [
        allow("iam:Put*", **attaching("ArnLike", "arn:aws:iam::aws:policy/*"))]),
    (YES, YES, NO, "all of IAM, by way of a service", [
        allow("iam:*", Condition={"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}})]),
    (NO, NO, NO, "all that MCP servers do", [allow(Condition={"Bool": {"aws:IsMcpServiceAction": "true"}})]),
    (YES, YES, YES, "all that is no action of an MCP server", [
        allow(Condition={"BoolIfExists": {"aws:IsMcpServiceAction": "false"}})]),
    (NO, NO, NO, "another service, under what is not known", [
        allow("ec2:*", Condition={"StringEquals": {"example:key": "x"}})]),
    (UNKNOWN, UNKNOWN, NO, "wildcards that may be of IAM, under what is not known", [
        allow(["?am:*", "ec2:*"], Condition={"StringEquals": {"example:key": "x"}})]),
    (NO, NO, NO, "names that only look as if they were of IAM", [allow(["ia:*", "xiam:*", "iamx:*", "[i]am:*"])]),
    (NO, NO, NO, "no statement", []),
    (NO, NO, NO, "only a Deny", [deny()]),
]  # fmt: skip


def judged(*statements: dict[str, Any]) -> IdentityVerdict:
    return judge_identity_policy(json.dumps({"Version": "2012-10-17", "Statement": statements}))


@pytest.mark.parametrize(("admin", "escalates", "every", "why", "statements"), CASES, ids=[each[3] for each in CASES])
def test_administrators(
    admin: Ternary, escalates: Ternary, every: Ternary, why: str, statements: list[dict[str, Any]]
) -> None:
    """Who can hand out any permission is an administrator, by wildcards or by names."""
    verdict = judged(*statements)

    assert (verdict.administrator.value, verdict.escalates.value, verdict.everything.value) == (
        admin,
        escalates,
        every,
    ), why


def test_services_of_which_all_is_allowed() -> None:
    """A service is told when all of it is allowed everywhere, and not when a Deny takes it back."""
    text = json.dumps(
        {"Statement": [allow(["s3:*", "ec2:*", "sqs:Get*"]), allow("sns:*", "arn:aws:sns:x:1:t"), deny("ec2:*")]}
    )

    assert judge_identity_policy(text).services == ("s3",)


def test_what_is_no_policy_is_not_known() -> None:
    """A document that cannot be read says so."""
    verdict = judge_identity_policy("{")

    assert verdict.administrator.value is UNKNOWN
    assert verdict.faults


def test_a_thousand_actions_of_other_services_do_not_hide_one_of_iam() -> None:
    """A policy as large as IAM allows is judged, whatever else it names, and told by its statements' numbers."""
    many = [f"service{number}:Describe*" for number in range(1_000)]
    other, wild = allow(many), allow([*many, "iam:*"])

    harmless, powerful = judged(other, other), judged(other, wild)

    assert (harmless.administrator.value, harmless.escalates.value, harmless.everything.value) == (NO, NO, NO)
    assert powerful.administrator.reasons == ("statement 2 allows iam:PutUserPolicy on any user",)


@pytest.mark.parametrize("account", ["111122223333", "my-account", ""])
def test_an_account_by_another_name_is_not_known(account: str) -> None:
    """What is not of 12 digits is no account's id, and no reason to be wrong."""
    wild = judge_identity_policy(json.dumps({"Statement": [allow("iam:*", "arn:aws:iam::*:user/*")]}), account)

    assert wild.administrator.value is YES
