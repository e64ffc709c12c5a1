"""What looks after the program and its machine: the health agent, its own files, sleep, session's end, network."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import BridgeError
from app.domain.events import NetworkChanged, SystemResumed
from app.domain.health import Vitals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.looplag import LoopLag
    from app.engine.supervisor import Supervisor
    from app.house.ground import Ground

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def health(ground: Ground, bridge: SafeAsyncBridge, lag: LoopLag, supervisor: Supervisor) -> AsyncIterator[None]:
    """Have the program's health looked after, and wake whoever waits when the machine or the network is back.

    Args:
        ground: What the house stands on.
        bridge: By which what the system tells on threads reaches the loop.
        lag: What measures the loop.
        supervisor: Who keeps the agents alive, the one made here among them.
    """
    from app.agents.health.agent import HealthAgent
    from app.engine.garbage import keep_swept
    from app.engine.sleepwatch import SleepWatch
    from app.engine.tasks import spawn
    from app.house.succession import replaced
    from app.system.network import NetworkWatch
    from app.system.session import session_events

    bus, clock, limits = ground.bus, ground.clock, ground.limits

    def woke(slept_s: float, source: str) -> None:
        with suppress(BridgeError):
            bridge.submit(bus.publish, SystemResumed(at=clock.wall(), slept_s=slept_s, source=source))

    def ends(reason: str) -> None:
        with suppress(BridgeError):
            bridge.submit(ground.shutdown.ask, reason)

    def online(is_online: bool) -> None:  # noqa: FBT001 - as the watch tells it
        _log.info("there is a way into the network" if is_online else "there is no way into the network")
        bus.publish(NetworkChanged(at=clock.wall(), is_online=is_online))

    def wake_waiting(event: Event, _snapshot: Snapshot) -> None:
        if isinstance(event, SystemResumed) or (isinstance(event, NetworkChanged) and event.is_online):
            supervisor.kick()

    def measure() -> Vitals:
        return measured(clock.wall(), bridge, lag)

    looks = HealthAgent(measure, lambda: bus.snapshot, publish=bus.publish, clock=clock, limits=limits)
    supervisor.add(looks, always=True)
    unsubscribe = bus.subscribe(wake_waiting)
    sweeping = spawn(keep_swept(clock), name="sweeps cycles")
    try:
        async with (
            SleepWatch(woke, look_s=limits.asleep_every_s, stopped_s=limits.stopped_s) as sleep,
            session_events(sleep.look, ends),
            NetworkWatch(online, clock),
            replaced(ground),
        ):
            yield
    finally:
        unsubscribe()
        sweeping.cancel()
        await asyncio.wait([sweeping])


def timers() -> int:
    """Return how many timers are armed on the running loop, and where it is Qt's, in the application."""
    loop: Any = asyncio.get_running_loop()
    armed: int = sum(not handle.cancelled() for handle in loop._scheduled)  # noqa: SLF001 - there is no public way
    qt_timers: Callable[[], int] = getattr(loop, "qt_timers", lambda: 0)
    return armed + qt_timers()


def measured(at: float, bridge: SafeAsyncBridge, lag: LoopLag) -> Vitals:
    """Return what the process uses at a moment, measured on its loop."""
    from app.engine.looplag import LAG_BOUNDS_S
    from app.system.vitals import descriptors, rss_bytes

    return Vitals(
        at,
        rss_bytes=rss_bytes(),
        descriptors=descriptors(),
        threads=threading.active_count(),
        tasks=len(asyncio.all_tasks()),
        lag_p50_s=lag.p50_s(),
        lag_p99_s=lag.p99_s(),
        lag_worst_s=lag.worst_s,
        bridge_depth=bridge.counters.depth,
        timers=timers(),
        lag_sum_s=lag.sum_s,
        lag_bounds_s=LAG_BOUNDS_S,
        lag_counts=tuple(lag.counts),
    )
