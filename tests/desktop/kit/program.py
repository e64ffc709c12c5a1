"""The product as a person starts it: a process of its own, seen through its command line and its control socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil

from app.control.client import ControlClient
from app.domain.commands import ReadStatus
from app.domain.errors import CannotError
from app.engine.places import Places
from kit.waiting import until
from tests.unplugged import WITHOUT_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

END_S = 10.0
"""How long the program may take to end (with its children), whoever asks for it."""


RUN_S = 60.0
"""`once` runs a whole suite."""


class Program:
    """Watchkeeper in a folder of its own.

    Args:
        home: Settings, history and all else lie under it.
        environ: The desktop session's environment.
    """

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        settings = home / "settings" / "settings.toml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        if not settings.exists():
            settings.write_text(f"[tests]\npython = {json.dumps(sys.executable)}\n", encoding="utf-8")
        self.home = home
        own = ("PYTEST_", "COV_", "WATCHKEEPER_")
        kept = {name: value for name, value in environ.items() if not name.startswith(own)}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        if WITHOUT_PLUGINS in os.environ:
            kept[WITHOUT_PLUGINS] = os.environ[WITHOUT_PLUGINS]
        self.environ = kept | {"WATCHKEEPER_HOME": str(home)}
        self._log = home / "printed.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `watchkeeper WORDS...`; what it prints is kept."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._entry(), *words],
                env=self.environ,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `watchkeeper WORDS...` to its end."""
        return subprocess.run(
            [*self._entry(), *words],
            env=self.environ,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )

    def json(self, *words: str) -> Any:
        """Run a command with `--json` and return its document; how it ended is its verdict, not its success."""
        ended = self.run(*words, "--json")
        assert ended.returncode in {0, 1}, f"{words}: exit {ended.returncode}\n{ended.stderr}"
        return json.loads(ended.stdout)

    def snapshot(self) -> dict[str, Any] | None:
        """Return the running instance's snapshot, or None while it does not answer."""
        try:
            with ControlClient(Places.find(self.environ), timeout_s=5) as client:
                answer: dict[str, Any] = client.send(ReadStatus())
                return answer
        except CannotError:
            return None

    async def until_mood(self, mood: str) -> dict[str, Any]:
        """Wait until the snapshot's mood is this one and no run goes on, and return it."""

        def look() -> dict[str, Any] | None:
            self.must_run()
            snapshot = self.snapshot()
            if snapshot is None or any(project["current"] for project in snapshot["projects"].values()):
                return None
            return snapshot if snapshot["mood"] == mood else None

        try:
            return await until(look, f"mood {mood}")
        except AssertionError as error:
            raise AssertionError(f"{error}\nsnapshot: {self.snapshot()}\nprinted: {self.printed()}") from error

    async def until_running(self, test: str) -> list[psutil.Process]:
        """Wait until this test runs, and return the program's children of that moment."""

        def look() -> list[psutil.Process] | None:
            self.must_run()
            projects = (self.snapshot() or {}).get("projects", {}).values()
            runs = any(test in ((project.get("current") or {}).get("running") or "") for project in projects)
            return self.children() if runs else None

        return await until(look, f"{test} runs")

    async def until_gone(self, children: list[psutil.Process], deadline_s: float = END_S) -> int:
        """Wait until the program and these processes are gone, and return its exit code."""
        process = self.process
        assert process is not None
        await until(lambda: process.poll() is not None, f"the program ends\n{self.printed()}", deadline_s)
        await until(lambda: not any(_lives(child) for child in children), "its children end", deadline_s)
        code = process.poll()
        assert code is not None
        return code

    def children(self) -> list[psutil.Process]:
        """Return all processes that descend from the program."""
        return psutil.Process(self.process.pid).children(recursive=True) if self.process is not None else []

    def must_run(self) -> None:
        """Fail, with what it printed, when the program has ended."""
        code = self.process.poll() if self.process is not None else None
        assert code is None, f"the program ended with {code}:\n{self.printed()}"

    def printed(self) -> str:
        """Return what it printed so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def end(self) -> None:
        """End it and all its children, whatever state they are in."""
        if self.process is None:
            return
        try:
            children = self.children()
        except psutil.NoSuchProcess:
            children = []
        self.process.terminate()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for child in children:
            if _lives(child):
                child.kill()

    @staticmethod
    def _entry() -> list[str]:
        return [sys.executable, "-m", "app.main"]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
