"""What all tests share: the loops that async tests run on, a clock that a test moves by hand, and no real display."""

from __future__ import annotations

import asyncio
import functools
import gc
import heapq
import itertools
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unplugged import WITHOUT_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.ui.loop import QtLoop

if not os.environ.get("WATCHKEEPER_DESKTOP"):
    os.environ["QT_QPA_PLATFORM"] = "offscreen"

TESTS = Path(__file__).parent
ON_BOTH_LOOPS = frozenset({"ai", "engine", "agents", "alerts", "control", "keys", "store", "system"})
ON_QT = frozenset({"ui", "desktop"})
ON_EITHER_LOOP_IN_SHORT = frozenset({"ai", "agents", "store"})
"""They stand on the engine, whose own tests run on both loops always: the short form runs half of them on each."""


@functools.cache
def _application() -> Any:
    from PySide6.QtWidgets import QApplication  # noqa: PLC0415

    return QApplication.instance() or QApplication(["watchkeeper-tests"])


def _qt_loop() -> QtLoop:
    from app.ui.loop import QtLoop  # noqa: PLC0415

    return QtLoop(_application())


def pytest_asyncio_loop_factories(
    config: pytest.Config,
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run a room below the faces on both loops, what shows something on Qt's, the rest on asyncio's."""
    room = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
    if room in ON_QT:
        return {"qt": _qt_loop}
    if room not in ON_BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop}
    both: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "qt": _qt_loop}
    mark = item.get_closest_marker("asyncio")
    has_named_its_own = mark is not None and "loop_factories" in mark.kwargs
    if room in ON_EITHER_LOOP_IN_SHORT and is_short(config) and not has_named_its_own:
        # By its name, so that a test stays on its loop: a fault that shows on one alone shows in each run or in none.
        name = ("asyncio", "qt")[zlib.crc32(item.name.encode()) % 2]
        return {name: both[name]}
    return both


def is_short(config: pytest.Config) -> bool:
    """Return whether the slow tests are left out."""
    return "not slow" in (config.getoption("markexpr") or "")


def pytest_configure(config: pytest.Config) -> None:
    """In short, have a pytest that a test starts load no plugins of this environment.

    The process that only hands tests to workers keeps theirs.
    """
    runs_tests = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if runs_tests and is_short(config):
        os.environ[WITHOUT_PLUGINS] = "1"


def pytest_collection_finish() -> None:
    """Leave what was collected out of each later look for garbage: it stays to the end, and there is much of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=["asyncio", "qt"])
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """A factory of either loop, for a test that runs and closes loops itself."""
    return asyncio.new_event_loop if request.param == "asyncio" else _qt_loop


class FakeClock:
    """A clock (app.engine.clock.Clock) that stands still until a test moves it."""

    def __init__(self) -> None:
        self._wall = 1_700_000_000.0
        self._now = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._fell_asleep = asyncio.Event()

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return self._wall

    def monotonic(self) -> float:
        """Return seconds that only the test moves."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has moved the clock that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), wake))
        self._fell_asleep.set()
        await wake

    @property
    def sleeping(self) -> int:
        """How many tasks sleep on this clock."""
        return sum(not wake.done() for _, _, wake in self._sleepers)

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock alone, as a person or NTP does."""
        self._wall = seconds

    def advance(self, seconds: float) -> None:
        """Move both clocks on at once and wake all who are due by then; their code runs when the caller next awaits."""
        self._now += seconds
        self._wall += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass from one due sleeper to the next, so that what sleeps again within `seconds` wakes again."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.advance(max(0.0, self._sleepers[0][0] - self._now))
            await settle()
        self.advance(end - self._now)
        await settle()

    async def wait_for_sleepers(self, count: int = 1) -> None:
        """Wait until that many tasks sleep on this clock (for code that does something real before it sleeps)."""
        async with asyncio.timeout(10):
            while self.sleeping < count:
                self._fell_asleep.clear()
                await self._fell_asleep.wait()


async def settle(turns: int = 25) -> None:
    """Give the loop some turns, so that what was woken runs until it waits for something real again."""
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that the test moves: `advance(seconds)`, `await pass_time(seconds)`, `await wait_for_sleepers(n)`."""
    return FakeClock()
