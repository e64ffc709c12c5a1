"""Loop lag: what is late, what only looks late, and where the loop hangs."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.domain.health import Lateness
from app.engine.clock import SystemClock
from app.engine.looplag import LAG_BOUNDS_S, Judge, LoopLag

LONG_S = 20.0


def judge() -> Judge:
    return Judge(tick_s=0.25, look_s=1.0, stall_s=2.0, now=0.0, cpu=0.0)


def test_a_tick_in_time_is_not_late() -> None:
    """The interval itself is no lag."""
    assert judge().tick(0.25, 0.0) == 0.0


def test_a_late_tick_counts_what_is_beyond_its_interval() -> None:
    """Lag is the time between when the tick was due and when it came."""
    assert judge().tick(0.35, 0.0) == pytest.approx(0.1)


def test_a_blocked_loop_is_seen_exactly_when_it_is_a_stall() -> None:
    """The first look finds it late, the second comes when the lag is two seconds."""
    watched = judge()

    first = watched.look(1.0, 0.0)
    second = watched.look(1.0 + first.again_s, 0.0)
    third = watched.look(1.0 + first.again_s + second.again_s, 0.0)

    assert (first.late_s, second.late_s, third.late_s) == (0.75, 1.75, 2.0)


def test_a_healthy_loop_is_looked_at_once_a_second() -> None:
    """Watching costs one wake-up a second."""
    watched = judge()
    for quarter in range(1, 13):
        watched.tick(quarter * 0.25, 0.0)
        if quarter % 4 == 0:
            assert watched.look(quarter * 0.25, 0.0).again_s == 1.0


@pytest.mark.parametrize("loop_first", [True, False])
def test_a_stopped_process_is_not_late(loop_first: bool) -> None:  # noqa: FBT001 - a parameter
    """After SIGSTOP or suspend nobody ran: whoever wakes first, it is no lag, and a real one is still seen later."""
    watched = judge()

    late = watched.tick(600.0, 0.01) if loop_first else 0.0
    look = watched.look(600.1, 0.01)
    late = late if loop_first else watched.tick(600.2, 0.01)
    again = watched.look(600.1 + look.again_s, 0.02)
    for _ in range(3):
        again = watched.look(watched._looked + again.again_s, 0.02)

    assert late == 0.0
    assert look.late_s == 0.0
    assert again.late_s >= 2.0


def test_a_held_interpreter_lock_is_late() -> None:
    """A watchdog that could not run while the process used the processor was kept from it: that is a lag."""
    watched = judge()

    assert watched.look(5.0, 4.8).late_s == pytest.approx(4.75)


async def test_a_loop_that_runs_has_little_lag() -> None:
    """While nothing blocks, nothing is reported."""
    reported: list[tuple[float, str]] = []
    async with LoopLag(SystemClock(), lambda *lag: reported.append(lag), tick_s=0.005) as lag:
        await asyncio.sleep(0.1)

        assert 0 <= lag.p99_s() <= lag.worst_s
    assert reported == []


async def test_before_the_first_tick_the_lag_is_zero() -> None:
    """There is always a number to show."""
    lag = LoopLag(SystemClock(), lambda *_: None)

    assert (lag.p99_s(), lag.worst_s) == (0.0, 0.0)


async def test_a_short_block_is_measured_but_not_reported(fake_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block under two seconds shows in the figures only."""
    monkeypatch.setattr("app.engine.looplag.START_TICKS", 1)
    reported: list[tuple[float, str]] = []
    async with LoopLag(fake_clock, lambda *lag: reported.append(lag), tick_s=0.25) as lag:
        await fake_clock.wait_for_sleepers()
        fake_clock.advance(0.25)
        await fake_clock.pass_time(0)
        fake_clock.advance(0.65)
        await fake_clock.pass_time(0)

        assert lag.worst_s == pytest.approx(0.4)
        assert lag.p99_s() == pytest.approx(0.4)
    assert reported == []


async def test_what_the_start_held_up_is_in_the_histogram_only(
    fake_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happened, and so it is counted; how late the loop is from then on is another matter."""
    monkeypatch.setattr("app.engine.looplag.START_TICKS", 1)
    async with LoopLag(fake_clock, lambda *_: None, tick_s=0.25) as lag:
        await fake_clock.wait_for_sleepers()
        for late_s in (0.4, 0.0):
            fake_clock.advance(0.25 + late_s)
            await fake_clock.pass_time(0)

        assert (lag.p50_s(), lag.p99_s()) == (0.0, 0.0)
        assert lag.worst_s == pytest.approx(0.4)
        assert sum(lag.counts) == 2
        assert sum(lag.counts[1:]) == 1


async def test_ticks_are_counted_by_how_late_they_were(fake_clock: Any) -> None:
    """A histogram since the start: what is in time stands in the first place."""
    async with LoopLag(fake_clock, lambda *_: None, tick_s=0.25) as lag:
        await fake_clock.wait_for_sleepers()
        for late_s in (0.0, 0.0, 0.004, 0.4):
            fake_clock.advance(0.25 + late_s)
            await fake_clock.pass_time(0)

        counts = dict(zip((*LAG_BOUNDS_S, "more"), lag.counts, strict=True))

    assert {bound: count for bound, count in counts.items() if count} == {0.001: 2, 0.005: 1, 0.5: 1}


async def test_a_long_stall_is_told_once_more_with_all_its_seconds() -> None:
    """The first report comes while it lasts, and cannot know how long it will be."""
    reported: list[tuple[float, str, Lateness]] = []
    times = {"tick_s": 0.01, "look_s": 0.02, "stall_s": 0.1, "long_s": 0.3}

    async with LoopLag(SystemClock(), lambda *lag: reported.append(lag), **times), asyncio.timeout(LONG_S):
        await asyncio.sleep(0.05)
        time.sleep(0.6)  # noqa: ASYNC251 - the fault
        while len(reported) < 2:  # noqa: ASYNC110 - a thread tells
            await asyncio.sleep(0.01)

    (first_s, where, first), (all_s, same, last) = reported
    assert (first, last) == (Lateness.BLOCKED, Lateness.WAS_BLOCKED)
    assert 0.1 <= first_s < 0.3 <= all_s
    assert same == where


async def test_a_long_stall_that_the_watchdog_slept_through_is_told_once() -> None:
    """What holds the interpreter's lock keeps the watchdog from looking: the loop's own tick tells how long it was."""
    reported: list[tuple[float, str, Lateness]] = []
    times = {"tick_s": 0.01, "look_s": 1.0, "stall_s": 0.1, "long_s": 0.3}

    async with LoopLag(SystemClock(), lambda *lag: reported.append(lag), **times), asyncio.timeout(LONG_S):
        await asyncio.sleep(0.05)
        time.sleep(0.5)  # noqa: ASYNC251 - the fault, over before the first look
        await asyncio.sleep(2.5)

    ((late_s, where, kind),) = reported
    assert late_s >= 0.45
    assert (where, kind) == ("", Lateness.WAS_BLOCKED)


async def test_a_blocked_loop_is_reported_once_with_file_and_line() -> None:
    """The watchdog names the line that blocks, dumps all stacks, and says when it is over."""
    reported = threading.Event()
    lags: list[tuple[float, str]] = []
    stuck: list[tuple[str, str]] = []

    def on_lag(late_s: float, where: str, _kind: Lateness) -> None:
        lags.append((late_s, where))

    def on_stuck(where: str, stacks: str) -> None:
        stuck.append((where, stacks))
        reported.set()

    with capture_logs() as logs:
        settings = {"tick_s": 0.01, "look_s": 0.02, "stall_s": 0.1, "stuck_s": 0.3}
        async with LoopLag(SystemClock(), on_lag, on_stuck=on_stuck, **settings) as lag:
            await asyncio.sleep(0.05)
            reported_in_time = reported.wait(LONG_S)  # this blocks the loop
            while not any(line["event"] == "the loop runs again" for line in logs):  # noqa: ASYNC110 - a thread logs it
                await asyncio.sleep(0.01)
            worst = lag.worst_s

    assert reported_in_time
    assert len(lags) == len(stuck) == 1
    assert lags[0][0] >= 0.1
    assert worst >= 0.2
    assert re.search(r"threading\.py:\d+ in ", lags[0][1])
    blocked = next(line for line in logs if line["event"] == "the loop is blocked")
    assert re.search(r'test_looplag\.py", line \d+, in test_a_blocked_loop', blocked["stacks"]["MainThread"])
    assert "loop-watchdog" in blocked["stacks"]
    assert re.search(r"threading\.py:\d+ in ", stuck[0][0])
    assert re.search(r'MainThread:\n.*test_looplag\.py", line \d+, in test_a_blocked_loop', stuck[0][1], re.DOTALL)


async def test_the_line_of_plain_blocking_code_is_named() -> None:
    """A call into C is reported by the line that makes it."""
    lags: list[str] = []
    with capture_logs():
        async with LoopLag(
            SystemClock(), lambda _, where, _kind: lags.append(where), tick_s=0.01, look_s=0.02, stall_s=0.1
        ):
            due = time.monotonic() + LONG_S
            while not lags and time.monotonic() < due:
                time.sleep(0.05)  # noqa: ASYNC251 - blocking the loop is the point

    assert re.search(r"test_looplag\.py:\d+ in test_the_line_of_plain_blocking_code_is_named", lags[0])


async def test_a_listener_that_fails_does_not_end_the_watch() -> None:
    """The watchdog survives its listener."""
    heard = threading.Semaphore(0)

    def on_lag(*_: object) -> None:
        heard.release()
        raise ValueError("listener")

    with capture_logs() as logs:
        async with LoopLag(SystemClock(), on_lag, tick_s=0.01, look_s=0.02, stall_s=0.1):
            first = heard.acquire(timeout=LONG_S)
            while not any(line["event"] == "the loop runs again" for line in logs):  # noqa: ASYNC110 - a thread logs it
                await asyncio.sleep(0.01)
            second = heard.acquire(timeout=LONG_S)

    assert first
    assert second
    assert sum(line["event"] == "on_lag failed" for line in logs) == 2


async def test_leaving_ends_the_thread_and_the_task() -> None:
    """Nothing of the measurement survives its block."""
    async with LoopLag(SystemClock(), lambda *_: None):
        assert any(thread.name == "loop-watchdog" for thread in threading.enumerate())

    assert not any(thread.name == "loop-watchdog" for thread in threading.enumerate())
    assert not any(task.get_name() == "loop-lag" for task in asyncio.all_tasks())


STOPPED_PROGRAM = """
import asyncio, sys
from app.engine.clock import SystemClock
from app.engine.looplag import LoopLag

async def main():
    settings = dict(tick_s=0.02, look_s=0.05, stall_s=0.6)
    async with LoopLag(SystemClock(), lambda *lag: print("lag", *lag, flush=True), **settings) as lag:
        await asyncio.sleep(0.2)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.sleep(0.3)
        print("worst", lag.worst_s < 0.6, flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is POSIX")
def test_a_process_that_was_stopped_reports_no_lag() -> None:
    """A process that SIGSTOP holds for a while and SIGCONT lets go has neither lag nor a stall."""
    command = [sys.executable, "-c", textwrap.dedent(STOPPED_PROGRAM)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        time.sleep(1.5)  # the length of the stop is what is tested
        os.kill(child.pid, signal.SIGCONT)
        output, _ = child.communicate("\n", timeout=LONG_S)

    assert output == "worst True\n"
