"""The statement that denies what comes without TLS changes nothing else of a policy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.auditing.aws.policy import Access, Ternary, judge_resource_policy
from app.agents.auditing.aws.remedy.errors import NotPossible
from app.agents.auditing.aws.remedy.policies import LARGEST, SID, is_tls_only, lets_logs_in, with_tls_only
from app.agents.auditing.aws.remedy.settings import Place, policy_alike
from tests.agents.auditing.aws.remedy.cases import ACCOUNT, NOW, REGION, STRANGER

PLACE = Place(ACCOUNT, REGION, "shop")
TARGET = Place(ACCOUNT, REGION, "logs")


def one_or_more(values: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Return texts as policies have them: one, or a list."""
    return values | st.lists(values, min_size=1, max_size=3)


names = st.sampled_from([f"arn:aws:iam::{ACCOUNT}:role/a", f"arn:aws:iam::{STRANGER}:root", STRANGER, "*"])
principals = (
    st.just("*") | st.fixed_dictionaries({"AWS": one_or_more(names)}) | st.just({"Service": "ec2.amazonaws.com"})
)
conditions = st.dictionaries(
    st.sampled_from(["StringEquals", "StringNotLike", "StringEqualsIfExists"]),
    st.dictionaries(st.sampled_from(["aws:PrincipalOrgID", "aws:SourceVpce", "aws:UserAgent"]), one_or_more(
        st.sampled_from(["o-abcdefghij", "vpce-1a2b3c4d", "caf\u00e9", "\U0001f600", 'a"b'])), min_size=1, max_size=2),
    max_size=2,
) | st.sampled_from([
    {"Bool": {"aws:SecureTransport": "false"}}, {"Bool": {"aws:SecureTransport": True}},
    {"NumericLessThan": {"s3:max-keys": 10}}, {"NumericLessThan": {"s3:signatureAge": 0.5}},
])  # fmt: skip


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    """Return a statement."""
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Deny"]))}
    if draw(st.booleans()):
        made["Sid"] = draw(st.sampled_from(["One", SID, f"{SID}2", ""]))
    made[draw(st.sampled_from(["Principal", "Principal", "NotPrincipal"]))] = draw(principals)
    actions = one_or_more(st.sampled_from(["s3:GetObject", "s3:*", "s3:Put*", "s3:ListBucket", "S3:getobject", "*"]))
    made[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(actions)
    resources = one_or_more(st.sampled_from(["arn:aws:s3:::shop", "arn:aws:s3:::shop/*", "arn:aws:s3:::shop/a/?", "*"]))
    made[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(resources)
    if draw(st.booleans()):
        made["Condition"] = draw(conditions)
    return dict(draw(st.permutations(list(made.items()))))


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Return a policy as text."""
    every = draw(st.lists(statements(), max_size=3) | statements())
    made: dict[str, Any] = {"Statement": every}
    if draw(st.booleans()):
        made["Id"] = draw(st.text(max_size=8))
    if draw(st.booleans()):
        made["Version"] = draw(st.sampled_from(["2012-10-17", "2008-10-17"]))
    return json.dumps(made, indent=draw(st.sampled_from([None, 2])), ensure_ascii=draw(st.booleans()))


@pytest.mark.parametrize("examples", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_nothing_else_changes_and_afterwards_it_is_tls_only(examples: int) -> None:
    """Whatever the policy: without the new statement it is what it was, and the evaluator says that TLS is needed."""

    @settings(deadline=None, max_examples=examples)
    @given(policies())
    def holds(text: str) -> None:
        before = json.loads(text)

        after = json.loads(with_tls_only(text, PLACE))

        *others, added = after["Statement"]
        was = before["Statement"] if isinstance(before["Statement"], list) else [before["Statement"]]
        assert others == was
        assert [list(each) for each in others] == [list(each) for each in was]
        assert {**after, "Statement": 0} == {**before, "Statement": 0}
        assert added["Sid"] not in [each.get("Sid") for each in was]
        assert is_tls_only(json.dumps(after), PLACE, NOW).value is Ternary.YES

    holds()


@pytest.mark.parametrize("examples", [8, pytest.param(25, marks=pytest.mark.slow)])
def test_over_tls_nobody_gains_or_loses_anything(examples: int) -> None:
    """Who is let in by the policy is let in afterwards, and nobody else: the statement only denies plain HTTP."""

    @settings(deadline=None, max_examples=examples)
    @given(policies())
    def holds(text: str) -> None:
        before = judge_resource_policy(text, ACCOUNT, resource=PLACE.arn, now=NOW)

        after = judge_resource_policy(with_tls_only(text, PLACE), ACCOUNT, resource=PLACE.arn, now=NOW)

        for access in Access:
            if before.public[access].value is not Ternary.UNKNOWN and "SecureTransport" not in text:
                assert after.public[access].value is before.public[access].value

    holds()


@pytest.mark.parametrize("examples", [20, pytest.param(60, marks=pytest.mark.slow)])
def test_a_policy_is_alike_however_s3_gives_it_back(examples: int) -> None:
    """Lists of one, the order in lists and white space do not tell two policies apart; a statement more does."""

    @settings(deadline=None, max_examples=examples)
    @given(policies())
    def holds(text: str) -> None:
        def turned(raw: Any) -> Any:
            if isinstance(raw, dict):
                return {name: turned(raw[name]) for name in reversed(raw)}
            if isinstance(raw, list) and all(isinstance(each, str) for each in raw):
                return raw[0] if len(raw) == 1 else list(reversed(raw))
            return [turned(each) for each in raw] if isinstance(raw, list) else raw

        other = json.dumps(turned(json.loads(text)))

        assert policy_alike(other) == policy_alike(text)
        assert policy_alike(with_tls_only(text, PLACE)) != policy_alike(text)

    holds()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"Statement": [], "Statement": []}', "stands twice"),
        ('{"Statement": [{"Effect": "Perhaps"}]}', "Effect"),
        ('{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "More": 1}]}', "More"),
        ('{"Version": "2031-01-01", "Statement": []}', "version"),
        (
            (
                '{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", '
                '"Condition": {"NumericLessThan": {"s3:max-keys": 1.10}}}]}'
            ),
            "1.10",
        ),
        ("[" * 100_000, "nested"),
    ],
)
def test_a_policy_that_is_not_understood_is_left_alone(text: str, why: str) -> None:
    """What cannot be read, or would be written otherwise, gets no statement, and the reason is told."""
    with pytest.raises(NotPossible, match=why) as caught:
        with_tls_only(text, PLACE)

    assert "Nothing was changed" in caught.value.message


def test_a_policy_that_would_be_too_large_is_left_alone() -> None:
    """S3 takes 20 KB."""
    name = f"arn:aws:iam::{STRANGER}:role/"
    many = [f"{name}{number:060d}" for number in range(216)]
    statement = {"Effect": "Allow", "Principal": {"AWS": many}, "Action": "s3:GetObject", "Resource": "*"}
    text = json.dumps({"Statement": [statement]}, separators=(",", ":"))
    assert LARGEST - 300 < len(text) < LARGEST

    with pytest.raises(NotPossible, match="bytes"):
        with_tls_only(text, PLACE)


LETS_IN = {
    "Effect": "Allow",
    "Principal": {"Service": "logging.s3.amazonaws.com"},
    "Action": "s3:PutObject",
    "Resource": "arn:aws:s3:::logs/shop/*",
}
DENIES_HTTP = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "arn:aws:s3:::logs/*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize(
    ("expected", "every"),
    [
        (Ternary.YES, [LETS_IN]),
        (Ternary.YES, [LETS_IN, DENIES_HTTP]),
        (Ternary.YES, [{**LETS_IN, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::shop"}}}]),
        (Ternary.YES, [{**LETS_IN, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}]),
        (Ternary.NO, [{**LETS_IN, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::other"}}}]),
        (Ternary.NO, [{**LETS_IN, "Condition": {"StringEquals": {"aws:SourceAccount": STRANGER}}}]),
        (Ternary.NO, [{**LETS_IN, "Resource": "arn:aws:s3:::logs/other/*"}]),
        (Ternary.NO, [{**LETS_IN, "Action": "s3:GetObject"}]),
        (Ternary.NO, [{**LETS_IN, "Principal": {"Service": "ec2.amazonaws.com"}}]),
        (Ternary.NO, [LETS_IN, {**LETS_IN, "Effect": "Deny", "Principal": "*"}]),
        (Ternary.UNKNOWN, [{**LETS_IN, "Condition": {"StringMaybe": {"aws:SourceAccount": ACCOUNT}}}]),
        (Ternary.NO, []),
    ],
)
def test_logs_are_let_in_or_not(expected: Ternary, every: list[dict[str, Any]]) -> None:
    """Of a policy it is told whether the logs of this bucket, under this prefix, would arrive."""
    text = json.dumps({"Version": "2012-10-17", "Statement": every})

    assert lets_logs_in(text, TARGET, PLACE, "shop/", NOW).value is expected
