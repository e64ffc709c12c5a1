"""The supervisor: agents live, are started again when they fail, and end in stages."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.agents import AgentState
from app.domain.commands import Pause, Resume
from app.domain.errors import UsageError
from app.domain.events import AgentChanged, NoticeRaised
from app.engine.bus import Bus
from app.engine.heartbeat import AwakeClock, HeartbeatFile
from app.engine.limits import Limits
from app.engine.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.heartbeat import Pulse

LIMITS = Limits()


class Worker:
    """An agent whose lives are given as functions, the last of them for all that follow."""

    def __init__(self, *lives: Callable[[Pulse], Awaitable[None]], name: str = "worker") -> None:
        self.name = name
        self.begun = 0
        self.alive = 0
        self._lives = lives

    async def run(self, pulse: Pulse) -> None:
        life = self._lives[min(self.begun, len(self._lives) - 1)]
        self.begun += 1
        self.alive += 1
        try:
            await life(pulse)
        finally:
            self.alive -= 1


async def well(pulse: Pulse) -> None:
    await pulse.until()


async def deaf(pulse: Pulse) -> None:
    pulse.beat()
    await asyncio.Event().wait()


async def fails(pulse: Pulse) -> None:
    pulse.beat()
    raise ValueError("no disk")


async def exits(_pulse: Pulse) -> None:
    raise SystemExit(3)


async def returns(pulse: Pulse) -> None:
    pulse.beat()


class Stubborn:
    """An agent that swallows its cancellation until it is let go."""

    name = "stubborn"

    def __init__(self) -> None:
        self.begun = 0
        self.let_go = asyncio.Event()

    async def run(self, pulse: Pulse) -> None:
        self.begun += 1
        life = self.begun
        pulse.beat()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        pulse.publish(NoticeRaised(at=0, key=f"life {life}", text="a late write"))


class Stage:
    """A supervisor under test, with all that its agents went through."""

    def __init__(self, bus: Bus, supervisor: Supervisor) -> None:
        self.bus = bus
        self.supervisor = supervisor
        self.told: list[tuple[str, AgentState, str]] = []
        bus.subscribe(self._hear)

    def _hear(self, event: Event, _snapshot: Snapshot) -> None:
        if isinstance(event, AgentChanged):
            self.told.append((event.agent, event.state, event.reason))

    def states(self, agent: str = "worker") -> list[AgentState]:
        return [state for name, state, _ in self.told if name == agent]


@asynccontextmanager
async def supervising(clock: Any, **more: Any) -> AsyncIterator[Stage]:
    bus = Bus(clock)
    supervisor = Supervisor(bus, clock, limits=LIMITS, chance=lambda _low, high: high, **more)
    async with supervisor:
        stage = Stage(bus, supervisor)
        yield stage
        closing = asyncio.ensure_future(supervisor.__aexit__(None, None, None))
        await clock.pass_time(LIMITS.drain_s + LIMITS.cancel_s)
        await closing


async def test_an_agent_starts_runs_and_stops_with_the_program(fake_clock: Any) -> None:
    """A life is told from its start to its end."""
    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker(well))
        await fake_clock.pass_time(60)

    assert stage.states() == [AgentState.STARTING, AgentState.RUNNING, AgentState.STOPPING, AgentState.STOPPED]


@pytest.mark.parametrize(
    ("life", "reason"),
    [
        (fails, "ValueError: no disk"),
        (exits, "SystemExit: 3"),
        (returns, "returned though nobody asked it to"),
    ],
)
async def test_an_agent_that_fails_once_is_back_after_a_second(
    fake_clock: Any, life: Callable[[Pulse], Awaitable[None]], reason: str
) -> None:
    """Whatever ends a life (SystemExit too) is that agent's failure, and the next life begins after the back-off."""
    worker = Worker(life, well)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(1)

        assert stage.states()[-3:] == [AgentState.BACKOFF, AgentState.STARTING, AgentState.RUNNING]
        assert ("worker", AgentState.BACKOFF, reason) in stage.told
        assert stage.bus.snapshot.agents["worker"].restarts == 1
        assert worker.begun == 2


async def test_an_agent_that_always_fails_is_failed_once_and_tried_again_slowly(fake_clock: Any) -> None:
    """More than five failures in ten minutes make it FAILED; it is tried each quarter of an hour, for ever."""
    worker = Worker(fails)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(120)
        begun = worker.begun
        failed = stage.states().count(AgentState.FAILED)
        await fake_clock.pass_time(LIMITS.slow_retry_s)

        assert (begun, failed) == (LIMITS.restarts_allowed + 1, 1)
        assert worker.begun > begun


async def test_a_failed_agent_is_tried_at_once_when_kicked(fake_clock: Any) -> None:
    """After a wake-up nobody waits a quarter of an hour."""
    worker = Worker(*[fails] * (LIMITS.restarts_allowed + 1), well)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(120)
        stage.supervisor.kick()
        await fake_clock.pass_time(0)

        assert stage.states()[-2:] == [AgentState.FAILED, AgentState.STARTING]
        await fake_clock.pass_time(LIMITS.probation_s + LIMITS.check_every_s + LIMITS.beat_every_s)
        assert stage.states()[-2:] == [AgentState.STARTING, AgentState.RUNNING]


async def test_a_failed_agent_is_on_probation(fake_clock: Any) -> None:
    """One heartbeat is no recovery: the try counts as RUNNING after a while only, and one more failure is FAILED."""

    async def beats_and_fails(pulse: Pulse) -> None:
        pulse.beat()
        raise ValueError("always")

    worker = Worker(beats_and_fails)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(120)
        begun = worker.begun
        del stage.told[:]
        await fake_clock.pass_time(3 * LIMITS.slow_retry_s)

        assert worker.begun - begun == 3
        assert stage.states() == [AgentState.STARTING, AgentState.FAILED] * 3


async def test_what_is_weak_on_probation_is_told_as_such_afterwards(fake_clock: Any) -> None:
    """A reason that was given meanwhile is not lost."""

    async def weak(pulse: Pulse) -> None:
        pulse.beat()
        pulse.degraded("polling")
        await pulse.until()

    worker = Worker(*[fails] * (LIMITS.restarts_allowed + 1), weak)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(120)
        stage.supervisor.kick()
        await fake_clock.pass_time(LIMITS.probation_s + LIMITS.check_every_s + LIMITS.beat_every_s)

        assert stage.told[-1] == ("worker", AgentState.DEGRADED, "polling")


@pytest.mark.parametrize("way", ["a healthy life", "a person"])
async def test_a_probation_ends(fake_clock: Any, way: str) -> None:
    """After it an agent may fail as often as any other before it is FAILED."""

    async def lasts(pulse: Pulse) -> None:
        await pulse.rest(LIMITS.healthy_after_s + 2 * LIMITS.check_every_s)
        raise ValueError("at last")

    later = lasts if way == "a healthy life" else fails
    worker = Worker(*[fails] * (LIMITS.restarts_allowed + 1), later, well)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(120)
        if way == "a person":
            await stage.bus.send(Resume())
        await fake_clock.pass_time(LIMITS.slow_retry_s + LIMITS.healthy_after_s + 60)

        assert stage.states().count(AgentState.FAILED) == 1
        assert stage.states()[-3:] == [AgentState.BACKOFF, AgentState.STARTING, AgentState.RUNNING]


async def test_resume_ends_a_probation_that_goes_on(fake_clock: Any) -> None:
    """A person who trusts the agent sees it on watch at once."""
    worker = Worker(*[fails] * (LIMITS.restarts_allowed + 1), well)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(120)
        stage.supervisor.kick()
        await fake_clock.pass_time(0)
        await stage.bus.send(Resume())
        await fake_clock.pass_time(0)

        assert stage.states()[-2:] == [AgentState.STARTING, AgentState.RUNNING]
        assert worker.begun == LIMITS.restarts_allowed + 2


async def test_one_agents_failure_does_not_touch_another(fake_clock: Any) -> None:
    """Supervision is one for one."""
    other = Worker(well, name="other")

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(other)
        stage.supervisor.add(Worker(fails))
        await fake_clock.pass_time(300)

        assert other.begun == 1
        assert stage.states("other") == [AgentState.STARTING, AgentState.RUNNING]


async def test_an_agent_without_heartbeat_is_stale_and_started_again(fake_clock: Any) -> None:
    """After 90 s without a beat in two checks, and before 120 s, it is cancelled and begins anew."""
    worker = Worker(deaf, well)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(89)
        before = list(stage.states())
        await fake_clock.pass_time(31)
        stale = AgentState.STALE in stage.states()
        await fake_clock.pass_time(1)

        assert stale
        assert AgentState.STALE not in before
        assert stage.states()[-4:] == [
            AgentState.STALE,
            AgentState.BACKOFF,
            AgentState.STARTING,
            AgentState.RUNNING,
        ]


async def test_busy_work_that_was_declared_is_not_stale(fake_clock: Any) -> None:
    """An agent may say that it will be silent for a while."""

    async def busy(pulse: Pulse) -> None:
        pulse.beat()
        pulse.busy_for(600)
        await asyncio.Event().wait()

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker(busy))
        await fake_clock.pass_time(500)

        assert AgentState.STALE not in stage.states()


async def test_a_machine_that_slept_makes_nobody_stale(fake_clock: Any) -> None:
    """A gap between two ticks of the checker is sleep, a stopped process or a blocked loop: not the agent's fault."""
    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker(deaf))
        await fake_clock.pass_time(15)
        for _ in range(4):
            fake_clock.advance(600)
            await fake_clock.pass_time(0)

        assert AgentState.STALE not in stage.states()


async def test_an_agent_that_will_not_end_is_abandoned_and_never_doubled(fake_clock: Any) -> None:
    """It is given up after 7 s, what it still writes is refused, and no second copy starts while it lives."""
    stubborn = Stubborn()

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(stubborn)
        await fake_clock.pass_time(1)
        stage.supervisor.stop("stubborn")
        await fake_clock.pass_time(7)
        stage.supervisor.start("stubborn")
        await fake_clock.pass_time(60)
        abandoned, begun = stage.states("stubborn")[-1], stubborn.begun
        stubborn.let_go.set()
        await fake_clock.pass_time(1)

        assert (abandoned, begun) == (AgentState.ABANDONED, 1)
        assert "life 1" not in stage.bus.snapshot.notices
        assert "life 2" in stage.bus.snapshot.notices


async def test_an_agent_that_will_not_end_delays_the_programs_end_by_seven_seconds_at_most(fake_clock: Any) -> None:
    """Leaving the supervisor does not wait for what it abandoned."""
    stubborn = Stubborn()

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(stubborn)
        await fake_clock.pass_time(1)

    assert stage.states("stubborn")[-1] is AgentState.ABANDONED
    stubborn.let_go.set()
    await fake_clock.pass_time(0)


async def test_a_stale_agent_that_will_not_end_does_not_hang_the_programs_end(fake_clock: Any) -> None:
    """It is waited for before it is started again, but not when the program ends."""
    stubborn = Stubborn()

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(stubborn)
        await fake_clock.pass_time(200)
        waiting = stage.states("stubborn")[-1]

    assert waiting is AgentState.ABANDONED
    assert stubborn.begun == 1
    stubborn.let_go.set()
    await fake_clock.pass_time(0)


async def test_a_failed_agent_is_tried_at_once_when_a_person_resumes(fake_clock: Any) -> None:
    """Resume is the click that a failed agent waits for."""
    worker = Worker(*[fails] * (LIMITS.restarts_allowed + 1), well)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(120)
        await stage.bus.send(Resume())
        await fake_clock.pass_time(0)

        assert stage.states()[-3:] == [AgentState.FAILED, AgentState.STARTING, AgentState.RUNNING]


async def test_what_a_person_stopped_stays_stopped(fake_clock: Any) -> None:
    """Neither time nor a kick brings it back; a person does."""
    worker = Worker(well)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(1)
        stage.supervisor.stop("worker")
        await fake_clock.pass_time(3600)
        stage.supervisor.kick()
        await fake_clock.pass_time(60)
        stopped, begun = stage.states()[-1], worker.begun
        stage.supervisor.start("worker")
        await fake_clock.pass_time(1)

        assert (stopped, begun) == (AgentState.STOPPED, 1)
        assert stage.states()[-1] is AgentState.RUNNING


async def test_a_degraded_agent_says_why_and_recovers(fake_clock: Any) -> None:
    """Degraded is a state of a living agent."""

    async def life(pulse: Pulse) -> None:
        pulse.beat()
        pulse.degraded("no network")
        pulse.degraded("")
        await pulse.until()

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker(life))
        await fake_clock.pass_time(1)

        assert ("worker", AgentState.DEGRADED, "no network") in stage.told
        assert stage.states()[-1] is AgentState.RUNNING


async def test_a_pause_ends_by_itself(fake_clock: Any) -> None:
    """A pause for half an hour is over after half an hour, and the agent is told both times."""
    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker(well))
        await fake_clock.pass_time(1)

        paused = await stage.bus.send(Pause(seconds=1800))
        until = stage.bus.snapshot.agents["worker"].paused_until
        await fake_clock.pass_time(1799)
        still = stage.bus.snapshot.agents["worker"].paused
        await fake_clock.pass_time(2)

        assert (paused, still) == (("worker",), True)
        assert until == pytest.approx(fake_clock.wall() - 1801 + 1800)
        assert not stage.bus.snapshot.agents["worker"].paused


@pytest.mark.parametrize("jump_s", [3600.0, -86_400.0])
async def test_a_pause_ends_after_its_time_whatever_the_clocks_do(fake_clock: Any, jump_s: float) -> None:
    """A machine that slept longer than the pause wakes without it; a wall clock that is set back makes it no longer."""
    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker(well))
        await fake_clock.pass_time(1)

        await stage.bus.send(Pause(seconds=1800))
        fake_clock.set_wall(fake_clock.wall() + jump_s)
        await fake_clock.pass_time(16 if jump_s > 0 else 1799)
        paused = stage.bus.snapshot.agents["worker"].paused
        await fake_clock.pass_time(2)

        assert paused is (jump_s < 0)
        assert not stage.bus.snapshot.agents["worker"].paused


async def test_a_pause_outlives_a_restart_of_the_agent(fake_clock: Any) -> None:
    """An agent that fails while paused comes back paused."""
    seen: list[bool] = []
    crash = asyncio.Event()

    async def first(pulse: Pulse) -> None:
        await pulse.until(crash)
        raise ValueError("crash")

    async def second(pulse: Pulse) -> None:
        seen.append(pulse.paused)
        await pulse.until()

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker(first, second))
        await fake_clock.pass_time(1)
        await stage.bus.send(Pause())
        crash.set()
        await fake_clock.pass_time(2)
        resumed = await stage.bus.send(Resume())

        assert seen == [True]
        assert resumed == ("worker",)


@pytest.mark.parametrize(
    "command", [Pause(agent="nobody"), Resume(agent="nobody"), Pause(seconds=0), Pause(seconds=1e300)]
)
async def test_a_wrong_pause_is_refused_with_words(fake_clock: Any, command: Pause | Resume) -> None:
    """An unknown agent and a pause of no length are mistakes of the asker."""
    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker(well))

        with pytest.raises(UsageError):
            await stage.bus.send(command)


async def test_the_heartbeat_file_tells_monitors_and_goes_with_the_program(fake_clock: Any, tmp_path: Path) -> None:
    """One JSON file for all agents; a clean end removes it."""
    path = tmp_path / "heartbeats.json"

    async with supervising(fake_clock, heartbeats=HeartbeatFile(path)) as stage:
        stage.supervisor.add(Worker(well))
        async with asyncio.timeout(10):
            while not (path.exists() and json.loads(path.read_bytes())["agents"]):
                await fake_clock.pass_time(15)
                await asyncio.sleep(0.01)
        written = json.loads(path.read_bytes())

    assert written["v"] == 1
    assert written["agents"]["worker"]["state"] == "running"
    assert not path.exists()


def test_the_awake_clock_does_not_count_what_a_late_tick_hides(fake_clock: Any) -> None:
    """A tick that comes late counts as one tick and a half at most."""
    awake = AwakeClock(fake_clock, tick_s=10)

    fake_clock.advance(10)
    awake.tick()
    fake_clock.advance(1000)

    assert awake.tick() == pytest.approx(25)
