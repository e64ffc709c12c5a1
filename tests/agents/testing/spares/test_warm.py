"""What a change does to a worker that waits: rules, without a process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from app.agents.testing.spares.warm import Changed, Recipe, Warmth, Worker

if TYPE_CHECKING:
    from app.engine.processes import GuardedProcess

LOADED = {"kind": "loaded", "files": ["tests/conftest.py", "src/app/Core.py"], "read": ["tests/data.json"]}


class Orders:
    """Takes what a process is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, object]] = []

    def send(self, content: bytes) -> None:
        self.sent += map(json.loads, content.splitlines())


async def close() -> None:
    """Close nothing."""


def worker(*told: dict[str, object], preload: tuple[str, ...] = (), loads: bool = False) -> Worker:
    """Return a worker that told these lines; one that loads was sent that order after the first of them."""
    made = Worker(cast("GuardedProcess", Orders()), Recipe("python", (), preload), close=close)
    for line in told:
        made.hear(json.dumps(line).encode())
        if loads and made.warmth is Warmth.READY:
            made.load()
    return made


def ready(**more: object) -> dict[str, object]:
    return {"kind": "ready", "rss": 1, "modules": 2, **more}


@pytest.mark.parametrize(
    ("path", "fit"),
    [
        ("src/app/other.py", True),
        ("plugin.py", False),
        ("PLUGIN.py", False),
        ("tests/data.json", False),
        ("tests/conftest.py", True),
        ("pytest.ini", False),
        ("packages/one/pyproject.toml", False),
        (".env", False),
        ("docs/index.md", True),
    ],
)
def test_an_edit_ends_what_holds_the_file(path: str, fit: bool) -> None:  # noqa: FBT001 - a parameter
    """A worker that has loaded or read an edited file is of no use, nor is any after a change of the configuration."""
    made = worker(ready(files=["plugin.py"], read=["tests/data.json"]))

    assert made.serves(Changed.of([path])) == fit


@pytest.mark.parametrize(
    ("path", "fit"),
    [
        ("src/app/new.py", True),
        ("tests/test_new.py", True),
        ("docs/new.md", True),
        ("random.py", False),
        ("src/jinja2/__init__.py", False),
        ("jinja2.cpython-311-x86_64-linux-gnu.so", False),
        ("docs/jinja2.md", True),
        ("_pytest/__init__.py", False),
    ],
)
def test_a_new_module_may_be_imported_in_place_of_another(path: str, fit: bool) -> None:  # noqa: FBT001 - a parameter
    """A created or deleted module ends workers that hold one of that name."""
    made = worker(ready(), preload=("jinja2.ext",))

    assert made.serves(Changed.of([path], [path])) == fit


def test_without_kinds_each_change_may_be_a_new_file() -> None:
    """Where it is not known whether a file is new, it is taken to be."""
    made = worker(ready(), preload=("jinja2",))

    assert not made.serves(Changed.of(["src/jinja2.py"], None))
    assert made.serves(Changed.of(["src/jinja2.py"]))


def test_what_a_loading_worker_holds_is_not_known() -> None:
    """Only once it has told so."""
    made = worker(ready(), loads=True)

    before = made.loaded_files
    made.hear(json.dumps(LOADED).encode())

    assert before is None
    assert made.loaded_files == {"tests/conftest.py", "src/app/core.py", "tests/data.json"}


def test_plugins_of_the_project_are_held_from_the_start() -> None:
    """A warm worker that told of files of the project does not serve their change."""
    base = worker(ready(files=["plugin.py"], read=["words.txt"]))

    assert base.loaded_files == {"plugin.py", "words.txt"}
    assert not base.serves(Changed.of(["plugin.py"]))
    assert not base.serves(Changed.of(["words.txt"]))


def test_orders_are_lines() -> None:
    """A worker is sent one JSON document a line, and told to load once."""
    made = worker(preload=("six", "attr"))

    made.warm(in_time=True)
    made.load()
    made.load()
    made.collect({"path": "tests/a.py"}, trace="cheap")
    made.run({"do": "run", "chunks": [{"path": "tests/\udce4.py"}]})

    assert cast("Orders", made.process).sent == [
        {"do": "warm", "preload": ["six", "attr"], "rehearse": True},
        {"do": "load", "coverage": False, "trace": "cheap"},
        {"do": "collect", "chunk": {"path": "tests/a.py"}, "trace": "cheap"},
        {"do": "run", "chunks": [{"path": "tests/\udce4.py"}]},
    ]


def test_coverage_begins_with_the_project() -> None:
    """Coverage is asked for with the load order, and of a worker that has loaded it cannot be had any more."""
    made = worker()

    made.load(coverage=True, trace="none")

    assert cast("Orders", made.process).sent == [{"do": "load", "coverage": True, "trace": "none"}]
    with pytest.raises(ValueError, match="without coverage"):
        made.load(coverage=True)


@pytest.mark.parametrize(
    "line",
    [b"no json", b"[]", b"{}", b'{"kind": "ready", "rss": "much"}', b'{"kind": "loaded", "files": []}', b"[" * 9999],
)
def test_what_is_no_line_of_a_waiting_worker_changes_nothing(line: bytes) -> None:
    """A worker is where it was after a line that is broken, or that comes out of turn."""
    made = worker()

    assert made.hear(line) is None
    assert made.warmth is Warmth.WARMING


@pytest.mark.parametrize(
    ("had", "fits"),
    [(("a",), True), ((), True), (("a", "b"), True), (("a", "c"), False)],
)
def test_a_worker_with_fewer_imports_will_do(had: tuple[str, ...], fits: bool) -> None:  # noqa: FBT001 - a parameter
    """A recipe is served by a worker that imported part of its modules, and nothing beyond."""
    recipe = Recipe("python", ("-q",), ("b", "a"))

    assert recipe.covers(Recipe("python", ("-q",), had)) == fits
    assert not recipe.covers(Recipe("python", (), had))
    assert not recipe.covers(Recipe("python3", ("-q",), had))
