"""Taking source files apart: what counts as a change, and where it stands."""

from __future__ import annotations

import ast
import gc
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.testing.impact.source import (
    LARGEST,
    Difference,
    Import,
    SourceIndex,
    compare,
    imports_of,
    index_source,
    syntax_tree,
)

SOURCE = '''
import os

LIMIT = 10


def plain(value, most=LIMIT):
    """Say it."""
    # a comment
    return value + 1


class Shape:
    sides = 4

    @property
    def area(self):
        return [side * 2 for side in range(self.sides)]

    @area.setter
    def area(self, value):
        def inner():
            return value
        self._area = inner()


double = lambda x: x * 2
'''


def index(text: str) -> SourceIndex:
    return index_source(textwrap.dedent(text).encode())


def differs(new: str, old: str = SOURCE) -> Difference:
    return compare(index(old), index(new))


def test_units_are_functions_and_methods_with_all_that_is_nested() -> None:
    """Each function and method is a unit; a nested function, a lambda and a comprehension are none."""
    found = index(SOURCE)

    assert list(found.units) == ["plain", "Shape.area", "Shape.area#2"]
    assert found.units_at([7, 10, 16, 17, 22, 26, 5]) == {
        7: "plain",
        10: "plain",
        16: "Shape.area",
        17: "Shape.area",
        22: "Shape.area#2",
        26: None,
        5: None,
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another comment, and\n    # one more line"),
        ("LIMIT = 10\n", "\n\n\nLIMIT  =  10  # ten\n"),
        ("return value + 1", "return (value\n            + 1)"),
    ],
    ids=["comment", "blank lines", "layout"],
)
def test_comments_and_layout_are_no_change(old: str, new: str) -> None:
    """Only what is executed counts."""
    assert not differs(SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "units"),
    [
        ("value + 1", "value - 1", ("plain",)),
        ("side * 2", "side * 3", ("Shape.area",)),
        ("return value\n", "return [value]\n", ("Shape.area#2",)),
        ('"""Say it."""', '"""Say it again."""', ("plain",)),
    ],
    ids=["operator", "comprehension", "nested function", "docstring"],
)
def test_a_body_that_changed_is_a_changed_unit(old: str, new: str, units: tuple[str, ...]) -> None:
    """A change inside a function is that function's only."""
    found = differs(SOURCE.replace(old, new))

    assert (found.units, found.module) == (units, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 10", "LIMIT = 11"),
        ("most=LIMIT", "most=3"),
        ("sides = 4", "sides = 5"),
        ("@property", "@staticmethod"),
        ("x * 2", "x * 3"),
        ("import os", "import sys"),
        ("def plain(value", "def renamed(value"),
    ],
    ids=["constant", "default", "class attribute", "decorator", "lambda", "import", "name"],
)
def test_what_runs_at_import_is_module_level(old: str, new: str) -> None:
    """Constants, defaults, class attributes, decorators, lambdas, imports and names change the module-level code."""
    assert differs(SOURCE.replace(old, new)).module


@pytest.mark.parametrize(
    ("old", "new"),
    [("1", "True"), ("1", "1.0"), ("0.0", "-0.0"), ("'a'", "b'a'"), ("{1, 2}", "{1, 3}"), ("(1, 2)", "(2, 1)")],
)
def test_constants_that_look_alike_are_told_apart(old: str, new: str) -> None:
    """Equal is not the same: 1 is not True, nor 1.0."""
    before, after = (f"def f(x):\n    return x in {each} if 0 else {each}\n" for each in (old, new))

    assert differs(after, before).units == ("f",)


def test_a_broken_file_differs_from_everything_and_touches_all_its_units() -> None:
    """What cannot be compiled may be anything."""
    found = differs(SOURCE + "\ndef (:\n")

    assert found.module
    assert found.units == ("plain", "Shape.area", "Shape.area#2")


def test_a_file_that_is_very_large_is_compared_as_a_whole() -> None:
    """Taking it apart would hold everything else up."""
    large = SOURCE + "#" * LARGEST

    assert differs(large + "x", large).module
    assert not differs(large, large)


def test_decorators_that_keep_results_are_noted() -> None:
    """A function behind lru_cache can matter to a test that never calls it."""
    found = index("""
        @lru_cache(maxsize=None)
        def kept(): return 1

        @route("/x")
        def plain(): return lru_cache
    """)

    assert {name: unit.keeps for name, unit in found.units.items()} == {"kept": True, "plain": False}


def test_digests_are_the_same_in_every_process() -> None:
    """A set of strings has another order in each process, its digest has not."""
    code = (
        "import sys; from app.agents.testing.impact.source import index_source as i\n"
        'print(i(b\'def f(x): return x in {"a", "b", "c", "d"}\').units[\'f\'].digest.hex())'
    )

    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3", "4")
    }

    assert len(said) == 1


def test_imports_are_found_wherever_they_stand() -> None:
    """At the top, in functions, under conditions, relative or not."""
    found = imports_of(
        b"import a.b as c, d\ndef f():\n  from .x import y, z\n"
        b"  try:\n    from .. import w\n  except E:\n    import v\nmatch 1:\n  case 1:\n    import u\n"
    )

    assert set(found) == {
        Import("a.b"),
        Import("d"),
        Import("x", ("y", "z"), 1),
        Import("", ("w",), 2),
        Import("v"),
        Import("u"),
    }


@given(st.binary(max_size=300))
def test_anything_can_be_taken_apart(content: bytes) -> None:
    """Whatever bytes a file holds, it is compared, never refused."""
    found = index_source(content)

    assert not compare(found, index_source(content))
    assert compare(found, index_source(content + b"\nnew = 1\n")).module
    assert isinstance(imports_of(content), tuple)


def test_a_tree_is_made_though_another_is_made_meanwhile() -> None:
    """A finalizer, or another thread, may parse as well: CPython 3.11 takes that for a fault in the first tree."""
    text = Path(inspect.__file__).read_text(encoding="utf-8")
    before, disturbed = gc.get_threshold(), []

    def disturb(_phase: str, _about: object) -> None:
        if not disturbed and sys._getframe(1).f_code.co_name == "parse":
            disturbed.append(ast.dump(_deep(30)))

    gc.callbacks.append(disturb)
    gc.set_threshold(50)
    try:
        tree = syntax_tree(text)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(disturb)

    assert disturbed
    assert tree is not None
    assert ast.dump(tree) == ast.dump(ast.parse(text))


def _deep(frames: int) -> ast.AST:
    return ast.parse("x = 1") if not frames else _deep(frames - 1)
