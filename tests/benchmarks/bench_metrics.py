"""What a scrape costs, and how late it makes the loop: in a thread of its own, as it is served, and on the loop.

Ratios within one run, for a machine that is noisy. Run `python tests/benchmarks/bench_metrics.py [--quick]`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from app.agents.settings import MetricsSettings
from app.domain.events import KeyRotated
from app.domain.snapshot import ProjectView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, TestState
from app.engine.bridge import BridgeCounters
from app.engine.clock import SystemClock
from app.metrics import exposition
from app.metrics.server import MetricsServer, listen
from app.metrics.serving import Serving
from app.metrics.tally import Tally
from app.store.counters import HistoryCounters
from app.ui.loop import QtLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

BRIDGE = BridgeCounters(depth=0, pending=0, wait_s=0.0, worst_wait_s=0.0, accepted=0, refused=0, merged=0)
HISTORY = HistoryCounters(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
PROJECTS = 10
HZ = 10
PROBE_S = 0.005

SCRAPER = """
import http.client, sys, time
port, seconds, hz = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
took, due, end = [], time.monotonic(), time.monotonic() + seconds
while time.monotonic() < end:
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    length = len(connection.getresponse().read())
    connection.close()
    took.append(time.perf_counter() - began)
    due += 1 / hz
    time.sleep(max(0, due - time.monotonic()))
took.sort()
print(len(took), length, took[len(took) // 2], took[len(took) * 99 // 100])
"""


def _snapshot(tests: int) -> Snapshot:
    projects = {}
    for number in range(PROJECTS):
        root = f"/src/project-{number}"
        states = {
            f"tests/test_{each}.py::test": TestState(
                f"tests/test_{each}.py::test", Outcome.PASSED, 0.0, 0.0, Cause(CauseKind.SAVE), "r"
            )
            for each in range(tests // PROJECTS)
        }
        projects[root] = ProjectView(root, f"project-{number}", tests=MappingProxyType(states))
    return Snapshot(1.0, projects=MappingProxyType(projects))


def _again(snapshot: Snapshot) -> Snapshot:
    """Return the state with every test told anew, so that all are counted again."""
    projects = {r: replace(v, tests=MappingProxyType(dict(v.tests))) for r, v in snapshot.projects.items()}
    return replace(snapshot, projects=MappingProxyType(projects))


class Bench:
    """One tally, and what makes the text of it."""

    def __init__(self, tests: int) -> None:
        self.clock = SystemClock()
        self.snapshot = _snapshot(tests)
        self.tally = Tally(self.snapshot, self.clock.monotonic)

    def exposition(self, tally: Tally | None = None) -> exposition.Exposition:
        return exposition.Exposition(tally or self.tally, self.clock, bridge=lambda: BRIDGE, history=lambda: HISTORY)

    def cost(self, *, anew: bool) -> float:
        """Return the seconds that one text takes: the median of 30."""
        took, making = [], self.exposition()
        for _ in range(30):
            if anew:
                self.tally.see(KeyRotated(at=1.0), _again(self.snapshot))
            making._made_at = float("-inf")
            began = time.perf_counter()
            making.text()
            took.append(time.perf_counter() - began)
        return statistics.median(took)


async def _probed(lags: list[float]) -> None:
    while True:
        due = time.perf_counter() + PROBE_S
        await asyncio.sleep(PROBE_S)
        lags.append(max(0.0, time.perf_counter() - due))


async def _going_on(bench: Bench) -> None:
    """Tell the tally of a run that goes on: four new states a second, in each of which all tests are new."""
    states = [_again(bench.snapshot) for _ in range(4)]
    while True:
        for state in states:
            bench.tally.see(KeyRotated(at=1.0), state)
            await asyncio.sleep(0.25)


async def _scraped(bench: Bench, port: int, seconds: float) -> tuple[list[float], list[str]]:
    lags: list[float] = []
    tasks = [asyncio.create_task(_probed(lags)), asyncio.create_task(_going_on(bench))]
    if port:
        scraper = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", SCRAPER, str(port), str(seconds), str(HZ)],
            capture_output=True,
            text=True,
            check=True,
        )
        said = scraper.stdout.split()
    else:
        await asyncio.sleep(seconds)
        said = []
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return lags, said


async def _in_a_thread(bench: Bench, seconds: float) -> tuple[list[float], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        serving = Serving(
            Path(folder), monotonic=bench.clock.monotonic, make=bench.exposition, new_token=lambda: "unused"
        )
        served = await asyncio.to_thread(serving.start, MetricsSettings(enabled=True, port=19_464), bench.tally)
        try:
            return await _scraped(bench, int(served.address.split(":")[2].split("/")[0]), seconds)
        finally:
            await asyncio.to_thread(serving.stop)


async def _on_the_loop(bench: Bench, seconds: float) -> tuple[list[float], list[str]]:
    server, listener = MetricsServer(bench.exposition().text), listen(0)
    await server.start(listener)
    try:
        return await _scraped(bench, listener.getsockname()[1], seconds)
    finally:
        await server.aclose()


def main() -> int:
    """Print the figures; 1 when the loop is late by 50 ms or more for one in a hundred while it is scraped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three seconds each instead of eight")
    parser.add_argument("--tests", type=int, default=10_000, help="tests in the state")
    words = parser.parse_args()
    seconds = 3.0 if words.quick else 8.0
    bench = Bench(words.tests)

    same, anew = bench.cost(anew=False), bench.cost(anew=True)
    print(f"{words.tests:,} tests in {PROJECTS} projects; one text of {len(bench.exposition().text()):,} bytes")
    print(f"  made when no test has changed   {same * 1000:7.1f} ms")
    print(f"  made when all have              {anew * 1000:7.1f} ms   {anew / same:5.1f} x")

    application = QApplication.instance() or QApplication(["bench"])
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop,
        "Qt": lambda: QtLoop(application),
    }
    print(f"\nlag of the loop while it is scraped at {HZ} Hz by another process, and tests go on")
    print(f"{'':34}{'p50 ms':>8}{'p99 ms':>8}{'worst':>8}{'scrape p50':>12}{'p99 ms':>8}")
    is_late = False
    for name, factory in loops.items():
        for label, work in (
            ("not scraped", lambda: _scraped(bench, 0, seconds)),
            ("in a thread", lambda: _in_a_thread(bench, seconds)),
            ("on the loop", lambda: _on_the_loop(bench, seconds)),
            ("in a thread, each text anew", lambda: _each_anew(_in_a_thread(bench, seconds))),
            ("on the loop, each text anew", lambda: _each_anew(_on_the_loop(bench, seconds))),
        ):
            with asyncio.Runner(loop_factory=factory) as runner:
                lags, said = runner.run(work())
            cuts = statistics.quantiles(lags, n=100)
            scrape = f"{float(said[2]) * 1000:12.1f}{float(said[3]) * 1000:8.1f}" if said else ""
            print(
                f"{name + ': ' + label:34}{cuts[49] * 1000:8.2f}{cuts[98] * 1000:8.2f}{max(lags) * 1000:8.1f}{scrape}"
            )
            is_late |= label == "in a thread" and cuts[98] >= 0.05
    return int(is_late)


async def _each_anew(work: Coroutine[Any, Any, tuple[list[float], list[str]]]) -> tuple[list[float], list[str]]:
    fresh_s, exposition.FRESH_S = exposition.FRESH_S, 0.0
    try:
        return await work
    finally:
        exposition.FRESH_S = fresh_s


if __name__ == "__main__":
    sys.exit(main())
