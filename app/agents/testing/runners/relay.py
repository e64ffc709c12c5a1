"""Runs a command and hands on the lines of its stdout: standard library only, in Watchkeeper's own interpreter.

    python relay.py [--merge] MARK HIDDEN PROGRAM ARGUMENTS...

What a runner prints is read in a process of its own, so that a test that prints without end costs Watchkeeper nothing,
and stdout is told from stderr. Lines that match MARK (a regular expression) are always told; of what lies between two
of them, so much as `BETWEEN` holds. With --merge, stderr is read as stdout is, in the order in which both were written.
Everything is passed on to stderr as well, but for the lines that match HIDDEN: they are not meant for people.

One JSON document a line goes into the descriptor (on Windows: the handle) that WATCHKEEPER_RESULTS_FD names:

    lines    texts       lines of the command's, without their ends
    cut      bytes       so much was left out here
    failed   text        the command could not be started; nothing follows

It ends as the command does: with its exit code, or by the same signal.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading

CHUNK = 65536
BETWEEN = 64 * 1024
"""Bytes that are told between two lines that match."""
LINE_CAP = 1 << 20
"""A longer line is told in parts."""
LINGER_S = 0.5
NOT_STARTED = 127


class Relay:
    """Takes bytes, tells lines."""

    def __init__(self, channel: int, mark: re.Pattern[bytes], hidden: re.Pattern[bytes]) -> None:
        self.taken = 0
        self._channel = channel
        self._mark = mark
        self._hidden = hidden
        self._rest = b""
        self._left = BETWEEN
        self._cut = 0

    def take(self, content: bytes) -> None:
        """Tell the lines that are whole now."""
        self.taken += 1
        *lines, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > LINE_CAP:
            lines.append(self._rest)
            self._rest = b""
        self._tell_lines(lines)

    def finish(self) -> None:
        """Tell the last line, which may have no end."""
        rest, self._rest = self._rest, b""
        if rest:
            self._tell_lines([rest])

    def _tell_lines(self, lines: list[bytes]) -> None:
        told: list[str] = []
        for line in lines:
            if self._mark.search(line):
                if self._cut:
                    self._tell_texts(told)
                    self.tell("cut", bytes=self._cut)
                    told, self._cut = [], 0
                self._left = BETWEEN
            else:
                self._left -= len(line) + 1
            if self._left >= 0:
                told.append(line.rstrip(b"\r").decode("utf-8", "backslashreplace"))
            else:
                self._cut += len(line) + 1
        printed = [line for line in lines if not self._hidden.search(line)]
        if printed:
            _write(2, b"\n".join(printed) + b"\n")
        self._tell_texts(told)

    def _tell_texts(self, texts: list[str]) -> None:
        if texts:
            self.tell("lines", texts=texts)

    def tell(self, kind: str, **values: object) -> None:
        """Write one line of ours."""
        _write(self._channel, json.dumps({"kind": kind, **values}).encode("ascii") + b"\n")


def _write(descriptor: int, content: bytes) -> None:
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    except OSError:
        pass  # nobody reads any more: the run is being ended


def _own(channel: int) -> int:
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - on Windows only

        return msvcrt.open_osfhandle(channel, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)
    os.set_inheritable(channel, False)  # noqa: FBT003 - its only argument
    return channel


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    channel = _own(int(os.environ.pop("WATCHKEEPER_RESULTS_FD")))
    is_merged = arguments[0] == "--merge"
    mark, hidden, *argv = arguments[is_merged:]
    relay = Relay(channel, re.compile(mark.encode("utf-8")), re.compile(hidden.encode("utf-8")))
    try:
        command = subprocess.Popen(  # noqa: S603 - what Watchkeeper was told to run
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if is_merged else None,
        )
    except OSError as error:
        relay.tell("failed", text=f"{argv[0]} cannot be run: {error.strerror or error}")
        return NOT_STARTED
    assert command.stdout is not None  # noqa: S101 - it was asked for
    source = command.stdout.fileno()

    def read() -> None:
        while content := os.read(source, CHUNK):
            relay.take(content)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    code = command.wait()
    # What the command left behind may hold the pipe for ever: read on only while something comes.
    taken = -1
    while reader.is_alive() and relay.taken != taken:
        taken = relay.taken
        reader.join(LINGER_S)
    relay.finish()
    if code < 0:
        _end_by(-code)
    return code


def _end_by(number: int) -> None:
    """End this process as the command was ended, without a second core file."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


if __name__ == "__main__":
    # Not sys.exit: a reader that waits for a pipe for ever must not hold the end.
    os._exit(main(sys.argv[1:]))
