"""Heartbeats: what an agent's work loop is given to show that it lives, and the file that outside monitors read."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from typing import TYPE_CHECKING

from app.domain.events import AgentBeat
from app.engine.files import write_atomic
from app.engine.limits import Limits
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.bus import Bus
    from app.engine.clock import Clock


class AwakeClock:
    """Seconds during which this process really ran, counted by ticks.

    A machine that sleeps, a stopped process and a blocked loop all show as one tick that came late; the excess is not
    counted, so none of them makes an agent look stale.
    """

    def __init__(self, clock: Clock, *, tick_s: float) -> None:
        self._clock = clock
        self._longest_s = tick_s * 1.5
        self._last = clock.monotonic()
        self._awake_s = 0.0

    def tick(self) -> float:
        """Count the time since the last tick, and return all that was counted so far."""
        now = self._clock.monotonic()
        self._awake_s += min(now - self._last, self._longest_s)
        self._last = now
        return self._awake_s

    @property
    def awake_s(self) -> float:
        """Return the seconds counted up to the last tick."""
        return self._awake_s


class Pulse:
    """What the supervisor hands to one life of an agent.

    An agent beats from its own work loop, publishes through the pulse (a life that was given up is refused), begins no
    new work while it is paused, and ends when `stopping` is set.

    Args:
        agent: The agent's name.
        bus: Where it publishes.
        clock: Time.
        beat_every_s: How often it beats while it waits.
        on_health: Called with the first beat and when the agent is degraded (a reason) or well again (empty).
    """

    def __init__(
        self, agent: str, bus: Bus, clock: Clock, *, beat_every_s: float, on_health: Callable[[str], None]
    ) -> None:
        self.agent = agent
        self.stopping = asyncio.Event()
        self.progress = 0
        self.beats = 0
        self.busy_until = 0.0
        self.refused = 0
        self._alive = True
        self.unpaused = asyncio.Event()
        self.unpaused.set()
        self._bus = bus
        self._clock = clock
        self._beat_every_s = beat_every_s
        self._on_health = on_health

    def beat(self, done: int = 0) -> None:
        """Show that the work loop lives; `done` is how much work was done since the last beat."""
        self.progress += done
        self.beats += 1
        self.busy_until = 0.0
        if self.beats == 1 and self._alive:
            self._on_health("")
        self.publish(AgentBeat(at=self._clock.wall(), agent=self.agent, progress=self.progress))

    async def until(self, *events: asyncio.Event) -> None:
        """Wait until one of the events, or `stopping`, is set, and beat meanwhile."""
        waits = [spawn(event.wait(), name=f"{self.agent} waits") for event in (*events, self.stopping)]
        try:
            while not any(wait.done() for wait in waits):
                self.beat()
                timer = spawn(self._clock.sleep(self._beat_every_s), name=f"{self.agent} beats")
                await asyncio.wait({timer, *waits}, return_when=asyncio.FIRST_COMPLETED)
                timer.cancel()
        finally:
            for wait in waits:
                wait.cancel()

    async def rest(self, seconds: float) -> None:
        """Wait for some seconds, or until `stopping` is set, and beat meanwhile."""
        over = asyncio.Event()

        async def end() -> None:
            await self._clock.sleep(seconds)
            over.set()

        timer = spawn(end(), name=f"{self.agent} rests")
        try:
            await self.until(over)
        finally:
            timer.cancel()

    def busy_for(self, seconds: float) -> None:
        """Declare that the next heartbeat may take up to `seconds`, since one long piece of work has begun."""
        self.busy_until = self._clock.monotonic() + seconds

    def degraded(self, reason: str) -> None:
        """Say that something the agent depends on is out, or, with an empty reason, that all is well again."""
        if self._alive:
            self._on_health(reason)

    def publish(self, event: Event) -> None:
        """Publish an event, unless this life was given up: then it is refused and counted."""
        if self._alive:
            self._bus.publish(event)
        else:
            self.refused += 1

    @property
    def paused(self) -> bool:
        """True while a person wants no new work to be begun."""
        return not self.unpaused.is_set()

    def pause(self) -> None:
        """Ask the agent to begin no new work."""
        self.unpaused.clear()

    def resume(self) -> None:
        """Let the agent begin new work again."""
        self.unpaused.set()

    def give_up(self) -> None:
        """Refuse whatever this life still publishes."""
        self._alive = False


class HeartbeatFile:
    """One small JSON file for all agents, for monitors outside the process. Memory is the truth; nothing reads it back.

    Written atomically and without fsync: after a crash of the machine its content is worth nothing anyway. Where its
    folder hangs, one thread waits for it and nothing else does.

    Args:
        path: The file.
        deadline_s: How long a call here may take.
    """

    def __init__(self, path: Path, *, deadline_s: float = Limits().heartbeat_s) -> None:
        self._path = path
        self._deadline_s = deadline_s
        self._working: asyncio.Future[None] | None = None

    async def write(self, snapshot: Snapshot) -> None:
        """Write the agents' states, from a thread; return at once while an earlier call has not come to its end.

        Raises:
            TimeoutError: It takes longer than the deadline, and goes on without being waited for. An OSError too.
            OSError: The file cannot be written.
        """
        agents = {
            view.name: {"state": view.state.value, "beat_at": view.beat_at, "progress": view.progress}
            for view in snapshot.agents.values()
        }
        document = {"v": 1, "pid": os.getpid(), "agents": agents}
        content = json.dumps(document, indent=1).encode()
        if self._working is None or self._working.done():
            await self._in_time(partial(write_atomic, self._path, content, sync=False), self._deadline_s)

    async def remove(self) -> None:
        """Remove the file: a clean end leaves none, unless its folder hangs.

        Raises:
            OSError: As `write`.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + self._deadline_s
        if self._working is not None:
            _, hanging = await asyncio.wait({self._working}, timeout=self._deadline_s)
            if hanging:
                raise TimeoutError(f"{self._path} is still being written")
        await self._in_time(partial(self._path.unlink, missing_ok=True), max(0.0, due - loop.time()))

    async def _in_time(self, work: Callable[[], None], deadline_s: float) -> None:
        self._working = working = asyncio.get_running_loop().run_in_executor(None, work)
        working.add_done_callback(_note_failure)
        _, hanging = await asyncio.wait({working}, timeout=deadline_s)
        if hanging:
            raise TimeoutError(f"the folder of {self._path} does not answer")
        await working


def _note_failure(working: asyncio.Future[None]) -> None:
    """Read the outcome of work that perhaps nobody waits for any more, or asyncio would complain of it."""
    if not working.cancelled():
        working.exception()
