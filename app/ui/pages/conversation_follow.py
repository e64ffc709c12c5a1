"""Reads an answer while it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.analysis import Reply
from app.domain.commands import ReadReply
from app.domain.errors import WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ui.requests import PageContext

WAIT_S: Final = 10.0
"""For how long a read waits for more."""
PAUSE_S: Final = 0.1
"""What comes meanwhile is shown as one: an answer of 16,000 pieces is painted ten times a second, not as often."""


class ReplyFollower:
    """Follows the newest answer of one conversation at a time.

    Args:
        context: Whom to ask.
        told: Called with each app.domain.analysis.Reply, whose text goes on where the one before ended.
        failed: Called with what happened and what to do, when it can be read no longer.
    """

    def __init__(self, context: PageContext, told: Callable[[Reply], None], failed: Callable[[str, str], None]) -> None:
        self._context = context
        self._told = told
        self._failed = failed
        self._turn = 0

    def follow(self, conversation: str, after: int = 0) -> None:
        """Follow a conversation's answer from this character on, and no longer the one of before."""
        self._turn += 1
        self._context.spawn(
            self._follow(conversation, after, self._turn), name="window: reply", on_error=self._unexpected(self._turn)
        )

    def leave(self) -> None:
        """Follow nothing. The answer itself goes on."""
        self._turn += 1

    async def _follow(self, conversation: str, after: int, turn: int) -> None:
        while turn == self._turn:
            try:
                reply = await self._context.ask(ReadReply(conversation=conversation, after=after, wait_s=WAIT_S))
            except WatchkeeperError as error:
                if turn == self._turn:
                    self._failed(error.message, error.hint)
                return
            if turn != self._turn or not isinstance(reply, Reply):
                return
            after = reply.length
            self._told(reply)
            if reply.is_done:
                return
            await self._context.clock.sleep(PAUSE_S)

    def _unexpected(self, turn: int) -> Callable[[BaseException], None]:
        def tell(_error: BaseException) -> None:
            if turn == self._turn:
                self._failed("That went wrong inside Watchkeeper.", "The log says more.")

        return tell
