"""Things that are done one after the other, and that can be ended, or put off, at any moment."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Chore = Callable[[], Awaitable[None]]

PAUSES = 3
"""They are put off so often at most, or a project that changes by itself would never have them done."""


class Chores:
    """Such a row of things. Belongs to the loop's own thread."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._left: deque[Chore] = deque()
        self._pauses = 0

    @property
    def are_done(self) -> bool:
        """True when nothing goes on: all is done, was ended, or is put off."""
        return self._task is None or self._task.done()

    def begin(self, chores: Iterable[Chore]) -> None:
        """Begin with these; nothing else may go on."""
        self._left = deque(chores)
        self._pauses = 0
        self._start()

    async def stop(self) -> None:
        """End what goes on, for good."""
        self._left = deque()
        await self._end()

    async def pause(self) -> None:
        """End what goes on until `go_on`, unless that was done too often."""
        if not self.are_done and self._pauses < PAUSES:
            self._pauses += 1
            await self._end()

    def go_on(self) -> None:
        """Go on with what `pause` ended, from its beginning."""
        if self._left and self.are_done:
            self._start()

    def _start(self) -> None:
        self._task = spawn(self._do(self._left), name="after a run")

    @staticmethod
    async def _do(left: deque[Chore]) -> None:
        while left:
            try:
                await left[0]()
            except Exception:
                left.clear()
                raise
            left.popleft()

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
