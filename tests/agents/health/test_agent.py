"""The health agent under a real supervisor: it measures, and it tells of agents that come no further."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.agents.health.agent import HealthAgent
from app.domain.agents import AgentState
from app.domain.commands import Pause
from app.domain.events import ProgressMissed, VitalsTaken
from app.domain.health import Vitals
from app.domain.snapshot import Mood
from app.engine.bus import Bus
from app.engine.limits import Limits
from app.engine.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.domain.events import Event
    from app.engine.heartbeat import Pulse

MIB = 1024 * 1024
LIMITS = Limits()


class Stuck:
    """An agent that beats, has work, and comes no further until it is let go."""

    name = "tests:shop"

    def __init__(self) -> None:
        self.freed = asyncio.Event()
        self.begun = 0

    async def run(self, pulse: Pulse) -> None:
        self.begun += 1
        pulse.waiting = lambda: 3
        await pulse.until(self.freed)
        pulse.beat(1)
        await pulse.until()


@dataclass
class Stage:
    """A supervisor with the health agent, and what was told."""

    bus: Bus
    supervisor: Supervisor
    used_mib: float = 80.0
    told: list[Event] = field(default_factory=list)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


@asynccontextmanager
async def watched(clock: Any) -> AsyncIterator[Stage]:
    bus = Bus(clock)
    async with Supervisor(bus, clock, limits=Limits(drain_s=0.0, cancel_s=0.0)) as supervisor:
        stage = Stage(bus, supervisor)
        bus.subscribe(lambda event, _snapshot: stage.told.append(event))

        def measure() -> Vitals:
            return Vitals(clock.wall(), rss_bytes=int(stage.used_mib * MIB), lag_p99_s=0.01)

        supervisor.add(HealthAgent(measure, lambda: bus.snapshot, publish=bus.publish, clock=clock, limits=LIMITS))
        yield stage


async def test_it_measures_four_times_a_minute(fake_clock: Any) -> None:
    """What it measured last is in the snapshot, while it is paused too."""
    async with watched(fake_clock) as stage:
        await fake_clock.pass_time(30)
        await stage.bus.send(Pause())
        await fake_clock.pass_time(31)
        vitals = stage.bus.snapshot.health.vitals

    assert len(stage.of(VitalsTaken)) == 5
    assert vitals is not None
    assert (vitals.rss_bytes, vitals.lag_p99_s) == (80 * MIB, 0.01)


async def test_an_agent_that_comes_no_further_is_told_once_and_left_alone(fake_clock: Any) -> None:
    """It beats, so it is not started again; that is a person's to decide."""
    stuck = Stuck()

    async with watched(fake_clock) as stage:
        stage.supervisor.add(stuck)
        await fake_clock.pass_time(585)
        early = stage.of(ProgressMissed)
        await fake_clock.pass_time(3600)
        stalled_s = stage.bus.snapshot.agents["tests:shop"].stalled_s
        stuck.freed.set()
        await fake_clock.pass_time(30)
        mended_s = stage.bus.snapshot.agents["tests:shop"].stalled_s

    assert early == []
    assert [event.seconds > 0 for event in stage.of(ProgressMissed)] == [True, False]
    assert 600 <= stalled_s < 660
    assert mended_s == 0
    assert stuck.begun == 1


async def test_a_night_asleep_is_no_lack_of_progress(fake_clock: Any) -> None:
    """Only time during which the process ran counts."""
    async with watched(fake_clock) as stage:
        stage.supervisor.add(Stuck())
        await fake_clock.pass_time(60)
        fake_clock.advance(8 * 3600)
        await fake_clock.pass_time(60)

    assert stage.of(ProgressMissed) == []


async def test_memory_that_grows_without_end_is_a_notice_until_it_does_not(fake_clock: Any) -> None:
    """One notice, which says the same for as long as it stands."""
    async with watched(fake_clock) as stage:
        for _ in range(7 * 6):
            stage.used_mib += 5
            await fake_clock.pass_time(600)
        standing = stage.bus.snapshot.notices.get("memory")
        for _ in range(6 * 6):
            await fake_clock.pass_time(600)
        later = stage.bus.snapshot.notices.get("memory")

    assert standing is not None
    assert "30 MiB" in standing.text
    assert sum(type(event).__name__ == "NoticeRaised" for event in stage.told) == 1
    assert later is None


async def test_it_does_not_count_among_what_people_pause(fake_clock: Any) -> None:
    """With all others paused one by one, the program is paused; with it alone at work, it is not."""
    async with watched(fake_clock) as stage:
        await fake_clock.pass_time(1)
        alone = stage.bus.snapshot.mood
        stage.supervisor.add(Stuck())
        await fake_clock.pass_time(1)
        at_work = stage.bus.snapshot
        await stage.bus.send(Pause(agent="tests:shop"))
        others_paused = stage.bus.snapshot
        await stage.bus.send(Pause())
        all_paused = stage.bus.snapshot

    assert alone is not Mood.PAUSED
    assert at_work.agents["health"].state is AgentState.RUNNING
    assert [each.is_paused for each in (at_work, others_paused, all_paused)] == [False, True, True]
    assert others_paused.mood is Mood.PAUSED
