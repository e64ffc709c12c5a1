"""What Watchkeeper says of the same tree: one long life of the real watcher, told of changes by saves alone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.events import RunFinished, RunStaged, RunStarted
from app.domain.verdicts import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from tests.mutations.mutation import Tree
    from tests.mutations.watched import Watched


@dataclass(frozen=True, slots=True)
class Said:
    """What the snapshot said of one save.

    Attributes:
        verdict: Of the whole, or None when there was none in time.
        red: The red tests, and files that could not be collected, in the snapshot with that verdict.
        staged_red: Those that were red when the chosen tests had ended; None when nothing was chosen.
        staged_ran: How many tests had been run by then; None likewise.
        ran: How many tests had been run at the end.
        seconds: From the save to the verdict.
    """

    verdict: Verdict | None
    red: frozenset[str]
    staged_red: frozenset[str] | None
    staged_ran: int | None
    ran: int
    seconds: float


class Listener:
    """Follows the runs of a watched project and keeps what the snapshot said at each turn.

    Args:
        watched: The watched project.
        tree: Its files.
    """

    def __init__(self, watched: Watched, tree: Tree) -> None:
        self.watched = watched
        self.tree = tree
        self._root = str(watched.root)
        self._begin()
        watched.bus.subscribe(self._hear)

    def _begin(self) -> None:
        self._heard: set[str] = set()
        self._staged: tuple[frozenset[str], int] | None = None
        self._said: tuple[Verdict, frozenset[str], int] | None = None

    def _hear(self, event: Event, snapshot: Snapshot) -> None:
        if getattr(event, "project", None) != self._root:
            return
        view = snapshot.projects[self._root]
        red = frozenset(state.nodeid for state in view.red)
        if isinstance(event, RunStarted):
            self._heard.update(event.cause.paths)
            self._staged = self._said = None
        elif isinstance(event, RunStaged) and event.stage is Stage.REST and view.current is not None:
            self._staged = (red, view.current.counts.total)
        elif isinstance(event, RunFinished) and event.verdict is not Verdict.CANCELLED and view.last is not None:
            self._said = (event.verdict, red, view.last.counts.total)

    async def saved(self, save: Callable[[], None], paths: set[str], *, within_s: float) -> Said:
        """Save something, and wait for the verdict on it.

        Args:
            save: Writes the files.
            paths: Those that it writes: a verdict counts once all of them have caused a run.
            within_s: How long to wait at most.
        """
        self._begin()
        began = time.monotonic()
        await asyncio.to_thread(save)
        try:
            await self.watched.until(lambda: self._said is not None and paths <= self._heard, within_s=within_s)
        except TimeoutError:
            return Said(None, frozenset(), None, None, 0, time.monotonic() - began)
        assert self._said is not None
        verdict, red, ran = self._said
        staged_red, staged_ran = self._staged or (None, None)
        return Said(verdict, red, staged_red, staged_ran, ran, time.monotonic() - began)

    async def begun(self, save: Callable[[], None], paths: set[str], *, within_s: float) -> None:
        """Save something, and wait no longer than until a run has begun for it."""
        self._begin()
        await asyncio.to_thread(save)
        await self.watched.until(lambda: bool(paths & self._heard), within_s=within_s)
