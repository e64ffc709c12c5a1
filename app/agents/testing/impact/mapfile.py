"""Keeps an impact map in a file of our cache, an SQLite database of its own for each project.

It can be thrown away at any time: a file that cannot be read, or that another version made, is begun anew. All of this
blocks: call it in a thread, one at a time.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import structlog

from app.agents.testing.impact.impactmap import ImpactMap, Traced
from app.agents.testing.impact.source import FORMAT, Import, SourceIndex, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = structlog.get_logger(__name__)

_TABLES = """
create table meta (key text primary key, value text not null);
create table sources (path text primary key, content blob, module blob, units text, lines blob);
create table imports (path text primary key, statements text);
create table units (number integer primary key, path text, name text);
create table tests (nodeid text primary key, units blob, read text, listed text, opaque integer, stale integer);
"""


class MapFile:
    """The file of one project's map.

    Args:
        path: Where it lies; its folder is made.
        settled_by: What else a map depends on, the project's interpreter and arguments for instance: a map that was
            made under others is not used.
    """

    def __init__(self, path: Path, settled_by: str) -> None:
        self._path = path
        self._format = f"{FORMAT} {settled_by}"
        self._tests: dict[str, Traced] = {}
        self._sources: dict[str, SourceIndex] = {}
        self._imports: dict[str, tuple[Import, ...]] = {}
        self._units = 0
        self._generation = 0

    def load(self) -> ImpactMap:
        """Return the map as it was saved, or an empty one."""
        known = ImpactMap()
        try:
            with closing(self._open()) as base:
                self._read(base, known)
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
            _log.info("an impact map is begun anew", path=str(self._path), reason=repr(error))
            self._begin_anew()
            return ImpactMap()
        self._tests, self._sources = dict(known.tests), dict(known.sources)
        self._imports, self._units = dict(known.graph.imports), known.unit_count
        return known

    def save(self, known: ImpactMap) -> None:
        """Write what differs from what was saved last, or all of it when somebody else has saved since.

        A full disk costs the map, and nothing else.
        """
        try:
            with closing(self._open()) as base, base:
                self._write(base, known)
        except (sqlite3.Error, OSError) as error:
            _log.warning("an impact map could not be saved", path=str(self._path), reason=repr(error))
            self._begin_anew()
            return
        self._tests, self._sources = dict(known.tests), dict(known.sources)
        self._imports, self._units = dict(known.graph.imports), known.unit_count

    def _begin_anew(self) -> None:
        self._tests, self._sources, self._imports, self._units, self._generation = {}, {}, {}, 0, 0
        for name in (self._path.name, f"{self._path.name}-journal"):
            with suppress(OSError):
                self._path.with_name(name).unlink()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        base = sqlite3.connect(self._path, timeout=5)
        try:
            base.execute("pragma synchronous = off")  # it is a cache: a torn one is begun anew
            tables = base.execute("select count(*) from sqlite_master where name = 'meta'").fetchone()[0]
            if tables and self._meta(base).get("format") != self._format:
                base.close()
                self._begin_anew()
                base, tables = sqlite3.connect(self._path, timeout=5), 0
            if not tables:
                base.executescript(_TABLES)
                base.execute("insert into meta values ('format', ?)", (self._format,))
                base.commit()
        except BaseException:
            base.close()
            raise
        return base

    @staticmethod
    def _meta(base: sqlite3.Connection) -> dict[str, str]:
        return dict(base.execute("select key, value from meta"))

    def _take_over(self, base: sqlite3.Connection) -> None:
        """Count this saving; when another process has saved since our last, what it wrote goes: numbers differ."""
        base.execute("begin immediate")
        generation = int(self._meta(base).get("generation", 0))
        if generation != self._generation:
            for table in ("sources", "imports", "units", "tests"):
                base.execute(f"delete from {table}")  # noqa: S608 - names of our own
            self._tests, self._sources, self._imports, self._units = {}, {}, {}, 0
        self._generation = generation + 1
        base.execute("insert or replace into meta values ('generation', ?)", (str(self._generation),))

    def _read(self, base: sqlite3.Connection, known: ImpactMap) -> None:
        for path, content, module, units, lines in base.execute("select * from sources"):
            known.sources[path] = SourceIndex(content, module, _units_of(units), array("I", lines))
        imports = {path: _imports_of(text) for path, text in base.execute("select * from imports")}
        for number, path, name in base.execute("select * from units order by number"):
            if known.number_of(path, name) != number:
                raise ValueError("the units are not in order")
        for nodeid, units, read, listed, opaque, stale in base.execute("select * from tests"):
            numbers = frozenset(array("I", units))
            if numbers and max(numbers) >= known.unit_count:
                raise ValueError("a test names a unit that is not there")
            traced = Traced(
                numbers, frozenset(json.loads(read)), frozenset(json.loads(listed)), bool(opaque), bool(stale)
            )
            known.put(nodeid, traced)
        meta = {key: json.loads(value) for key, value in self._meta(base).items() if key != "format"}
        self._generation = meta.pop("generation", 0)
        if meta:
            known.graph.learn(meta["modules"], imports, meta["everywhere"])
            known.files = meta["files"]
            known.durations = meta["durations"]
            known.imported_units = {(path, name) for path, name in meta["imported_units"]}
            known.thirdparty, known.preload_trusted = tuple(meta["thirdparty"]), meta["preload_trusted"]
            known.unfit = set(meta["unfit"])
            known.imported_read, known.imported_listed = set(meta["imported_read"]), set(meta["imported_listed"])

    def _write(self, base: sqlite3.Connection, known: ImpactMap) -> None:
        self._take_over(base)
        base.executemany("delete from tests where nodeid = ?", [(each,) for each in self._tests.keys() - known.tests])
        base.executemany(
            "insert or replace into tests values (?, ?, ?, ?, ?, ?)",
            [
                (
                    nodeid,
                    array("I", sorted(traced.units)).tobytes(),
                    json.dumps(sorted(traced.read)),
                    json.dumps(sorted(traced.listed)),
                    traced.opaque,
                    traced.stale,
                )
                for nodeid, traced in known.tests.items()
                if self._tests.get(nodeid) is not traced
            ],
        )
        base.executemany(
            "delete from sources where path = ?", [(each,) for each in self._sources.keys() - known.sources]
        )
        base.executemany(
            "insert or replace into sources values (?, ?, ?, ?, ?)",
            [
                (path, index.content, index.module, _units_text(index.units), index.lines.tobytes())
                for path, index in known.sources.items()
                if self._sources.get(path) is not index
            ],
        )
        imports = known.graph.imports
        base.executemany("delete from imports where path = ?", [(each,) for each in self._imports.keys() - imports])
        base.executemany(
            "insert or replace into imports values (?, ?)",
            [
                (path, json.dumps([[each.module, each.names, each.level] for each in statements]))
                for path, statements in imports.items()
                if self._imports.get(path) != statements
            ],
        )
        base.executemany(
            "insert or replace into units values (?, ?, ?)",
            [(number, *unit) for number, unit in known.units_from(self._units)],
        )
        meta = {
            "modules": known.graph.files,
            "everywhere": sorted(known.graph.everywhere),
            "files": known.files,
            "durations": known.durations,
            "thirdparty": known.thirdparty,
            "unfit": sorted(known.unfit),
            "preload_trusted": known.preload_trusted,
            "imported_units": sorted(known.imported_units),
            "imported_read": sorted(known.imported_read),
            "imported_listed": sorted(known.imported_listed),
        }
        base.executemany(
            "insert or replace into meta values (?, ?)", [(key, json.dumps(value)) for key, value in meta.items()]
        )


def _units_text(units: Mapping[str, Unit]) -> str:
    return json.dumps({name: [u.first_line, u.last_line, u.digest.hex(), u.keeps] for name, u in units.items()})


def _units_of(text: str) -> dict[str, Unit]:
    said = json.loads(text)
    return {
        name: Unit(first, last, bytes.fromhex(digest), bool(keeps))
        for name, (first, last, digest, keeps) in said.items()
    }


def _imports_of(text: str) -> tuple[Import, ...]:
    return tuple(Import(module, tuple(names), level) for module, names, level in json.loads(text))
