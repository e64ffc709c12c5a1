"""The thread pool that can be left behind."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from app.engine.workers import WorkerPool

LONG_S = 20.0


def test_calls_run_and_their_errors_reach_the_reader() -> None:
    """Results and exceptions come back through the future."""
    with WorkerPool(2) as pool:
        assert pool.submit(divmod, 7, 2).result(LONG_S) == (3, 1)
        assert isinstance(pool.submit(divmod, 7, 0).exception(LONG_S), ZeroDivisionError)


def test_threads_are_started_only_as_needed_and_reused() -> None:
    """One call after another needs one thread; calls at once need more, up to the limit."""
    with WorkerPool(2, name="few") as pool:
        for _ in range(5):
            pool.submit(int).result(LONG_S)
            while pool._free._value == 0:  # its thread becomes free just after the result is set
                time.sleep(0.001)
        one = len(pool._crew)
        release = threading.Event()
        waiting = [pool.submit(release.wait, LONG_S) for _ in range(5)]
        two = len(pool._crew)
        release.set()
        results = [future.result(LONG_S) for future in waiting]

    assert (one, two) == (1, 2)
    assert results == [True] * 5


def test_a_pool_that_is_shut_down_refuses() -> None:
    """After shutdown nothing is accepted, and a second shutdown is harmless."""
    pool = WorkerPool(1)
    pool.shutdown()
    pool.shutdown()

    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(int)


def test_what_has_not_begun_can_be_cancelled_at_shutdown() -> None:
    """With cancel_futures the queue is emptied, and what runs is let run."""
    pool = WorkerPool(1)
    release, running = threading.Event(), threading.Event()
    first = pool.submit(lambda: (running.set(), release.wait(LONG_S)))
    second = pool.submit(int)
    assert running.wait(LONG_S)

    pool.shutdown(wait=False, cancel_futures=True)
    left = pool.join(0.01)
    release.set()

    assert second.cancelled()
    assert left is False
    assert pool.join(LONG_S)
    assert first.done()


def test_a_pool_that_is_dropped_leaves_no_threads() -> None:
    """Without a shutdown the threads end with the pool."""
    pool = WorkerPool(1)
    pool.submit(int).result(LONG_S)
    (thread,) = pool._crew

    del pool
    gc.collect()
    thread.join(LONG_S)

    assert not thread.is_alive()


async def test_asyncio_takes_it_as_default_executor() -> None:
    """to_thread runs in it."""
    pool = WorkerPool(1, name="mine")
    asyncio.get_running_loop().set_default_executor(pool)

    name = await asyncio.to_thread(lambda: threading.current_thread().name)

    assert name == "mine-0"


def test_a_hung_call_does_not_keep_the_interpreter_alive() -> None:
    """The standard pool joins its threads at exit; this one lets go."""
    program = """
        import threading
        from app.engine.workers import WorkerPool
        hanging = threading.Event()
        WorkerPool().submit(lambda: (hanging.set(), threading.Event().wait()))
        hanging.wait()
    """

    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=LONG_S, check=False)

    assert ended.returncode == 0
