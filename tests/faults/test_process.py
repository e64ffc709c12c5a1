"""The program as a process: its loop blocked, its threads crowded, its life taken; and it is back, and says why."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest

from app.control.client import ControlClient
from app.domain.agents import HEALTH
from app.domain.commands import ReadStatus
from app.domain.errors import CannotError
from app.engine.lives import EXIT_STUCK, files_of_lives
from app.engine.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Status = dict[str, Any]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

WITHIN_S = 40.0
BACK_S = 5.0

QUICK = "def test_quick():\n    pass\n"
SLOW = "import time\n\ndef test_slow():\n    time.sleep(600)\n"

HOUSE = '''\
"""The program with its table of times changed, to which something is done once there is a file named `go`."""

import asyncio, faulthandler, os, sys, threading, time
from pathlib import Path

from app.engine.limits import Limits
from app.engine.places import Places
from app.house.ground import ground
from app.house.lives import lived
from app.house.rooms import house
from app.system.instance import SingleInstance

def block(seconds):
    due = time.monotonic() + seconds
    while time.monotonic() < due:
        time.sleep(0.5)  # BLOCKED

def crash(_):
    faulthandler._sigsegv()  # CRASHED

def fail(_):
    raise ValueError("no disk")

def crunch():
    while True:
        sum(range(1000))  # CRUNCHED

def crowd(_):
    sys.setswitchinterval(0.05)
    for number in range(2):
        threading.Thread(target=crunch, name=f"cruncher-{number}", daemon=True).start()

async def live(on, folder, act, seconds):
    async with house(on, (folder,), attended=False), lived(on):
        stop = asyncio.create_task(on.shutdown.wait())
        go = folder.with_name("go")
        while not stop.done():
            if go.exists():
                go.unlink()
                act(seconds)
            await asyncio.sleep(0.05)
    return 0

def main():
    folder, act, seconds, stuck_s, loop = sys.argv[1:]
    if loop == "qt":
        from PySide6.QtWidgets import QApplication
        from app.ui.loop import run
        also = (QApplication(["watchkeeper"]),)
    else:
        from app.engine.workers import run
        also = ()
    places = Places.find(os.environ)
    with SingleInstance(places) as instance:
        assert instance.acquire()
        with ground(places, limits=Limits(stuck_s=float(stuck_s))) as on:
            return run(lambda: live(on, Path(folder), globals()[act], float(seconds)), *also)

sys.exit(main())
'''

KEEP = """
import os, sys
from app.engine.limits import Limits
from app.house.keeper import Keeper

sys.exit(Keeper(sys.argv[1:], sys.argv[1:], environ=os.environ, limits=Limits(), say=print).run())
"""


class Program:
    """A program with folders of its own, over a small project.

    Args:
        folder: Where all of it lies.
        suite: The project's tests.
    """

    def __init__(self, folder: Path, suite: str = QUICK) -> None:
        self.folder = folder
        self.root = folder / "project"
        self.root.mkdir()
        (self.root / "test_it.py").write_text(suite, encoding="utf-8")
        self.environ = os.environ | {"WATCHKEEPER_HOME": str(folder / "home"), "QT_QPA_PLATFORM": "offscreen"}
        self.places = Places.find(self.environ)
        self.places.settings.mkdir(parents=True)
        self.places.settings_file.write_text(f"[tests]\npython = {json.dumps(sys.executable)}\n", encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None
        self.seen_pids: set[int] = set()

    def start(self, *words: str) -> None:
        """Start the program itself."""
        self._start([sys.executable, "-m", "app.main", *words, str(self.root)])

    def start_house(
        self, act: str, seconds: float = 0.0, *, stuck_s: float = 120.0, loop: str = "asyncio", keep: bool = False
    ) -> None:
        """Start the house in a program of the test's own, to which `do` then does something."""
        house = self.folder / "house.py"
        house.write_text(HOUSE, encoding="utf-8")
        words = [sys.executable, str(house), str(self.root), act, str(seconds), str(stuck_s), loop]
        self._start([sys.executable, "-c", KEEP, *words] if keep else words)

    def _start(self, argv: list[str]) -> None:
        with (self.folder / "said").open("ab") as said:  # a file: what outlives its parent would hold a pipe open
            self.process = subprocess.Popen(argv, env=self.environ, stdout=said, stderr=said)

    def do(self) -> None:
        """Let it be done."""
        (self.folder / "go").touch()

    def pid(self) -> int:
        """Return the process id of the instance that runs, as its note has it; 0 where there is none."""
        with suppress(OSError, ValueError):
            pid = int(json.loads((self.places.runtime / "instance.json").read_bytes())["pid"])
            self.seen_pids.add(pid)
            return pid
        return 0

    def until(self, holds: Callable[[Status], bool]) -> Status:
        """Ask how things stand until that holds."""
        due = time.monotonic() + WITHIN_S
        seen: Status | None = None
        while time.monotonic() < due:
            with suppress(CannotError), ControlClient(self.places, timeout_s=5.0) as client:
                seen = client.send(ReadStatus())
                if holds(seen):
                    return seen
            time.sleep(0.05)
        raise AssertionError(f"that did not come: {seen}\n{self.said()}")

    def until_alive(self, *, but: int = 0) -> int:
        """Wait until an instance runs that is not this one, and return its process id."""
        due = time.monotonic() + WITHIN_S
        while not (pid := self.pid()) or pid == but:
            assert time.monotonic() < due, self.said()
            time.sleep(0.02)
        return pid

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command beside it."""
        argv = [sys.executable, "-m", "app.main", *words]
        return subprocess.run(argv, env=self.environ, capture_output=True, text=True, timeout=30, check=False)

    def log(self) -> list[dict[str, Any]]:
        """Return what was logged."""
        return [json.loads(line) for line in self.places.log_file("watchkeeper").read_text("utf-8").splitlines()]

    def said(self) -> str:
        """Return what the program, its parent and each life have printed."""
        return (self.folder / "said").read_text("utf-8")

    def line_of(self, mark: str) -> str:
        """Return the place of a line of the house: "house.py:12"."""
        number = next(number for number, line in enumerate(HOUSE.splitlines(), 1) if f"# {mark}" in line)
        return f"{self.folder / 'house.py'}:{number}"

    def ended(self) -> int:
        """Wait for the end, and return the exit code."""
        assert self.process is not None
        return self.process.wait(WITHIN_S)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever of it still runs."""
        self.pid()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(WITHIN_S)
        for pid in self.seen_pids:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path) as made:
        yield made


@pytest.fixture
def busy_program(tmp_path: Path) -> Iterator[Program]:
    """A program whose tests run for ten minutes."""
    with Program(tmp_path, SLOW) as made:
        yield made


def is_green(status: Status) -> bool:
    return bool(status["mood"] == "green")


def is_busy(status: Status) -> bool:
    return any("test_slow" in (project["current"] or {}).get("running", "") for project in status["projects"].values())


@pytest.mark.parametrize("loop", ["asyncio", pytest.param("qt", marks=pytest.mark.slow)])
def test_row_07_a_loop_that_is_blocked_for_a_while_is_told_with_its_line(program: Program, loop: str) -> None:
    """Stacks with file:line are in the log, no agent is started again, and the program goes on."""
    program.start_house("block", 3.0, loop=loop)
    program.until(is_green)

    program.do()
    after = program.until(lambda status: bool(status["loop_lag_where"]))
    program.command("stop")
    code = program.ended()

    (blocked,) = [line for line in program.log() if line["event"] == "the loop is blocked"]
    assert blocked["where"] == f"{program.line_of('BLOCKED')} in block"
    assert "in block" in blocked["stacks"]["MainThread"]
    assert 2.0 <= blocked["late_s"] < 2.5
    assert after["loop_lag_where"] == blocked["where"]
    assert {agent["restarts"] for agent in after["agents"].values()} == {0}
    assert code == 0


@pytest.mark.parametrize(
    "stuck_s", [3.0, pytest.param(120.0, marks=[pytest.mark.slow, pytest.mark.timeout(300)], id="for-real")]
)
@pytest.mark.parametrize("loop", ["asyncio", pytest.param("qt", marks=pytest.mark.slow)])
def test_row_07_a_loop_that_is_blocked_for_good_ends_the_program(
    busy_program: Program, stuck_s: float, loop: str
) -> None:
    """A marker and exit code 70: it is started again, says where it was stuck, and what it had started is gone."""
    busy_program.start_house("block", 600.0, stuck_s=stuck_s, loop=loop, keep=True)
    busy_program.until(is_busy)
    first = busy_program.pid()
    family = psutil.Process(first).children(recursive=True)
    blocked_at = time.monotonic()

    busy_program.do()
    psutil.Process(first).wait(stuck_s + WITHIN_S)
    took_s = time.monotonic() - blocked_at
    _, alive = psutil.wait_procs(family, timeout=5)
    busy_program.until_alive(but=first)
    health = busy_program.until(lambda status: bool(status["health"]["ends"]))["health"]

    (end,) = health["ends"]
    assert (end["ending"], end["where"]) == ("stuck", f"{busy_program.line_of('BLOCKED')} in block")
    assert (health["is_restart"], health["kept_by"], health["safe_mode"]) == (True, "parent", "")
    assert f"exit code {EXIT_STUCK}" in busy_program.said()
    assert stuck_s <= took_s < stuck_s + 10.0
    assert len(family) >= 2  # the guard and pytest
    assert alive == []
    (stacks,) = [path.read_text("utf-8") for path in files_of_lives(busy_program.places) if "stuck-" in path.name]
    assert "in block" in stacks


def test_row_08_threads_that_compute_are_named(program: Program) -> None:
    """Nothing blocks the loop, but it is late again and again: the threads and their line are told."""
    program.start_house("crowd")
    program.until(is_green)

    program.do()
    lagged = program.until(lambda status: bool(status["loop_lag_where"]))
    program.command("stop")
    code = program.ended()

    crunched = re.escape(program.line_of("CRUNCHED"))
    assert re.fullmatch(rf"{crunched} in crunch \(threads cruncher-0, cruncher-1\)", lagged["loop_lag_where"])
    assert 0.05 < lagged["loop_lag_s"] < 2.0
    assert {agent["restarts"] for agent in lagged["agents"].values()} == {0}
    assert code == 0


def test_row_13_keep_brings_it_back(program: Program) -> None:
    """A kept tray that is killed is back in five seconds with its history whole, and says so once."""
    program.start("--keep")
    program.until(is_green)
    first = program.pid()

    killed_at = time.monotonic()
    os.kill(first, signal.SIGKILL)
    program.until_alive(but=first)
    back_s = time.monotonic() - killed_at
    again = program.until(is_green)["health"]
    history = program.command("tests", "history", "--json")
    stopped = program.command("stop")
    code = program.ended()

    assert back_s < BACK_S
    assert [(end["ending"], end["code"]) for end in again["ends"]] == [("killed", -signal.SIGKILL)]
    assert (again["is_restart"], again["kept_by"]) == (True, "parent")
    assert history.returncode == 0
    assert len(json.loads(history.stdout)["runs"]) >= 2
    assert (stopped.returncode, code) == (0, 0)

    program.start()
    later = program.until(is_green)["health"]
    program.command("stop")

    assert [end["ending"] for end in later["ends"]] == ["killed"]
    assert (later["is_restart"], later["kept_by"]) == (False, "nobody")
    assert program.ended() == 0


@pytest.mark.slow
def test_row_13_three_kills_in_ten_minutes_lead_to_safe_mode(program: Program) -> None:
    """The fourth life starts no agent and says why, until a person starts them."""
    before = 0
    program.start("--keep")
    for _ in range(3):
        before = program.until_alive(but=before)
        program.until(lambda status: status["health"]["kept_by"] == "parent")
        os.kill(before, signal.SIGKILL)
    program.until_alive(but=before)

    safe = program.until(lambda status: bool(status["health"]["safe_mode"]))
    left = program.command("health", "--leave-safe-mode")
    after = program.until(is_green)
    program.command("stop")

    assert "3 times within 10 minutes" in safe["health"]["safe_mode"]
    held = {(agent["state"], agent["reason"]) for name, agent in safe["agents"].items() if name != HEALTH}
    assert held == {("disabled", "safe mode")}
    assert "safe-mode" in safe["notices"]
    assert left.returncode == 0
    assert after["health"]["safe_mode"] == ""
    assert "safe-mode" not in after["notices"]
    assert program.ended() == 0


@pytest.mark.slow
def test_a_crash_of_native_code_says_where(program: Program) -> None:
    """The next life tells file and line, and the dump is kept."""
    program.start_house("crash", keep=True)
    first = program.until_alive()
    program.until(lambda status: bool(status["agents"]))

    program.do()
    program.until_alive(but=first)
    health = program.until(lambda status: bool(status["health"]["ends"]))["health"]

    where = f"{program.line_of('CRASHED')} in crash (Segmentation fault)"
    (end,) = health["ends"]
    assert (end["ending"], end["where"]) == ("killed", where)
    assert any(path.name.startswith("killed-") for path in files_of_lives(program.places))


@pytest.mark.slow
def test_an_error_at_the_top_is_told_by_the_next_life(program: Program) -> None:
    """Its name and text are the word; the exit code lets it be started again."""
    program.start_house("fail", keep=True)
    first = program.until_alive()
    program.until(lambda status: bool(status["agents"]))

    program.do()
    program.until_alive(but=first)
    health = program.until(lambda status: bool(status["health"]["ends"]))["health"]

    assert [(end["ending"], end["where"]) for end in health["ends"]] == [("failed", "ValueError: no disk")]


def test_safe_mode_can_be_asked_for(program: Program) -> None:
    """With --safe no agent starts, whatever happened before; the next start is a usual one."""
    program.start("--safe")

    safe = program.until(lambda status: bool(status["health"]["safe_mode"]))
    program.command("stop")
    code = program.ended()

    assert "--safe" in safe["health"]["safe_mode"]
    assert {agent["state"] for name, agent in safe["agents"].items() if name != HEALTH} == {"disabled"}
    assert (safe["health"]["ends"], code) == ([], 0)
