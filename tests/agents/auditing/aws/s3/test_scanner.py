"""The scanner against moto: what is found, where it is asked, and how often."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.s3 import DEFAULT_RULES, RULES, S3Scanner
from app.agents.auditing.aws.s3.rules import ACCOUNT_RULES
from app.agents.auditing.aws.shape import Unit
from app.domain.findings import Severity
from tests.agents.auditing.aws.denying import Reply
from tests.agents.auditing.aws.s3.conftest import EVERYBODY
from tests.agents.auditing.aws.s3.scanning import (
    ALL,
    FAIL,
    NAMES,
    PASS,
    UNKNOWN,
    listing,
    operation_of,
    paged,
    scanned,
    units_of,
)

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.context import AuditContext
    from tests.agents.auditing.aws.denying import Asked, Denying

ACCOUNT_ARN = "arn:aws:iam::123456789012:root"
EXPOSURE = ("s3-public-policy", "s3-public-acl", "s3-public-write", "s3-cross-account")


@pytest.mark.usefixtures("account")
async def test_verdicts_of_an_account(context: AuditContext) -> None:
    """Each bucket fails by the rules that it breaks, as set up, and passes by all others."""
    found = await scanned(context, DEFAULT_RULES)

    names = {name for name, _ in found} - {"root"}
    failed = {name: [rule for rule in EXPOSURE if found[name, rule].verdict is FAIL] for name in names}
    assert failed == {
        "closed": [],
        "logs": [],
        "acl-read": ["s3-public-acl"],
        "acl-write": ["s3-public-acl", "s3-public-write"],
        "web": ["s3-public-policy", "s3-cross-account"],
        "drop": ["s3-public-policy", "s3-public-write"],
        "office": [],
        "partner": ["s3-cross-account"],
        "friend": ["s3-cross-account"],
        "shielded": [],
    }
    assert {rule for (name, rule), each in found.items() if name == "closed" and each.verdict is not PASS} == set()
    protected = {name for name in names if found[name, "s3-block-public-access"].verdict is PASS}
    assert protected == {"closed", "shielded"}
    assert found["root", "s3-account-block-public-access"].verdict is FAIL
    assert found["root", "s3-account-block-public-access"].resource == ACCOUNT_ARN
    assert found["partner", "s3-cross-account"].severity is Severity.LOW
    assert json.loads(found["web", "s3-public-policy"].evidence)["Sid"] == "Web"
    assert found["acl-read", "s3-public-acl"].region == "eu-west-1"
    assert not any(each.verdict is UNKNOWN for each in found.values())


@pytest.mark.usefixtures("account")
async def test_the_account_protects_all_buckets(context: AuditContext, s3: Any) -> None:
    """With the account's switches on no bucket is public, and each passes for them."""
    await s3.block()

    found = await scanned(context, DEFAULT_RULES)

    for (_, rule), each in found.items():
        if rule.startswith("s3-public") or rule.endswith("block-public-access"):
            assert each.verdict is PASS, each


@pytest.mark.parametrize(("moment", "verdict"), [("2031-01-01T00:00:00Z", PASS), ("2029-01-01T00:00:00Z", FAIL)])
async def test_what_was_allowed_until_a_moment(
    context: AuditContext, s3: Any, fake_clock: Any, moment: str, verdict: Any
) -> None:
    """A statement whose time has passed opens nothing any more, by the clock that the scanner was given."""
    until = {"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}
    await s3.bucket("fair")
    await s3.policy("fair", {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Condition": until})
    (unit,) = await units_of(context, ["s3-public-policy"])
    fake_clock.set_wall(datetime.fromisoformat(moment).timestamp())

    (judgement,) = await S3Scanner(fake_clock).judge(context, unit)

    assert judgement.verdict is verdict


async def test_each_bucket_is_asked_in_its_own_region(context: AuditContext, s3: Any, proxy: Denying) -> None:
    """All calls about a bucket are signed for its region, also for the one that S3 gives no name."""
    regions = {"/in-frankfurt": "eu-central-1", "/in-virginia": "us-east-1", "/in-dublin": "eu-west-1"}
    for path, region in regions.items():
        await s3.bucket(path[1:], region)
    proxy.asked.clear()

    await scanned(context)

    asked = {(each.path, each.region) for each in proxy.asked if each.operation in NAMES and each.path in regions}
    assert asked == set(regions.items())


async def test_regions_as_s3_itself_tells_them(context: AuditContext, proxy: Denying) -> None:
    """Where the list tells the regions, as S3 does, no bucket's location is asked for."""
    proxy.answers["s3:ListBuckets"] = Reply(200, body=listing(("first", "eu-west-1"), ("second", "us-east-1")))

    units = await units_of(context)

    assert [(each.region, each.resources) for each in units] == [("eu-west-1", ("first",)), ("us-east-1", ("second",))]
    assert proxy.count("s3:GetBucketLocation") == 0


@pytest.mark.parametrize(
    ("constraint", "region"), [("", "us-east-1"), ("EU", "eu-west-1"), ("ap-south-1", "ap-south-1")]
)
async def test_locations_by_their_old_names(
    context: AuditContext, proxy: Denying, constraint: str, region: str
) -> None:
    """No location is us-east-1, and EU is eu-west-1."""
    proxy.answers["s3:ListBuckets"] = Reply(200, body=listing(("first", "")))
    proxy.answers["s3:GetBucketLocation"] = Reply(200, body=f"<LocationConstraint>{constraint}</LocationConstraint>")

    assert [each.region for each in await units_of(context)] == [region]


async def test_buckets_of_many_pages(context: AuditContext, proxy: Denying) -> None:
    """The buckets of all pages are in the units; those of a region wait for one another across pages."""
    first = [(f"bucket-{number}", "eu-west-1") for number in range(15)]
    second = [(f"bucket-{number}", "eu-west-1") for number in range(15, 30)]
    paged(proxy, Reply(200, body=listing(*first, more="token")), Reply(200, body=listing(*second)))

    units = await units_of(context)

    assert [len(each.resources) for each in units] == [20, 10]
    assert {name for each in units for name in each.resources} == {name for name, _ in first + second}


async def test_only_the_regions_that_are_wanted(context: AuditContext, s3: Any) -> None:
    """Buckets of other regions are in no unit; the account, which has no region, is."""
    await s3.bucket("in-frankfurt")
    await s3.bucket("in-dublin", "eu-west-1")

    units = await units_of(context, ALL, "eu-west-1")

    assert [each.resources for each in units] == [(), ("in-dublin",)]


@pytest.mark.parametrize("rule", [each for each in RULES if each.id not in ACCOUNT_RULES], ids=lambda each: each.id)
async def test_only_what_a_rule_needs_is_asked_for(context: AuditContext, s3: Any, proxy: Denying, rule: Any) -> None:
    """Of open buckets each fact that the rule needs is asked for once, the account's once for a unit, and no other."""
    for name in ("first", "second"):
        await s3.bucket(name, ACL="public-read")
        await s3.policy(name, {**EVERYBODY, "Action": "s3:GetObject"})
    (unit,) = await units_of(context, [rule.id, "iam-of-another-scanner"])
    proxy.asked.clear()

    await S3Scanner().judge(context, unit)

    expected = {operation_of(need): 1 if need == "account_block" else 2 for need in rule.needs}
    assert proxy.counts == expected


async def test_nothing_more_is_asked_of_a_closed_bucket(context: AuditContext, s3: Any, proxy: Denying) -> None:
    """Switches and ownership are asked for only of the bucket that its ACL opens, the account's once for the unit."""
    await s3.bucket("closed")
    await s3.bucket("opened", ACL="public-read")
    (unit,) = await units_of(context, ["s3-public-policy", "s3-public-acl"])
    proxy.asked.clear()

    found = await S3Scanner().judge(context, unit)

    assert {(each.resource[-6:], each.rule): each.verdict for each in found} == {
        ("closed", "s3-public-policy"): PASS,
        ("closed", "s3-public-acl"): PASS,
        ("opened", "s3-public-policy"): PASS,
        ("opened", "s3-public-acl"): FAIL,
    }
    assert proxy.counts == {
        "s3:GetBucketAcl": 2,
        "s3:GetBucketPolicy": 2,
        "s3:GetPublicAccessBlock": 1,
        "s3:GetBucketOwnershipControls": 1,
        "s3control:GetPublicAccessBlock": 1,
    }


async def test_rules_of_others_alone(context: AuditContext, proxy: Denying) -> None:
    """When no rule is the scanner's nothing is asked for."""
    assert await units_of(context, ["iam-root-keys"]) == []
    assert await S3Scanner().judge(context, Unit("1", "s3", "123456789012", "eu-west-1", ("b",), ("iam-x",))) == ()
    assert proxy.asked == []


async def test_a_unit_travels_and_keeps_its_name(context: AuditContext, s3: Any) -> None:
    """A unit is the same after JSON, and has the same id when the audit is done again, and another with other rules."""
    await s3.bucket("one-bucket")
    (unit,) = await units_of(context)

    (again,) = await units_of(context)
    (other,) = await units_of(context, DEFAULT_RULES[1:])
    raw = json.loads(json.dumps(asdict(unit)))
    travelled = {name: tuple(each) if isinstance(each, list) else each for name, each in raw.items()}

    assert Unit(**travelled) == unit == again
    assert other.id != unit.id


A_UNIT_AND_MORE = {f"bucket-{number:03d}": "eu-west-1" if number < 21 else "us-east-1" for number in range(24)}
PLACES = ("eu-central-1", "eu-west-1", "us-east-1")
HUNDREDS = {f"bucket-{number:03d}": PLACES[number % 3] for number in range(200)}


@pytest.mark.parametrize(
    ("buckets", "sizes"),
    [
        pytest.param(A_UNIT_AND_MORE, [0, 1, 3, 20], id="more than a unit"),
        pytest.param(HUNDREDS, [0, 6, 7, 7, *[20] * 9], id="hundreds", marks=pytest.mark.slow),
    ],
)
async def test_many_buckets(
    context: AuditContext, s3: Any, proxy: Denying, buckets: dict[str, str], sizes: list[int]
) -> None:
    """All of them are judged by the default rules, in units of at most 20 of one region, each asked about once."""
    for name, region in buckets.items():
        await s3.bucket(name, region)
    proxy.asked.clear()
    units = await units_of(context, DEFAULT_RULES)

    found = [judgement for unit in units for judgement in await S3Scanner().judge(context, unit)]

    assert Counter(name for unit in units for name in unit.resources) == Counter(list(buckets))
    assert all(buckets[name] == unit.region for unit in units for name in unit.resources)
    assert sorted(len(unit.resources) for unit in units) == sizes
    assert len({unit.id for unit in units}) == len(units)
    assert len(found) == 1 + len(buckets) * (len(DEFAULT_RULES) - 1)
    assert UNKNOWN not in {each.verdict for each in found}
    assert proxy.counts == {
        "s3:ListBuckets": 1,
        "s3control:GetPublicAccessBlock": 1 + len(units) - 1,
        **dict.fromkeys(
            (
                "s3:GetBucketLocation",
                "s3:GetBucketAcl",
                "s3:GetBucketPolicy",
                "s3:GetPublicAccessBlock",
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketEncryption",
                "s3:GetBucketLogging",
                "s3:GetBucketVersioning",
            ),
            len(buckets),
        ),
    }


async def test_a_units_calls_are_under_way_together(context: AuditContext, s3: Any, proxy: Denying) -> None:
    """The calls about the buckets of a unit do not wait for one another."""
    for number in range(5):
        await s3.bucket(f"bucket-{number}")
    (unit,) = await units_of(context, ["s3-versioning"])
    together = Together(5)
    proxy.before = together

    found = await S3Scanner().judge(context, unit)

    assert len(found) == 5
    assert together.met


class Together:
    """Lets requests go on only when so many are there at once."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count)
        self.met = False

    def __call__(self, _: Asked) -> None:
        self.met = self._barrier.wait(10.0) >= 0
