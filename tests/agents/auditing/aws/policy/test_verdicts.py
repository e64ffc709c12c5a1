"""Verdicts on policies that are kept, against policies judged each by itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.agents.auditing.aws.policy import Verdicts, judge_resource_policy

OWNER = "111122223333"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
PLAIN_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
TLS = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["{arn}", "{arn}/*"], "Condition": PLAIN_HTTP}
OPEN = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "{arn}/*"}
ALIKE: list[list[dict[str, Any]]] = [
    [TLS],
    [TLS, OPEN],
    [{**OPEN, "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}],
    [{**TLS, "Resource": "*"}],
    [{**OPEN, "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}],
]
OF_ITS_OWN: list[list[dict[str, Any]]] = [
    [{**OPEN, "Resource": "arn:aws:s3:::shop-*"}],
    [{**OPEN, "Resource": "arn:aws:s3:::shop-1*"}],
    [{**OPEN, "Sid": "shop-1"}],
    [{**OPEN, "Condition": {"ArnLike": {"aws:SourceArn": "{arn}"}}}],
    [{**OPEN, "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-06-01T00:00:00Z"}}}],
    [{**OPEN, "Condition": {"StringLike": {"aws:UserAgent": "a\\b"}}}],
    [{**OPEN, "Resource": "arn:aws:s3:::other/*"}],
]
NAMES = ("shop-1", "shop-2", "house.of.dots")


def arn(name: str) -> str:
    return f"arn:aws:s3:::{name}"


def text(statements: list[dict[str, Any]], name: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}).replace("{arn}", arn(name))


@pytest.mark.parametrize("statements", [*ALIKE, *OF_ITS_OWN])
def test_a_verdict_is_as_if_judged_alone(statements: list[dict[str, Any]]) -> None:
    """For each bucket, whichever was judged before, and whether or not it is kept."""
    verdicts = Verdicts()
    for name in (*NAMES, *NAMES):
        policy = text(statements, name)
        alone = judge_resource_policy(policy, OWNER, resource=arn(name), now=NOW)

        assert verdicts.judge(policy, OWNER, arn(name), NOW) == alone
        assert (verdicts.known(policy, OWNER, arn(name)) or alone) == alone


@pytest.mark.parametrize("statements", ALIKE)
def test_policies_that_differ_by_the_name_alone_are_judged_once(statements: list[dict[str, Any]]) -> None:
    """What is known of one bucket's policy is known of the other's; of another owner's bucket it is not."""
    verdicts = Verdicts()
    verdicts.judge(text(statements, "shop-1"), OWNER, arn("shop-1"), NOW)

    assert verdicts.known(text(statements, "shop-2"), OWNER, arn("shop-2")) is not None
    assert verdicts.known(text(statements, "shop-2"), "999988887777", arn("shop-2")) is None
    assert len(verdicts) == 1


@pytest.mark.parametrize("statements", OF_ITS_OWN)
def test_a_policy_that_is_of_its_own_is_not_kept(statements: list[dict[str, Any]]) -> None:
    """Patterns of names, names elsewhere than in resources, times and escaped signs may tell buckets apart."""
    verdicts = Verdicts()

    verdicts.judge(text(statements, "shop-1"), OWNER, arn("shop-1"), NOW)

    assert len(verdicts) == 0


@pytest.mark.parametrize("name", ["logs-444455556666", "s3"])
def test_a_name_that_means_something_is_not_replaced(name: str) -> None:
    """One that has an account's id in it, or that stands elsewhere in the policy."""
    verdicts = Verdicts()

    verdicts.judge(text([TLS], name), OWNER, arn(name), NOW)

    assert len(verdicts) == 0


def test_no_more_are_kept_than_there_is_room_for() -> None:
    """What was not asked for longest goes first."""
    verdicts = Verdicts(2)
    policies = [text([{**TLS, "Sid": f"S{number}"}], "shop-1") for number in range(3)]
    for policy in policies[:2]:
        verdicts.judge(policy, OWNER, arn("shop-1"), NOW)
    verdicts.known(policies[0], OWNER, arn("shop-1"))

    verdicts.judge(policies[2], OWNER, arn("shop-1"), NOW)

    assert [verdicts.known(each, OWNER, arn("shop-1")) is not None for each in policies] == [True, False, True]
