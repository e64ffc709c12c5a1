"""What the bridge and the Qt loop cost: ratios within one run, for a machine that is noisy.

Run `python tests/benchmarks/bench_bridge.py [--quick]`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

import qasync

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from app.engine.bridge import SafeAsyncBridge
from app.engine.channels import Block, Coalesce
from app.ui.loop import QtLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    LoopFactory = Callable[[], asyncio.AbstractEventLoop]

PATHS = 1000


async def _lag_of(work: Coroutine[Any, Any, None]) -> tuple[float, float]:
    """Run `work`, and return how long it took and the p99 of the loop's lag meanwhile, in seconds."""
    lags: list[float] = []

    async def probe() -> None:
        while True:
            due = time.perf_counter() + 0.005
            await asyncio.sleep(0.005)
            lags.append(max(0.0, time.perf_counter() - due))

    probing = asyncio.create_task(probe())
    await asyncio.sleep(0.02)
    began = time.perf_counter()
    await work
    took = time.perf_counter() - began
    await asyncio.sleep(0.02)
    probing.cancel()
    return took, statistics.quantiles(lags, n=100)[98]


async def _storm_of_tasks(events: int) -> None:
    """Each event one run_coroutine_threadsafe, as a watcher without a bridge would do it."""
    loop, state = asyncio.get_running_loop(), {}

    async def note(path: int, number: int) -> None:
        state[path] = number

    def storm() -> None:
        for number in range(events):
            last = asyncio.run_coroutine_threadsafe(note(number % PATHS, number), loop)
        last.result()

    await asyncio.to_thread(storm)


async def _storm_through_bridge(events: int, *, coalesced: bool) -> None:
    state: dict[int, int] = {}
    async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge:
        policy = Coalesce(key=lambda path, _: path) if coalesced else Block(60)
        channel = bridge.channel("storm", policy)

        def storm() -> None:
            for number in range(events):
                last = bridge.submit(state.__setitem__, number % PATHS, number, channel=channel)
            last.result()

        await asyncio.to_thread(storm)


async def _steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _round_trips(count: int) -> None:
    ended = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(100):
            writer.write(block)
        writer.close()
        ended.set()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(count):
            writer.write(b"x")
            await reader.readexactly(1)
        writer.close()
        await writer.wait_closed()
        await ended.wait()
        await asyncio.sleep(0)


async def _timeouts(count: int) -> None:
    for _ in range(count):
        async with asyncio.timeout(60):
            await asyncio.sleep(0)


async def _thread_calls(count: int) -> None:
    for _ in range(count):
        await asyncio.to_thread(int)


def _timed(loop: LoopFactory, work: Callable[[int], Coroutine[Any, Any, None]], count: int) -> float:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work(max(1, count // 20)))
        began = time.perf_counter()
        runner.run(work(count))
        return (time.perf_counter() - began) / count


def _report_storms(loops: dict[str, LoopFactory], events: int) -> None:
    print(f"{events:,} events of one thread on {PATHS:,} paths; lag is the loop's p99 meanwhile")
    print(f"{'':34}{'seconds':>10}{'ratio':>8}{'lag ms':>10}")
    for name, factory in loops.items():
        first = 0.0
        for label, work in (
            ("one task each, no bridge", _storm_of_tasks(events)),
            ("bridge, bounded, one by one", _storm_through_bridge(events, coalesced=False)),
            ("bridge, coalesced by path", _storm_through_bridge(events, coalesced=True)),
        ):
            with asyncio.Runner(loop_factory=factory) as runner:
                took, lag = runner.run(_lag_of(work))
            first = first or took
            print(f"{name + ': ' + label:34}{took:10.2f}{took / first:8.2f}{lag * 1000:10.1f}")


def _report_costs(loops: dict[str, LoopFactory], scale: int) -> None:
    print(f"\n{'cost against plain asyncio':34}{'asyncio us':>12}{'QtLoop':>10}{'stock qasync':>14}")
    for label, work, count in (
        ("scheduling step, sleep(0)", _steps, 50_000),
        ("asyncio.timeout around a step", _timeouts, 10_000),
        ("to_thread and back", _thread_calls, 3_000),
        ("TCP round trip of one byte", _round_trips, 5_000),
    ):
        plain, own, stock = (_timed(factory, work, count // scale) for factory in loops.values())
        print(f"{label:34}{plain * 1e6:12.1f}{own / plain:9.1f}x{stock / plain:13.1f}x")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    scale = 10 if parser.parse_args().quick else 1
    application = QApplication.instance() or QApplication([])
    asyncio_loop, qt_loop = asyncio.new_event_loop, lambda: QtLoop(application)
    _report_storms({"asyncio": asyncio_loop, "QtLoop": qt_loop}, 100_000 // scale)
    _report_costs({"asyncio": asyncio_loop, "QtLoop": qt_loop, "stock": lambda: qasync.QEventLoop(application)}, scale)


if __name__ == "__main__":
    main()
