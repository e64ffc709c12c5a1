"""What an audit of half a million lines costs, and whether the window feels it.

Run `python tests/benchmarks/bench_audit.py [--quick]`. The source is that of the installed packages, copied and
committed; nobody in the network is asked. A timer of 60 Hz runs in the window's loop meanwhile. Exits with 1 if the
timer's lateness (99th percentile) is over 5 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psutil
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

from app.agents.auditing.archive import Archive
from app.agents.auditing.auditor import Auditor, Wanted
from app.agents.auditing.host.known import chosen, known_checks
from app.agents.auditing.host.program import CheckPrograms
from app.agents.auditing.memory import Memories
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner
from tests.benchmarks.bench_secrets import LINES, QUICK_LINES, committed, copied, say

EVERY_MS = 16
MOST_MS = 5.0


class Ticks:
    """A timer's lateness, in milliseconds."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._timer = QTimer(interval=EVERY_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._last = 0.0

    def start(self) -> None:
        """Measure from now on."""
        self.late, self._last = [], time.perf_counter()
        self._timer.start()

    def stop(self) -> str:
        """Stop, and say what was measured."""
        self._timer.stop()
        return f"timer late p50 {self.at(0.5):.2f} ms, p99 {self.at(0.99):.2f} ms, at most {self.at(1):.2f} ms"

    def at(self, share: float) -> float:
        """Return a percentile."""
        ordered = sorted(self.late) or [0.0]
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, (now - self._last) * 1000 - EVERY_MS))
        self._last = now


async def measured(folder: Path, lines: int) -> float:
    """Audit twice, and return the worst 99th percentile."""
    root = folder / "project"
    root.mkdir()
    files, count = copied(root, lines)
    committed(root)
    say(f"{files} files, {count} lines")
    clock = SystemClock()
    programs = CheckPrograms(
        ProcessRunner(clock=clock), clock, environ=os.environ, cache=folder / "cache", plugins=folder / "checks"
    )
    auditor = Auditor(programs, Memories(folder), Archive(folder), clock=clock, new_id=lambda: uuid4().hex[:16])
    known, _troubles = known_checks(folder / "checks")
    wanted = Wanted(root, chosen(known, (), ("claims", "dependencies", "review")))
    ticks, worst = Ticks(), 0.0
    ticks.start()
    await asyncio.sleep(1)
    say(f"calm: {ticks.stop()}")
    for turn in ("first", "second"):
        watching = asyncio.ensure_future(_memory())
        ticks.start()
        report = await auditor.audit(wanted)
        said = ticks.stop()
        watching.cancel()
        await asyncio.wait({watching})
        checks = ", ".join(f"{each.check} {each.took_s:.1f} s" for each in report.checks)
        say(f"{turn}: {report.duration_s:.1f} s, {len(report.findings)} findings ({checks}); {said}")
        worst = max(worst, ticks.at(0.99))
    say(f"all programs of the checks together: at most {_memory.peak / 1e6:.0f} MB")
    return worst


class _Memory:
    peak = 0

    async def __call__(self) -> None:
        while True:
            used = 0
            for child in await asyncio.to_thread(psutil.Process().children, recursive=True):
                try:
                    used += child.memory_info().rss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, used)
            await asyncio.sleep(0.2)


_memory = _Memory()


def main() -> int:
    """Run it, and return 1 when the window would feel it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the lines")
    lines = QUICK_LINES if parser.parse_args().quick else LINES
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QApplication([])
    with tempfile.TemporaryDirectory() as name, QEventLoop(application) as loop:
        worst = loop.run_until_complete(measured(Path(name), lines))
    return 1 if worst > MOST_MS else 0


if __name__ == "__main__":
    sys.exit(main())
