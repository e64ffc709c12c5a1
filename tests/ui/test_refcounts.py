"""PySide 6.12.0 released None once too often for each turn on Python below 3.12, and aborted after some thousand."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from app.ui.loop import QtLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from PySide6.QtWidgets import QApplication

TURNS = 2000


async def _steps() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def _timers() -> None:
    for _ in range(TURNS // 10):
        await asyncio.sleep(0.0001)


async def _thread_calls() -> None:
    loop = asyncio.get_running_loop()
    for _ in range(TURNS // 10):
        done = asyncio.Event()
        await asyncio.to_thread(loop.call_soon_threadsafe, done.set)
        await done.wait()


async def _descriptors() -> None:
    ended = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1):
            writer.write(block)
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(TURNS // 10):
            writer.write(b"x")
            await reader.readexactly(1)
        writer.close()
        await writer.wait_closed()
        await ended.wait()


@pytest.mark.parametrize("work", [_steps, _timers, _thread_calls, _descriptors])
def test_turning_the_loop_keeps_the_reference_counts_of_constants(
    qapp: QApplication, work: Callable[[], Coroutine[object, object, None]]
) -> None:
    """None, True and False gain or lose no references with each turn (they cannot from Python 3.12 on)."""
    loop = QtLoop(qapp)
    loop.run_until_complete(work())  # what is made once, is made now
    constants = (None, True, False)
    before = [sys.getrefcount(constant) for constant in constants]

    loop.run_until_complete(work())

    drift = [abs(sys.getrefcount(constant) - count) for constant, count in zip(constants, before, strict=True)]
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert max(drift) < TURNS // 20
