"""Rows 14 and 48: the program started again while it runs, and under Python's strictest eyes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.control.client import ControlClient
from app.domain.commands import ReadStatus, Stop
from app.domain.errors import CannotError
from app.engine.places import Places
from tests.faults.headless import BAD, Headless, a_shop

if TYPE_CHECKING:
    from collections.abc import Sequence

WITHIN_S = 30.0
STARTS = 4
TESTS = Path(__file__).parents[1]

DEBUG = {"PYTHONASYNCIODEBUG": "1"}
STRICT = ("-X", "dev", "-W", "error")
"""For the program's own interpreter; not in the environment, which the project's tests are run with."""
CHOSEN = ("engine/test_bus.py", "engine/test_supervisor.py", "engine/test_tasks.py")
"""Tests of what all else stands on, quick enough for each time; the whole room follows behind `--full`."""


class Raised:
    """Starts of the tray, all at one home, without a screen.

    Args:
        root: The project.
        home: Where its own folders lie.
    """

    def __init__(self, root: Path, home: Path) -> None:
        self.environ = os.environ | {"WATCHKEEPER_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}
        self._root = root

    def start(self) -> subprocess.Popen[str]:
        """Start one more."""
        words = [sys.executable, "-m", "app.main", str(self._root)]
        return subprocess.Popen(words, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    async def status(self) -> dict[str, object]:
        """Wait until one of them answers, and return what it says."""
        places = Places.find(self.environ)

        def ask() -> dict[str, object]:
            with ControlClient(places) as client:
                answer: dict[str, object] = client.send(ReadStatus())
                return answer

        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    return await asyncio.to_thread(ask)
                except CannotError:
                    await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Ask the one that runs to end."""

        def ask() -> None:
            with ControlClient(Places.find(self.environ)) as client:
                client.send(Stop())

        await asyncio.to_thread(ask)


@pytest.mark.usefixtures("tidy")
async def test_row_14_of_many_starts_one_runs_and_the_others_end_well(tmp_path: Path) -> None:
    """One after it runs, and several at once: each raises the one that runs, and ends with 0; that one goes on."""
    raised = Raised(a_shop(tmp_path / "shop"), tmp_path / "home")
    first = raised.start()
    try:
        before = await raised.status()
        others = [raised.start() for _ in range(STARTS - 1)]
        said = [await asyncio.to_thread(other.communicate, timeout=WITHIN_S) for other in others]
        codes = [other.returncode for other in others]
        after = await raised.status()
        is_running = first.poll() is None
        await raised.stop()
        _, errors = await asyncio.to_thread(first.communicate, timeout=WITHIN_S)
    finally:
        first.kill()
        first.wait()

    assert (codes, said) == ([0] * len(others), [("", "")] * len(others))
    assert is_running
    assert before["started_at"] == after["started_at"]
    assert (first.returncode, errors) == (0, "")


@pytest.mark.usefixtures("tidy")
async def test_row_14_of_starts_at_one_time_one_runs_and_the_others_end_well(tmp_path: Path) -> None:
    """As by an impatient double click: those that find the first one coming up wait for it, and say nothing."""
    raised = Raised(a_shop(tmp_path / "shop"), tmp_path / "home")
    starts = [raised.start() for _ in range(STARTS)]
    try:
        await raised.status()
        async with asyncio.timeout(WITHIN_S):
            while sum(each.poll() is None for each in starts) > 1:  # noqa: ASYNC110 - no event tells of a process's end
                await asyncio.sleep(0.05)
        stays = [each for each in starts if each.poll() is None]
        others = [each for each in starts if each not in stays]
        said = [other.communicate() for other in others]
        await raised.stop()
        said += [await asyncio.to_thread(each.communicate, timeout=WITHIN_S) for each in stays]
    finally:
        for each in starts:
            each.kill()
            each.wait()

    assert len(stays) == 1
    assert [each.returncode for each in starts] == [0] * STARTS
    assert said == [("", "")] * STARTS


@pytest.mark.usefixtures("tidy")
def test_row_48_the_program_says_nothing_under_strict_eyes(tmp_path: Path) -> None:
    """Warnings as errors, asyncio's debug mode, -X dev: it judges a save, ends with 0, and complains of nothing."""
    with Headless(a_shop(tmp_path / "shop"), tmp_path / "home", python=STRICT, environ=DEBUG) as program:
        program.until_verdict("green")
        program.save(BAD)
        program.until_verdict("red")
    errors = [line for line in program.log() if line["level"] in ("error", "critical")]

    assert errors == []
    assert json.dumps(program.events)


def strictly(*words: str) -> Sequence[str]:
    return (sys.executable, "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *words)


@pytest.mark.parametrize(
    "chosen", [CHOSEN, pytest.param(("engine",), marks=[pytest.mark.slow, pytest.mark.timeout(900)])], ids=len
)
def test_row_48_the_tests_pass_under_strict_eyes(chosen: Sequence[str]) -> None:
    """What all else stands on, on both loops, with a warning as an error wherever it comes from."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    with tempfile.TemporaryDirectory(prefix="wk-") as base:  # a short path, or sockets in it have no name
        done = subprocess.run(
            strictly(f"--basetemp={base}/base", *(str(TESTS / name) for name in chosen)),
            env=environ | DEBUG,
            cwd=TESTS.parent,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
