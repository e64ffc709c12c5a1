"""Whether the machine slept, or the process was stopped: judged by clocks that nobody can set.

Each system has a clock that goes on during suspend and one that does not, so that what they drift apart by is exactly
what was slept. The wall clock is not asked: a person or a time server sets it. A process that was stopped (SIGSTOP, a
frozen container, a paused virtual machine) shows as a look that came late although the process had nothing to do; a
blocked event loop does not, since a thread looks. Whoever else hears of a wake-up, from the system, only asks for a
look: what was told once is told by nobody again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import structlog

from app.engine.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_log = structlog.get_logger(__name__)

SLEPT_S = 1.0
"""Clocks that drifted apart by less than this did so in between being read."""
BUSY_SHARE = 0.5
"""A process that used this share of a processor while the look was late was busy, not stopped."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at one moment, in seconds, each from a beginning of its own.

    Attributes:
        awake: Time during which the machine was awake.
        slept: Time during which it slept; None where the system does not tell.
        used: Processor time of this process.
    """

    awake: float
    slept: float | None
    used: float


class SleepJudge:
    """Tells how long the machine slept, or the process stood still, between two looks. Pure: times come as arguments.

    Args:
        look_s: How often it is looked, in seconds.
        stopped_s: By so much a look must be late for the process to have been stopped.
        first: The clocks at the beginning.
    """

    def __init__(self, first: Reading, *, look_s: float, stopped_s: float) -> None:
        self._last = first
        self._look_s = look_s
        self._stopped_s = stopped_s

    def look(self, now: Reading) -> float:
        """Return for how many seconds nothing ran since the last look; 0 while all did. Each second is told once."""
        last, self._last = self._last, now
        slept = 0.0 if now.slept is None or last.slept is None else now.slept - last.slept
        late = now.awake - last.awake - self._look_s
        stopped = late if late >= self._stopped_s and now.used - last.used < BUSY_SHARE * late else 0.0
        return (slept if slept >= SLEPT_S else 0.0) + stopped


def read_clocks() -> Reading:
    """Read this machine's clocks."""
    awake, slept = _awake_and_slept()
    return Reading(awake, slept, time.process_time())


def elapsed_s() -> float:
    """Return seconds that go on while the machine sleeps, and that nobody can set."""
    awake, slept = _awake_and_slept()
    return awake + (slept or 0.0)


def _awake_and_slept() -> tuple[float, float | None]:
    """Return the clock that stands still during suspend, and by how much the one that goes on is ahead of it.

    Linux: clock_gettime(2), where BOOTTIME goes on and MONOTONIC does not. macOS: clock_gettime(3), where MONOTONIC
    goes on and UPTIME_RAW does not. Windows: GetTickCount64 goes on, QueryUnbiasedInterruptTime does not.
    """
    import sys  # noqa: PLC0415 - so that the type checker sees each system's branch beside its imports

    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - Windows alone

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetTickCount64.restype = ctypes.c_ulonglong
        unbiased = ctypes.c_ulonglong()
        kernel.QueryUnbiasedInterruptTime(ctypes.byref(unbiased))
        awake = unbiased.value / 1e7
        return awake, kernel.GetTickCount64() / 1e3 - awake
    elif sys.platform == "darwin":  # noqa: RET505 - the type checker passes over the other systems' branches only so
        awake = time.clock_gettime(time.CLOCK_UPTIME_RAW)
        return awake, time.clock_gettime(time.CLOCK_MONOTONIC) - awake
    elif sys.platform == "linux":
        awake = time.clock_gettime(time.CLOCK_MONOTONIC)
        return awake, time.clock_gettime(time.CLOCK_BOOTTIME) - awake
    else:
        return time.monotonic(), None


class SleepWatch:
    """Looks at the clocks from a thread of its own, and whenever asked to. An async context manager.

    Args:
        tell: Called on whatever thread looked, with the seconds and who noticed: `clock`, or who asked for the look.
        read: Reads the clocks.
        look_s: How often it is looked, in seconds.
        stopped_s: By so much a look must be late for the process to have been stopped.
    """

    def __init__(
        self,
        tell: Callable[[float, str], None],
        *,
        read: Callable[[], Reading] = read_clocks,
        look_s: float = Limits().asleep_every_s,
        stopped_s: float = Limits().stopped_s,
    ) -> None:
        self._tell = tell
        self._read = read
        self._look_s = look_s
        self._gate = threading.Lock()
        self._judge = SleepJudge(read(), look_s=look_s, stopped_s=stopped_s)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sleep-watch", daemon=True)

    async def __aenter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no more."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    def look(self, source: str) -> None:
        """Look now, since `source` says that the machine woke up. From any thread; does not block."""
        with self._gate:
            slept_s = self._judge.look(self._read())
        if slept_s and not self._ended.is_set():
            _log.info("the machine slept, or the process was stopped", seconds=round(slept_s, 1), noticed_by=source)
            self._tell(slept_s, source)

    def _watch(self) -> None:
        while not self._ended.wait(self._look_s):
            try:
                self.look("clock")
            except Exception:  # noqa: BLE001 - the thread outlives whoever listens
                _log.exception("a wake-up could not be told")
