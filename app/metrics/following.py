"""Metrics come and go as the settings ask for them. What serves them is imported only then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import structlog

from app.domain.errors import CannotError
from app.domain.events import MetricsServed
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from app.agents.settings import MetricsSettings
    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.engine.notices import Notices
    from app.metrics.serving import Served, Serving
    from app.metrics.tally import Tally

_log = structlog.get_logger(__name__)

LOOK_S = 1.0
"""How often the settings are looked at, and the loop's lag is sampled."""
TRY_AGAIN_S = 60.0
"""How often what could not be served is tried again: the program that has the port may have gone."""
NOTICE = "metrics"


class Metrics:
    """Has metrics served from entry to exit, whenever the settings ask for it. An async context manager.

    Args:
        bus: What is counted, and where it is told that metrics are served.
        clock: Time.
        settings: Gives the settings that hold now; must not block.
        notices: Where it is said that they cannot be served, or not on the port that was asked for.
        load: Makes what serves them; called in a thread, since it imports.
        close_s: Seconds that the end of the program waits for what serves, which needs a few milliseconds.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        *,
        settings: Callable[[], MetricsSettings],
        notices: Notices,
        load: Callable[[], Serving],
        close_s: float,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._settings = settings
        self._notices = notices
        self._load = load
        self._close_s = close_s
        self._serving: Serving | None = None
        self._tally: Tally | None = None
        self._count_no_more: Callable[[], None] = _nothing
        self._working: asyncio.Future[Served] | asyncio.Future[None] | None = None
        self._is_served = False
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to look at the settings."""
        self._keeping = spawn(self._keep(), name="metrics")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Have none served any more."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        ending = spawn(self._end(), name="end of metrics")
        await asyncio.wait([ending], timeout=self._close_s)
        self._count_no_more()

    async def _end(self) -> None:
        if self._working is not None:  # its thread goes on, though nobody waits for it any more
            await asyncio.wait([self._working])
        await self._stop()

    async def _keep(self) -> None:
        applied: MetricsSettings | None = None
        again_at = float("inf")
        while True:
            wanted = self._settings()
            if wanted != applied or self._clock.monotonic() >= again_at:
                await self._stop()
                is_done = await self._follow(wanted)
                again_at = float("inf") if is_done else self._clock.monotonic() + TRY_AGAIN_S
                applied = wanted
            await self._clock.sleep(LOOK_S)
            if self._tally is not None:
                self._tally.tick()

    async def _follow(self, wanted: MetricsSettings) -> bool:
        """Serve as the settings ask for it, and return whether that was possible."""
        if not wanted.enabled:
            self._count_no_more()
            self._tally, self._count_no_more = None, _nothing
            self._notices.show(NOTICE, "")
            return True
        try:
            served = await self._start(wanted)
        except CannotError as error:
            _log.warning("metrics are not served", reason=error.message)
            self._notices.show(NOTICE, error.message, error.hint)
            return False
        self._is_served = True
        _log.info("metrics are served", address=served.address, guarded=served.token_file is not None)
        self._notices.show(NOTICE, served.remark, "Let Prometheus ask there, or set metrics.port to a free port.")
        self._bus.publish(
            MetricsServed(at=self._clock.wall(), address=served.address, token_file=str(served.token_file or ""))
        )
        return True

    async def _start(self, wanted: MetricsSettings) -> Served:
        """Begin to serve.

        Raises:
            CannotError: It cannot be done.
        """
        if self._serving is None:
            self._serving = await asyncio.to_thread(self._load)
        if self._tally is None:  # else only the port has changed, or the like: no reason to begin anew
            self._tally = self._serving.new_tally(self._bus.snapshot)
            self._count_no_more = self._bus.subscribe(self._tally.see)
        loop = asyncio.get_running_loop()
        self._working = starting = loop.run_in_executor(None, self._serving.start, wanted, self._tally)
        return await asyncio.shield(starting)

    async def _stop(self) -> None:
        if self._is_served:
            self._is_served = False
            self._bus.publish(MetricsServed(at=self._clock.wall(), address=""))
        if self._serving is not None:
            self._working = ending = asyncio.get_running_loop().run_in_executor(None, self._serving.stop)
            await asyncio.shield(ending)


def _nothing() -> None:
    return
