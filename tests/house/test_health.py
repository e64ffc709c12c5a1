"""What looks after the program, put together as in the house: who waits is woken, and what is used is measured."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.projects import Projects
from app.domain.agents import AgentState
from app.domain.events import NetworkChanged, NoticeCleared, SystemResumed
from app.engine.bridge import SafeAsyncBridge
from app.engine.bus import Bus
from app.engine.looplag import LoopLag
from app.engine.places import Places
from app.engine.supervisor import Supervisor
from app.house.ground import Ground, ground
from app.house.health import health

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.domain.events import Event
    from app.engine.heartbeat import Pulse

LONG_S = 20.0
WOKE = SystemResumed(at=1.0, slept_s=3600.0, source="logind")
ONLINE = NetworkChanged(at=1.0, is_online=True)


@dataclass
class Needy:
    """An agent that fails until it is provided for, and would then wait for minutes."""

    provided: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "needy"

    async def run(self, pulse: Pulse) -> None:
        pulse.beat()
        if not self.provided.is_set():
            raise OSError("Name or service not known")
        await pulse.until()


@asynccontextmanager
async def looked_after(folder: Path) -> AsyncIterator[tuple[Ground, Supervisor]]:
    places = Places.find({"WATCHKEEPER_HOME": str(folder)})
    places.create()
    with ground(places) as on:
        async with (
            SafeAsyncBridge(asyncio.get_running_loop()) as bridge,
            LoopLag(on.clock, lambda _late_s, _where: None) as lag,
            Supervisor(on.bus, on.clock, limits=on.limits, chance=lambda _low, _high: 600.0) as supervisor,
            health(on, bridge, lag, supervisor),
        ):
            yield on, supervisor


async def until_state(bus: Bus, agent: str, state: AgentState) -> None:
    """Wait until an agent is in a state."""
    async with asyncio.timeout(LONG_S):
        async for snapshot in bus.snapshots(0.01):
            if agent in snapshot.agents and snapshot.agents[agent].state is state:
                return


@pytest.mark.parametrize("event", [WOKE, ONLINE], ids=["awake", "online"])
async def test_who_waits_to_be_tried_again_is_tried_at_once(tmp_path: Path, event: Event) -> None:
    """Ten minutes of back-off end when the machine or the network is back."""
    needy = Needy()

    async with looked_after(tmp_path) as (on, supervisor):
        async with asyncio.timeout(LONG_S):
            async for snapshot in on.bus.snapshots(0.01):
                if snapshot.health.is_online is not None:
                    break
        supervisor.add(needy)
        await until_state(on.bus, "needy", AgentState.BACKOFF)
        needy.provided.set()
        on.bus.publish(event)
        await until_state(on.bus, "needy", AgentState.RUNNING)


async def test_a_network_that_goes_wakes_nobody(tmp_path: Path) -> None:
    """There is nothing to be had then."""
    needy = Needy()

    async with looked_after(tmp_path) as (on, supervisor):
        supervisor.add(needy)
        await until_state(on.bus, "needy", AgentState.BACKOFF)
        needy.provided.set()
        on.bus.publish(NetworkChanged(at=1.0, is_online=False))
        for _ in range(50):
            await asyncio.sleep(0)
        state = on.bus.snapshot.agents["needy"].state

    assert state is AgentState.BACKOFF


async def test_what_the_process_uses_is_measured_at_the_start(tmp_path: Path) -> None:
    """The health agent is an agent like the others, and its first figures are there at once."""
    async with looked_after(tmp_path) as (on, _supervisor):
        await until_state(on.bus, "health", AgentState.RUNNING)
        vitals = on.bus.snapshot.health.vitals

    assert vitals is not None
    assert vitals.rss_bytes
    assert vitals.descriptors
    assert vitals.threads >= 2
    assert vitals.tasks >= 2
    assert vitals.bridge_depth == 0


def test_each_project_is_looked_through_once_after_a_sleep(tmp_path: Path, fake_clock: Any) -> None:
    """For what no event told of; and not because of anything else that happens."""

    class Watcher:
        def __init__(self, root: Path, title: str) -> None:
            self.root, self.name = root, f"tests:{title}"
            self.looks = 0

        async def run(self, pulse: Pulse) -> None:
            await pulse.until()

        async def rescan(self) -> None:
            self.looks += 1

    made: list[Any] = []

    def make(root: Path, title: str) -> Any:
        made.append(Watcher(root, title))
        return made[-1]

    async def live() -> None:
        bus = Bus(fake_clock)
        async with Supervisor(bus, fake_clock) as supervisor:
            with Projects(bus, supervisor, make) as projects:
                for name in ("one", "two"):
                    (tmp_path / name).mkdir()
                    projects.watch(tmp_path / name)
                bus.publish(WOKE)
                bus.publish(ONLINE)
                bus.publish(NoticeCleared(at=1.0, key="any"))
                await fake_clock.pass_time(1)
            bus.publish(WOKE)
            await fake_clock.pass_time(1)

    asyncio.run(live())

    assert [watcher.looks for watcher in made] == [1, 1]
