"""Qt and asyncio on one loop: asyncio's own ready queue and timers, turned by Qt.

qasync 0.28 is no drop-in asyncio loop. Measured gaps: a thread's call after close() is lost without a word, context
variables are dropped, timers overflow at 24.8 days and wake early, a cancelled timeout leaves its Qt timer, SystemExit
in a task skips every `finally`, close() waits for a hung worker, a task made in a foreign thread never runs. So QtLoop
takes from qasync what it does well (being Qt's loop, sockets on Windows), and gives back to asyncio what asyncio does
well: one queue of ready calls, one heap of timers. One queued Qt signal turns the queue, one Qt timer the heap.
"""

# ruff: noqa: SLF001, ANN401 - a loop is built from asyncio's own parts, which are private, in asyncio's own signatures
from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import sys
import threading
import time
from selectors import EVENT_READ, SelectorKey
from typing import TYPE_CHECKING, Any

import qasync
import structlog
from PySide6.QtCore import QObject, Qt, QTimer, Signal

from app.engine.tasks import end_others
from app.engine.workers import WorkerPool
from app.ui.interrupts import lost_exceptions_heard, signals_noticed
from app.ui.sockets import Notifiers

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Coroutine, Iterator
    from contextvars import Context

    from PySide6.QtWidgets import QApplication

_log = structlog.get_logger(__name__)

TURN_BUDGET_S = 0.004
"""Qt gets its turn after this long, however many calls wait. One event for each call gave a sixth of the throughput."""
LONGEST_TIMER_MS = 24 * 3600 * 1000
"""A Qt timer overflows after 24.8 days, so a longer wait is armed again each day."""
WORKERS_GRACE_S = 2.0
"""How long shutdown waits for blocking calls before it leaves their threads behind."""
CANCELLED_TIMERS_KEPT = 100
"""The heap is swept when more cancelled timers than this, and more than half, lie in it: asyncio's own figures."""

_Base: Any
if sys.platform == "win32":
    _Base = asyncio.ProactorEventLoop
else:
    _Base = asyncio.SelectorEventLoop


class _Wake(QObject):
    """The queued signal by which any thread asks Qt for a turn."""

    asked = Signal()


class QtLoop(qasync.QEventLoop):  # type: ignore[misc] # qasync ships no types
    """An asyncio loop that Qt turns; made, run and closed in the thread of the QApplication.

    Args:
        app: The application whose exec() is the loop. It is not quit when the loop stops.
    """

    # What qasync replaces although asyncio's own is right, once the queue and the timers are asyncio's.
    run_until_complete = _Base.run_until_complete
    is_running = _Base.is_running
    call_later = _Base.call_later
    run_in_executor = _Base.run_in_executor
    set_default_executor = _Base.set_default_executor
    set_exception_handler = _Base.set_exception_handler
    call_exception_handler = _Base.call_exception_handler
    default_exception_handler = _Base.default_exception_handler
    get_debug = _Base.get_debug
    if sys.platform != "win32":
        _add_reader = _Base._add_reader
        _remove_reader = _Base._remove_reader
        _add_writer = _Base._add_writer
        _remove_writer = _Base._remove_writer

    _thread_id: int | None
    _ready: deque[asyncio.Handle]
    _scheduled: list[Any]  # TimerHandles, whose inner fields typeshed does not know
    _current_handle: asyncio.Handle | None

    def __init__(self, app: QApplication) -> None:
        self._application = app
        self._owner = threading.get_ident()
        # Reentrant: a signal handler or a finalizer may make a thread-safe call in the middle of another one.
        self._gate = threading.RLock()
        self._asked = False
        self._left = 0
        self._fatal: BaseException | None = None
        self._quit_handler: Callable[[], object] | None = None
        self._armed_for = math.inf
        self._waker = _Wake()
        self._waker.asked.connect(self._turn, Qt.ConnectionType.QueuedConnection)
        self._alarm = QTimer()
        self._alarm.setTimerType(Qt.TimerType.PreciseTimer)
        self._alarm.setSingleShot(True)
        self._alarm.timeout.connect(self._ring)
        super().__init__(app)
        self.set_default_executor(WorkerPool(name="loop-worker"))

    def on_quit(self, handler: Callable[[], object] | None) -> None:
        """Call `handler` when Qt is told to quit (session end, app.quit()), and go on running until stop().

        Without a handler such a quit ends run_until_complete() with a RuntimeError.
        """
        self._quit_handler = handler

    def run_forever(self) -> None:
        """Run until stop(), turned by the application's exec().

        Raises:
            BaseException: SystemExit or KeyboardInterrupt of a task or callback, as under asyncio.
        """
        self._check_closed()
        self._check_running()
        with self._running():
            while True:
                ended = self._application.exec()
                if self._fatal is not None:
                    raise self._fatal
                if self._stopping or self._quit_handler is None or ended == -1:
                    return
                self._quit_handler()

    def stop(self) -> None:
        """End run_forever() after the calls that are ready now."""
        self._stopping = True
        self._left = len(self._ready)
        self._wake()

    def close(self) -> None:
        """Let go of everything; calls from threads are refused from here on. Waits for no worker."""
        with self._gate:
            _Base.close(self)
            self._alarm.stop()

    async def shutdown_default_executor(self, timeout: float | None = WORKERS_GRACE_S) -> None:  # noqa: ASYNC109 - asyncio's signature
        """Let the workers end, for two seconds at most, and leave those behind that hang."""
        self._executor_shutdown_called = True
        pool = self._default_executor
        if pool is None:
            return
        pool.shutdown(wait=False, cancel_futures=True)
        grace = WORKERS_GRACE_S if timeout is None else min(timeout, WORKERS_GRACE_S)
        ended = self.create_future()
        if isinstance(pool, WorkerPool):
            threading.Thread(target=self._await_workers, args=(pool, grace, ended), daemon=True).start()
            if not await ended:
                _log.warning("blocking calls did not end, their threads are left behind", waited_s=grace)

    def _await_workers(self, pool: WorkerPool, grace: float, ended: asyncio.Future[bool]) -> None:
        idle = pool.join(grace)
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            self.call_soon_threadsafe(_settle, ended, idle)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Be the running loop of this thread, as asyncio's run_forever is."""
        generator_hooks = sys.get_asyncgen_hooks()
        self._before_run_forever()  # qasync's: on Windows it starts the thread that polls sockets
        try:
            self._set_coroutine_origin_tracking(self._debug)
            self._thread_id = threading.get_ident()
            self._fatal = None
            sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
            asyncio._set_running_loop(self)
            self._asked = False
            self._wake()
            self._arm()
            with (
                lost_exceptions_heard(self._on_lost_exception),
                signals_noticed(self._csock.fileno(), lambda: bool(self._signal_handlers)),
            ):
                yield
        finally:
            self._stopping = False
            self._fatal = None
            self._thread_id = None
            asyncio._set_running_loop(None)
            self._set_coroutine_origin_tracking(enabled=False)
            sys.set_asyncgen_hooks(*generator_hooks)
            self._after_run_forever()

    def _on_lost_exception(self, error: BaseException) -> None:
        """Go on after an Exception in a slot, and end after anything else, as asyncio does for callbacks."""
        self._asked = False  # a turn may have been lost with it
        self._wake()
        if not isinstance(error, Exception):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._fatal = error
        self._application.exit(1)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """Run a callback on the next turn.

        Raises:
            RuntimeError: The loop is closed, or this is another thread than the loop's.
        """
        self._check_closed()
        self._check_owner()
        handle = self._make_handle(callback, args, context)
        self._ready.append(handle)
        if not self._asked:
            self._wake()
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Run a callback on the next turn, asked from any thread, in the caller's context.

        Raises:
            RuntimeError: The loop is closed.
        """
        handle = self._make_handle(callback, args, context)
        with self._gate:
            self._check_closed()
            self._ready.append(handle)
            self._wake()
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback at a time of the loop's clock, never before it.

        Raises:
            RuntimeError: The loop is closed, or this is another thread than the loop's.
        """
        self._check_owner()
        handle: asyncio.TimerHandle = _Base.call_at(self, when, callback, *args, context=context)
        if when < self._armed_for:
            self._arm()
        return handle

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        """Make a task of a coroutine.

        Raises:
            RuntimeError: The loop is closed, or this is another thread than the loop's; the coroutine is closed then.
        """
        try:
            self._check_owner()
        except RuntimeError:
            coro.close()
            raise
        task: asyncio.Task[Any] = _Base.create_task(self, coro, **options)
        return task

    def qt_timers(self) -> int:
        """Return how many timers of Qt are armed in the application: this loop's own, those of windows, and others."""
        roots: list[QObject] = [self._application, *self._application.topLevelWidgets()]
        timers = {id(timer): timer for root in roots for timer in root.findChildren(QTimer)}
        return int(self._alarm.isActive()) + sum(timer.isActive() for timer in timers.values())

    def _make_handle(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.Handle:
        if self._debug:
            self._check_callback(callback, "call_soon")
        handle: Any = asyncio.Handle(callback, args, self, context)
        if handle._source_traceback:
            del handle._source_traceback[-2:]  # who asked is of interest, not these methods
        result: asyncio.Handle = handle
        return result

    def _check_owner(self) -> None:
        if threading.get_ident() != self._owner:
            raise RuntimeError("this is not the loop's thread: come in through SafeAsyncBridge or call_soon_threadsafe")

    def _wake(self) -> None:
        if not self._asked:
            self._asked = True
            self._waker.asked.emit()

    _write_to_self = _wake

    def _ring(self) -> None:
        self._armed_for = math.inf
        self._turn()

    def _turn(self) -> None:
        """Run what is ready and due, until nothing is or the budget is spent.

        May be entered from within a call, when that call opened a nested Qt loop: the outer task is left meanwhile, or
        asyncio would refuse to run any other.
        """
        self._asked = False
        if self._thread_id is None:
            return
        outer = asyncio.current_task(self)
        if outer is not None:
            asyncio.tasks._leave_task(self, outer)
        try:
            self._collect_due()
            self._drain(time.monotonic() + TURN_BUDGET_S)
        except (SystemExit, KeyboardInterrupt) as error:
            self._fail(error)
        finally:
            if outer is not None:
                asyncio.tasks._enter_task(self, outer)
            self._arm()
            if self._stopping and (self._left <= 0 or not self._ready):
                self._application.exit()
            elif self._ready:
                self._wake()

    def _drain(self, until: float) -> None:
        ready = self._ready
        while ready:
            if self._stopping:
                if self._left <= 0:
                    return
                self._left -= 1
            handle = ready.popleft()
            if handle._cancelled:
                continue
            if ready and not self._asked:
                self._wake()  # should this call open a nested Qt loop, the others run there
            if self._debug:
                self._run_timed(handle)
            else:
                handle._run()
            if time.monotonic() >= until:
                return

    def _run_timed(self, handle: asyncio.Handle) -> None:
        self._current_handle = handle
        began = time.monotonic()
        try:
            handle._run()
        finally:
            self._current_handle = None
        if (took := time.monotonic() - began) >= self.slow_callback_duration:
            _log.warning("a call held the loop", call=repr(handle), took_s=round(took, 3))

    def _collect_due(self) -> None:
        timers = self._scheduled
        if self._timer_cancelled_count > CANCELLED_TIMERS_KEPT and self._timer_cancelled_count * 2 > len(timers):
            self._sweep()
        now = time.monotonic()
        while timers and (timers[0]._cancelled or timers[0]._when <= now):
            handle = heapq.heappop(timers)
            handle._scheduled = False
            if handle._cancelled:
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(handle)

    def _sweep(self) -> None:
        for handle in self._scheduled:
            handle._scheduled = not handle._cancelled
        self._scheduled[:] = [handle for handle in self._scheduled if handle._scheduled]
        heapq.heapify(self._scheduled)
        self._timer_cancelled_count = 0

    def _arm(self) -> None:
        """Set the one Qt timer for the earliest call, rounded up so that it never rings early."""
        if not self._scheduled or self._scheduled[0]._when >= self._armed_for:
            return
        self._armed_for = self._scheduled[0]._when
        left_ms = math.ceil((self._armed_for - time.monotonic()) * 1000)
        self._alarm.start(min(max(left_ms, 0), LONGEST_TIMER_MS))

    if sys.platform != "win32":

        def _make_self_pipe(self) -> None:
            self._selector = Notifiers(self._on_descriptor)
            _Base._make_self_pipe(self)

    def _on_descriptor(self, key: SelectorKey, mask: int) -> None:
        """Run a descriptor's callback at once, not from the queue: Qt would announce it again until it has run."""
        reader, writer = key.data
        handle = reader if mask & EVENT_READ else writer
        if handle is not None and not handle._cancelled and self._thread_id is not None:
            self._ready.appendleft(handle)
            self._turn()


def _settle(future: asyncio.Future[bool], result: bool) -> None:  # noqa: FBT001 - called by the loop, positionally
    if not future.done():
        future.set_result(result)


def run(main: Callable[[], Coroutine[Any, Any, int]], app: QApplication) -> int:
    """Run a program on the Qt loop, and return its exit code. Signal handlers are the program's own business.

    Closing the last window does not end it.

    When Qt is told to quit, `main` is cancelled, unless it asked for something else with QtLoop.on_quit.

    Raises:
        BaseException: Whatever `main` raises, SystemExit included; every `finally` has run by then.
    """
    quitting = False
    app.setQuitOnLastWindowClosed(False)

    async def body() -> int:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None and isinstance(loop, QtLoop)  # noqa: S101, PT018 - for the type checker

        def quit_asked() -> None:
            nonlocal quitting
            quitting = True
            task.cancel()

        loop.on_quit(quit_asked)
        try:
            return await main()
        finally:
            await end_others()

    with asyncio.Runner(loop_factory=lambda: QtLoop(app)) as runner:
        try:
            return runner.run(body())
        except asyncio.CancelledError:
            if not quitting:
                raise
            return 0
