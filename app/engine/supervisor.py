"""Supervision: agents are kept alive, one for one, and paused, resumed and restarted by command.

What becomes of a single one is told in app.engine.slot.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import structlog

from app.domain.agents import AgentState
from app.domain.commands import LeaveSafeMode, Pause, RestartAgent, Resume
from app.domain.errors import UsageError
from app.domain.events import AgentPaused, AgentResumed, SafeModeLeft
from app.engine.heartbeat import AwakeClock
from app.engine.limits import Limits
from app.engine.slot import Slot
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.engine.heartbeat import HeartbeatFile
    from app.engine.slot import Agent, Chance

_log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 366 * 86_400.0


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
        self._slots: dict[str, Slot] = {}
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
        slot = Slot(agent, self._bus, self._clock, awake=self._awake, limits=self._limits, chance=self._chance)
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

    def _slot(self, name: str) -> Slot:
        slot = self._slots.get(name)
        if slot is None:
            known = ", ".join(sorted(self._slots)) or "none"
            raise UsageError(f"There is no agent named {name!r}.", f"The agents are: {known}.")
        return slot

    def _chosen(self, name: str | None) -> list[Slot]:
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
            if until is not None and command.seconds is not None:
                later = self._resume_later(slot.agent.name, command.seconds, until)
                self._resumers[slot.agent.name] = spawn(later, name=f"resume {slot.agent.name}")
        return tuple(slot.agent.name for slot in slots)

    def _resume(self, command: Resume) -> tuple[str, ...]:
        chosen = self._chosen(command.agent)
        for slot in chosen:
            slot.retry()
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

    async def _resume_later(self, name: str, seconds: float, until: float) -> None:
        """Resume after so long, or at that wall-clock time: a machine that sleeps stops the clock of the one alone."""
        over = self._clock.monotonic() + seconds
        while (left := min(over - self._clock.monotonic(), until - self._clock.wall())) > 0:
            await self._clock.sleep(min(left, self._limits.check_every_s))
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
