"""The program as it runs in a terminal, in a process of its own, and what it writes: for faults done from outside."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

WITHIN_S = 45.0

LIGHT = {"impact": False, "recheck": False, "warm_workers": 0}
"""Settings under which a run is one plain process: enough where files, and not tests, are what goes wrong."""

END_S = 10.0
"""How long the program may take to end, whatever befell it."""

GOOD = "def total(prices):\n    return sum(prices)\n"
BAD = "def total(prices):\n    return sum(prices) - 1\n"
SUITE = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"


def a_shop(root: Path) -> Path:
    """Make a small project with one test, which is red when `shop.py` is BAD, and return its folder."""
    root.mkdir(parents=True)
    (root / "shop.py").write_text(GOOD, encoding="utf-8")
    (root / "test_shop.py").write_text(SUITE, encoding="utf-8")
    return root


class Headless:
    """`watchkeeper run PROJECT --headless --json`. A context manager; leaving it ends the program, which must be well.

    Args:
        root: The project.
        home: Where the program's own folders lie.
        before: A command that starts it, such as one that sets limits.
        python: Options for its interpreter.
        environ: More of its environment.
        tests: Settings of the section `[tests]`; LIGHT when None.

    Attributes:
        last_words: What it may have said on stderr when it has ended; nothing, unless a test sets it.
    """

    def __init__(
        self,
        root: Path,
        home: Path,
        *,
        before: Sequence[str] = (),
        python: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        tests: Mapping[str, object] | None = None,
    ) -> None:
        self.root = root
        self.home = home
        self.events: list[dict[str, Any]] = []
        settings = home / "settings" / "settings.toml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        chosen = {"python": sys.executable, "coverage": "off", **(LIGHT if tests is None else tests)}
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in chosen.items()]
        settings.write_text("".join(["[tests]\n", *lines]), encoding="utf-8")
        self.environ = os.environ | {"WATCHKEEPER_HOME": str(home), "PYTHONUNBUFFERED": "1"} | (environ or {})
        self._argv = [*before, sys.executable, *python, "-m", "app.main", "run", str(root), "--headless", "--json"]
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.errors = ""
        self.last_words = ""

    def __enter__(self) -> Self:
        """Start it."""
        self.process = subprocess.Popen(
            self._argv, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._readers = [
            threading.Thread(target=self._read_events, name="reads-events"),
            threading.Thread(target=self._read_errors, name="reads-errors"),
        ]
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End it: in 10 s, with exit code 0 and only its last words to say, unless the test has failed already."""
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(END_S + 5.0)
        finally:
            self.process.kill()
            for reader in self._readers:
                reader.join()
            for pipe in (self.process.stdout, self.process.stderr):
                if pipe is not None:
                    pipe.close()
        if kind is None:
            assert code == 0 and self.errors in {"", self.last_words}, (code, self.errors)  # noqa: PT018 - told in one

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def until(self, holds: Callable[[dict[str, Any]], object], *, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Read on until an event comes for which something holds, and return it."""
        due = time.monotonic() + within_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"it did not come in {within_s} s; the last were {self.events[-5:]}") from None
            assert line is not None, f"the program has ended: {self.errors}"
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            if holds(event):
                return event

    def until_verdict(self, *verdicts: str, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Read on until a run ends with one of these."""
        return self.until(
            lambda event: event["event"] == "RunFinished" and event["verdict"] in verdicts, within_s=within_s
        )

    def until_notice(self, words: str, *, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Read on until a notice with these words is raised."""
        return self.until(
            lambda event: event["event"] == "NoticeRaised" and words in event["text"] + event["hint"], within_s=within_s
        )

    def save(self, text: str) -> None:
        """Save the shop's source."""
        (self.root / "shop.py").write_text(text, encoding="utf-8")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command beside it."""
        argv = [sys.executable, "-m", "app.main", *words]
        return subprocess.run(argv, env=self.environ, capture_output=True, text=True, timeout=30, check=False)

    def log(self) -> list[dict[str, Any]]:
        """Return what it has logged."""
        lines = (self.home / "logs" / "watchkeeper.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
