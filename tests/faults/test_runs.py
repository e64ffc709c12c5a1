"""Rows 16 and 46: tests whose processes stop, hang, crash, print without end, or leave others behind."""

from __future__ import annotations

import signal
import textwrap
from typing import TYPE_CHECKING

import psutil
import pytest

from app.domain.events import RunStarted, TestsRan
from app.domain.verdicts import Outcome, Verdict
from tests.faults.headless import LIGHT
from tests.mutations.watched import Watched, family, gone, watching

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
HANG_S = 2.0
ENDED_S = 3.0
"""How long a hung test's group may take to be gone, once its time is up."""
PRINTED_MIB, PRINTED_MIB_FULL = 24, 1024
GROWTH_MIB = 32

HEAD = """
    import ctypes, os, subprocess, sys, time
    from pathlib import Path

    PIDS = Path(__file__).parent.parent / "pids"

    def note(pid):
        with PIDS.open("a") as file:
            file.write(f"{pid}\\n")

    def sleeper(**more):
        note(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **more).pid)
"""
STOPPED = """
    def test_waits():
        sleeper()
        note(os.getpid())
        time.sleep(600)
"""
PRINTS = """
    def test_leaves_a_daemon():
        sleeper(start_new_session=True)

    def test_prints():
        line = b"x" * 1023 + b"\\n"
        for _ in range({mib}):
            os.write(1, line * 1024)
            print("y" * (1 << 20))
        assert False
"""
CRASHES = """
    def test_before():
        pass

    def test_crashes():
        sleeper(start_new_session=True)
        ctypes.string_at(0)
"""
HANGS = """
    import signal

    def test_hangs():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleeper(start_new_session=True)
        time.sleep(600)
"""


class Suite:
    """A project of one test file that tells of the processes it starts.

    Args:
        folder: Where to make it.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        self._pids = folder / "pids"

    def write(self, code: str) -> None:
        """Save the tests."""
        (self.root / "test_it.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(code), encoding="utf-8")

    def processes(self) -> list[psutil.Process]:
        """Return those of the processes that were told of which go on."""
        if not self._pids.exists():
            return []
        pids = [int(line) for line in self._pids.read_text(encoding="utf-8").splitlines()]
        return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]


def outcome(watched: Watched, test: str) -> Outcome:
    return watched.view.tests[f"test_it.py::{test}"].outcome


@pytest.mark.usefixtures("sound")
async def test_row_16_a_stopped_test_is_ended_with_its_group(tmp_path: Path) -> None:
    """SIGSTOP of its process from outside: HUNG in time, and neither it nor its child is left, stopped or not."""
    suite = Suite(tmp_path)
    suite.write(STOPPED)
    async with watching(suite.root, tmp_path / "home", tests={**LIGHT, "hang_seconds": HANG_S}) as watched:
        await watched.until(
            lambda: (
                any(event.running.endswith("test_waits") for event in watched.all(TestsRan))
                and (tmp_path / "pids").exists()
            )
        )
        everyone = [*suite.processes(), *family()]
        for process in suite.processes():
            process.send_signal(signal.SIGSTOP)
        await watched.ran(1)
        is_gone = await gone(everyone, within_s=ENDED_S)

        assert watched.verdicts == [Verdict.HUNG]
        assert outcome(watched, "test_waits") is Outcome.HUNG
        assert len(everyone) > 2
        assert is_gone


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    "mib", [PRINTED_MIB, pytest.param(PRINTED_MIB_FULL, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
async def test_row_46_tests_that_print_crash_and_hang_are_judged_one_after_the_other(mib: int, tmp_path: Path) -> None:
    """Each leaves a daemon too: a right verdict each time, little memory, capped output, and no process afterwards."""
    suite = Suite(tmp_path)
    suite.write(PRINTS.replace("{mib}", str(mib // 2)))
    within_s, hang_s = (50.0, 2 * HANG_S) if mib == PRINTED_MIB else (400.0, 30 * HANG_S)  # what is captured is no sign
    async with watching(suite.root, tmp_path / "home", tests={**LIGHT, "hang_seconds": hang_s}) as watched:
        before = psutil.Process().memory_info().rss
        await watched.ran(1, within_s=within_s)
        grown = psutil.Process().memory_info().rss - before
        (printed,) = (
            result.output
            for event in watched.all(TestsRan)
            for result in event.results
            if result.nodeid == "test_it.py::test_prints"
        )
        assert outcome(watched, "test_leaves_a_daemon") is Outcome.PASSED

        for count, (code, name, wanted) in enumerate(
            ((CRASHES, "test_crashes", Outcome.CRASHED), (HANGS, "test_hangs", Outcome.HUNG)), start=2
        ):
            await watched.pause()
            suite.write(code)
            await watched.ran(count, within_s=within_s)
            assert outcome(watched, name) is wanted
        left = [*suite.processes(), *family()]
        is_gone = await gone(left)

    assert watched.verdicts == [Verdict.RED, Verdict.CRASHED, Verdict.HUNG]
    assert 0 < len(printed) < MIB
    assert grown < GROWTH_MIB * MIB
    assert is_gone


SLOW_AT_FIRST = """
    def test_adds():
        begun = Path(__file__).parent.parent / "begun"
        if not begun.exists():
            begun.touch()
            time.sleep(600)
        assert 1 + 1 == {result}
"""


@pytest.mark.parametrize("within", ["the start", "a test"])
async def test_a_run_whose_guard_is_killed_is_repeated(tmp_path: Path, within: str) -> None:
    """Somebody kills it, short of memory, say: a red test is told of all the same, and nothing else is."""
    root = tmp_path / "shop"
    root.mkdir()
    test, begun = root / "test_shop.py", tmp_path / "begun"
    begun.touch()
    test.write_text(textwrap.dedent(HEAD + SLOW_AT_FIRST.format(result=2)))
    async with watching(root, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        if within == "a test":
            begun.unlink()
        test.write_text(textwrap.dedent(HEAD + SLOW_AT_FIRST.format(result=3)))
        await watched.until(lambda: len(watched.all(RunStarted)) == 2 and begun.exists())
        for guard in psutil.Process().children():
            guard.kill()
        await watched.until(lambda: watched.red)
        await watched.quiet()

    assert watched.verdicts == [Verdict.GREEN, Verdict.RED]
    assert watched.red == {"test_shop.py::test_adds"}


async def test_a_run_whose_guard_the_tests_kill_is_told(tmp_path: Path) -> None:
    """Killed each time, it is repeated once."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "test_shop.py").write_text("import os\n\n\ndef test_kills():\n    os.kill(os.getppid(), 9)\n")
    async with watching(root, tmp_path / "home") as watched:
        await watched.until(lambda: Verdict.CRASHED in watched.verdicts)
        await watched.quiet()

    assert watched.verdicts == [Verdict.CRASHED]
    assert len(watched.all(RunStarted)) == 2
