"""One agent under supervision: it lives, is watched, is started again when it fails, and ends in stages.

STARTING -> RUNNING <-> DEGRADED        a life; RUNNING with the first heartbeat
RUNNING  -> STALE -> BACKOFF            no heartbeat: cancelled and started again
any life -> BACKOFF -> STARTING         raised, or returned though nobody asked
BACKOFF  -> FAILED -> STARTING          too often: tried again slowly, or when kicked, and on probation: RUNNING only
                                        after a while with heartbeats, and the next failure is FAILED again
any life -> STOPPING -> STOPPED         by a person, or with the program
STOPPING, STALE -> ABANDONED            would not end; no second copy is started while it lives
DISABLED -> STARTING                    held in safe mode, until a person wants it
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import structlog

from app.domain.agents import AgentState
from app.domain.events import AgentChanged
from app.engine.heartbeat import Pulse
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.engine.heartbeat import AwakeClock
    from app.engine.limits import Limits

    Chance = Callable[[float, float], float]

_log = structlog.get_logger(__name__)


class Agent(Protocol):
    """What the supervisor keeps alive."""

    @property
    def name(self) -> str:
        """Return a name that is unique among the agents."""

    async def run(self, pulse: Pulse) -> None:
        """Work until `pulse.stopping` is set, beating at least every `Limits.beat_every_s`.

        May be called again after it raised, so all state of one life is made here.
        """


class Slot:
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
        self._on_probation = False
        self._weak = ""
        self._reason = ""
        self._wanted = asyncio.Event()
        self._interrupt = asyncio.Event()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._stale = False
        self._renewed = False
        self._seen_beats = -1
        self._born = 0.0
        self._beat_awake_s = 0.0
        self._stale_checks = 0
        self._life: asyncio.Task[None] | None = None
        self._keeper = spawn(self._keep(), name=f"supervise {agent.name}")

    def start(self) -> None:
        """Want the agent to live, by a person's wish; a FAILED or waiting one is tried at once, with a clean slate."""
        self._on_probation = False
        self._try()

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
        """Try the agent at once, if it only waits to be tried again; a FAILED one stays on probation."""
        if self.state in (AgentState.BACKOFF, AgentState.FAILED):
            self._try()

    def retry(self) -> None:
        """Do so by a person's wish, which ends the probation too."""
        if self.state in (AgentState.BACKOFF, AgentState.FAILED) or self._is_proving:
            self.start()
            self._prove()

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
            if self._awake.awake_s - self._born >= self._limits.probation_s:
                self._prove()
        elif self._awake.awake_s - self._beat_awake_s >= self._limits.stale_after_s:
            self._stale_checks += 1
            if self._stale_checks >= self._limits.stale_checks:
                self._stale = True
                self._interrupt.set()

    @property
    def _is_proving(self) -> bool:
        """True while a try after FAILED has not lived for long enough to count as RUNNING."""
        return self._on_probation and self.state is AgentState.STARTING

    def _prove(self) -> None:
        """Count the present life as RUNNING, if it beat, and was only held back from that by the probation."""
        if self.state is AgentState.STARTING and self.pulse is not None and self.pulse.beats:
            self._tell_health(self._weak)

    def _try(self) -> None:
        self._wanted.set()
        self._interrupt.set()

    async def _keep(self) -> None:
        while True:
            await self._wanted.wait()
            if self._life is not None and not self._life.done():  # an abandoned life is never doubled
                self._interrupt.clear()
                await _first_of(self._life, self._interrupt.wait())
                continue
            born = self._born = self._awake.awake_s
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
                self._on_probation = False
            await self._wait_before_next(reason)

    async def _live(self) -> str:
        """Run one life and return why it ended."""
        name, ended = self.agent.name, list[str]()
        self._stale, self._renewed, self._stale_checks, self._seen_beats = False, False, 0, -1
        self._weak = ""
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
        if self._on_probation or len(self._failures) > self._limits.restarts_allowed:
            self._failures.clear()
            self._on_probation = True
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
        self._weak = reason
        if not self._is_proving:
            self._tell_health(reason)

    def _tell_health(self, reason: str) -> None:
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
