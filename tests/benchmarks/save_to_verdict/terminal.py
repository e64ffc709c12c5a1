"""A program in a terminal of its own, and what pytest says there, with the time at which it arrived."""

from __future__ import annotations

import codecs
import errno
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

from marks import Marks
from proctree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

ROWS, COLUMNS = 50, 100
CHUNK = 65_536
TAIL = 4_000

_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_c]")
_PROGRESS = re.compile(r"[.FEsxXp]+( *\[ *\d+%\])?$")
_SECTION = re.compile(r"=+ (FAILURES|ERRORS|short test summary info|warnings summary) =+$")
_HEADING = re.compile(r"_{2,} .+ _{2,}$")
_SHORT = re.compile(r"(FAILED|ERROR) (\S+\.py\S*)")
_SUMMARY = re.compile(r"(?:=+ )?((?:no tests ran|\d+ [a-z]+)(?:, \d+ [a-z]+)*) in [\d.]+s")
_RED = re.compile(r"(\d+) (?:failed|errors?)\b")


class PytestReader:
    """Finds in what pytest prints (with -q, without colours) when it first shows, names and sums up what is red."""

    def __init__(self) -> None:
        self.marks = Marks()
        self.text = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line = ""
        self._signs = 0
        self._in_progress = True

    def feed(self, at: float, content: bytes) -> None:
        """Take what was printed, which arrived at `at`."""
        text = self._decode(content).replace("\r", "")
        self.text = (self.text + text)[-TAIL:]
        *whole, self._line = (self._line + text).split("\n")
        for line in whole:
            self._take(at, _ESCAPE.sub("", line), whole=True)
            self._signs = 0
        self._take(at, _ESCAPE.sub("", self._line), whole=False)

    def _take(self, at: float, line: str, *, whole: bool) -> None:
        marks = self.marks
        if self._in_progress and _PROGRESS.match(line):
            signs = sum(line.count(sign) for sign in "FE")
            if signs > self._signs:
                self._signs = signs
                marks.sign(at)
        elif _SECTION.match(line):
            self._in_progress = False
        elif not self._in_progress and (_HEADING.match(line) or (whole and _SHORT.match(line))):
            marks.name(at)
        elif whole and (summary := _SUMMARY.match(line)):
            self._in_progress = True
            marks.finish(at, sum(int(count) for count in _RED.findall(summary[1])))


class Terminal:
    """A program in a pseudo-terminal, which it controls; ends with its whole tree.

    Args:
        argv: What to start.
        folder: Where.
        environ: With what environment.
    """

    def __init__(self, argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self._argv = argv
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**environ, "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - this program has no other thread
        )
        os.close(slave)
        self.tree = Tree(self._process.pid)
        self.reader = PytestReader()

    def forget(self) -> None:
        """Begin a new reading; what was printed until now is dropped."""
        self.read(0)
        self.reader = PytestReader()

    def read(self, seconds: float) -> bool:
        """Wait at most so long for output, and take it; returns whether there was any.

        Raises:
            AssertionError: The program has ended.
        """
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        at = time.monotonic()
        try:
            content = os.read(self._master, CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            content = b""
        assert content, f"{self._argv} has ended:\n{self.reader.text}"
        self.reader.feed(at, content)
        return True

    def until(self, condition: Callable[[], object], deadline_s: float) -> bool:
        """Read until the condition holds, and return whether it came to hold in time."""
        deadline = time.monotonic() + deadline_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.read(0.02)
        return True

    def end(self) -> None:
        """End the program and all that it started."""
        self.tree.end()
        self._process.wait()
        os.close(self._master)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
