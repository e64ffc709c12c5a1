"""SyncAsyncWrapper: the blocking face of async functions."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from structlog.testing import capture_logs

from app.domain.errors import BridgeClosed
from app.engine.blocking import SyncAsyncWrapper
from app.engine.bridge import SafeAsyncBridge

LONG_S = 20.0


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def hang() -> None:
    await asyncio.Event().wait()


def test_an_own_loop_runs_in_a_thread_and_ends_with_the_block() -> None:
    """Without a bridge there is a loop of its own, for as long as the block."""
    with SyncAsyncWrapper() as wrapper:
        assert wrapper.call(double, 21, timeout=LONG_S) == 42
        assert any(thread.name == "sync-async-wrapper" for thread in threading.enumerate())

    assert not any(thread.name == "sync-async-wrapper" for thread in threading.enumerate())


def test_errors_of_the_function_reach_the_caller() -> None:
    """What the async function raises, call() raises."""

    async def fail() -> None:
        raise LookupError("nothing there")

    with SyncAsyncWrapper() as wrapper, pytest.raises(LookupError, match="nothing there"):
        wrapper.call(fail, timeout=LONG_S)


def test_an_expired_call_is_cancelled_and_the_next_one_works() -> None:
    """A call that hangs costs its timeout, no more."""
    with SyncAsyncWrapper() as wrapper:
        with pytest.raises(TimeoutError):
            wrapper.call(hang, timeout=0.02)

        assert wrapper.call(double, 1, timeout=LONG_S) == 2


def test_before_and_after_the_block_calls_are_refused() -> None:
    """A wrapper has one life."""
    wrapper = SyncAsyncWrapper()
    with pytest.raises(BridgeClosed):
        wrapper.call(double, 1, timeout=LONG_S)
    with wrapper:
        pass

    with pytest.raises(BridgeClosed):
        wrapper.call(double, 1, timeout=LONG_S)
    with pytest.raises(RuntimeError), wrapper:
        pass
    wrapper.close()


def in_background(wrapper: SyncAsyncWrapper, outcome: list[object], started: threading.Event) -> threading.Thread:
    async def work() -> str:
        started.set()
        await asyncio.sleep(0.05)
        return "ended"

    def call() -> None:
        try:
            outcome.append(wrapper.call(work, timeout=LONG_S))
        except BridgeClosed as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert started.wait(LONG_S)
    return thread


def test_a_graceful_close_lets_running_calls_end() -> None:
    """What another thread has running ends within the deadline."""
    outcome: list[object] = []
    with SyncAsyncWrapper(deadline_s=LONG_S) as wrapper:
        thread = in_background(wrapper, outcome, threading.Event())
    thread.join(LONG_S)

    assert outcome == ["ended"]


def test_a_forced_close_cancels_running_calls() -> None:
    """Leaving by an exception, or close(force=True), waits for nobody."""
    outcome: list[object] = []
    with capture_logs(), SyncAsyncWrapper(deadline_s=LONG_S) as wrapper:
        thread = in_background(wrapper, outcome, threading.Event())
        wrapper.close(force=True)
    thread.join(LONG_S)

    assert [type(value) for value in outcome] == [BridgeClosed]


def test_a_blocked_loop_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that does not turn cannot hold up its owner."""
    monkeypatch.setattr("app.engine.blocking.CANCEL_S", 0.01)
    release, blocked = threading.Event(), threading.Event()

    async def block() -> None:
        blocked.set()
        release.wait(LONG_S)

    with capture_logs() as logs:
        with SyncAsyncWrapper(deadline_s=0.01) as wrapper:
            with pytest.raises(TimeoutError):
                wrapper.call(block, timeout=0.02)
            assert blocked.is_set()
        release.set()

    assert "a blocked event loop was left behind" in [line["event"] for line in logs]
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "sync-async-wrapper"]
    thread.join(LONG_S)
    assert not thread.is_alive()


async def test_a_borrowed_loop_runs_the_calls_and_stays_open() -> None:
    """With a bridge the running loop is used, and neither ended nor closed."""
    async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge:

        def work() -> tuple[int, int]:
            with SyncAsyncWrapper(bridge) as wrapper:
                return wrapper.call(double, 4, timeout=LONG_S), wrapper.call(loops_thread, timeout=LONG_S)

        assert await asyncio.to_thread(work) == (8, threading.get_ident())
        assert bridge.submit(time.monotonic).cancel()


async def loops_thread() -> int:
    return threading.get_ident()


async def test_on_the_borrowed_loop_itself_a_call_raises() -> None:
    """Blocking the loop for a call on the loop would never end."""
    async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge:
        with SyncAsyncWrapper(bridge) as wrapper, pytest.raises(RuntimeError, match="own thread"):
            wrapper.call(double, 1, timeout=1)
