"""Rows 19 and 20: calls from threads at the wrong moment, and while everything closes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from app.domain.errors import BridgeClosed, BridgeFull
from app.engine.bridge import SafeAsyncBridge
from app.engine.channels import Block, Coalesce
from app.engine.tasks import end_others

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from concurrent.futures import Future

    NewLoop = Callable[[], asyncio.AbstractEventLoop]

AT_ONCE_S = 0.01
TRIES = 50
THREADS = 8
ROUNDS, ROUNDS_FULL = 40, 200
PATIENCE_S = 10.0


def refused_in_s(bridge: SafeAsyncBridge) -> float:
    """Call the bridge from a thread many times, in every way there is, and return how long one refusal takes."""
    took: list[float] = []
    ways: list[Callable[[], object]] = [
        lambda: bridge.submit(int),
        lambda: bridge.call(int, timeout=PATIENCE_S),
        lambda: bridge.submit(int, channel="patient"),
        lambda: bridge.submit(int, channel="folded"),
    ]

    def ask() -> None:
        for way in ways * TRIES:
            began = time.perf_counter()
            with pytest.raises(BridgeClosed):
                way()
            took.append(time.perf_counter() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), "a call hangs"
    assert len(took) == len(ways) * TRIES
    return statistics.median(took)


def with_channels(loop: asyncio.AbstractEventLoop) -> SafeAsyncBridge:
    bridge = SafeAsyncBridge(loop, capacity=100)
    bridge.channel("patient", Block(PATIENCE_S), capacity=1)
    bridge.channel("folded", Coalesce(key=lambda: 0))
    return bridge


async def enter(bridge: SafeAsyncBridge) -> None:
    await bridge.__aenter__()


@pytest.mark.usefixtures("sound")
async def test_row_19_calls_before_the_start_and_while_it_drains_are_refused_at_once() -> None:
    """From a thread, on channels that would wait too, with a call that goes on meanwhile and keeps its result."""
    bridge = with_channels(asyncio.get_running_loop())
    before = await asyncio.to_thread(refused_in_s, bridge)
    await enter(bridge)
    released = asyncio.Event()
    going_on = bridge.submit(released.wait)
    closing = asyncio.create_task(bridge.aclose(PATIENCE_S))
    await asyncio.sleep(0)

    draining = await asyncio.to_thread(refused_in_s, bridge)
    released.set()
    await closing
    after = await asyncio.to_thread(refused_in_s, bridge)

    assert going_on.result(0) is True
    assert max(before, draining, after) < AT_ONCE_S
    assert bridge.counters.refused == 3 * 4 * TRIES


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("way", ["closed", "blocked", "not running"])
def test_row_19_calls_after_the_loops_death_are_refused_at_once(new_loop: NewLoop, way: str) -> None:
    """A loop that was closed without a word, hangs in one call for ever, or is turned by nobody after an abort."""
    loop = new_loop()
    bridge = with_channels(loop)
    loop.run_until_complete(enter(bridge))
    accepted = bridge.submit(int)
    seen: list[float] = []

    with capture_logs():
        if way == "closed":
            end(loop)
            seen.append(refused_in_s(bridge))
        elif way == "blocked":
            loop.call_soon(lambda: (bridge.abort(), seen.append(refused_in_s(bridge))))  # the loop's thread waits here
            loop.run_until_complete(asyncio.sleep(0))
        else:
            threading.Thread(target=bridge.abort).start()
            concurrent.futures.wait([accepted], PATIENCE_S)
            seen.append(refused_in_s(bridge))

    assert accepted.done()
    assert seen[0] < AT_ONCE_S
    if not loop.is_closed():
        loop.run_until_complete(asyncio.sleep(0))
        end(loop)


def end(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop with all its tasks pending, of which asyncio and the coroutines would complain."""
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        if (coro := task.get_coro()) is not None:
            coro.close()
    loop.close()


@dataclass
class Hammering:
    """Threads that call a bridge as fast as they can until it refuses.

    Args:
        bridge: The bridge.
    """

    bridge: SafeAsyncBridge
    accepted: list[list[Future[Any]]] = field(default_factory=list)
    results: list[object] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    hung: int = 0

    def __post_init__(self) -> None:
        """Begin."""
        for number in range(THREADS):
            mine: list[Future[Any]] = []
            self.accepted.append(mine)
            self.threads.append(threading.Thread(target=self._hammer, args=(number, mine), name=f"hammer-{number}"))
        for thread in self.threads:
            thread.start()

    def _hammer(self, number: int, mine: list[Future[Any]]) -> None:
        async def later() -> int:
            await asyncio.sleep(0)
            return number

        async def never() -> None:
            await asyncio.Event().wait()

        calls: list[Callable[[], Future[Any]]] = [
            lambda: self.bridge.submit(int),
            lambda: self.bridge.submit(later),
            lambda: self.bridge.submit(never),
            lambda: self.bridge.submit(int, channel="patient"),
            lambda: self.bridge.submit(int, channel="folded"),
        ]
        for call in itertools.cycle(calls[number % len(calls) :] + calls[: number % len(calls)]):
            try:
                future = call()
            except BridgeFull:
                time.sleep(0)
                continue
            except BridgeClosed:
                return
            if number % 2:
                future.add_done_callback(lambda done: self.results.append(done.cancelled() or done.exception()))
            mine.append(future)

    def unresolved(self) -> int:
        """Wait for the threads, and return how many futures nobody has resolved, and how many threads hang."""
        for thread in self.threads:
            thread.join(PATIENCE_S)
        self.hung = sum(thread.is_alive() for thread in self.threads)
        futures = [future for mine in self.accepted for future in mine]
        return sum(not future.done() for future in futures)


ENDS = ("drain", "abort", "abort from a thread", "close the loop")


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize(
    "rounds", [ROUNDS, pytest.param(ROUNDS_FULL, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_row_20_no_future_is_left_unresolved_however_it_ends(
    new_loop: NewLoop, chance: random.Random, rounds: int
) -> None:
    """Eight threads hammer while the bridge drains, aborts, or its loop is closed under it, at moments of chance."""
    accepted = 0
    for number in range(rounds):
        way, moment_s = ENDS[number % len(ENDS)], chance.uniform(0.0, 0.02)
        loop = new_loop()
        bridge = with_channels(loop)
        loop.run_until_complete(enter(bridge))
        with capture_logs():
            hammering = Hammering(bridge)
            loop.run_until_complete(end_bridge(bridge, way, moment_s))
            end(loop)
            unresolved = hammering.unresolved()
        accepted += sum(map(len, hammering.accepted))

        assert (unresolved, hammering.hung) == (0, 0), f"round {number}: {way} after {moment_s:.4f} s"
        assert bridge.counters.pending == 0
    assert accepted > rounds


async def end_bridge(bridge: SafeAsyncBridge, way: str, moment_s: float) -> None:
    """Let it be hammered for a while, then end it in one of the ways; closing the loop is the caller's."""
    await asyncio.sleep(moment_s)
    if way == "drain":
        await bridge.aclose(0.005)
    elif way == "abort":
        bridge.abort()
        await asyncio.sleep(0)
    elif way == "abort from a thread":
        await asyncio.to_thread(bridge.abort)
    if way != "close the loop":
        await end_others()
