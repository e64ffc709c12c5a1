"""SyncAsyncWrapper: async functions for code that blocks."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar, TypeVarTuple

import structlog

from app.domain.errors import BridgeClosed
from app.engine.bridge import CANCEL_S, DRAIN_S, SafeAsyncBridge

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_log = structlog.get_logger(__name__)

START_S = 10.0
"""How long the own loop may take to start, on a machine that is very busy."""


class SyncAsyncWrapper:
    """Calls async functions from blocking code. A context manager.

    Args:
        bridge: The way into a loop that runs already; it is borrowed and stays open. Without one, a loop is started in
            a thread of its own, and ended on leaving.
        deadline_s: How long calls that other threads have running may go on when the block is left.
    """

    def __init__(self, bridge: SafeAsyncBridge | None = None, *, deadline_s: float = DRAIN_S) -> None:
        self._bridge = bridge
        self._deadline_s = deadline_s
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()

    def __enter__(self) -> Self:
        """Start the loop, unless one is borrowed.

        Raises:
            RuntimeError: The wrapper was entered before.
            BridgeClosed: The loop did not start in ten seconds.
        """
        if self._thread is not None:
            raise RuntimeError("a SyncAsyncWrapper is entered once")
        if self._bridge is None:
            self._thread = threading.Thread(target=self._run, name="sync-async-wrapper", daemon=True)
            self._thread.start()
            if not self._started.wait(START_S) or self._bridge is None:
                raise BridgeClosed(
                    "An event loop could not be started in a thread.", "The machine may be out of memory."
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close: gracefully after the block's normal end, by force when it raised."""
        self.close(force=error is not None)

    def call(self, fn: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts, timeout: float) -> T:
        """Run `fn(*args)` on the loop, and return its result within `timeout` seconds.

        Raises:
            RuntimeError: This is the loop's own thread.
            TimeoutError: Time is up; the call was cancelled.
            BridgeClosed: The wrapper, the bridge or the loop is closed.
            BridgeFull: Too many calls are running.
        """
        if self._bridge is None:
            raise BridgeClosed("The wrapper is not entered.")
        return self._bridge.call(fn, *args, timeout=timeout)

    def close(self, *, force: bool = False) -> None:
        """End the own loop; a borrowed one is left alone.

        Args:
            force: Cancel what other threads have running at once, and not after the deadline.
        """
        thread, loop, bridge, stop = self._thread, self._loop, self._bridge, self._stop
        if thread is None or loop is None or bridge is None or stop is None:
            return
        if force:
            bridge.abort()
        try:
            loop.call_soon_threadsafe(stop.set)
        except RuntimeError:  # it is closed already
            return
        thread.join((0.0 if force else self._deadline_s) + 2 * CANCEL_S)
        if thread.is_alive():
            bridge.abort()
            _log.warning("a blocked event loop was left behind", thread=thread.name)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with SafeAsyncBridge(self._loop) as bridge:
            self._bridge = bridge
            self._started.set()
            await self._stop.wait()
            await bridge.aclose(self._deadline_s)
