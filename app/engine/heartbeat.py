"""Heartbeats: what an agent's work loop is given to show that it lives, and the file that outside monitors read."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from typing import TYPE_CHECKING

from app import __version__
from app.domain.events import AgentBeat
from app.engine.clock import SystemClock
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

    Attributes:
        progress: How much work this life has done.
        waiting: Gives how much work waits to be begun; an agent that has any replaces it. One that beats although it
            comes no further is told from an idle one by it. Work that is held back on purpose does not wait.
    """

    def __init__(
        self, agent: str, bus: Bus, clock: Clock, *, beat_every_s: float, on_health: Callable[[str], None]
    ) -> None:
        self.agent = agent
        self.stopping = asyncio.Event()
        self.progress = 0
        self.waiting: Callable[[], int] = _nothing
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
        now = self._clock.wall()
        self.publish(AgentBeat(at=now, agent=self.agent, progress=self.progress, waiting=self.waiting()))

    def did(self, done: int = 1) -> None:
        """Count work that was done elsewhere than in the work loop: it is no heartbeat, and told with the next one."""
        self.progress += done

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
    folder hangs, one thread waits for it and nothing else does. An orderly end removes it, so that a file whose process
    is gone tells of another end.

    Its fields, of which later versions may have more but none fewer: times are seconds since the epoch, spans seconds.

        v           1
        pid         the process
        version     the program's
        started     when it started
        written     when this was written, every 15 s: a file much older than that tells of a stuck or stopped program
        stopping    why it is on its way out; empty while it is not
        agents      of each, by name:
            state       as in app.domain.agents.AgentState
            reason      why it is in it; may be empty
            beat_at     when it last gave a sign of life; null before the first
            beat_age_s  how long ago that was, in time during which this process ran: an agent is stale at 90
            progress    work done in this life, which only grows within it
            waiting     work that waits to be begun
            stalled_s   for how long it has come no further although work waits; 0 while it does
            restarts    how often it was started again
        loop        of the event loop, as it was measured last; null before that:
            p50_s, p99_s    how late it was in the last five minutes
            worst_s         its longest lag

    Args:
        path: The file.
        deadline_s: How long a call here may take.
        clock: Time; by default the machine's.
    """

    def __init__(self, path: Path, *, deadline_s: float = Limits().heartbeat_s, clock: Clock | None = None) -> None:
        self._path = path
        self._deadline_s = deadline_s
        self._clock = clock or SystemClock()
        self._awake = AwakeClock(self._clock, tick_s=Limits().check_every_s)
        self._ages: dict[str, tuple[float, float]] = {}
        self._working: asyncio.Future[None] | None = None

    async def write(self, snapshot: Snapshot) -> None:
        """Write the agents' states, from a thread; return at once while an earlier call has not come to its end.

        Raises:
            TimeoutError: It takes longer than the deadline, and goes on without being waited for. An OSError too.
            OSError: The file cannot be written.
        """
        content = json.dumps(self._document(snapshot), indent=1).encode()
        if self._working is None or self._working.done():
            await self._in_time(partial(write_atomic, self._path, content, sync=False), self._deadline_s)

    def _document(self, snapshot: Snapshot) -> dict[str, object]:
        now, before = self._clock.wall(), self._awake.awake_s
        awake_s = self._awake.tick() - before
        self._ages = {
            view.name: (view.beat_at, self._age(view.name, view.beat_at, now, awake_s))
            for view in snapshot.agents.values()
            if view.beat_at is not None
        }
        agents = {
            view.name: {
                "state": view.state.value,
                "reason": view.reason,
                "beat_at": view.beat_at,
                "beat_age_s": round(self._ages[view.name][1], 1) if view.name in self._ages else None,
                "progress": view.progress,
                "waiting": view.waiting,
                "stalled_s": view.stalled_s,
                "restarts": view.restarts,
            }
            for view in snapshot.agents.values()
        }
        vitals = snapshot.health.vitals
        loop = vitals and {"p50_s": vitals.lag_p50_s, "p99_s": vitals.lag_p99_s, "worst_s": vitals.lag_worst_s}
        return {
            "v": 1,
            "pid": os.getpid(),
            "version": __version__,
            "started": snapshot.started_at,
            "written": now,
            "stopping": snapshot.stopping,
            "agents": agents,
            "loop": loop,
        }

    def _age(self, name: str, beat_at: float, now: float, awake_s: float) -> float:
        """Return how old a beat is in awake seconds, of which `awake_s` have passed since the last writing.

        The wall clock is asked only within that span, so that one that was set is off by no more.
        """
        known_at, known_s = self._ages.get(name, (None, 0.0))
        return known_s + awake_s if beat_at == known_at else min(max(now - beat_at, 0.0), awake_s)

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


def _nothing() -> int:
    return 0


def _note_failure(working: asyncio.Future[None]) -> None:
    """Read the outcome of work that perhaps nobody waits for any more, or asyncio would complain of it."""
    if not working.cancelled():
        working.exception()
