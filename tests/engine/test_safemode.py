"""Agents that are held in safe mode, and agents that a person has restarted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.agents import AgentState
from app.domain.commands import LeaveSafeMode, Pause, RestartAgent
from app.domain.errors import UsageError
from app.domain.events import AgentChanged, LifeBegan
from app.domain.health import KeptBy
from app.engine.bus import Bus
from app.engine.limits import Limits
from app.engine.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.heartbeat import Pulse

LIMITS = Limits()


class Worker:
    """An agent that works, fails, or does not let itself be ended."""

    def __init__(self, name: str = "worker", *, fails: int = 0) -> None:
        self.name = name
        self.begun = 0
        self.deaf = False
        self.let_go = asyncio.Event()
        self._fails = fails

    async def run(self, pulse: Pulse) -> None:
        self.begun += 1
        pulse.beat()
        if self.begun <= self._fails:
            raise ValueError("no disk")
        while self.deaf and not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        await pulse.until()


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

    def states(self) -> list[AgentState]:
        return [state for _, state, _ in self.told]


@asynccontextmanager
async def supervising(clock: Any, *, held: str = "") -> AsyncIterator[Stage]:
    bus = Bus(clock)
    supervisor = Supervisor(bus, clock, limits=LIMITS, chance=lambda _low, high: high, held=held)
    async with supervisor:
        yield Stage(bus, supervisor)
        closing = asyncio.ensure_future(supervisor.__aexit__(None, None, None))
        await clock.pass_time(LIMITS.drain_s + LIMITS.cancel_s)
        await closing


async def test_held_agents_do_not_start_and_say_why(fake_clock: Any) -> None:
    """Each is told as switched off with the reason; nothing of it runs, and the supervisor ends at once."""
    worker = Worker()

    async with supervising(fake_clock, held="safe mode") as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(600)

    assert worker.begun == 0
    assert stage.told == [("worker", AgentState.DISABLED, "safe mode")]


async def test_what_looks_after_the_program_runs_in_safe_mode_too(fake_clock: Any) -> None:
    """An agent that runs always is not held, and leaving safe mode does not start it again."""
    always, held = Worker("health"), Worker("tests")

    async with supervising(fake_clock, held="safe mode") as stage:
        stage.supervisor.add(always, always=True)
        stage.supervisor.add(held)
        await fake_clock.pass_time(1)
        begun = (always.begun, held.begun)
        names = await stage.bus.send(LeaveSafeMode())
        await fake_clock.pass_time(1)

    assert begun == (1, 0)
    assert names == ("tests",)
    assert (always.begun, held.begun) == (1, 1)


async def test_a_person_starts_the_held_agents(fake_clock: Any) -> None:
    """LeaveSafeMode starts them, answers their names and is told; those that come later start as usual."""
    first, second, later = Worker("a"), Worker("b"), Worker("c")

    async with supervising(fake_clock, held="safe mode") as stage:
        stage.bus.publish(LifeBegan(at=0, kept_by=KeptBy.NOBODY, safe_mode="three crashes"))
        stage.supervisor.add(first)
        stage.supervisor.add(second)
        names = await stage.bus.send(LeaveSafeMode())
        stage.supervisor.add(later)
        await fake_clock.pass_time(1)
        agents = stage.bus.snapshot.agents

        assert names == ("a", "b")
        assert [agents[name].state for name in "abc"] == [AgentState.RUNNING] * 3
        assert stage.bus.snapshot.health.safe_mode == ""


async def test_outside_safe_mode_there_is_nothing_to_leave(fake_clock: Any) -> None:
    """No agent is touched."""
    worker = Worker()

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(1)
        names = await stage.bus.send(LeaveSafeMode())
        await fake_clock.pass_time(1)

        assert names == ()
        assert worker.begun == 1


async def test_a_person_may_start_one_held_agent(fake_clock: Any) -> None:
    """RestartAgent wakes it alone, and LeaveSafeMode then names the others."""
    first, second = Worker("a"), Worker("b")

    async with supervising(fake_clock, held="safe mode") as stage:
        stage.supervisor.add(first)
        stage.supervisor.add(second)
        await stage.bus.send(RestartAgent(agent="a"))
        await fake_clock.pass_time(1)
        names = await stage.bus.send(LeaveSafeMode())

        assert first.begun == 1
        assert names == ("b",)


async def test_a_restart_ends_the_life_in_stages_and_begins_another(fake_clock: Any) -> None:
    """It is no failure: no back-off, and nothing counted."""
    worker = Worker()

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(1)
        await stage.bus.send(RestartAgent(agent="worker"))
        await fake_clock.pass_time(0)

        begun = [AgentState.STARTING, AgentState.RUNNING]
        assert stage.states() == [*begun, AgentState.STOPPING, *begun]
        assert worker.begun == 2
        assert stage.bus.snapshot.agents["worker"].restarts == 0


async def test_a_restart_keeps_the_pause(fake_clock: Any) -> None:
    """A person's pause outlives the life that it was asked of."""
    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker())
        await fake_clock.pass_time(1)
        await stage.bus.send(Pause(agent="worker"))
        await stage.bus.send(RestartAgent(agent="worker"))
        await fake_clock.pass_time(1)

        assert stage.bus.snapshot.agents["worker"].paused
        assert stage.states()[-1] is AgentState.RUNNING


@pytest.mark.parametrize("failures", [1, LIMITS.restarts_allowed + 1])
async def test_a_waiting_agent_is_tried_at_once(fake_clock: Any, failures: int) -> None:
    """Whether it waits for its back-off or was given up for a while; and its failures are forgotten."""
    worker = Worker(fails=failures)

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(0.5 if failures == 1 else 120)
        waiting = stage.states()[-1]
        await stage.bus.send(RestartAgent(agent="worker"))
        await fake_clock.pass_time(0)

        assert waiting is (AgentState.BACKOFF if failures == 1 else AgentState.FAILED)
        assert stage.states()[-2:] == [AgentState.STARTING, AgentState.RUNNING]


async def test_a_stopped_agent_is_started(fake_clock: Any) -> None:
    """A restart is a person's wish as well."""
    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker())
        await fake_clock.pass_time(1)
        stage.supervisor.stop("worker")
        await fake_clock.pass_time(1)
        await stage.bus.send(RestartAgent(agent="worker"))
        await fake_clock.pass_time(1)

        assert stage.states()[-3:] == [AgentState.STOPPED, AgentState.STARTING, AgentState.RUNNING]


async def test_an_agent_that_does_not_end_is_not_doubled(fake_clock: Any) -> None:
    """A restart abandons what swallows its cancellation, and begins anew only when that has ended."""
    worker = Worker()
    worker.deaf = True

    async with supervising(fake_clock) as stage:
        stage.supervisor.add(worker)
        await fake_clock.pass_time(1)
        await stage.bus.send(RestartAgent(agent="worker"))
        await fake_clock.pass_time(LIMITS.drain_s + LIMITS.cancel_s + 60)
        doubled = worker.begun
        abandoned = stage.states()[-1]
        worker.deaf = False
        worker.let_go.set()
        await fake_clock.pass_time(1)

        assert (doubled, abandoned) == (1, AgentState.ABANDONED)
        assert worker.begun == 2
        assert stage.states()[-1] is AgentState.RUNNING


async def test_only_agents_that_there_are_can_be_restarted(fake_clock: Any) -> None:
    """The refusal names those that there are."""
    async with supervising(fake_clock) as stage:
        stage.supervisor.add(Worker())

        with pytest.raises(UsageError, match="worker"):
            await stage.bus.send(RestartAgent(agent="nobody"))
