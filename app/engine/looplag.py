"""How late the loop is, measured all the time, and a watchdog that says where it hangs.

A frozen loop cannot report itself, so a thread looks at when the loop last ticked. The time in which that thread did
not run either is no lag: the process was stopped or the machine slept. A regular expression or an extension that holds
the interpreter lock also keeps the thread from running, but uses the processor meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import structlog

from app.domain.health import Lateness
from app.engine.crowding import Crowding, threads_seen
from app.engine.limits import Limits
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

_LIMITS = Limits()

TICK_S = 0.4
"""Cheap enough to go on for ever (four ticks a second took 0.15 % of a core), and a stall is still seen in 2.4 s."""
LOOK_S = 1.0
"""How often the watchdog looks while all is well."""
CROWD_LOOK_S = 0.25
"""How often it looks at all threads while the loop is late again and again."""
_SURE = 2
"""Looks in a row that must find the loop stuck: both may have waited for the interpreter's lock until just now."""
LONG_STALL_S = 30.0
"""A stall that people are told of; shorter ones are for the log and the page Health."""
LAG_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""The bounds of the histogram of lags, in seconds."""
WINDOW = 750
"""Ticks that p99 is taken over: five minutes."""
START_TICKS = 75
"""The first half minute, which p50 and p99 leave out: a start holds the loop up, and is over."""
FROZEN_S = 0.5
"""A watchdog that wakes later than this beyond its time was not allowed to run."""
TELL_S = 1.0
"""How long the watchdog waits for those whom it tells: the loop may hang in what they need, such as the log's lock."""
BUSY_SHARE = 0.5
"""A process that used this share of a processor while its watchdog could not run was busy, not stopped."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the watchdog concludes from one look: how late the loop is, and when to look again, both in seconds."""

    late_s: float
    again_s: float


class Judge:
    """Tells a late loop from a stopped process, from the times of the loop's ticks and of the watchdog's looks.

    Pure: all times come in as arguments, in monotonic seconds. `tick` is the loop's, `look` the watchdog's.

    Args:
        tick_s: How often the loop ticks.
        look_s: How often the watchdog looks while all is well.
        stall_s: What is late enough to be looked at exactly then.
        now: When it begins.
        cpu: Processor seconds of the process by then.
    """

    def __init__(self, *, tick_s: float, look_s: float, stall_s: float, now: float, cpu: float) -> None:
        self._tick_s = tick_s
        self._look_s = look_s
        self._stall_s = stall_s
        self._ticked = now
        self._looked = now
        self._cpu = cpu
        self._planned = now + look_s
        self._longest_s = 0.0

    def tick(self, now: float, cpu: float) -> float:
        """Note a tick of the loop, and return how late it was; 0 when the process was stopped meanwhile."""
        late = 0.0 if self._was_stopped(now, cpu) else max(0.0, now - self._ticked - self._tick_s)
        self._longest_s = max(self._longest_s, late)  # before the tick: a look that sees the one sees the other
        self._ticked = now
        return late

    def longest(self) -> float:
        """Return the longest lag of a tick since this was last asked; for the watchdog."""
        longest, self._longest_s = self._longest_s, 0.0
        return longest

    def look(self, now: float, cpu: float) -> Look:
        """Note a look of the watchdog. A process that was stopped begins anew."""
        if self._was_stopped(now, cpu):
            self._ticked = now
        late = max(0.0, now - self._ticked - self._tick_s)
        again = self._stall_s - late if self._tick_s < late < self._stall_s else self._look_s
        again = min(again, self._look_s)
        self._looked, self._cpu, self._planned = now, cpu, now + again
        return Look(late, again)

    def _was_stopped(self, now: float, cpu: float) -> bool:
        busy = cpu - self._cpu > BUSY_SHARE * (now - self._looked)
        return now - self._planned >= FROZEN_S and not busy


class LoopLag:
    """Measures the running loop's lag, and reports where it hangs. An async context manager.

    Args:
        clock: What tells the time; slept on by the loop, read by the watchdog.
        on_lag: Called once for each stall, on a thread of the watchdog's because the loop cannot: seconds so far, where
            the loop's thread is ("file.py:12 in name"), and BLOCKED. One of `long_s` and more is told when it is over,
            with all its seconds; the place is empty when the watchdog could not look meanwhile. When other threads make
            the loop late again and again it is called with the worst lag, the code that they were seen in most, and
            CROWDED, at most once in 15 minutes for each place.
        on_stuck: Called once, on the watchdog's thread, when the loop has not ticked for two minutes, as two looks
            in a row must find: gets where, and the stacks of all threads.
        tick_s: How often the loop ticks.
        look_s: How often the watchdog looks while all is well.
        stall_s: From when on a late tick is a stall.
        long_s: From when on a stall is a long one.
        stuck_s: From when on a stall is final.
        crowding: Finds the threads that make the loop late.
    """

    def __init__(
        self,
        clock: Clock,
        on_lag: Callable[[float, str, Lateness], None],
        *,
        on_stuck: Callable[[str, str], None] | None = None,
        tick_s: float = TICK_S,
        look_s: float = LOOK_S,
        stall_s: float = _LIMITS.stall_s,
        long_s: float = LONG_STALL_S,
        stuck_s: float = _LIMITS.stuck_s,
        crowding: Crowding | None = None,
    ) -> None:
        self._clock = clock
        self._on_lag = on_lag
        self._on_stuck = on_stuck
        self._tick_s = tick_s
        self._look_s = look_s
        self._stall_s = stall_s
        self._long_s = long_s
        self._stuck_s = stuck_s
        self._lags: deque[float] = deque(maxlen=WINDOW)
        self._crowding = crowding or Crowding()
        self._loop_thread = 0
        self._judge: Judge | None = None
        self._ended = threading.Event()
        self._watchdog: threading.Thread | None = None
        self._ticking: asyncio.Task[None] | None = None
        self.worst_s = 0.0
        """The longest lag since the start, in seconds."""
        self.sum_s = 0.0
        """All lags since the start, in seconds."""
        self.counts = [0] * (len(LAG_BOUNDS_S) + 1)
        """How many ticks since the start were late by up to each of `LAG_BOUNDS_S`, and by more than the last."""

    def p50_s(self) -> float:
        """Return the lag in seconds that half the ticks of the last five minutes stayed under; 0 before that."""
        lags = sorted(self._lags)
        return lags[len(lags) // 2] if lags else 0.0

    def p99_s(self) -> float:
        """Return the lag in seconds that 99 of 100 ticks of the last five minutes stayed under; 0 before that."""
        lags = sorted(self._lags)
        return lags[min(len(lags) - 1, len(lags) * 99 // 100)] if lags else 0.0

    async def __aenter__(self) -> Self:
        """Begin to measure the running loop."""
        self._loop_thread = threading.get_ident()
        self._judge = Judge(
            tick_s=self._tick_s,
            look_s=self._look_s,
            stall_s=self._stall_s,
            now=self._clock.monotonic(),
            cpu=time.process_time(),
        )
        self._ticking = spawn(self._tick(self._judge), name="loop-lag")
        self._watchdog = threading.Thread(target=self._watch, args=(self._judge,), name="loop-watchdog", daemon=True)
        self._watchdog.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop measuring."""
        self._ended.set()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
        if self._watchdog is not None:
            await asyncio.to_thread(self._watchdog.join)

    async def _tick(self, judge: Judge) -> None:
        while True:
            await self._clock.sleep(self._tick_s)
            late = judge.tick(self._clock.monotonic(), time.process_time())
            if sum(self.counts) >= START_TICKS:
                self._lags.append(late)
            self.sum_s += late
            self.counts[bisect_left(LAG_BOUNDS_S, late)] += 1
            self._crowding.tick(late, stall_s=self._stall_s)
            self.worst_s = max(self.worst_s, late)

    def _watch(self, judge: Judge) -> None:
        again_s, told, over, late_s, where = self._look_s, False, 0, 0.0, ""
        while not self._ended.wait(again_s):
            look = judge.look(self._clock.monotonic(), time.process_time())
            again_s = look.again_s
            if look.late_s < self._stall_s:
                late_s = max(late_s, judge.longest())  # by the tick, for what kept the watchdog from looking as well
                if told:
                    _log.warning("the loop runs again")
                if late_s >= self._long_s:
                    self._tell("the loop was blocked for long", late_s, where, Lateness.WAS_BLOCKED)
                told, over, late_s, where = False, 0, 0.0, ""
                if self._look_for_crowds():
                    again_s = min(again_s, CROWD_LOOK_S)
                continue
            late_s = look.late_s
            if not told:
                told, where = True, place_of(self._loop_thread)
                self._tell("the loop is blocked", late_s, where, Lateness.BLOCKED, stacks=_stacks())
            over += look.late_s >= self._stuck_s
            if over == _SURE and self._on_stuck is not None:
                self._on_stuck(place_of(self._loop_thread), stacks_as_text())

    def _look_for_crowds(self) -> bool:
        """Look who makes the loop late, if it is late again and again; return whether it is."""
        if not self._crowding.is_late:
            self._crowding.rest()
            return False
        seen = threads_seen(but={threading.get_ident()})
        found = self._crowding.sample(self._clock.monotonic(), seen, loop=self._loop_thread)
        if found is not None:
            late_s, where = found
            self._tell("the loop is late again and again", late_s, where, Lateness.CROWDED)
        return True

    def _tell(self, what: str, late_s: float, where: str, kind: Lateness, **more: object) -> None:
        def tell() -> None:
            _log.error(what, late_s=round(late_s, 3), where=where, **more)
            try:
                self._on_lag(late_s, where, kind)
            except Exception:  # noqa: BLE001 - the watchdog outlives whoever listens
                _log.exception("on_lag failed")

        teller = threading.Thread(target=tell, name="loop-watchdog-tells", daemon=True)
        teller.start()
        teller.join(TELL_S)


def stacks_as_text() -> str:
    """Return where all threads are, for a file."""
    return "\n".join(f"{name}:\n{stack}" for name, stack in _stacks().items())


def place_of(thread: int) -> str:
    """Return where a thread is: "file.py:12 in name".

    Args:
        thread: Its `ident`.
    """
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - there is no public way
    if frame is None:
        return "a thread that has ended"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def _stacks() -> dict[str, str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()  # noqa: SLF001 - there is no public way
    return {names.get(ident, str(ident)): "".join(traceback.format_stack(frame)) for ident, frame in frames.items()}
