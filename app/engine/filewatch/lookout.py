"""The tree, its observer and the one thread they live in; and what hinders them, in words."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import structlog

from app.engine.filewatch.index import FILE_LIMIT
from app.engine.filewatch.observe import Polling
from app.engine.filewatch.pace import Pace
from app.engine.filewatch.tree import LIMITS, LimitReachedError, Tree
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.engine.filewatch.observe import Observer

P = ParamSpec("P")
T = TypeVar("T")

_log = structlog.get_logger(__name__)

CLOSE_S = 1.0
"""How long the thread may take to end; a hung file system keeps it for ever."""

_WATCHES_USED_UP = (
    "The system's limit of watched folders is used up, so {root} is looked through every few seconds instead.",
    "Raise it: sudo sysctl fs.inotify.max_user_watches=524288. Or ignore folders that hold no source.",
)
_WATCHERS_USED_UP = (
    "The system allows no more file watchers or open files, so {root} is looked through every few seconds instead.",
    "Close programs that watch files, or raise the limits: sudo sysctl fs.inotify.max_user_instances=512, ulimit -n.",
)
_TOO_LARGE = (
    f"{{root}} has more than {FILE_LIMIT:,} files, so changes to some of them may be missed.",
    "Add patterns for generated files to the ignore setting, or watch a part of it.",
)
_ROOT_GONE = (
    "The folder {root} is gone, so nothing in it is watched.",
    "It is watched again as soon as it is back. If it was moved, watch it at its new place.",
)


class Lookout:
    """Keeps a tree attached to the best observer that the system grants.

    Args:
        root: The folder, absolute.
        chosen: The user's ignore patterns.
        observe: Makes the system's own observer.
        on_trouble: Called with a text and a hint when something hinders the watch, with two empty strings when nothing
            does any more.
    """

    def __init__(
        self,
        root: str,
        chosen: Sequence[str],
        observe: Callable[[], Observer],
        on_trouble: Callable[[str, str], None],
    ) -> None:
        self._root = root
        self._observe = observe
        self._on_trouble = on_trouble
        self._troubles: dict[str, tuple[str, str]] = {}
        self._pace = Pace()
        self._pool = WorkerPool(1, name="filewatch")
        self._observer: Observer = Polling()
        self.tree = Tree(root, chosen, self._pace)

    @property
    def polling(self) -> bool:
        """Whether nothing tells of changes, so that the tree must be compared from time to time."""
        return isinstance(self._observer, Polling)

    @property
    def lossy(self) -> bool:
        """Whether events may be lost without notice."""
        return self._observer.lossy

    @property
    def alive(self) -> bool:
        """Whether the observer still listens."""
        return self._observer.alive

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call something in the tree's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(fn, *args, **kwargs))

    async def attach(self, *, first: bool = False) -> None:
        """Watch the tree, by polling where the system's limits are used up.

        Args:
            first: Nothing in the tree counts as changed. If not, it is compared with what was remembered.

        Raises:
            RootLostError: There is no such folder.
            OSError: The root cannot be read.
        """
        enter = self.tree.start if first else self.tree.resume
        try:
            self._observer = await self.run(self._observe)
            await self.run(enter, self._observer)
        except LimitReachedError:
            await self._poll_instead(enter, _WATCHES_USED_UP)
        except OSError as error:
            if error.errno not in LIMITS:
                raise
            await self._poll_instead(enter, _WATCHERS_USED_UP)
        else:
            self._relieve("limit")
        self._relieve("root")
        if self.tree.complete:
            self._relieve("size")
        else:
            self._trouble("size", _TOO_LARGE)

    async def detach(self) -> None:
        """Give back all watches, and say that the root is gone if it is."""
        await self.run(self.tree.release)
        if not await self.run(self.tree.root_present):
            self._trouble("root", _ROOT_GONE)

    async def close(self) -> None:
        """Give back everything, in 1 s or not at all."""
        self._pace.stop()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.run(self.tree.release)
        except TimeoutError:
            _log.warning("the file watch hangs and is left behind", root=self._root)
        self._pool.shutdown(wait=False)

    async def _poll_instead(self, enter: Callable[[Observer], None], trouble: tuple[str, str]) -> None:
        _log.warning("no watches are left, polling instead", root=self._root)
        await self.run(self.tree.release)
        self._observer = Polling()
        self._trouble("limit", trouble)
        await self.run(enter, self._observer)

    def _trouble(self, key: str, trouble: tuple[str, str]) -> None:
        text, hint = trouble[0].format(root=self._root), trouble[1]
        if self._troubles.get(key) != (text, hint):
            self._troubles[key] = (text, hint)
            self._on_trouble(text, hint)

    def _relieve(self, key: str) -> None:
        if self._troubles.pop(key, None) is not None:
            self._on_trouble(*next(iter(self._troubles.values()), ("", "")))
