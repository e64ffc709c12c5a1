"""Tasks that nobody awaits: kept alive until they are done, and heard when they fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_log = structlog.get_logger(__name__)

END_S = 0.5
"""How long cancelled tasks may take at the very end of a program."""

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


async def end_others(within_s: float = END_S) -> None:
    """Cancel every other task of the running loop, and leave behind those that do not end in time.

    To be awaited last in a program: asyncio's runner would wait for ever for a task that swallows its cancellation,
    until the program is ended by force.

    Args:
        within_s: How long they may take, in seconds.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if not others:
        return
    _, stubborn = await asyncio.wait(others, timeout=within_s)
    for task in stubborn:
        _log.warning("a task does not end and is left behind", task=task.get_name())
        asyncio.tasks._unregister_task(task)  # noqa: SLF001 - so loops other than asyncio's own take a task off the list
        task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001 - it was told of just now
