"""The whole house without a window, in the test's own process: what `run --headless` builds, and all that it tells."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from app.domain.events import NoticeCleared, NoticeRaised
from app.engine.places import Places
from app.house.alerts import alerts
from app.house.ground import ground
from app.house.lives import lived
from app.house.rooms import house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.domain.commands import Command
    from app.domain.events import Event
    from app.domain.snapshot import Notice, Snapshot
    from app.engine.bus import Bus
    from app.engine.clock import Clock

WITHIN_S = 40.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Housed:
    """It.

    Attributes:
        places: Where its folders lie.
        bus: Its bus.
        events: What was published.
    """

    places: Places
    bus: Bus
    events: list[Event] = field(default_factory=list)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: Event, _snapshot: Snapshot) -> None:
        """Take an event."""
        self.events.append(event)
        self._moved.set()

    async def until(self, holds: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
        """Wait until something holds, looked at after each event."""
        async with asyncio.timeout(within_s):
            while not holds():
                self._moved.clear()
                await self._moved.wait()

    async def send(self, command: Command) -> Any:
        """Have a command carried out, and return its answer."""
        return await self.bus.send(command)

    @property
    def notices(self) -> dict[str, Notice]:
        """The notices that stand, by their keys."""
        return dict(self.bus.snapshot.notices)

    def told(self, key: str) -> list[str]:
        """Return what a notice has said so far, in order; empty texts where it was taken back."""
        return [
            event.text if isinstance(event, NoticeRaised) else ""
            for event in self.events
            if isinstance(event, NoticeRaised | NoticeCleared) and event.key == key
        ]


def places_in(home: Path, settings: str = "") -> Places:
    """Make the folders of a home, with these settings, and return them."""
    places = Places.find({"WATCHKEEPER_HOME": str(home)})
    places.create()
    if settings:
        places.settings_file.write_text(settings, encoding="utf-8")
    return places


@asynccontextmanager
async def housed(places: Places, *folders: Path, clock: Clock | None = None) -> AsyncIterator[Housed]:
    """Live in the house for as long as this is entered.

    Args:
        places: Where its folders lie.
        folders: The projects to watch.
        clock: Time; by default the machine's.
    """
    with ground(places) as laid:
        on = replace(laid, clock=clock) if clock is not None else laid
        made = Housed(places, on.bus)
        on.bus.subscribe(made.hear)
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        async with house(on, folders, attended=False) as built, alerts(on, built, None), lived(on):
            for number, handler in handlers.items():  # Ctrl+C is for whoever runs this, not for the house
                asyncio.get_running_loop().remove_signal_handler(number)
                signal.signal(number, handler)
            yield made
