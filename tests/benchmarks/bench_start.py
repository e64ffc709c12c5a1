"""From the start of the program to its icon in the tray, and what takes the time. Run by hand.

    python tests/benchmarks/bench_start.py [--quick] [--beside PROGRAM]

Goal: under 1.0 s. The icon counts as visible when the tray's host (StatusNotifier, in an X session of its own) is told
of it. Compare with Python and Qt alone: the machine has a say. PROGRAM is an installed or unpacked Watchkeeper, whose
starts are timed in turn with this checkout's.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "desktop"))

import psutil
from session import Session
from tray_host import TrayHost

ROOT = Path(__file__).parents[2]
GOAL_S = 1.0
RUNS, RUNS_QUICK = 10, 3
QT_ALONE = "from PySide6.QtWidgets import QApplication; QApplication([])"
IMPORTS_SHOWN = 12


def timed(argv: list[str], environ: dict[str, str], runs: int) -> float:
    """Return the median of seconds that a command takes."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(argv, env=environ, capture_output=True, check=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def start_once(argv: list[str], environ: dict[str, str]) -> tuple[float, float, str]:
    """Return the seconds until the icon is there, the program's memory in MiB, and what it wrote to stderr."""
    async with TrayHost(environ["DBUS_SESSION_BUS_ADDRESS"]) as host:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        await host.item()
        taken = time.perf_counter() - began
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        process.terminate()
        _, errors = await process.communicate()
        return taken, memory, errors.decode()


def imports_of(errors: str) -> list[tuple[int, str]]:
    """Return the slowest imports as cumulative microseconds and name, of what was imported at the top level."""
    found = []
    for line in errors.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        total, _, name = rest.partition("|")
        if line.startswith("import time:") and own.strip().isdigit() and not name.startswith("   "):
            found.append((int(total), name.strip()))
    return sorted(found, reverse=True)[:IMPORTS_SHOWN]


async def bench_beside(beside: str, runs: int, folder: Path) -> None:
    """Print how long another one takes to its icon, and this checkout in turn with it."""
    project = str(folder / "project")
    with Session(tray=False, notifications=False) as session:
        environ = session.environ | {"WATCHKEEPER_HOME": str(folder / "home")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        programs = {"checkout": [sys.executable, "-m", "app.main", project], "the other": [beside, project]}
        for program in programs.values():
            await start_once(program, environ)
        starts = [{name: await start_once(program, environ) for name, program in programs.items()} for _ in range(runs)]
        for name in programs:
            taken = statistics.median(each[name][0] for each in starts)
            memory = statistics.median(each[name][1] for each in starts)
            print(f"{name:<10} start to icon, median {taken * 1000:6.0f} ms   memory {memory:6.0f} MiB")
        ratio = statistics.median(each["the other"][0] / each["checkout"][0] for each in starts)
        print(f"the other over the checkout, median {ratio:.2f}")


async def bench(runs: int, folder: Path) -> None:
    project = folder / "project"
    with Session(tray=False, notifications=False) as session:
        environ = session.environ | {"WATCHKEEPER_HOME": str(folder / "home")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        program = [sys.executable, "-m", "app.main", str(project)]
        await start_once(program, environ)  # the first one makes the history
        starts = [await start_once(program, environ) for _ in range(runs)]
        middle = statistics.median(taken for taken, _, _ in starts)
        python = timed([sys.executable, "-c", "pass"], environ, runs)
        qt = timed([sys.executable, "-c", QT_ALONE], environ, runs)
        print(f"python -c pass          {python * 1000:6.0f} ms")
        print(f"Qt's application alone  {qt * 1000:6.0f} ms   {qt / middle:.2f} of the start")
        print(f"start to icon, median   {middle * 1000:6.0f} ms   {middle / qt:.2f} times Qt alone")
        print(f"worst of {runs:<2}             {max(taken for taken, _, _ in starts) * 1000:6.0f} ms")
        print(f"goal                    {GOAL_S * 1000:6.0f} ms   {'reached' if middle < GOAL_S else 'not reached'}")
        print(f"memory with the icon    {statistics.median(memory for _, memory, _ in starts):6.0f} MiB")
        _, _, errors = await start_once([sys.executable, "-X", "importtime", *program[1:]], environ)
        print("slowest imports until the end of the run (cumulative; those after the icon too):")
        for total, name in imports_of(errors):
            print(f"  {total / 1000:6.0f} ms  {name}")


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true", help=f"{RUNS_QUICK} runs instead of {RUNS}")
    words.add_argument("--beside", metavar="PROGRAM", help="an installed or unpacked Watchkeeper")
    given = words.parse_args()
    runs = RUNS_QUICK if given.quick else RUNS
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        project.mkdir()
        (project / "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
        made = Path(folder)
        asyncio.run(bench_beside(given.beside, runs, made) if given.beside else bench(runs, made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
