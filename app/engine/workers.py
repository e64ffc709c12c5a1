"""A thread pool whose hung worker delays nobody: neither the loop's close nor the interpreter's exit."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.engine.tasks import end_others

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    _Job = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]]

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_S = 2.0
"""How long the end of the program waits for a call that hangs."""

WORKERS = 8
"""Own files, the database and name look-ups at once; the work waits on devices, so cores do not bound it."""


class WorkerPool(ThreadPoolExecutor):
    """Runs blocking calls in daemon threads, started as they are needed.

    The standard pool joins its threads when the interpreter ends, so one call on a dead network share keeps the
    program alive for ever. This one can be left behind. It is a ThreadPoolExecutor because asyncio asks for one as its
    default executor.

    Args:
        workers: Most threads at once.
        name: How its threads are called.
        patience_s: How long `shutdown` waits at most; None for as long as it takes.
    """

    def __init__(self, workers: int = WORKERS, *, name: str = "worker", patience_s: float | None = None) -> None:
        super().__init__(max_workers=workers, thread_name_prefix=name)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._crew: list[threading.Thread] = []
        self._free = threading.Semaphore(0)
        self._limit = workers
        self._name = name
        self._patience_s = patience_s
        self._closed = False
        # a pool that was dropped without a shutdown must not leave its threads waiting for work
        weakref.finalize(self, _dismiss, self._jobs, self._crew)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a call; its future is done when it has run.

        Raises:
            RuntimeError: The pool is shut down.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._jobs.put((future, fn, args, kwargs))
            if not self._free.acquire(blocking=False) and len(self._crew) < self._limit:
                thread = threading.Thread(
                    target=_work, args=(self._jobs, self._free), name=f"{self._name}-{len(self._crew)}", daemon=True
                )
                self._crew.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the base's signature
        """Take no more calls, and let the threads end after what is queued.

        Args:
            wait: Wait for them, for as long as the pool's patience lasts.
            cancel_futures: Cancel what has not begun.
        """
        with self._gate:
            if not self._closed:
                self._closed = True
                if cancel_futures:
                    self._cancel_queued()
                _dismiss(self._jobs, self._crew)
        if wait:
            self.join(self._patience_s)

    def join(self, timeout_s: float | None) -> bool:
        """Wait until all threads have ended, at most `timeout_s` seconds, and tell whether they have."""
        due = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in self._crew:
            thread.join(None if due is None else max(0.0, due - time.monotonic()))
        return not any(thread.is_alive() for thread in self._crew)

    def _cancel_queued(self) -> None:
        try:
            while (job := self._jobs.get_nowait()) is not None:
                job[0].cancel()
                job[0].set_running_or_notify_cancel()
        except queue.Empty:
            pass


def plain_loop() -> asyncio.AbstractEventLoop:
    """Return asyncio's own loop, with a pool that a hung call does not keep alive for longer than two seconds."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(WorkerPool(patience_s=PATIENCE_S))
    return loop


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a program on asyncio's own loop, and return what it returns; a task that will not end delays nobody.

    Raises:
        BaseException: Whatever `main` raises; every `finally` has run by then.
    """

    async def body() -> T:
        try:
            return await main()
        finally:
            await end_others()

    with asyncio.Runner(loop_factory=plain_loop) as runner:
        return runner.run(body())


def _dismiss(jobs: queue.SimpleQueue[_Job | None], crew: list[threading.Thread]) -> None:
    for _ in crew:
        jobs.put(None)


def _work(jobs: queue.SimpleQueue[_Job | None], free: threading.Semaphore) -> None:
    while (job := jobs.get()) is not None:
        _run(*job)
        del job  # what the call was given must not live until the next call comes
        free.release()


def _run(future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - whatever it raised belongs to the one who reads the future
        future.set_exception(error)
        del future  # the traceback holds this frame: break the cycle, as the standard pool does
    else:
        future.set_result(result)
