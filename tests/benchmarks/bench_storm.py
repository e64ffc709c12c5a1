"""100,000 file events in 5 s under a watched project, through the whole test watcher on the Qt loop. Run by hand.

    python tests/benchmarks/bench_storm.py [--quick]

Prints the loop's lag without and during the storm, how many runs it caused, and the memory it took.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtWidgets import QApplication

from app.agents.settings import Settings
from app.agents.testing.agent import Remembered, TestWatcher
from app.agents.testing.projects import Projects
from app.domain.events import Event, RunFinished, RunStarted
from app.domain.verdicts import Verdict
from app.engine.bridge import SafeAsyncBridge
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner
from app.engine.supervisor import Supervisor
from app.ui.loop import run

if TYPE_CHECKING:
    from app.domain.snapshot import Snapshot

FILES = 1000
LAG_STEP_S = 0.005
MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - where the writer outruns no disk
QUIET_AFTER_S = 4.0
WRITER = """
import sys, time
root, events, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
began = time.monotonic()
for number in range(events):
    with open(f"{root}/m{number % 1000}.py", "w") as file:
        file.write(f"x = {number}")
    ahead = began + seconds * number / events - time.monotonic()
    if ahead > 0.002:
        time.sleep(ahead)
print(f"{time.monotonic() - began:.1f}")
"""


class Ear:
    """Counts runs, and wakes who waits for one to end."""

    def __init__(self) -> None:
        self.started = 0
        self.verdicts: list[Verdict] = []
        self.moved = asyncio.Event()

    def __call__(self, event: Event, _snapshot: Snapshot) -> None:
        """Hear an event."""
        if isinstance(event, RunStarted):
            self.started += 1
        elif isinstance(event, RunFinished):
            self.verdicts.append(event.verdict)
        self.moved.set()

    async def until_verdicts(self, count: int) -> None:
        """Wait until so many runs have ended with a verdict of their own."""
        while sum(verdict is not Verdict.CANCELLED for verdict in self.verdicts) < count:
            self.moved.clear()
            await self.moved.wait()


async def measure_lag(lags: list[float]) -> None:
    while True:
        due = time.perf_counter() + LAG_STEP_S
        await asyncio.sleep(LAG_STEP_S)
        lags.append(max(0.0, time.perf_counter() - due))


def told(label: str, lags: list[float]) -> float:
    ordered = sorted(lags)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
    print(f"{label:10} lag p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   worst {ordered[-1] * 1000:6.1f} ms", flush=True)
    return p99


async def nothing_known(_project: str) -> Remembered:
    return Remembered()


async def storm(root: Path, events: int, seconds: float) -> int:
    clock = SystemClock()
    bus = Bus(clock)
    ear = Ear()
    bus.subscribe(ear)
    settings = Settings.model_validate({"tests": {"python": sys.executable}})
    ids = itertools.count(1)
    async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge, Supervisor(bus, clock) as supervisor:
        watcher = TestWatcher(
            root,
            title=root.name,
            settings=lambda: (settings, ("", "")),
            remember=nothing_known,
            publish=bus.publish,
            bridge=bridge,
            clock=clock,
            runner=ProcessRunner(clock=clock),
            environ=os.environ,
            new_id=lambda: str(next(ids)),
        )
        with Projects(bus, supervisor, lambda _root, _title: watcher) as projects:
            projects.watch(root)
            await ear.until_verdicts(1)
            calm: list[float] = []
            measuring = asyncio.create_task(measure_lag(calm))
            await asyncio.sleep(2)
            measuring.cancel()
            before, lags = psutil.Process().memory_info().rss, list[float]()
            measuring = asyncio.create_task(measure_lag(lags))
            words = [sys.executable, "-c", WRITER, str(root), str(events), str(seconds)]
            writer = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
            took, _ = await writer.communicate()
            during = ear.started - 1
            await ear.until_verdicts(2)
            await asyncio.sleep(QUIET_AFTER_S)
            measuring.cancel()
            grown = (psutil.Process().memory_info().rss - before) / 2**20
            ratio = told("storm", lags) / max(told("calm", calm), 0.001)
            print(f"ratio p99 storm/calm {ratio:.1f}; memory {grown:+.1f} MiB")
            print(f"{events} events in {took.decode().strip()} s")
            ended = [verdict.value for verdict in ear.verdicts[1:]]
            print(f"runs begun during the storm {during}, in all {ear.started - 1}: {', '.join(ended)}")
    return 0


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true", help="10,000 events in 1 s")
    events, seconds = (10_000, 1.0) if words.parse_args().quick else (100_000, 5.0)
    app = QApplication.instance() or QApplication(["bench"])
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK) as folder:
        root = Path(folder).resolve() / "project"
        root.mkdir()
        for number in range(FILES):
            (root / f"m{number}.py").write_text("x = 0\n", encoding="utf-8")
        (root / "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
        return run(lambda: storm(root, events, seconds), app)  # type: ignore[arg-type] # QApplication.instance is typed wider


if __name__ == "__main__":
    sys.exit(main())
