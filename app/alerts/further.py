"""What goes further than this desktop: a queue for each channel that is set up, for as long as it is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Protocol, Self

import structlog

from app.domain.errors import WatchkeeperError
from app.domain.events import ChannelChanged
from app.domain.health import ChannelTest, ChannelView
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from app.agents.settings import AlertSettings
    from app.alerts.channel import Channel
    from app.domain.alerts import Alert
    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.bus import Bus
    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

LOOK_S: Final = 2.0
"""How often it is looked whether a channel was set up otherwise."""

TEST_S: Final = 25.0
"""How long a test may take: less than a command's answer may."""

_STOP_S: Final = 0.25


class Queue(Protocol):
    """What alerts wait in: see app.alerts.outbox."""

    def post(self, alert: Alert) -> None:
        """Have an alert sent."""
        ...

    def see(self, event: Event, snapshot: Snapshot, /) -> None:
        """Look at an event: what waits may be tried again."""
        ...

    def tested(self, test: ChannelTest) -> None:
        """Note what came of a test; what waits is tried again at once where it went through."""
        ...

    async def kept(self) -> None:
        """Wait until what was posted lies on disk, as far as the disk lets."""
        ...


class Further:
    """All channels beside the desktop. An async context manager.

    Args:
        settings: Gives `[alerts]` as it is now.
        channels: Makes the channels that such settings set up.
        queue: Makes the queue of one of them.
        bus: Where the queues hear of the network and the vault.
        clock: Time.
        test_s: How long a test may take.
    """

    def __init__(
        self,
        settings: Callable[[], AlertSettings],
        channels: Callable[[AlertSettings], Sequence[Channel]],
        queue: Callable[[Channel], AbstractAsyncContextManager[Queue]],
        *,
        bus: Bus,
        clock: Clock,
        test_s: float = TEST_S,
    ) -> None:
        self._settings = settings
        self._make = channels
        self._queue = queue
        self._bus = bus
        self._clock = clock
        self._test_s = test_s
        self._channels: dict[str, Channel] = {}
        self._queues: dict[str, Queue] = {}
        self._open: dict[str, AsyncExitStack] = {}
        self._made: dict[str, object] = {}
        self._changing = asyncio.Lock()
        self._set_up: AlertSettings | None = None
        self._waiting: list[Alert] | None = None
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Open the queues of what is set up, and follow the settings from now on."""
        await self.refresh()
        self._following = spawn(self._follow(), name="channels of alerts")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the queues; what waits stays on disk."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following], timeout=_STOP_S)
        async with AsyncExitStack() as closing:
            for name in tuple(self._open):
                closing.push_async_callback(self._close, name)

    @property
    def names(self) -> tuple[str, ...]:
        """The channels that are set up."""
        return tuple(self._channels)

    def post(self, alert: Alert) -> None:
        """Have an alert sent through each channel."""
        if self._waiting is not None:
            self._waiting.append(alert)
        for queue in self._queues.values():
            queue.post(alert)

    async def kept(self) -> None:
        """Wait until what was posted lies on disk, as far as the disk lets."""
        await asyncio.gather(*(queue.kept() for queue in self._queues.values()))

    async def refresh(self) -> None:
        """Have the channels be those that the settings name now."""
        async with self._changing:
            settings = self._settings()
            if self._set_up is None or _ways(settings) != _ways(self._set_up):
                await self._set_up_anew(settings)

    async def test(self, name: str, alert: Alert) -> ChannelTest:
        """Send an alert through a channel that is set up, past its queue, and say what came of it.

        Its queue notes that. One that went through wakes it: what waits in it can go as well.
        """
        test = await self._tested(name, alert)
        if name in self._queues:
            self._queues[name].tested(test)
        return test

    async def _tested(self, name: str, alert: Alert) -> ChannelTest:
        channel = self._channels.get(name)
        if channel is None:
            return ChannelTest(name, "It was just switched off.", "Look at the settings: watchkeeper config show")
        try:
            async with asyncio.timeout(self._test_s):
                await channel.send(alert)
        except WatchkeeperError as error:
            return ChannelTest(name, error.message, error.hint)
        except TimeoutError:
            return ChannelTest(
                name, f"It did not answer in {self._test_s:g} s.", "Look at its address and the network."
            )
        except Exception as error:  # noqa: BLE001 - neither its text nor its chain: they may hold a secret
            _log.error("a channel has a fault", channel=name, kind=type(error).__name__)
            return ChannelTest(name, f"It has a fault ({type(error).__name__}).", "The log may tell more.")
        return ChannelTest(name)

    async def _follow(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            try:
                await self.refresh()
            except Exception:  # noqa: BLE001 - the settings are followed on, and the next ones may do
                _log.exception("channels of alerts cannot be set up")

    async def _set_up_anew(self, settings: AlertSettings) -> None:
        """Close the queues of what is set up otherwise and open them anew; what is told meanwhile goes into those.

        The others stay as they are: they know when they last sent, and what they failed for.
        """
        self._set_up = settings
        channels = {channel.name: channel for channel in self._make(settings)}
        anew = {name for name in channels if self._made.get(name) != getattr(settings, name)}
        gone = set(self._channels) - set(channels)
        self._waiting = []
        queues = {name: queue for name, queue in self._queues.items() if name not in gone | anew}
        self._queues = dict(queues)
        try:
            for name in (*gone, *anew):
                await self._close(name)
            for name, channel in channels.items():
                if name in anew:
                    queues[name] = await self._opened(channel)
                    self._channels[name], self._made[name] = channel, getattr(settings, name)
        finally:
            self._channels = {name: self._channels[name] for name in channels if name in self._channels}
            kept, self._queues = self._queues, queues
            waiting, self._waiting = self._waiting, None
            for alert in waiting:
                for name in queues.keys() - kept.keys():
                    queues[name].post(alert)
        for name in gone:
            self._bus.publish(ChannelChanged(at=self._clock.wall(), channel=ChannelView(name)))

    async def _opened(self, channel: Channel) -> Queue:
        async with AsyncExitStack() as opening:
            queue = await opening.enter_async_context(self._queue(channel))
            opening.callback(self._bus.subscribe(queue.see))
            self._open[channel.name] = opening.pop_all()
        return queue

    async def _close(self, name: str) -> None:
        self._channels.pop(name, None)
        self._made.pop(name, None)
        if name in self._open:
            await self._open.pop(name).aclose()


def _ways(settings: AlertSettings) -> tuple[object, ...]:
    return settings.mail, settings.telegram, settings.webhook
