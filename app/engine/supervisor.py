"""Supervision: each agent lives, is watched, is started again when it fails, and ends in stages.

STARTING -> RUNNING <-> DEGRADED        a life; RUNNING with the first heartbeat
RUNNING  -> STALE -> BACKOFF            no heartbeat: cancelled and started again
any life -> BACKOFF -> STARTING         raised, or returned though nobody asked
BACKOFF  -> FAILED -> STARTING          too often: tried again slowly, or when kicked
any life -> STOPPING -> STOPPED         by a person, or with the program
STOPPING, STALE -> ABANDONED            would not end; no second copy is started while it lives
DISABLED -> STARTING                    held in safe mode, until a person wants it
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, Self

import structlog

from app.domain.agents import AgentState
from app.domain.commands import LeaveSafeMode, Pause, RestartAgent, Resume
from app.domain.errors import UsageError
from app.domain.events import AgentChanged, AgentPaused, AgentResumed, SafeModeLeft
from app.engine.heartbeat import AwakeClock, Pulse
from app.engine.limits import Limits
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType
    from typing import Any

    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.engine.heartbeat import HeartbeatFile

    Chance = Callable[[float, float], float]

_log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 366 * 86_400.0


class Agent(Protocol):
    """What the supervisor keeps alive."""

    @property
    def name(self) -> str:
        """Return a name that is unique among the agents."""

    async def run(self, pulse: Pulse) -> None:
        """Work until `pulse.stopping` is set, beating at least every `Limits.beat_every_s`.

        May be called again after it raised, so all state of one life is made here.
        """


class _Slot:
    """One agent's place: its lives one after another, and what is known of them."""

    def __init__(
        self, agent: Agent, bus: Bus, clock: Clock, *, awake: AwakeClock, limits: Limits, chance: Chance
    ) -> None:
        self.agent = agent
        self.state = AgentState.STOPPED
        self.pulse: Pulse | None = None
        self.paused = False
        self._bus = bus
        self._clock = clock
        self._awake = awake
        self._limits = limits
        self._chance = chance
        self._failures: deque[float] = deque()
        self._attempt = 0
        self._restarts = 0
        self._reason = ""
        self._wanted = asyncio.Event()
        self._interrupt = asyncio.Event()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._stale = False
        self._renewed = False
        self._seen_beats = -1
        self._beat_awake_s = 0.0
        self._stale_checks = 0
        self._life: asyncio.Task[None] | None = None
        self._keeper = spawn(self._keep(), name=f"supervise {agent.name}")

    def start(self) -> None:
        """Want the agent to live; a FAILED or waiting one is tried at once."""
        self._wanted.set()
        self._interrupt.set()

    def stop(self) -> None:
        """Want the agent to end, and to stay so."""
        self._wanted.clear()
        self._interrupt.set()

    def hold(self, reason: str) -> None:
        """Do not start the agent before a person wants it."""
        self._say(AgentState.DISABLED, reason)

    def restart(self) -> None:
        """End the present life in stages and begin another, which no back-off delays."""
        self._renewed = True
        self.start()

    def kick(self) -> None:
        """Try the agent at once, if it only waits to be tried again."""
        if self.state in (AgentState.BACKOFF, AgentState.FAILED):
            self.start()

    def pause(self, *, paused: bool) -> None:
        """Ask the present life, and those to come, to begin no new work; or let them."""
        self.paused = paused
        if self.pulse is not None:
            (self.pulse.pause if paused else self.pulse.resume)()

    async def close(self) -> None:
        """End the agent in stages, then the slot itself."""
        self.stop()
        await _first_of(self._keeper, self._at_rest.wait())
        if self._keeper.done() and self._life is not None and self.pulse is not None:
            # after a SystemExit in any task the runner cancels all tasks, keepers too
            await self._end(self._life, self.pulse, drain_s=0.0)
        self._keeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeper

    def check(self) -> None:
        """Look whether the agent still beats; called at each tick of the awake clock."""
        pulse = self.pulse
        if pulse is None or self.state not in (AgentState.STARTING, AgentState.RUNNING, AgentState.DEGRADED):
            return
        if pulse.beats != self._seen_beats or self._clock.monotonic() < pulse.busy_until:
            self._seen_beats = pulse.beats
            self._beat_awake_s = self._awake.awake_s
            self._stale_checks = 0
        elif self._awake.awake_s - self._beat_awake_s >= self._limits.stale_after_s:
            self._stale_checks += 1
            if self._stale_checks >= self._limits.stale_checks:
                self._stale = True
                self._interrupt.set()

    async def _keep(self) -> None:
        while True:
            await self._wanted.wait()
            if self._life is not None and not self._life.done():  # an abandoned life is never doubled
                self._interrupt.clear()
                await _first_of(self._life, self._interrupt.wait())
                continue
            born = self._awake.awake_s
            reason = await self._live()
            if not self._wanted.is_set():
                if self.state is not AgentState.ABANDONED:
                    self._say(AgentState.STOPPED)
                continue
            if self.state is AgentState.ABANDONED:
                continue
            if self._renewed:
                self._attempt = 0
                self._failures.clear()
                continue
            if self._awake.awake_s - born >= self._limits.healthy_after_s:
                self._attempt = 0
                self._failures.clear()
            await self._wait_before_next(reason)

    async def _live(self) -> str:
        """Run one life and return why it ended."""
        name, ended = self.agent.name, list[str]()
        self._stale, self._renewed, self._stale_checks, self._seen_beats = False, False, 0, -1
        beat_every_s = self._limits.beat_every_s
        self.pulse = pulse = Pulse(name, self._bus, self._clock, beat_every_s=beat_every_s, on_health=self._health)
        if self.paused:
            pulse.pause()
        self._say(AgentState.STARTING)
        self._life = life = spawn(self._guarded(pulse, ended), name=f"agent {name}")
        while not life.done() and self._wanted.is_set() and not self._stale and not self._renewed:
            self._interrupt.clear()
            await _first_of(life, self._interrupt.wait())
        reason = f"no heartbeat for {self._limits.stale_after_s:.0f} s"
        if life.done():
            reason = ended[0] if ended else "ended"
        elif self._stale:
            self._say(AgentState.STALE, reason)
            await self._end(life, pulse, drain_s=0.0)
        else:
            self._say(AgentState.STOPPING)
            await self._end(life, pulse, drain_s=self._limits.drain_s)
        pulse.give_up()
        self.pulse = None
        return reason

    async def _guarded(self, pulse: Pulse, ended: list[str]) -> None:
        """Run the agent; whatever it raises, SystemExit too, is its own failure and not the program's."""
        try:
            await self.agent.run(pulse)
            ended.append("returned though nobody asked it to")
        except (asyncio.CancelledError, GeneratorExit):  # the latter when the program ends beside an abandoned life
            ended.append("cancelled")
            raise
        except BaseException as error:  # noqa: BLE001 - an agent's failure, whatever it is, must not end the program
            ended.append(f"{type(error).__name__}: {error}".rstrip(": "))
            _log.error("an agent failed", agent=self.agent.name, exc_info=error)

    async def _end(self, life: asyncio.Task[None], pulse: Pulse, *, drain_s: float) -> None:
        """Intake off, drain, cancel; what does not end then is given up."""
        pulse.stopping.set()
        if drain_s:
            await _first_of(life, self._clock.sleep(drain_s))
        if not life.done():
            life.cancel()
            await _first_of(life, self._clock.sleep(self._limits.cancel_s))
        if not life.done():
            pulse.give_up()
            self._say(AgentState.ABANDONED, "did not end when it was told to")

    async def _wait_before_next(self, reason: str) -> None:
        now = self._awake.awake_s
        self._failures.append(now)
        while self._failures and now - self._failures[0] > self._limits.restart_window_s:
            self._failures.popleft()
        self._restarts += 1
        if len(self._failures) > self._limits.restarts_allowed:
            self._failures.clear()
            self._say(AgentState.FAILED, reason)
            delay = self._limits.slow_retry_s
        else:
            ceiling = min(self._limits.backoff_ceiling_s, self._limits.backoff_first_s * 2**self._attempt)
            self._attempt += 1
            self._say(AgentState.BACKOFF, reason)
            delay = self._chance(0.0, ceiling)
        self._interrupt.clear()
        kicked = spawn(self._interrupt.wait(), name="kick")
        await _first_of(kicked, self._clock.sleep(delay))
        kicked.cancel()
        if not self._wanted.is_set():
            self._say(AgentState.STOPPED)

    def _health(self, reason: str) -> None:
        if self.state.is_alive:
            self._say(AgentState.DEGRADED if reason else AgentState.RUNNING, reason)

    def _say(self, state: AgentState, reason: str = "") -> None:
        if (state, reason) == (self.state, self._reason):
            return
        self.state, self._reason = state, reason
        if state in (AgentState.STOPPED, AgentState.ABANDONED, AgentState.DISABLED):
            self._at_rest.set()
        else:
            self._at_rest.clear()
        name = self.agent.name
        self._bus.publish(
            AgentChanged(at=self._clock.wall(), agent=name, state=state, reason=reason, restarts=self._restarts)
        )


async def _first_of(task: asyncio.Task[Any], other: Coroutine[Any, Any, object]) -> None:
    """Wait until the task or the other is done; the other is ended, the task is not."""
    waiter = spawn(other, name="waiter")
    try:
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()


class Supervisor:
    """Keeps agents alive, one for one: what befalls one does not touch the others.

    An async context manager; leaving it ends all agents in stages, side by side. Answers `Pause`, `Resume`,
    `RestartAgent` and `LeaveSafeMode`.

    Args:
        bus: Where the agents' states are told.
        clock: Time.
        heartbeats: The file for outside monitors, or None.
        limits: The table of times.
        chance: Gives a number between two bounds, for the jitter of the back-off.
        held: Why agents are not started when they are added, until `LeaveSafeMode`; empty to start them.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        *,
        heartbeats: HeartbeatFile | None = None,
        limits: Limits | None = None,
        chance: Chance = random.uniform,
        held: str = "",
    ) -> None:
        self._held = held
        self._bus = bus
        self._clock = clock
        self._heartbeats = heartbeats
        self._limits = limits or Limits()
        self._chance = chance
        self._awake = AwakeClock(clock, tick_s=self._limits.check_every_s)
        self._slots: dict[str, _Slot] = {}
        self._checker: asyncio.Task[None] | None = None
        self._resumers: dict[str, asyncio.Task[None]] = {}
        self._unhandle: list[Callable[[], None]] = []

    async def __aenter__(self) -> Self:
        """Begin to look after agents."""
        self._unhandle = [
            self._bus.handle(Pause, self._pause),
            self._bus.handle(Resume, self._resume),
            self._bus.handle(RestartAgent, lambda command: self._slot(command.agent).restart()),
            self._bus.handle(LeaveSafeMode, lambda _command: self._leave_safe_mode()),
        ]
        self._checker = spawn(self._check(), name="supervisor")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all agents in stages; one that would not end is left ABANDONED."""
        for unhandle in self._unhandle:
            unhandle()
        for timer in self._resumers.values():
            timer.cancel()
        await asyncio.gather(*(slot.close() for slot in self._slots.values()))
        if self._checker is not None:
            self._checker.cancel()
            with suppress(asyncio.CancelledError):
                await self._checker
        if self._heartbeats is not None:
            with suppress(OSError):
                await self._heartbeats.remove()

    def add(self, agent: Agent, *, always: bool = False) -> None:
        """Look after an agent from now on, and start it, unless agents are held and it is not one that runs always.

        Raises:
            ValueError: There is an agent of this name.
        """
        if agent.name in self._slots:
            raise ValueError(f"an agent named {agent.name} is supervised already")
        slot = _Slot(agent, self._bus, self._clock, awake=self._awake, limits=self._limits, chance=self._chance)
        self._slots[agent.name] = slot
        if self._held and not always:
            slot.hold(self._held)
        else:
            slot.start()

    def stop(self, name: str) -> None:
        """Stop an agent by a person's wish: nothing but `start` brings it back."""
        self._slot(name).stop()

    def start(self, name: str) -> None:
        """Start a stopped agent, or try a waiting one at once."""
        self._slot(name).start()

    def kick(self) -> None:
        """Try all waiting agents at once: after a wake-up, or when the network is back."""
        for slot in self._slots.values():
            slot.kick()

    def _slot(self, name: str) -> _Slot:
        slot = self._slots.get(name)
        if slot is None:
            known = ", ".join(sorted(self._slots)) or "none"
            raise UsageError(f"There is no agent named {name!r}.", f"The agents are: {known}.")
        return slot

    def _chosen(self, name: str | None) -> list[_Slot]:
        return list(self._slots.values()) if name is None else [self._slot(name)]

    def _pause(self, command: Pause) -> tuple[str, ...]:
        if command.seconds is not None and not 0 < command.seconds <= LONGEST_PAUSE_S:
            raise UsageError("A pause must be longer than nothing and shorter than a year.", "Give a time such as 30m.")
        until = None if command.seconds is None else self._clock.wall() + command.seconds
        slots = self._chosen(command.agent)
        for slot in slots:
            self._forget_timer(slot.agent.name)
            slot.pause(paused=True)
            self._bus.publish(AgentPaused(at=self._clock.wall(), agent=slot.agent.name, until=until))
            if command.seconds is not None:
                later = self._resume_later(slot.agent.name, command.seconds)
                self._resumers[slot.agent.name] = spawn(later, name=f"resume {slot.agent.name}")
        return tuple(slot.agent.name for slot in slots)

    def _resume(self, command: Resume) -> tuple[str, ...]:
        chosen = self._chosen(command.agent)
        for slot in chosen:
            slot.kick()
        slots = [slot for slot in chosen if slot.paused]
        for slot in slots:
            self._forget_timer(slot.agent.name)
            slot.pause(paused=False)
            self._bus.publish(AgentResumed(at=self._clock.wall(), agent=slot.agent.name))
        return tuple(slot.agent.name for slot in slots)

    def _leave_safe_mode(self) -> tuple[str, ...]:
        if not self._held:
            return ()
        self._held = ""
        held = [slot for slot in self._slots.values() if slot.state is AgentState.DISABLED]
        self._bus.publish(SafeModeLeft(at=self._clock.wall()))
        for slot in held:
            slot.start()
        return tuple(slot.agent.name for slot in held)

    async def _resume_later(self, name: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._resumers.pop(name, None)
        self._resume(Resume(agent=name))

    def _forget_timer(self, name: str) -> None:
        timer = self._resumers.pop(name, None)
        if timer is not None:
            timer.cancel()

    async def _check(self) -> None:
        while True:
            self._awake.tick()
            for slot in self._slots.values():
                slot.check()
            if self._heartbeats is not None:
                try:
                    await self._heartbeats.write(self._bus.snapshot)
                except OSError as error:
                    _log.warning("the heartbeat file cannot be written", error=str(error))
            await self._clock.sleep(self._limits.check_every_s)
