"""Tasks that nobody awaits: kept alive until they are done, and heard when they fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_log = structlog.get_logger(__name__)

# The loop refers to a task only weakly, so an unreferenced one can vanish in the middle of an await.
_alive: set[asyncio.Task[Any]] = set()


def spawn(
    coro: Coroutine[Any, Any, T], *, name: str, on_error: Callable[[BaseException], None] | None = None
) -> asyncio.Task[T]:
    """Start a coroutine as a task of the running loop.

    Args:
        coro: What to run.
        name: How the task is called in logs and dumps.
        on_error: Called on the loop with the exception that ended the task. Cancellation is no error.

    Raises:
        RuntimeError: No loop runs in this thread.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        coro.close()
        raise
    task = loop.create_task(coro, name=name)
    _alive.add(task)

    def done(task: asyncio.Task[T]) -> None:
        _alive.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("task failed", task=name, exc_info=error)
        if on_error is not None:
            on_error(error)

    task.add_done_callback(done)
    return task
