"""kill -9 during a run: nothing is left behind, the history stays readable, and the next start is clean."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GONE_S = 10.0
ROUNDS, ROUNDS_FULL = 4, 20

SLOW_TESTS = """
import subprocess, sys, time

def test_quick():
    pass

def test_starts_a_daemon():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)

def test_slow():
    time.sleep(600)
"""


class Instance:
    """A headless Watchkeeper and the events that it writes."""

    def __init__(self, project: Path, home: Path) -> None:
        settings = home / "settings" / "settings.toml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(f"[tests]\npython = {json.dumps(sys.executable)}\n", encoding="utf-8")
        self._environ = os.environ | {"WATCHKEEPER_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        words = [sys.executable, "-m", "app.main", "run", str(project), "--headless", "--json"]
        self.process = subprocess.Popen(
            words, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield each event as it is written; ends when the program does."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def until_running(self, test: str) -> None:
        """Wait until a test runs."""
        assert any(test in event.get("running", "") for event in self.events())

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command beside it."""
        argv = [sys.executable, "-m", "app.main", *words]
        return subprocess.run(argv, env=self._environ, capture_output=True, text=True, timeout=30, check=False)

    def close(self) -> str:
        """Read what is left, close the pipes, and return what was written to stderr."""
        _, errors = self.process.communicate(timeout=GONE_S)
        return errors


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "test_it.py").write_text(SLOW_TESTS, encoding="utf-8")
    return root


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def left_alive(family: list[psutil.Process]) -> list[psutil.Process]:
    """Wait for the end of processes, and return those that go on. One that nobody reaps has ended all the same."""
    deadline = time.monotonic() + GONE_S
    alive = [each for each in family if lives(each)]
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [each for each in alive if lives(each)]
    return alive


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    "rounds", [ROUNDS, pytest.param(ROUNDS_FULL, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_a_killed_tray_leaves_no_process_and_a_readable_history(project: Path, tmp_path: Path, rounds: int) -> None:
    """At random moments of a run; a test's own daemon goes too. Then a start, a stop, and exit code 0."""
    moments = random.Random(13)  # noqa: S311 - moments, not secrets
    home = tmp_path / "home"

    for _ in range(rounds):
        instance = Instance(project, home)
        instance.until_running("test_slow")
        family = descendants(instance.process)
        time.sleep(moments.uniform(0, 0.3))
        instance.process.kill()
        alive = left_alive(family)
        history = instance.command("tests", "history", "--json")
        instance.close()
        shutil.rmtree(home / "data" / "lives")  # three kills in ten minutes would lead to safe mode, where nothing runs

        assert len(family) >= 3  # the guard, pytest, and the daemon
        assert not alive
        assert history.returncode == 0, history.stderr
        assert json.loads(history.stdout)

    instance = Instance(project, home)
    instance.until_running("test_slow")
    family = descendants(instance.process)
    stopped = instance.command("stop")
    errors = instance.close()
    alive = left_alive(family)

    assert stopped.returncode == 0
    assert instance.process.returncode == 0
    assert not alive
    assert not errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_a_run_ends_everything_in_order(project: Path, tmp_path: Path, number: signal.Signals) -> None:
    """Exit code 0, children gone, nothing on stderr."""
    instance = Instance(project, tmp_path / "home")
    instance.until_running("test_slow")
    family = descendants(instance.process)

    instance.process.send_signal(number)
    errors = instance.close()
    alive = left_alive(family)

    assert instance.process.returncode == 0
    assert not alive
    assert not errors
