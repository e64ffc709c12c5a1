"""What makes the loop late when nothing blocks it: threads that compute, and hold the interpreter's lock in turn.

No single stall shows that: each tick comes some ten milliseconds late, for as long as it goes on. So once ticks come
late again and again, all threads are looked at now and then, and the code that those are in which use the processor is
counted. Looking costs about 20 microseconds a thread, and nothing while the loop is in time.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from types import FrameType

LATE_S = 0.05
"""A tick that comes later than this is felt."""
WINDOW = 150
"""Ticks that are looked back at: a minute..."""
LATE_TICKS = 4
"""...of which so many came late: more than one in a hundred, so p99 is over `LATE_S`."""
SIGHTINGS = 8
"""How often a place must be seen at work before it is told."""
BUSY_SHARE = 0.1
"""A thread that uses this share of a core is at work; eight that hold the lock in turn have more."""
AGAIN_AFTER_S = 900.0
"""One place is told at most once in so long."""
_NAMES = 3
_TASKS = Path("/proc/self/task")
_WAITING_IN = frozenset(
    {"app.ui.loop", "concurrent.futures.thread", "queue", "selectors", "socket", "ssl", "subprocess", "threading"}
)
"""Where a thread waits, for systems that do not tell what a thread uses."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A thread as it was seen.

    Attributes:
        ident: Python's number of it.
        thread: Its name.
        code: Its innermost code: file and function.
        line: The line there.
        cpu_s: Processor seconds that it has used; None where the system does not tell.
        waits: Whether that code is known to wait.
    """

    ident: int
    thread: str
    code: tuple[str, str]
    line: int
    cpu_s: float | None
    waits: bool = False


class Crowding:
    """Finds the code that makes the loop late. `tick` is the loop's, `sample` the watchdog's.

    Pure: times and threads come in as arguments.

    Args:
        late_s: A tick that comes later than this is late.
        sightings: How often a place must be seen at work before it is told.
    """

    def __init__(self, *, late_s: float = LATE_S, sightings: int = SIGHTINGS) -> None:
        self._late_s = late_s
        self._sightings = sightings
        self._ticks: deque[float] = deque(maxlen=WINDOW)
        self._late = 0
        self._worst_s = 0.0
        self._used: dict[int, tuple[float, float]] = {}
        self._places: Counter[tuple[str, str]] = Counter()
        self._lines: Counter[tuple[tuple[str, str], int]] = Counter()
        self._threads: dict[tuple[str, str], set[str]] = {}
        self._told: dict[tuple[str, str], float] = {}

    @property
    def is_late(self) -> bool:
        """Whether ticks come late again and again."""
        return self._late >= LATE_TICKS

    def tick(self, late_s: float, *, stall_s: float) -> None:
        """Note how late a tick was; a stall is told of by itself, and counts as none."""
        if late_s >= stall_s:
            late_s = 0.0
        if len(self._ticks) == WINDOW:
            self._late -= self._ticks[0] > self._late_s
        self._ticks.append(late_s)
        self._late += late_s > self._late_s
        self._worst_s = max(self._worst_s, late_s) if self._late else 0.0

    def sample(self, now: float, seen: Iterable[Seen], *, loop: int) -> tuple[float, str] | None:
        """Count who works; return the worst lag and the code that was seen most, once that is clear.

        Args:
            now: Monotonic seconds.
            seen: The threads.
            loop: The loop's own thread: named only where no other works.
        """
        working = [each for each in seen if self._works(each, now)]
        # In Qt's own loop, or where the loop waits, it says nothing that it is the loop's thread which works.
        working = [each for each in working if each.ident != loop] or [each for each in working if not each.waits]
        for each in working:
            self._places[each.code] += 1
            self._lines[each.code, each.line] += 1
            self._threads.setdefault(each.code, set()).add(each.thread)
        for code, count in self._places.most_common(1):
            if count >= self._sightings:
                return self._told_of(code, now)
        return None

    def rest(self) -> None:
        """The loop is in time: forget what was seen."""
        if self._used or self._places:
            self._used.clear()
            self._forget()

    def _works(self, each: Seen, now: float) -> bool:
        if each.cpu_s is None:
            return not each.waits
        before, at = self._used.get(each.ident, (each.cpu_s, now))
        self._used[each.ident] = each.cpu_s, now
        return now > at and each.cpu_s - before >= BUSY_SHARE * (now - at)

    def _told_of(self, code: tuple[str, str], now: float) -> tuple[float, str] | None:
        line = max((count, number) for (at, number), count in self._lines.items() if at == code)[1]
        names = sorted(self._threads[code])
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        self._forget()
        if now - self._told.get(code, -AGAIN_AFTER_S) < AGAIN_AFTER_S:
            return None
        self._told = {each: at for each, at in self._told.items() if now - at < AGAIN_AFTER_S}
        self._told[code] = now
        threads = f"thread{'s' if len(names) > 1 else ''} {', '.join(names[:_NAMES])}{more}"
        return self._worst_s, f"{code[0]}:{line} in {code[1]} ({threads})"

    def _forget(self) -> None:
        self._places.clear()
        self._lines.clear()
        self._threads.clear()


def threads_seen(but: Collection[int] = ()) -> list[Seen]:
    """Return where all threads of Python are now, and what each has used, but for those of these numbers."""
    known = {thread.ident: thread for thread in threading.enumerate()}
    frames = sys._current_frames()  # noqa: SLF001 - there is no public way
    return [_seen(ident, frame, known.get(ident)) for ident, frame in frames.items() if ident not in but]


def _seen(ident: int, frame: FrameType, thread: threading.Thread | None) -> Seen:
    code = frame.f_code
    used = _cpu_s(thread.native_id) if thread is not None and thread.native_id is not None else None
    waits = str(frame.f_globals.get("__name__", "")) in _WAITING_IN
    name = thread.name if thread is not None else str(ident)
    return Seen(ident, name, (code.co_filename, code.co_qualname), frame.f_lineno, used, waits)


def _cpu_s(native: int) -> float | None:
    """Return what a thread has used, as Linux tells it (Documentation/scheduler/sched-stats): first, nanoseconds.

    Another way is pthread_getcpuclockid(3), but it may crash for a thread that has just ended.
    """
    try:
        return int((_TASKS / str(native) / "schedstat").read_bytes().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
