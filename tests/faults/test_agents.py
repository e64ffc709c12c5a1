"""Rows 1 to 6 and 9: what agents may do to themselves, under a supervisor with others beside them and a person told."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from app.agents.health.agent import HealthAgent
from app.alerts.flow import Alerts, Route
from app.alerts.policy import Policy, Rules
from app.domain.agents import AgentState
from app.domain.events import AgentChanged, NoticeRaised, ProgressMissed
from app.domain.health import Vitals
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.limits import Limits
from app.engine.places import Places
from app.engine.supervisor import Supervisor
from app.engine.tasks import spawn

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from app.domain.alerts import Alert
    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.heartbeat import Pulse

    Life = Callable[[Pulse], Awaitable[None]]

STARTING, RUNNING, STALE = AgentState.STARTING, AgentState.RUNNING, AgentState.STALE
BACKOFF, FAILED, ABANDONED = AgentState.BACKOFF, AgentState.FAILED, AgentState.ABANDONED

LIMITS = Limits()
HOURS_S = 3 * 3600.0
END_S = 20.0


class Faulty:
    """An agent whose lives are given as functions, the last of them for all that follow."""

    name = "faulty"

    def __init__(self, *lives: Life) -> None:
        self.begun = 0
        self.ended = 0
        self.most_at_once = 0
        self._lives = lives

    async def run(self, pulse: Pulse) -> None:
        life = self._lives[min(self.begun, len(self._lives) - 1)]
        self.begun += 1
        self.most_at_once = max(self.most_at_once, self.begun - self.ended)
        try:
            await life(pulse)
        finally:
            self.ended += 1


class Neighbour:
    """An agent that fares well."""

    name = "neighbour"

    async def run(self, pulse: Pulse) -> None:
        await pulse.until()


async def well(pulse: Pulse) -> None:
    await pulse.until()


class Kept:
    """A faulty agent and its neighbour under a supervisor, what was told of them, and what a person was told.

    Args:
        clock: Time, moved by the test.
        faulty: The agent.
        chance: For the jitter of the back-off.
    """

    def __init__(self, clock: Any, faulty: Faulty, chance: random.Random) -> None:
        self.faulty = faulty
        self.clock = clock
        self.bus = Bus(clock)
        self.alerts: list[Alert] = []
        self.supervisor = Supervisor(self.bus, clock, limits=LIMITS, chance=chance.uniform)
        self.told: list[tuple[float, AgentChanged]] = []
        self.stalls: list[float] = []
        self.bus.subscribe(self._hear)

    def _hear(self, event: Event, _snapshot: Snapshot) -> None:
        if isinstance(event, AgentChanged):
            self.told.append((self.clock.monotonic(), event))
        elif isinstance(event, ProgressMissed):
            self.stalls.append(event.seconds)

    def states(self, agent: str = "faulty") -> list[AgentState]:
        return [event.state for _, event in self.told if event.agent == agent]

    def since_first(self, state: AgentState) -> float:
        """Return the seconds from the very start to when the faulty agent was in a state first."""
        times = [at for at, event in self.told if event.agent == "faulty" and event.state is state]
        return times[0] - self.told[0][0]

    @property
    def restarts(self) -> int:
        return self.bus.snapshot.agents["faulty"].restarts

    @asynccontextmanager
    async def living(self) -> AsyncIterator[Kept]:
        """Let both live, and end all in the end; the neighbour must not have noticed anything."""
        with capture_logs():
            desktop = Route(Policy(news_at_once=True), Rules, lambda: None, lambda told: self.alerts.append(told.alert))
            async with Alerts(self.bus, self.clock, [desktop]):
                await self.supervisor.__aenter__()
                try:
                    self.supervisor.add(self.faulty)
                    self.supervisor.add(Neighbour())
                    await self.clock.pass_time(0)
                    yield self
                finally:
                    neighbour = self.states("neighbour")
                    await self._end()
        assert neighbour == [STARTING, RUNNING]

    async def _end(self) -> None:
        ending = asyncio.ensure_future(self.supervisor.__aexit__(None, None, None))
        async with asyncio.timeout(END_S):
            while not ending.done():
                await self.clock.pass_time(0.25)
        await ending


@pytest.fixture
def kept(fake_clock: Any, chance: random.Random, sound: object) -> Callable[..., Kept]:  # noqa: ARG001 - for what it holds
    """`kept(life, ...)`: an agent with these lives, ready to be let live."""
    return lambda *lives: Kept(fake_clock, Faulty(*lives), chance)


async def test_row_01_an_agent_that_raises_once_is_back_in_a_second(kept: Callable[..., Kept]) -> None:
    """Before its first heartbeat even: one restart is counted, and nobody is alerted."""

    async def raises(_pulse: Pulse) -> None:
        raise OSError("the disk is not there yet")

    async with kept(raises, well).living() as all_kept:
        await all_kept.clock.pass_time(LIMITS.backoff_first_s)

        assert all_kept.states() == [STARTING, BACKOFF, STARTING, RUNNING]
        assert all_kept.restarts == 1
        await all_kept.clock.pass_time(HOURS_S)
        assert all_kept.restarts == 1
        assert all_kept.alerts == []


@pytest.mark.parametrize("beats", [False, True], ids=["at its start", "after a heartbeat"])
async def test_row_02_an_agent_that_raises_each_time_fails_once_and_is_tried_slowly(
    kept: Callable[..., Kept], *, beats: bool
) -> None:
    """FAILED after more than five failures in ten minutes, one alert, and tried for ever, slowly."""

    async def raises(pulse: Pulse) -> None:
        if beats:
            pulse.beat()
        raise ValueError("always")

    async with kept(raises).living() as all_kept:
        await all_kept.clock.pass_time(LIMITS.restart_window_s)

        assert all_kept.states().count(FAILED) == 1
        assert all_kept.restarts == LIMITS.restarts_allowed + 1
        assert all_kept.since_first(FAILED) <= sum(2.0**n for n in range(LIMITS.restarts_allowed))
        assert [alert.cause for alert in all_kept.alerts] == ["agent:faulty"]

        before = all_kept.faulty.begun
        await all_kept.clock.pass_time(LIMITS.slow_retry_s)
        assert all_kept.faulty.begun > before
        await all_kept.clock.pass_time(HOURS_S)
        slow = HOURS_S / LIMITS.slow_retry_s
        assert slow / 2 < all_kept.faulty.begun - before <= slow + 1
        assert [alert.cause for alert in all_kept.alerts] == ["agent:faulty"]


async def test_row_03_an_agent_that_returns_has_failed(kept: Callable[..., Kept]) -> None:
    """Nobody asked it to; it is started again, and returning always is as bad as raising always."""

    async def returns(pulse: Pulse) -> None:
        pulse.beat()

    async with kept(returns).living() as all_kept:
        await all_kept.clock.pass_time(LIMITS.restart_window_s)
        reasons = {event.reason for _, event in all_kept.told if event.state in (BACKOFF, FAILED)}

        assert all_kept.states().count(FAILED) == 1
        assert reasons == {"returned though nobody asked it to"}


async def test_row_04_an_agent_that_waits_for_ever_is_stale_and_starts_again(
    kept: Callable[..., Kept], chance: random.Random
) -> None:
    """Whenever it fell silent: STALE after 90 to 120 s, its task is cancelled, and a new life begins."""
    silent_after_s = chance.uniform(0.0, 300.0)

    async def falls_silent(pulse: Pulse) -> None:
        await pulse.rest(silent_after_s)
        await asyncio.Event().wait()

    async with kept(falls_silent, well).living() as all_kept:
        await all_kept.clock.pass_time(silent_after_s + 121.0 + LIMITS.backoff_first_s)
        last_beat = silent_after_s // LIMITS.beat_every_s * LIMITS.beat_every_s

        assert all_kept.states() == [STARTING, RUNNING, STALE, BACKOFF, STARTING, RUNNING]
        assert 90.0 <= all_kept.since_first(STALE) - last_beat <= 120.0 + 1e-6
        assert (all_kept.faulty.begun, all_kept.faulty.ended) == (2, 1)
        assert all_kept.alerts == []


class Stubborn:
    """A life that swallows its cancellation until it is let go; then it still tries to write."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.cancelled = 0

    async def __call__(self, pulse: Pulse) -> None:
        pulse.beat()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
        pulse.publish(NoticeRaised(at=0.0, key="late", text="a late write"))


async def test_row_05_an_agent_that_swallows_its_cancellation_is_abandoned(kept: Callable[..., Kept]) -> None:
    """Given up within 7 s, its late writes refused, and no second copy of it while it lives."""
    life = Stubborn()

    async with kept(life, well).living() as all_kept:
        all_kept.supervisor.stop("faulty")
        await all_kept.clock.pass_time(7.0)
        assert all_kept.states()[-1] is ABANDONED
        assert life.cancelled
        all_kept.supervisor.start("faulty")
        await all_kept.clock.pass_time(3600.0)
        assert all_kept.faulty.begun == 1

        life.let_go.set()
        await all_kept.clock.pass_time(1.0)

        assert all_kept.faulty.begun == 2
        assert all_kept.faulty.most_at_once == 1
        assert "late" not in all_kept.bus.snapshot.notices


async def test_row_05_the_end_waits_two_seconds_more_for_it_at_most(kept: Callable[..., Kept]) -> None:
    """Compared with an agent that does not hear that it is to stop, but takes its cancellation."""

    async def deaf(pulse: Pulse) -> None:
        pulse.beat()
        await asyncio.Event().wait()

    async def end_of(life: Life) -> float:
        all_kept = kept(life)
        async with all_kept.living():
            pass
        began = next(at for at, event in all_kept.told if event.state is AgentState.STOPPING)
        ended = [at for at, event in all_kept.told if event.state in (AgentState.STOPPED, ABANDONED)]
        return max(ended) - began

    stubborn = Stubborn()
    usual = await end_of(deaf)
    delayed = await end_of(stubborn)
    stubborn.let_go.set()
    await asyncio.sleep(0)

    assert delayed - usual <= 2.0


END_PROGRAM = """
import asyncio, os, sys, threading
from contextlib import suppress
from pathlib import Path

from app.domain.commands import Stop
from app.engine.limits import Limits
from app.engine.places import Places
from app.engine.supervisor import Supervisor
from app.house.ground import Ground, ground
{imports}

class Stubborn:
    name = "stubborn"

    async def run(self, pulse):
        pulse.beat()
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

async def live(on):
    limits = Limits(drain_s=0.1, cancel_s=0.1)
    with on.shutdown:
        async with Supervisor(on.bus, on.clock, limits=limits) as supervisor:
            supervisor.add(Stubborn())
            await asyncio.sleep(0)
            await on.bus.send(Stop(reason="a test"))
            await on.shutdown.wait()
    return 0

places = Places.find(os.environ)
places.create()
with ground(places) as on:
    code = {run}
print("left in order", flush=True)
sys.exit(code)
"""
RUNS = {
    "terminal": ("from app.engine.workers import run", "run(lambda: live(on))"),
    "tray": (
        "from PySide6.QtWidgets import QApplication\nfrom app.ui.loop import run",
        "run(lambda: live(on), QApplication([]))",
    ),
}


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("face", RUNS)
def test_row_05_the_program_ends_in_order_beside_it(face: str, tmp_path: Path) -> None:
    """An agent that never ends leaves the exit code 0 and a clean end, in the terminal and in the tray; not force."""
    imports, run = RUNS[face]
    clock = SystemClock()

    began = clock.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(END_PROGRAM).format(imports=imports, run=run)],
        env=environ_of(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    took = clock.monotonic() - began

    assert (ended.stdout, ended.stderr, ended.returncode) == ("left in order\n", "", 0)
    assert took < 8.0


def environ_of(home: Path) -> dict[str, str]:
    """Return the environment of a program that lives in a folder of its own."""
    return os.environ | {"WATCHKEEPER_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}


@pytest.mark.parametrize("waiting", [3, 0], ids=["with work", "idle"])
async def test_row_06_an_agent_that_beats_and_comes_no_further_is_told_of(
    waiting: int, kept: Callable[..., Kept]
) -> None:
    """Once, after ten minutes with work waiting, and once when it goes on; it is not restarted. An idle one is well."""
    goes_on = asyncio.Event()

    async def beats(pulse: Pulse) -> None:
        pulse.waiting = lambda: waiting
        pulse.beat()
        await pulse.until(goes_on)
        pulse.beat(done=1)
        await pulse.until()

    async with kept(beats).living() as all_kept:
        measured = Vitals(at=0.0)
        bus, clock = all_kept.bus, all_kept.clock
        all_kept.supervisor.add(
            HealthAgent(lambda: measured, lambda: bus.snapshot, publish=bus.publish, clock=clock, limits=LIMITS)
        )
        await clock.pass_time(LIMITS.progress_after_s - 2 * LIMITS.vitals_every_s)
        assert all_kept.stalls == []
        await clock.pass_time(HOURS_S)
        goes_on.set()
        await clock.pass_time(2 * LIMITS.beat_every_s)

        assert [seconds > 0 for seconds in all_kept.stalls] == ([True, False] if waiting else [])
        assert [(alert.cause, alert.is_over) for alert in all_kept.alerts] == (
            [("progress:faulty", False), ("progress:faulty", True)] if waiting else []
        )
        assert all_kept.states() == [STARTING, RUNNING]


def _too_deep() -> None:
    _too_deep()


def _leaves() -> None:
    raise SystemExit(3)


def _wants_too_much() -> None:
    bytearray(1 << 62)


ENDINGS = {"SystemExit": _leaves, "MemoryError": _wants_too_much, "RecursionError": _too_deep}


@pytest.mark.parametrize("name", ENDINGS)
async def test_row_09_an_agents_own_end_is_its_failure(name: str, kept: Callable[..., Kept]) -> None:
    """SystemExit, MemoryError and RecursionError end one life, its `finally` runs, and the next begins."""
    finals: list[str] = []

    async def ends(pulse: Pulse) -> None:
        pulse.beat()
        try:
            ENDINGS[name]()
        finally:
            finals.append(name)

    async with kept(ends, well).living() as all_kept:
        await all_kept.clock.pass_time(LIMITS.backoff_first_s)
        (reason,) = {event.reason for _, event in all_kept.told if event.state is BACKOFF}

        assert finals == [name]
        assert reason.startswith(name)
        assert all_kept.states() == [STARTING, RUNNING, BACKOFF, STARTING, RUNNING]


def test_row_09_an_exit_in_any_other_task_ends_the_program_in_order(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    tidy: None,  # noqa: ARG001 - for what it holds
) -> None:
    """SystemExit in a task of nobody's: agents end, each `finally` runs, and the exit code is its own."""
    finals: list[str] = []

    class Tidies:
        name = "tidies"

        async def run(self, pulse: Pulse) -> None:
            try:
                await pulse.until()
            finally:
                finals.append("agent")

    async def leaves() -> None:
        await asyncio.sleep(0)
        _leaves()

    async def main() -> None:
        clock = SystemClock()
        try:
            async with Supervisor(Bus(clock), clock, limits=LIMITS) as supervisor:
                supervisor.add(Tidies())
                spawn(leaves(), name="leaves")
                await asyncio.Event().wait()
        finally:
            finals.append("main")

    with capture_logs(), pytest.raises(SystemExit) as left, asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())

    assert left.value.code == 3
    assert finals == ["agent", "main"]


HOUSE_PROGRAM = """
import asyncio, os, sys
from pathlib import Path

from app.engine.places import Places
from app.engine.tasks import spawn
from app.house.ground import ground
from app.house.rooms import house
{imports}

async def leave(moment):
    await moment.wait()
    sys.exit(3)

async def live(on):
    moment = asyncio.Event()
    try:
        async with house(on, (Path(sys.argv[1]),), attended=False):
            spawn(leave(moment), name="leaves")
            moment.set()
            await on.shutdown.wait()
    finally:
        print("the house is left", flush=True)
    return 0

places = Places.find(os.environ)
places.create()
with ground(places) as on:
    {run}
"""


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("face", RUNS)
def test_row_09_the_whole_house_is_left_in_order_by_an_exit(face: str, tmp_path: Path) -> None:
    """With a project that is watched and its history open: each `finally` runs, in 10 s, and nothing is left."""
    imports, run = RUNS[face]
    root = tmp_path / "project"
    root.mkdir()
    (root / "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    clock = SystemClock()

    began = clock.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HOUSE_PROGRAM).format(imports=imports, run=run), str(root)],
        env=environ_of(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    took = clock.monotonic() - began

    assert (ended.stdout, ended.returncode) == ("the house is left\n", 3), ended.stderr
    assert took < 10.0
    runtime = Places.find(environ_of(tmp_path / "home")).runtime
    assert runtime.is_dir()
    assert not (runtime / "heartbeats.json").exists()
