"""The Qt loop beside asyncio's own: one probe for each gap of stock qasync, and what Qt adds."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QAbstractEventDispatcher, QEventLoop, QObject, QTimer, Signal
from structlog.testing import capture_logs

from app.engine.workers import WorkerPool
from app.ui import loop as loop_module
from app.ui.loop import QtLoop, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    LoopFactory = Callable[[], asyncio.AbstractEventLoop]

LONG_S = 20.0
who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="add_reader and POSIX signals")


@pytest.fixture
def loop(new_loop: LoopFactory) -> Iterator[asyncio.AbstractEventLoop]:
    loop = new_loop()
    yield loop
    loop.close()


def test_a_threads_call_after_close_raises(new_loop: LoopFactory) -> None:
    """Gap: the call was lost without a word, and its future hung."""
    loop = new_loop()
    loop.close()

    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon_threadsafe(print)
    coro = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run_coroutine_threadsafe(coro, loop)
    coro.close()


def test_a_threads_call_keeps_its_context(loop: asyncio.AbstractEventLoop) -> None:
    """Gap: context variables were dropped, the caller's and an explicit one alike."""
    seen: list[str] = []
    explicit = contextvars.copy_context()
    explicit.run(who.set, "explicit")

    def call() -> None:
        who.set("thread")
        loop.call_soon_threadsafe(lambda: seen.append(who.get()))
        loop.call_soon_threadsafe(lambda: seen.append(who.get()), context=explicit)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=call)
    thread.start()
    loop.run_forever()
    thread.join()

    assert seen == ["thread", "explicit"]


@pytest.mark.parametrize("days", [24.86, 49.72, 400.0])
def test_a_timer_of_many_days_does_not_ring_at_once(loop: asyncio.AbstractEventLoop, days: float) -> None:
    """Gap: a Qt timer counts milliseconds in 31 bits, so 24.9 days overflowed."""
    rang: list[float] = []
    loop.call_later(days * 24 * 3600, rang.append, days)

    loop.run_until_complete(asyncio.sleep(0.02))

    assert rang == []


def test_a_long_timer_rings_once_after_several_chunks(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that is longer than one Qt timer may be is armed again and again, and rings once, in time."""
    monkeypatch.setattr(loop_module, "LONGEST_TIMER_MS", 5)
    loop = QtLoop(qapp)
    rang: list[float] = []
    due = loop.time() + 0.04

    loop.call_at(due, lambda: rang.append(loop.time()))
    loop.run_until_complete(asyncio.sleep(0.08))
    loop.close()

    assert len(rang) == 1
    assert rang[0] >= due


def test_cancelled_timeouts_leave_no_timers(loop: asyncio.AbstractEventLoop) -> None:
    """Gap: each cancelled timeout left its Qt timer running for the full time."""

    async def many() -> None:
        for _ in range(2000):
            async with asyncio.timeout(3600):
                await asyncio.sleep(0)

    loop.run_until_complete(many())
    loop.run_until_complete(asyncio.sleep(0.01))

    assert len(loop._scheduled) < 250  # type: ignore[attr-defined] # asyncio's own, on both loops
    if isinstance(loop, QtLoop):
        dispatcher = QAbstractEventDispatcher.instance()
        assert dispatcher.registeredTimers(loop._timer) == []
        assert len(dispatcher.registeredTimers(loop._alarm)) <= 1


def test_no_timer_rings_early(loop: asyncio.AbstractEventLoop) -> None:
    """Gap: Qt's coarse timers rang up to 5 % early."""
    early: list[float] = []
    delays = [n * 0.00137 for n in range(60)]

    async def wait(delay: float) -> None:
        due = loop.time() + delay
        await asyncio.sleep(delay)
        if (missing := due - loop.time()) > time.get_clock_info("monotonic").resolution:
            early.append(missing)

    async def all_of_them() -> None:
        await asyncio.gather(*map(wait, delays))

    loop.run_until_complete(all_of_them())

    assert early == []


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_system_exit_in_a_task_ends_orderly(new_loop: LoopFactory, error: type[BaseException]) -> None:
    """Gap: the process ended on the spot, and no finally ran."""
    ended: list[str] = []

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("other")

    async def leave() -> None:
        raise error(7)

    async def main() -> None:
        tasks = [asyncio.create_task(other()), asyncio.create_task(leave())]
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(f"main of {len(tasks)}")

    with pytest.raises(error), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())

    assert sorted(ended) == ["main of 2", "other"]


def test_close_does_not_wait_for_a_hung_worker(new_loop: LoopFactory) -> None:
    """Gap: closing joined the worker threads, so one dead network share held the program."""
    loop = new_loop()
    release, hanging = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        release.wait(LONG_S)

    loop.run_in_executor(None, hang)
    assert hanging.wait(LONG_S)

    loop.close()

    assert not release.is_set()
    release.set()


def test_shutting_down_the_executor_leaves_a_hung_worker_behind(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio.run() waits for its executor; on the Qt loop for two seconds at most, with a word in the log."""
    monkeypatch.setattr(loop_module, "WORKERS_GRACE_S", 0.02)
    release, hanging = threading.Event(), threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, lambda: (hanging.set(), release.wait(LONG_S)))
        while not hanging.is_set():  # noqa: ASYNC110 - set by the worker, which is no coroutine
            await asyncio.sleep(0.001)

    with capture_logs() as logs, asyncio.Runner(loop_factory=lambda: QtLoop(qapp)) as runner:
        runner.run(main())

    assert [line["event"] for line in logs] == ["blocking calls did not end, their threads are left behind"]
    release.set()


def test_a_task_made_in_a_foreign_thread_is_refused(loop: asyncio.AbstractEventLoop) -> None:
    """Gap: the task never ran, and nobody was told; asyncio tells in debug mode, the Qt loop always."""
    loop.set_debug(isinstance(loop, asyncio.SelectorEventLoop) and not isinstance(loop, QtLoop))
    refused: list[BaseException] = []

    async def work() -> None: ...

    async def main() -> None:
        coro = work()

        def make() -> None:
            try:
                loop.create_task(coro)
            except RuntimeError as error:
                refused.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        coro.close()

    loop.run_until_complete(main())

    assert len(refused) == 1


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at"])
def test_scheduling_from_a_foreign_thread_is_refused(qapp: QApplication, method: str) -> None:
    """What is not thread-safe says so, in place of corrupting the queue."""
    loop = QtLoop(qapp)
    args = (print,) if method == "call_soon" else (0, print)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(getattr(loop, method), *args).exception(LONG_S)
    loop.close()

    assert isinstance(refused, RuntimeError)
    assert "SafeAsyncBridge" in str(refused)


def test_blocking_calls_run_in_a_thread_pool_that_grows_as_needed(qapp: QApplication) -> None:
    """Gap: the default executor started ten QThreads for the first call."""
    loop = QtLoop(qapp)
    before = threading.active_count()

    ran_in = loop.run_until_complete(asyncio.wait_for(loop.run_in_executor(None, threading.current_thread), LONG_S))
    after = threading.active_count()

    assert isinstance(loop._default_executor, WorkerPool)
    assert ran_in.name.startswith("loop-worker")
    assert after == before + 1
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_busy_queue_leaves_qt_its_turn(qapp: QApplication) -> None:
    """Tasks that never wait do not shut out the user: Qt's events come between the turns."""
    loop = QtLoop(qapp)
    ticks = 0
    timer = QTimer()

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    timer.timeout.connect(tick)
    timer.start(0)

    async def spin() -> None:
        while ticks < 5:  # noqa: ASYNC110 - spinning is the point
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(spin(), LONG_S))
    timer.stop()
    loop.close()

    assert ticks >= 5


def test_ready_calls_run_in_order_and_in_few_turns(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gap: each call cost a timer of its own; now one posted event drains the queue."""
    turns = 0
    turn = QtLoop._turn

    def counted(self: QtLoop) -> None:
        nonlocal turns
        turns += 1
        turn(self)

    monkeypatch.setattr(QtLoop, "_turn", counted)
    loop = QtLoop(qapp)
    seen: list[int] = []
    for number in range(1000):
        loop.call_soon_threadsafe(seen.append, number)
    loop.call_soon(loop.stop)

    loop.run_forever()
    loop.close()

    assert seen == list(range(1000))
    assert turns < 200


def test_a_nested_qt_loop_in_a_task_stops_no_other_task(qapp: QApplication) -> None:
    """Gap: a modal exec() in a task left all others stuck for ever, in it and after it."""
    loop = QtLoop(qapp)
    ticks = 0
    inside: list[int] = []

    async def other() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    async def modal() -> None:
        nested = QEventLoop()
        asyncio.get_running_loop().call_later(0.05, nested.quit)
        began = ticks
        nested.exec()
        inside.append(ticks - began)

    async def main() -> None:
        task = asyncio.create_task(other())
        await asyncio.create_task(modal())
        after = ticks
        while ticks < after + 3:  # noqa: ASYNC110 - it must go on ticking
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    loop.run_until_complete(asyncio.wait_for(main(), LONG_S))
    loop.close()

    assert inside[0] >= 3


def test_a_nested_qt_loop_does_not_hold_up_calls_that_were_ready(qapp: QApplication) -> None:
    """What was queued behind the call that opened a nested loop runs inside it."""
    loop = QtLoop(qapp)
    nested = QEventLoop()
    seen: list[str] = []

    def modal() -> None:
        nested.exec()
        seen.append("after")

    loop.call_soon(modal)
    loop.call_soon(lambda: (seen.append("inside"), nested.quit()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    assert seen == ["inside", "after"]


def test_stop_runs_what_is_ready_and_nothing_newer(loop: asyncio.AbstractEventLoop) -> None:
    """stop() ends the loop after the present round, before or while it runs."""
    seen: list[int] = []
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: (seen.append(1), loop.call_soon(seen.append, 2)))

    loop.run_forever()
    first = list(seen)
    loop.stop()
    loop.run_forever()

    assert first == [1]
    assert seen == [1, 2]


def test_a_loop_can_be_run_again_and_again(loop: asyncio.AbstractEventLoop) -> None:
    """Results come from each run, and calls made in between are not lost."""

    async def answer(number: int) -> int:
        await asyncio.sleep(0.001)
        return number

    seen: list[int] = []
    assert [loop.run_until_complete(answer(n)) for n in range(3)] == [0, 1, 2]
    loop.call_soon(seen.append, 1)
    loop.run_until_complete(asyncio.sleep(0.001))

    assert seen == [1]
    with pytest.raises(RuntimeError, match="running"):
        loop.run_until_complete(_run_inside(loop))


async def _run_inside(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()


def test_an_unfinished_async_generator_is_closed(new_loop: LoopFactory) -> None:
    """A generator that was left half-way runs its finally, on the loop."""
    ended: list[bool] = []

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def main() -> None:
        kept = numbers()
        await anext(kept)
        generators.append(kept)

    generators: list[Any] = []
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())

    assert ended == [True]


def test_an_error_in_a_callback_goes_to_the_exception_handler(loop: asyncio.AbstractEventLoop) -> None:
    """A callback that raises is reported, and the loop goes on."""
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))

    loop.call_soon(lambda: 1 // 0)
    loop.run_until_complete(asyncio.sleep(0.01))

    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


def test_a_slow_call_is_named_in_debug_mode(qapp: QApplication) -> None:
    """In debug mode a call that holds the loop is logged, as under asyncio."""
    loop = QtLoop(qapp)
    loop.set_debug(True)
    loop.slow_callback_duration = 0.01
    with capture_logs() as logs:
        loop.call_soon(time.sleep, 0.02)
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    call = next(line["call"] for line in logs if line["event"] == "a call held the loop")
    assert "sleep(0.02)" in call
    assert "test_loop.py" in call


@on_posix
def test_a_reader_keeps_its_context_and_can_be_moved(loop: asyncio.AbstractEventLoop) -> None:
    """Descriptor callbacks run in the context they were registered in, and the last registration counts."""
    ours, theirs = socket.socketpair()
    seen: list[tuple[str, bytes]] = []

    def read(tag: str) -> None:
        seen.append((tag + who.get(), ours.recv(10)))
        loop.remove_reader(ours)
        loop.stop()

    def register() -> None:
        who.set("-reader")
        loop.add_reader(ours, read, "old")
        loop.add_writer(ours, lambda: loop.remove_writer(ours))
        loop.add_reader(ours, read, "new")

    contextvars.copy_context().run(register)
    theirs.send(b"hello")
    loop.run_forever()
    removed = loop.remove_reader(ours)
    ours.close()
    theirs.close()

    assert seen == [("new-reader", b"hello")]
    assert removed is False


def test_sockets_carry_much_both_ways(loop: asyncio.AbstractEventLoop) -> None:
    """A megabyte each way through a server and a client arrives whole, with back-pressure on."""
    size = 1 << 20

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
        writer.close()

    async def main() -> int:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(os.urandom(size))
            writer.write_eof()
            received = len(await reader.read())
            writer.close()
            await writer.wait_closed()
            return received

    assert loop.run_until_complete(asyncio.wait_for(main(), LONG_S)) == size


def test_subprocesses_are_read_and_reaped(loop: asyncio.AbstractEventLoop) -> None:
    """Output of a child arrives whole, and its exit code with it."""
    code = "import sys; sys.stdout.write('x' * 300_000); sys.exit(3)"

    async def main() -> tuple[int, int | None]:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
        output, _ = await child.communicate()
        return len(output), child.returncode

    assert loop.run_until_complete(asyncio.wait_for(main(), LONG_S)) == (300_000, 3)


@on_posix
def test_a_signal_handler_wakes_an_idle_loop(loop: asyncio.AbstractEventLoop) -> None:
    """SIGTERM while nothing happens reaches the handler at once."""

    async def main() -> bool:
        received = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, received.set)
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        await asyncio.wait_for(received.wait(), LONG_S)
        timer.join()
        return loop.remove_signal_handler(signal.SIGUSR1)

    assert loop.run_until_complete(main()) is True


@on_posix
def test_ctrl_c_ends_an_idle_loop_orderly(new_loop: LoopFactory) -> None:
    """Without any handler of its own, asyncio's runner turns SIGINT into the cancellation of the main task."""
    ended: list[bool] = []

    async def main() -> None:
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            await asyncio.wait_for(asyncio.Event().wait(), LONG_S)
        finally:
            timer.join()
            ended.append(True)

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())

    assert ended == [True]


class Interruption(BaseException):
    """What a signal handler raises; no Exception, like KeyboardInterrupt."""


@on_posix
def test_a_signal_handler_that_raises_ends_an_idle_loop_orderly(new_loop: LoopFactory) -> None:
    """A second Ctrl+C raises wherever Python runs next, which on the Qt loop crashed the process in PySide."""
    ended: list[bool] = []

    def interrupt(*_: object) -> None:
        raise Interruption

    async def main() -> None:
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        try:
            await asyncio.wait_for(asyncio.Event().wait(), LONG_S)
        finally:
            ended.append(True)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interruption), asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert ended == [True]


class Button(QObject):
    clicked = Signal()


def test_an_error_in_a_slot_is_reported_and_the_loop_goes_on(qapp: QApplication, qtbot: QtBot) -> None:
    """PySide hands what a slot raises to sys.excepthook; that stays so."""
    button = Button()
    button.clicked.connect(lambda: 1 // 0)

    async def main() -> str:
        asyncio.get_running_loop().call_soon(button.clicked.emit)
        await asyncio.sleep(0.02)
        return "went on"

    with qtbot.capture_exceptions() as errors, asyncio.Runner(loop_factory=lambda: QtLoop(qapp)) as runner:
        assert runner.run(main()) == "went on"

    assert [error[0] for error in errors] == [ZeroDivisionError]


def test_a_keyboard_interrupt_in_a_slot_ends_the_loop_orderly(qapp: QApplication) -> None:
    """Ctrl+C may hit while a slot runs; PySide would print it and go on."""
    button = Button()
    ended: list[bool] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    button.clicked.connect(interrupt)
    QTimer.singleShot(10, button.clicked.emit)

    async def main() -> None:
        try:
            await asyncio.wait_for(asyncio.Event().wait(), LONG_S)
        finally:
            ended.append(True)

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=lambda: QtLoop(qapp)) as runner:
        runner.run(main())

    assert ended == [True]


def test_run_returns_the_exit_code(qapp: QApplication) -> None:
    """The runner gives what the program's coroutine returns."""

    async def main() -> int:
        await asyncio.sleep(0)
        return 3

    assert run(main, qapp) == 3


def test_qts_quit_cancels_the_program_and_its_finally_runs(qapp: QApplication) -> None:
    """A session end or app.quit() made run() raise; now it cancels main, which takes the time it needs."""
    ended: list[bool] = []

    async def main() -> int:
        asyncio.get_running_loop().call_later(0.01, qapp.quit)
        try:
            await asyncio.wait_for(asyncio.Event().wait(), LONG_S)
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)
        return 1

    assert run(main, qapp) == 0
    assert ended == [True]


def test_a_program_may_answer_qts_quit_itself(qapp: QApplication) -> None:
    """A staged stop sets its own event in place of being cancelled."""

    async def main() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, QtLoop)
        loop.on_quit(stop.set)
        loop.call_later(0.01, qapp.quit)
        await asyncio.wait_for(stop.wait(), LONG_S)
        await asyncio.sleep(0.01)
        return 5

    assert run(main, qapp) == 5


def test_a_cancelled_program_is_not_taken_for_a_quit(qapp: QApplication) -> None:
    """Only Qt's quit ends with code 0; another cancellation is passed on."""

    async def main() -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(main, qapp)


def test_without_a_handler_qts_quit_is_an_error(qapp: QApplication) -> None:
    """A bare loop that is quit under a coroutine says so, as qasync's does."""
    loop = QtLoop(qapp)
    waiting = loop.create_task(asyncio.sleep(LONG_S))
    loop.call_later(0.01, qapp.quit)

    with pytest.raises(RuntimeError, match="before Future completed"):
        loop.run_until_complete(waiting)

    waiting.cancel()
    loop.run_until_complete(asyncio.wait([waiting]))
    loop.close()
