"""Conversations: their transcripts are the truth, a cache has the last exchanges at hand."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from app.ai.conversations.recent import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ai.conversations.recent import RecentCache
    from app.ai.conversations.transcripts import Transcripts
    from app.domain.analysis import Conversation, Exchange, Subject
    from app.engine.clock import Clock


def new_id(at: float) -> str:
    """Return an id that no other conversation has: the day, so that files stand in order, and 48 random bits."""
    return f"{time.strftime('%Y%m%d', time.gmtime(at))}-{secrets.token_hex(6)}"


class Conversations:
    """All conversations. An operation takes at most 2 s for the cache each time it is asked, and 5 s for the disk.

    Args:
        transcripts: The truth.
        cache: What has the last exchanges at hand.
        clock: Wall-clock time for the beginning of a conversation.
        new_id: Makes an id, from the wall-clock time.
    """

    def __init__(
        self,
        transcripts: Transcripts,
        cache: RecentCache,
        *,
        clock: Clock,
        new_id: Callable[[float], str] = new_id,
    ) -> None:
        self._transcripts = transcripts
        self._cache = cache
        self._clock = clock
        self._new_id = new_id

    async def start(self, subject: Subject, title: str) -> str:
        """Begin a conversation, and return its id.

        Raises:
            CannotError: The disk is full, read-only or does not answer in time.
        """
        at = self._clock.wall()
        conversation = self._new_id(at)
        await self._transcripts.start(conversation, subject, title, started_at=at)
        return conversation

    async def last(self, conversation: str, limit: int = KEPT) -> tuple[Exchange, ...]:
        """Return its last exchanges, at most `limit`, the newest last; none when there is no such conversation.

        Raises:
            UsageError: The id is none.
            CannotError: They must be read from the disk, which cannot be done.
        """
        if limit <= 0:
            return ()
        found = await self._cache.last(conversation) if limit <= KEPT else None
        if found is None:
            whole = await self._transcripts.read(conversation)
            found = whole.exchanges if whole else ()
            await self._cache.fill(conversation, found)
        return found[-limit:]

    async def add(self, conversation: str, exchange: Exchange) -> None:
        """Add an exchange: it is on the disk when this returns.

        Raises:
            UsageError: There is no conversation of this id.
            CannotError: The disk is full, read-only or does not answer in time.
        """
        await self._transcripts.append(conversation, exchange)
        await self._cache.push(conversation, exchange)

    async def whole(self, conversation: str) -> Conversation | None:
        """Return a conversation with all its exchanges; None when there is none.

        Raises:
            UsageError: The id is none.
            CannotError: It cannot be read, or not in time.
        """
        return await self._transcripts.read(conversation)

    async def delete(self, conversation: str) -> bool:
        """Delete a conversation for good, and tell whether there was one.

        Raises:
            UsageError: The id is none.
            CannotError: It cannot be deleted, or not in time; then all of it is still there.
        """
        existed = await self._transcripts.delete(conversation)
        await self._cache.forget(conversation)
        return existed
