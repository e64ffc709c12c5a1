"""What does units, as an audit sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.agents.auditing.aws.scale.documents import Result, Work


class Executor(Protocol):
    """Does units, here or elsewhere."""

    @property
    def name(self) -> str:
        """How people are told where units are done."""

    @property
    def at_once(self) -> int:
        """How many units it is given at a time."""

    async def run(self, work: Work) -> Result:
        """Do a unit, and return what it came to: whatever goes wrong is a value, but for cancellation.

        Args:
            work: The unit.
        """

    async def stop(self, audit: str) -> None:
        """End the units of an audit that may still be under way, wherever they are.

        Args:
            audit: Which one.
        """
