"""The way out: by command, by signal, by a second signal, and by force."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import Any

import pytest

from app.domain.commands import Stop
from app.engine.bus import Bus
from app.engine.limits import Limits
from app.engine.shutdown import EXIT_FORCED, Shutdown

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends itself POSIX signals")


async def test_a_stop_command_ends_the_wait_and_is_told(fake_clock: Any) -> None:
    """The snapshot says why, and the first reason stays."""
    bus = Bus(fake_clock)
    with Shutdown(bus, fake_clock, Limits()) as shutdown:
        await bus.send(Stop(reason="Quit in the menu"))
        await bus.send(Stop(reason="again"))
        await asyncio.wait_for(shutdown.wait(), 5)
    shutdown.disarm()

    assert bus.snapshot.stopping == "Quit in the menu"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_the_wait(fake_clock: Any, number: signal.Signals) -> None:
    """A signal is a wish to stop, on both loops."""
    bus = Bus(fake_clock)
    with Shutdown(bus, fake_clock, Limits()) as shutdown:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(shutdown.wait(), 5)
    shutdown.disarm()

    assert bus.snapshot.stopping == f"signal {number.name}"


async def test_a_stop_that_does_not_end_is_forced(fake_clock: Any) -> None:
    """When the staged stop takes longer than it may, the process ends with the code that supervisors look for."""
    forced: list[int] = []
    ended = threading.Event()

    def force(code: int) -> None:
        forced.append(code)
        ended.set()

    with Shutdown(Bus(fake_clock), fake_clock, Limits(stop_s=0.01), force=force) as shutdown:
        shutdown.ask("test")
        assert await asyncio.to_thread(ended.wait, 10)

    assert forced == [EXIT_FORCED]


async def test_a_stop_that_has_ended_is_not_forced(fake_clock: Any) -> None:
    """Disarmed, the timer does nothing."""
    forced: list[int] = []

    with Shutdown(Bus(fake_clock), fake_clock, Limits(stop_s=30), force=forced.append) as shutdown:
        shutdown.ask("test")
        shutdown.disarm()
        timer = shutdown._timer

    assert timer is not None
    assert timer.finished.is_set()
    assert not forced


async def test_a_second_signal_shortens_the_wait(fake_clock: Any) -> None:
    """A person who insists waits two seconds at most."""
    with Shutdown(Bus(fake_clock), fake_clock, Limits(stop_s=30)) as shutdown:
        shutdown._on_signal("SIGTERM")
        first = shutdown._timer
        shutdown._on_signal("SIGTERM")
        second = shutdown._timer
    shutdown.disarm()

    assert first is not None
    assert second is not None
    assert (first.interval, second.interval) == (30, 2)
    assert first.finished.is_set()
