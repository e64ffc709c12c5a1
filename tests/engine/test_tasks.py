"""Tasks that nobody awaits."""

from __future__ import annotations

import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from app.engine import tasks
from app.engine.tasks import spawn


async def test_a_task_that_nothing_refers_to_runs_to_its_end() -> None:
    """The loop holds tasks weakly; spawn holds them strongly until they are done."""
    ended = asyncio.Event()

    async def work() -> None:
        # This future, the task and their callbacks refer to each other only: without help the circle is garbage.
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.02)
        ended.set()

    spawn(work(), name="work")
    await asyncio.sleep(0)
    gc.collect()

    async with asyncio.timeout(10):
        await ended.wait()


async def test_a_failed_task_is_logged_and_reported() -> None:
    """An exception of a task that nobody awaits reaches the log and the callback."""
    reported: list[BaseException] = []

    async def work() -> None:
        raise ValueError("broken")

    with capture_logs() as logs:
        task = spawn(work(), name="breaker", on_error=reported.append)
        await asyncio.wait([task])
        await asyncio.sleep(0)

    assert [(line["event"], line["task"]) for line in logs] == [("task failed", "breaker")]
    assert [str(error) for error in reported] == ["broken"]


async def test_a_cancelled_task_is_no_error_and_is_let_go() -> None:
    """Cancellation is silent, and nothing keeps the task afterwards."""
    reported: list[BaseException] = []
    with capture_logs() as logs:
        task = spawn(asyncio.sleep(60), name="sleeper", on_error=reported.append)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)

    assert logs == []
    assert reported == []
    assert task not in tasks._alive


def test_outside_a_loop_it_raises_and_leaks_nothing() -> None:
    """Without a running loop the coroutine is closed, so no warning of it comes later."""

    async def work() -> None: ...

    coro = work()

    with pytest.raises(RuntimeError):
        spawn(coro, name="work")

    assert coro.cr_frame is None
