"""Row 10: a dialog or a menu that somebody leaves open while they fetch a coffee."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from PySide6.QtCore import QPoint, QTimer
from PySide6.QtWidgets import QDialog, QMenu, QMessageBox, QWidget

from app.domain.agents import AgentState
from app.domain.commands import RunTests
from app.engine.bridge import SafeAsyncBridge
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.limits import Limits
from app.engine.supervisor import Supervisor
from app.ui.tray_menu import TrayMenu
from app.ui.tray_view import MenuEntry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse

OPEN_S = 60.0
LIMITS = Limits()
FAST = replace(LIMITS, beat_every_s=0.05, check_every_s=0.05, stale_after_s=0.5, drain_s=0.2, cancel_s=0.2)
"""The table for a day that passes in seconds: an agent that misses ten heartbeats is stale."""
NESTED_S = 1.2

NAMES = ("waits", "works", "threaded")


class Shown(Protocol):
    """Something on the screen."""

    def isVisible(self) -> bool:  # noqa: N802 - Qt's name
        """Tell whether it is there."""
        ...

    def close(self) -> bool:
        """Take it away."""
        ...


class Busy:
    """An agent that waits, one that works in steps, or one whose work comes from a thread over the bridge."""

    def __init__(self, name: str, clock: Clock, bridge: SafeAsyncBridge) -> None:
        self.name = name
        self._clock = clock
        self._bridge = bridge

    async def run(self, pulse: Pulse) -> None:
        if self.name == "waits":
            await pulse.until()
        while not pulse.stopping.is_set():
            if self.name == "threaded":
                await asyncio.to_thread(self._bridge.submit, pulse.did)
            await pulse.rest(1.0)


@asynccontextmanager
async def agents(clock: Any, limits: Limits) -> AsyncIterator[Bus]:
    """Three agents under a supervisor."""
    bus = Bus(clock)
    async with (
        SafeAsyncBridge(asyncio.get_running_loop()) as bridge,
        Supervisor(bus, clock, limits=limits) as supervisor,
    ):
        for name in NAMES:
            supervisor.add(Busy(name, clock, bridge))
        yield bus
        for name in NAMES:
            supervisor.stop(name)
        async with asyncio.timeout(20):
            while any(bus.snapshot.agents[name].state is not AgentState.STOPPED for name in NAMES):
                if isinstance(clock, SystemClock):
                    await clock.sleep(0.01)
                else:
                    await clock.pass_time(1.0)


def beats(bus: Bus) -> dict[str, float | None]:
    return {name: bus.snapshot.agents[name].beat_at for name in NAMES}


@pytest.fixture
def parent(qapp: object) -> Iterator[QWidget]:  # noqa: ARG001 - Qt wants an application first
    widget = QWidget()
    widget.show()
    yield widget
    widget.close()
    widget.deleteLater()


def a_dialog(parent: QWidget) -> QDialog:
    dialog = QDialog(parent)
    dialog.open()
    return dialog


def a_question(parent: QWidget) -> QMessageBox:
    question = QMessageBox(QMessageBox.Icon.Question, "Quit", "Tests are running.", parent=parent)
    question.open()
    return question


def a_menu(parent: QWidget) -> QMenu:
    menu = TrayMenu(lambda _command: None)
    menu.setParent(parent)
    menu.show_entries((MenuEntry("run", "first", "Run tests", RunTests()),))
    menu.widget.popup(QPoint(10, 10))
    return menu.widget


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("shows", [a_dialog, a_question, a_menu], ids=lambda shows: shows.__name__)
async def test_row_10_agents_beat_while_something_is_open(
    shows: Callable[[QWidget], Shown], parent: QWidget, fake_clock: Any
) -> None:
    """For a minute a dialog, a question or the tray's menu is open, and every agent beats as before; none is stale."""
    async with agents(fake_clock, LIMITS) as bus:
        await fake_clock.pass_time(1.0)
        shown = shows(parent)
        await asyncio.sleep(0)
        before = beats(bus)

        for _ in range(6):
            await fake_clock.pass_time(OPEN_S / 6)
            await asyncio.sleep(0.01)  # Qt's own turn, and the threads'

        after = beats(bus)
        assert shown.isVisible()
        assert all(after[name] - before[name] >= OPEN_S - LIMITS.beat_every_s for name in NAMES)
        assert {bus.snapshot.agents[name].state for name in NAMES} == {AgentState.RUNNING}
        assert bus.snapshot.agents["threaded"].progress > 0
        shown.close()


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("opened_by", ["qt", "a task"])
async def test_row_10_agents_beat_inside_a_loop_that_a_dialog_nests(opened_by: str, parent: QWidget) -> None:
    """What is not ours may call exec(), which nests a loop of Qt's in ours: in real time, agents beat in there too."""
    seen: list[dict[str, float | None]] = []
    clock = SystemClock()

    async with agents(clock, FAST) as bus:
        await clock.sleep(FAST.beat_every_s)
        dialog = QDialog(parent)

        def nest() -> None:
            seen.append(beats(bus))
            QTimer.singleShot(round(NESTED_S * 1000), lambda: (seen.append(beats(bus)), dialog.accept()))
            dialog.exec()

        async def nest_in_a_task() -> None:
            nest()

        if opened_by == "qt":
            QTimer.singleShot(0, nest)
        else:
            await asyncio.create_task(nest_in_a_task())
        while len(seen) < 2:  # noqa: ASYNC110 - Qt's timer has no event of ours
            await asyncio.sleep(0.01)

        before, after = seen
        assert all(after[name] - before[name] >= NESTED_S / 2 for name in NAMES)
        assert {bus.snapshot.agents[name].state for name in NAMES} == {AgentState.RUNNING}
        assert all(bus.snapshot.agents[name].restarts == 0 for name in NAMES)
