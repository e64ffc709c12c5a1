"""Principals, actions, resources, several statements together, and documents that are none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.agents.auditing.aws.policy import Access, Ternary, judge_resource_policy

YES, NO, UNKNOWN = Ternary.YES, Ternary.NO, Ternary.UNKNOWN
OWNER = "111122223333"
OTHER = "444455556666"
BUCKET = "arn:aws:s3:::b"
OBJECTS = "arn:aws:s3:::b/*"
BOTH = [BUCKET, OBJECTS]
READ, LIST, WRITE, ADMIN, INSPECT = Access.READ, Access.LIST, Access.WRITE, Access.ADMIN, Access.INSPECT


def allow(action: Any = "s3:GetObject", resource: Any = OBJECTS, **more: Any) -> dict[str, Any]:
    named = {} if "NotPrincipal" in more else {"Principal": "*"}
    return {"Effect": "Allow", "Action": action, "Resource": resource, **named, **more}


def deny(action: Any = "s3:*", resource: Any = BOTH, **more: Any) -> dict[str, Any]:
    return allow(action, resource, **more) | {"Effect": "Deny"}


def when(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


def judged(*statements: dict[str, Any], **more: Any) -> Any:
    return judge_resource_policy(json.dumps({"Version": "2012-10-17", "Statement": statements}), OWNER, **more)


PRINCIPALS = [
    (YES, "everybody", {"Principal": "*"}),
    (YES, "everybody as AWS", {"Principal": {"AWS": "*"}}),
    (YES, "everybody in a list", {"Principal": {"AWS": ["*"]}}),
    (YES, "everybody beside somebody", {"Principal": {"AWS": [OTHER, "*"]}}),
    (NO, "an account", {"Principal": {"AWS": OTHER}}),
    (NO, "the own account", {"Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"}}),
    (NO, "a role", {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:role/r"}}),
    (NO, "a role of another partition", {"Principal": {"AWS": f"arn:aws-cn:iam::{OTHER}:role/r"}}),
    (NO, "who has been deleted", {"Principal": {"AWS": "AIDAEXAMPLEEXAMPLE123"}}),
    (NO, "a service", {"Principal": {"Service": "cloudtrail.amazonaws.com"}}),
    (NO, "a provider", {"Principal": {"Federated": "accounts.google.com"}}),
    (
        NO,
        "a canonical user",
        {"Principal": {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7"}},
    ),
    (UNKNOWN, "a wildcard within an ARN", {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:role/*"}}),
    (UNKNOWN, "any service", {"Principal": {"Service": "*"}}),
    (UNKNOWN, "any provider", {"Principal": {"Federated": "*"}}),
    (UNKNOWN, "any canonical user", {"Principal": {"CanonicalUser": "*"}}),
    (YES, "all but an account", {"NotPrincipal": {"AWS": OTHER}}),
    (YES, "all but the own account", {"NotPrincipal": {"AWS": f"arn:aws:iam::{OWNER}:root"}}),
    (NO, "all but all", {"NotPrincipal": "*"}),
    (NO, "all but all as AWS", {"NotPrincipal": {"AWS": "*"}}),
    (UNKNOWN, "all but a wildcard within an ARN", {"NotPrincipal": {"AWS": f"arn:aws:iam::{OTHER}:role/*"}}),
    (UNKNOWN, "no kind that there is", {"Principal": {"Robot": "x"}}),
    (UNKNOWN, "nobody", {"Principal": {}}),
    (UNKNOWN, "no text", {"Principal": 5}),
    (UNKNOWN, "a text that is not *", {"Principal": OTHER}),
    (UNKNOWN, "both", {"Principal": "*", "NotPrincipal": {"AWS": OTHER}}),
]


@pytest.mark.parametrize(("answer", "why", "named"), PRINCIPALS, ids=[each[1] for each in PRINCIPALS])
def test_principals(answer: Ternary, why: str, named: dict[str, Any]) -> None:
    """Everybody is public, whoever is named is not, and what cannot be read is not known."""
    verdict = judged(allow(**named))

    assert verdict.public[READ].value is answer, why


ACTIONS = [
    ({READ}, "an action", "s3:GetObject", OBJECTS),
    ({READ}, "without case", "S3:getOBJECT", OBJECTS),
    ({READ}, "a list", ["s3:GetObject", "s3:GetObjectVersion"], OBJECTS),
    ({READ, INSPECT}, "a pattern", "s3:Get*", OBJECTS),
    ({READ}, "a pattern with ?", "s3:GetObjec?", OBJECTS),
    ({READ, LIST, WRITE, ADMIN, INSPECT}, "all of objects and bucket", "s3:*", BOTH),
    ({READ, LIST, WRITE, ADMIN, INSPECT}, "all of all", "*", "*"),
    ({READ, LIST, WRITE, ADMIN, INSPECT}, "all of objects", "*", OBJECTS),
    ({LIST, ADMIN, INSPECT}, "all of the bucket", "s3:*", BUCKET),
    (set(), "another service", "ec2:*", "*"),
    ({LIST}, "listing", "s3:ListBucket", BUCKET),
    (set(), "listing objects is nothing", "s3:ListBucket", OBJECTS),
    (set(), "reading a bucket is nothing", "s3:GetObject", BUCKET),
    ({WRITE}, "putting", "s3:PutObject", OBJECTS),
    ({WRITE}, "deleting", "s3:DeleteObject*", OBJECTS),
    ({ADMIN}, "an object's ACL", "s3:PutObjectAcl", OBJECTS),
    ({ADMIN}, "the policy", "s3:PutBucketPolicy", BUCKET),
    ({INSPECT}, "reading the policy", "s3:GetBucketPolicy", BUCKET),
    ({READ}, "one object", "s3:GetObject", "arn:aws:s3:::b/index.html"),
    ({READ}, "a folder", "s3:GetObject", "arn:aws:s3:::b/public/*"),
    ({READ}, "any bucket", "s3:GetObject", "arn:aws:s3:::*"),
    ({READ}, "? is one character", "s3:GetObject", "arn:aws:s3:::?/x"),
    (set(), "no bucket of that name", "s3:GetObject", "arn:aws:s3:::c/*"),
]


@pytest.mark.parametrize(("accesses", "why", "action", "resource"), ACTIONS, ids=[each[1] for each in ACTIONS])
def test_actions_and_resources(accesses: set[Access], why: str, action: Any, resource: Any) -> None:
    """An action gives access only together with what it acts on."""
    verdict = judged(allow(action, resource), resource=BUCKET)

    assert {each for each, answer in verdict.public.items() if answer.value is YES} == accesses, why
    assert {each for each, answer in verdict.public.items() if answer.value is NO} == set(Access) - accesses


def but(**more: Any) -> dict[str, Any]:
    """Return an Allow for everybody, with Action or Resource turned round."""
    made = allow(**more)
    return {name: value for name, value in made.items() if f"Not{name}" not in more}


SEVERAL = [
    (YES, "two Allows, one of them limited", [
        allow(**when("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5")), allow()]),
    (NO, "two Allows, both limited", [
        allow(**when("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5")),
        allow(**when("StringEquals", "aws:SourceVpce", "vpce-0a1b2c3d"))]),
    (YES, "two halves of the internet in two statements", [
        allow(**when("IpAddress", "aws:SourceIp", "8.0.0.0/8")),
        allow(**when("IpAddress", "aws:SourceIp", "9.0.0.0/8"))]),
    (NO, "a Deny that takes back all", [allow(), deny()]),
    (NO, "a Deny for everybody as AWS", [allow(), deny(Principal={"AWS": "*"})]),
    (NO, "a Deny of all on all", [allow(), deny("*", "*")]),
    (YES, "a Deny of something else", [allow(), deny("s3:PutObject")]),
    (YES, "a Deny for somebody", [allow(), deny(Principal={"AWS": OTHER})]),
    (YES, "a Deny for a service", [allow(), deny(Principal={"Service": "cloudtrail.amazonaws.com"})]),
    (YES, "a Deny on the bucket only", [allow(), deny(resource=BUCKET)]),
    (YES, "a Deny on a folder", [allow(), deny(resource="arn:aws:s3:::b/private/*")]),
    (NO, "a Deny on the folder that is allowed", [
        allow(resource="arn:aws:s3:::b/p/*"), deny(resource="arn:aws:s3:::b/p/*")]),
    (NO, "a Deny on more than the folder that is allowed", [
        allow(resource="arn:aws:s3:::b/p/q/*"), deny(resource="arn:aws:s3:::b/p/*")]),
    (NO, "two Denies that together take back all", [
        allow(resource="arn:aws:s3:::b/p?"), deny(resource="arn:aws:s3:::b/p*")]),
    (YES, "a Deny that leaves one version of reading", [
        allow(["s3:GetObject", "s3:GetObjectVersion"]), deny("s3:GetObject")]),
    (NO, "a Deny outside of an organisation", [
        allow(), deny(**when("StringNotEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5"))]),
    (YES, "the same with IfExists negated stays a Deny, in an organisation not", [
        allow(), deny(**when("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5"))]),
    (YES, "a Deny outside of an organisation for who is in one", [
        allow(), deny(Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
                                 "Null": {"aws:PrincipalOrgID": "false"}})]),
    (NO, "a Deny outside of a network", [allow(), deny(**when("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"))]),
    (YES, "a Deny outside of two halves", [
        allow(), deny(**when("NotIpAddress", "aws:SourceIp", ["0.0.0.0/1", "128.0.0.0/1"]))]),
    (YES, "a Deny from a network", [allow(), deny(**when("IpAddress", "aws:SourceIp", "203.0.113.0/24"))]),
    (YES, "a Deny from all of the internet leaves VPCs", [
        allow(), deny(**when("IpAddress", "aws:SourceIp", ["0.0.0.0/0", "::/0"]))]),
    (NO, "a Deny outside of an endpoint", [
        allow(), deny(**when("StringNotEquals", "aws:SourceVpce", "vpce-0a1b2c3d"))]),
    (NO, "a Deny outside of a network and of an endpoint", [
        allow(), deny(Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-0a1b2c3d"},
                                 "NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}})]),
    (YES, "a Deny outside of any endpoint, on a VPC of a stranger", [
        allow(), deny(**when("Null", "aws:SourceVpce", "true"))]),
    (YES, "a Deny without TLS", [allow(), deny(**when("Bool", "aws:SecureTransport", "false"))]),
    (NO, "a Deny with and one without TLS", [
        allow(), deny(**when("Bool", "aws:SecureTransport", "false")),
        deny(**when("Bool", "aws:SecureTransport", "true"))]),
    (NO, "an Allow with TLS and a Deny with it", [
        allow(**when("Bool", "aws:SecureTransport", "true")), deny(**when("Bool", "aws:SecureTransport", "true"))]),
    (NO, "a Deny for all but the own account", [
        allow(), deny(**when("StringNotEquals", "aws:PrincipalAccount", OWNER))]),
    (NO, "a Deny for all but a role", [
        allow(), deny(**when("ArnNotLike", "aws:PrincipalArn", f"arn:aws:iam::{OTHER}:role/r"))]),
    (YES, "a Deny for all but a role of any account", [
        allow(), deny(**when("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/r"))]),
    (YES, "a Deny for a role of any account", [
        allow(), deny(**when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/r"))]),
    (NO, "a Deny for all but some by NotPrincipal", [
        allow(), deny(NotPrincipal={"AWS": [OTHER, f"arn:aws:iam::{OTHER}:role/r"]})]),
    (YES, "a Deny for all but all", [allow(), deny(NotPrincipal="*")]),
    (YES, "a Deny for who has no credentials", [
        allow(), deny(**when("StringEquals", "aws:PrincipalType", "Anonymous"))]),
    (YES, "a Deny for who has credentials", [allow(), deny(**when("Null", "aws:PrincipalArn", "false"))]),
    (NO, "a Deny for who has credentials and who has none", [
        allow(), deny(**when("Null", "aws:PrincipalArn", "false")), deny(**when("Null", "aws:PrincipalArn", "true"))]),
    (UNKNOWN, "a Deny under what is not known", [allow(), deny(**when("StringEquals", "example:key", "x"))]),
    (NO, "a Deny under what is not known beside one that takes back all", [
        allow(), deny(**when("StringEquals", "example:key", "x")), deny()]),
    (UNKNOWN, "a Deny that is malformed", [allow(), {"Effect": "Deny", "Principal": "*"}]),
    (NO, "an Allow that is malformed beside a Deny of all", [{"Effect": "Allow", "Principal": "*"}, deny()]),
    (UNKNOWN, "an Allow that is malformed", [{"Effect": "Allow", "Principal": "*"}]),
    (UNKNOWN, "neither Allow nor Deny", [allow() | {"Effect": "Permit"}]),
    (UNKNOWN, "neither beside an Allow may be a Deny", [allow(), allow() | {"Effect": "allow"}]),
    (NO, "only a Deny", [deny()]),
    (NO, "all but reading is not reading", [but(NotAction=["s3:Get*"])]),
    (YES, "all but putting is reading too", [but(NotAction=["s3:Put*"])]),
    (YES, "all but one resource", [but(NotResource=["arn:aws:s3:::b/private/*"])]),
    (NO, "all but all resources", [but(NotResource=["*"])]),
    (NO, "all but what is of the bucket", [but(NotResource=BOTH)]),
    (NO, "a Deny of all but putting", [allow(), but(NotAction="s3:PutObject") | {"Effect": "Deny"}]),
    (YES, "a Deny of all but reading", [allow(), but(NotAction="s3:GetObject") | {"Effect": "Deny"}]),
    (YES, "a Deny on all but a folder", [
        allow(), but(Action="s3:*", NotResource="arn:aws:s3:::b/public/*") | {"Effect": "Deny"}]),
    (YES, "folders by the name of who asks", [allow(resource="arn:aws:s3:::b/${aws:username}/*")]),
    (NO, "folders by account, of the own account only", [
        allow(resource="arn:aws:s3:::b/${aws:PrincipalAccount}/*",
              **when("StringEquals", "aws:PrincipalAccount", OWNER))]),
    (YES, "folders by a name with a default", [allow(resource="arn:aws:s3:::b/${aws:username, 'none'}/*")]),
    (NO, "folders of users, for roles, which have no such name", [
        allow(resource="arn:aws:s3:::b/${aws:username}/*", **when("StringLike", "aws:PrincipalArn", "arn:*:role/x"))]),
    (UNKNOWN, "folders by what is not known", [allow(resource="arn:aws:s3:::b/${example:key}/*")]),
    (YES, "a folder of who is called admin", [
        allow(resource="arn:aws:s3:::b/${aws:username}/*", **when("StringEquals", "aws:username", "admin"))]),
    (NO, "no statement", []),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "why", "statements"), SEVERAL, ids=[each[1] for each in SEVERAL])
def test_statements_together(answer: Ternary, why: str, statements: list[dict[str, Any]]) -> None:
    """Whether anybody may read is told from all statements together, a Deny for what it covers."""
    verdict = judged(*statements, resource=BUCKET)

    assert verdict.public[READ].value is answer, why


DOCUMENTS = [
    ("no JSON", "{"),
    ("no object", "[]"),
    ("a number", "5"),
    ("null", "null"),
    ("no statements", '{"Version": "2012-10-17"}'),
    ("statements that are none", '{"Version": "2012-10-17", "Statement": "x"}'),
    ("a version that is not known", '{"Version": "2030-01-01", "Statement": []}'),
    ("a version that is no text", '{"Version": ["2012-10-17"], "Statement": []}'),
    ("an element that is not known", '{"Statement": [], "Extra": 1}'),
    ("an element twice", '{"Statement": [], "Statement": []}'),
    ("nested too deeply", "[" * 100_000),
    ("a number without end", '{"Statement": ' + "9" * 5000 + "}"),
]


@pytest.mark.parametrize(("why", "text"), DOCUMENTS, ids=[each[0] for each in DOCUMENTS])
def test_documents_that_are_none(why: str, text: str) -> None:
    """A document that is no policy answers nothing, and says so."""
    verdict = judge_resource_policy(text, OWNER)

    answers = [*verdict.public.values(), verdict.refuses_plain_http, verdict.allows_unencrypted_puts]
    assert {each.value for each in answers} == {UNKNOWN}, why
    assert verdict.cross_account().value is UNKNOWN
    assert all(each.reasons for each in answers)


FAULTS = [
    ("an element that is not known", {"Colour": "red"}),
    ("an action that is no text", {"Action": 5}),
    ("no actions", {"Action": []}),
    ("two kinds of actions", {"NotAction": "s3:Get*"}),
    ("a resource that is no text", {"Resource": {"a": "b"}}),
    ("a condition that is none", {"Condition": "x"}),
    ("an operator without keys", {"Condition": {"StringEquals": "x"}}),
    ("a key without values", {"Condition": {"StringEquals": {"aws:Referer": []}}}),
    ("a key with an object", {"Condition": {"StringEquals": {"aws:Referer": {"a": 1}}}}),
    ("a key with null", {"Condition": {"StringEquals": {"aws:Referer": None}}}),
]


@pytest.mark.parametrize(("why", "more"), FAULTS, ids=[each[0] for each in FAULTS])
def test_statements_that_are_none(why: str, more: dict[str, Any]) -> None:
    """A statement that is none makes unknown what it might allow, and is named in the reason."""
    verdict = judged({"Sid": "Odd", **allow(**more)})

    assert verdict.public[READ].value is UNKNOWN, why
    assert all('statement "Odd"' in each for each in verdict.public[READ].reasons)


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_policy(text: str | None) -> None:
    """Without a policy nobody is let in, and nothing is refused."""
    verdict = judge_resource_policy(text, OWNER)

    assert verdict.is_public.value is NO
    assert verdict.refuses_plain_http.value is NO
    assert verdict.allows_unencrypted_puts.value is YES


def test_one_statement_without_a_list() -> None:
    """A statement may stand without a list around it."""
    verdict = judge_resource_policy(json.dumps({"Statement": allow()}), OWNER)

    assert verdict.public[READ].value is YES


def test_what_has_run_out_does_not_count_when_the_time_is_known() -> None:
    """An Allow until yesterday is over, and one from tomorrow on is not."""
    over = judged(allow(**when("DateLessThan", "aws:CurrentTime", "2020-01-01")), now=datetime(2026, 1, 1, tzinfo=UTC))
    later = judged(
        allow(**when("DateGreaterThan", "aws:CurrentTime", "2030-01-01")), now=datetime(2026, 1, 1, tzinfo=UTC)
    )

    assert over.public[READ].value is NO
    assert later.public[READ].value is YES


def test_a_public_policy_says_which_statement_makes_it_so() -> None:
    """The reason names the statement by its Sid."""
    verdict = judged({"Sid": "Site", **allow()})

    assert any('statement "Site"' in each for each in verdict.public[READ].reasons)


@pytest.mark.parametrize("more", [[allow("s3:ListBucket", BUCKET)], pytest.param([], marks=pytest.mark.slow)])
def test_too_much_to_look_at_is_not_known(more: list[dict[str, Any]]) -> None:
    """A policy with more ways than can be looked at is unknown, and never a no, whatever stands beside."""
    many = {f"aws:RequestTag/{number}": [f"{n}" for n in range(9)] for number in range(9)}
    limited = allow(Condition={"StringEquals": {**many, "aws:PrincipalOrgID": "o-a1b2c3d4e5"}})

    hidden = judged(limited, *more)

    assert hidden.public[READ].value is UNKNOWN
    assert hidden.grants[0].access[READ].value is UNKNOWN
