"""A unit of work: JSON in, JSON out, without keys, the same each time."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.aws.scale import unit
from app.agents.auditing.aws.scale.documents import (
    Access,
    Loss,
    Lost,
    NotADocument,
    Result,
    Work,
    content_of,
    document_of,
    document_of_result,
    result_of,
    work_of,
)
from app.agents.auditing.aws.scale.unit import run_unit
from app.agents.auditing.aws.shape import Judgement, Unit
from app.domain.errors import SettingsError
from app.domain.findings import AuditVerdict, Severity
from tests.agents.auditing.aws.denying import NOTHING
from tests.agents.auditing.aws.scale.audits import ACCOUNT, ENDPOINT, ROLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.agents.auditing.aws.denying import Denying

ACCESS = Access(role=ROLE, external_id="x-1", endpoint_url=ENDPOINT)
BUCKET = "wk-000-private"
UNIT = Unit("s3/1", "s3", ACCOUNT, "", (BUCKET,), ("s3-versioning", "s3-tls-only"))
WORK = Work(UNIT, ACCESS, "an-audit", 30.0)

texts = st.text(max_size=20)
JUDGEMENTS = st.builds(
    Judgement,
    rule=texts,
    resource=texts,
    account=texts,
    region=texts,
    verdict=st.sampled_from(AuditVerdict),
    why=texts,
    evidence=texts,
    severity=st.one_of(st.none(), st.sampled_from(Severity)),
)
RESULTS = st.builds(
    Result,
    id=texts,
    judgements=st.lists(JUDGEMENTS, max_size=4).map(tuple),
    took_s=st.floats(0, 1e6),
    calls=st.dictionaries(texts, st.integers(0, 10**6), max_size=3),
    error=st.one_of(st.none(), st.builds(Loss, kind=st.sampled_from(Lost), why=texts)),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    """Close what the units of the test have shared."""
    yield
    await unit.close()


@given(RESULTS)
def test_a_result_comes_back_as_it_went(result: Result) -> None:
    """Through JSON."""
    assert result_of(json.loads(json.dumps(document_of_result(result)))) == result


def test_a_unit_comes_back_as_it_went() -> None:
    """Through JSON."""
    assert work_of(json.loads(json.dumps(document_of(WORK)))) == WORK


@given(st.sampled_from(sorted(document_of(WORK))), ANYTHING)
def test_whatever_comes_is_read_or_refused(name: str, value: Any) -> None:
    """A field with any other value is no document, or is still one; nothing else is raised."""
    for read, document in ((work_of, document_of(WORK)), (result_of, document_of_result(Result("a")))):
        with suppress(NotADocument):
            read({**document, name: value})


@pytest.mark.parametrize("name", ["secret_key", "AWS_SECRET_ACCESS_KEY", "credentials"])
def test_a_unit_takes_no_keys(name: str) -> None:
    """A document with a field more is refused, in the unit and in its access, and the value is not repeated."""
    document = document_of(WORK)

    for wrong in ({**document, name: "hush"}, {**document, "access": {**document["access"], name: "hush"}}):
        with pytest.raises(NotADocument) as refused:
            work_of(wrong)
        assert "hush" not in str(refused.value)


def test_a_unit_holds_no_keys(proxy: Denying) -> None:
    """With keys in the environment, none of them is in the document."""
    del proxy

    told = json.dumps(document_of(WORK))

    assert "AKIA" not in told
    assert "secret" not in told
    assert set(document_of(WORK)["access"]) == {"profile", "role", "external_id", "endpoint_url", "region"}


def test_what_is_in_a_unit_tells_it_from_another() -> None:
    """The same id with other resources, rules or another role is other work."""
    others = [
        (replace(UNIT, resources=("b",)), ACCESS),
        (replace(UNIT, rules=("s3-tls-only",)), ACCESS),
        (UNIT, replace(ACCESS, role="arn:aws:iam::111122223333:role/other")),
    ]

    assert content_of(*others[0]) != content_of(UNIT, ACCESS)
    assert len({content_of(*each) for each in [*others, (UNIT, ACCESS)]}) == 4


async def test_a_unit_is_done_twice_the_same(buckets: tuple[str, ...], proxy: Denying) -> None:
    """Through the role, with the calls that it made; the second time the role is not assumed again."""
    assert BUCKET in buckets
    text = json.dumps(document_of(WORK))

    first, second = await run_unit(json.loads(text)), await run_unit(json.loads(text))

    assert first["judgements"] == second["judgements"]
    assert {each["rule"] for each in first["judgements"]} == set(UNIT.rules)
    assert first["error"] is None
    assert first["took_s"] > 0
    assert first["calls"] == {
        "sts:AssumeRole": 1,
        "s3:GetBucketLocation": 1,
        "s3:GetBucketPolicy": 1,
        "s3:GetBucketVersioning": 1,
    }
    assert second["calls"] == {name: count for name, count in first["calls"].items() if name != "sts:AssumeRole"}
    assert proxy.count("sts:AssumeRole") == 1
    assert "hush" not in json.dumps(first)


@pytest.mark.parametrize(
    "change",
    [{"schema": 99}, {"deadline_s": 0}, {"resources": "b"}, {"access": {}}, {"id": 3}],
    ids=["of another release", "no time", "no list", "no access", "no id"],
)
async def test_a_unit_that_cannot_be_read_is_refused(change: dict[str, Any]) -> None:
    """As a value."""
    result = result_of(await run_unit({**document_of(WORK), **change}))

    assert result.judgements == ()
    assert result.error is not None
    assert result.error.kind is Lost.REFUSED


async def test_a_service_that_is_not_known_here_is_refused(proxy: Denying) -> None:
    """As where a worker has an older release."""
    del proxy

    result = result_of(await run_unit(document_of(replace(WORK, unit=replace(UNIT, service="kendra")))))

    assert result.error is not None
    assert (result.error.kind, "same release" in result.error.why) == (Lost.REFUSED, True)


async def test_a_unit_ends_in_time(buckets: tuple[str, ...], proxy: Denying) -> None:
    """A call that is never answered is given up, and the calls that were made are told."""
    del buckets
    proxy.answers["s3:GetBucketPolicy"] = NOTHING

    result = result_of(await run_unit(document_of(replace(WORK, deadline_s=1.5))))

    assert result.error == Loss(Lost.DEADLINE, "It took longer than 2 s.")
    assert result.took_s < 6
    assert result.calls is not None
    assert result.calls["s3:GetBucketPolicy"] == 1


async def test_a_flag_ends_the_units_of_one_audit(buckets: tuple[str, ...], proxy: Denying) -> None:
    """Those under way and those that come late; those of another audit go on."""
    del buckets
    loop, waits = asyncio.get_running_loop(), asyncio.Event()
    proxy.answers["s3:GetBucketPolicy"] = NOTHING
    proxy.before = lambda asked: loop.call_soon_threadsafe(waits.set) if "Policy" in asked.operation else None
    task = asyncio.create_task(run_unit(document_of(WORK)))
    await waits.wait()

    ended = await unit.stop("an-audit")
    first, late = await task, await run_unit(document_of(WORK))
    proxy.answers.clear()
    other = await run_unit(document_of(replace(WORK, audit="another")))

    assert ended == 1
    assert (first["error"]["kind"], late["error"]["kind"]) == ("stopped", "stopped")
    assert other["error"] is None


async def test_who_cancels_a_unit_leaves_nothing(buckets: tuple[str, ...], proxy: Denying) -> None:
    """Neither its task nor its call."""
    del buckets
    loop, waits = asyncio.get_running_loop(), asyncio.Event()
    proxy.answers["s3:GetBucketPolicy"] = NOTHING
    proxy.before = lambda asked: loop.call_soon_threadsafe(waits.set) if "Policy" in asked.operation else None
    task = asyncio.create_task(run_unit(document_of(WORK)))
    await waits.wait()

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert [each for each in asyncio.all_tasks() if each.get_name() == "aws-unit"] == []


@pytest.mark.parametrize(
    "url", ["ftp://a", "https://key:word@a", "https://a?x=1", "https://", "http://[", "http://a:99999"]
)
def test_an_endpoint_is_a_plain_address(url: str) -> None:
    """No keys are passed on in it, and the message repeats nothing of it."""
    with pytest.raises(SettingsError) as refused:
        Access(endpoint_url=url)

    assert "word" not in str(refused.value)


def test_an_access_knows_its_partition() -> None:
    """By the role, or by the region."""
    assert Access(role="arn:aws-cn:iam::123456789012:role/a", region="cn-north-1").partition == "aws-cn"
    assert [Access(region=each).partition for each in ("eu-west-1", "cn-north-1", "us-gov-west-1")] == [
        "aws",
        "aws-cn",
        "aws-us-gov",
    ]
    assert asdict(Access())["role"] == ""
