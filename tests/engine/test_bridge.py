"""SafeAsyncBridge: what it promises, on both loops."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import gc
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from app.domain.errors import BridgeClosed, BridgeFull
from app.engine.bridge import SafeAsyncBridge
from app.engine.channels import Block, Coalesce, Reject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Future

    LoopFactory = Callable[[], asyncio.AbstractEventLoop]

LONG_S = 20.0
who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture
async def bridge() -> AsyncIterator[SafeAsyncBridge]:
    async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge:
        yield bridge


async def in_thread(fn: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(fn, *args), LONG_S)


async def run_on(loop: asyncio.AbstractEventLoop, capacity: int = 100) -> SafeAsyncBridge:
    return await SafeAsyncBridge(loop, capacity=capacity).__aenter__()


async def test_a_function_runs_on_the_loops_thread(bridge: SafeAsyncBridge) -> None:
    """What a thread submits runs where the loop runs, and its result comes back."""
    ran_in = await in_thread(lambda: bridge.submit(threading.get_ident).result(LONG_S))

    assert ran_in == threading.get_ident()


async def test_an_async_function_is_awaited(bridge: SafeAsyncBridge) -> None:
    """An async function's result comes back, not its coroutine."""

    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    assert await in_thread(lambda: bridge.call(double, 21, timeout=LONG_S)) == 42


async def test_a_function_that_returns_a_future_is_awaited_too(bridge: SafeAsyncBridge) -> None:
    """Whatever a function returns that can be awaited is awaited."""

    def later() -> asyncio.Future[int]:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, 5)
        return future

    assert await in_thread(lambda: bridge.call(later, timeout=LONG_S)) == 5


async def test_a_coroutine_object_is_refused_and_closed(bridge: SafeAsyncBridge) -> None:
    """A refused coroutine would be 'never awaited', so it is no argument at all."""

    async def work() -> None: ...

    coro = work()

    with pytest.raises(TypeError, match="takes a function"):
        bridge.submit(coro)  # type: ignore[call-overload]

    assert coro.cr_frame is None


async def test_calls_of_one_thread_keep_their_order(bridge: SafeAsyncBridge) -> None:
    """First come, first run."""
    seen: list[int] = []

    def submit() -> None:
        for number in range(500):
            last = bridge.submit(seen.append, number)
        last.result(LONG_S)

    await in_thread(submit)

    assert seen == list(range(500))


async def test_the_callers_context_is_kept(bridge: SafeAsyncBridge) -> None:
    """Context variables of the submitting thread are seen by functions and by coroutines."""

    async def ask() -> str:
        await asyncio.sleep(0)
        return who.get()

    def submit() -> tuple[str, str]:
        who.set("thread")
        return bridge.call(who.get, timeout=LONG_S), bridge.call(ask, timeout=LONG_S)

    assert await in_thread(submit) == ("thread", "thread")
    assert who.get() == "nobody"


async def test_call_on_the_loops_own_thread_raises(bridge: SafeAsyncBridge) -> None:
    """A loop that waits for itself would wait for ever."""
    with pytest.raises(RuntimeError, match="own thread"):
        bridge.call(print, timeout=1)


async def test_an_expired_call_cancels_what_runs(bridge: SafeAsyncBridge) -> None:
    """At the timeout the coroutine is cancelled, and its finally runs."""
    ended = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        await in_thread(lambda: bridge.call(hang, timeout=0.05))

    async with asyncio.timeout(LONG_S):
        await ended.wait()
    await in_thread(lambda: bridge.call(int, timeout=LONG_S))
    assert bridge.counters.pending == 0


async def test_an_expired_call_that_waits_in_the_queue_never_runs(bridge: SafeAsyncBridge) -> None:
    """A call whose caller gave up while the loop was blocked is not started later."""
    ran: list[int] = []
    gave_up = threading.Event()

    def submit() -> None:
        with pytest.raises(TimeoutError):
            bridge.call(ran.append, 1, timeout=0.02)
        gave_up.set()

    thread = threading.Thread(target=submit)
    thread.start()
    assert gave_up.wait(LONG_S)  # the loop is blocked here
    thread.join()

    assert await in_thread(lambda: bridge.call(lambda: list(ran), timeout=LONG_S)) == []


async def test_a_timeout_error_of_the_function_itself_is_passed_on(bridge: SafeAsyncBridge) -> None:
    """The caller can tell its own deadline from an error that the function raised."""

    def fail() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        await in_thread(lambda: bridge.call(fail, timeout=LONG_S))


async def test_cancelling_the_future_cancels_the_task_and_is_noticed_by_wait(bridge: SafeAsyncBridge) -> None:
    """concurrent.futures.wait() sees a cancelled call as done."""
    started = threading.Event()

    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    def submit() -> int:
        future = bridge.submit(hang)
        assert started.wait(LONG_S)
        future.cancel()
        return len(concurrent.futures.wait([future], LONG_S).done)

    assert await in_thread(submit) == 1


async def test_a_full_bridge_refuses_at_once() -> None:
    """More calls than the capacity are refused with BridgeFull, and counted."""
    async with SafeAsyncBridge(asyncio.get_running_loop(), capacity=3) as bridge:
        for _ in range(3):
            bridge.submit(int)

        with pytest.raises(BridgeFull):
            bridge.submit(int)

        assert (bridge.counters.depth, bridge.counters.refused) == (3, 1)


async def test_running_coroutines_count_as_taken_room() -> None:
    """The bound covers what runs as well, or a slow callee would pile up tasks without end."""
    release = asyncio.Event()
    async with SafeAsyncBridge(asyncio.get_running_loop(), capacity=2) as bridge:
        futures = [await in_thread(bridge.submit, release.wait) for _ in range(2)]

        with pytest.raises(BridgeFull):
            bridge.submit(int)

        release.set()
        assert await asyncio.gather(*map(asyncio.wrap_future, futures)) == [True, True]


async def test_a_rejecting_channel_has_a_capacity_of_its_own(bridge: SafeAsyncBridge) -> None:
    """One channel that is full leaves room for the others."""
    bridge.channel("small", Reject(), capacity=1)
    bridge.submit(int, channel="small")

    with pytest.raises(BridgeFull, match="small"):
        bridge.submit(int, channel="small")

    assert await asyncio.wrap_future(bridge.submit(int)) == 0


async def test_a_channel_has_one_policy_and_must_exist(bridge: SafeAsyncBridge) -> None:
    """Who asks for a channel in the same words shares it; other words for it, or no such channel, are mistakes."""
    channel = bridge.channel("files", Coalesce(key=id))

    assert bridge.channel("files", Coalesce(key=id)) is channel
    with pytest.raises(ValueError, match="files"):
        bridge.channel("files", Reject())
    with pytest.raises(ValueError, match="files"):
        bridge.channel("files", Coalesce(key=id), capacity=1)
    with pytest.raises(KeyError):
        bridge.submit(int, channel="flies")


async def test_a_blocking_channel_waits_for_room(bridge: SafeAsyncBridge) -> None:
    """A thread on a full blocking channel waits until the loop has made room, and loses nothing."""
    channel = bridge.channel("slow", Block(LONG_S), capacity=1)
    seen: list[int] = []

    def submit() -> None:
        for number in range(50):
            last = bridge.submit(seen.append, number, channel=channel)
        last.result(LONG_S)

    await in_thread(submit)

    assert seen == list(range(50))


async def test_a_blocking_channel_gives_up_in_time(bridge: SafeAsyncBridge) -> None:
    """When no room comes within the timeout, the call is refused."""
    bridge.channel("slow", Block(0.02), capacity=1)
    bridge.submit(int, channel="slow")
    outcome: list[BaseException] = []

    def submit() -> None:
        try:
            bridge.submit(int, channel="slow")
        except BridgeFull as error:
            outcome.append(error)

    thread = threading.Thread(target=submit)
    thread.start()
    thread.join(LONG_S)  # the loop is blocked here, so no room can come

    assert len(outcome) == 1


async def test_a_blocking_channel_does_not_block_the_loop_itself(bridge: SafeAsyncBridge) -> None:
    """On the loop's own thread waiting for room would be waiting for oneself."""
    bridge.channel("slow", Block(3600), capacity=1)
    bridge.submit(int, channel="slow")

    with pytest.raises(BridgeFull):
        bridge.submit(int, channel="slow")


async def test_a_thread_that_waits_for_room_hears_of_the_close() -> None:
    """Closing wakes those who wait on a full channel."""
    bridge = await run_on(asyncio.get_running_loop())
    bridge.channel("slow", Block(3600), capacity=1)
    bridge.submit(int, channel="slow")
    waiting = asyncio.create_task(in_thread(lambda: bridge.submit(int, channel="slow")))
    bridge.submit(lambda: None)  # the thread may or may not find room before the close; it may not hang

    await bridge.aclose(0)

    done, _ = await asyncio.wait([waiting], timeout=LONG_S)
    assert done
    assert waiting.exception() is None or isinstance(waiting.exception(), BridgeClosed)


async def test_calls_with_one_key_are_folded_into_the_newest(bridge: SafeAsyncBridge) -> None:
    """While a call waits, newer ones with its key replace its arguments, and all hold one future."""
    seen: list[tuple[str, int]] = []
    channel = bridge.channel("files", Coalesce(key=lambda path, _: path))

    futures = [
        bridge.submit(lambda *call: seen.append(call), path, n, channel=channel) for n in (1, 2) for path in "ab"
    ]
    await asyncio.gather(*map(asyncio.wrap_future, futures))

    assert seen == [("a", 2), ("b", 2)]
    assert futures[0] is futures[2]
    assert bridge.counters.merged == 2


async def test_a_call_that_has_begun_is_not_folded_into(bridge: SafeAsyncBridge) -> None:
    """A change during the handling of the last one is handled again."""
    release = asyncio.Event()
    seen: list[int] = []
    channel = bridge.channel("files", Coalesce(key=lambda *_: "same"))

    async def handle(number: int) -> None:
        seen.append(number)
        await release.wait()

    first = await in_thread(lambda: bridge.submit(handle, 1, channel=channel))
    while not seen:  # noqa: ASYNC110 - the loop turns until the call has begun
        await asyncio.sleep(0)
    second = bridge.submit(handle, 2, channel=channel)
    release.set()
    await asyncio.gather(asyncio.wrap_future(first), asyncio.wrap_future(second))

    assert seen == [1, 2]


async def test_a_cancelled_call_is_not_folded_into(bridge: SafeAsyncBridge) -> None:
    """A newer call does not share the fate of one that was cancelled before."""
    channel = bridge.channel("files", Coalesce(key=lambda *_: "same"))
    bridge.submit(int, channel=channel).cancel()

    assert await asyncio.wrap_future(bridge.submit(int, channel=channel)) == 0


async def test_an_overflow_of_keys_is_flagged_and_announced_once(bridge: SafeAsyncBridge) -> None:
    """Too many different keys: refused, and the channel asks for a rescan, on the loop."""
    announced: list[int] = []
    channel = bridge.channel(
        "files", Coalesce(key=lambda n: n, on_overflow=lambda: announced.append(threading.get_ident())), capacity=2
    )
    futures = [bridge.submit(int, n, channel=channel) for n in range(2)]
    for number in (7, 8):
        with pytest.raises(BridgeFull):
            bridge.submit(int, number, channel=channel)
    await asyncio.gather(*map(asyncio.wrap_future, futures))

    assert announced == [threading.get_ident()]
    assert channel.take_overflow()
    assert not channel.overflow


async def test_a_storm_leaves_the_right_state_and_is_folded(bridge: SafeAsyncBridge) -> None:
    """100,000 events on 100 paths: the last value of each path arrives, in far fewer calls."""
    state: dict[int, int] = {}
    calls = 0

    def note(path: int, number: int) -> None:
        nonlocal calls
        calls += 1
        state[path] = number

    channel = bridge.channel("files", Coalesce(key=lambda path, _: path), capacity=100)

    def storm() -> None:
        for number in range(100_000):
            bridge.submit(note, number % 100, number, channel=channel)

    await in_thread(storm)
    await asyncio.wrap_future(bridge.submit(int))

    assert state == {path: 99_900 + path for path in range(100)}
    assert calls == 100_000 - bridge.counters.merged
    assert calls < 50_000


async def test_many_calls_do_not_shut_out_the_loops_other_work(bridge: SafeAsyncBridge) -> None:
    """The queue is worked off in slices: between them, others run."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(60):
        last = bridge.submit(time.sleep, 0.001)
    await asyncio.wrap_future(last)
    task.cancel()

    assert turns >= 5


async def test_a_burst_wakes_the_loop_once(bridge: SafeAsyncBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls are queued, one wake-up starts working them off."""
    loop = asyncio.get_running_loop()
    real, wakes = loop.call_soon_threadsafe, []
    monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *args, **kw: (wakes.append(args), real(*args, **kw))[1])

    for _ in range(1000):
        bridge.submit(int)

    assert len(wakes) == 1


async def test_an_exception_reaches_its_reader_and_is_not_logged(bridge: SafeAsyncBridge) -> None:
    """Who asks for the result gets the exception; the log stays clean."""
    with capture_logs() as logs:
        with pytest.raises(ZeroDivisionError):
            await in_thread(lambda: bridge.call(lambda: 1 // 0, timeout=LONG_S))
        with pytest.raises(ZeroDivisionError):
            await asyncio.wrap_future(bridge.submit(lambda: 1 // 0))
        gc.collect()

    assert logs == []


async def test_an_exception_that_nobody_reads_is_logged(bridge: SafeAsyncBridge) -> None:
    """A call whose future is dropped does not fail in silence."""

    def quietly_broken() -> None:
        raise ValueError("lost")

    with capture_logs() as logs:
        bridge.submit(quietly_broken)
        await asyncio.wrap_future(bridge.submit(int))
        gc.collect()

    assert [(line["log_level"], str(line["exc_info"])) for line in logs] == [("error", "lost")]
    assert "quietly_broken" in logs[0]["call"]


async def test_calls_before_the_start_are_refused() -> None:
    """A bridge that is not entered takes nothing."""
    bridge = SafeAsyncBridge(asyncio.get_running_loop())

    with pytest.raises(BridgeClosed, match="not open yet"):
        bridge.submit(int)


async def test_it_is_entered_once_and_on_its_own_loop(new_loop: LoopFactory) -> None:
    """A bridge belongs to one loop and has one life."""
    loop = asyncio.get_running_loop()
    async with SafeAsyncBridge(loop) as bridge:
        pass

    with pytest.raises(RuntimeError):
        await bridge.__aenter__()
    other = new_loop()
    try:
        with pytest.raises(RuntimeError):
            await SafeAsyncBridge(other).__aenter__()
    finally:
        other.close()


async def test_closing_lets_accepted_calls_end_and_refuses_new_ones() -> None:
    """While draining, what was accepted runs to its end, and new calls are refused."""
    bridge = await run_on(asyncio.get_running_loop())
    release = asyncio.Event()
    accepted = bridge.submit(release.wait)
    closing = asyncio.create_task(bridge.aclose(LONG_S))
    await asyncio.sleep(0)

    with pytest.raises(BridgeClosed):
        bridge.submit(int)
    release.set()
    await closing

    assert accepted.result(0) is True


async def test_closing_aborts_at_its_deadline() -> None:
    """What does not end in time is cancelled, and its future says BridgeClosed."""
    bridge = await run_on(asyncio.get_running_loop())
    ended = False

    async def hang() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    hanging = await in_thread(bridge.submit, hang)
    await bridge.aclose(0.02)

    with pytest.raises(BridgeClosed):
        hanging.result(0)
    assert ended
    assert bridge.counters.pending == 0


async def test_leaving_waits_as_long_as_the_bridge_was_told() -> None:
    """A call that neither ends nor takes its cancellation holds the bridge's end up no longer than the two times."""
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()

    with capture_logs() as logs:
        async with (
            asyncio.timeout(LONG_S),
            SafeAsyncBridge(asyncio.get_running_loop(), drain_s=0.02, cancel_s=0.02) as bridge,
        ):
            future = bridge.submit(stubborn)
            await asyncio.sleep(0)
        released.set()
        await asyncio.sleep(0)

    with pytest.raises(BridgeClosed):
        future.result(0)
    assert [line["event"] for line in logs] == [
        "the bridge was closed over calls that had not ended",
        "cancelled calls did not end",
    ]


async def test_closing_twice_is_harmless() -> None:
    """The second close finds nothing to do."""
    bridge = await run_on(asyncio.get_running_loop())

    await bridge.aclose()
    await bridge.aclose()
    bridge.abort()

    with pytest.raises(BridgeClosed):
        bridge.submit(int)


async def test_abort_works_while_the_loop_is_blocked() -> None:
    """Another thread can resolve everything although the loop does not turn."""
    bridge = await run_on(asyncio.get_running_loop())
    pending = bridge.submit(int)

    thread = threading.Thread(target=bridge.abort)
    thread.start()
    thread.join(LONG_S)  # the loop is blocked here

    with pytest.raises(BridgeClosed):
        pending.result(0)


async def test_abort_while_a_function_runs_resolves_its_future_once() -> None:
    """A function that aborts its own bridge: its future says BridgeClosed, and its result is dropped."""
    bridge = await run_on(asyncio.get_running_loop())
    done: list[Future[Any]] = []

    async def never_started() -> None: ...

    def abort_and_return_coroutine() -> Any:
        bridge.abort()
        return never_started()

    future = bridge.submit(abort_and_return_coroutine)
    future.add_done_callback(done.append)
    while not future.done():  # noqa: ASYNC110 - the loop turns until the call has run
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert isinstance(future.exception(0), BridgeClosed)
    assert len(done) == 1


def test_a_loop_that_is_closed_takes_its_pending_calls_along(new_loop: LoopFactory) -> None:
    """A loop that dies without a word resolves queued and running calls, and new ones are refused."""
    loop = new_loop()
    bridge = loop.run_until_complete(run_on(loop))
    hanging = bridge.submit(asyncio.Event().wait)
    loop.run_until_complete(asyncio.sleep(0.01))
    queued = bridge.submit(int)

    with capture_logs():
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()

    for future in (hanging, queued):
        with pytest.raises(BridgeClosed):
            future.result(0)
    with pytest.raises(BridgeClosed):
        bridge.submit(int)


def test_system_exit_in_a_call_ends_the_loop_and_loses_no_future(new_loop: LoopFactory) -> None:
    """SystemExit goes to the caller and to the loop; calls queued behind it are still resolved."""
    outcome: list[Future[Any]] = []

    def leave() -> None:
        raise SystemExit(3)

    async def main() -> None:
        async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge:
            outcome.extend([bridge.submit(leave), bridge.submit(int)])
            await asyncio.Event().wait()

    with pytest.raises(SystemExit), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())

    assert isinstance(outcome[0].exception(0), SystemExit)
    assert outcome[1].result(0) == 0


EXIT_PROGRAM = """
import asyncio, sys, threading
from app.domain.errors import BridgeClosed
from app.engine.bridge import SafeAsyncBridge

async def enter():
    return await SafeAsyncBridge(asyncio.get_running_loop()).__aenter__()

loop = asyncio.new_event_loop()
bridge = loop.run_until_complete(enter())

def wait_for_ever():
    try:
        bridge.submit(int).result()
    except BridgeClosed:
        print("resolved", flush=True)

threading.Thread(target=wait_for_ever).start()  # not a daemon: the interpreter waits for it
while not bridge.counters.pending:
    threading.Event().wait(0.01)
"""


def test_the_end_of_the_interpreter_resolves_what_a_loop_that_never_runs_left() -> None:
    """A thread that waits for a call on a loop that never runs does not keep the program alive."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EXIT_PROGRAM)],
        capture_output=True, text=True, timeout=LONG_S, check=False,
    )  # fmt: skip

    assert "resolved" in ended.stdout
    assert ended.returncode == 0


def hammer(bridge: SafeAsyncBridge, futures: list[Future[Any]]) -> None:
    """Call until the bridge closes."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 1

    while True:
        try:
            futures.append(bridge.submit(int))
            futures.append(bridge.submit(answer))
        except BridgeFull:
            time.sleep(0)
        except BridgeClosed:
            return


async def shut_down_under_fire(way: int, futures: list[Future[Any]]) -> list[threading.Thread]:
    """Close a bridge in one of four ways while 8 threads call."""
    bridge = await run_on(asyncio.get_running_loop(), capacity=500)
    threads = [threading.Thread(target=hammer, args=(bridge, futures)) for _ in range(8)]
    for thread in threads:
        thread.start()
    await asyncio.sleep(0.002)
    if way == 0:
        await bridge.aclose(0.005)
    elif way == 1:
        bridge.abort()
    elif way == 2:
        await asyncio.to_thread(bridge.abort)
    return threads  # in the fourth way nobody closes the bridge: the loop ends under it


def unresolved_futures(new_loop: LoopFactory, rounds: int) -> int:
    unresolved = 0
    for number in range(rounds):
        futures: list[Future[Any]] = []
        with asyncio.Runner(loop_factory=new_loop) as runner:
            threads = runner.run(shut_down_under_fire(number % 4, futures))
        for thread in threads:
            thread.join(LONG_S)
            assert not thread.is_alive()
        unresolved += len(concurrent.futures.wait(futures, timeout=LONG_S).not_done)
        for future in futures:
            if not future.cancelled():
                future.exception(0)
    return unresolved


def test_no_future_stays_unresolved_when_threads_hammer_during_shutdown(new_loop: LoopFactory) -> None:
    """8 threads that submit through 40 shutdowns are left with no future open."""
    with capture_logs():
        assert unresolved_futures(new_loop, 40) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_future_stays_unresolved_in_200_shutdowns(new_loop: LoopFactory) -> None:
    """8 threads that submit through 200 shutdowns are left with no future open."""
    with capture_logs():
        assert unresolved_futures(new_loop, 200) == 0


async def test_counters_tell_what_happened() -> None:
    """Accepted, refused, merged and waiting calls are counted."""
    async with SafeAsyncBridge(asyncio.get_running_loop(), capacity=2) as bridge:
        channel = bridge.channel("files", Coalesce(key=lambda *_: 0))
        futures = [bridge.submit(int, channel=channel) for _ in range(2)] + [bridge.submit(int)]
        with pytest.raises(BridgeFull):
            bridge.submit(int)
        before = bridge.counters
        await asyncio.gather(*map(asyncio.wrap_future, futures))
        after = bridge.counters

    assert (before.depth, before.pending, before.accepted, before.merged, before.refused) == (2, 2, 3, 1, 1)
    assert (after.depth, after.pending) == (0, 0)
    assert 0 < after.wait_s <= after.worst_wait_s
