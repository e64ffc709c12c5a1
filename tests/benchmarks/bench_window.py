"""What the window costs with 10,000 tests: how long it takes to open, and how the loop lags while a run goes on.

    python tests/benchmarks/bench_window.py [--quick] [--tests 10000]

A run of all tests is told as the bus tells it, four snapshots a second. Compare with the hidden window of the same
run: the machine has a say in single figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).parents[2]))

from PySide6.QtWidgets import QApplication

from app.domain import commands, events
from app.domain.agents import AgentState
from app.domain.history import LogLine, TestDetail
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.engine.clock import SystemClock
from app.engine.tasks import spawn
from app.ui.icons import Icons
from app.ui.loop import QtLoop

if TYPE_CHECKING:
    from app.ui.window import Window

RATE_S = 0.25
ROOT = "/project"


def _results(count: int, *, red_each: int) -> list[TestResult]:
    return [
        TestResult(
            f"tests/part_{n // 400}/test_file_{n // 40}.py::TestThing{n % 4}::test_something_{n}[value-{n}]",
            Outcome.FAILED if red_each and n % red_each == 0 else Outcome.PASSED,
            n % 50 / 1000,
        )
        for n in range(count)
    ]


def _story(count: int, steps: int, *, red_each: int, known: Snapshot | None = None) -> list[Snapshot]:
    now = time.time()
    snapshot = known or Snapshot(started_at=now)
    run_id = str(snapshot.seq)
    began: list[events.Event] = [
        events.RunStarted(at=now, project=ROOT, run_id=run_id, cause=Cause(CauseKind.SAVE, ("a.py",))),
        events.RunCollected(at=now, project=ROOT, run_id=run_id, total=count),
    ]
    if known is None:
        began.insert(0, events.ProjectWatched(at=now, project=ROOT, name="project"))
        began.insert(0, events.AgentChanged(at=now, agent="tests", state=AgentState.RUNNING))
    for event in began:
        snapshot = reduce(snapshot, event)
    results, made = _results(count, red_each=red_each), []
    size = -(-count // steps)
    for first in range(0, count, size):
        batch = tuple(results[first : first + size])
        told = events.TestsRan(at=now, project=ROOT, run_id=run_id, results=batch, running=batch[-1].nodeid)
        snapshot = reduce(snapshot, told)
        snapshot = reduce(snapshot, events.AgentBeat(at=now + first / count, agent="tests", progress=first))
        made.append(snapshot)
    verdict = Verdict.RED if red_each else Verdict.GREEN
    ended = events.RunFinished(at=now, project=ROOT, run_id=run_id, verdict=verdict, duration_s=10)
    return [*made, reduce(snapshot, ended)]


async def _answer(command: commands.Command) -> object:
    if isinstance(command, commands.ReadTest):
        return TestDetail(command.project, command.nodeid, "output\n" * 200, ())
    if isinstance(command, commands.ReadLogs):
        last = min(command.after + command.limit, 10_000)
        numbers = range(command.after + 1, last + 1)
        return tuple(LogLine(n, time.time(), "info", "app.engine", f"line {n} of the log") for n in numbers)
    return None


async def _painted(window: Window) -> None:
    """Return when layouts are done and the window has been painted."""
    for _ in range(5):
        await asyncio.sleep(0)
    window.grab()


async def _lag_while(window: Window, snapshots: list[Snapshot]) -> tuple[float, float, float]:
    """Render the snapshots at four a second; return median, p99 and worst lag of the loop in milliseconds."""
    lags: list[float] = []

    async def probe() -> None:
        while True:
            due = time.perf_counter() + 0.005
            await asyncio.sleep(0.005)
            lags.append(max(0.0, time.perf_counter() - due) * 1000)

    probing = asyncio.create_task(probe())
    for snapshot in snapshots:
        window.render(snapshot)
        await asyncio.sleep(RATE_S)
    probing.cancel()
    return statistics.median(lags), statistics.quantiles(lags, n=100)[98], max(lags)


async def _measure(count: int, steps: int) -> None:
    icons = Icons()
    first = _story(count, steps, red_each=0)
    again = _story(count, steps, red_each=50, known=first[-1])
    green = _story(count, steps, red_each=0, known=again[-1])

    began = time.perf_counter()
    from app.ui.window import Window  # noqa: PLC0415 - importing it is part of opening it

    window = Window(_answer, spawn, SystemClock(), icons)
    window.render(first[-1])
    window.open()
    await _painted(window)
    print(f"first open, imports and painting among it: {(time.perf_counter() - began) * 1000:.0f} ms")
    for page in ("tests", "log", "now"):
        began = time.perf_counter()
        window.show_page(page)
        await _painted(window)
        print(f"first look at {page}: {(time.perf_counter() - began) * 1000:.0f} ms")
    window.close()
    began = time.perf_counter()
    window.open()
    await _painted(window)
    print(f"open again: {(time.perf_counter() - began) * 1000:.0f} ms")

    print(f"\n{count:,} tests, {steps} snapshots, four a second; lag of the loop in ms")
    print(f"{'what is seen':<34}{'median':>8}{'p99':>8}{'worst':>8}{'p99 / hidden':>14}")
    window.close()
    hidden = await _lag_while(window, first[-steps:])
    base = max(hidden[1], 0.1)

    def tell(name: str, lag: tuple[float, float, float]) -> None:
        print(f"{name:<34}{lag[0]:>8.1f}{lag[1]:>8.1f}{lag[2]:>8.1f}{lag[1] / base:>14.1f}")

    tell("hidden", hidden)
    window.open()
    window.show_page("now")
    tell("Now, tests turn red", await _lag_while(window, again))
    window.show_page("tests")
    tell("Tests, files closed, turn green", await _lag_while(window, green))
    page = window.page_widget("tests")
    page.tree.expandAll()  # type: ignore[attr-defined]
    tell("Tests, all open, turn red", await _lag_while(window, again))
    window.show_test(ROOT, again[-1].projects[ROOT].red[0].nodeid)
    tell("Tests, one chosen, turn green", await _lag_while(window, green))
    page._red.setChecked(True)  # type: ignore[attr-defined]
    tell("Tests, red only, turn red", await _lag_while(window, again))
    page._all.setChecked(True)  # type: ignore[attr-defined]
    window.render(Snapshot(started_at=0))
    tell("Tests, first run of all", await _lag_while(window, first))
    window.show_page("log")
    tell("Log, 10,000 lines come", await _lag_while(window, first[:steps]))
    window.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the snapshots")
    parser.add_argument("--tests", type=int, default=10_000)
    options = parser.parse_args()
    app = QApplication.instance() or QApplication(["bench"])
    with asyncio.Runner(loop_factory=lambda: QtLoop(app)) as runner:
        runner.run(_measure(options.tests, 8 if options.quick else 40))


if __name__ == "__main__":
    main()
