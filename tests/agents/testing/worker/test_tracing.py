"""What a traced run tells of each test: functions, files, folders, processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROJECT = {
    "lib____init__": "",
    "lib__core": """
        import functools

        LIMIT = 3

        def decorated(function):
            @functools.wraps(function)
            def around(*args):
                return function(*args)
            return around

        @decorated
        def double(x):
            return 2 * plain(x)

        def plain(x):
            return x

        class Thing:
            def method(self):
                return [each for each in self.generated()]

            def generated(self):
                yield 1

        def never():
            return 1

        async def soon():
            return later()

        def later():
            return 1

        @functools.lru_cache(maxsize=None)
        def remembered():
            return behind()

        def behind():
            return 1
    """,
    "lib__late": "def late(): return 1\nlate()\n",
    "conftest": """
        import pytest
        from lib import core

        @pytest.fixture(scope="session")
        def wide():
            return inner_of_wide()

        def inner_of_wide():
            return core.plain(1)

        @pytest.fixture(scope="module")
        def middle(request):
            return request.getfixturevalue("wide") + in_middle()

        def in_middle():
            return 1

        @pytest.fixture
        def narrow():
            yield in_narrow()
            after_narrow()

        def in_narrow():
            return 1

        def after_narrow():
            return 1

        @pytest.fixture(scope="module")
        def broken():
            breaks()

        def breaks():
            raise ValueError
    """,
    "test_a": """
        import asyncio, os, subprocess, sys, threading
        from lib import core

        def test_double():
            assert core.double(2) == 4

        def test_method(narrow):
            assert core.Thing().method() == [1]

        def test_wide_first(wide): pass

        def test_middle(middle): pass

        def test_middle_again(middle): pass

        def test_wide_again(request):
            request.getfixturevalue("wide")

        def test_broken(broken): pass

        def test_broken_again(broken): pass

        def test_thread():
            thread = threading.Thread(target=core.double, args=(2,))
            thread.start()
            thread.join()

        def test_async():
            assert asyncio.run(core.soon()) == 1

        def test_remembered():
            assert core.remembered() == 1

        def test_reads():
            with open("data.txt") as file:
                file.read()

        def test_reads_source():
            with open("lib/core.py") as file:
                file.read()

        def test_lists():
            os.listdir("lib")

        def test_lists_home():
            os.listdir()

        def test_elsewhere(tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)
            (tmp_path / "data.txt").write_text("x")
            with open("data.txt") as file:
                file.read()

        def test_starts():
            subprocess.run([sys.executable, "-c", ""])

        def test_forks():
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)

        def test_nothing(): pass

        def test_late():
            from lib import late
            assert late.late() == 1
    """,
    "test_b": """
        import unittest
        from lib import core

        class TestUnit(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.value = core.double(1)

            def setUp(self):
                core.plain(1)

            def test_one(self):
                assert self.value == 2

            def test_two(self):
                assert core.later() == 1
    """,
}


@pytest.fixture
def project(tmp_path: Path, write: Callable[..., None]) -> Path:
    """Return a project whose tests touch something in each way."""
    write(tmp_path, **PROJECT)
    (tmp_path / "data.txt").write_text("x")
    return tmp_path


@pytest.fixture(params=["stream", "whole"])
def traced(request: Any, project: Path, work: Callable[..., Any], run_order: Callable[..., Any]) -> Any:
    """Return what a traced run of it told, file by file and as a whole."""
    orders = run_order("test_b.py", stream=request.param == "stream", trace="all", load={"trace": "all"})
    return work(project, "-p", "no:cacheprovider", "-W", "ignore", orders=orders)


def test_each_test_is_told_with_all_that_it_touched(traced: Any) -> None:
    """Functions, generators, coroutines, other threads, fixtures of each scope by whoever uses them, files, folders."""

    def codes(name: str) -> set[str]:
        return traced.codes(traced.deps(f"test_a.py::{name}"))

    def said(name: str) -> dict[str, Any]:
        line: dict[str, Any] = traced.deps(f"test_a.py::{name}")
        return {key: line[key] for key in ("read", "listed", "opaque")}

    nothing: dict[str, Any] = {"read": [], "listed": [], "opaque": False}
    wide = {"conftest.py:wide", "conftest.py:inner_of_wide", "lib/core.py:plain"}
    middle = {"conftest.py:middle", "conftest.py:in_middle"} | wide
    assert codes("test_double") == {
        "test_a.py:test_double",
        "lib/core.py:around",
        "lib/core.py:double",
        "lib/core.py:plain",
    }
    assert codes("test_method") - {"lib/core.py:<listcomp>"} == {
        "test_a.py:test_method",
        "lib/core.py:method",
        "lib/core.py:generated",
        "conftest.py:narrow",
        "conftest.py:in_narrow",
        "conftest.py:after_narrow",
    }
    assert codes("test_wide_first") == wide | {"test_a.py:test_wide_first"}
    assert codes("test_wide_again") == wide | {"test_a.py:test_wide_again"}
    assert codes("test_middle") == middle | {"test_a.py:test_middle"}
    assert codes("test_middle_again") == middle | {"test_a.py:test_middle_again"}
    assert codes("test_broken") == codes("test_broken_again") == {"conftest.py:broken", "conftest.py:breaks"}
    assert {"lib/core.py:double", "lib/core.py:plain"} <= codes("test_thread")
    assert codes("test_async") == {"test_a.py:test_async", "lib/core.py:soon", "lib/core.py:later"}
    assert codes("test_nothing") == {"test_a.py:test_nothing"}
    assert {"lib/late.py:<module>", "lib/late.py:late"} <= codes("test_late")
    assert said("test_double") == nothing
    assert said("test_reads") == {**nothing, "read": ["data.txt"]}
    assert said("test_reads_source") == {**nothing, "read": ["lib/core.py"]}
    assert said("test_lists") == {**nothing, "listed": ["lib"]}
    assert said("test_lists_home") == {**nothing, "listed": ["."]}
    assert said("test_elsewhere") == nothing
    assert said("test_starts")["opaque"]
    assert said("test_forks")["opaque"]


def test_tests_of_unittest_are_told_with_their_class(traced: Any) -> None:
    """What setUpClass executed belongs to each of the class's tests."""
    one, two = (traced.codes(traced.deps(f"test_b.py::TestUnit::test_{name}")) for name in ("one", "two"))

    shared = {
        "test_b.py:setUpClass",
        "test_b.py:setUp",
        "lib/core.py:around",
        "lib/core.py:double",
        "lib/core.py:plain",
    }
    assert one == shared | {"test_b.py:test_one"}
    assert two == shared | {"test_b.py:test_two", "lib/core.py:later"}


def test_what_ran_outside_of_tests_is_told_apart(traced: Any) -> None:
    """Imports, and what they call; not what only a test executed."""
    imported = traced.codes(traced.one("imported"))

    assert {"lib/core.py:<module>", "conftest.py:<module>", "test_a.py:<module>", "lib/core.py:decorated"} <= imported
    assert not {"lib/core.py:double", "lib/late.py:late", "test_a.py:test_double"} & imported
    assert traced.one("imported")["opaque"] is False


def test_what_is_told_comes_in_its_order(traced: Any) -> None:
    """A test's end, then what it touched; and each function is named before it is spoken of."""
    named: set[int] = set()
    ended = ""
    for line in traced.lines:
        if line["kind"] == "end":
            ended = line["id"]
        elif line["kind"] == "codes":
            named |= {code[0] for code in line["add"]}
        elif line["kind"] in ("deps", "imported"):
            assert set(line["codes"]) <= named
            assert line.get("id", ended) == ended

    assert len(traced.all("deps")) == len(traced.all("end"))
    assert [kind for kind in traced.kinds if kind != "wrote"][-3:] == ["imported", "modules", "finish"]


def test_modules_are_told_and_which_no_import_statement_shows(traced: Any) -> None:
    """Also without tracing: the import graph needs it."""
    modules = traced.one("modules")

    assert modules["files"] == {
        "lib": "lib/__init__.py",
        "lib.core": "lib/core.py",
        "lib.late": "lib/late.py",
        "conftest": "conftest.py",
        "test_a": "test_a.py",
        "test_b": "test_b.py",
    }
    assert modules["lazy"] == ["lib/late.py"]
    assert "asyncio" in modules["thirdparty"]
    assert not {"sys", "pytest", "_pytest.main", "lib", "watchkeeper_worker.start"} & set(modules["thirdparty"])


def test_a_project_that_takes_part_in_running_tests_is_seen(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """What a conftest's own hooks execute belongs to the test."""
    write(
        tmp_path,
        lib="def seen(): pass\n",
        conftest="import lib\ndef pytest_runtest_setup(item): lib.seen()\n",
        test_a="def test_a(): pass\n",
    )

    told = work(tmp_path, orders=run_order("test_a.py", trace="all"))

    assert "lib.py:seen" in told.codes(told.deps("test_a.py::test_a"))


def test_a_test_that_profiles_is_opaque_or_seen(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Where there is one slot for all profilers, nothing is claimed of a test that takes it."""
    write(
        tmp_path,
        lib="def seen(): pass\n",
        test_a="""
        import cProfile, lib
        def test_a():
            profile = cProfile.Profile()
            profile.enable()
            lib.seen()
            profile.disable()
        def test_b(): lib.seen()
        """,
    )

    told = work(tmp_path, orders=run_order("test_a.py", trace="all"))

    line = told.deps("test_a.py::test_a")
    assert line["opaque"] or "lib.py:seen" in told.codes(line)
    assert "lib.py:seen" in told.codes(told.deps("test_a.py::test_b"))
    assert told.outcomes == {"test_a": "passed", "test_b": "passed"}


def test_functions_that_are_made_of_others_are_seen(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Their code was never part of a module that was executed."""
    write(
        tmp_path,
        lib="""
        import types
        def first(): return inner()
        def inner(): return 1
        made = types.FunctionType(first.__code__.replace(co_name="made"), globals())
        exec(compile("def compiled(): pass", __file__, "exec"))
        """,
        test_a="import lib\ndef test_made(): lib.made()\ndef test_compiled(): lib.compiled()\n",
        test_b="""
        import lib, types
        def test_late():
            types.FunctionType(lib.first.__code__.replace(co_name="late"), vars(lib))()
        def test_after(): lib.inner()
        """,
    )

    told = work(tmp_path, orders=run_order("test_a.py", trace="all", load={"trace": "all"}))

    codes = {line["id"].partition("::")[2]: told.codes(line) for line in told.all("deps")}
    assert codes == {
        "test_made": {"test_a.py:test_made", "lib.py:made", "lib.py:inner"},
        "test_compiled": {"test_a.py:test_compiled", "lib.py:compiled"},
        "test_late": {"test_b.py:test_late", "lib.py:late", "lib.py:inner"},
        "test_after": {"test_b.py:test_after", "lib.py:inner"},
    }


def test_the_last_teardown_is_the_last_tests(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """When it turns out only later that it was the last one, what it touched is told anew."""
    write(
        tmp_path,
        conftest="""
        import pytest
        @pytest.fixture(scope="session")
        def wide():
            yield
            goes_down()
        def goes_down(): pass
        """,
        test_a="def test_a(wide): pass\n",
    )

    told = work(tmp_path, orders=run_order("test_a.py", trace="all"))

    assert told.codes(told.deps("test_a.py::test_a")) == {
        "test_a.py:test_a",
        "conftest.py:wide",
        "conftest.py:goes_down",
    }


def test_nothing_is_traced_unasked(project: Path, work: Callable[..., Any], run_order: Callable[..., Any]) -> None:
    """Neither without an order to, nor cheaply where that is not to be had."""
    told = work(project, "-W", "ignore", orders=run_order("test_b.py"))
    cheaply = work(project, "-W", "ignore", orders=run_order("test_b.py", trace="cheap"))

    assert not {"deps", "codes", "imported"} & set(told.kinds)
    minor = int(told.one("session")["python"].split(".")[1])
    assert ("deps" in cheaply.kinds) == (minor >= 12)
