"""Imports between files, as far as statements show them."""

from __future__ import annotations

from app.agents.testing.impact.graph import ImportGraph
from app.agents.testing.impact.source import Import, imports_of


def graph(**sources: str) -> ImportGraph:
    """Return the graph of modules that are named with __ for dots; a package's own file is named with a final __."""
    found = ImportGraph()
    files, imports = {}, {}
    for name, text in sources.items():
        module = name.rstrip("_").replace("__", ".")
        path = module.replace(".", "/") + ("/__init__.py" if name.endswith("__") else ".py")
        files[module] = path
        imports[path] = imports_of(text.encode())
    found.learn(files, imports)
    return found


def test_importers_are_reached_through_any_number_of_files() -> None:
    """Whoever imports an importer depends on what it imports."""
    found = graph(a="import b", b="from c import x", c="", d="import a", e="")

    assert found.reaching(["c.py"]) == {"c.py", "b.py", "a.py", "d.py"}
    assert found.reached_from(["a.py"]) == {"a.py", "b.py", "c.py"}


def test_a_package_runs_before_what_is_in_it() -> None:
    """Importing a submodule runs the __init__ of its packages, and all that they import."""
    found = graph(pkg__="from .core import x", pkg__core="", pkg__leaf="", test_leaf="import pkg.leaf")

    assert "test_leaf.py" in found.reaching(["pkg/core.py"])
    assert "pkg/leaf.py" in found.reaching(["pkg/core.py"])
    assert "test_leaf.py" not in graph(pkg__="", pkg__core="", test_leaf="import pkg").reaching(["pkg/core.py"])


def test_relative_imports_are_resolved() -> None:
    """Dots count from the file's own package."""
    found = graph(
        p__="",
        p__a="from . import b",
        p__b="",
        p__q__="",
        p__q__c="from ..b import x\nfrom .d import y",
        p__q__d="",
    )

    assert found.reaching(["p/b.py"]) >= {"p/a.py", "p/q/c.py"}
    assert "p/q/c.py" in found.reaching(["p/q/d.py"])


def test_circles_come_to_an_end() -> None:
    """Modules that import each other reach each other."""
    found = graph(a="import b", b="import a")

    assert found.reaching(["a.py"]) == found.reached_from(["a.py"]) == {"a.py", "b.py"}


def test_a_file_that_was_not_loaded_when_it_was_imported_is_found_later() -> None:
    """An edge holds as soon as both of its ends are known."""
    found = graph(a="import later")

    found.learn({"later": "later.py"}, {"later.py": ()})

    assert found.reaching(["later.py"]) == {"later.py", "a.py"}


def test_a_file_that_is_gone_imports_nothing() -> None:
    """What it imported is no longer reached through it; who imports it is."""
    found = graph(a="import b", b="import c", c="")

    found.forget(["b.py"])

    assert found.reaching(["c.py"]) == {"c.py"}
    assert found.reaching(["b.py"]) == {"b.py", "a.py"}


def test_a_relative_import_above_the_top_is_passed_over() -> None:
    """It fails when it runs; here it means nothing."""
    found = ImportGraph()
    found.learn({"a": "a.py"}, {"a.py": (Import("", ("b",), 3), Import("x", (), 5))})

    assert found.reached_from(["a.py"]) == {"a.py"}
