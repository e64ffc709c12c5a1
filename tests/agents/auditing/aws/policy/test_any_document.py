"""Whatever a document is, it is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.auditing.aws.policy import Ternary, judge_identity_policy, judge_resource_policy

OWNER, OTHER = "111122223333", "444455556666"
BUCKET = "arn:aws:s3:::b"

_WORDS = st.sampled_from([
    "Version", "2012-10-17", "Statement", "Effect", "Allow", "Deny", "Principal", "NotPrincipal", "*", "AWS", "Service",
    "Action", "NotAction", "s3:GetObject", "s3:*", "Resource", "NotResource", f"{BUCKET}/*",
    "${aws:username}", "${", "$}",
    "Condition", "StringEquals",
    "ForAllValues:StringLikeIfExists", "IpAddress", "Null", "aws:SourceIp", "0.0.0.0/0",
    "aws:PrincipalArn", "arn:aws:iam::*:role/x", "DateLessThan", "aws:CurrentTime", "NumericEquals", "s3:TlsVersion",
    "nan", "inf", "1e999", "-1", "aws:PrincipalOrgPaths", "\u0000", "\ud800", "",
])  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=5),
    max_leaves=20,
)
_NEARLY = st.fixed_dictionaries(
    {"Statement": st.lists(st.fixed_dictionaries(
        {"Effect": st.sampled_from(["Allow", "Deny"]), "Principal": st.sampled_from(["*", {"AWS": OTHER}]) | _JSON,
         "Action": st.sampled_from(["s3:*"]) | _JSON, "Resource": st.sampled_from(["*"]) | _JSON},
        optional={"Condition": st.dictionaries(_WORDS, st.dictionaries(_WORDS, _JSON, max_size=2), max_size=2)},
    ), max_size=3)},
    optional={"Version": st.sampled_from(["2012-10-17", "2008-10-17"]) | _JSON},
)  # fmt: skip


@pytest.mark.parametrize("examples", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_nothing_raises(examples: int) -> None:
    """Whatever a document is, it is answered, an unknown always with its reason."""

    @settings(max_examples=examples, deadline=None)
    @given(_JSON | _NEARLY, st.booleans())
    def holds(document: Any, cut: bool) -> None:  # noqa: FBT001 - drawn
        text = json.dumps(document)
        text = text[: len(text) // 2] if cut else text

        verdict = judge_resource_policy(text, OWNER)
        identity = judge_identity_policy(text)

        answers = [*verdict.public.values(), verdict.refuses_plain_http, verdict.allows_unencrypted_puts]
        answers += [identity.administrator, identity.escalates, identity.everything]
        assert all(each.reasons for each in answers if each.value is Ternary.UNKNOWN)

    holds()
