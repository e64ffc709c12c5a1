"""The map itself: what each test of a project executes and reads, and so which tests a change touches. Pure.

It speaks of the project as it was at the last verdict. Whatever it does not know makes the choice larger, or leaves it
to the rest of the run, which runs every test anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from app.agents.testing.impact.graph import ImportGraph
from app.agents.testing.impact.select import (
    EXECUTES,
    NAMED,
    NEAR,
    OWN,
    REACHES,
    READS,
    RED,
    Reason,
    Selection,
)
from app.agents.testing.impact.source import SourceIndex, compare, index_of
from app.agents.testing.running.environment import is_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from app.agents.testing.impact.source import Import
    from app.agents.testing.impact.trace import Touched, Trace

TEST_FILES = ("test_*.py", "*_test.py")
CONFTEST = "conftest.py"

Unit = tuple[str, str]
"""A file and the name of a function in it; an empty name for its module-level code."""


@dataclass(frozen=True, slots=True)
class Traced:
    """What one test is known to touch.

    Attributes:
        units: Numbers of the functions it executes, with those of its fixtures.
        read: Files it reads.
        listed: Folders it lists.
        opaque: It starts other processes.
        stale: It was touched by a change since it was traced.
    """

    units: frozenset[int]
    read: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    opaque: bool = False
    stale: bool = False


class ImpactMap:
    """Learns from runs, and chooses.

    Attributes:
        sources: Each known file as it was at the last verdict.
        graph: The imports.
        tests: What each known test touches.
        files: The tests of each file in pytest's order, as the last complete run collected them.
        durations: Seconds that each test took last.
        thirdparty: Modules of others that complete runs loaded, in order.
        unfit: Those of them that are not to be imported ahead.
        preload_trusted: Whether importing those ahead of a run leaves its results as they are; None when not tried.
    """

    def __init__(self) -> None:
        self.thirdparty: tuple[str, ...] = ()
        self.unfit: set[str] = set()
        self.preload_trusted: bool | None = None
        self.sources: dict[str, SourceIndex] = {}
        self.graph = ImportGraph()
        self.tests: dict[str, Traced] = {}
        self.files: dict[str, list[str]] = {}
        self.durations: dict[str, float] = {}
        self.imported_units: set[Unit] = set()
        self.imported_read: set[str] = set()
        self.imported_listed: set[str] = set()
        self._numbers: dict[Unit, int] = {}
        self._units: list[Unit] = []
        self._users: dict[int, set[str]] = {}
        self._of_file: dict[str, set[int]] = {}

    # Learning.

    def learn_order(self, collected: Iterable[str], durations: Mapping[str, float]) -> None:
        """Take in what a complete run collected, and forget tests that are no more."""
        files: dict[str, list[str]] = {}
        for nodeid in collected:
            files.setdefault(nodeid.partition("::")[0], []).append(nodeid)
        self.files = files
        there = {nodeid for ids in files.values() for nodeid in ids}
        for nodeid in [each for each in self.tests if each not in there]:
            self._forget_test(nodeid)
        self.durations = {nodeid: seconds for nodeid, seconds in self.durations.items() if nodeid in there}
        self.durations.update(durations)

    def learn_sources(
        self, indexes: Mapping[str, SourceIndex | None], imports: Mapping[str, tuple[Import, ...]]
    ) -> None:
        """Take in files as they were when a verdict was given; None for one that is gone."""
        gone = [path for path, index in indexes.items() if index is None]
        for path in gone:
            self.sources.pop(path, None)
        self.sources.update({path: index for path, index in indexes.items() if index is not None})
        self.graph.learn({}, imports)
        self.graph.forget(gone)

    def learn_modules(self, trace: Trace) -> None:
        """Take in which files are which modules. Cheap, and told by every run."""
        self.graph.learn(trace.modules, {}, trace.unseen)

    def learn_trace(self, trace: Trace) -> None:
        """Take in what tests executed; their files must have been learnt as they were then."""
        named = self._names(trace)
        for nodeid, touched in trace.tests.items():
            self._learn_test(nodeid, touched, named)
        imported = trace.imported
        self.imported_units.update(named[place] for place in imported.places if place in named)
        self.imported_read |= imported.read
        self.imported_listed |= imported.listed

    def _names(self, trace: Trace) -> dict[tuple[str, int], Unit]:
        lines: dict[str, set[int]] = {}
        for touched in (*trace.tests.values(), trace.imported):
            for path, line in touched.places:
                lines.setdefault(path, set()).add(line)
        named: dict[tuple[str, int], Unit] = {}
        for path, wanted in lines.items():
            index = self.sources.get(path)
            found = index.units_at(wanted) if index is not None else {}
            named.update({(path, line): (path, found.get(line) or "") for line in wanted})
        return named

    def _learn_test(self, nodeid: str, touched: Touched, named: Mapping[tuple[str, int], Unit]) -> None:
        self._forget_test(nodeid)
        units = frozenset(self._number(named[place]) for place in touched.places)
        self.put(nodeid, Traced(units, touched.read, touched.listed, touched.opaque))

    def put(self, nodeid: str, traced: Traced) -> None:
        """Set what a test touches."""
        self.tests[nodeid] = traced
        for number in traced.units:
            self._users.setdefault(number, set()).add(nodeid)

    def _forget_test(self, nodeid: str) -> None:
        traced = self.tests.pop(nodeid, None)
        for number in traced.units if traced is not None else ():
            self._users[number].discard(nodeid)

    def _number(self, unit: Unit) -> int:
        number = self._numbers.get(unit)
        if number is None:
            number = self._numbers[unit] = len(self._units)
            self._units.append(unit)
            self._of_file.setdefault(unit[0], set()).add(number)
        return number

    def number_of(self, path: str, name: str) -> int:
        """Return the number of a unit, a new one for one that is new."""
        return self._number((path, name))

    @property
    def unit_count(self) -> int:
        """How many units have a number."""
        return len(self._units)

    def units_from(self, number: int) -> list[tuple[int, Unit]]:
        """Return the units from a number on."""
        return list(enumerate(self._units))[number:]

    def units_of(self, nodeid: str) -> list[Unit]:
        """Return the functions that a test executes."""
        traced = self.tests.get(nodeid)
        return [self._units[number] for number in traced.units] if traced is not None else []

    def grow_stale(self, nodeids: Iterable[str]) -> None:
        """Note that tests ran untraced after a change that touched them."""
        for nodeid in nodeids:
            traced = self.tests.get(nodeid)
            if traced is not None and not traced.stale:
                self.tests[nodeid] = Traced(traced.units, traced.read, traced.listed, traced.opaque, stale=True)

    def untraced(self) -> list[str]:
        """Return the tests of which is not known, or not known for sure, what they touch."""
        return [
            nodeid
            for ids in self.files.values()
            for nodeid in ids
            if (traced := self.tests.get(nodeid)) is None or traced.stale
        ]

    # Choosing.

    def select(
        self,
        changes: Mapping[str, bytes | None],
        red: Collection[str] = (),
        *,
        index: Callable[[str, bytes], SourceIndex] = index_of,
    ) -> Selection:
        """Choose the tests that changes touch.

        Args:
            changes: The content of each file that changed since the last verdict, None for one that is gone or cannot
                be read; paths relative to the root, with forward slashes.
            red: Tests that are red: they run first, whatever changed.
            index: Takes a file apart.
        """
        indexes = {path: None if content is None else index(path, content) for path, content in changes.items()}
        configured = sorted(filter(is_configuration, changes))
        if configured or not self.files:
            why = f"{configured[0]} changed, which decides what runs." if configured else "No run is known yet."
            return Selection(whole=why, indexes=indexes)
        choice = _Choice(self)
        for path, found in indexes.items():
            choice.take(path, found)
        choice.add(red, RED, "It is red.")
        there = {nodeid for ids in self.files.values() for nodeid in ids}
        impacted = {nodeid: reason for nodeid, reason in choice.reasons.items() if nodeid in there or nodeid in red}
        gone = {path for path, found in indexes.items() if found is None}
        impacted = {nodeid: reason for nodeid, reason in impacted.items() if nodeid.partition("::")[0] not in gone}
        return Selection(impacted, tuple(choice.new_files), indexes=indexes)

    def users_of(self, path: str, names: Iterable[str]) -> set[str]:
        """Return the tests that execute any of these functions of a file."""
        return {nodeid for name in names for nodeid in self._users.get(self._numbers.get((path, name), -1), ())}

    def users_of_file(self, path: str) -> set[str]:
        """Return the tests that execute anything of a file."""
        return {nodeid for number in self._of_file.get(path, ()) for nodeid in self._users.get(number, ())}


class _Choice:
    """Puts one selection together."""

    def __init__(self, known: ImpactMap) -> None:
        self.reasons: dict[str, Reason] = {}
        self.new_files: list[str] = []
        self._map = known

    def add(self, nodeids: Iterable[str], weight: float, text: str, *, names: Iterable[str] = ()) -> None:
        """Choose tests; of several reasons for one the weightiest is kept."""
        words = [word for name in names if len(word := name.strip("_").lower()) > 2]  # noqa: PLR2004 - short names say nothing
        for nodeid in nodeids:
            named = any(word in nodeid.lower() for word in words)
            weighs = weight * NAMED if named else weight
            before = self.reasons.get(nodeid)
            if before is None or before.weight < weighs:
                self.reasons[nodeid] = Reason(weighs, text)

    def take(self, path: str, index: SourceIndex | None) -> None:
        """Choose what one changed file touches."""
        name = path.rpartition("/")[2]
        old = self._map.sources.get(path)
        if not path.endswith(".py"):
            self._take_data(path, came_or_went=index is None or not self._is_read(path))
        elif old is not None:
            self._take_source(path, old, index or SourceIndex(b""))
        elif index is not None and any(fnmatch(name, pattern) for pattern in TEST_FILES):
            self.new_files.append(path)
        elif name == CONFTEST:
            self.add(self._below(path), REACHES, f"{path} is new.")
        if path.endswith(".py") and (old is None or index is None):
            self._take_data(path, came_or_went=True)

    def _take_source(self, path: str, old: SourceIndex, new: SourceIndex) -> None:
        known = self._map
        difference = compare(old, new)
        if not difference:
            return
        shown = ", ".join(name.rpartition(".")[2] for name in difference.units[:3])
        users = known.users_of(path, difference.units)
        own = {nodeid for nodeid in users if nodeid.partition("::")[0] == path}
        names = [name.rpartition(".")[2].partition("#")[0] for name in difference.units]
        self.add(own, OWN, f"It was changed itself ({shown} in {path}).", names=names)
        self.add(users - own, EXECUTES, f"It executes {shown} in {path}, which changed.", names=names)
        kept = any(
            (path, name) in known.imported_units
            or any((unit := index.units.get(name)) is not None and unit.keeps for index in (old, new))
            for name in difference.units
        )
        if difference.module or kept:
            what = (
                "The module-level code" if difference.module else f"What {shown} gave while it was imported, or keeps,"
            )
            self._take_module(path, f"{what} of {path} changed")
        self.add(self._opaque(), REACHES, f"It starts other programs, which may use {path}.")

    def _take_module(self, path: str, what: str) -> None:
        """Choose everything that imports a file."""
        known = self._map
        stem = path.rpartition("/")[2].removesuffix(".py")
        reaching = known.graph.reaching([path])
        if not reaching.isdisjoint(known.graph.everywhere):
            reached = {nodeid for ids in known.files.values() for nodeid in ids}
        else:
            reached = {nodeid for each in reaching for nodeid in known.files.get(each, ())}
            for each in reaching:
                if each.rpartition("/")[2] == CONFTEST:
                    reached.update(self._below(each))
        near = known.users_of_file(path)
        self.add(near, NEAR, f"{what}, and it executes some of it.", names=[stem])
        self.add(reached - near, REACHES, f"{what}, and it imports that.", names=[stem])

    def _take_data(self, path: str, *, came_or_went: bool) -> None:
        known = self._map
        folder = path.rpartition("/")[0]
        if path in known.imported_read or (came_or_went and folder in known.imported_listed):
            everyone = (nodeid for ids in known.files.values() for nodeid in ids)
            self.add(everyone, REACHES, f"{path} changed, which is read while modules are imported.")
        for nodeid, traced in known.tests.items():
            if path in traced.read:
                self.add([nodeid], READS, f"It reads {path}, which changed.")
            elif came_or_went and folder in traced.listed:
                self.add([nodeid], NEAR, f"It lists {folder or 'the project'}, where {path} came or went.")
        self.add(self._opaque(), REACHES, f"It starts other programs, which may use {path}.")

    def _is_read(self, path: str) -> bool:
        return path in self._map.imported_read or any(path in traced.read for traced in self._map.tests.values())

    def _below(self, conftest: str) -> list[str]:
        folder = conftest.rpartition("/")[0]
        inside = f"{folder}/" if folder else ""
        return [nodeid for path, ids in self._map.files.items() if path.startswith(inside) for nodeid in ids]

    def _opaque(self) -> list[str]:
        return [nodeid for nodeid, traced in self._map.tests.items() if traced.opaque]
