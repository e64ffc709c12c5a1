"""What is held for every row of the fault catalogue, whatever the fault was: the fixtures `sound` and `tidy`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from app.ui.loop import QtLoop

ON_BOTH_LOOPS = frozenset({"test_agents.py", "test_bridge.py"})
ON_QT = frozenset({"test_dialog.py"})

BACK_WITHIN_S = 10.0
"""How soon a process is what it was; the catalogue allows 60 s."""

TICK_S = 0.005
LAG_S = 0.05
ENOUGH_TICKS = 200
"""With fewer there is no telling what 99 of 100 are."""

POOLS = ("asyncio_", "loop-worker")
"""Threads of the loop's own pool, which live as long as the loop."""


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - pytest-asyncio's signature
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """Run rows of the engine on both loops, and those about windows on Qt's; None leaves it to the folder above."""
    if item.path.name in ON_BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "qt": _qt_loop}
    return {"qt": _qt_loop} if item.path.name in ON_QT else None


def _qt_loop() -> QtLoop:
    from PySide6.QtWidgets import QApplication  # noqa: PLC0415 - most rows need no Qt

    from app.ui.loop import QtLoop  # noqa: PLC0415 - likewise

    return QtLoop(QApplication.instance() or QApplication(["watchkeeper-tests"]))


class Complaints(logging.Handler):
    """What the interpreter and asyncio complain of without anybody asking: never awaited, never retrieved, not closed.

    Outside the loop's own thread nobody else would hear it.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []
        self._before = sys.unraisablehook

    def __enter__(self) -> Self:
        """Begin to listen."""
        sys.unraisablehook = self._unraisable
        logging.getLogger("asyncio").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        logging.getLogger("asyncio").removeHandler(self)
        sys.unraisablehook = self._before

    def emit(self, record: logging.LogRecord) -> None:
        """Note what asyncio logs as an error."""
        self.heard.append(record.getMessage())

    def _unraisable(self, unraisable: Any) -> None:
        self.heard.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")


class Lag:
    """How late a loop is, beside a thread of its own that shows how late the machine alone makes everybody."""

    def __init__(self) -> None:
        self.loop: list[float] = []
        self.machine: list[float] = []
        self._over = threading.Event()

    async def ticks(self) -> None:
        """Measure the loop, until cancelled."""
        thread = threading.Thread(target=self._bare_ticks, name="bare-ticks", daemon=True)
        thread.start()
        try:
            while True:
                due = time.perf_counter() + TICK_S
                await asyncio.sleep(TICK_S)
                self.loop.append(max(0.0, time.perf_counter() - due))
        finally:
            self._over.set()
            thread.join()

    def _bare_ticks(self) -> None:
        while not self._over.is_set():
            due = time.perf_counter() + TICK_S
            time.sleep(TICK_S)
            self.machine.append(max(0.0, time.perf_counter() - due))

    @property
    def ours_s(self) -> float:
        """The lag that 99 of 100 ticks stay under, less what a bare thread saw meanwhile; 0 when there were too few."""
        if min(len(self.loop), len(self.machine)) < ENOUGH_TICKS:
            return 0.0
        return max(0.0, _p99(self.loop) - _p99(self.machine))


def _p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


@dataclass
class Sound:
    """The program's soundness during a row.

    Attributes:
        lag: Of the loop that the test runs on.
        is_lag_held: False where the fault itself keeps the loop from running.
    """

    lag: Lag = field(default_factory=Lag)
    is_lag_held: bool = True

    def from_now_on(self) -> None:
        """Forget the lag so far: that of a start, which imports what a life needs, is another matter."""
        self.lag.loop.clear()
        self.lag.machine.clear()


def threads() -> list[str]:
    """Return the names of all threads but those of the loop's own pool."""
    return sorted(each.name for each in threading.enumerate() if not each.name.startswith(POOLS))


def descriptors() -> list[str]:
    """Return what each open descriptor leads to."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names that may be gone a moment later
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - likewise
        except OSError:
            continue
    return sorted(found)


def bound(count: int) -> int:
    """Return how much of a thing there may be afterwards: 5 % more, and never less than two."""
    return count + max(2, count // 20)


@pytest.fixture
def tidy() -> Iterator[None]:
    """Hold that threads, descriptors and children are given back, and that nothing was complained of."""
    gc.collect()
    before = threads(), descriptors()
    children = {each.pid for each in psutil.Process().children(recursive=True)}
    with Complaints() as complaints:
        yield
        gc.collect()
        until = time.monotonic() + BACK_WITHIN_S
        while (left := _left(*before, children)) and time.monotonic() < until:
            time.sleep(0.05)
        gc.collect()
    assert not left
    assert complaints.heard == []


def _left(threads_before: list[str], descriptors_before: list[str], children_before: set[int]) -> str:
    """Return what there is too much of, or nothing."""
    now, held = threads(), descriptors()
    children = [
        each
        for each in psutil.Process().children(recursive=True)
        if each.pid not in children_before and each.is_running() and each.status() != psutil.STATUS_ZOMBIE
    ]
    if len(now) > bound(len(threads_before)):
        return f"threads: {now}, before: {threads_before}"
    if len(held) > bound(len(descriptors_before)):
        return f"descriptors: {held}, before: {descriptors_before}"
    return f"children: {children}" if children else ""


@pytest.fixture
async def sound(tidy: None) -> AsyncIterator[Sound]:  # noqa: ARG001 - for what it holds
    """Hold for a test on a loop what the catalogue holds for every row; `tidy` does for what has no loop.

    That is: no task is left, the loop is late by less than 50 ms for 99 of 100 ticks, and what `tidy` holds.
    """
    made = Sound()
    before = asyncio.all_tasks()
    ticking = asyncio.create_task(made.lag.ticks(), name="ticks")
    yield made
    ticking.cancel()
    await asyncio.wait({ticking})
    mine = {asyncio.current_task()}
    left = {task for task in asyncio.all_tasks() - before - mine if not task.done()}
    if left:
        await asyncio.wait(left, timeout=1.0)
    assert [task.get_name() for task in left if not task.done()] == []
    if made.is_lag_held:
        assert made.lag.ours_s < LAG_S


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance with a seed that is printed, and so shown when the test fails; WATCHKEEPER_SEED repeats one."""
    seed = int(os.environ.get("WATCHKEEPER_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"{request.node.name}: WATCHKEEPER_SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    return random.Random(seed)  # noqa: S311 - moments, not secrets
