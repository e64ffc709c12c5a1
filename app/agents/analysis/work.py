"""Reading, weighing and cleaning texts: one piece at a time, since two at once would be felt in the loop's lag."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from app.domain.errors import CannotError
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PIECE_S = 10.0
"""A piece that takes longer waits for a disk that does not answer, and is left behind."""
THREADS = 3
"""Pieces that may be left behind before nothing more is begun."""


class Work:
    """It. Belongs to the loop's thread; what it is given runs in others.

    Python runs one thread at a time: with two that reckon, the loop waited 94 ms for its turn (p99, measured), with one
    it is not felt.

    Args:
        piece_s: How long a piece may take.
    """

    def __init__(self, *, piece_s: float = PIECE_S) -> None:
        self._piece_s = piece_s
        self._pool = WorkerPool(THREADS, name="analysis")
        self._turn = asyncio.Lock()

    async def do(self, piece: Callable[[], T]) -> T:
        """Run a piece of work when its turn has come, and return its result.

        Raises:
            CannotError: It takes too long.
        """
        async with self._turn:
            call = asyncio.get_running_loop().run_in_executor(self._pool, piece)
            call.add_done_callback(_unheard)
            done, _ = await asyncio.wait({call}, timeout=self._piece_s)
        if not done:
            call.cancel()
            raise CannotError(
                f"The files of the project were not read within {self._piece_s:g} s.", "Look whether its disk answers."
            )
        return call.result()

    def close(self) -> None:
        """Begin nothing more; what hangs is left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _unheard(call: asyncio.Future[T]) -> None:
    """Read the outcome of work that perhaps nobody waits for any more, or asyncio would complain of it."""
    if not call.cancelled():
        call.exception()
