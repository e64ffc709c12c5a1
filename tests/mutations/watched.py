"""A project that the whole house watches, without a face: the real watcher, its supervisor, its bus and its history.

Nothing of it is built here by hand, so it stays true when the watcher's own parts change.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import psutil

from app.domain.events import RunFinished, RunStarted
from app.domain.verdicts import Verdict
from app.engine.places import Places
from app.house.ground import ground as laid_ground
from app.house.rooms import house
from tests.unplugged import WITHOUT_PLUGINS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from app.domain.events import Event
    from app.domain.snapshot import ProjectView, Snapshot
    from app.engine.bus import Bus

E = TypeVar("E", bound="Event")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

LOOK_S = 0.1
"""How often processes are looked at; the unit of their CPU time is 10 ms."""

FLAT_S = 0.6
"""So long nothing may run and no process below this one use CPU time, for a watch to count as quiet."""

APART_S = 0.4
"""A person's save comes no sooner after a verdict; what comes sooner may be the tests' own doing, and is held back."""


class Watched:
    """A watched project, and everything that was published.

    Args:
        root: The project's folder.
        bus: Of the house that watches it.
    """

    def __init__(self, root: Path, bus: Bus) -> None:
        self.root = root
        self.bus = bus
        self.events: list[Event] = []
        self._moved = asyncio.Event()
        bus.subscribe(self._hear)

    def _hear(self, event: Event, _snapshot: Snapshot) -> None:
        self.events.append(event)
        self._moved.set()

    async def until(self, holds: Callable[[], bool], *, within_s: float = 40.0) -> None:
        """Wait until something holds, looked at after each event."""
        async with asyncio.timeout(within_s):
            while not holds():
                self._moved.clear()
                await self._moved.wait()

    @property
    def view(self) -> ProjectView:
        """The project in the snapshot of now."""
        return self.bus.snapshot.projects[str(self.root)]

    @property
    def red(self) -> set[str]:
        """The tests that are red in the snapshot of now."""
        return {state.nodeid for state in self.view.red}

    @property
    def is_running(self) -> bool:
        """Whether a run goes on."""
        view = self.bus.snapshot.projects.get(str(self.root))
        return view is not None and view.current is not None

    def all(self, kind: type[E]) -> list[E]:
        """Return all events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def verdicts(self) -> list[Verdict]:
        """What the runs said that came to their end."""
        return [event.verdict for event in self.all(RunFinished) if event.verdict is not Verdict.CANCELLED]

    @property
    def causes(self) -> list[set[str]]:
        """The changed files of each run that was started."""
        return [set(event.cause.paths) for event in self.all(RunStarted)]

    async def ran(self, count: int, *, within_s: float = 40.0) -> None:
        """Wait until so many runs have come to their end."""
        await self.until(lambda: len(self.verdicts) >= count, within_s=within_s)

    async def quiet(self, *, within_s: float = 40.0) -> None:
        """Wait until no run goes on and no process below this one works, those that are only made ready neither."""
        async with asyncio.timeout(within_s):
            flat_s, before = 0.0, cpu_seconds(family())
            while flat_s < FLAT_S:
                await asyncio.sleep(LOOK_S)
                now = cpu_seconds(family())
                flat_s, before = flat_s + LOOK_S if now == before and not self.is_running else 0.0, now

    async def pause(self) -> None:
        """Let as much time pass as lies between a verdict and a person's next save."""
        await asyncio.sleep(APART_S)


@asynccontextmanager
async def watching(
    root: Path,
    home: Path,
    *,
    python: str | None = sys.executable,
    tests: Mapping[str, object] | None = None,
    more: str = "",
) -> AsyncIterator[Watched]:
    """Watch a project for as long as this is entered.

    Args:
        root: The project's folder, without links in its path.
        home: Watchkeeper's own folders lie in it.
        python: The interpreter that runs its tests; None to have it looked for.
        tests: More settings of the section `[tests]`.
        more: More sections, as TOML.
    """
    settings = {**({"python": python} if python else {}), "coverage": "off", **(tests or {})}
    places = Places.find({"WATCHKEEPER_HOME": str(home)})
    places.create()
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    places.settings_file.write_text("".join(["[tests]\n", *lines, more]), encoding="utf-8")
    with laid_ground(places) as ground:
        watched = Watched(root, ground.bus)
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        async with house(ground, (root,), attended=False):
            for number, handler in handlers.items():  # Ctrl+C is for whoever runs this, not for the house
                asyncio.get_running_loop().remove_signal_handler(number)
                signal.signal(number, handler)
            yield watched


def family() -> list[psutil.Process]:
    """Return all processes below this one."""
    return psutil.Process().children(recursive=True)


def cpu_seconds(processes: Iterable[psutil.Process]) -> dict[int, float]:
    """Return the CPU time that each has used, user and system, by process id; of one that has ended, nothing."""
    used: dict[int, float] = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used[process.pid] = times.user + times.system
    return used


def lives(process: psutil.Process) -> bool:
    """Return whether a process goes on; one that nobody reaps has ended all the same."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(processes: Iterable[psutil.Process], *, within_s: float = 10.0) -> bool:
    """Wait until none of them goes on, and return whether that came about."""
    alive = [each for each in processes if lives(each)]
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while alive:
                await asyncio.sleep(LOOK_S)
                alive = [each for each in alive if lives(each)]
    return not alive


def plain_environ() -> dict[str, str]:
    """Return the environment for a plain pytest: nothing of the pytest that may be running this, no foreign venv."""
    left_out = ("PYTEST", "COV", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "WATCHKEEPER")
    return {
        name: value for name, value in os.environ.items() if name == WITHOUT_PLUGINS or not name.startswith(left_out)
    }
