"""Which tests run first, in which order, and what is not for being named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def before_rest(told: Any) -> list[str]:
    """Return the tests that started before the rest began."""
    rest = next(place for place, line in enumerate(told.lines) if line.get("stage") == "rest")
    return [line["id"] for line in told.lines[:rest] if line["kind"] == "start"]


def test_chunks_keep_their_order_and_probes_come_first(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Files in the order that was given, in each the probes, then pytest's own order; the rest in pytest's."""
    code = "def test_1(): pass\ndef test_2(): pass\ndef test_3(): pass\n"
    write(tmp_path, test_a=code, test_b=code, test_c=code)
    chunks = [
        {"path": "test_c.py", "only": None, "leave": ["test_c.py::test_1"], "probe": ["test_c.py::test_3"]},
        {"path": "test_a.py", "only": ["test_a.py::test_2"], "leave": [], "probe": []},
    ]

    told = work(tmp_path, orders=run_order(*chunks))

    names = [nodeid.replace("test_", "").replace(".py::", "") for nodeid in told.started]
    assert names == ["c3", "c2", "a2", "a1", "a3", "b1", "b2", "b3", "c1"]
    assert [(line["stage"], line["tests"]) for line in told.all("stage")] == [("impacted", None), ("rest", None)]


def test_the_first_file_runs_before_the_second_is_read(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """That is what streaming is for: a result does not wait for imports that it does not need."""
    write(
        tmp_path,
        test_a="import sys\ndef test_a(): assert 'test_b' not in sys.modules",
        test_b="import sys\ndef test_b(): assert 'test_a' in sys.modules",
    )

    told = work(tmp_path, orders=run_order("test_a.py", "test_b.py"))

    assert told.outcomes == {"test_a": "passed", "test_b": "passed"}


def test_a_run_without_the_rest_ends_with_the_chunks(
    nasty: Path, work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Just these tests, and everything is torn down after them."""
    notes = nasty / "notes.txt"
    chunk = {"path": "tests/b/test_ends.py", "only": ["tests/b/test_ends.py::test_plain"]}

    told = work(nasty, orders=run_order(chunk, "gone.py", rest=False), NOTES=str(notes))

    assert told.ends == {"tests/b/test_ends.py::test_plain": "passed"}
    assert told.collected == ["tests/b/test_ends.py::test_plain"]
    assert told.code == 0
    assert notes.read_text().split("\n") == ["session up", "session down", ""]


def test_what_pytest_would_not_collect_is_passed_over(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Files that are gone, ignored, outside of what is collected, or no test files: no privilege by their name."""
    code = "def test_a(): assert 0\n"
    write(
        tmp_path,
        tests__conftest="collect_ignore = ['test_ignored.py']\ncollect_ignore_glob = ['glob*']\n",
        tests__test_ignored=code,
        tests__glob__test_a=code,
        tests__build__test_a=code,
        tests__option__deep__test_a=code,
        tests__helper=code,
        tests__good__test_good="def test_good(): pass\n",
        other__test_a=code,
    )
    (tmp_path / "tests" / "test_[x].py").write_text(code)
    (tmp_path / "tests" / "test_[x].py").unlink()
    named = [
        "gone.py",
        "tests/test_ignored.py",
        "tests/glob/test_a.py",
        "tests/build/test_a.py",
        "tests/option/deep/test_a.py",
        "tests/helper.py",
        "tests/good",
        "other/test_a.py",
        "tests/good/test_good.py",
    ]

    told = work(tmp_path, "tests", "--ignore=tests/option", orders=run_order(*named))

    assert told.ends == {"tests/good/test_good.py::test_good": "passed"}
    assert before_rest(told) == ["tests/good/test_good.py::test_good"]
    assert told.all("collect-error") == []
    assert told.code == 0


def test_conftests_of_several_folders_keep_their_fixtures(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """They are read at the start, and are needed when their folder's turn comes."""
    for name in ("a", "b", "c"):
        write(
            tmp_path,
            **{
                f"{name}__conftest": f"import pytest\n@pytest.fixture\ndef own(): return '{name}'\n",
                f"{name}__test_{name}": f"def test_{name}(own): assert own == '{name}'\n",
            },
        )

    told = work(tmp_path, "a", "b", "c", orders=run_order("c/test_c.py", "a/test_a.py"))

    assert told.outcomes == {"test_c": "passed", "test_a": "passed", "test_b": "passed"}


def test_deselected_tests_stay_out(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """-k, -m and --deselect hold for chunks too."""
    write(
        tmp_path,
        test_a="""
        import pytest
        def test_1(): pass
        def test_2(): pass
        @pytest.mark.xfail
        def test_3(): assert 0
        """,
    )

    told = work(
        tmp_path, "-k", "not 1", "--deselect=test_a.py::test_2", orders=run_order("test_a.py"), PYTEST_ADDOPTS="-q"
    )

    assert told.outcomes == {"test_3": "xfailed"}
    assert told.collected == ["test_a.py::test_3"]


@pytest.mark.parametrize("place", ["", "sub__"])
def test_a_conftest_that_wants_to_see_all_gets_to_see_all(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any], place: str
) -> None:
    """With a hook for the whole collection nothing is streamed, but the order holds; be the hook loaded late."""
    write(
        tmp_path,
        **{
            f"{place}conftest": """
            def pytest_collection_modifyitems(items):
                assert len(items) == 4
                del items[0]
            """,
            "sub__test_a": "def test_a(): pass\n",
            "sub__test_b": "def test_b(): pass\n",
            "test_c": "def test_c(): pass\n",
            "test_d": "def test_d(): pass\n",
        },
    )
    plain = work(tmp_path)

    told = work(tmp_path, orders=run_order("test_d.py", "sub/test_b.py"))

    assert told.ends == plain.ends
    assert told.started[:2] == ["test_d.py::test_d", "sub/test_b.py::test_b"]
    assert [line["stage"] for line in told.all("stage")] == ["impacted", "rest"]
    assert told.one("collected")["count"] == 3


@pytest.mark.parametrize("option", ["--lf", "--nf", "--sw", "--collect-only", "test_b.py::test_1"])
def test_options_that_choose_tests_hold(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any], option: str
) -> None:
    """They need the whole collection, and get it."""
    code = "def test_1(): pass\ndef test_2(): assert 0\n"
    write(tmp_path, test_a=code, test_b=code)
    work(tmp_path)
    arguments = [option] if option[0] == "-" else [option, "test_a.py"]
    plain = work(tmp_path, *arguments)

    told = work(tmp_path, *arguments, orders=run_order("test_b.py"))

    assert sorted(told.ends.items()) == sorted(plain.ends.items()) or option == "--sw"
    assert told.code == plain.code
    assert told.one("stopped")["partial"] == plain.one("stopped")["partial"]


def test_nothing_is_reordered_where_tests_count_on_the_order(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """With a plugin like pytest-dependency, chunks are left aside."""
    write(
        tmp_path,
        pytest_dependency="",
        test_a="def test_a(): pass",
        test_b="def test_b(): pass",
        test_c="def test_c(): 0",
    )

    told = work(tmp_path, "-p", "pytest_dependency", orders=run_order("test_c.py", "test_b.py"))

    assert [each.partition("::")[2] for each in told.started] == ["test_a", "test_b", "test_c"]
    assert told.all("stage") == []


def test_xdist_runs_everything_its_own_way(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Where something else runs the tests, orders are taken in and left aside."""
    write(
        tmp_path,
        fake_xdist="""
        import pytest
        class Dsession:
            @pytest.hookimpl(tryfirst=True)
            def pytest_collection(self): return True
            @pytest.hookimpl(tryfirst=True)
            def pytest_runtestloop(self, session):
                session.testscollected = 1
                return True
        @pytest.hookimpl(trylast=True)
        def pytest_configure(config): config.pluginmanager.register(Dsession(), "dsession")
        """,
        test_a="def test_a(): pass",
    )

    told = work(tmp_path, "-p", "fake_xdist", orders=run_order("test_a.py", trace="all", nice=5))

    assert told.started == []
    assert told.code == 0
    assert "loaded" in told.kinds
    assert told.all("imported") == []
