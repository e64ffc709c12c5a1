"""What calls to AWS cost: 300 accounts through assumed roles, and the facts of 200 buckets in 6 regions.

Run `python -m tests.benchmarks.aws.bench_clients [--quick] [--threads]`. AWS is moto in another process behind a proxy
that adds 40 ms to each call and answers by itself what it has seen once; the first round records, the others measure.
Exits with 1 if a request was signed by another account, if the accounts cost more than 20 MB, or if a fact differs from
what was put there.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil

from app.agents.auditing.aws.clients.account import Account
from app.agents.auditing.aws.clients.aio import AioBackend
from app.agents.auditing.aws.clients.batch import Done
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys, Role
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.agents.auditing.aws.clients.threads import ThreadBackend
from tests.benchmarks.aws.buckets import BUCKETS, ORACLE, REGIONS, Check, seed
from tests.benchmarks.aws.facts import CALLS, facts_of, seen_in
from tests.benchmarks.aws.replay import aws_at

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.backend import Backend
    from tests.benchmarks.aws.replay import Place

ACCOUNTS, QUICK_ACCOUNTS = 300, 30
ROUNDS = 3
MOST_MB = 20.0
REGION = "eu-central-1"
MAIN = Account("123456789012", GivenKeys(Keys("AKIAMAIN", "s")))


def say(text: str) -> None:
    print(text, flush=True)


def _used() -> tuple[float, float, float]:
    process = psutil.Process()
    cpu = process.cpu_times()
    return time.perf_counter(), cpu.user + cpu.system, process.memory_info().rss / 1e6


async def _accounts(backend: Backend, place: Place, count: int) -> tuple[int, float]:
    """Return how many requests were signed by another account, and how much the memory grew over all rounds, in MB."""

    async def ask(context: AuditContext) -> tuple[bool, bool]:
        who = await context.execute_async("sts", "GetCallerIdentity")
        await context.execute_async("s3", "ListBuckets")
        again = await context.execute_async("sts", "GetCallerIdentity")
        return who["Account"] != context.account.id, again["Account"] != context.account.id

    wrong, first = 0, 0.0
    for turn in range(ROUNDS + 1):
        async with AsyncClientManager(backend, endpoint_url=place.url) as clients:
            await clients.warm_up(["sts", "s3"], REGION)
            await ask(AuditContext(MAIN, REGION, clients))
            roles = [Role(f"arn:aws:iam::{number:012d}:role/audit") for number in range(1, count + 1)]
            contexts = [AuditContext(clients.assumed(each, MAIN, REGION), REGION, clients) for each in roles]
            began = _used()
            first = first or began[2]
            outcomes = await clients.batch([partial(ask, each) for each in contexts])
            took = [after - before for after, before in zip(_used(), began, strict=True)]
        wrong += sum(sum(each.value) if isinstance(each, Done) else 3 for each in outcomes)
        calls = 4 * count
        say(
            f"  {'recorded' if turn == 0 else 'measured'}: {calls} calls, {took[0]:.2f} s, {calls / took[0]:.0f}/s, "
            f"{1000 * took[1] / calls:.2f} ms CPU each, {took[2]:+.1f} MB, wrongly signed so far: {wrong}"
        )
    grown = _used()[2] - first
    say(f"  memory grew by {grown:.1f} MB over all rounds")
    return wrong, grown


async def _buckets(backend: Backend, place: Place) -> int:
    """Return how many facts differ from what was put there."""
    async with AsyncClientManager(backend, endpoint_url=place.moto) as clients:
        began = time.perf_counter()
        await seed(AuditContext(MAIN, REGION, clients))
        say(f"  seeded in {time.perf_counter() - began:.1f} s")
    walls, differ = [], 0
    for turn in range(ROUNDS + 1):
        async with AsyncClientManager(backend, endpoint_url=place.url) as clients:
            await asyncio.gather(*(clients.client("s3", region) for region in REGIONS))
            context = AuditContext(MAIN, REGION, clients)
            began = _used()
            outcomes = await clients.batch([partial(facts_of, context, each) for each in BUCKETS])
            took = [after - before for after, before in zip(_used(), began, strict=True)]
        facts: list[dict[str, Any]] = [each.value if isinstance(each, Done) else {} for each in outcomes]
        differ += sum(
            seen_in(fact, check) is not ORACLE[bucket.name, check]
            for bucket, fact in zip(BUCKETS, facts, strict=True)
            for check in Check
            if check is not Check.PUBLIC
        )
        calls = len(BUCKETS) * len(CALLS)
        if turn:
            walls.append(took[0])
        say(
            f"  {'recorded' if turn == 0 else 'measured'}: {calls} calls, {took[0]:.2f} s, {calls / took[0]:.0f}/s, "
            f"{1000 * took[1] / calls:.2f} ms CPU each, {took[2]:+.1f} MB, facts that differ so far: {differ}"
        )
    say(f"  median wall {statistics.median(walls):.2f} s")
    return differ


async def _measure(backend: Backend, place: Place, count: int) -> bool:
    say(f"{backend.name}: {count} accounts through assumed roles")
    wrong, grown = await _accounts(backend, place, count)
    say(f"{backend.name}: facts of {len(BUCKETS)} buckets in {len(REGIONS)} regions")
    differ = await _buckets(backend, place)
    return not wrong and grown < MOST_MB and not differ


def main() -> int:
    """Measure, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", action="store_true")
    chosen = parser.parse_args()
    backend: Backend = ThreadBackend() if chosen.threads else AioBackend()
    with aws_at() as place:
        good = asyncio.run(_measure(backend, place, QUICK_ACCOUNTS if chosen.quick else ACCOUNTS))
    backend.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
