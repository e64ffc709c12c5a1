"""Whether there is a way into the network."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Self

from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from app.engine.clock import Clock

LOOK_EVERY_S = 5.0
_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): they are far away for everybody, and belong to nobody."""
_DISCARD = 9


def has_route() -> bool:
    """Return whether the system knows a way to far addresses. Nothing is sent, and it does not block.

    Connecting a datagram socket only has the system choose a route (connect(2)); with none it refuses.
    """
    for family, address in _NOWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asking:
                asking.connect((address, _DISCARD))
        except OSError:
            continue
        return True
    return False


class NetworkWatch:
    """Looks every few seconds whether there is a way into the network, and tells when that changes.

    An async context manager.

    Args:
        tell: Called on the loop with what the first look found, and then with each change.
        clock: Time.
        look: Tells whether there is a way.
    """

    def __init__(self, tell: Callable[[bool], None], clock: Clock, *, look: Callable[[], bool] = has_route) -> None:
        self._tell = tell
        self._clock = clock
        self._look = look
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to look."""
        self._looking = spawn(self._keep_looking(), name="network")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _keep_looking(self) -> None:
        known: bool | None = None
        while True:
            found = self._look()
            if found is not known:
                known = found
                self._tell(found)
            await self._clock.sleep(LOOK_EVERY_S)
