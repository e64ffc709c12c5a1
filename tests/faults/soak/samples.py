"""What is measured all the time, and what it says about leaks."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from types import TracebackType

    from tests.faults.soak.program import KeptProgram

EVERY_S = 1.0
ASK_EVERY_S = 5.0
WARM_S = 180.0
"""So long a life may take to fill its caches, before its memory counts."""
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the process that watches; what could not be seen is None.

    Attributes:
        at: Seconds since the soak began.
        pid: The process; a new one is a new life.
        timers: Timers that are armed on the loop and in the window, as the program tells.
        children: Processes that descend from it.
    """

    at: float
    pid: int
    rss: int
    descriptors: int
    threads: int
    children: int
    timers: int | None


@dataclass
class Sampler:
    """Takes samples from a thread of its own. A context manager.

    Attributes:
        lags: Counts of the loop's ticks by how late they were, of each life by its process id; the last told.
        bounds: The upper bounds of those counts, in seconds.
    """

    program: KeptProgram
    samples: list[Sample] = field(default_factory=list)
    lags: dict[int, list[int]] = field(default_factory=dict)
    bounds: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _timers: int | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._thread = threading.Thread(target=self._sample, name="sampler")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def now(self) -> float:
        """Return the seconds since the soak began."""
        return time.monotonic() - self.began

    def _sample(self) -> None:
        asked = -ASK_EVERY_S
        while not self._ended.wait(EVERY_S):
            tray = self.program.tray()
            if tray is None:
                continue
            with contextlib.suppress(psutil.Error):
                if tray.status() == psutil.STATUS_STOPPED:
                    continue
                if self.now() - asked >= ASK_EVERY_S:
                    asked = self.now()
                    self._ask(tray.pid)
                with tray.oneshot():
                    usage = tray.memory_info().rss, tray.num_fds(), tray.num_threads()
                self.samples.append(
                    Sample(self.now(), tray.pid, *usage, len(tray.children(recursive=True)), self._timers)
                )

    def _ask(self, pid: int) -> None:
        vitals = ((self.program.snapshot() or {}).get("health") or {}).get("vitals")
        if vitals is not None:
            self._timers = vitals["timers"]
            self.lags[pid], self.bounds = list(vitals["lag_counts"]), list(vitals["lag_bounds_s"])


@dataclass(frozen=True, slots=True)
class Slopes:
    """How a figure moves within lives, each by itself, after its first minutes: per hour, over the longest lives.

    Attributes:
        seconds: How much time the figure is taken from.
    """

    rss_mib: float
    descriptors: float
    threads: float
    timers: float
    seconds: float


def slopes(samples: list[Sample], warm_s: float = WARM_S) -> Slopes:
    """Return how figures move: of each life by Theil and Sen (the median of all pairs' slopes), weighted by length."""
    weighted = dict.fromkeys(("rss", "descriptors", "threads", "timers"), 0.0)
    total = 0.0
    for _, group in itertools.groupby(samples, key=lambda each: each.pid):
        life = list(group)
        life = [each for each in life if each.at - life[0].at >= warm_s]
        if len(life) < 30:  # half a minute says nothing
            continue
        seconds = life[-1].at - life[0].at
        total += seconds
        for name in weighted:
            weighted[name] += seconds * _slope(life, name)
    each_hour = {name: 3600 * value / total if total else 0.0 for name, value in weighted.items()}
    return Slopes(each_hour["rss"] / _MIB, each_hour["descriptors"], each_hour["threads"], each_hour["timers"], total)


def _slope(life: list[Sample], name: str) -> float:
    step = max(1, len(life) // 200)
    points = [(each.at, getattr(each, name)) for each in life[::step] if getattr(each, name) is not None]
    rises = [(b - a) / (t - s) for (s, a), (t, b) in itertools.combinations(points, 2) if t > s]
    return statistics.median(rises) if rises else 0.0


def lag_counts(lags: dict[int, list[int]]) -> list[int]:
    """Return the counts of all lives together."""
    return [sum(each) for each in zip(*lags.values(), strict=True)] if lags else []


def lag_at(share: float, bounds: list[float], counts: list[int]) -> float:
    """Return the least bound that so much of all ticks stayed under, in seconds; infinite beyond the last."""
    left = share * sum(counts)
    for bound, count in zip([*bounds, float("inf")], counts, strict=True):
        left -= count
        if left <= 0:
            return bound
    return 0.0


def as_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """Return samples as JSON holds them."""
    return [asdict(each) for each in samples]
