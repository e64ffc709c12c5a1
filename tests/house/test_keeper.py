"""The parent that keeps the program running: real processes, in the place of the tray small programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Protocol

import psutil
import pytest

from app.house.keeper import own_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

LONG_S = 20.0

PARENT = """
import os, sys
from app.engine.limits import Limits
from app.house.keeper import Keeper

def say(line):
    print(line, file=sys.stderr, flush=True)

child = sys.argv[1]
first, again = [sys.executable, "-c", child, "first"], [sys.executable, "-c", child, "again"]
limits = Limits(healthy_after_s=float(sys.argv[2]), keeper_first_s=float(sys.argv[3]), keeper_ceiling_s=0.3)
sys.exit(Keeper(first, again, environ=os.environ, limits=limits, say=say).run())
"""

NOTES = """
import os, signal, sys, time
notes = os.environ["NOTES"]
with open(notes, "a") as file:
    file.write(sys.argv[1] + " " + str(os.getpid()) + chr(10))
lives = len(open(notes).readlines())
"""
"""What each child does first: it notes its start, and knows how often it was started."""


COUNTING = """
got = []
signal.signal(NUMBER, lambda *_: got.append(1))
with open(notes, "a") as file:
    file.write("ready " + str(os.getpid()) + chr(10))
while not got:
    time.sleep(0.02)
time.sleep(0.3)
sys.exit(40 + len(got))
"""
"""Ends with 40 and the number of signals that it got."""


class Keep(Protocol):
    """Starts a parent."""

    def __call__(self, child: str, healthy_after_s: float = 600.0, keeper_first_s: float = 0.1) -> Kept: ...


class Kept:
    """A parent, and what its children noted."""

    def __init__(self, notes: Path, child: str, healthy_after_s: float, keeper_first_s: float) -> None:
        self._notes = notes
        words = [
            sys.executable,
            "-c",
            PARENT,
            NOTES + textwrap.dedent(child),
            str(healthy_after_s),
            str(keeper_first_s),
        ]
        environ = os.environ | {"NOTES": str(notes)}
        self._said = notes.with_name("said")
        with self._said.open("w") as said:  # a file: a child that outlives its parent would hold a pipe open
            self.process = subprocess.Popen(words, env=environ, stderr=said, start_new_session=True)

    def starts(self, count: int = 1) -> list[list[str]]:
        """Wait for so many starts, and return all that were noted: which argument, and the process id."""
        due = time.monotonic() + LONG_S
        while time.monotonic() < due:
            noted = self._notes.read_text("utf-8") if self._notes.exists() else ""
            lines = [line.split() for line in noted.splitlines() if noted.endswith("\n")]
            if len(lines) >= count:
                return lines
            time.sleep(0.02)
        raise AssertionError(f"not started {count} times")

    def until_said(self, words: str) -> None:
        """Wait until the parent has said this."""
        due = time.monotonic() + LONG_S
        while words not in self._said.read_text("utf-8"):
            assert time.monotonic() < due, "not said"
            time.sleep(0.02)

    def ended(self) -> tuple[int, str]:
        """Wait for the parent's end, and return its exit code and what it said."""
        return self.process.wait(timeout=LONG_S), self._said.read_text("utf-8")


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    made: list[Kept] = []

    def start(child: str, healthy_after_s: float = 600.0, keeper_first_s: float = 0.1) -> Kept:
        made.append(Kept(tmp_path / "notes", child, healthy_after_s, keeper_first_s))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
        each.ended()
    for line in (tmp_path / "notes").read_text("utf-8").splitlines():
        if psutil.pid_exists(pid := int(line.split()[1])):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("code", [0, 2, 3])
def test_an_orderly_end_ends_the_parent(keep: Keep, code: int) -> None:
    """What ended as it was asked to, or cannot run, is not started again, and its code is the parent's."""
    kept = keep(f"sys.exit({code})")

    assert kept.ended() == (code, "")
    assert len(kept.starts()) == 1


@pytest.mark.parametrize("end", ["sys.exit(70)", "os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError"])
def test_any_other_end_is_followed_by_another_life(keep: Keep, end: str) -> None:
    """A crash, a kill and an error: it is back at once, with the arguments of a further start, and that is said."""
    kept = keep(f"if lives < 2:\n    {end}\n")

    code, said = kept.ended()

    assert code == 0
    assert [argument for argument, _ in kept.starts(2)] == ["first", "again"]
    assert "is started again in 0.1 s" in said


def test_the_wait_doubles_up_to_its_ceiling(keep: Keep) -> None:
    """A program that crashes at each start is not started as often as a machine can."""
    kept = keep("sys.exit(0 if lives > 3 else 1)")

    _, said = kept.ended()

    assert [line.split()[-2] for line in said.splitlines()] == ["0.1", "0.2", "0.3"]


def test_a_healthy_life_makes_the_others_forgotten(keep: Keep) -> None:
    """After a life that was long enough it is started again at once."""
    kept = keep("if lives == 2:\n    time.sleep(1)\nsys.exit(0 if lives > 3 else 1)\n", 1.0)

    _, said = kept.ended()

    waits = [line.split()[-2] for line in said.splitlines()]
    assert waits[:2] == ["0.1", "0.1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_once_and_ends_both(keep: Keep, number: signal.Signals) -> None:
    """The child ends in its own way, and the parent with the child's code. Ctrl+C in a terminal goes to a group."""
    kept = keep(COUNTING.replace("NUMBER", str(int(number))))
    child = int(kept.starts(2)[0][1])
    group = os.getpgid(child)

    os.killpg(kept.process.pid, number)

    assert kept.ended() == (41, "")
    assert group == child


def test_a_signal_during_the_wait_ends_it(keep: Keep) -> None:
    """Nothing is started any more."""
    kept = keep("sys.exit(1)", keeper_first_s=5.0)
    kept.until_said("started again in 5 s")

    kept.process.terminate()
    code, _ = kept.ended()

    assert code == 0
    assert len(kept.starts()) == 1


def test_a_killed_parent_leaves_the_program_running(keep: Keep) -> None:
    """A kill -9 of the parent takes the program from nobody."""
    kept = keep("time.sleep(60)")
    ((_, pid),) = kept.starts(1)

    kept.process.kill()
    kept.ended()

    assert psutil.Process(int(pid)).is_running()


def test_the_child_is_told_who_keeps_it(keep: Keep) -> None:
    """Its environment names the parent."""
    kept = keep('sys.exit(0 if os.environ["WATCHKEEPER_KEPT_BY"] == str(os.getppid()) else 2)')

    assert kept.ended()[0] == 0


def test_the_next_child_is_told_how_the_last_one_ended(keep: Keep) -> None:
    """Which process, by which signal and when; the first one is told nothing."""
    kept = keep("""
        told = os.environ.get("WATCHKEEPER_LAST_EXIT", "")
        if lives < 2:
            sys.exit(2) if told else os.kill(os.getpid(), signal.SIGKILL)
        pid, code, at = told.split()
        before = open(notes).readlines()[0].split()[1]
        sys.exit(0 if (pid, code) == (before, "-9") and 0 <= time.time() - float(at) < 60 else 3)
    """)

    code, said = kept.ended()

    assert code == 0
    assert "signal 9 (SIGKILL)" in said


def test_a_program_that_cannot_be_started_ends_the_parent(tmp_path: Path) -> None:
    """An interpreter that is gone does not come back."""
    program = f"""
        from app.engine.limits import Limits
        from app.house.keeper import Keeper
        import sys
        argv = [{str(tmp_path / "gone")!r}]
        sys.exit(Keeper(argv, argv, environ={{}}, limits=Limits(), say=print).run())
    """

    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=LONG_S, check=False
    )

    assert (ran.returncode, ran.stderr) == (3, "")
    assert "gone cannot be started" in ran.stdout


def test_the_own_command_is_found_from_any_folder(tmp_path: Path) -> None:
    """A project that has an `app` of its own is not run in our place."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit(5)", encoding="utf-8")

    ran = subprocess.run(
        [*own_command(), "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=LONG_S, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("watchkeeper ")


def test_the_parent_imports_nothing_that_is_large() -> None:
    """It may live for months beside the program: no loop, no log, no settings, no Qt."""
    program = "import sys, app.house.keeper, app.main; print(*sys.modules)"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LONG_S, check=True)

    assert not {"asyncio", "structlog", "pydantic", "PySide6", "sqlalchemy"} & set(ran.stdout.split())
