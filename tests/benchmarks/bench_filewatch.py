"""How fast a save becomes a batch, and what a storm of 100,000 events costs the loop. Run by hand.

    python tests/benchmarks/bench_filewatch.py [--quick] [--qt]

Compare ratios, not single figures: the machine has a say.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

from app.engine.bridge import SafeAsyncBridge
from app.engine.clock import SystemClock
from app.engine.filewatch import FileWatch
from app.engine.filewatch.fold import QUIET_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.engine.filewatch import Batch

LAG_STEP_S = 0.005
MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - where the writer outruns no disk

STORM = """
import os, sys, time
root, kind, events, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
began = time.monotonic()
for number in range(events):
    if kind == "rewrites":
        with open(f"{root}/m{number % 1000}.py", "w") as file:
            file.write(str(number))
    else:
        path = f"{root}/f{number // 2}.py"
        if number % 2:
            os.unlink(path)
        else:
            open(path, "w").close()
    ahead = began + seconds * number / events - time.monotonic()
    if ahead > 0.002:
        time.sleep(ahead)
print(time.monotonic() - began)
"""


def say(text: str) -> None:
    print(text, flush=True)


@dataclass
class Lag:
    """Lags of the loop in seconds."""

    seen: list[float]

    def at(self, share: float) -> float:
        """Return the lag that this share of measurements stays below, in milliseconds."""
        return sorted(self.seen)[min(int(len(self.seen) * share), len(self.seen) - 1)] * 1000


async def measure_lag(lag: Lag) -> None:
    while True:
        due = time.perf_counter() + LAG_STEP_S
        await asyncio.sleep(LAG_STEP_S)
        lag.seen.append(max(0.0, time.perf_counter() - due))


def resident_mib() -> float:
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.asynccontextmanager
async def watching(root: Path) -> AsyncIterator[FileWatch]:
    def trouble(text: str, hint: str) -> None:
        say(f"trouble: {text} {hint}")

    async with (
        SafeAsyncBridge(asyncio.get_running_loop()) as bridge,
        FileWatch(root, bridge=bridge, clock=SystemClock(), on_trouble=trouble) as watch,
    ):
        await watch.indexed()
        yield watch


async def bench_start(files: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(files):
            path = root / f"pkg{number // 50}" / f"m{number}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text("x = 1\n" * 200, encoding="utf-8")
        lag = Lag([])
        task = asyncio.create_task(measure_lag(lag))
        before = time.perf_counter()
        async with watching(root) as watch:
            ready = time.perf_counter() - before
            cpu = time.process_time()
            before = time.perf_counter()
            await watch.rescan()
            compared = time.perf_counter() - before
            used = time.process_time() - cpu
        task.cancel()
        say(
            f"start       {files} files watched and learnt in {ready * 1000:.0f} ms; compared in"
            f" {compared * 1000:.0f} ms ({used * 1000:.0f} ms CPU); lag p99 {lag.at(0.99):.1f} ms"
        )


async def bench_latency(saves: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        taken = []
        async with watching(root) as watch:
            batches = watch.batches()
            for number in range(saves):
                before = time.perf_counter()
                (root / f"m{number % 10}.py").write_text(str(number), encoding="utf-8")
                await anext(batches)
                taken.append(time.perf_counter() - before)
        middle = statistics.median(taken)
        say(
            f"latency     write to batch, median {middle * 1000:.1f} ms, worst {max(taken) * 1000:.1f} ms,"
            f" {middle / QUIET_S:.2f} of the quiet time"
        )


async def bench_storm(kind: str, events: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK) as folder:
        root = Path(folder)
        for number in range(1000):
            (root / f"m{number}.py").write_text("", encoding="utf-8")
        async with watching(root) as watch:
            lag = Lag([])
            told: list[Batch] = []

            async def collect() -> None:
                async for batch in watch.batches():
                    told.append(batch)  # noqa: PERF401 - cancelled in the middle, and wanted up to there

            tasks = [asyncio.create_task(measure_lag(lag)), asyncio.create_task(collect())]
            memory, cpu = resident_mib(), time.process_time()
            writer = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", STORM, str(root), kind, str(events), str(seconds)],
                check=True,
                capture_output=True,
                text=True,
            )
            await asyncio.sleep(1.5)
            used = time.process_time() - cpu
            last = len(told)
            for task in tasks:
                task.cancel()
            say(
                f"{kind:11} {events} events in {float(writer.stdout):.1f} s: lag p50 {lag.at(0.5):.1f}"
                f" p99 {lag.at(0.99):.1f} worst {max(lag.seen) * 1000:.1f} ms; {last} batches; {used:.2f} s CPU;"
                f" {resident_mib() - memory:+.1f} MiB; {watch.counters}"
            )


async def bench_idle(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(5000):
            path = root / f"pkg{number // 50}" / f"m{number}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text("", encoding="utf-8")
        async with watching(root):
            cpu = time.process_time()
            await asyncio.sleep(seconds)
            say(f"idle        {(time.process_time() - cpu) / seconds:.4%} of a core on 5000 files, {seconds:.0f} s")


async def bench(*, quick: bool) -> None:
    events, seconds = (10_000, 0.5) if quick else (100_000, 5.0)
    await bench_start(1000 if quick else 5000)
    await bench_latency(20 if quick else 200)
    await bench_storm("rewrites", events, seconds)
    await bench_storm("files", events, seconds)
    await bench_idle(3.0 if quick else 60.0)


def loop_factory(*, qt: bool) -> Callable[[], asyncio.AbstractEventLoop]:
    if not qt:
        return asyncio.new_event_loop
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication  # noqa: PLC0415 - only where asked for

    from app.ui.loop import QtLoop  # noqa: PLC0415 - likewise

    app = QApplication([])
    return lambda: QtLoop(app)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--qt", action="store_true", help="on Qt's loop instead of asyncio's")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory(qt=options.qt)) as runner:
        runner.run(bench(quick=options.quick))


if __name__ == "__main__":
    main()
