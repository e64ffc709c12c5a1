"""The near end of a guard (`app/engine/guard`): what comes from it, what goes to it, and that it ends.

Timers and the guard itself drive every end, no task does, so that a cancelled caller leaves nothing half done.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

OUTPUT_CAP = 1 << 20
"""Bytes of output that are kept, the last ones."""
LONGEST_LINE = 8 << 20
"""A longer line in the results channel is no line of ours and is dropped."""
WAITING_LINES_CAP = 4 << 20
"""Bytes of lines that may wait to be read; beyond that the program is made to wait."""
FORCE_AFTER_S = 2.2
"""A guard needs about 1.5 s at most to end everything (a grace, then SIGKILL again and again); then it is killed."""
GIVE_UP_AFTER_S = 0.5
DRAIN_S = 0.25
"""How long to read on after the guard's end, and again while something comes: what got away may hold the pipe."""
DRAIN_AT_MOST = 8

_GUARD_MARK = b'{"guard":'
_OUR_END_S = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        code: Its exit code; None when a signal ended it, or when nobody could see how it ended.
        signal: The number of the signal that ended it, or None.
        output: The last part of what it wrote to stdout and stderr.
        killed: True when it was ended from here.
    """

    code: int | None
    signal: int | None
    output: bytes
    killed: bool

    @property
    def unseen(self) -> bool:
        """True when nobody could see how it ended: somebody ended its guard, and with that the program."""
        return self.code is None and self.signal is None and not self.killed


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a program could not be started.

    Attributes:
        what: The step that failed: `folder` or `program`.
        errno: The operating system's error number.
    """

    what: str
    errno: int


class GuardChannel(asyncio.SubprocessProtocol):
    """The near end of a guard: its three streams, its end, and the timers that see to it that there is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, output_cap: int) -> None:
        self.ended: asyncio.Future[Ended] = loop.create_future()
        self.lines: deque[bytes] = deque()
        self.line_came = asyncio.Event()
        self.no_more_lines = False
        self.output = bytearray()
        self.last_output_at = clock.monotonic()
        self.pid = 0
        self.failure: Failure | None = None
        self._loop = loop
        self._clock = clock
        self._cap = output_cap
        self._transport: asyncio.SubprocessTransport | None = None
        self._partial = bytearray()
        self._overlong = False
        self._waiting = 0
        self._paused = False
        self._start_seen = asyncio.Event()
        self._code: int | None = None
        self._signal: int | None = None
        self._told_end = False
        self._killed = False
        self._exited = False
        self._came = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def connected(self) -> bool:
        """True once there is a guard."""
        return self._transport is not None

    async def started(self) -> None:
        """Wait until the guard has started the program, or could not."""
        await self._start_seen.wait()

    def take_line(self) -> bytes:
        """Return the oldest waiting line, and let the program go on when it was made to wait."""
        line = self.lines.popleft()
        self._waiting -= len(line)
        if self._paused and self._waiting < WAITING_LINES_CAP // 4:
            self._resume()
        return line

    def end_program(self) -> None:
        """Have the guard end everything; if it does not, do it from here. Returns at once."""
        if self.ended.done() or self._killed or self._exited:
            return
        self._killed = not self._told_end
        self._resume()
        self._close_stdin()
        self._arm(FORCE_AFTER_S, self._force)

    def send(self, content: bytes) -> None:
        """Hand bytes to the guard, which hands them to the program; without effect once the program is to end."""
        pipe = self._stdin()
        if pipe is not None and not pipe.is_closing():
            pipe.write(content)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the guard's streams."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        if self._killed:  # asked for while the guard was being started
            self._close_stdin()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what came in the results channel (1) or as output (2)."""
        self._came += 1
        if fd == 1:
            self._take_results(data)
            return
        self.last_output_at = self._clock.monotonic()
        self.output += data
        if len(self.output) > 2 * self._cap:
            del self.output[: -self._cap]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Note that no more lines come."""
        if fd == 1:
            self._end_lines()

    def process_exited(self) -> None:
        """Read what is left after the guard's end."""
        self._exited = True
        self._resume()
        self._end_group()
        self._close_stdin()
        self._arm(DRAIN_S, lambda: self._drain(self._came, DRAIN_AT_MOST))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell the end, now that the guard and its streams have ended."""
        self._finish()

    # Results.

    def _take_results(self, data: bytes) -> None:
        self._partial += data
        if b"\n" not in data:
            if len(self._partial) > LONGEST_LINE:
                self._overlong = True
                self._partial.clear()
            return
        *lines, rest = self._partial.split(b"\n")
        if self._overlong:
            self._overlong = False
            del lines[0]
        self._partial = rest
        for line in lines:
            if line.startswith(_GUARD_MARK):
                self._take_guard_line(bytes(line))
            elif line and not (self._killed and self._waiting > WAITING_LINES_CAP):
                self.lines.append(bytes(line))
                self._waiting += len(line)
        if self.lines:
            self.line_came.set()
        if self._waiting > WAITING_LINES_CAP and not self._paused and not self._killed and not self._exited:
            self._paused = True
            self._results_pipe().pause_reading()

    def _take_guard_line(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            match said["guard"]:
                case "started":
                    self.pid = int(said["pid"])
                    self._start_seen.set()
                case "failed":
                    self.failure = Failure(str(said["what"]), int(said["errno"]))
                    self._start_seen.set()
                case "ended":
                    self._code, self._signal, self._told_end = said["code"], said["signal"], True
                    self._end_lines()
                    self._arm(_OUR_END_S, self._force)
        except (ValueError, KeyError, TypeError):
            _log.warning("a line of the guard is not understood", line=line[:200])

    def _end_lines(self) -> None:
        self.no_more_lines = True
        self.line_came.set()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._results_pipe().resume_reading()

    def _results_pipe(self) -> asyncio.ReadTransport:
        assert self._transport is not None  # noqa: S101 - data came, so there is one
        return cast("asyncio.ReadTransport", self._transport.get_pipe_transport(1))

    # The end.

    def _stdin(self) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(0) if self._transport is not None else None
        return cast("asyncio.WriteTransport | None", pipe)

    def _close_stdin(self) -> None:
        pipe = self._stdin()
        if pipe is not None and not pipe.is_closing():
            pipe.abort()  # a plain close would first write all that waits

    def _force(self) -> None:
        """The guard does not end: end the program's group and the guard from here."""
        _log.warning("a guard did not end in time and is killed", pid=self.pid)
        self._end_group()
        if self._transport is not None:
            with suppress(ProcessLookupError):
                self._transport.kill()
        self._arm(GIVE_UP_AFTER_S, self._give_up)

    def _end_group(self) -> None:
        """Kill the program's group when the guard ended without having told that it is gone."""
        if self.pid and not self._told_end and sys.platform != "win32":
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

    def _drain(self, came: int, left: int) -> None:
        if self._came != came and left:
            self._arm(DRAIN_S, lambda: self._drain(self._came, left - 1))
        else:
            self._give_up()

    def _give_up(self) -> None:
        """Close the pipes, whoever still holds their other ends."""
        if self._transport is not None:
            self._transport.close()
        self._arm(DRAIN_S, self._finish)

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        self._end_lines()
        self._start_seen.set()
        if not self.ended.done():
            output = bytes(self.output[-self._cap :]) if self._cap else b""
            self.ended.set_result(Ended(self._code, self._signal, output, self._killed))

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, action)
