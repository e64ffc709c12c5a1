"""Row 49: the program runs on while its world misbehaves, with a fault every few seconds."""

from __future__ import annotations

import asyncio
import gc
import linecache
import os
import sys
import weakref
from typing import TYPE_CHECKING

import psutil
import pytest

from app.domain import events
from app.domain.commands import ReadRuns
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.engine.clock import SystemClock
from app.engine.garbage import SWEEP_EVERY_S
from tests.faults.headless import Headless, a_shop
from tests.faults.housed import Housed, housed, places_in
from tests.faults.soak.run import Soak
from tests.faults.soak.samples import Sample, slopes

if TYPE_CHECKING:
    from pathlib import Path

SEED = 49
WARM, MORE = 300, 600
"""Runs after which what is kept up to a bound has reached it (the history has 100, see SETTINGS), and further ones."""
SETTINGS = '[log]\nlevel = "warning"\n\n[history]\nkeep_runs = 100\n'
"""The log's ring has a bound of its own, and reaching it takes long."""
MIB = 1024 * 1024


def test_row_49_the_program_runs_on_whatever_its_world_does(tmp_path: Path) -> None:
    """Nothing that must hold is broken: reds are told, it comes back, its end is clean."""
    soak = Soak(tmp_path, os.environ | {"QT_QPA_PLATFORM": "offscreen"}, seed=SEED)

    report = soak.run(seconds=24, every_s=3)

    assert report.breaches == []
    assert report.told >= 1
    assert len(report.marks) == 8


@pytest.mark.skipif(sys.platform != "linux", reason="glibc gives each thread an arena, and is Linux's")
def test_row_49_its_threads_share_one_arena_of_memory(tmp_path: Path) -> None:
    """Its many threads do not each keep what they once needed: an arena reserves 64 MiB, and there is but the heap."""
    untuned = {name: value for name, value in os.environ.items() if name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}

    with Headless(a_shop(tmp_path / "shop"), tmp_path / "home") as program:
        program.until_verdict("green")
        process = psutil.Process(program.process.pid)
        reserved = process.memory_info().vms - 8 * MIB * process.num_threads()

    assert untuned == {}
    assert reserved < 480 * MIB


async def test_row_49_hundreds_of_runs_leave_nothing_behind(tmp_path: Path) -> None:
    """Once history and caches have what they keep at most, a run adds no object, green or red."""
    async with housed(places_in(tmp_path / "home", SETTINGS)) as home:
        await _ran(home, range(WARM))
        before, objects_before = sys.getallocatedblocks(), len(gc.get_objects())
        await _ran(home, range(WARM, WARM + MORE))
        after, objects_after = sys.getallocatedblocks(), len(gc.get_objects())

    assert (after - before) / MORE < 2
    assert (objects_after - objects_before) / MORE < 0.6


class Hurried(SystemClock):
    """The machine's clock, on which the waits between sweeps are short."""

    async def sleep(self, seconds: float) -> None:
        """Wait, a hundredth as long where it is for the next sweep."""
        await super().sleep(seconds / 100 if seconds in {1, SWEEP_EVERY_S} else seconds)


class Circle:
    """Refers to itself, as a task that was cancelled and its traceback do."""

    def __init__(self) -> None:
        self.itself = self


async def test_row_49_what_refers_to_itself_is_swept(tmp_path: Path) -> None:
    """Circles do not pile up until a quarter of all objects are such: the house sweeps them."""
    swept = asyncio.Event()
    gc.disable()
    try:
        async with housed(places_in(tmp_path / "home"), clock=Hurried()), asyncio.timeout(20):
            circle = weakref.ref(Circle(), lambda _: swept.set())
            await swept.wait()
    finally:
        gc.enable()

    assert circle() is None


async def _ran(home: Housed, numbers: range) -> None:
    """Have runs told, every third of which is red, and wait until the history has them; then forget what was heard."""
    project = "/shop"
    for number in numbers:
        named, at = f"run-{number}", float(number)
        outcome = Outcome.FAILED if number % 3 == 0 else Outcome.PASSED
        cause = Cause(CauseKind.SAVE, ("shop.py",))
        results = tuple(TestResult(f"test_shop.py::test_{each}", outcome, 0.01) for each in range(5))
        broke = tuple(each.nodeid for each in results) if outcome is Outcome.FAILED else ()
        home.bus.publish(events.RunStarted(at=at, project=project, run_id=named, cause=cause))
        home.bus.publish(events.TestsRan(at=at, project=project, run_id=named, results=results))
        verdict = Verdict.RED if broke else Verdict.GREEN
        home.bus.publish(events.RunFinished(at=at, project=project, run_id=named, verdict=verdict, duration_s=0.1))
        home.bus.publish(events.VerdictChanged(at=at, project=project, run_id=named, cause=cause, broke=broke))
        if number % 20 == 0:
            await asyncio.sleep(0)
    while not (last := await home.send(ReadRuns(project=project, limit=1))) or last[0].run_id != named:
        pass
    home.events.clear()
    linecache.clearcache()  # where it was pytest that told of an error
    gc.collect()


def test_a_leak_shows_as_a_slope() -> None:
    """A life that grows by a MiB a minute, and a second one that begins anew, are sixty MiB an hour."""
    lives = [
        Sample(
            at=offset + second,
            pid=pid,
            rss=(100 + second // 60) * 1024**2,
            descriptors=30,
            threads=9,
            children=3,
            timers=5,
        )
        for pid, offset in ((1, 0), (2, 1000))
        for second in range(600)
    ]

    found = slopes(lives, warm_s=60)

    assert found.rss_mib == pytest.approx(60, rel=0.1)
    assert (found.descriptors, found.threads, found.timers) == (0, 0, 0)
