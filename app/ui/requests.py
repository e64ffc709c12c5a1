"""How a page asks for something without waiting in a slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.domain.errors import ConsentMissing, WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from app.domain.analysis import AnalysisView
    from app.domain.commands import Command
    from app.domain.findings import Finding
    from app.engine.clock import Clock
    from app.ui.icons import Icons


class Spawn(Protocol):
    """Starts a coroutine as a task of its own (app.engine.tasks.spawn)."""

    def __call__(
        self,
        coro: Coroutine[object, object, None],
        /,
        *,
        name: str,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> object:
        """Start the coroutine and keep it until it is done."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """What every page is handed.

    Attributes:
        ask: Has a command carried out and gives its answer.
        spawn: Starts a coroutine from a slot.
        clock: Tells the time that ages are counted from.
        icons: Draws symbols and moods.
        complain: Shows a person what went wrong, and what to do about it.
        open_test: Shows a test, or with no node id its project, on the Tests page.
        open_conversation: Shows a conversation by its id, or with an empty id a new one about a project's test.
        explain_finding: Shows the conversation about a finding of a project, or has a model explain it in a new one.
        analysis: Tells where the asking of models stands, as of the newest snapshot.
    """

    ask: Callable[[Command], Awaitable[object]]
    spawn: Spawn
    clock: Clock
    icons: Icons
    complain: Callable[[str, str], None]
    open_test: Callable[[str, str | None], None]
    open_conversation: Callable[[str, str, str], None]
    explain_finding: Callable[[str, Finding], None]
    analysis: Callable[[], AnalysisView]

    def request(
        self,
        command: Command,
        answered: Callable[[object], None] | None = None,
        failed: Callable[[str, str], None] | None = None,
        *,
        not_agreed: Callable[[str, str], None] | None = None,
    ) -> None:
        """Have a command carried out in a task of its own.

        Args:
            command: What is asked for.
            answered: Called with the answer.
            failed: Called with what happened and what to do; without it the window shows that.
            not_agreed: Called likewise, in place of `failed`, when what is missing is the person's consent.
        """
        tell = failed or self.complain

        async def carry_out() -> None:
            try:
                answer = await self.ask(command)
            except ConsentMissing as error:
                (not_agreed or tell)(error.message, error.hint)
                return
            except WatchkeeperError as error:
                tell(error.message, error.hint)
                return
            if answered is not None:
                answered(answer)

        def unexpected(_error: BaseException) -> None:
            tell("That went wrong inside Watchkeeper.", "The log says more.")

        self.spawn(carry_out(), name=f"window: {type(command).__name__}", on_error=unexpected)
