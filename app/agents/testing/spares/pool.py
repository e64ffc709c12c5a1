"""The spare workers that stand by, and those that are on their way out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.agents.testing.spares.warm import Changed, Warmth
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from app.agents.testing.spares.warm import Worker

_WARMEST_FIRST = (Warmth.LOADED, Warmth.LOADING, Warmth.READY, Warmth.WARMING)


@dataclass(slots=True, eq=False)
class Spare:
    """One spare worker.

    Attributes:
        worker: It.
        since: When it was told to do what it does, in the clock's monotonic seconds.
        packages: What its interpreter had installed then (`packages_of`).
        changes: The files that changed while it warmed, folded.
        listener: Follows what it tells.
        loads_since: When it was told to load the project, in the clock's monotonic seconds; else None.
        is_current: True while what changed last had happened when it was told to load.
    """

    worker: Worker
    since: float
    packages: int
    changes: set[str] = field(default_factory=set)
    listener: asyncio.Task[None] | None = None
    loads_since: float | None = None
    is_current: bool = False

    def serves(self, changed: Changed) -> bool:
        """Return whether it holds nothing that a change has made old.

        One that has loaded the project ran its conftests, which may have looked at anything: it serves one change only.
        """
        return self.is_current if self.loads_since is not None else self.worker.serves(changed)


class SparePool:
    """Holds spares.

    Args:
        on_end: Called when one begins to end, and when it has ended.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._spares: list[Spare] = []
        self._endings: dict[asyncio.Task[None], bool] = {}
        self._base_files: frozenset[str] | None = None

    def __iter__(self) -> Iterator[Spare]:
        """Iterate over those that stand by now, the oldest first."""
        return iter(tuple(self._spares))

    def __len__(self) -> int:
        """Return how many stand by."""
        return len(self._spares)

    @property
    def warmths(self) -> tuple[Warmth, ...]:
        """How far each is, the oldest first."""
        return tuple(spare.worker.warmth for spare in self._spares)

    def add(self, spare: Spare) -> None:
        """Let one stand by."""
        self._spares.append(spare)

    def changed(self, changed: Changed, last_at: float | None = None) -> bool:
        """End those that hold what has changed. Returns whether there were any.

        Args:
            changed: What has.
            last_at: When that was complete, in the clock's monotonic seconds; None for not before now.
        """
        before = len(self._spares)
        for spare in self._spares:
            if not spare.worker.is_ready:
                spare.changes |= changed.paths
            is_old = spare.loads_since is not None and last_at is not None and last_at <= spare.loads_since
            spare.is_current = is_old and not changed.new_or_gone and not changed.has_configuration
        self.end_all(lambda spare: spare.serves(changed))
        return len(self._spares) < before

    def got_ready(self, spare: Spare) -> None:
        """Learn which of the project's files a warm worker holds, and end this one if they changed meanwhile."""
        self._base_files = spare.worker.loaded_files
        if not spare.worker.serves(Changed(frozenset(spare.changes), frozenset())):
            self.end(spare)

    def forget(self) -> None:
        """Forget which of the project's files a warm worker holds: those to come may be different."""
        self._base_files = None

    def best(self, changed: Changed) -> Spare | None:
        """Return the warmest one that serves a change."""
        fit = [spare for spare in self._spares if spare.serves(changed) and not self._is_doubtful(spare)]
        return min(fit, key=lambda spare: _WARMEST_FIRST.index(spare.worker.warmth), default=None)

    def _is_doubtful(self, spare: Spare) -> bool:
        """Return whether one that still warms may just import what changed since its start.

        Plugins may come from the project itself; the last one that got ready told whether that is so.
        """
        if spare.worker.is_ready or not spare.changes:
            return False
        return self._base_files is None or not self._base_files.isdisjoint(spare.changes)

    def let_go(self, spare: Spare) -> None:
        """Let one out of the pool as it is; what it tells from now on is for whoever takes it."""
        self._spares.remove(spare)
        if spare.listener is not None:
            spare.listener.cancel()

    def end(self, spare: Spare, how: Callable[[], Coroutine[object, object, None]] | None = None) -> bool:
        """Begin to end one, in this way if one is given; it no longer stands by. Returns at once.

        Returns:
            False when it did not stand by any more.
        """
        if spare not in self._spares:
            return False
        self.let_go(spare)
        end = how or spare.worker.aclose
        task = spawn(end(), name=f"end of spare worker {spare.worker.process.pid}")
        self._endings[task] = spare.worker.warmth.is_deep
        task.add_done_callback(self._ended)
        self._on_end()
        return True

    def end_all(self, keep: Callable[[Spare], bool] = lambda _spare: False) -> None:
        """Begin to end all that are not to be kept."""
        for spare in self:
            if not keep(spare):
                self.end(spare)

    async def end_deep(self) -> None:
        """End those that have loaded the project, and wait for it."""
        self.end_all(lambda spare: not spare.worker.warmth.is_deep)
        endings = [task for task, is_deep in self._endings.items() if is_deep]
        if endings:
            await asyncio.wait(endings)

    async def aclose(self) -> None:
        """End all, at the same time, and wait for it."""
        self.end_all()
        if self._endings:
            await asyncio.wait(self._endings)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._endings[task]
        self._on_end()
