"""The orders channel: what Watchkeeper tells a program that runs under guard, and that it never gets in the way."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from app.engine.processes import GuardedProcess

ROOT = Path(__file__).parents[2]

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at other processes' descriptors in /proc")

CHANNELS = """
import os, signal, sys, time
orders, results = (int(os.environ[name]) for name in ("WATCHKEEPER_ORDERS_FD", "WATCHKEEPER_RESULTS_FD"))
def tell(line):
    os.write(results, str(line).encode() + b"\\n")
"""


def program(code: str, **env: str) -> AbstractAsyncContextManager[GuardedProcess]:
    """Start a Python program of a few lines that takes orders."""
    argv = [sys.executable, "-S", "-c", CHANNELS + textwrap.dedent(code)]
    return ProcessRunner(clock=SystemClock()).start(argv, cwd=ROOT, env={**os.environ, **env}, orders=True)


async def test_orders_arrive_unchanged_and_in_order() -> None:
    """What is sent is what the program reads, whenever it is sent and whatever bytes it holds."""
    async with program("while order := os.read(orders, 100): tell(order)") as process:
        lines = process.lines()

        process.send(b'{"do":"warm"}\n')
        first = await anext(lines)
        process.send(b"\x00\xff")
        second = await anext(lines)

    assert (first, second) == (rb"""b'{"do":"warm"}\n'""", rb"b'\x00\xff'")


async def test_a_slow_reader_gets_everything() -> None:
    """Orders that are larger than all pipes between wait for the program, and none is lost or doubled."""
    content = b"".join(b"%07d\n" % number for number in range(500_000))
    code = """
    import zlib
    check = size = 0
    while size < 4_000_000:
        read = os.read(orders, 1 << 16)
        check, size = zlib.crc32(read, check), size + len(read)
        if size < 1_000_000:
            time.sleep(0.001)
    tell(f"{size} {check}")
    """
    async with program(code) as process:
        for start in range(0, len(content), 70_001):
            process.send(content[start : start + 70_001])
        told = await anext(process.lines())

    assert told == b"%d %d" % (len(content), zlib.crc32(content))


async def test_a_program_that_never_reads_is_ended_as_any_other() -> None:
    """Orders that nobody reads keep neither the guard nor us from ending the program."""
    async with program("tell('here'); time.sleep(600)") as process:
        await anext(process.lines())
        for _ in range(100):
            process.send(bytes(1 << 16))
        ended = await process.kill()

    assert ended.killed
    assert ended.signal == signal.SIGTERM
    assert not psutil.pid_exists(process.pid)


async def test_a_program_that_never_reads_ends_by_itself_as_any_other() -> None:
    """Orders that nobody reads do not keep a program's own end from being told."""
    async with program("tell('here'); time.sleep(0.1); sys.exit(5)") as process:
        process.send(bytes(1 << 22))
        ended = await process.wait()

    assert (ended.code, ended.killed) == (5, False)


@only_linux
@pytest.mark.parametrize("full", [False, True], ids=["at rest", "with orders waiting"])
async def test_a_program_may_close_its_orders(full: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Orders for a program that wants none are dropped, and its guard closes the pipe and lives on."""
    code = """
    tell(os.readlink(f"/proc/self/fd/{orders}"))
    os.read(orders, 1)
    os.close(orders)
    tell("closed")
    time.sleep(600)
    """
    async with program(code) as process:
        lines = process.lines()
        pipe = (await anext(lines)).decode()
        guard = psutil.Process(process.pid).parent()
        assert guard is not None
        process.send(bytes(1 << 20 if full else 1))
        await anext(lines)

        process.send(b"one more")
        async with asyncio.timeout(20):
            while pipe in _open_files(guard.pid):  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.01)
        ended = await process.kill()

    assert ended.signal == signal.SIGTERM


@only_linux
async def test_the_end_of_orders_is_seen() -> None:
    """When the program is to end its orders end too, and the guard's alone is the other end of the pipe."""
    code = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(os.readlink(f"/proc/self/fd/{orders}"))
    while os.read(orders, 100):
        pass
    print("orders ended", flush=True)
    time.sleep(600)
    """
    async with program(code) as process:
        pipe = (await anext(process.lines())).decode()
        guard = psutil.Process(process.pid).parent()
        assert guard is not None
        holders = {pid for pid in psutil.pids() if pipe in _open_files(pid)}
        ended = await process.kill()

    assert holders == {process.pid, guard.pid}
    assert ended.output == b"orders ended\n"
    assert ended.signal == signal.SIGKILL


async def test_programs_without_orders_know_of_none() -> None:
    """The variable names the program's own channel or nothing, also below another Watchkeeper."""
    argv = [sys.executable, "-S", "-c", "import os; print(os.environ.get('WATCHKEEPER_ORDERS_FD'))"]
    env = {**os.environ, "WATCHKEEPER_ORDERS_FD": "77"}

    async with ProcessRunner(clock=SystemClock()).start(argv, cwd=ROOT, env=env) as process:
        with pytest.raises(ValueError, match="without an orders channel"):
            process.send(b"order")
        ended = await process.wait()

    assert ended.output == b"None\n"


async def test_orders_after_the_end_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Who sends to a program that has just ended is not told so by an exception or in the log: its end tells it."""
    async with program("pass") as process:
        await process.wait()

        for _ in range(10):
            process.send(b"order\n")

    assert not psutil.pid_exists(process.pid)
    assert caplog.records == []


def _open_files(pid: int) -> set[str]:
    """Return what a process's descriptors are; nothing for one that has ended."""
    try:
        return {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()
