"""Sleep, as clocks tell it: each second once, whoever noticed, and nothing else taken for it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from app.engine.sleepwatch import Reading, SleepJudge, SleepWatch, elapsed_s, read_clocks

LOOK_S = 5.0
BORN = Reading(awake=100.0, slept=7.0, used=1.0)


def judge(first: Reading = BORN) -> SleepJudge:
    return SleepJudge(first, look_s=LOOK_S, stopped_s=10.0)


def after(seconds: float, *, slept: float | None = 0.0, used: float = 0.0, since: Reading = BORN) -> Reading:
    """The clocks so many awake seconds later."""
    total = None if slept is None or since.slept is None else since.slept + slept
    return Reading(since.awake + seconds, total, since.used + used)


def test_a_look_in_time_finds_nothing() -> None:
    """All ran meanwhile."""
    assert judge().look(after(LOOK_S)) == 0.0


def test_what_was_slept_is_told_to_the_second() -> None:
    """The machine slept for an hour between two looks."""
    assert judge().look(after(LOOK_S, slept=3600.0)) == pytest.approx(3600.0)


def test_what_was_told_is_not_told_again() -> None:
    """The system says so, and the next look of the clocks finds nothing more."""
    both = judge()
    woken = after(1.0, slept=3600.0)

    assert both.look(woken) == pytest.approx(3600.0)
    assert both.look(after(LOOK_S, since=woken)) == 0.0


def test_a_wake_up_without_a_sleep_is_none() -> None:
    """A suspend that failed is announced as well."""
    assert judge().look(after(0.3)) == 0.0


def test_a_process_that_was_stopped_is_told_though_the_machine_ran() -> None:
    """SIGSTOP, a frozen container, a paused virtual machine."""
    assert judge().look(after(LOOK_S + 600.0, used=0.01)) == pytest.approx(600.0)


@pytest.mark.parametrize(("late_s", "used_s"), [(9.0, 0.0), (60.0, 55.0)], ids=["briefly", "busy"])
def test_a_busy_machine_or_process_was_not_stopped(late_s: float, used_s: float) -> None:
    """A look may be late by a few seconds, and by many while the process itself computes."""
    assert judge().look(after(LOOK_S + late_s, used=used_s)) == 0.0


def test_a_system_that_tells_no_sleep_still_tells_a_stop() -> None:
    """Only the late look is left then."""
    alone = judge(Reading(100.0, None, 1.0))

    assert alone.look(Reading(100.0 + LOOK_S + 50.0, None, 1.0)) == pytest.approx(50.0)


def test_the_wall_clock_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets it by an hour has not let the machine sleep."""

    def asked() -> float:
        raise AssertionError("the wall clock decides nothing")

    monkeypatch.setattr(time, "time", asked)
    before = read_clocks()

    assert judge(before).look(read_clocks()) == 0.0
    assert elapsed_s() >= before.awake


async def test_looks_from_anywhere_tell_one_sleep_once() -> None:
    """The thread of the clocks and two sources of the system, all at once."""
    slept = 0.0
    told: list[float] = []
    heard = threading.Event()

    def tell(seconds: float, _source: str) -> None:
        told.append(seconds)
        heard.set()

    def read() -> Reading:
        return Reading(time.monotonic(), slept, time.process_time())

    async with SleepWatch(tell, read=read, look_s=0.01) as watch:
        slept = 3600.0
        await asyncio.gather(*(asyncio.to_thread(watch.look, source) for source in ("logind", "windows")))
        assert await asyncio.to_thread(heard.wait, 10)
        for _ in range(3):
            await asyncio.to_thread(watch.look, "logind")

    assert told == [pytest.approx(3600.0)]


async def test_a_look_that_is_overtaken_does_not_tell_a_sleep_twice() -> None:
    """One thread has read the clocks before the sleep and concludes after it; another looks meanwhile."""
    told: list[float] = []
    reading, go_on = threading.Event(), threading.Event()
    clocks = iter([BORN, after(1.0), after(2.0, slept=3600.0), after(3.0, slept=3600.0)])

    def read() -> Reading:
        found = next(clocks)
        if found == after(1.0):
            reading.set()
            assert go_on.wait(10)
        return found

    async with SleepWatch(lambda seconds, _source: told.append(seconds), read=read, look_s=600.0) as watch:
        slow = asyncio.create_task(asyncio.to_thread(watch.look, "windows"))
        assert await asyncio.to_thread(reading.wait, 10)
        quick = asyncio.create_task(asyncio.to_thread(watch.look, "logind"))
        await asyncio.wait({quick}, timeout=0.2)
        go_on.set()
        await asyncio.gather(slow, quick)
        watch.look("clock")

    assert told == [pytest.approx(3600.0)]


async def test_a_listener_that_raises_does_not_end_the_watch() -> None:
    """The next sleep is told all the same."""
    slept = 0.0
    again = threading.Event()
    calls = 0

    def tell(_seconds: float, _source: str) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            again.set()
        raise ValueError("no one is there")

    def read() -> Reading:
        return Reading(time.monotonic(), slept, 0.0)

    async with SleepWatch(tell, read=read, look_s=0.01):
        async with asyncio.timeout(10):
            while not again.is_set():
                slept += 60.0
                await asyncio.sleep(0.02)

    assert calls > 1


STOPPABLE = """
import asyncio, sys, time
from app.engine.sleepwatch import SleepWatch

async def main():
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    def tell(seconds, source):
        print(round(seconds, 1), source, flush=True)
        loop.call_soon_threadsafe(told.set)
    async with SleepWatch(tell, look_s=0.1, stopped_s=1.0):
        time.sleep(1.6)  # a blocked loop, which is none of its business
        print("ready", flush=True)
        await asyncio.wait_for(told.wait(), 30)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process by a POSIX signal")
def test_a_real_stop_is_told_and_a_blocked_loop_is_not() -> None:
    """The process says nothing while its loop is blocked, and tells of the stop as soon as it goes on."""
    with subprocess.Popen([sys.executable, "-c", STOPPABLE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.8)
        os.kill(process.pid, signal.SIGCONT)
        said, _ = process.communicate(timeout=20)

    assert first == "ready\n"
    assert len(re.findall(r"^[1-9]\.\d clock$", said, re.MULTILINE)) == 1, said
