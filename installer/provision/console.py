"""What the person sees while things are set up: one line for each step, with its elapsed seconds."""

import collections
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

_TAIL_LINES = 30
_TICK_S = 0.2
_SIGN_OF_LIFE_S = 15.0


class Stop(Exception):
    """Nothing further can be done here; the message says what happened and what to do next.

    Args:
        message: one or more lines for the person.
        code: the exit code: 1 failed, 2 wrong usage, 3 something is missing that only the person can install.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Console:
    """Prints steps and runs their commands quietly.

    On a terminal the line of the running step is redrawn with its seconds and the command's latest line. Elsewhere
    (CI, a pipe) a step is one line at its start, one at its end, and a sign of life every 15 seconds between.

    Args:
        stream: where to print; standard error, where standard output belongs to the program that is started.
        clock: seconds that only grow, handed in for tests.
    """

    def __init__(self, stream: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._live = stream.isatty()

    def say(self, text: str) -> None:
        """Prints a line of its own."""
        print(text, file=self._stream, flush=True)

    def run(
        self,
        title: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        """Runs one command to its end as a step of its own; its output is shown only if it fails.

        Args:
            title: what the step does, for the person.
            command: program and arguments.
            env: its environment; None: ours.
            cwd: its folder; None: ours.
            keep_open: descriptors that it shall hold as long as it lives, so that a lock outlives a killed bootstrap.

        Raises:
            Stop: it could not be started or ended with another code than 0; the message has its last lines.
        """
        begun = self._clock()
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                encoding="utf-8",
                errors="replace",
                pass_fds=tuple(keep_open),
            )
        except OSError as error:
            message = f"{title}: {command[0]} does not start: {error.strerror}."
            raise Stop(message) from error
        tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        reader = threading.Thread(target=_read_into, args=(child, tail), daemon=True)
        reader.start()
        with child:
            try:
                self._watch(title, child, tail, begun)
            except BaseException:
                child.terminate()
                raise
            reader.join(timeout=1)
        seconds = self._clock() - begun
        if child.returncode != 0:
            self._end_line(f"{title}: failed after {seconds:.1f} s")
            output = "\n".join("    " + line for line in tail)
            message = (
                f"{title}: '{Path(command[0]).name}' ended with code {child.returncode}. Its last lines:\n{output}"
            )
            raise Stop(message)
        self._end_line(f"{title}: done in {seconds:.1f} s")

    def _watch(self, title: str, child: subprocess.Popen[str], tail: Sequence[str], begun: float) -> None:
        if not self._live:
            self.say(f"{title} ...")
        shown = begun
        while True:
            try:
                child.wait(_TICK_S)
            except subprocess.TimeoutExpired:
                latest = tail[-1] if tail else ""
            else:
                return
            now = self._clock()
            if self._live:
                self._redraw(f"{title} ... {now - begun:.0f} s  {latest}")
            elif now - shown >= _SIGN_OF_LIFE_S:
                shown = now
                self.say(f"  ... {now - begun:.0f} s  {latest}")

    def _redraw(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write("\r\x1b[K" + text[:width])
        self._stream.flush()

    def _end_line(self, text: str) -> None:
        if self._live:
            self._redraw("")
        self.say(text)


def _read_into(child: subprocess.Popen[str], tail: collections.deque[str]) -> None:
    if child.stdout is None:
        return
    for line in child.stdout:
        if line.strip():
            tail.append(line.strip())
