"""A watched folder for the tests of this room."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from app.engine.bridge import SafeAsyncBridge
from app.engine.clock import SystemClock
from app.engine.filewatch import Batch, ChangeKind, FileWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sized
    from pathlib import Path

DEADLINE_S = 20.0


class Watched:
    """A folder that is watched, and what was told about it."""

    def __init__(self, root: Path, watch: FileWatch, troubles: list[tuple[str, str]]) -> None:
        self.root = root
        self.watch = watch
        self.troubles = troubles
        self._batches = watch.batches()
        self._numbers = itertools.count()

    async def next(self) -> Batch:
        """Return the next batch."""
        async with asyncio.timeout(DEADLINE_S):
            return await anext(self._batches)

    async def save_until_told_early(self, name: str, told: Sized) -> Batch:
        """Save a file until something is told early: a machine that is busy just then brings its batch only."""
        while True:
            (self.root / name).write_text(f"x = {next(self._numbers)}\n", encoding="utf-8")
            batch = await self.next()
            if told:
                return batch

    async def changes(self) -> list[tuple[str, ChangeKind]]:
        """Return all changes told up to now: a last file of our own is the end of the list."""
        last = f"sentinel{next(self._numbers)}.py"
        (self.root / last).write_text("", encoding="utf-8")
        told: list[tuple[str, ChangeKind]] = []
        while (last, ChangeKind.CREATED) not in told:
            told += [(change.path, change.kind) for change in (await self.next()).changes]
        return [change for change in told if change[0] != last]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.01)


@pytest.fixture
def watching() -> Callable[..., contextlib.AbstractAsyncContextManager[Watched]]:
    """Return a context manager that watches a folder; it takes the settings of FileWatch."""

    @contextlib.asynccontextmanager
    async def watching(root: Path, **settings: Any) -> AsyncIterator[Watched]:
        troubles: list[tuple[str, str]] = []
        async with (
            SafeAsyncBridge(asyncio.get_running_loop()) as bridge,
            FileWatch(
                root,
                bridge=bridge,
                clock=SystemClock(),
                on_trouble=lambda text, hint: troubles.append((text, hint)),
                **settings,
            ) as watch,
        ):
            await watch.indexed()
            yield Watched(root, watch, troubles)

    return watching


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a file, a package and a file in that."""
    root = tmp_path / "project"
    (root / "pkg").mkdir(parents=True)
    (root / "m.py").write_text("first = 1\n", encoding="utf-8")
    (root / "pkg" / "n.py").write_text("second = 2\n", encoding="utf-8")
    return root
