"""What becomes of calls that are denied, throttled, failed or not answered, and of buckets that go away meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.errors import Denied, Throttled
from app.agents.auditing.aws.s3 import RULES, S3Scanner
from app.agents.auditing.aws.s3.rules import ACCOUNT_RULES
from tests.agents.auditing.aws.denying import BROKEN, DENIED, NOTHING, SLOW_DOWN, Reply
from tests.agents.auditing.aws.s3.scanning import (
    ALL,
    FAIL,
    NAMES,
    OF_BUCKETS,
    UNKNOWN,
    judged,
    listing,
    operation_of,
    paged,
    scanned,
    units_of,
)

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.shape import Unit
    from tests.agents.auditing.aws.denying import Denying


A_FEW = ("closed", "web", "friend", "acl-write")
"""With what they are set up with, each rule needs each of its facts for one of them."""


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("names", [A_FEW, pytest.param((), marks=pytest.mark.slow)], ids=["a few", "all"])
async def test_each_operation_denied_in_turn(context: AuditContext, proxy: Denying, names: tuple[str, ...]) -> None:
    """What needs the denied call is as before or UNKNOWN, which names the call; all else is as before to the letter."""
    needs = {each.id: {operation_of(need) for need in each.needs} for each in RULES}
    units = [only(each, names) for each in await units_of(context, ALL)]
    before = await judged(context, units)
    for operation, action in NAMES.items():
        proxy.answers = {operation: DENIED}

        after = await judged(context, units)

        assert after.keys() == before.keys()
        for (name, rule), each in after.items():
            if operation not in needs[rule]:
                assert each == before[name, rule]
            elif each.verdict is UNKNOWN:
                assert f"{action} denied" in each.why
            else:
                assert each.verdict is before[name, rule].verdict
        lost = {rule for (_, rule), each in after.items() if each.verdict is UNKNOWN}
        assert lost == {rule for rule, operations in needs.items() if operation in operations}, operation


def only(unit: Unit, names: tuple[str, ...]) -> Unit:
    """Return a unit with some of its buckets; with all of them where none are named."""
    return replace(unit, resources=tuple(each for each in unit.resources if each in names or not names))


@pytest.mark.usefixtures("account")
async def test_all_denied_is_all_unknown(context: AuditContext, proxy: Denying) -> None:
    """Where nothing may be read nothing passes and nothing fails."""
    units = await units_of(context, ALL)
    proxy.answers.update(dict.fromkeys(NAMES, DENIED))

    found = [judgement for unit in units for judgement in await S3Scanner().judge(context, unit)]

    assert len(found) == 10 * len(OF_BUCKETS) + 1
    assert {each.verdict for each in found} == {UNKNOWN}


@pytest.mark.parametrize(
    ("reply", "short"),
    [
        (SLOW_DOWN, "throttled"),
        (BROKEN, "out of order"),
        (Reply(400, "Odd"), "rejected"),
        (Reply(404, "NoSuchKey"), "not found"),
    ],
)
async def test_a_call_that_fails_otherwise(
    context: AuditContext, s3: Any, proxy: Denying, reply: Reply, short: str
) -> None:
    """Throttled, failed and refused calls make UNKNOWN of what needs them, and of no other."""
    await s3.bucket("one-bucket")
    proxy.answers["s3:GetBucketVersioning"] = reply

    found = await scanned(context)

    lost = {rule: each.why for (_, rule), each in found.items() if each.verdict is UNKNOWN}
    assert lost == dict.fromkeys(("s3-versioning", "s3-mfa-delete"), f"Not known: s3:GetBucketVersioning {short}.")


class TestWithLittlePatience:
    @pytest.fixture
    def patience(self) -> Patience:
        return Patience(connect_s=10.0, read_s=0.5, attempts=1)

    async def test_a_call_without_an_answer(self, context: AuditContext, s3: Any, proxy: Denying) -> None:
        """A call that is never answered makes UNKNOWN of what needs it, and the rest goes on."""
        await s3.bucket("one-bucket")
        proxy.answers["s3:GetBucketVersioning"] = NOTHING

        found = await scanned(context, ["s3-versioning", "s3-access-logging"])

        assert found["one-bucket", "s3-versioning"].why == "Not known: s3:GetBucketVersioning unreachable."
        assert found["one-bucket", "s3-access-logging"].verdict is FAIL


class TestWithSeveralAttempts:
    @pytest.fixture
    def patience(self) -> Patience:
        return Patience(connect_s=10.0, read_s=10.0, attempts=3)

    async def test_throttled_once(self, context: AuditContext, s3: Any, proxy: Denying) -> None:
        """One `SlowDown` is asked about again, and leaves nothing unknown."""
        await s3.bucket("one-bucket")
        proxy.answers["s3:GetBucketVersioning"] = SLOW_DOWN
        proxy.when = lambda _: proxy.count("s3:GetBucketVersioning") == 1

        found = await scanned(context, ["s3-versioning"])

        assert found["one-bucket", "s3-versioning"].verdict is FAIL
        assert proxy.count("s3:GetBucketVersioning") == 2


async def test_an_answer_that_is_not_understood(context: AuditContext, s3: Any, proxy: Denying) -> None:
    """An ownership that nobody knows yet is UNKNOWN, and is not taken for one that is known."""
    await s3.bucket("one-bucket")
    body = "<OwnershipControls><Rule><ObjectOwnership>Communal</ObjectOwnership></Rule></OwnershipControls>"
    proxy.answers["s3:GetBucketOwnershipControls"] = Reply(200, body=body)

    found = await scanned(context, ["s3-acls-disabled"])

    assert found["one-bucket", "s3-acls-disabled"].verdict is UNKNOWN
    assert "not understood" in found["one-bucket", "s3-acls-disabled"].why


async def test_a_bucket_deleted_before_it_is_judged(context: AuditContext, s3: Any) -> None:
    """A bucket that is gone has no judgement; its neighbours in the unit have theirs."""
    for name in ("going-away", "staying"):
        await s3.bucket(name)
    (unit,) = await units_of(context)
    await s3("DeleteBucket", Bucket="going-away")

    found = await S3Scanner().judge(context, unit)

    assert Counter(each.resource for each in found) == {"arn:aws:s3:::staying": len(OF_BUCKETS)}


async def test_a_bucket_deleted_while_it_is_judged(context: AuditContext, s3: Any, proxy: Denying) -> None:
    """A bucket that is gone when some of its facts are known already has no judgement either."""
    await s3.bucket("going-away")
    (unit,) = await units_of(context)
    proxy.answers["s3:GetBucketReplication"] = Reply(404, "NoSuchBucket")

    assert await S3Scanner().judge(context, unit) == ()


async def test_a_bucket_deleted_before_it_is_located(context: AuditContext, s3: Any, proxy: Denying) -> None:
    """A bucket that is gone before its region is known is in no unit."""
    for name in ("going-away", "staying"):
        await s3.bucket(name)
    proxy.answers["s3:GetBucketLocation"] = Reply(404, "NoSuchBucket")
    proxy.when = lambda asked: asked.path == "/going-away"

    assert [each.resources for each in await units_of(context)] == [("staying",)]


async def test_a_bucket_whose_region_may_not_be_asked_for(context: AuditContext, s3: Any, proxy: Denying) -> None:
    """It is not lost, whatever regions are wanted: all about it is UNKNOWN, and names the call."""
    await s3.bucket("somewhere")
    proxy.answers["s3:GetBucketLocation"] = DENIED
    (unit,) = await units_of(context, OF_BUCKETS, "eu-west-1")

    found = await S3Scanner().judge(context, unit)

    assert [each.rule for each in found] == list(OF_BUCKETS)
    assert {(each.verdict, each.why) for each in found} == {(UNKNOWN, "Not known: s3:GetBucketLocation denied.")}


async def test_a_region_that_can_be_asked_for_again(context: AuditContext, s3: Any, proxy: Denying) -> None:
    """A unit without a region finds out where its buckets are before it judges them."""
    await s3.bucket("in-dublin", "eu-west-1")
    proxy.answers["s3:GetBucketLocation"] = SLOW_DOWN
    (unit,) = await units_of(context, ["s3-versioning"])
    proxy.answers.clear()

    (judgement,) = await S3Scanner().judge(context, unit)

    assert unit.region == ""
    assert (judgement.region, judgement.verdict) == ("eu-west-1", FAIL)


async def test_buckets_that_may_not_be_listed(context: AuditContext, proxy: Denying) -> None:
    """The account is told of first; then listing raises, and names the call."""
    proxy.answers["s3:ListBuckets"] = DENIED
    units = S3Scanner().units(context, ALL, ())

    first = await anext(units)
    with pytest.raises(Denied) as error:
        await anext(units)

    assert first.rules == tuple(ACCOUNT_RULES)
    assert error.value.operation == "s3:ListAllMyBuckets"


async def test_buckets_that_may_be_listed_in_part(context: AuditContext, proxy: Denying) -> None:
    """What was listed before a page failed is in a unit all the same, and then the failure is told."""
    paged(proxy, Reply(200, body=listing(("first", "eu-west-1"), more="token")), SLOW_DOWN)
    units: list[Unit] = []

    async def take_all() -> None:
        async for unit in S3Scanner().units(context, OF_BUCKETS, ()):
            units.append(unit)  # noqa: PERF401 - those before the failure count

    with pytest.raises(Throttled):
        await take_all()

    assert [each.resources for each in units] == [("first",)]
