"""Waiting for blocking work no longer than so long, and for work that hangs not a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")


class Patience:
    """Has blocking work done in one thread of its own. Safe to use from any thread, which waits meanwhile.

    A timeout does not free the thread that hangs, so that a folder which never answers would take one thread after
    another: here it takes one, and whoever asks while it hangs is told at once.

    Args:
        name: How the thread is called.
        within_s: How long a piece may take, in seconds.
    """

    def __init__(self, name: str, within_s: float) -> None:
        self._within_s = within_s
        self._pool = WorkerPool(1, name=name)
        self._hanging: Future[Any] | None = None

    def do(self, piece: Callable[[], T]) -> T:
        """Do a piece of work, and return its result.

        Raises:
            TimeoutError: It takes too long, or an earlier piece still hangs.
            Exception: Whatever the piece raises.
        """
        hanging = self._hanging
        if hanging is not None and not hanging.done():
            raise TimeoutError
        working = self._pool.submit(piece)
        try:
            return working.result(self._within_s)
        except TimeoutError:
            if working.done():  # its own error, or it came to its end just now
                return working.result()
            if not working.cancel():
                self._hanging = working
            raise
