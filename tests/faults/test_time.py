"""Time and its ends: stops of every kind, sleep, clocks that are set, waits of many days, a late network."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from app.control.client import ControlClient
from app.domain.agents import AgentState
from app.domain.commands import ReadStatus
from app.domain.errors import CannotError
from app.domain.events import AgentBeat, AgentChanged, KeyRotated, SecretDue
from app.domain.keys import VaultState
from app.domain.snapshot import Mood
from app.engine.bus import Bus
from app.engine.limits import Limits
from app.engine.logs import LogRing
from app.engine.places import Places
from app.engine.shutdown import EXIT_FORCED
from app.engine.supervisor import Supervisor
from app.keys.log.chain import Action
from tests.agents.keyrotation.test_agent import make, watching
from tests.faults.headless import BAD, END_S, Headless, a_shop

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.snapshot import Snapshot
    from app.engine.heartbeat import Pulse

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

DAY_S = 86_400
HOUR_S = 3600.0
WITHIN_S = 30.0
SLOW_SUITE = "import time\n\ndef test_slow():\n    time.sleep(600)\n"

IN_TRAY = """
import os, signal, sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
from app.cli.launchers import TrayOptions
from app.engine.places import Places
from app.house.tray import watch_in_tray
from app.system.instance import SingleInstance

def close_windows(*_):
    for window in QApplication.topLevelWidgets():
        window.close()

signal.signal(signal.SIGUSR1, close_windows)
signal.signal(signal.SIGUSR2, lambda *_: QApplication.quit())
places = Places.find(os.environ)
with SingleInstance(places) as instance:
    assert instance.acquire()
    sys.exit(watch_in_tray(places, (Path(sys.argv[1]),), TrayOptions(window=True)))
"""

HANGING = """
import asyncio, os
from app.engine.places import Places
from app.engine.workers import run
from app.house.ground import ground
from app.system.instance import SingleInstance

async def main():
    with on.shutdown:
        print("ready", flush=True)
        await on.shutdown.wait()
        print("stopping", flush=True)
        await asyncio.sleep(600)
    return 0

places = Places.find(os.environ)
with SingleInstance(places) as instance:
    assert instance.acquire()
    with ground(places) as on:
        run(main)
"""

QUICK_TO_NOTICE = """
import json, os, sys
from pathlib import Path
from app.engine.limits import Limits
from app.engine.places import Places
from app.engine.workers import run
from app.house.ground import ground
from app.house.rooms import house
from app.system.instance import SingleInstance

def tell(event, _snapshot):
    kind = type(event).__name__
    if kind in ("SystemResumed", "RunFinished", "AgentChanged"):
        told = getattr(event, "verdict", None) or getattr(event, "state", None) or event.slept_s
        print(json.dumps([kind, told]), flush=True)

async def main():
    async with house(on, (Path(sys.argv[1]),), attended=False):
        await on.shutdown.wait()
    return 0

places = Places.find(os.environ)
with SingleInstance(places) as instance:
    assert instance.acquire()
    with ground(places, limits=Limits(asleep_every_s=0.2, stopped_s=1.5)) as on:
        on.bus.subscribe(tell)
        code = run(main)
sys.exit(code)
"""

COMES_ONLINE = """
import fcntl, socket, struct
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(asking, 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))  # SIOCSIFFLAGS: up and running
far = struct.pack("HH4s8s", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"), b"")
fcntl.ioctl(asking, 0x8916, struct.pack("16s16s", b"lo:1", far))  # SIOCSIFADDR
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a program with folders of its own and no screen."""
    settings = tmp_path / "home" / "settings" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[tests]\npython = {json.dumps(sys.executable)}\n", encoding="utf-8")
    return os.environ | {"WATCHKEEPER_HOME": str(tmp_path / "home"), "QT_QPA_PLATFORM": "offscreen"}


def started(code: str, *words: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    """Start a program of a test's own."""
    argv = [sys.executable, "-c", textwrap.dedent(code), *words]
    return subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until_status(environ: dict[str, str], process: subprocess.Popen[str], mood: Mood) -> dict[str, Any]:
    """Ask the program how things stand, until it is as wanted."""
    due = time.monotonic() + WITHIN_S
    seen: dict[str, Any] = {}
    while time.monotonic() < due:
        assert process.poll() is None, process.communicate()
        with suppress(CannotError), ControlClient(Places.find(environ)) as client:
            seen = client.send(ReadStatus())
            if seen["mood"] == mood:
                return seen
        time.sleep(0.05)
    raise AssertionError(f"{mood} did not come: {seen}")


@pytest.fixture
def tray(tmp_path: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The program with its window, and tests that would go on for ten minutes."""
    root = tmp_path / "slow"
    root.mkdir()
    (root / "test_slow.py").write_text(SLOW_SUITE)
    with started(IN_TRAY, str(root), environ=environ) as process:
        try:
            until_status(environ, process, Mood.RUNNING)
            yield process
        finally:
            process.kill()


def family(tray: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the program's children, once there are some: a run is told of before its process is there."""
    due = time.monotonic() + WITHIN_S
    while time.monotonic() < due:
        if children := psutil.Process(tray.pid).children(recursive=True):
            return children
        time.sleep(0.02)
    raise AssertionError("no test was started")


def ended(tray: subprocess.Popen[str], children: list[psutil.Process]) -> tuple[int, str, list[psutil.Process]]:
    """Wait for the end, and return the exit code, the complaints, and who of its children is left."""
    _, errors = tray.communicate(timeout=END_S)
    return tray.returncode, errors, psutil.wait_procs(children, timeout=2)[1]


def test_row_11_a_closed_window_ends_nothing_and_a_signal_ends_all(
    tray: subprocess.Popen[str], environ: dict[str, str]
) -> None:
    """Without its last window it goes on; SIGTERM in the middle of a run ends it in ten seconds, with 0.

    Quit, SIGINT, `stop` and a real screen: tests/desktop/test_lifetime.py.
    """
    children = family(tray)

    tray.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    after_close = until_status(environ, tray, Mood.RUNNING)
    tray.terminate()

    assert not after_close["stopping"]
    assert ended(tray, children) == (0, "", [])


def test_row_11_qts_own_quit_ends_all_in_stages(tray: subprocess.Popen[str]) -> None:
    """So it comes when the session ends or the display is gone: no other end than that of a signal."""
    children = family(tray)

    tray.send_signal(signal.SIGUSR2)

    assert ended(tray, children) == (0, "", [])


def test_row_12_a_second_signal_forces_the_end(environ: dict[str, str]) -> None:
    """A stop that hangs is over two seconds after a person insists, and says by its code that it was forced."""
    with started(HANGING, environ=environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.readline() == "stopping\n"
        insisted = time.monotonic()
        process.terminate()
        code = process.wait(END_S)
        took_s = time.monotonic() - insisted

    assert code == EXIT_FORCED
    assert took_s < 4.0


def test_row_12_a_stop_during_the_start_leaves_nothing_behind(tmp_path: Path, chance: random.Random) -> None:
    """Whenever it comes: the program is gone with all it started, and the next one starts as if nothing had been."""
    root, home = a_shop(tmp_path / "shop"), tmp_path / "home"
    argv = [sys.executable, "-m", "app.main", "run", str(root), "--headless"]
    environ = os.environ | {"WATCHKEEPER_HOME": str(home)}
    left, codes = [], set()

    for _ in range(2):
        with subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(chance.uniform(0.05, 1.2))
            children = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            codes.add(process.wait(END_S))
        left += psutil.wait_procs(children, timeout=2)[1]
    with Headless(root, home) as again:
        verdict = again.until_verdict("green", "red")["verdict"]

    assert left == []
    assert codes <= {0, -signal.SIGTERM}  # before it listens, a signal ends Python itself
    assert verdict == "green"


def test_row_15_a_stopped_process_goes_on_as_if_nothing_had_been(tmp_path: Path, environ: dict[str, str]) -> None:
    """One wake-up is told, no agent is stale or started again, and what was saved meanwhile is tested.

    The table's ten seconds are made one and a half, which is all that differs from the program.
    """
    root = a_shop(tmp_path / "shop")
    told: list[list[Any]] = []

    def until(process: subprocess.Popen[str], wanted: list[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(json.loads(line))
            if told[-1] == wanted:
                return
        raise AssertionError(f"{wanted} did not come: {told}")

    with started(QUICK_TO_NOTICE, str(root), environ=environ) as process:
        until(process, ["RunFinished", "green"])
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        (root / "shop.py").write_text(BAD)
        process.send_signal(signal.SIGCONT)
        until(process, ["RunFinished", "red"])
        before_stop = list(told)
        process.terminate()
        _, errors = process.communicate(timeout=END_S)

    (slept_s,) = [value for kind, value in before_stop if kind == "SystemResumed"]
    assert 1.5 < slept_s < WITHIN_S
    assert {value for kind, value in before_stop if kind == "AgentChanged"} <= {"starting", "running"}
    assert (process.returncode, errors) == (0, "")


class Well:
    """An agent that beats as it should."""

    name = "worker"

    async def run(self, pulse: Pulse) -> None:
        await pulse.until()


@pytest.mark.parametrize("set_by_s", [HOUR_S, -HOUR_S], ids=["on", "back"])
async def test_row_17_a_clock_that_is_set_makes_nobody_stale(fake_clock: Any, set_by_s: float) -> None:
    """Agents beat on in their first life, and the log stays in the order in which things happened."""
    bus, ring = Bus(fake_clock), LogRing()
    states: list[AgentState] = []

    def note(event: Any, _snapshot: Snapshot) -> None:
        states.extend([event.state] if isinstance(event, AgentChanged) else [])
        if isinstance(event, AgentBeat):
            ring.append(event.at, "info", "beats", str(len(ring.after(0))))

    bus.subscribe(note)
    async with Supervisor(bus, fake_clock, limits=Limits(drain_s=0.0, cancel_s=0.0)) as supervisor:
        supervisor.add(Well())
        await fake_clock.pass_time(300)
        fake_clock.set_wall(fake_clock.wall() + set_by_s)
        await fake_clock.pass_time(300)
        seen = list(states)
    lines = ring.after(0)

    assert seen == [AgentState.STARTING, AgentState.RUNNING]
    assert [int(line.text) for line in lines] == list(range(len(lines)))
    assert [line.seq for line in lines] == sorted(line.seq for line in lines)
    assert len(lines) >= 20


@pytest.mark.parametrize("set_by_s", [HOUR_S, -HOUR_S], ids=["on", "back"])
async def test_row_17_a_clock_that_is_set_rotates_nothing_early(
    tmp_path: Path, fake_clock: Any, set_by_s: float
) -> None:
    """Half an hour before the date, an hour on or back is no reason; the date itself is, once the clock is believed."""
    make(tmp_path, fake_clock)
    fake_clock.advance(30 * DAY_S - 1800)

    async with watching(tmp_path, fake_clock) as watch:
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.OPEN)
        await watch.look()
        fake_clock.set_wall(fake_clock.wall() + set_by_s)
        for _ in range(3):
            await watch.look()
        early = watch.of(KeyRotated)
        fake_clock.set_wall(fake_clock.wall() - set_by_s)
        await watch.look()
        fake_clock.advance(3 * HOUR_S)
        await watch.look()
        await watch.until(lambda: bool(watch.of(KeyRotated)))

    assert early == []


@pytest.mark.parametrize("days", [30, 90, 400])
async def test_row_18_a_date_is_kept_over_a_restart(tmp_path: Path, fake_clock: Any, days: int) -> None:
    """A secret's date is stored, not timed: a life that begins shortly before it tells of it, and none before that."""
    vault = make(tmp_path, fake_clock)
    due = int(fake_clock.wall()) + days * DAY_S
    vault.change(Action.SET, "A", lambda contents, now: contents.with_secret("A", b"value", now, due=due))
    told: list[list[int]] = []

    for until_due in (days, 8, 6):
        fake_clock.advance(due - until_due * DAY_S - fake_clock.wall())
        async with watching(tmp_path, fake_clock) as watch:
            await watch.until(lambda watch=watch: watch.bus.snapshot.vault.state is VaultState.OPEN)
            await watch.look()
            told.append([event.due for event in watch.of(SecretDue)])

    assert told == [[], [], [due]]


@pytest.mark.parametrize("days", [30, 90, 400])
async def test_row_18_a_wait_of_many_days_takes_so_many(fake_clock: Any, days: int) -> None:
    """A wait that is longer than a timer holds neither rings at once nor is forgotten."""
    rung: list[int] = []

    async def wait() -> None:
        await fake_clock.sleep(days * DAY_S)
        rung.append(days)

    waiting = asyncio.create_task(wait())
    await fake_clock.pass_time((days - 1) * DAY_S)
    early = list(rung)
    await fake_clock.pass_time(DAY_S)
    await waiting

    assert (early, rung) == ([], [days])


def test_row_40_offline_at_the_start_it_watches_and_notices_the_network(tmp_path: Path) -> None:
    """Without a network, and so without DNS: tests run, nothing complains, and the network is noticed as it comes."""
    unshare, nsenter = shutil.which("unshare"), shutil.which("nsenter")
    assert unshare, "unshare is missing: apt-get install util-linux"
    assert nsenter, "nsenter is missing: apt-get install util-linux"
    root = a_shop(tmp_path / "shop")

    with Headless(root, tmp_path / "home", before=(unshare, "-rn")) as program:
        offline = program.until(lambda event: event["event"] == "NetworkChanged")
        verdict = program.until_verdict("green", "red")["verdict"]
        inside = [nsenter, "-t", str(program.process.pid), "-U", "--preserve-credentials", "-n"]
        subprocess.run([*inside, sys.executable, "-c", COMES_ONLINE], check=True)
        online = program.until(lambda event: event["event"] == "NetworkChanged", within_s=WITHIN_S)
        states = {event["state"] for event in program.events if event["event"] == "AgentChanged"}

    assert (offline["is_online"], online["is_online"]) == (False, True)
    assert verdict == "green"
    assert states <= {"starting", "running"}


async def test_row_40_who_waits_is_tried_at_once_when_the_network_is_back(fake_clock: Any) -> None:
    """An agent that failed for want of a network does not wait for the end of its back-off."""
    bus = Bus(fake_clock)
    lives: list[float] = []
    online = asyncio.Event()

    class Needy:
        name = "needy"

        async def run(self, pulse: Pulse) -> None:
            lives.append(fake_clock.monotonic())
            pulse.beat()
            if not online.is_set():
                raise OSError("Name or service not known")
            await pulse.until()

    async with Supervisor(bus, fake_clock, limits=Limits(drain_s=0.0, cancel_s=0.0)) as supervisor:
        supervisor.add(Needy())
        await fake_clock.pass_time(600)
        tried = len(lives)
        online.set()
        supervisor.kick()
        await fake_clock.pass_time(1)
        state = bus.snapshot.agents["needy"].state

    assert state.is_alive
    assert len(lives) == tried + 1
