"""The one way through the house: events in, snapshots out, commands back."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, TypeVar

import structlog

from app.domain.errors import CommandRefused
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from app.domain.commands import Command
    from app.domain.events import Event
    from app.engine.clock import Clock

    Handler = Callable[["C"], "Awaitable[object] | object"]
    Subscriber = Callable[[Event, Snapshot], None]

C = TypeVar("C", bound="Command")

_log = structlog.get_logger(__name__)

SNAPSHOT_INTERVAL_S = 0.25
"""Faces are given a new snapshot at most four times a second (above that, painting is felt in the loop's lag)."""


class Bus:
    """Folds events into the snapshot and hands both on; carries commands to their handlers.

    All methods belong to the loop's own thread; other threads come in through the bridge.
    """

    def __init__(self, clock: Clock, snapshot: Snapshot | None = None) -> None:
        self._clock = clock
        self._snapshot = snapshot or Snapshot(started_at=clock.wall())
        self._subscribers: list[Subscriber] = []
        self._handlers: dict[type[Command], Callable[..., Awaitable[object] | object]] = {}
        self._moved = asyncio.Event()

    @property
    def snapshot(self) -> Snapshot:
        """The state as of the last event."""
        return self._snapshot

    def publish(self, event: Event) -> None:
        """Fold an event into the snapshot, then tell each subscriber; one that raises is logged and keeps its place."""
        self._snapshot = reduce(self._snapshot, event)
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(event, self._snapshot)
            except Exception:  # noqa: BLE001 - one face that fails must not silence the others
                _log.exception("a subscriber failed", subscriber=repr(subscriber), told=type(event).__name__)
        self._moved.set()
        self._moved = asyncio.Event()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber(event, snapshot)` for each event from now on, in order. Returns what ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    async def snapshots(self, interval_s: float = SNAPSHOT_INTERVAL_S) -> AsyncIterator[Snapshot]:
        """Yield the current snapshot, then the newest one at most every `interval_s` seconds, for as long as asked."""
        while True:
            moved, seen = self._moved, self._snapshot
            yield seen
            await self._clock.sleep(interval_s)
            if self._snapshot is seen:
                await moved.wait()

    def handle(self, command: type[C], handler: Handler[C]) -> Callable[[], None]:
        """Let `handler` answer commands of this type. Returns what ends it.

        Raises:
            ValueError: There is a handler already; one command has one handler.
        """
        if command in self._handlers:
            raise ValueError(f"{command.__name__} has a handler already")
        self._handlers[command] = handler
        return lambda: self._handlers.pop(command, None) and None

    async def send(self, command: Command) -> object:
        """Have a command carried out, and return its answer (said beside each command).

        Raises:
            CommandRefused: Nothing here answers commands of this type.
            WatchkeeperError: Whatever the handler refuses with.
        """
        handler = self._handlers.get(type(command))
        if handler is None:
            raise CommandRefused(f"{type(command).__name__} is not answered by this instance.")
        answer = handler(command)
        return await answer if inspect.isawaitable(answer) else answer
