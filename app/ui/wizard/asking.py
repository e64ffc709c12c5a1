"""How a step asks for something: the answer is heard only while the person is still at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import InternalError, WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.domain.commands import Command
    from app.ui.requests import Spawn


class Asking:
    """What one step has asked for.

    Args:
        ask: Has a command carried out and gives its answer.
        spawn: Starts a coroutine from a slot.
    """

    def __init__(self, ask: Callable[[Command], Awaitable[object]], spawn: Spawn) -> None:
        self._ask = ask
        self._spawn = spawn
        self._turn = 0

    def forget(self) -> None:
        """Hear no answer to what was asked so far. What was asked for is carried out all the same."""
        self._turn += 1

    def request(
        self,
        command: Command,
        answered: Callable[[object], None],
        refused: Callable[[WatchkeeperError], None],
    ) -> None:
        """Ask, in a task of its own.

        Args:
            command: What for.
            answered: Called with the answer.
            refused: Called with why not.
        """
        turn = self._turn

        async def carry_out() -> None:
            try:
                answer = await self._ask(command)
            except WatchkeeperError as error:
                if turn == self._turn:
                    refused(error)
                return
            if turn == self._turn:
                answered(answer)

        def unexpected(_error: BaseException) -> None:
            if turn == self._turn:
                refused(InternalError("That went wrong inside Watchkeeper.", "The log says more."))

        self._spawn(carry_out(), name=f"first start: {type(command).__name__}", on_error=unexpected)
