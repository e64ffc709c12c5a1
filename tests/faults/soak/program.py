"""The program under its own parent, seen through its processes and its control socket."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil

from app.control.client import ControlClient
from app.domain.commands import ReadStatus
from app.domain.errors import WatchkeeperError
from app.engine.places import Places
from tests.unplugged import WITHOUT_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.domain.commands import Command

ANSWER_S = 4.0
_WAITS = re.compile(r"is started again in ([\d.]+) s")


class KeptProgram:
    """`watchkeeper --keep PATH` in a home of its own.

    Args:
        home: Settings, history, cache and logs lie under it.
        project: The folder that is watched.
        environ: The desktop session's environment, or one without a display.
        settings: The settings file's text.
    """

    def __init__(self, home: Path, project: Path, environ: Mapping[str, str], settings: str) -> None:
        own = ("PYTEST_", "COV_", "WATCHKEEPER_")
        kept = {name: value for name, value in environ.items() if name == WITHOUT_PLUGINS or not name.startswith(own)}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environ = kept | {"WATCHKEEPER_HOME": str(home)}
        self.home = home
        self.places = Places.find(self.environ)
        self.settings_text = settings
        self.places.settings_file.parent.mkdir(parents=True, exist_ok=True)
        self.places.settings_file.write_text(settings)
        self._printed = (home / "printed.txt").open("ab")
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "app.main", "--keep", str(project)],
            env=self.environ,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=self._printed,
            start_new_session=True,
        )

    def tray(self) -> psutil.Process | None:
        """Return the process that watches, or None while there is none."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.parent.pid).children():
                with contextlib.suppress(psutil.Error):
                    if any("app.main" in word for word in child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                        return child
        return None

    def ask(self, command: Command) -> Any:
        """Have a command carried out, and return its answer, or None where it was refused or nothing answered."""
        try:
            with ControlClient(self.places, timeout_s=ANSWER_S) as client:
                return client.send(command)
        except WatchkeeperError:
            return None

    def snapshot(self) -> dict[str, Any] | None:
        """Return what the program sees, or None while it does not answer."""
        answer: dict[str, Any] | None = self.ask(ReadStatus())
        return answer

    def until_up(self, deadline_s: float) -> bool:
        """Wait until it answers, and return whether it did in time."""
        due = time.monotonic() + deadline_s
        while time.monotonic() < due:
            if self.parent.poll() is not None:
                return False
            if self.snapshot() is not None:
                return True
            time.sleep(0.1)
        return False

    def announced_wait_s(self) -> float:
        """Return how many seconds the parent said last that it waits before it starts the program again."""
        said = _WAITS.findall((self.home / "printed.txt").read_text(errors="replace"))
        return float(said[-1]) if said else 0.0

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command beside it."""
        argv = [sys.executable, "-m", "app.main", *words]
        return subprocess.run(
            argv, env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=30, check=False
        )

    def family(self) -> list[psutil.Process]:
        """Return all processes that descend from the parent."""
        try:
            return psutil.Process(self.parent.pid).children(recursive=True)
        except psutil.Error:
            return []

    def end(self) -> None:
        """End it and what it started, whatever state they are in."""
        family = self.family()
        if self.parent.poll() is None:
            self.parent.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.parent.wait(15)
        for each in family:
            with contextlib.suppress(psutil.Error, OSError):
                if each.is_running():
                    os.kill(each.pid, signal.SIGCONT)
                    each.kill()
        if self.parent.poll() is None:
            self.parent.kill()
            self.parent.wait()
        self._printed.close()


def settings_text(*, mail_port: int, model_port: int) -> str:
    """Return the settings: this Python runs the tests, alerts go to a local mail server, questions to a local model."""
    return (
        f"[tests]\npython = {json.dumps(sys.executable)}\nhang_seconds = 20.0\n\n"
        '[alerts]\nleast = "news"\n\n'
        f'[alerts.mail]\nhost = "127.0.0.1"\nport = {mail_port}\nsecurity = "none"\n'
        'sender = "watch@example.org"\nto = ["ann@example.org"]\n\n'
        '[analysis]\nwhen = "always"\nproviders = ["lmstudio"]\ndeadline_seconds = 6.0\n\n'
        f'[analysis.lmstudio]\nbase_url = "http://127.0.0.1:{model_port}/v1"\nmodel = "tiny"\n'
    )
