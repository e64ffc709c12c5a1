"""Calls under way: counted, refused once they are to end, and given up when the patience with them is over."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from app.agents.auditing.aws.errors import ClientsClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.agents.auditing.aws.errors import Call


GIVE_UP_S = 1.0
"""How long calls that are given up may take to end; they do at once."""

_log = structlog.get_logger(__name__)


class Flights:
    """All calls of some clients."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Timeout] = set()
        self._closed = False
        self._landed = asyncio.Event()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    @asynccontextmanager
    async def one(self, call: Call) -> AsyncIterator[None]:
        """Be one of them.

        Args:
            call: Which, for the message.

        Raises:
            ClientsClosed: No more are let begin, or this one was given up.
        """
        if self._closed:
            raise _closed(call)
        try:
            async with asyncio.timeout(None) as scope:
                self._under_way.add(scope)
                yield
        except TimeoutError:
            if scope.expired():
                raise _closed(call) from None
            raise
        finally:
            self._land(scope)

    def _land(self, scope: asyncio.Timeout) -> None:
        self._under_way.discard(scope)
        if self._closed and not self._under_way:
            self._landed.set()

    async def close(self, deadline_s: float) -> None:
        """Let none begin any more, wait for those under way, and give up what is left after the deadline.

        Args:
            deadline_s: Seconds.
        """
        self._closed = True
        if not self._under_way:
            return
        if await self._have_landed(deadline_s):
            return
        for scope in self._under_way:
            if not scope.expired():
                scope.reschedule(asyncio.get_running_loop().time())
        if not await self._have_landed(GIVE_UP_S):
            _log.warning("calls to AWS did not end when they were given up", calls=len(self))

    async def _have_landed(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._landed.wait()
        except TimeoutError:
            return False
        return True


def _closed(call: Call) -> ClientsClosed:
    return ClientsClosed(f"{call.action} in {call.where} was given up: the audit is being ended.", call=call)
