"""Notice of a loop's end, for what must not outlive it in silence."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

RENEWAL_S = 24 * 3600.0
"""How often the timer is renewed that ties a lifeline to its loop."""


class _Thread:
    """Held by a timer of the loop alone: when the loop is closed, its timers go, and this with them."""

    __slots__ = ("__weakref__",)


class Lifeline:
    """Calls `on_end` when the loop is closed or the interpreter ends, whichever comes first; made on that loop.

    asyncio tells nobody that a loop was closed. But it drops its timers then, on both loops, so an object that only a
    timer refers to is finalized at that moment.

    Args:
        loop: The loop to watch.
        on_end: A method, called once, on whatever thread; it may not block. It is called at once when the interpreter
            begins to end, before it waits for threads that might wait for this.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[], None]) -> None:
        self._loop = loop
        thread = _Thread()
        self._finalizer = weakref.finalize(thread, on_end)
        self._timer: weakref.ref[asyncio.TimerHandle] | None = None
        self._renew(thread)
        _before_threads_are_joined(weakref.WeakMethod(self._end))

    def cut(self) -> None:
        """Stop watching; on the loop's thread."""
        self._finalizer.detach()
        if self._timer is not None and (timer := self._timer()) is not None:
            timer.cancel()

    def _renew(self, thread: _Thread) -> None:
        # Only weakly, or this object would keep alive what is to go with the loop.
        self._timer = weakref.ref(self._loop.call_later(RENEWAL_S, self._renew, thread))

    def _end(self) -> None:
        self._finalizer()


def _before_threads_are_joined(end: weakref.WeakMethod[Callable[[], None]]) -> None:
    """Call a method when the interpreter begins to end; what atexit calls comes after the threads have ended."""

    def hook() -> None:
        if (method := end()) is not None:
            method()

    register = getattr(threading, "_register_atexit", None)  # what concurrent.futures uses itself
    if register is not None:
        with contextlib.suppress(RuntimeError):  # the interpreter is ending already
            register(hook)
