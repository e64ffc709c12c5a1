"""This life of the program: how the one before it ended, who keeps it, and the words that it leaves behind."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.domain import healthwords
from app.domain.commands import RaiseWindow
from app.domain.errors import CommandRefused
from app.domain.events import KeeperLost, LifeBegan, SafeModeLeft
from app.domain.health import Ending, KeptBy
from app.domain.snapshot import Mood
from app.domain.words import tests
from app.engine.lives import EXIT_ENDED, EXIT_STUCK, end_at_once, recorded
from app.engine.looplag import place_of, stacks_as_text
from app.engine.notices import Notices
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.limits import Limits
    from app.engine.lives import Birth, LifeRecord
    from app.house.ground import Ground
    from app.system.service import Service

_log = structlog.get_logger(__name__)

STATUS_EVERY_S = 5.0
"""How often the service manager is told at most how things stand."""

LOG_HINT = "Look at the folder's rights, and whether the disk is full. `watchkeeper logs` has what is in memory."


@dataclass(frozen=True, slots=True)
class Life:
    """It.

    Attributes:
        record: What the next life reads.
        birth: What this one has read.
        service: Who keeps it.
        safe_mode: Why no agent is started; empty to start them.
        force: Ends the process at once with an exit code.
    """

    record: LifeRecord
    birth: Birth
    service: Service
    safe_mode: str = ""
    force: Callable[[int], object] = os._exit

    @property
    def held(self) -> str:
        """Why each agent is not started, in a word or two; empty to start them."""
        return "safe mode" if self.safe_mode else ""

    def end_stuck(self, where: str, stacks: str) -> None:
        """End the process, since its loop will not come back; from a thread."""
        end_at_once(self.record, Ending.STUCK, where, stacks, code=EXIT_STUCK, force=self.force)

    def end_by_force(self, code: int) -> None:
        """End the process, since its stop does not come to its end; from a thread.

        Whoever keeps it must not start it again, so it does not hear the code that nobody else would mind.
        """
        where = place_of(threading.main_thread().ident or 0)
        code = code if self.service.kept_by is KeptBy.NOBODY else EXIT_ENDED
        end_at_once(self.record, Ending.FORCED, where, stacks_as_text(), code=code, force=self.force)


@contextmanager
def life(record: LifeRecord, service: Service, limits: Limits, *, now: float, safe: bool) -> Iterator[Life]:
    """Begin a life, and record how it ends.

    Args:
        record: Where that is recorded.
        service: Who keeps the program.
        limits: Says how many crashes are too many.
        now: Wall-clock time.
        safe: Whether a person asks for safe mode.
    """
    with recorded(record, service.last_exit) as birth, _faults_kept(record.fault_file):
        yield Life(record, birth, service, _why_safe(birth, limits, now, asked=safe))


def _why_safe(birth: Birth, limits: Limits, now: float, *, asked: bool) -> str:
    crashes = birth.crash_loop(limits, now)
    if crashes:
        return f"Watchkeeper ended unasked {crashes} times within {limits.crash_window_s / 60:.0f} minutes"
    return "you asked for it with --safe" if asked else ""


@contextmanager
def _faults_kept(path: Path) -> Iterator[None]:
    """Have faulthandler write into a file, unless somebody has it write elsewhere already (python -X faulthandler)."""
    if faulthandler.is_enabled():
        yield
        return
    try:
        # A FIFO that lies there is refused, and its reader not waited for.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        _log.warning("crashes of native code leave no trace", error=str(error))
        yield
        return
    try:
        faulthandler.enable(descriptor)
        yield
    finally:
        faulthandler.disable()
        os.close(descriptor)


@asynccontextmanager
async def lived(on: Ground) -> AsyncIterator[None]:
    """Tell of this life, and give signs of it until it ends; to be entered when the house stands and all listen."""
    life, notices = on.life, Notices(on.bus.publish, on.clock)
    service, birth = life.service, life.birth
    _tell_log(on, notices)
    notices.show("lives", birth.trouble, "Look at the folder's rights, and whether the disk is full.")
    if birth.is_restart:
        last = birth.ends[0]
        _log.warning(
            "the life before this one ended unasked",
            ending=last.ending.value,
            code=last.code,
            where=last.where,
            at=last.at,
        )
    on.bus.publish(
        LifeBegan(
            at=on.clock.wall(),
            kept_by=service.kept_by,
            ends=birth.ends,
            is_restart=birth.is_restart,
            safe_mode=life.safe_mode,
        )
    )
    unsubscribe = on.bus.subscribe(lambda event, _snapshot: _clear(event, notices))
    if life.safe_mode:
        text = f"{healthwords.SAFE_MODE}. {healthwords.why_safe(life.safe_mode)}"
        notices.show("safe-mode", text, healthwords.SAFE_MODE_HINT)
        with suppress(CommandRefused):  # there is no window in a terminal
            await on.bus.send(RaiseWindow(page="log"))
    signs = [spawn(_breathe(on, notices), name="sign of life")]
    if service.listens:
        signs.append(spawn(_report(on), name="service status"))
    if service.watchdog_s is not None:
        signs.append(spawn(_feed_watchdog(on, service.watchdog_s), name="service watchdog"))
    service.ready()
    try:
        yield
    finally:
        service.stopping()
        unsubscribe()
        for each in signs:
            each.cancel()
        await asyncio.wait(signs)


def _clear(event: Event, notices: Notices) -> None:
    if isinstance(event, SafeModeLeft):
        notices.show("safe-mode", "")


def _tell_log(on: Ground, notices: Notices) -> None:
    notices.show("log", on.log.trouble, LOG_HINT)


async def _breathe(on: Ground, notices: Notices) -> None:
    """Give signs of life, and notice when the parent that keeps the program is gone."""
    is_lost = False
    while True:
        _tell_log(on, notices)
        with suppress(OSError):
            await asyncio.to_thread(on.life.record.breathe)
        if not is_lost and on.life.service.has_lost_keeper:
            is_lost = True
            on.bus.publish(KeeperLost(at=on.clock.wall()))
            notices.show("keeper", healthwords.KEEPER_LOST, healthwords.KEEPER_HINT)
        await on.clock.sleep(on.limits.beat_every_s)


async def _feed_watchdog(on: Ground, watchdog_s: float) -> None:
    """Give the service manager its signs of life from the loop itself, so that it notices a loop that is blocked."""
    while True:
        on.life.service.alive()
        await on.clock.sleep(watchdog_s / 2)


async def _report(on: Ground) -> None:
    told = ""
    async for snapshot in on.bus.snapshots(STATUS_EVERY_S):
        now = _in_a_line(snapshot)
        if now != told:
            told = now
            on.life.service.status(now)


def _in_a_line(snapshot: Snapshot) -> str:
    if snapshot.health.safe_mode:
        return f"safe mode: {snapshot.health.safe_mode}"
    if snapshot.mood is Mood.RED:
        return f"{tests(snapshot.red_count)} red"
    return snapshot.mood.value
