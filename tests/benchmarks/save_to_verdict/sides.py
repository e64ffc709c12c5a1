"""What is compared: each side watches its own copy of a project, and says what it showed after a save."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from environ import clean_environ
from marks import Marks
from proctree import Tree
from subjects import run
from terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from peers import Peer
    from subjects import Checkout

OURS = "watchkeeper"
ROOT = Path(__file__).parents[3]

FIRST_RUN_S = 180.0
RUN_S = 60.0
END_S = 20.0
QUIET_S = 0.25
OURS_QUIET_S = 1.3
"""Longer than the pauses in what we do after a run: trace what the map lacks, warm new spares."""

QUIET_DEADLINE_S = 60.0
MENDS = 3


class Silent(Exception):
    """A side did not come to what it was waited for, within its time."""


class Side(Protocol):
    """One watcher with its own copy of a project."""

    name: str
    checkout: Checkout
    poll_s: float

    def start(self) -> None:
        """Start, and wait until it knows the project to be green, watches, and is idle."""

    def begin(self, expected: frozenset[str]) -> None:
        """Forget what was shown until now; the next save makes the tests of `expected` red."""

    def marks_of_break(self) -> Marks:
        """Wait until a run has ended red and it can take the next save; return what it showed since `begin`."""

    def mend(self, save: Callable[[], float]) -> None:
        """Have the file mended by `save`, and wait until the side knows the project to be green, and is idle."""

    def end(self) -> None:
        """End all its processes."""


class PeerSide:
    """A peer in a terminal.

    Args:
        peer: Which.
        checkout: Its copy of the project, with what it needs installed.
    """

    def __init__(self, peer: Peer, checkout: Checkout) -> None:
        self.name = peer.name
        self.checkout = checkout
        self.poll_s = peer.poll_s
        self._peer = peer
        self._terminal: Terminal | None = None
        self._idle_members = 1

    def start(self) -> None:
        """Start it. What it remembers of the project, it learns now.

        Raises:
            Silent: It does not come to rest, or finds red tests.
        """
        if self._peer.learn:
            run([self.checkout.pytest, *self._peer.learn, *self.checkout.subject.recipe.left_out], self.checkout.root)
        path = f"{self.checkout.root / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self._terminal = Terminal(self._peer.command(self.checkout), self.checkout.root, clean_environ(PATH=path))
        if not self._terminal.until(self._watches, FIRST_RUN_S):
            raise Silent(f"{self.name} does not watch:\n{self._terminal.reader.text}")
        if self._terminal.reader.marks.red != (0 if self._peer.runs_at_start else None):
            raise Silent(f"{self.name} does not find the project green:\n{self._terminal.reader.text}")
        self._settle()
        self._idle_members = len(self._terminal.tree.members())

    def begin(self, expected: frozenset[str] = frozenset()) -> None:  # noqa: ARG002 - pytest's sum is compared instead
        """Forget what was printed until now."""
        self._running().forget()

    def marks_of_break(self) -> Marks:
        """Wait until a run has ended red, and pytest is gone."""
        terminal = self._running()
        terminal.until(lambda: terminal.reader.marks.end and self._is_idle(), RUN_S)
        return terminal.reader.marks

    def mend(self, save: Callable[[], float]) -> None:
        """Mend; one that remembers nothing is started anew instead of being made to run the whole suite for nothing.

        Raises:
            Silent: It is not green in time, after several saves.
        """
        if not self._peer.remembers:
            self.end()
            save()
            self.start()
            return
        terminal = self._running()
        for _ in range(MENDS):
            self.begin()
            save()
            if terminal.until(lambda: terminal.reader.marks.red == 0 and self._is_idle(), RUN_S / 2):
                self._settle()
                return
        raise Silent(f"{self.name} is not green again:\n{terminal.reader.text}")

    def end(self) -> None:
        """End it."""
        if self._terminal is not None:
            self._terminal.end()
            self._terminal = None

    def _running(self) -> Terminal:
        assert self._terminal is not None
        return self._terminal

    def _watches(self) -> bool:
        text = self._running().reader.text
        return not self._peer.watching or any(words in text for words in self._peer.watching)

    def _is_idle(self) -> bool:
        return self._watches() and len(self._running().tree.members()) <= self._idle_members

    def _settle(self) -> None:
        """Wait until it is quiet and prints nothing.

        Raises:
            Silent: It is never quiet.
        """
        terminal = self._running()
        deadline = time.monotonic() + QUIET_DEADLINE_S
        while not (terminal.tree.is_quiet(QUIET_S) and not terminal.read(0)):
            if time.monotonic() > deadline:
                raise Silent(f"{self.name} does not come to rest:\n{terminal.reader.text}")


class HouseSide:
    """Watchkeeper, headless, in a process of its own (inside.py) that tells each step of its snapshot.

    Args:
        checkout: Its copy of the project.
        home: Where it keeps its settings and history.
        log_level: Of its log; "debug" has the house tell more inner times.
    """

    name = OURS
    poll_s = 0.0

    def __init__(self, checkout: Checkout, home: Path, log_level: str = "info") -> None:
        self.checkout = checkout
        self._home = home
        self._log_level = log_level
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._marks = Marks()
        self._green = False
        self._expected: frozenset[str] = frozenset()
        self._seen: set[str] = set()
        self.tree: Tree | None = None

    def start(self) -> None:
        """Start it, and wait for its first run and for its spares.

        Raises:
            Silent: Its first run does not end green, or it does not come to rest.
        """
        settings = self._home / "settings" / "settings.toml"
        settings.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        args = json.dumps(list(self.checkout.subject.recipe.left_out))
        settings.write_text(f'[tests]\nargs = {args}\n[log]\nlevel = "{self._log_level}"\n', encoding="utf-8")
        self._marks, self._green = Marks(), False
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("inside.py")), str(self.checkout.root)],
            cwd=ROOT,
            env=clean_environ(WATCHKEEPER_HOME=str(self._home)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.tree = Tree(self._process.pid)
        self._until(lambda: self._marks.runs, FIRST_RUN_S)
        if not self._green:
            raise Silent(f"{self.name} does not find {self.checkout.root} green: {self._marks}")
        self._settle()

    def begin(self, expected: frozenset[str] = frozenset()) -> None:
        """Forget what was told until now. A test that is not of `expected` counts as strange, not as a verdict."""
        while self._read(0):
            pass
        self._marks, self._green, self._expected, self._seen = Marks(), False, expected, set()

    def pause(self, seconds: float) -> None:
        """Let time pass, and take what is told meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def marks_of_break(self) -> Marks:
        """Wait until a run has ended red."""
        self._until(lambda: self._marks.end, RUN_S)
        return self._marks

    def mend(self, save: Callable[[], float]) -> None:
        """Mend, and wait for the green run and for the spares.

        Raises:
            Silent: It is not green in time, after several saves.
        """
        for _ in range(MENDS):
            self.begin()
            save()
            if self._until(lambda: self._green, RUN_S):
                self._settle()
                return
        raise Silent(f"{self.name} is not green again: {self._marks}")

    def end(self) -> None:
        """End it, and all that it started."""
        if self._process is None:
            return
        self._process.terminate()
        deadline = time.monotonic() + END_S
        while self._process.poll() is None and time.monotonic() < deadline:
            if not self._read(0.1):
                break
        if self.tree is not None and self._process.poll() is None:
            self.tree.end()
        self._process.wait()
        self._process = None

    def _settle(self) -> None:
        if self.tree is None or not self.tree.until_quiet(OURS_QUIET_S, QUIET_DEADLINE_S):
            raise Silent(f"{self.name} does not come to rest")

    def _until(self, condition: Callable[[], object], deadline_s: float) -> bool:
        deadline = time.monotonic() + deadline_s
        while not condition():
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} has ended with code {self._process.poll()}"
            if time.monotonic() > deadline:
                return False
            self._read(0.05)
        return True

    def _read(self, seconds: float) -> bool:
        """Take what is there, waiting at most so long; returns whether there was anything."""
        assert self._process is not None
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        if not select.select([handle], [], [], seconds)[0]:
            return False
        content = os.read(handle, 65_536)
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        return bool(content)

    def _take(self, told: dict[str, object]) -> None:
        at, what = float(str(told["at"])), told["what"]
        if what == "red":
            nodeids = set(told["tests"]) if isinstance(told["tests"], list) else set()
            self._marks.strange |= nodeids - self._expected
            if nodeids & (self._expected - self._seen):  # one of the first part is red again in the whole: no news
                self._seen |= nodeids
                self._marks.sign(at)
                self._marks.name(at)
        elif what == "finished":
            red = int(str(told["red"]))
            self._green = told["verdict"] == "green" and not red
            self._marks.finish(at, red)
        else:
            self._marks.inner.setdefault(str(what), at)


def missing_program(peer: Peer) -> str:
    """Return the program that a peer needs and that is not there; empty when nothing is missing."""
    return peer.program if peer.program and shutil.which(peer.program) is None else ""
