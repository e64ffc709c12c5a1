"""What is told in the end: the modules that were loaded, and coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_modules_that_are_imported_in_other_ways_are_told(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """By name, as a plugin, by another package, by a conftest's function: only the last can be seen in the source."""
    outside = tmp_path / "outside"
    write(outside, imports_for_others="import importlib\ndef load(name): return __import__(name)\n")
    write(
        tmp_path / "inside",
        conftest="""
        import importlib, imports_for_others
        importlib.import_module("by_name")
        imports_for_others.load("by_another")
        __import__("by_call")
        def load():
            import by_statement, package.module
        load()
        """,
        by_name="",
        by_another="",
        by_call="",
        by_statement="from package import other\n",
        plugged="",
        package____init__="",
        package__module="",
        package__other="",
        sub____init__="",
        sub__test_a="from . import helper\ndef test_a(): pass\n",
        sub__helper="",
    )

    told = work(tmp_path / "inside", "-p", "plugged", PYTHONPATH=str(outside))

    assert told.outcomes == {"test_a": "passed"}
    assert told.one("modules")["lazy"] == ["by_another.py", "by_call.py", "by_name.py", "plugged.py"]


@pytest.mark.parametrize("installed", [True, False])
def test_coverage_is_measured_where_it_can_be(
    tmp_path: Path,
    write: Callable[..., None],
    work: Callable[..., Any],
    run_order: Callable[..., Any],
    installed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """By the project's own configuration and from the conftests on; else it is told why not. Nothing is written."""
    project, other = tmp_path / "project", tmp_path / "other"
    write(project, lib="def a():\n    return 1\ndef b():\n    return 2\n", test_a="import lib\ndef test_a(): lib.a()\n")
    if installed:  # coverage.py's face, as far as it is used; with the real one the slow matrix runs
        write(other, coverage=FAKE_COVERAGE)
    else:
        write(other, coverage="raise ImportError\n")

    told = work(project, orders=run_order(load={"coverage": True}), PYTHONPATH=str(other))

    said = told.one("coverage")
    if installed:
        assert said["files"] == [{"path": "lib.py", "statements": 4, "missing": [4]}]
    else:
        assert said["error"] == "coverage.py is not installed there."
    assert told.outcomes == {"test_a": "passed"}


FAKE_COVERAGE = """
import os
class Coverage:
    def __init__(self, data_file="wrong"): assert data_file is None
    @staticmethod
    def current(): return None
    def start(self): self.started = True
    def stop(self): assert self.started
    def get_data(self): return self
    def measured_files(self): return [os.path.abspath("lib.py"), os.path.abspath("gone.py"), os.__file__]
    def analysis2(self, path):
        if path.endswith("gone.py"): raise ValueError
        return path, [1, 2, 3, 4], [], [4], "4"
"""
