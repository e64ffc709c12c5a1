"""Keeping the map over restarts: what was saved is read, and what cannot be read is begun anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.agents.testing.impact.impactmap import ImpactMap, Traced
from app.agents.testing.impact.mapfile import MapFile
from app.agents.testing.impact.source import imports_of, index_source

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"import b\nfrom . import c\n\ndef f():\n    return 1\n"


@pytest.fixture
def known() -> ImpactMap:
    found = ImpactMap()
    found.learn_order(["test_a.py::test_a[\u00e9\n]", "test_a.py::test_b"], {"test_a.py::test_b": 0.5})
    found.learn_sources({"a.py": index_source(TEXT)}, {"a.py": imports_of(TEXT)})
    found.graph.learn({"a": "a.py", "b": "b.py"}, {}, ["b.py"])
    number = found.number_of("a.py", "f")
    found.put("test_a.py::test_b", Traced(frozenset([number]), frozenset({"data.txt"}), frozenset({""}), stale=True))
    found.imported_units.add(("a.py", "f"))
    found.imported_read.add("x.ini")
    found.thirdparty, found.preload_trusted = ("jinja2", "click"), True
    found.unfit.add("click")
    return found


def same(one: ImpactMap, other: ImpactMap) -> bool:
    """Return whether two maps say the same."""
    return (
        one.sources == other.sources
        and one.tests == other.tests
        and one.files == other.files
        and one.durations == other.durations
        and one.graph.files == other.graph.files
        and one.graph.imports == other.graph.imports
        and one.graph.everywhere == other.graph.everywhere
        and one.imported_units == other.imported_units
        and one.imported_read == other.imported_read
        and (one.thirdparty, one.unfit, one.preload_trusted) == (other.thirdparty, other.unfit, other.preload_trusted)
        and one.users_of_file("a.py") == other.users_of_file("a.py")
    )


def test_what_was_saved_is_loaded(tmp_path: Path, known: ImpactMap) -> None:
    """All of it, whatever the names."""
    MapFile(tmp_path / "deep" / "map.db", "x").save(known)

    assert same(MapFile(tmp_path / "deep" / "map.db", "x").load(), known)


def test_only_what_differs_is_written_the_next_time(tmp_path: Path, known: ImpactMap) -> None:
    """What came, what changed and what went are all there afterwards."""
    file = MapFile(tmp_path / "map.db", "x")
    file.save(known)
    known.learn_order(["test_c.py::test_c"], {})
    known.learn_sources({"a.py": None, "c.py": index_source(b"x = 1")}, {})
    known.put("test_c.py::test_c", Traced(frozenset([known.number_of("c.py", "g")])))

    file.save(known)

    assert same(MapFile(tmp_path / "map.db", "x").load(), known)


def test_a_map_of_other_circumstances_is_not_used(tmp_path: Path, known: ImpactMap) -> None:
    """Another interpreter, or other arguments, run other tests."""
    MapFile(tmp_path / "map.db", "x").save(known)

    assert not MapFile(tmp_path / "map.db", "y").load().files


@pytest.mark.parametrize("content", [b"", b"noise" * 1000, b"SQLite format 3\x00" + bytes(4096)])
def test_a_broken_file_is_begun_anew(tmp_path: Path, known: ImpactMap, content: bytes) -> None:
    """It is a cache: nothing is lost but time."""
    path = tmp_path / "map.db"
    path.write_bytes(content)

    loaded = MapFile(path, "x").load()
    MapFile(path, "x").save(known)

    assert not loaded.files
    assert same(MapFile(path, "x").load(), known)


def test_a_folder_that_cannot_be_written_costs_the_map_only(tmp_path: Path, known: ImpactMap) -> None:
    """The tests run all the same."""
    (tmp_path / "file").write_text("in the way")
    file = MapFile(tmp_path / "file" / "map.db", "x")

    file.save(known)

    assert not file.load().files


def test_two_processes_that_save_do_not_mix_their_maps(tmp_path: Path, known: ImpactMap) -> None:
    """Each numbers functions in its own way: who saves last, saves all."""
    path = tmp_path / "map.db"
    mine, theirs = MapFile(path, "x"), MapFile(path, "x")
    mine.save(known)
    other = theirs.load()
    other.put("test_z.py::test_z", Traced(frozenset([other.number_of("z.py", "z")])))
    theirs.save(other)
    known.put("test_y.py::test_y", Traced(frozenset([known.number_of("y.py", "y")])))

    mine.save(known)

    assert same(MapFile(path, "x").load(), known)
