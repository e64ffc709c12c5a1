"""Lets these tests run where the kit is (kit.py), and starts guards and workers under Wine for them.

`python installer/bootstrap.py test --windows` has the kit. Plain `pytest` leaves this folder out.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.running.launch import WORKER, worker_argv
from app.engine import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE = Path(__file__).parent
INSTALLER = HERE / "installer"
"""Whose tests have another Wine, and a conftest of their own."""
KIT = os.environ.get("WATCHKEEPER_TEST_WINDOWS")
ANSWERS_S = 60.0
"""What is told at once on Windows may take seconds under Wine."""
LIMIT_S = 240.0
ENDS_S = 5.0

collect_ignore_glob = [] if KIT else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m windows` finds it."""
    for item in items:
        if item.path.is_relative_to(HERE) and not item.path.is_relative_to(INSTALLER):
            item.add_marker(pytest.mark.windows)
            item.add_marker(pytest.mark.timeout(LIMIT_S))


def windows_path(path: Path) -> str:
    """Return what a path is called under Wine, whose drive Z is the root."""
    return "Z:" + str(path).replace("/", "\\")


class Program:
    """A program under Wine: what its stdout and stderr say, and its stdin."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        pipe = subprocess.PIPE
        self.told: list[dict[str, Any]] = []
        """The lines of stdout, as they came."""
        self.output = b""
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(("wine", *argv), stdin=pipe, stdout=pipe, stderr=pipe, env=dict(environ))
        self._readers = [threading.Thread(target=reader) for reader in (self._read_lines, self._read_output)]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.strip():
                    with self._changed:
                        self.told.append(json.loads(line))
                        self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_output(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self.output += line

    def until(self, **values: object) -> dict[str, Any]:
        """Wait for the first line with these values, and return it."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._found(values), ANSWERS_S)
            found = self._found(values)
        assert found, f"{values} was not told, but {self.told}\n{self.output.decode('utf-8', 'replace')}"
        return found[0]

    def _found(self, values: Mapping[str, object]) -> list[dict[str, Any]]:
        return [line for line in self.told if values.items() <= line.items()]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of one kind that came so far."""
        with self._changed:
            return self._found({"kind": kind})

    def send(self, *orders: Mapping[str, object]) -> None:
        """Write orders, one a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"".join(json.dumps(order).encode() + b"\n" for order in orders))
        self._process.stdin.flush()

    def run_all(self, **order: object) -> None:
        """Give a worker all its orders: to run everything, or as `order` has it."""
        run = {"do": "run", "chunks": [], "rest": True, "stream": True, "trace": "none"}
        self.send({"do": "warm"}, {"do": "load"}, {**run, **order})

    def outcomes(self) -> dict[str, str]:
        """Return the outcomes that a worker told, by node id."""
        return {line["id"]: line["outcome"] for line in self.all("end")}

    def close_stdin(self) -> None:
        """End what it reads, as the end of Watchkeeper does."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait for its end, and the end of its streams. Its exit code says nothing: Wine may kill what has ended."""
        self._process.wait(ANSWERS_S)
        for reader in self._readers:
            reader.join(ANSWERS_S)
        assert not any(reader.is_alive() for reader in self._readers), "something still holds its streams"

    def kill(self) -> None:
        """Kill it, as a person does in the task manager."""
        self._process.kill()

    def end(self) -> None:
        """End it, whatever it does."""
        self.close_stdin()
        try:
            self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.wait()


class Windows:
    """Windows' Python under Wine, and what runs of it."""

    def __init__(self, kit: Path) -> None:
        self._python = kit / "python" / "python.exe"
        self.python = windows_path(self._python)
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("WATCHKEEPER_")}
        self._started: list[Program] = []

    def path(self, path: Path) -> str:
        """Return what a path is called there."""
        return windows_path(path)

    def write(self, folder: Path, files: Mapping[str, str]) -> None:
        """Write a project's files below a folder."""
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(textwrap.dedent(content).lstrip("\n"), "utf-8")

    def run(self, *argv: str) -> Program:
        """Start Windows' Python with these arguments."""
        program = Program((str(self._python), *argv), self._environ)
        self._started.append(program)
        return program

    def guard(self, folder: Path, argv: Sequence[str]) -> Program:
        """Start a program under the guard, as `ProcessRunner.start` does, but under Wine."""
        engine = windows_path(Path(processes.__file__).parent)
        isolated = ("-I", "-S", "-E", "-c", processes._GUARD)
        return self.run(*isolated, engine, "orders", windows_path(folder), *argv)

    def worker(self, folder: Path, *args: str) -> Program:
        """Start a worker under the guard."""
        return self.guard(folder, self.worker_argv(*args))

    def worker_argv(self, *args: str) -> list[str]:
        """Return the command that starts a worker."""
        argv = worker_argv(self.python, args)
        return [windows_path(WORKER) if word == str(WORKER) else word for word in argv]

    def programs(self) -> set[int]:
        """Return the process ids (Linux's) of all Pythons in this kit's Wine."""
        mark = f"WINEPREFIX={self._environ['WINEPREFIX']}".encode()
        found = set()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    if (folder / "comm").read_text("ascii", "replace").strip() == "python.exe" and mark in (
                        folder / "environ"
                    ).read_bytes().split(b"\0"):
                        found.add(int(folder.name))
        return found

    def seconds_until(self, is_so: Callable[[set[int]], bool], at_most: float = ANSWERS_S) -> float:
        """Wait until this is so of `programs()`; return the seconds that it took, `at_most` if it was not."""
        begun = time.monotonic()
        while not is_so(self.programs()) and time.monotonic() < begun + at_most:
            time.sleep(0.02)
        return time.monotonic() - begun

    def end_all(self) -> None:
        """End what was started and still runs."""
        while self._started:
            self._started.pop().end()


@pytest.fixture(scope="module")
def windows_of_module() -> Iterator[Windows]:
    """Windows' Python under Wine, for what several tests look at."""
    assert KIT is not None
    windows = Windows(Path(KIT))
    yield windows
    windows.end_all()


@pytest.fixture
def windows() -> Iterator[Windows]:
    """Windows' Python under Wine; what a test starts there ends with the test."""
    assert KIT is not None
    windows = Windows(Path(KIT))
    yield windows
    windows.end_all()
