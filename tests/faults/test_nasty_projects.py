"""Projects whose tests misbehave: each test has its right outcome, nothing loops, and the next save is as any other."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from app.domain.verdicts import Outcome, Verdict
from tests.mutations.watched import Watched, family, gone, lives, watching

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MEGABYTES, MEGABYTES_FULL = 64, 1024
HANG_S = 4
INSTALL_S = 300

PASSED, FAILED, CRASHED, HUNG = Outcome.PASSED, Outcome.FAILED, Outcome.CRASHED, Outcome.HUNG

GOOD = "def test_good():\n    pass\n\ndef test_good_too():\n    pass\n"
BAD = "def test_bad():\n    assert False\n"

NOTE_PID = """
    import os, pathlib, sys, time

    def note(pid=None):
        with open({pids!r}, "a") as file:
            file.write(f"{{pid or os.getpid()}}\\n")
"""


@dataclass(frozen=True)
class Nasty:
    """A misbehaving project: a test file of its own beside good ones and a bad one.

    Attributes:
        code: The test file `test_nasty.py`; `note(pid)` remembers a process.
        outcomes: How its tests end, by name; a test that is not named has no outcome.
        verdict: What the run says.
        files: Others that it needs.
        tests: Settings of the section `[tests]`.
        bad_runs: Whether the files after it still run: not when it takes the interpreter along.
    """

    code: str
    outcomes: Mapping[str, Outcome]
    verdict: Verdict = Verdict.RED
    files: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, object] = field(default_factory=dict)
    bad_runs: bool = True


KILLED = """
    def test_before():
        pass

    def test_nasty():
        note()
        {how}

    def test_after():
        pass
"""

PROJECTS = {
    "writes files": Nasty(
        """
        def test_writes_a_module():
            note()
            pathlib.Path("made.py").write_text(f"NOW = {time.time()}\\n")
            import made
            assert made.NOW

        def test_writes_into_a_folder():
            pathlib.Path("out").mkdir(exist_ok=True)
            pathlib.Path("out", f"{time.time_ns()}.txt").write_text("x")

        def test_rewrites_a_source():
            source = pathlib.Path("code.txt")
            source.write_text(source.read_text())

        def test_appends():
            with open("log.txt", "a") as file:
                file.write("once more\\n")
        """,
        dict.fromkeys(
            ("test_writes_a_module", "test_writes_into_a_folder", "test_rewrites_a_source", "test_appends"), PASSED
        ),
        files={"code.txt": "code\n"},
    ),
    "changes the folder": Nasty(
        """
        def test_goes_away(tmp_path):
            note()
            os.chdir(tmp_path)

        def test_sees_nothing_there():
            assert not os.path.exists("test_nasty.py")

        def test_removes_the_folder(tmp_path):
            gone = tmp_path / "gone"
            gone.mkdir()
            os.chdir(gone)
            gone.rmdir()
        """,
        dict.fromkeys(("test_goes_away", "test_sees_nothing_there", "test_removes_the_folder"), PASSED),
    ),
    "forks": Nasty(
        """
        import multiprocessing

        def double(number):
            return number * 2

        def test_fork():
            child = os.fork()
            if not child:
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

        def test_child_stays():
            child = os.fork()
            if not child:
                time.sleep(600)
                os._exit(0)
            note(child)

        def test_child_in_a_session_of_its_own():
            child = os.fork()
            if not child:
                os.setsid()
                time.sleep(600)
                os._exit(0)
            note(child)

        def test_pools():
            for way in ("fork", "spawn"):
                with multiprocessing.get_context(way).Pool(2) as pool:
                    assert pool.map(double, [1, 2, 3]) == [2, 4, 6]

        def test_child_fails():
            child = multiprocessing.get_context("fork").Process(target=os.abort)
            child.start()
            child.join()
            assert child.exitcode == 0
        """,
        {
            "test_fork": PASSED,
            "test_child_stays": PASSED,
            "test_child_in_a_session_of_its_own": PASSED,
            "test_pools": PASSED,
            "test_child_fails": FAILED,
        },
    ),
    "hangs": Nasty(
        KILLED.format(how="time.sleep(600)"),
        {"test_before": PASSED, "test_nasty": HUNG},
        Verdict.HUNG,
        tests={"hang_seconds": HANG_S},
        bad_runs=False,
    ),
    "hangs and hears no signal": Nasty(
        KILLED.format(how="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"),
        {"test_before": PASSED, "test_nasty": HUNG},
        Verdict.HUNG,
        tests={"hang_seconds": HANG_S},
        bad_runs=False,
    ),
    "is killed": Nasty(
        KILLED.format(how="os.kill(os.getpid(), 9)"),
        {"test_before": PASSED, "test_nasty": CRASHED},
        Verdict.CRASHED,
        bad_runs=False,
    ),
    "exits hard": Nasty(
        KILLED.format(how="os._exit(3)"),
        {"test_before": PASSED, "test_nasty": CRASHED},
        Verdict.CRASHED,
        bad_runs=False,
    ),
    "exits hard as if all were well": Nasty(
        KILLED.format(how="os._exit(0)"),
        {"test_before": PASSED, "test_nasty": CRASHED},
        Verdict.CRASHED,
        bad_runs=False,
    ),
    "asyncio in strict mode": Nasty(
        """
        import asyncio

        import pytest
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def slept():
            await asyncio.sleep(0)
            return 1

        @pytest.fixture
        async def not_awaited():
            return 1

        @pytest.mark.asyncio
        async def test_awaits(slept):
            note()
            await asyncio.sleep(0)
            assert slept == 1

        @pytest.mark.asyncio
        async def test_awaits_and_fails():
            await asyncio.sleep(0)
            assert False

        async def test_has_no_mark():
            pass
        """,
        {"test_awaits": PASSED, "test_awaits_and_fails": FAILED, "test_has_no_mark": FAILED},
        # Named, since in short no plugin is loaded by itself.
        files={
            "pytest.ini": "[pytest]\naddopts = -p asyncio\nasyncio_mode = strict\n"
            "asyncio_default_fixture_loop_scope = function\n"
        },
    ),
}

LIKE_ANOTHER = {"hangs", "exits hard"}
"""In short these are left out: one that hears no signal hangs too, and the exit code 0 is the harder one to tell."""


def much(megabytes: int, *, captured: bool) -> Nasty:
    """Return a project that prints so much, to pytest or past it."""
    code = f"""
        def test_prints():
            note()
            line = "x" * 1023 + "\\n"
            for _ in range({megabytes}):
                sys.stdout.write(line * 1024)

        def test_prints_and_fails():
            os.write(2, b"y" * (1 << 20) * {megabytes // 8})
            assert False
    """
    options = "" if captured else "[pytest]\naddopts = -s\n"
    files = {"pytest.ini": options} if options else {}
    return Nasty(code, {"test_prints": PASSED, "test_prints_and_fails": FAILED}, files=files)


class Nastiness:
    """A nasty project on disk.

    Args:
        nasty: What it is.
        folder: Where to make it.
    """

    def __init__(self, nasty: Nasty, folder: Path) -> None:
        self.nasty = nasty
        self.root = folder / "proj"
        self.root.mkdir()
        self._pids = folder / "pids.txt"
        for name, text in nasty.files.items():
            (self.root / name).write_text(text, encoding="utf-8")
        # One file before it in the order of names, and two after.
        for name in ("test_first.py", "test_zlast.py"):
            (self.root / name).write_text(GOOD, encoding="utf-8")
        (self.root / "test_zbad.py").write_text(BAD, encoding="utf-8")
        noted = textwrap.dedent(NOTE_PID).format(pids=str(self._pids))
        self.write("test_nasty.py", noted + textwrap.dedent(nasty.code))

    def write(self, name: str, text: str) -> None:
        """Save a file of it."""
        (self.root / name).write_text(text, encoding="utf-8")

    def processes(self) -> list[psutil.Process]:
        """Return those of the remembered processes that go on."""
        pids = [int(each) for each in self._pids.read_text(encoding="utf-8").split()]
        return [psutil.Process(each) for each in pids if psutil.pid_exists(each)]

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How each test ends."""
        outcomes = {f"test_nasty.py::{name}": outcome for name, outcome in self.nasty.outcomes.items()}
        outcomes |= dict.fromkeys(("test_first.py::test_good", "test_first.py::test_good_too"), PASSED)
        if self.nasty.bad_runs:
            outcomes |= dict.fromkeys(("test_zlast.py::test_good", "test_zlast.py::test_good_too"), PASSED)
            outcomes["test_zbad.py::test_bad"] = FAILED
        return outcomes


def outcomes_of(watched: Watched) -> dict[str, Outcome]:
    """Return how each test of the last run ended, as the snapshot says."""
    last = watched.view.last
    assert last is not None
    return {each.nodeid: each.outcome for each in watched.view.tests.values() if each.run_id == last.run_id}


async def live_through(nasty: Nasty, folder: Path, *, python: str = sys.executable, within_s: float = 40.0) -> None:
    """Watch a nasty project through a first run, a quiet time, a save and its mending, and see that all is right."""
    project = Nastiness(nasty, folder)
    async with watching(project.root, folder / "home", python=python, tests=nasty.tests) as watched:
        await watched.ran(1, within_s=within_s)
        first = outcomes_of(watched)
        await watched.quiet(within_s=within_s)
        left = project.processes()
        # A change that counts is the fence: had the tests' doings caused a run, it would stand before this one.
        project.write("notes.py", "# a save\n")
        await watched.ran(2, within_s=within_s)
        second = {each.nodeid: each.outcome for each in watched.view.tests.values()}
        await watched.quiet(within_s=within_s)
        project.write("test_nasty.py", GOOD)
        project.write("test_zbad.py", GOOD)
        await watched.ran(3, within_s=within_s)
        mended = {each.nodeid: each.outcome for each in watched.view.tests.values()}
        everyone = [*family(), *project.processes()]

    assert first == project.outcomes
    assert watched.verdicts == [nasty.verdict, nasty.verdict, Verdict.GREEN]
    assert [paths - {"test_zbad.py"} for paths in watched.causes] == [set(), {"notes.py"}, {"test_nasty.py"}]
    assert {name: outcome for name, outcome in second.items() if name in first} == first
    assert mended == {f"{name}.py::{test}": PASSED for name in FILES for test in ("test_good", "test_good_too")}
    assert not [each for each in left if lives(each)]
    assert await gone(everyone)


FILES = ("test_first", "test_nasty", "test_zbad", "test_zlast")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "nasty",
    [
        pytest.param(nasty, id=name, marks=pytest.mark.slow if name in LIKE_ANOTHER else ())
        for name, nasty in PROJECTS.items()
    ],
)
async def test_a_nasty_project_is_judged_rightly_and_leaves_nothing(nasty: Nasty, tmp_path: Path) -> None:
    """Each test's outcome, the verdict, one run for each save, no process, and a green run when it is mended."""
    await live_through(nasty, tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("captured", [True, False], ids=["captured", "past pytest"])
@pytest.mark.parametrize("megabytes", [MEGABYTES, pytest.param(MEGABYTES_FULL, marks=pytest.mark.slow)])
async def test_a_test_that_prints_without_end_costs_no_memory_here(
    megabytes: int, tmp_path: Path, *, captured: bool
) -> None:
    """Its output is shown in part, and kept nowhere: this process grows by little of what was printed."""
    before = psutil.Process().memory_info().rss

    await live_through(much(megabytes, captured=captured), tmp_path, within_s=240)

    assert psutil.Process().memory_info().rss - before < 100 << 20


@pytest.fixture(scope="session")
def with_xdist(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with pytest and xdist, made once and kept in pytest's cache, where there is one."""
    cache: Any = request.config.cache
    folder = cache.mkdir("venv-xdist") if cache is not None else tmp_path_factory.mktemp("venv-xdist")
    python = str(folder / "bin" / "python")
    is_there = (folder / "bin" / "python").exists()
    if not is_there or subprocess.run([python, "-c", "import xdist"], capture_output=True, check=False).returncode:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, timeout=INSTALL_S)
        words = [python, "-m", "pip", "install", "-q", "pytest", "pytest-xdist"]
        subprocess.run(words, check=True, timeout=INSTALL_S)
    return python


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("crashes", [False, True])
async def test_a_project_that_asks_for_xdist_is_judged_rightly(
    with_xdist: str, tmp_path: Path, *, crashes: bool
) -> None:
    """Two workers, told of by one; where one of them is killed, xdist says which test did it, and the run goes on."""
    code = """
        def test_one(worker_id):
            note()
            assert worker_id in ("gw0", "gw1")

        def test_fails():
            assert False
    """
    outcomes = {"test_one": PASSED, "test_fails": FAILED}
    if crashes:
        code += f"\n{' ' * 8}def test_killed():\n{' ' * 12}os.kill(os.getpid(), 9)\n"
        outcomes["test_killed"] = CRASHED
    files = {"pytest.ini": "[pytest]\naddopts = -n 2\n"}

    await live_through(Nasty(code, outcomes, files=files), tmp_path, python=with_xdist, within_s=90)
