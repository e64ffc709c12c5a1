"""What stands before anything else does, and after everything else is gone."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager, suppress
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
    from app.house.lives import Life


@dataclass(frozen=True, slots=True)
class Ground:
    """It: folders, time, the bus, the log, the record of this life, and the way out."""

    places: Places
    clock: Clock
    bus: Bus
    ring: LogRing
    log: Logging
    limits: Limits
    shutdown: Shutdown
    life: Life


@contextmanager
def ground(places: Places, *, safe: bool = False, limits: Limits | None = None) -> Iterator[Ground]:
    """Lay it, and clear it away behind. Who lays it holds the single-instance lock.

    Args:
        places: Where everything lies.
        safe: Start no agents.
        limits: The table of times; by default the usual one.
    """
    from app import __version__
    from app.engine import logs
    from app.engine.bus import Bus
    from app.engine.clock import SystemClock
    from app.engine.limits import Limits
    from app.engine.lives import LifeRecord, lives_folder
    from app.engine.shutdown import Shutdown
    from app.house.lives import life
    from app.store.location import secrets_of
    from app.system.service import Service

    clock, ring, limits = SystemClock(), logs.LogRing(), limits or Limits()
    bus = Bus(clock)
    with ExitStack() as last, logs.configure(places, "info", ring=ring) as log:
        url = os.environ.get("DATABASE_URL", "")
        for secret in (url, *secrets_of(url)):
            log.redactor.register(secret)
        last.callback(_tell_lost, log)
        service = Service.take(os.environ)
        record = LifeRecord(lives_folder(places), clock=clock, version=__version__, redact=log.redactor.redact)
        with life(record, service, limits, now=clock.wall(), safe=safe) as begun:
            shutdown = Shutdown(bus, clock, limits, force=begun.end_by_force)
            # Last of all: a disk that hangs holds the record of the life, and the log, while they are closed.
            last.callback(shutdown.disarm)
            yield Ground(places, clock, bus, ring, log, limits, shutdown, begun)


def _tell_lost(log: Logging) -> None:
    """Say on stderr, which a service manager keeps, that the log lacks its end; what ended well ended well."""
    if log.lost and sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"watchkeeper: {log.lost} Its end is lost.\n")
