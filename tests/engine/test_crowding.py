"""Threads that compute: found once ticks come late again and again, and named with their code."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from app.domain.health import Lateness
from app.engine.clock import SystemClock
from app.engine.crowding import AGAIN_AFTER_S, LATE_TICKS, SIGHTINGS, WINDOW, Crowding, Seen, threads_seen
from app.engine.looplag import LoopLag

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOP = 1
BUSY, LAZY = ("/src/parse.py", "parse"), ("/lib/queue.py", "get")
CRUNCHERS = re.compile(r"test_crowding\.py:\d+ in crunchers\.<locals>\.crunch \(threads cruncher-0, cruncher-1\)")
LONG_S = 20.0


def late(crowding: Crowding, late_s: float = 0.08) -> None:
    for _ in range(LATE_TICKS):
        crowding.tick(late_s, stall_s=2.0)


def at(second: int, *shares: float | None) -> list[Seen]:
    """The loop's thread and one for each share of a core that it has used so far, the first of them in `parse`."""
    return [
        Seen(number, f"t{number}", BUSY if number == LOOP + 1 else LAZY, 10, None if share is None else share * second)
        for number, share in enumerate(shares, LOOP)
    ]


def told(crowding: Crowding, *shares: float | None, start: int = 0) -> list[tuple[float, str]]:
    seconds = range(start, start + SIGHTINGS + 1)
    found = [crowding.sample(float(second), at(second, *shares), loop=LOOP) for second in seconds]
    return [each for each in found if each is not None]


def test_ticks_in_time_are_no_crowd() -> None:
    """A few late ticks in a minute are nothing, and one that is over is forgotten."""
    crowding = Crowding()
    for _ in range(LATE_TICKS - 1):
        crowding.tick(0.08, stall_s=2.0)
    before = crowding.is_late

    for _ in range(WINDOW):
        crowding.tick(0.01, stall_s=2.0)
    crowding.tick(0.08, stall_s=2.0)

    assert (before, crowding.is_late) == (False, False)


def test_a_stall_is_no_crowd() -> None:
    """What has been told with its own place is not told again as a crowd."""
    crowding = Crowding()

    late(crowding, 3.0)

    assert not crowding.is_late


def test_the_code_that_works_is_named_once() -> None:
    """The place that was seen at work most is told with its thread and the worst lag; a waiting one is not."""
    crowding = Crowding()
    late(crowding)

    found = told(crowding, 0.3, 0.6, 0.0)

    assert found == [(0.08, "/src/parse.py:10 in parse (thread t2)")]


def test_one_place_is_told_once_in_a_quarter_of_an_hour() -> None:
    """As long as it goes on."""
    crowding = Crowding()
    late(crowding)
    first = told(crowding, 0.3, 0.6)

    soon = told(crowding, 0.3, 0.6, start=100)
    later = told(crowding, 0.3, 0.6, start=int(AGAIN_AFTER_S) + 20)

    assert (len(first), len(soon), len(later)) == (1, 0, 1)


def test_the_loop_is_named_only_when_no_other_works() -> None:
    """Many short calls on the loop itself make it late, too."""
    crowding = Crowding()
    late(crowding)

    found = told(crowding, 0.9, 0.0)

    assert found == [(0.08, "/lib/queue.py:10 in get (thread t1)")]


def test_a_loop_that_is_in_qt_or_waits_is_not_named() -> None:
    """It uses the processor, as on a busy machine, but what for no line of Python says."""
    crowding = Crowding()
    late(crowding)

    found = [
        crowding.sample(float(second), [Seen(LOOP, "MainThread", LAZY, 20, 0.9 * second, waits=True)], loop=LOOP)
        for second in range(2 * SIGHTINGS)
    ]

    assert not any(found)


def test_nobody_is_named_when_the_machine_is_busy() -> None:
    """Threads of ours that use nothing are not what makes the loop late."""
    crowding = Crowding()
    late(crowding)

    assert told(crowding, 0.01, 0.02, 0.0) == []


def test_where_the_system_does_not_tell_waiting_code_is_left_out() -> None:
    """Then what a thread is in decides."""
    crowding = Crowding()
    late(crowding)
    seen = [Seen(2, "a", BUSY, 10, None), Seen(3, "b", LAZY, 20, None, waits=True)]

    found = [crowding.sample(float(second), seen, loop=LOOP) for second in range(SIGHTINGS)]

    assert found[-1] == (0.08, "/src/parse.py:10 in parse (thread a)")


def test_many_threads_in_one_place_are_counted() -> None:
    """Three names, and how many more."""
    crowding = Crowding()
    late(crowding)

    seen = [Seen(number, f"w{number}", BUSY, 10, None) for number in range(2, 7)]
    found = [crowding.sample(float(second), seen, loop=LOOP) for second in range(SIGHTINGS)]

    assert [each for each in found if each] == [(0.08, "/src/parse.py:10 in parse (threads w2, w3, w4 and 2 more)")]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a thread has used")
def test_threads_are_seen_with_what_they_use() -> None:
    """The machine tells each thread's name, place and processor time; those left out are left out."""
    me = threading.get_ident()

    (own,) = [each for each in threads_seen() if each.ident == me]
    others = threads_seen(but={me})

    assert own.thread == "MainThread"
    assert own.code[1] == "threads_seen"
    assert own.cpu_s is not None
    assert own.cpu_s > 0
    assert me not in {each.ident for each in others}


@pytest.fixture
def crunchers() -> Iterator[None]:
    """Two threads that compute, and hold the interpreter's lock so long that the loop's ticks come late."""
    ended = threading.Event()

    def crunch() -> None:
        number = 1
        while not ended.is_set():
            for _ in range(1000):
                number = number * 31 % 1_000_003

    threads = [threading.Thread(target=crunch, name=f"cruncher-{number}") for number in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.015)
    for each in threads:
        each.start()
    yield
    sys.setswitchinterval(before)
    ended.set()
    for each in threads:
        each.join()


@pytest.mark.usefixtures("crunchers")
async def test_threads_that_compute_are_named_with_their_line() -> None:
    """The loop is late again and again, though nothing blocks it: the log names the threads and file:line."""
    lags: list[tuple[float, str, Lateness]] = []
    with capture_logs() as logs:
        crowding = Crowding(late_s=0.01, sightings=3)
        settings = {"tick_s": 0.005, "look_s": 0.02, "stall_s": 10.0}
        async with (
            LoopLag(SystemClock(), lambda *lag: lags.append(lag), crowding=crowding, **settings),
            asyncio.timeout(LONG_S),
        ):
            while not (named := [lag for lag in lags if CRUNCHERS.search(lag[1])]):  # noqa: ASYNC110 - a thread tells
                await asyncio.sleep(0.01)

    assert named[0][0] > 0.01
    assert named[0][2] is Lateness.CROWDED
    assert any(line["event"] == "the loop is late again and again" for line in logs)
