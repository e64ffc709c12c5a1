"""Keeps one project's impact map: reads the files, chooses in a thread, learns from runs, saves.

One call at a time; each that takes long runs in a thread, and cancelled callers leave it to end there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from app.agents.testing.impact.covered import ChangedFile, changed_lines
from app.agents.testing.impact.impactmap import CONFTEST, ImpactMap
from app.agents.testing.impact.mapfile import MapFile
from app.agents.testing.impact.select import Chunk, Selection, in_order
from app.agents.testing.impact.source import LARGEST, content_digest, imports_of, index_of, index_source
from app.domain.history import Why
from app.domain.verdicts import Stage
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from array import array
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from app.agents.testing.impact.source import Import, SourceIndex
    from app.agents.testing.impact.trace import Trace
    from app.domain.coverage import ChangedLines
    from app.domain.verdicts import Cause

INDEX_SLICE = 20
"""Files that are looked into at a time."""

DATA_CAP = 16 * LARGEST
"""Bytes of a data file that is read to see whether it changed; a larger one counts as changed."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to run first, and why.

    Attributes:
        selection: The tests, with reasons.
        chunks: Them, in the order in which they run; empty when nothing is chosen.
        known: How many tests the whole has, as far as known.
    """

    selection: Selection = field(default_factory=Selection)
    chunks: tuple[Chunk, ...] = ()
    known: int = 0


class ImpactKeeper:
    """The impact map of one project.

    Args:
        root: The project's folder.
        folder: Where maps are kept.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self.name = blake2b(str(root).encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
        self._path = folder / f"{self.name}.db"
        self._file: MapFile | None = None
        self._settled_by = ""
        self._map = ImpactMap()
        self._turn = asyncio.Lock()
        self._unsettled: dict[str, None] = {}
        self._recent: dict[str, SourceIndex] = {}
        self._last: tuple[Cause, Choice, frozenset[str]] | None = None
        self.tried: set[str] = set()
        self.disputed: set[str] = set()

    @property
    def ahead(self) -> tuple[str, ...]:
        """Modules that are imported ahead: none before a run with them was seen to say the same as one without."""
        return self.preload if self._map.preload_trusted else ()

    @property
    def preload_tried(self) -> bool:
        """True when it is known whether imports ahead may be trusted."""
        return self._map.preload_trusted is not None

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules of others that runs loaded, in order, as far as they are fit to be imported ahead."""
        known = self._map
        own = {name.partition(".")[0] for name in known.graph.files}
        return tuple(name for name in known.thirdparty if name not in known.unfit and name.partition(".")[0] not in own)

    async def open(self, settled_by: str) -> None:
        """Load the map that was made under these circumstances (interpreter, arguments); another is not used."""
        async with self._turn:
            if self._file is not None and self._settled_by == settled_by:
                return
            self._settled_by = settled_by
            self._file = MapFile(self._path, settled_by)
            self._map = await asyncio.to_thread(self._file.load)

    async def choose(self, cause: Cause, red: Collection[str]) -> Choice:
        """Choose what the files of a cause, and those of causes before it that came to no verdict, touch."""
        async with self._turn:
            self._unsettled.update(dict.fromkeys(cause.paths))
            choice = await asyncio.to_thread(self._choose, tuple(self._unsettled), tuple(red))
            self._last = (cause, choice, frozenset())
            return choice

    async def foresee(self, paths: Collection[str], red: Collection[str]) -> Chunk | None:
        """Return what will run first when these files turn out to be all that changed; None when that is not known."""
        async with self._turn:
            choice = await asyncio.to_thread(self._choose, (*self._unsettled, *paths), tuple(red))
            return choice.chunks[0] if choice.chunks else None

    async def conclude(
        self, choice: Choice, trace: Trace, *, ran: Mapping[str, float], collected: Sequence[str] | None
    ) -> None:
        """Learn from a run that came to its verdict, and save. When it is cancelled, what it has yet to learn is lost.

        Args:
            choice: What was chosen for it.
            trace: What its worker told.
            ran: The tests that ended and seconds of each.
            collected: All tests there are, in pytest's order, when the run was complete; else None.
        """
        async with self._turn:
            self._map.learn_modules(trace)
            if self._last is not None and self._last[1] is choice:
                self._last = (self._last[0], choice, frozenset(ran))
            if collected is None:
                return
            self._unsettled.clear()
            self._recent.clear()
            await asyncio.to_thread(self._settle, choice, trace, dict(ran), collected)
        await self._index_unknown({*trace.modules.values()})
        async with self._turn:
            await asyncio.to_thread(self._map.learn_trace, trace)
            await self._save()

    async def _index_unknown(self, paths: set[str]) -> None:
        """Look into files that are not known yet, a few at a time, so that a save need not wait."""
        known = self._map
        for folder in {path.rpartition("/")[0] for path in known.files}:
            paths.update(_conftests_above(folder))
        wanted = sorted(({*paths, *known.files}) - known.sources.keys())
        for place in range(0, len(wanted), INDEX_SLICE):
            async with self._turn:
                await asyncio.to_thread(self._index, wanted[place : place + INDEX_SLICE], {})

    async def learn(self, trace: Trace) -> None:
        """Learn from a run whose only purpose it was to be traced."""
        async with self._turn:
            self._map.learn_modules(trace)
            self._map.unfit.update(trace.warned)
        await self._index_unknown({*trace.modules.values()})
        async with self._turn:
            await asyncio.to_thread(self._map.learn_trace, trace)
            await self._save()

    async def trust(self, *, trusted: bool) -> None:
        """Note whether imports ahead change what tests say."""
        async with self._turn:
            self._map.preload_trusted = trusted
            await self._save()

    async def untraced(self) -> list[str]:
        """Return the tests whose traces are missing or old, in pytest's order."""
        async with self._turn:
            return self._map.untraced()

    def knows_any(self, paths: Iterable[str]) -> bool:
        """Return whether one of these files is a source that the tests import, or one of theirs."""
        return any(path in self._map.sources for path in paths)

    def seconds_of(self, nodeids: Iterable[str]) -> float:
        """Return how long tests took when they ran last; those that never did count nothing."""
        return sum(self._map.durations.get(nodeid, 0.0) for nodeid in nodeids)

    @property
    def files(self) -> Mapping[str, list[str]]:
        """The known tests of each file, in pytest's order."""
        return self._map.files

    def kept_lines(self, choice: Choice) -> Mapping[str, array[int] | None]:
        """Return the checksums of the lines of a choice's files as they were at the last verdict."""
        found = {path: self._map.sources.get(path) for path in choice.selection.indexes}
        return {path: index.lines if index is not None else None for path, index in found.items()}

    def lines_covered(self, before: Mapping[str, array[int] | None]) -> ChangedLines:
        """Return how much of what changed since `before` the tests execute. Blocks: call it in a thread."""
        files = []
        for path, lines in before.items():
            index = self._map.sources.get(path)
            content = _content(self._root / path) if index is not None and index.units else None
            if index is not None and content is not None:
                functions = {name: (unit.first_line, unit.last_line) for name, unit in index.units.items()}
                executed = {name for name in functions if self._map.users_of(path, [name])}
                files.append(ChangedFile(path, lines, content.decode("utf-8", "replace"), functions, executed))
        return changed_lines(files)

    def why(self, project: str, nodeid: str) -> Why | None:
        """Return why a test ran when it did, or None for one that is not known."""
        known = self._map
        traced = known.tests.get(nodeid)
        is_known = any(nodeid in ids for ids in known.files.values())
        if self._last is None or not (is_known or traced is not None or nodeid in self._last[2]):
            return None
        cause, choice, ran = self._last
        reason = choice.selection.impacted.get(nodeid)
        texts: tuple[str, ...]
        is_new = nodeid.partition("::")[0] in choice.selection.new_files
        if reason is not None or is_new:
            stage, texts = Stage.IMPACTED, (reason.text if reason is not None else "Its file is new.",)
        elif choice.selection.whole:
            stage, texts = None, (f"Nothing was chosen, all tests ran: {choice.selection.whole}",)
        else:
            stage, texts = Stage.REST, ("Nothing that it is known to execute, import or read has changed.",)
        units = known.units_of(nodeid)
        files = {path for path, _ in units} | (traced.read if traced is not None else frozenset())
        if traced is None:
            texts = (*texts, "What it executes is not known yet.")
        elif traced.stale:
            texts = (*texts, "What it executes was last looked at before the latest change that touched it.")
        functions = len({unit for unit in units if unit[1]})
        return Why(project, nodeid, stage, nodeid in ran, cause, texts, tuple(sorted(files)), functions)

    # In a thread.

    def _choose(self, paths: tuple[str, ...], red: tuple[str, ...]) -> Choice:
        known = self._map
        changes = {path: _content(self._root / path) for path in paths}
        selection = known.select(changes, red, index=self._index_of)
        count = sum(len(ids) for ids in known.files.values())
        if not selection.is_chosen:
            return Choice(selection, (), count)
        return Choice(selection, in_order(selection, known.files, known.durations), count)

    def _index_of(self, path: str, content: bytes) -> SourceIndex:
        """Take a file apart, unless that was just done with the same content: a large one takes 10 ms and more."""
        found = self._recent.get(path)
        if found is None or found.content != content_digest(content):
            found = self._recent[path] = index_of(path, content)
        return found

    def _settle(self, choice: Choice, trace: Trace, ran: Mapping[str, float], collected: Sequence[str]) -> None:
        known = self._map
        known.learn_order(collected, ran)
        # It only grows: a spare worker that has imported less is still of use, one that has imported more is not.
        known.thirdparty = tuple(dict.fromkeys((*known.thirdparty, *trace.thirdparty)))
        self._index((), dict(choice.selection.indexes))
        known.grow_stale(choice.selection.impacted)

    def _index(self, paths: Iterable[str], indexes: dict[str, SourceIndex | None]) -> None:
        """Learn files as they are, and those in `indexes` as they were when they were read."""
        imports: dict[str, tuple[Import, ...]] = {}
        for path in (*paths, *indexes):
            content = _content(self._root / path) if path.endswith(".py") else None
            if content is not None:
                imports[path] = imports_of(content)
                if path not in indexes:
                    indexes[path] = index_source(content)
        self._map.learn_sources({path: index for path, index in indexes.items() if path.endswith(".py")}, imports)

    async def _save(self) -> None:
        if self._file is not None:
            await asyncio.to_thread(self._file.save, self._map)


def _content(path: Path) -> bytes | None:
    """Return a file's bytes; of one that is very large, what tells one version from another."""
    try:
        content = read_regular(path, DATA_CAP)
        if len(content) <= DATA_CAP:
            return content
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return f"{stat.st_size} {stat.st_mtime_ns}".encode()


def _conftests_above(folder: str) -> set[str]:
    parts = folder.split("/") if folder else []
    return {"/".join([*parts[:count], CONFTEST]) for count in range(len(parts) + 1)}
