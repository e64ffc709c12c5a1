"""From a save to its verdict under Windows' CPython: what the worker is told, runs and tells."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.running.environment import drop_bytecode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHOP = {
    "shop/__init__.py": "",
    "shop/prices.py": """
        def total(values):
            return sum(values)
        """,
    "shop/stock.py": """
        import json
        import os

        def load():
            # As `pathlib.PurePath.as_posix` and many a configuration file write it.
            with open(os.getcwd().replace(os.sep, "/") + "/data/stock.json") as file:
                return json.load(file)
        """,
    "shop/late.py": "STATE = 1\n",
    "data/stock.json": '{"bolt": 3}',
    "tests/conftest.py": """
        import pytest
        from shop import stock

        @pytest.fixture(scope="session")
        def in_stock():
            return stock.load()
        """,
    "tests/test_Bolts.py": """
        import ctypes

        BELOW_NORMAL = 0x4000

        def test_stock(in_stock):
            assert in_stock["bolt"] == 3

        def test_gives_way_to_the_person_who_types():
            kernel = ctypes.WinDLL("kernel32")
            kernel.GetCurrentProcess.restype = ctypes.c_void_p
            kernel.GetPriorityClass.argtypes = (ctypes.c_void_p,)
            assert kernel.GetPriorityClass(kernel.GetCurrentProcess()) == BELOW_NORMAL
        """,
    "tests/test_Kinds.py": """
        import os
        import subprocess
        import sys

        import pytest
        from shop.prices import total

        @pytest.fixture
        def broken():
            raise ValueError("in setup")

        def test_passes(in_stock):
            assert total([1, 2]) == 3

        def test_fails():
            assert total([1, 2]) == 4

        def test_errors(broken):
            pass

        @pytest.mark.skip
        def test_skipped():
            pass

        @pytest.mark.parametrize("path", ["a/b", "a\\\\b", "\\u00e9", "x y"])
        def test_parameters(path):
            assert path != "x y"

        def test_writes():
            os.makedirs("out")
            with open("out/report.txt", "w") as file:
                file.write("done")

        def test_child_knows_nothing_of_the_channels():
            ask = "import os; print(sum(name.startswith('WATCHKEEPER_') for name in os.environ))"
            assert subprocess.check_output([sys.executable, "-c", ask]).split() == [b"0"]

        def test_imports_late():
            import shop.late
        """,
}

KINDS = {
    "test_passes": "passed",
    "test_fails": "failed",
    "test_errors": "error",
    "test_skipped": "skipped",
    "test_parameters[a/b]": "passed",
    "test_parameters[a\\\\b]": "passed",
    "test_parameters[\\xe9]": "passed",
    "test_parameters[x y]": "failed",
    "test_writes": "passed",
    "test_child_knows_nothing_of_the_channels": "passed",
    "test_imports_late": "passed",
}
RED_SUITE_EXIT = 1


@pytest.fixture(scope="module")
def streamed(windows_of_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One traced run, under guard, that had one file of two to run first."""
    folder = tmp_path_factory.mktemp("Ein L\u00e4dchen")
    windows_of_module.write(folder, SHOP)
    worker = windows_of_module.worker(folder, "-p", "no:cacheprovider")
    worker.send({"do": "warm", "preload": ["json", "no_such_module"], "rehearse": True})
    worker.until(kind="ready")
    worker.send({"do": "load", "trace": "all"})
    worker.until(kind="loaded")
    worker.send({"do": "collect", "chunk": {"path": "tests/test_Kinds.py"}, "trace": "all"})
    chunk = {"path": "tests/test_Kinds.py", "only": None, "leave": ["tests/test_Kinds.py::test_writes"], "probe": []}
    worker.send({"do": "run", "chunks": [chunk], "rest": True, "stream": True, "trace": "all"})
    worker.until(guard="ended")
    worker.wait()
    return worker


def test_a_first_part_ends_at_once_with_its_exit_code(
    windows_of_module: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without taking its modules apart, and with what was registered with atexit done."""
    folder = tmp_path_factory.mktemp("first part")
    text = (
        "import atexit\ndef test_it():\n    atexit.register(print, 'at exit')\n    assert 0\ndef test_other(): pass\n"
    )
    windows_of_module.write(folder, {"test_it.py": text})
    worker = windows_of_module.worker(folder, "-p", "no:cacheprovider")
    chunk = {"path": "test_it.py", "only": ["test_it.py::test_it"], "leave": [], "probe": [], "unused": ["test_other"]}

    run = {"do": "run", "chunks": [chunk], "rest": False, "stream": True, "trace": "none"}
    worker.send({"do": "warm", "rehearse": True}, {"do": "load"}, run)
    worker.until(guard="ended")
    worker.wait()

    assert worker.until(guard="ended")["code"] == RED_SUITE_EXIT
    assert worker.outcomes() == {"test_it.py::test_it": "failed"}
    assert b"at exit" in worker.output


def test_it_says_when_it_is_ready_and_what_it_has_loaded(streamed: Any) -> None:
    """A spare tells its size before any file of the project is loaded, and then which files it must not outlive."""
    kinds = [line["kind"] for line in streamed.told if "kind" in line]

    (ready,) = streamed.all("ready")
    (loaded,) = streamed.all("loaded")
    (session,) = streamed.all("session")

    assert kinds.index("ready") < kinds.index("session") < kinds.index("loaded")
    assert ready["rss"] > 1_000_000
    assert ready["files"] == []
    assert set(loaded["files"]) == {"tests/conftest.py", "shop/__init__.py", "shop/stock.py"}
    assert session["python"].startswith("3.12.")


def test_the_chunk_runs_before_the_rest_is_even_collected(streamed: Any) -> None:
    """The file of the change is tested first, what it left comes with the rest, and each has its right outcome."""
    expected = {f"tests/test_Kinds.py::{name}": outcome for name, outcome in KINDS.items()}
    others = [f"tests/test_Bolts.py::{name}" for name in ("test_stock", "test_gives_way_to_the_person_who_types")]

    order = [line["id"] for line in streamed.all("start")]
    steps = [line["stage"] if line["kind"] == "stage" else line["kind"] for line in streamed.told if "kind" in line]
    steps = [step for step in steps if step in {"impacted", "rest", "collected", "finish"}]

    assert streamed.outcomes() == {**expected, **dict.fromkeys(others, "passed")}
    assert steps == ["impacted", "rest", "collected", "finish"]
    assert order[-3:] == [*others, "tests/test_Kinds.py::test_writes"]
    assert streamed.all("collected")[0]["count"] == len(expected) + len(others)
    assert streamed.until(kind="finish")["exit"] == RED_SUITE_EXIT
    assert streamed.until(guard="ended")["code"] == RED_SUITE_EXIT


def test_a_red_test_brings_its_text(streamed: Any) -> None:
    """A failure's text has the assertion with its values; pytest's own screen stays apart, on stderr."""
    (failed,) = [line for line in streamed.all("end") if line["id"].endswith("::test_fails")]

    assert "assert 3 == 4" in failed["text"]
    assert "where 3 = total([1, 2])" in failed["text"]
    assert b"short test summary info" in streamed.output


def test_each_test_tells_what_it_executed_and_read(streamed: Any) -> None:
    """Functions by file and line, a session's fixture for every test that uses it, and another process as such."""
    total, load = ("shop/prices.py", "total"), ("shop/stock.py", "load")

    codes = {code[0]: (code[1], code[3]) for line in streamed.all("codes") for code in line["add"]}
    deps = {line["id"].rpartition("::")[2]: line for line in streamed.all("deps")}
    of = {name: {codes[index] for index in line["codes"]} for name, line in deps.items()}

    assert set(KINDS) < set(deps)
    assert of["test_fails"] == {("tests/test_Kinds.py", "test_fails"), total}
    assert {total, load, ("tests/conftest.py", "in_stock")} <= of["test_passes"]
    assert load in of["test_stock"]
    assert total not in of["test_stock"]
    assert deps["test_stock"]["read"] == deps["test_passes"]["read"] == ["data/stock.json"]
    assert {name for name, line in deps.items() if line["opaque"]} == {"test_child_knows_nothing_of_the_channels"}


def test_it_tells_what_a_test_wrote_and_how_it_left_it(streamed: Any) -> None:
    """A file that a test writes is told before it is there, so that the file watcher does not take it for a save."""
    wrote = [line["path"] for line in streamed.all("wrote")]
    left = {path: mark for line in streamed.all("left") for path, mark in line["files"].items()}

    assert wrote == ["out/report.txt"]
    assert left["out/report.txt"][1] == len("done")


def test_it_tells_the_modules_of_the_project(streamed: Any) -> None:
    """Each module of the project by its file, those a test imported late, and what is worth importing ahead."""
    (modules,) = streamed.all("modules")

    assert modules["files"]["shop.prices"] == "shop/prices.py"
    assert "shop/late.py" in modules["lazy"]
    assert "shop/prices.py" not in modules["lazy"]
    assert "json" in modules["thirdparty"]


def test_no_path_that_is_told_has_a_backslash(streamed: Any) -> None:
    """Watchkeeper compares paths with those of its own, which have forward slashes everywhere."""
    told = [
        path for line in streamed.told for name in ("files", "read", "listed", "lazy") for path in line.get(name, ())
    ]
    told += [path for line in streamed.all("modules") for path in line["files"].values()]
    told += [code[1] for line in streamed.all("codes") for code in line["add"]]
    told += [line["path"] for line in streamed.all("wrote")]
    told += [line["id"].partition("::")[0] for line in streamed.all("end")]

    wrong = [path for path in told if "\\" in path or ":" in path]

    assert wrong == []
    assert len(told) > len(KINDS)


@pytest.fixture
def verdict(windows: Any) -> Iterator[Callable[[Path], dict[str, str]]]:
    """Runs a project's tests in a new worker and gives their outcomes."""

    def run(folder: Path) -> dict[str, str]:
        worker = windows.worker(folder)
        worker.run_all()
        worker.until(guard="ended")
        worker.wait()
        return worker.outcomes()

    return run


def test_a_save_changes_the_verdict(windows: Any, verdict: Callable[[Path], dict[str, str]], tmp_path: Path) -> None:
    """What a worker ran before a save is red after it, and green again after the next."""
    test = {"test_prices.py": "from prices import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"}
    right, wrong = (f"def total(values):\n    return {each}\n" for each in ("sum(values)", "sum(values) + 1"))
    windows.write(tmp_path, {**test, "prices.py": right})
    told = []

    for source in (right, wrong, right):
        windows.write(tmp_path, {"prices.py": source})
        drop_bytecode(tmp_path, ["prices.py"])
        told.append(verdict(tmp_path)["test_prices.py::test_total"])

    assert told == ["passed", "failed", "passed"]


def test_a_save_of_the_same_size_within_the_second_changes_the_verdict(
    windows: Any, verdict: Callable[[Path], dict[str, str]], tmp_path: Path
) -> None:
    """Bytecode that Windows' Python takes for current is removed at the save, in a source file and in a test file."""
    windows.write(
        tmp_path,
        {"prices.py": "LIMIT = 1\n", "test_limit.py": "import prices\ndef test_one(): assert prices.LIMIT == 1\n"},
    )
    moment = (1_700_000_000, 1_700_000_000)
    for name in ("prices.py", "test_limit.py"):
        os.utime(tmp_path / name, moment)
    told = [verdict(tmp_path)]

    for name, old, new in (("prices.py", "= 1", "= 2"), ("test_limit.py", "== 1", "== 2")):
        saved = (tmp_path / name).read_text("utf-8").replace(old, new)
        (tmp_path / name).write_text(saved, "utf-8")
        os.utime(tmp_path / name, moment)
        assert drop_bytecode(tmp_path, [name]) == 1
        told.append(verdict(tmp_path))

    assert [run["test_limit.py::test_one"] for run in told] == ["passed", "failed", "passed"]
