"""The way out: who asked first, who insists, and a last resort for when nothing else ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import structlog

from app.domain.commands import Stop
from app.domain.events import StopBegan
from app.domain.signals import TO_END
from app.engine.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.engine.limits import Limits

_log = structlog.get_logger(__name__)

EXIT_FORCED = 70
"""EX_SOFTWARE of sysexits.h: the staged stop did not come to its end."""

INSIST_S = 2.0
"""A second signal means now: so long the rest may still take."""

SAY_S = 1.0
"""How long the log may take to be told that the stop is forced."""


class Shutdown:
    """Waits for the wish to end, from a signal or a `Stop` command. A context manager on the loop's thread.

    With the first wish a timer starts that ends the process by force when the staged stop takes too long; a second
    signal shortens it. It runs on after leaving, until `disarm`: the loop itself may be what hangs.

    Args:
        bus: Where the beginning of the end is told; whose `Stop` is answered.
        clock: Time.
        limits: How long the stop may take.
        force: Ends the process at once with an exit code.
    """

    def __init__(self, bus: Bus, clock: Clock, limits: Limits, *, force: Callable[[int], object] = os._exit) -> None:
        self._bus = bus
        self._clock = clock
        self._limits = limits
        self._force = force
        self._asked = asyncio.Event()
        self._timer: threading.Timer | None = None
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        """Begin to listen for signals and for `Stop`."""
        loop = asyncio.get_running_loop()
        self._undo.append(self._bus.handle(Stop, lambda command: self.ask(command.reason)))
        for number in TO_END:
            name = signal.Signals(number).name
            try:
                loop.add_signal_handler(number, self._on_signal, name)
                self._undo.append(lambda number=number: loop.remove_signal_handler(number))  # type: ignore[misc]
            except NotImplementedError:  # Windows: the handler runs between two steps of the main thread
                before = signal.signal(number, self._deferred(loop, name))
                self._undo.append(lambda number=number, before=before: signal.signal(number, before))  # type: ignore[misc]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        for undo in self._undo:
            with suppress(RuntimeError, ValueError):
                undo()

    async def wait(self) -> None:
        """Wait until somebody wants the program to end."""
        await self._asked.wait()

    def ask(self, reason: str) -> None:
        """Want the program to end; a second wish changes nothing."""
        if self._asked.is_set():
            return
        _log.info("stopping", reason=reason)
        self._bus.publish(StopBegan(at=self._clock.wall(), reason=reason))
        self._asked.set()
        self._arm(self._limits.stop_s)

    def disarm(self) -> None:
        """The stop has come to its end: nothing needs force."""
        if self._timer is not None:
            self._timer.cancel()

    def _on_signal(self, name: str) -> None:
        if self._asked.is_set():
            _log.warning("asked again to stop: now", signal=name)
            self._arm(INSIST_S)
        self.ask(f"signal {name}")

    def _deferred(self, loop: asyncio.AbstractEventLoop, name: str) -> Callable[[int, FrameType | None], None]:
        def handler(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._on_signal, name)

        return handler

    def _arm(self, seconds: float) -> None:
        self.disarm()
        self._timer = threading.Timer(seconds, self._end_by_force)
        self._timer.daemon = True
        self._timer.start()

    def _end_by_force(self) -> None:
        threads = sorted(thread.name for thread in threading.enumerate())
        with suppress(OSError):  # the log's own disk may be what hangs
            Patience("last-word", SAY_S).do(
                lambda: _log.error("the stop did not come to its end, and is forced", threads=threads)
            )
        self._force(EXIT_FORCED)
