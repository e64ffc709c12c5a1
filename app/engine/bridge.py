"""SafeAsyncBridge: the one way from a thread into the loop.

An accepted call's future is resolved exactly once, always, also when the loop is blocked, dies or is never run; a call
that is not accepted is refused at once. A storm of calls costs the loop one wake-up, and is worked off in slices.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, TypeVarTuple, overload

import structlog

from app.domain.errors import BridgeClosed, BridgeFull
from app.engine.channels import Block, Call, Channel, Coalesce, Reject
from app.engine.lifeline import Lifeline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable
    from concurrent.futures import Future
    from types import TracebackType

    from app.engine.channels import Policy

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_log = structlog.get_logger(__name__)

CAPACITY = 10_000
"""Calls accepted and not yet resolved; more than that is a storm, and belongs on a coalescing channel."""
SLICE_S = 0.004
"""The loop's other work waits at most this long for the bridge, however many calls are queued."""
DRAIN_S = 5.0
"""How long closing lets accepted calls finish, unless the bridge is told otherwise."""
CANCEL_S = 2.0
"""How long cancelled calls may take to end, unless the bridge is told otherwise."""


@dataclass(frozen=True, slots=True)
class BridgeCounters:
    """What the bridge has done and has before it.

    `depth` calls are queued, `pending` accepted but unresolved (queued or running); `wait_s` is how long the call that
    started last had been queued, `worst_wait_s` the longest ever. The others count from the start: `accepted`,
    `refused` (full or closed) and `merged` (accepted by replacing a queued one).
    """

    depth: int
    pending: int
    wait_s: float
    worst_wait_s: float
    accepted: int
    refused: int
    merged: int


class _State(Enum):
    NEW = auto()
    OPEN = auto()
    DRAINING = auto()
    CLOSED = auto()


class SafeAsyncBridge:
    """Carries calls from any thread into a loop. An async context manager, entered on that loop.

    It takes calls from `__aenter__` on; leaving it is aclose(). A loop that is closed without that, and the end of the
    interpreter, resolve what is pending with BridgeClosed.

    Args:
        loop: The loop that runs the calls.
        capacity: Most calls accepted and not yet resolved, over all channels.
        drain_s: Seconds in which accepted calls may end when the bridge is left.
        cancel_s: Seconds that cancelled calls may take to end after that.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        capacity: int = CAPACITY,
        drain_s: float = DRAIN_S,
        cancel_s: float = CANCEL_S,
    ) -> None:
        self._loop = loop
        self._capacity = capacity
        self._drain_s = drain_s
        self._cancel_s = cancel_s
        self._thread: int | None = None
        # Reentrant, because a signal handler or a finalizer may call abort() in the middle of a submit(). Nothing of
        # the loop's is called while it is held: the loop has a lock of its own.
        self._space = threading.Condition(threading.RLock())
        self._state = _State.NEW
        self._queue: deque[Call] = deque()
        self._pending: dict[Call, None] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._draining = False
        self._blocked = 0
        self._idle = asyncio.Event()
        self._over = asyncio.Event()
        self._default = Channel("", Reject(), capacity)
        self._channels: dict[str, Channel] = {}
        self._lifeline: Lifeline | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._accepted = self._refused = self._merged = 0
        self._wait_s = self._worst_wait_s = 0.0

    async def __aenter__(self) -> Self:
        """Begin to take calls.

        Raises:
            RuntimeError: This is not the loop that the bridge was made for, or the bridge was entered before.
        """
        if asyncio.get_running_loop() is not self._loop or self._state is not _State.NEW:
            raise RuntimeError("a bridge is entered once, on the loop that it was made for")
        self._thread = threading.get_ident()
        self._lifeline = Lifeline(self._loop, self.abort)
        self._keeper = self._loop.create_task(self._keep(), name="bridge-keeper")
        self._state = _State.OPEN
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close gracefully."""
        await self.aclose()

    def channel(self, name: str, policy: Policy, *, capacity: int | None = None) -> Channel:
        """Return the way in of this name, with its own policy; the first who asks for it opens it.

        Args:
            name: For submit() and for messages.
            policy: What happens when the channel or the bridge is full.
            capacity: Most calls queued on this channel; the bridge's capacity when None.

        Raises:
            ValueError: There is one of this name with another policy or capacity.
        """
        capacity = self._capacity if capacity is None else capacity
        way = self._channels.setdefault(name, Channel(name, policy, capacity))
        if (way.policy, way.capacity) != (policy, capacity):
            raise ValueError(f"there is a channel {name!r} already, of another kind")
        return way

    @property
    def counters(self) -> BridgeCounters:
        """What the bridge has done and has before it, at this moment."""
        with self._space:
            return BridgeCounters(
                depth=len(self._queue),
                pending=len(self._pending),
                wait_s=self._wait_s,
                worst_wait_s=self._worst_wait_s,
                accepted=self._accepted,
                refused=self._refused,
                merged=self._merged,
            )

    # From any thread

    @overload
    def submit(
        self, fn: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts, channel: Channel | str | None = None
    ) -> Future[T]: ...

    @overload
    def submit(self, fn: Callable[[*Ts], T], *args: *Ts, channel: Channel | str | None = None) -> Future[T]: ...

    def submit(  # type: ignore[misc] # mypy does not see that any arguments take in *Ts
        self, fn: Callable[..., Any], *args: Any, channel: Channel | str | None = None
    ) -> Future[Any]:
        """Have `fn(*args)` run on the loop, in the caller's context; awaited there when it is an async function.

        Args:
            fn: A function, never a coroutine object.
            args: Its arguments.
            channel: The channel or its name; without one a full bridge rejects.

        Returns:
            A future that is resolved exactly once: with the result, what `fn` raised, cancellation, or BridgeClosed.

        Raises:
            BridgeClosed: The bridge is not entered yet, is closing or closed, or its loop has ended.
            BridgeFull: The channel's policy refuses.
            TypeError: `fn` is no function.
            KeyError: There is no such channel.
        """
        _require_function(fn)
        way = self._default if channel is None else self._channels[channel] if isinstance(channel, str) else channel
        key = way.policy.key(*args) if isinstance(way.policy, Coalesce) else None
        with self._space:
            call = self._merge(way, key, fn, args)
            if call is None:
                self._await_space(way)
                call = Call(fn, args, way, key)
                self._pending[call] = None
                self._queue.append(call)
                way.depth += 1
                if isinstance(way.policy, Coalesce):
                    way.queued[key] = call
            self._accepted += 1
            asleep, self._draining = not self._draining, True
        if asleep:
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:  # the loop is closed
                self.abort()
        if self._state is _State.CLOSED:
            self.abort()  # again, for this call may have come in between: a finalizer closes when it likes
            raise self._closed()
        return call.future

    @overload
    def call(self, fn: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts, timeout: float) -> T: ...

    @overload
    def call(self, fn: Callable[[*Ts], T], *args: *Ts, timeout: float) -> T: ...

    def call(self, fn: Callable[..., Any], *args: Any, timeout: float) -> Any:  # type: ignore[misc] # as above
        """Like submit(), and wait for the result at most `timeout` seconds.

        Raises:
            RuntimeError: This is the loop's own thread, which would wait for itself.
            TimeoutError: Time is up; the call was cancelled.
            BridgeClosed: The bridge is or was closed.
            BridgeFull: The bridge is full.
        """
        if threading.get_ident() == self._thread:
            raise RuntimeError("call() on the loop's own thread would wait for itself: await the function instead")
        future = self.submit(fn, *args)
        try:
            return future.result(timeout)
        except TimeoutError:
            if future.cancel():
                raise
            return future.result()  # it ended just now, or the TimeoutError is its own

    def abort(self) -> None:
        """Close now: resolve all that is pending with BridgeClosed, cancel what runs. Never blocks, in any thread."""
        with self._space:
            first, self._state = self._state is not _State.CLOSED, _State.CLOSED
            self._thread = None
            calls = tuple(self._pending)
            self._pending.clear()
            self._queue.clear()
            for way in (self._default, *self._channels.values()):
                way.depth = 0
                way.queued.clear()
            self._space.notify_all()
        for call in calls:
            call.settle(None, self._closed())
        if calls:
            _log.warning("the bridge was closed over calls that had not ended", calls=len(calls))
        if first:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs there
                self._loop.call_soon_threadsafe(self._over.set)

    # On the loop

    async def aclose(self, deadline_s: float | None = None) -> None:
        """Take no more calls, let the accepted ones end, then abort what is left.

        Args:
            deadline_s: Seconds in which they may end; the bridge's `drain_s` when None.
        """
        with self._space:
            if self._state is not _State.CLOSED:
                self._state = _State.DRAINING
            self._space.notify_all()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._drain_s if deadline_s is None else deadline_s):
                    while self._pending:
                        self._idle.clear()
                        await self._idle.wait()
        finally:
            self.abort()
        if self._keeper is not None:
            await asyncio.wait([self._keeper])  # it waits for the cancelled calls, at most `cancel_s`

    async def _keep(self) -> None:
        """Clean up at the end. abort() tells of it, or asyncio.run(), which cancels all tasks when its main ends."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._over.wait()
        self.abort()
        self._idle.set()
        if self._lifeline is not None:
            self._lifeline.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, stubborn = await asyncio.wait(self._tasks, timeout=self._cancel_s)
            if stubborn:
                _log.warning("cancelled calls did not end", calls=[task.get_name() for task in stubborn])

    def _drain(self) -> None:
        """Start queued calls for one slice of time."""
        until = time.monotonic() + SLICE_S
        while True:
            with self._space:
                if not self._queue:
                    self._draining = False
                    return
                call = self._queue.popleft()
                self._leave(call)
            try:
                self._start(call)
            except BaseException:
                self._loop.call_soon(self._drain)
                raise
            if time.monotonic() >= until:
                self._loop.call_soon(self._drain)
                return

    def _leave(self, call: Call) -> None:
        way = call.channel
        way.depth -= 1
        if way.queued.get(call.key) is call:
            del way.queued[call.key]
        self._wait_s = time.monotonic() - call.queued_at
        self._worst_wait_s = max(self._worst_wait_s, self._wait_s)
        if self._blocked:
            self._space.notify_all()

    def _start(self, call: Call) -> None:
        """Run a call's function, or have its coroutine run.

        Raises:
            SystemExit: The function did, and the loop must hear of it too; likewise KeyboardInterrupt.
        """
        way = call.channel
        if way.announce_overflow:
            way.announce_overflow = False
            self._tell_overflow(way)
        if call.future.cancelled():
            self._resolve(call, None, None)
            return
        result, error = call.attempt()
        if error is None and inspect.isawaitable(result):
            self._follow(call, result)
            return
        self._resolve(call, result, error)
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise error

    def _follow(self, call: Call, awaitable: Awaitable[Any]) -> None:
        coro = awaitable if inspect.iscoroutine(awaitable) else _await(awaitable)
        if call not in self._pending:  # aborted while its function ran
            coro.close()
            return
        task = self._loop.create_task(coro, name=f"bridge:{call.name}", context=call.context)
        self._tasks.add(task)
        task.add_done_callback(partial(self._task_done, call))
        call.future.add_done_callback(partial(self._pass_cancel, task))

    def _task_done(self, call: Call, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            call.future.cancel()
            self._resolve(call, None, None)
        elif (error := task.exception()) is not None:
            self._resolve(call, None, error)
        else:
            self._resolve(call, task.result(), None)

    def _pass_cancel(self, task: asyncio.Task[Any], future: Future[Any]) -> None:
        if future.cancelled():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(task.cancel)

    def _resolve(self, call: Call, result: object, error: BaseException | None) -> None:
        with self._space:
            if call not in self._pending:
                return
            del self._pending[call]
            if self._blocked:
                self._space.notify_all()
        if error is not None:
            call.future.unheard = call.name
        call.settle(result, error)
        if not self._pending:
            self._idle.set()

    def _tell_overflow(self, way: Channel) -> None:
        if isinstance(way.policy, Coalesce) and way.policy.on_overflow is not None:
            try:
                way.policy.on_overflow()
            except Exception:  # noqa: BLE001 - the calls behind it have nothing to do with that
                _log.exception("a channel's on_overflow failed", channel=way.name)

    # Under the lock

    def _merge(self, way: Channel, key: Hashable, fn: Callable[..., Any], args: tuple[Any, ...]) -> Call | None:
        call = way.queued.get(key)
        if call is None or call.future.cancelled() or self._state is not _State.OPEN:
            return None
        call.fn, call.args, call.context = fn, args, contextvars.copy_context()
        self._merged += 1
        return call

    def _await_space(self, way: Channel) -> None:
        """Return when there is room for a call.

        Raises:
            BridgeClosed: Calls are not taken.
            BridgeFull: There is no room, or there was none for as long as the policy waits.
        """
        if self._state is _State.OPEN and self._is_full(way):
            if isinstance(way.policy, Block) and threading.get_ident() != self._thread:
                self._blocked += 1
                try:
                    self._space.wait_for(
                        lambda: self._state is not _State.OPEN or not self._is_full(way), way.policy.timeout_s
                    )
                finally:
                    self._blocked -= 1
            elif isinstance(way.policy, Coalesce) and not way.overflow:
                way.overflow = way.announce_overflow = True
        if self._state is not _State.OPEN:
            self._refused += 1
            raise self._closed()
        if self._is_full(way):
            self._refused += 1
            raise BridgeFull(
                f"{way.depth} calls wait on channel {way.name!r}, {len(self._pending)} in all.",
                "Try again in a moment.",
            )

    def _is_full(self, way: Channel) -> bool:
        return way.depth >= way.capacity or len(self._pending) >= self._capacity

    def _closed(self) -> BridgeClosed:
        if self._state is _State.NEW:
            return BridgeClosed("The bridge into the loop is not open yet.")
        return BridgeClosed("The bridge into the loop is closed.", "Watchkeeper is stopping.")


def _require_function(fn: object) -> None:
    if not callable(fn):
        if inspect.iscoroutine(fn):
            fn.close()
        raise TypeError(f"a call takes a function and its arguments, not {fn!r}")


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable
