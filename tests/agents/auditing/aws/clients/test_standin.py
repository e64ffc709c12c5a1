"""That what measurements and other tests stand on is as it says: the seeded buckets, their oracle, and the replays."""

from __future__ import annotations

import urllib.request
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from app.agents.auditing.aws.clients.batch import Done
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.domain.findings import AuditVerdict
from tests.benchmarks.aws.buckets import BUCKETS, EXPOSURES, ORACLE, REGIONS, Check, seed
from tests.benchmarks.aws.facts import facts_of, seen_in
from tests.benchmarks.aws.replay import ReplayProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.agents.auditing.aws.clients.backend import Backend

SOME = BUCKETS[: len(EXPOSURES)]


def test_the_oracle_has_a_thousand_verdicts_of_both_kinds() -> None:
    """Five checks of 200 buckets in six regions, and a sixth; each verdict occurs at least forty times per check."""
    counted = Counter((check, verdict) for (_, check), verdict in ORACLE.items())

    assert len(ORACLE) == 1_200
    assert {bucket.region for bucket in BUCKETS} == set(REGIONS)
    assert len({bucket.name for bucket in BUCKETS}) == 200
    assert all(counted[check, verdict] >= 40 for check in Check for verdict in (AuditVerdict.PASS, AuditVerdict.FAIL))
    assert AuditVerdict.UNKNOWN not in ORACLE.values()


@pytest.fixture
async def proxy(moto_url: str) -> AsyncIterator[tuple[ReplayProxy, str]]:
    """Give a proxy before moto, without a delay."""
    forget = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")  # noqa: S310 - loopback
    urllib.request.urlopen(forget, timeout=20).close()  # noqa: ASYNC210, S310 - likewise; nothing else runs yet
    address = urlsplit(moto_url)
    made = ReplayProxy((str(address.hostname), int(address.port or 0)), delay_s=0.0)
    server = await made.serve()
    yield made, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_what_was_seeded_is_found_and_replayed(
    backend: Backend, proxy: tuple[ReplayProxy, str], tools: Any
) -> None:
    """Buckets of each kind of exposure have the facts that the table tells, when recorded and when replayed."""
    replays, url = proxy
    rounds = []

    async with AsyncClientManager(backend, endpoint_url=url) as clients:
        context = AuditContext(tools.account(1), tools.region, clients)
        await seed(context, SOME)
        for _ in range(2):
            outcomes = await clients.batch([partial(facts_of, context, each) for each in SOME])
            rounds.append([each.value for each in outcomes if isinstance(each, Done)])

    for facts in rounds:
        assert [seen_in(fact, check) for fact in facts for check in Check if check is not Check.PUBLIC] == [
            ORACLE[bucket.name, check] for bucket in SOME for check in Check if check is not Check.PUBLIC
        ]
    assert replays.replayed >= len(SOME) * 7


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_replay_belongs_to_who_asked(backend: Backend, proxy: tuple[ReplayProxy, str], tools: Any) -> None:
    """What was recorded for one signer is not given to another, and a change forgets what was recorded."""
    replays, url = proxy

    async with AsyncClientManager(backend, endpoint_url=url) as clients:
        one, two = (AuditContext(tools.account(number), "us-east-1", clients) for number in (1, 2))
        for context in (one, one, two):
            await context.execute_async("s3", "ListBuckets")
        replayed = replays.replayed
        await one.execute_async("s3", "CreateBucket", Bucket="another")
        await one.execute_async("s3", "ListBuckets")

    assert (replayed, replays.replayed) == (1, 1)
