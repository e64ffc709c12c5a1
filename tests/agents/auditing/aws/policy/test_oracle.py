"""The evaluator against a slow and plain one, and what must hold for any policy.

The oracle knows nothing of the evaluator: it goes through a small world of requests, one after another, and evaluates
the policy for each as the IAM User Guide has it ("Policy evaluation logic"). The policies are made of values of which
the world holds each kind, so that the two must agree exactly.
"""

from __future__ import annotations

import ipaddress
import json
import random
import re
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.agents.auditing.aws.policy import Access, Ternary, judge_resource_policy
from app.agents.auditing.aws.policy.search import MANY

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER, OTHER, FOREIGN = "111122223333", "444455556666", "777788889999"
ORGANISATION = "o-a1b2c3d4e5"
BUCKET = "arn:aws:s3:::b"
OBJECTS = [f"{BUCKET}/a", f"{BUCKET}/private/x", f"{BUCKET}/public/x", f"{BUCKET}/admin/x", f"{BUCKET}/bob/x"]
RANK = {Ternary.NO: 0, Ternary.UNKNOWN: 1, Ternary.YES: 2}

# The world: who is an outsider, and what an outsider can send.

_NETWORKS = [
    *({"aws:sourceip": address} for address in ("8.8.8.8", "200.1.1.1", "2a00:1450::1")),
    *(
        {
            "aws:vpcsourceip": address,
            "aws:sourcevpc": "vpc-0f0f0f0f",
            "aws:sourcevpce": "vpce-0f0f0f0f",
            "aws:vpceaccount": FOREIGN,
        }
        for address in ("10.1.2.3", "172.31.0.9")
    ),
]
_SIGNED = {"aws:principalaccount": FOREIGN, "aws:principalisawsservice": "false"}
_ORGANISED = {"aws:principalorgid": "o-foreign000", "aws:principalorgpaths": ["o-foreign000/r-f/ou-f/"]}
_CALLERS: list[dict[str, Any]] = [
    {"aws:userid": "anonymous", "aws:principaltype": "Anonymous"},
    *(
        _SIGNED | organised | {"aws:principalarn": f"arn:aws:iam::{FOREIGN}:{what}", "aws:principaltype": kind} | more
        for organised in (_ORGANISED, {})
        for what, kind, more in (
            ("role/Admin", "AssumedRole", {"aws:userid": "AROAFOREIGN000000000:me"}),
            ("role/r", "AssumedRole", {"aws:userid": "AROAFOREIGN000000000:me"}),
            ("user/Admin", "User", {"aws:userid": "AIDAFOREIGN000000000", "aws:username": "admin"}),
            ("user/bob", "User", {"aws:userid": "AIDAFOREIGN000000000", "aws:username": "bob"}),
            ("root", "Account", {"aws:userid": FOREIGN}),
        )
    ),
    *(
        {"aws:principalisawsservice": "true", **account, **source}
        # not each service tells both
        for account in ({"aws:sourceaccount": FOREIGN}, {})
        for source in (
            *({"aws:sourcearn": f"arn:aws:sns:eu-north-1:{FOREIGN}:{name}"} for name in ("topic", "other")),
            {},
        )
    ),
]
_TRANSPORTS = [
    {"aws:securetransport": "false"},
    {"aws:securetransport": "true", "s3:tlsversion": "1.2"},
    {"aws:securetransport": "true", "s3:tlsversion": "1.3"},
]
_CHOSEN = {
    "aws:referer": ["https://a/", "https://ab/", "elsewhere", None],
    "aws:principaltag/team": ["blue", "red", None],
    "aws:multifactorauthpresent": ["true", "false", None],
    "aws:viaawsservice": ["false"],
}
_OF_THE_SIGNED = {"aws:principaltag/team", "aws:multifactorauthpresent"}


def outsiders(text: str) -> Iterator[dict[str, Any]]:
    """Yield the requests of outsiders, told apart only by the keys that a policy asks for."""
    asked = text.lower()
    for caller in _CALLERS:
        service = caller.get("aws:principalisawsservice") == "true"
        signed = "aws:principaltype" not in caller or caller["aws:principaltype"] != "Anonymous"
        names = [each for each in _CHOSEN if each in asked]
        values = [[None] if each in _OF_THE_SIGNED and not signed else _CHOSEN[each] for each in names]
        for network, transport, chosen in product([{}] if service else _NETWORKS, _TRANSPORTS, product(*values)):
            sent = {key: value for key, value in zip(names, chosen, strict=True) if value is not None}
            yield caller | network | transport | sent


# The oracle.


def _regex(text: str, request: dict[str, Any], *, wild: bool) -> re.Pattern[str] | None:
    made = ""
    for literal, variable, star, question in re.findall(r"([^*?$]+|\$(?!\{))|\$\{([^}]*)\}|(\*)|(\?)", text):
        if variable:
            if variable.lower() not in request:
                return None
            made += re.escape(request[variable.lower()])
        elif literal or not wild:
            made += re.escape(literal or star or question)
        else:
            made += ".*" if star else "."
    return re.compile(made, re.DOTALL)


def _equal(operator: str, value: str, wanted: str, request: dict[str, Any]) -> bool:
    if "IpAddress" in operator:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted)
    if operator.startswith("Numeric"):
        return float(value) < float(wanted) if "Less" in operator else float(value) == float(wanted)
    if operator == "Bool":
        return value == wanted
    if operator.startswith("Arn"):
        left, right = value.split(":", 5), wanted.split(":", 5)
        return all(re.fullmatch(r.replace("*", ".*"), v) for v, r in zip(left, right, strict=True))
    pattern = _regex(wanted, request, wild="Like" in operator)
    return pattern is not None and pattern.fullmatch(value) is not None


def _met(full: str, key: str, wanted: list[str], request: dict[str, Any]) -> bool:
    qualifier, _, name = full.rpartition(":")
    operator = name.removesuffix("IfExists")
    value = request.get(key.lower())
    if operator == "Null":
        return (value is None) == (wanted == ["true"])
    negated = "Not" in operator
    if value is None:
        return name.endswith("IfExists") or (qualifier == "ForAllValues" if qualifier else negated)
    each = [
        any(_equal(operator, one, other, request) for other in wanted) != negated
        for one in (value if isinstance(value, list) else [value])
    ]
    return any(each) if qualifier == "ForAnyValue" else all(each)


def _reaches(statement: dict[str, Any], request: dict[str, Any]) -> bool:
    everybody = {"*"}
    named = statement.get("Principal", statement.get("NotPrincipal"))
    whom = {named} if isinstance(named, str) else set(named.get("AWS", ()))
    return bool(whom & everybody) == ("Principal" in statement) and all(
        _met(operator, key, wanted, request)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def _covers(statement: dict[str, Any], action: str, resource: str, request: dict[str, Any]) -> bool:
    patterns = [_regex(each, request, wild=True) for each in statement["Resource"]]
    return any(re.fullmatch(each.lower().replace("*", ".*"), action.lower()) for each in statement["Action"]) and any(
        each is not None and each.fullmatch(resource) for each in patterns
    )


def is_open(policy: dict[str, Any], *actions: str) -> bool:
    """Return whether any outsider of the world is let in to one of some actions."""
    for request in outsiders(json.dumps(policy)):
        reaching = [each for each in policy["Statement"] if _reaches(each, request)]
        if all(each["Effect"] == "Deny" for each in reaching):
            continue
        for resource, action in product(OBJECTS, actions):
            effects = {each["Effect"] for each in reaching if _covers(each, action, resource, request)}
            if effects == {"Allow"}:
                return True
    return False


# Policies of the world.


def _conditions() -> list[tuple[str, str, list[str]]]:
    """Return conditions of each family, all of them of values that the world tells apart."""
    made: list[tuple[str, str, list[str]]] = []
    equal = ("StringEquals", "StringNotEquals", "StringEqualsIfExists", "StringNotEqualsIfExists")
    like = ("StringLike", "StringNotLike", "StringLikeIfExists", "ForAllValues:StringLike", "ForAnyValue:StringLike")
    for key, fixed, loose in (
        ("aws:PrincipalOrgID", ORGANISATION, ["*", "o-*"]),
        ("aws:PrincipalAccount", OTHER, ["*"]),
        ("aws:SourceAccount", OWNER, ["*"]),
        ("aws:SourceVpc", "vpc-0a1b2c3d", ["*", "vpc-*"]),
        ("aws:SourceVpce", "vpce-0a1b2c3d", ["*", "vpce-*"]),
        ("aws:VpceAccount", OWNER, ["*"]),
        ("aws:Referer", "https://a/", ["https://*", "https://a*", "*"]),
        ("aws:username", "admin", ["ad*", "*"]),
        ("aws:PrincipalTag/team", "blue", ["b*", "*"]),
        (
            "aws:PrincipalArn",
            f"arn:aws:iam::{OTHER}:role/r",
            ["*", "arn:aws:iam::*:role/Admin", "arn:aws:iam::*:role/*"],
        ),
        ("aws:PrincipalType", "Anonymous", ["*"]),
    ):
        made += [(operator, key, [fixed]) for operator in equal]
        made += [(operator, key, [each]) for operator in like for each in (fixed, *loose)]
        made += [("Null", key, ["true"]), ("Null", key, ["false"])]
    made += [
        (operator, "aws:SourceIp", ranges)
        for operator in ("IpAddress", "NotIpAddress", "IpAddressIfExists")
        for ranges in (["203.0.113.0/24"], ["0.0.0.0/0"], ["0.0.0.0/1"], ["128.0.0.0/1", "0.0.0.0/1"], ["::/0"],
                       ["203.0.113.0/24", "198.51.100.0/24"], ["0.0.0.0/0", "::/0"])
    ]  # fmt: skip
    made += [
        (operator, "aws:VpcSourceIp", [each])
        for operator in ("IpAddress", "NotIpAddress")
        for each in ("10.0.0.0/8", "172.16.0.0/12")
    ]
    made += [
        (operator, "aws:PrincipalOrgPaths", [each])
        for operator in ("ForAnyValue:StringLike", "ForAllValues:StringLike", "ForAnyValue:StringNotLike")
        for each in ("*", f"{ORGANISATION}/*")
    ]
    made += [
        (operator, key, [value])
        for operator in ("Bool", "BoolIfExists")
        for key in (
            "aws:SecureTransport",
            "aws:MultiFactorAuthPresent",
            "aws:PrincipalIsAWSService",
            "aws:ViaAWSService",
        )
        for value in ("true", "false")
    ]
    made += [
        (operator, key, [each])
        for operator in ("ArnLike", "ArnNotLike", "ArnEquals")
        for key, values in (
            (
                "aws:PrincipalArn",
                (f"arn:aws:iam::{OTHER}:role/r", "arn:aws:iam::*:role/Admin", "arn:aws:iam::*:user/*"),
            ),
            ("aws:SourceArn", (f"arn:aws:sns:*:{OTHER}:topic", "arn:aws:sns:*:*:topic")),
        )
        for each in values
    ]
    made += [("NumericLessThan", "s3:TlsVersion", ["1.3"]), ("NumericEquals", "s3:TlsVersion", ["1.3"])]
    made += [("StringEquals", "aws:PrincipalAccount", ["${aws:PrincipalAccount}"])]
    return made


CONDITIONS = _conditions()
PRINCIPALS = [
    {"Principal": "*"},
    {"Principal": {"AWS": ["*"]}},
    {"Principal": {"AWS": [OTHER]}},
    {"Principal": {"Service": ["sns.amazonaws.com"]}},
    {"NotPrincipal": {"AWS": [OTHER]}},
    {"NotPrincipal": "*"},
]
ASKED = {Access.READ: ("s3:GetObject", "s3:GetObjectVersion"), Access.WRITE: ("s3:PutObject", "s3:DeleteObject")}
ACTIONS = [["s3:GetObject"], ["s3:Get*"], ["S3:*"], ["s3:PutObject"], ["*"]]
RESOURCES = [
    [f"{BUCKET}/*"], ["*"], [f"{BUCKET}/private/*"], [BUCKET], [f"{BUCKET}/public/*", f"{BUCKET}/a"],
    [f"{BUCKET}/${{aws:username}}/*"],
]  # fmt: skip


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, dict[str, list[str]]]:
    made: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in draw(st.lists(st.sampled_from(CONDITIONS), max_size=3)):
        made.setdefault(operator, {})[key] = values
    return made


@st.composite
def statements(draw: st.DrawFn, effect: str = "") -> dict[str, Any]:
    return {
        "Effect": effect or draw(st.sampled_from(["Allow", "Allow", "Deny"])),
        # Mostly everybody: what names somebody alone is soon told.
        **draw(st.sampled_from([*PRINCIPALS, *PRINCIPALS[:1] * 6])),
        "Action": draw(st.sampled_from(ACTIONS)),
        "Resource": draw(st.sampled_from([*RESOURCES, *RESOURCES[:1] * 4])),
        "Condition": draw(conditions()),
    }


POLICIES = st.lists(statements(), min_size=1, max_size=4)


def judged(*made: dict[str, Any]) -> Any:
    return judge_resource_policy(json.dumps({"Version": "2012-10-17", "Statement": made}), OWNER, resource=BUCKET)


@pytest.mark.parametrize("examples", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_the_evaluator_and_the_oracle_agree(examples: int) -> None:
    """Public exactly where an outsider of the world is let in: never a no too many, and never a yes."""

    @settings(max_examples=examples, deadline=None)
    @given(POLICIES)
    def holds(made: list[dict[str, Any]]) -> None:
        verdict = judged(*made)

        policy = {"Version": "2012-10-17", "Statement": made}
        for access, actions in ASKED.items():
            answer = verdict.public[access]
            assume(answer.reasons != (MANY,))  # which is no wrong answer, and rare
            assert answer.value is (Ternary.YES if is_open(policy, *actions) else Ternary.NO), answer

    holds()


def test_the_oracle_sees_both() -> None:
    """Of policies as they are made here, many are open and many are not: the agreement is no accident."""
    chance = random.Random(7)  # noqa: S311 - no secret
    opened = 0
    for operator, key, values in CONDITIONS:
        effect = chance.choice(["Allow", "Deny"])
        limited = {"Effect": effect, "Principal": "*", "Action": ["s3:GetObject"], "Resource": [f"{BUCKET}/*"]}
        open_ = {**limited, "Effect": "Allow"}
        limited["Condition"] = {operator: {key: values}}
        opened += is_open({"Statement": [limited] if effect == "Allow" else [open_, limited]}, "s3:GetObject")

    assert len(CONDITIONS) / 4 < opened < len(CONDITIONS)


@pytest.mark.parametrize("examples", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_a_deny_never_opens_and_order_does_not_matter(examples: int) -> None:
    """A Deny more makes nothing more public, wherever it stands; nor does the order of statements."""

    @settings(max_examples=examples, deadline=None)
    @given(POLICIES, statements("Deny"), st.randoms(use_true_random=False))
    def holds(made: list[dict[str, Any]], denied: dict[str, Any], chance: random.Random) -> None:
        mixed = [*made, denied]
        chance.shuffle(mixed)

        before, after, ordered = judged(*made), judged(*mixed), judged(*made, denied)

        for access in Access:
            assert RANK[after.public[access].value] <= RANK[before.public[access].value]
            assert after.public[access].value is ordered.public[access].value
        assert {each.grantee for each in after.grants} == {each.grantee for each in ordered.grants}

    holds()


@pytest.mark.parametrize("examples", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_keys_operators_and_actions_know_no_case(examples: int) -> None:
    """How condition keys, operators and actions are written does not matter."""

    @settings(max_examples=examples, deadline=None)
    @given(POLICIES, st.randoms(use_true_random=False))
    def holds(made: list[dict[str, Any]], chance: random.Random) -> None:

        def mixed(text: str) -> str:
            return "".join(chance.choice([each.lower(), each.upper()]) for each in text)

        other = [
            each
            | {"Action": [mixed(one) for one in each["Action"]]}
            | {
                "Condition": {
                    mixed(op): {mixed(k): v for k, v in keys.items()} for op, keys in each["Condition"].items()
                }
            }
            for each in made
        ]

        before, after = judged(*made), judged(*other)

        assert {k: a.value for k, a in before.public.items()} == {k: a.value for k, a in after.public.items()}
        assert before.refuses_plain_http.value is after.refuses_plain_http.value

    holds()


@pytest.mark.parametrize("examples", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_what_is_not_known_is_never_a_silent_no(examples: int) -> None:
    """Where a policy would be public, an unknown key with it makes that unknown, and the reason names the key."""

    @settings(max_examples=examples, deadline=None)
    @given(statements("Allow"), st.sampled_from(["StringEquals", "StringNotLike", "Null", "BoolIfExists", "Strange"]))
    def holds(made: dict[str, Any], operator: str) -> None:
        without = judged(made)
        condition = {**made["Condition"], operator: {**made["Condition"].get(operator, {}), "example:key": ["true"]}}

        with_it = judged(made | {"Condition": condition})

        for access in Access:
            expected = Ternary.UNKNOWN if without.public[access].value is Ternary.YES else without.public[access].value
            assert with_it.public[access].value is expected
            if expected is Ternary.UNKNOWN:
                assert any("example:key" in each or "Strange" in each for each in with_it.public[access].reasons)

    holds()
