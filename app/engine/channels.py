"""What a bridge carries and how: calls and their futures, channels and their policies."""

from __future__ import annotations

import contextvars
import time
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reject:
    """A full channel refuses at once with BridgeFull."""


@dataclass(frozen=True, slots=True)
class Block:
    """A full channel lets the calling thread wait up to `timeout_s` seconds, then refuses with BridgeFull.

    On the loop's own thread it refuses at once: waiting there would keep the channel full.
    """

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Coalesce:
    """A queued call with the same key is replaced by the newer one: same place, newest arguments and context.

    Both callers hold the same future, so cancelling it cancels for both. When more different keys than the capacity
    wait, calls are refused with BridgeFull and the channel's `overflow` is set: something was missed, look at it all.

    Args:
        key: From the call's arguments to what makes two calls the same.
        on_overflow: Called on the loop, once for each time that `overflow` becomes set.
    """

    key: Callable[..., Hashable]
    on_overflow: Callable[[], object] | None = None


Policy = Reject | Block | Coalesce


class CallFuture(Future[T]):
    """The result of a call to come; logs an exception that nobody asked for."""

    unheard: str = ""
    """The name of the call that failed, until somebody reads the exception."""

    def result(self, timeout: float | None = None) -> T:
        """Return the result, or raise what the call raised; see concurrent.futures.Future."""
        try:
            return super().result(timeout)
        finally:
            self._heard()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the call raised; see concurrent.futures.Future."""
        try:
            return super().exception(timeout)
        finally:
            self._heard()

    def _heard(self) -> None:
        if self.done():
            self.unheard = ""

    def __del__(self) -> None:
        """Log the exception that nobody read."""
        if self.unheard:
            error = super().exception(0)
            _log.error("a call from a thread failed, and nobody read its result", call=self.unheard, exc_info=error)


class Channel:
    """A named way into the bridge with its own policy and capacity; made by SafeAsyncBridge.channel()."""

    def __init__(self, name: str, policy: Policy, capacity: int) -> None:
        self.name = name
        self.policy = policy
        self.capacity = capacity
        # The rest is the bridge's to write, under its lock.
        self.depth = 0
        self.queued: dict[Hashable, Call] = {}
        self.overflow = False
        self.announce_overflow = False

    def take_overflow(self) -> bool:
        """Tell whether calls were refused since this was asked last; who asks looks at everything next."""
        overflow, self.overflow = self.overflow, False
        return overflow


class Call:
    """An accepted call. Whoever takes it out of the bridge's `pending` resolves its future."""

    __slots__ = ("args", "channel", "context", "fn", "future", "key", "queued_at")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], channel: Channel, key: Hashable | None) -> None:
        self.fn = fn
        self.args = args
        self.channel = channel
        self.key = key
        self.context = contextvars.copy_context()
        self.future: CallFuture[Any] = CallFuture()
        self.queued_at = time.monotonic()

    @property
    def name(self) -> str:
        """How the function is called, for people."""
        return getattr(self.fn, "__qualname__", None) or repr(self.fn)

    def attempt(self) -> tuple[Any, BaseException | None]:
        """Run the function in the caller's context, and return its result or what it raised."""
        return _attempt(self.context, self.fn, self.args)

    def settle(self, result: object, error: BaseException | None) -> None:
        """Resolve the future, unless its holder has cancelled it."""
        try:
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)
        except InvalidStateError:
            self.future.unheard = ""
            if self.future.cancelled():
                self.future.set_running_or_notify_cancel()  # or concurrent.futures.wait() would not see it


def _attempt(
    context: contextvars.Context, fn: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[Any, BaseException | None]:
    """Call, and return the result or what was raised: here, where no frame of the traceback holds the future."""
    try:
        return context.run(fn, *args), None
    except BaseException as error:  # noqa: BLE001 - it belongs to the one who holds the future
        return None, error
