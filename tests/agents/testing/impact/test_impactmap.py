"""Choosing tests: what a change touches, and what is chosen when that is not known."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from app.agents.testing.impact.impactmap import ImpactMap
from app.agents.testing.impact.select import in_order
from app.agents.testing.impact.source import imports_of, index_source
from app.agents.testing.impact.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.agents.testing.impact.select import Selection

CALC = """
LIMIT = 10

def add(a, b):
    return a + b

def sub(a, b):
    return a - b

@lru_cache
def table():
    return LIMIT
"""
FILES = {
    "calc.py": CALC,
    "other.py": "def other():\n    return 1\n",
    "plugin.py": "def hook():\n    return 1\n",
    "tests/conftest.py": "import other\n\ndef server():\n    return other.other()\n",
    "tests/test_calc.py": "import calc\n\ndef test_add():\n    calc.add(1, 2)\n\ndef test_sub():\n    calc.sub(1, 2)\n",
    "tests/test_other.py": "def test_other():\n    pass\n",
    "test_top.py": "def test_top():\n    pass\n",
}
ADD, SUB = "tests/test_calc.py::test_add", "tests/test_calc.py::test_sub"
OTHER, TOP = "tests/test_other.py::test_other", "test_top.py::test_top"
ALL = (TOP, ADD, SUB, OTHER)


def line(path: str, text: str) -> tuple[str, int]:
    """Return the place of the line that begins with a text."""
    return path, FILES[path].splitlines().index(text) + 1


def told(trace: Trace, nodeid: str | None, *places: tuple[str, int], **more: object) -> None:
    """Feed a trace as a worker would."""
    indexes = []
    for path, number in places:
        index = len(trace._codes)
        trace.take("codes", {"add": [[index, path, number, "name"]]})
        indexes.append(index)
    said = {"id": nodeid, "codes": indexes, "read": [], "listed": [], "opaque": False, **more}
    trace.take("deps" if nodeid else "imported", said)


@pytest.fixture
def known() -> ImpactMap:
    found = ImpactMap()
    found.learn_order(ALL, dict.fromkeys(ALL, 0.01))
    found.learn_sources(
        {path: index_source(text.encode()) for path, text in FILES.items()},
        {path: imports_of(text.encode()) for path, text in FILES.items()},
    )
    trace = Trace()
    modules = {path.removesuffix(".py").replace("tests/", ""): path for path in FILES}
    trace.take("modules", {"files": modules, "lazy": ["plugin.py"], "thirdparty": []})
    told(trace, ADD, line("calc.py", "def add(a, b):"), line("tests/test_calc.py", "def test_add():"))
    told(
        trace,
        SUB,
        line("calc.py", "def sub(a, b):"),
        line("tests/test_calc.py", "def test_sub():"),
        read=["tests/data.json"],
        listed=["tests/files"],
    )
    told(trace, OTHER, line("tests/conftest.py", "def server():"), line("other.py", "def other():"))
    told(trace, TOP, opaque=True)
    told(trace, None, read=["settings.ini"])
    found.learn_modules(trace)
    found.learn_trace(trace)
    return found


def edited(known: ImpactMap, path: str, old: str, new: str) -> Selection:
    """Choose after an edit."""
    assert old in FILES[path]
    return known.select({path: FILES[path].replace(old, new).encode()})


def test_a_function_touches_those_that_execute_it(known: ImpactMap) -> None:
    """And those of which nothing is known, since they start other programs."""
    found = edited(known, "calc.py", "a + b", "a * b")

    assert set(found.impacted) == {ADD, TOP}
    assert found.impacted[ADD].text == "It executes add in calc.py, which changed."
    assert found.impacted[ADD].weight > found.impacted[TOP].weight


@pytest.mark.parametrize(
    ("old", "new"), [("LIMIT = 10", "LIMIT = 11"), ("return LIMIT", "return 1")], ids=["constant", "lru_cache"]
)
def test_what_runs_once_touches_everything_that_imports_it(known: ImpactMap, old: str, new: str) -> None:
    """A module's constant, and a function whose results are kept."""
    found = edited(known, "calc.py", old, new)

    assert set(found.impacted) == {ADD, SUB, TOP}


def test_a_helper_of_a_fixture_touches_those_that_use_the_fixture(known: ImpactMap) -> None:
    """What a fixture executes was told for each test that uses it."""
    assert set(edited(known, "other.py", "return 1", "return 2").impacted) == {OTHER, TOP}


def test_what_a_conftest_imports_touches_all_tests_below_it(known: ImpactMap) -> None:
    """Though none of them imports it."""
    found = known.select({"other.py": b"NEW = 1\n" + FILES["other.py"].encode()})

    assert set(found.impacted) == {ADD, SUB, OTHER, TOP}
    assert edited(known, "tests/conftest.py", "import other", "import other, os").impacted.keys() == {
        ADD,
        SUB,
        OTHER,
        TOP,
    }


def test_what_was_imported_unseen_touches_everything(known: ImpactMap) -> None:
    """A plugin, or a module that was imported by its name only."""
    assert set(known.select({"plugin.py": b"X = 1\n"}).impacted) == set(ALL)


def test_a_test_that_changed_comes_first(known: ImpactMap) -> None:
    """It alone is touched by a change of its body."""
    found = edited(known, "tests/test_calc.py", "calc.sub(1, 2)", "calc.sub(2, 1)")

    assert set(found.impacted) == {SUB, TOP}
    assert found.impacted[SUB].text.startswith("It was changed itself")


def test_a_function_that_runs_at_import_counts_as_module_level(known: ImpactMap) -> None:
    """A decorator's or a registry's body shows in whatever was made by it."""
    trace = Trace()
    told(trace, None, line("calc.py", "def sub(a, b):"))
    known.learn_trace(trace)

    assert set(edited(known, "calc.py", "a - b", "b - a").impacted) == {ADD, SUB, TOP}


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("tests/data.json", {SUB, TOP}),
        ("tests/files/new.txt", {SUB, TOP}),
        ("settings.ini", set(ALL)),
        ("notes.md", {TOP}),
    ],
    ids=["read", "listed", "read at import", "unknown"],
)
def test_data_files_touch_those_that_read_them(known: ImpactMap, path: str, chosen: set[str]) -> None:
    """By their own path, or by the folder that is listed when they come or go."""
    assert set(known.select({path: b"new"}).impacted) == chosen


def test_a_comment_touches_nothing(known: ImpactMap) -> None:
    """Then the rest of the run is all there is."""
    found = known.select({"calc.py": CALC.replace("LIMIT = 10", "LIMIT = 10  # ten").encode()})

    assert not found.is_chosen
    assert not found.whole


def test_a_deleted_module_touches_all_that_import_it(known: ImpactMap) -> None:
    """They cannot be imported any more."""
    assert set(known.select({"calc.py": None}).impacted) == {ADD, SUB, TOP}


def test_a_deleted_test_file_is_not_run(known: ImpactMap) -> None:
    """There is nothing left of it to run."""
    assert ADD not in known.select({"tests/test_calc.py": None}, red=[ADD]).impacted


def test_a_new_test_file_runs_first(known: ImpactMap) -> None:
    """Whole, since nothing is known of it."""
    found = known.select({"tests/test_new.py": b"def test_new(): pass\n"})

    assert found.new_files == ("tests/test_new.py",)
    assert in_order(found, known.files, known.durations)[0].path == "tests/test_new.py"


@pytest.mark.parametrize("path", ["pyproject.toml", "pytest.ini"])
def test_configuration_chooses_nothing(known: ImpactMap, path: str) -> None:
    """It can change what is collected, so all runs as pytest has it."""
    found = known.select({path: b""}, red=[ADD])

    assert not found.is_chosen
    assert path in found.whole


def test_red_tests_run_whatever_changed(known: ImpactMap) -> None:
    """They come first, and a file that could not be imported runs whole."""
    found = known.select({}, red=[OTHER, "tests/test_calc.py"])
    chunks = in_order(found, known.files, known.durations)

    assert {chunk.path: chunk.leave for chunk in chunks} == {"tests/test_other.py": (), "tests/test_calc.py": ()}


def test_an_unknown_project_chooses_nothing() -> None:
    """Without a run there is no map."""
    assert not ImpactMap().select({"a.py": b""}).is_chosen


def test_tests_that_ran_untraced_after_a_change_are_to_be_traced_again(known: ImpactMap) -> None:
    """So are those that are new."""
    known.learn_order([*ALL, "test_top.py::test_new"], {})
    known.grow_stale([ADD])

    assert known.untraced() == ["test_top.py::test_new", ADD]


def test_tests_that_are_gone_are_forgotten(known: ImpactMap) -> None:
    """A complete run says what there is."""
    known.learn_order([SUB], {})

    assert set(known.tests) == {SUB}
    assert not edited(known, "calc.py", "a + b", "a * b").impacted


def test_files_come_by_value_for_time(known: ImpactMap) -> None:
    """The likely and the quick first; others of a file are left for the rest of the run."""
    known.durations.update({ADD: 3.0})
    found = known.select({}, red=[OTHER])
    both = known.select(
        {
            "calc.py": CALC.replace("a + b", "a * b").encode(),
            "other.py": FILES["other.py"].replace("1", "2").encode(),
        }
    )

    assert [chunk.path for chunk in in_order(found, known.files, known.durations)] == ["tests/test_other.py"]
    chunks = in_order(both, known.files, known.durations)
    assert [chunk.path for chunk in chunks] == ["tests/test_other.py", "test_top.py", "tests/test_calc.py"]
    assert chunks[-1].leave == (SUB,)


def test_a_few_tests_of_many_run_ahead_but_never_the_last(known: ImpactMap) -> None:
    """A module's fixtures are torn down with its last test, as in a whole run."""
    ids = [f"test_many.py::test_{number}" for number in range(10)]
    reasons: Mapping[str, float] = dict.fromkeys(ids, 0.5) | {ids[-1]: 0.0001, ids[5]: 0.001}
    known.learn_order(ids, reasons)

    (chunk,) = in_order(known.select({}, red=ids), known.files, known.durations)

    assert chunk.probe[0] == ids[5]
    assert ids[-1] not in chunk.probe
    assert len(chunk.probe) == 3


def test_a_function_of_several_names_is_told_apart() -> None:
    """The second of two functions of one name has its own users."""
    text = textwrap.dedent("""
        class A:
            @property
            def x(self): return 1
            @x.setter
            def x(self, value): pass
    """)
    known = ImpactMap()
    known.learn_order(["test_a.py::test_get", "test_a.py::test_set"], {})
    known.learn_sources({"a.py": index_source(text.encode())}, {})
    trace = Trace()
    told(trace, "test_a.py::test_get", ("a.py", 3))
    told(trace, "test_a.py::test_set", ("a.py", 5))
    known.learn_trace(trace)

    found = known.select({"a.py": text.replace("return 1", "return 2").encode()})

    assert set(found.impacted) == {"test_a.py::test_get"}
