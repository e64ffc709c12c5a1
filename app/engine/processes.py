"""Programs that end when Watchkeeper does: each is started through a guard (`app/engine/guard`) of its own.

    async with runner.start([python, "-c", code], cwd=folder, env=environment) as process:
        async for line in process.lines():
            ...
        ended = await process.wait()

Leaving the block ends what still runs. The program's stdout and stderr are one stream, of which the last part is kept;
what it writes into the descriptor that WATCHKEEPER_RESULTS_FD names comes out of `lines`. Started with `orders=True`,
it reads what `send` was given from the descriptor that WATCHKEEPER_ORDERS_FD names. Works on asyncio's own loop
and on any that runs asyncio's subprocess transports, Qt's among them. Timers and the guard itself drive every end, no
task does, so that a cancelled caller leaves nothing half done.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from app.domain.errors import CannotError, ProjectError
from app.engine.guarded import OUTPUT_CAP, Ended, GuardChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

__all__ = ["OUTPUT_CAP", "Ended", "GuardedProcess", "ProcessRunner"]

# Imported, its bytecode is at hand: run by path it would be compiled each time, which doubles what it costs.
_GUARD = """\
import sys
sys.path.append(sys.argv[1])
import guard
guard.stand_guard(sys.argv[3], sys.argv[4:], with_orders=sys.argv[2] == "orders")"""


class GuardedProcess:
    """One running program. Made by `ProcessRunner.start`; belongs to the loop's own thread."""

    def __init__(self, channel: GuardChannel, *, takes_orders: bool) -> None:
        self._channel = channel
        self._takes_orders = takes_orders

    @property
    def pid(self) -> int:
        """The program's process id; on POSIX it leads the group of this number."""
        return self._channel.pid

    @property
    def last_output_at(self) -> float:
        """When the program last wrote to stdout or stderr, in the clock's monotonic seconds; at first, its start."""
        return self._channel.last_output_at

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield each line of the results channel, without its newline, until the program has ended. For one reader.

        Lines must be read: beyond 4 MiB of waiting ones the program is made to wait.
        """
        channel = self._channel
        while True:
            while channel.lines:
                yield channel.take_line()
            if channel.no_more_lines:
                return
            channel.line_came.clear()
            await channel.line_came.wait()

    def send(self, content: bytes) -> None:
        """Queue bytes for the program's orders channel, and return at once.

        What a program does not read waits in memory until it ends. To a program that has ended, or that closed the
        channel, nothing is sent.

        Raises:
            ValueError: The program was started without an orders channel.
        """
        if not self._takes_orders:
            raise ValueError("This program was started without an orders channel.")
        self._channel.send(content)

    async def wait(self) -> Ended:
        """Return when the program has ended and everything that it left behind is dead."""
        return await asyncio.shield(self._channel.ended)

    async def kill(self) -> Ended:
        """End the program and everything it started, and return within 3 s whatever they do."""
        self._channel.end_program()
        return await self.wait()


class ProcessRunner:
    """Starts programs under guard.

    Args:
        clock: Tells when the last output came.
        python: The interpreter that runs the guard: Watchkeeper's own.
    """

    def __init__(self, *, clock: Clock, python: str = sys.executable) -> None:
        self._clock = clock
        self._guard = (python, "-I", "-S", "-E", "-c", _GUARD, str(Path(__file__).parent))

    @asynccontextmanager
    async def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        output_cap: int = OUTPUT_CAP,
        orders: bool = False,
    ) -> AsyncIterator[GuardedProcess]:
        """Start a program, and end it on leaving if it still runs.

        A guard that somebody ended before it came to the program is started once more.

        Args:
            argv: The program (a path, or a name to be found on `env`'s PATH) and its arguments.
            cwd: Its working folder.
            env: Its whole environment; the variables that name its channels are added.
            output_cap: How many bytes of its output are kept.
            orders: Whether it gets an orders channel: a pipe that carries what `GuardedProcess.send` is given, and that
                ends when the program is to end, or when Watchkeeper does.

        Raises:
            ProjectError: The working folder cannot be entered.
            CannotError: The program cannot be started.
        """
        for is_last in (False, True):
            async with self._guarded(argv, cwd, env, output_cap, "orders" if orders else "") as channel:
                if channel.pid or channel.failure or is_last:
                    _refuse(channel, argv[0], cwd)
                    yield GuardedProcess(channel, takes_orders=orders)
                    return
            # Somebody ended the guard before it came to the program: short of memory, the system itself does.
            _log.warning("a guard was ended at its start, and is started anew", program=argv[0])

    @asynccontextmanager
    async def _guarded(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output_cap: int, orders: str
    ) -> AsyncIterator[GuardChannel]:
        """Start a guard, and give its channel once it has started the program, could not, or is gone."""
        loop = asyncio.get_running_loop()
        channel = GuardChannel(loop, self._clock, output_cap)
        pipe = asyncio.subprocess.PIPE
        words = (*self._guard, orders, str(cwd), *argv)
        guard = loop.subprocess_exec(
            lambda: channel, *words, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, **_APART
        )
        try:
            try:
                # A guard that is half started when its caller is cancelled must be known, so that it can be ended.
                await _uninterrupted(loop.create_task(guard))
            except (OSError, ValueError) as error:
                raise CannotError(f"{argv[0]} could not be started: {error}.") from error
            await channel.started()
            yield channel
        finally:
            if channel.connected:
                channel.end_program()
                await _uninterrupted(channel.ended)


async def _uninterrupted(future: asyncio.Future[Any]) -> None:
    """Wait for what comes within seconds, through any number of cancellations; then let them take effect."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()
        raise cancelled
    future.result()


_APART: dict[str, Any]
"""Keeps a terminal's Ctrl+C, and on Windows a console window, away from the guard: Watchkeeper decides."""
if sys.platform == "win32":
    import subprocess

    _APART = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    _APART = {"start_new_session": True}


def _refuse(channel: GuardChannel, program: str, cwd: Path) -> None:
    """Raise what kept the program from being started, if anything did."""
    if channel.pid:
        return
    failure = channel.failure
    if failure is None:
        said = bytes(channel.output).decode("utf-8", "replace").strip()[-500:]
        raise CannotError(f"{program} could not be started: its guard ended at once. {said}".rstrip())
    reason = os.strerror(failure.errno)
    if failure.what == "folder":
        raise ProjectError(f"{cwd} cannot be entered: {reason}.", "Look whether the folder still exists.")
    raise CannotError(f"{program} cannot be run: {reason}.", "Look whether it still exists and may be executed.")
