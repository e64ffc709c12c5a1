"""What stands before anything else does, and after everything else is gone."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.engine.limits import Limits
    from app.engine.logs import Logging, LogRing
    from app.engine.places import Places
    from app.engine.shutdown import Shutdown


@dataclass(frozen=True, slots=True)
class Ground:
    """It: folders, time, the bus, the log, and the way out."""

    places: Places
    clock: Clock
    bus: Bus
    ring: LogRing
    log: Logging
    limits: Limits
    shutdown: Shutdown


@contextmanager
def ground(places: Places) -> Iterator[Ground]:
    """Lay it, and clear it away behind."""
    from app.engine import logs
    from app.engine.bus import Bus
    from app.engine.clock import SystemClock
    from app.engine.limits import Limits
    from app.engine.shutdown import Shutdown
    from app.store.location import secrets_of

    clock, ring, limits = SystemClock(), logs.LogRing(), Limits()
    bus = Bus(clock)
    with logs.configure(places, "info", ring=ring) as log:
        url = os.environ.get("DATABASE_URL", "")
        for secret in (url, *secrets_of(url)):
            log.redactor.register(secret)
        shutdown = Shutdown(bus, clock, limits)
        try:
            yield Ground(places, clock, bus, ring, log, limits, shutdown)
        finally:
            shutdown.disarm()
