"""That nothing is left of calls that were given up, and that a program can end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import app
from app.agents.auditing.aws.clients.aio import AioBackend
from app.agents.auditing.aws.clients.backend import Patience, backend
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.manager import AsyncClientManager

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S = 2.0
ALL_GONE_S = 2.5
UNITS = 200


@pytest.fixture
def aio() -> Iterator[AioBackend]:
    """Give aiobotocore."""
    made = AioBackend()
    yield made
    made.close()


async def test_nothing_is_alive_after_a_deadline(aio: AioBackend, aws: Any, tools: Any) -> None:
    """Two hundred calls that nobody answers are cancelled after two seconds: no task, no call and no connection stays.

    Half a second later at the latest; the clock runs from the batch's beginning.
    """
    aws.answer = lambda _: None
    before = asyncio.all_tasks()
    clients = AsyncClientManager(aio, endpoint_url=aws.url, patience=Patience(read_s=60.0))
    context = AuditContext(tools.account(1), tools.region, clients)
    await clients.warm_up(["s3"], tools.region)
    ask = partial(context.execute_async, "s3", "GetBucketPolicy", Bucket="shop")
    loop = asyncio.get_running_loop()

    began = loop.time()
    with pytest.raises(TimeoutError):
        async with clients, asyncio.timeout(DEADLINE_S):
            await clients.batch([ask] * UNITS, at_once=50)
    alive, under_way = asyncio.all_tasks() - before, clients.under_way
    hung_up = await asyncio.to_thread(aws.wait_for, lambda: aws.open == 0, began + ALL_GONE_S - loop.time())
    took_s = loop.time() - began

    assert len(aws.seen) == 50
    assert (alive, under_way) == (set(), 0)
    assert hung_up
    assert took_s < ALL_GONE_S


async def test_aiobotocore_is_preferred() -> None:
    """Where both are installed, the one is taken whose calls can be cancelled."""
    made = backend()

    assert made.name == "aiobotocore"
    made.close()


async def test_making_a_client_lets_the_loop_go_on(aio: AioBackend, aws: Any, tools: Any) -> None:
    """While the first client is made, in a thread, the loop keeps turning."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with AsyncClientManager(aio, endpoint_url=aws.url) as clients:
        turning = asyncio.create_task(turn())
        await clients.client("s3", tools.region)
        turning.cancel()

    assert turns > 20


SCRIPT = """
import asyncio, sys
from app.agents.auditing.aws.clients.account import Account
from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.agents.auditing.aws.clients.threads import ThreadBackend

async def main():
    backend = ThreadBackend()
    async with AsyncClientManager(backend, endpoint_url=sys.argv[1], patience=Patience(read_s=300.0)) as clients:
        context = AuditContext(Account("1", GivenKeys(Keys("AKIA", "s"))), "eu-central-1", clients)
        await clients.warm_up(["s3"], "eu-central-1")
        try:
            async with asyncio.timeout(0.5):
                await context.execute_async("s3", "GetBucketPolicy", Bucket="shop")
        except TimeoutError:
            print("given up", flush=True)
    backend.close()

asyncio.run(main())
"""


def test_threads_that_hang_keep_no_program_alive(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose thread waits for five minutes ends when it has given the call up."""
    aws.answer = lambda _: None
    monkeypatch.setenv("PYTHONPATH", str(Path(app.__file__).parents[1]))

    began = time.monotonic()
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT, aws.url], capture_output=True, text=True, check=True, timeout=50
    )

    assert told.stdout.split() == ["given", "up"]
    assert len(aws.seen) == 1
    assert time.monotonic() - began < 40
