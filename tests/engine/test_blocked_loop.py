"""All agents late together: the loop was blocked, and nobody is at fault."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from app.domain.agents import AgentState
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.limits import Limits
from app.engine.supervisor import Supervisor

if TYPE_CHECKING:
    from app.engine.heartbeat import Pulse

QUICK = Limits(beat_every_s=0.02, check_every_s=0.05, stale_after_s=0.3, backoff_first_s=0.0, drain_s=0.5)


class Worker:
    """An agent that beats, or is deaf to everything."""

    def __init__(self, name: str, *, is_deaf: bool = False) -> None:
        self.name = name
        self.begun = 0
        self.again = asyncio.Event()
        self._is_deaf = is_deaf

    async def run(self, pulse: Pulse) -> None:
        self.begun += 1
        if self.begun > 1:
            self.again.set()
        pulse.beat()
        await (asyncio.Event().wait() if self._is_deaf and self.begun == 1 else pulse.until())


async def test_a_blocked_loop_restarts_nobody() -> None:
    """Three times as long as makes an agent stale, twice; all beat again afterwards, in their first life."""
    bus = Bus(SystemClock())
    workers = [Worker(f"worker {number}") for number in range(3)]

    async with Supervisor(bus, SystemClock(), limits=QUICK) as supervisor:
        for worker in workers:
            supervisor.add(worker)
        for _ in range(2):
            await asyncio.sleep(0.1)
            time.sleep(0.9)  # noqa: ASYNC251 - this is the fault
        await asyncio.sleep(0.3)
        states = {view.state for view in bus.snapshot.agents.values()}

    assert [worker.begun for worker in workers] == [1, 1, 1]
    assert states == {AgentState.RUNNING}


async def test_a_deaf_agent_is_still_found_beside_a_blocked_loop() -> None:
    """The mercy is for the time of the block alone: who stays silent after it is started again."""
    deaf, well = Worker("deaf", is_deaf=True), Worker("well")

    async with Supervisor(Bus(SystemClock()), SystemClock(), limits=QUICK) as supervisor:
        supervisor.add(deaf)
        supervisor.add(well)
        await asyncio.sleep(0.05)
        time.sleep(0.5)  # noqa: ASYNC251 - this is the fault
        async with asyncio.timeout(20):
            await deaf.again.wait()

    assert well.begun == 1


async def test_ten_minutes_blocked_are_one_late_tick(fake_clock: Any) -> None:
    """With the times of the table: a block of any length is no more than a tick and a half of awake time."""
    bus = Bus(fake_clock)
    worker = Worker("worker")

    async with Supervisor(bus, fake_clock, limits=Limits(drain_s=0.0, cancel_s=0.0)) as supervisor:
        supervisor.add(worker)
        await fake_clock.pass_time(60)
        for _ in range(3):
            fake_clock.advance(600)
            await fake_clock.pass_time(30)

    assert worker.begun == 1
