"""A file that is collected ahead of the order to run, and a first part that ends at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FILE = "def test_1(): pass\ndef test_2(): assert 0\n"


def ahead(orders: Sequence[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    """Return the orders with one to collect a file before the run."""
    return [*orders[:-1], {"do": "collect", "chunk": {"path": path}, "trace": "none"}, orders[-1]]


def test_a_file_is_imported_ahead_and_runs_in_its_turn(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Nothing of it is told before its turn, and it is imported once."""
    write(
        tmp_path,
        test_a=FILE,
        test_b="import sys\nwith open('imported.txt', 'a') as file: file.write('b')\n" + FILE,
    )

    told = work(tmp_path, orders=ahead(run_order("test_a.py", "test_b.py", rest=False), "test_b.py"))

    assert [nodeid.replace(".py::test", "") for nodeid in told.started] == [
        "test_a_1",
        "test_a_2",
        "test_b_1",
        "test_b_2",
    ]
    assert told.collected == told.started
    assert set(told.ends.values()) == {"passed", "failed"}
    assert (tmp_path / "imported.txt").read_text() == "b"
    kinds = told.kinds
    assert kinds.index("stage") < kinds.index("start")
    assert kinds.index("wrote") < kinds.index("stage")


def test_one_that_is_not_wanted_after_all_does_not_run(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """More was saved than had been seen: the order counts."""
    write(tmp_path, test_a=FILE, test_b=FILE)

    told = work(tmp_path, orders=ahead(run_order("test_a.py", rest=False), "test_b.py"))

    assert {nodeid.partition("::")[0] for nodeid in told.started} == {"test_a.py"}
    assert told.one("finish")["exit"] == 1


@pytest.mark.parametrize("path", ["gone.py", "helper.py", "../outside.py"])
def test_a_file_without_tests_is_no_matter(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any], path: str
) -> None:
    """It may have been renamed, or be none that pytest collects."""
    write(tmp_path, test_a=FILE, helper="word = 1\n")

    told = work(tmp_path, orders=ahead(run_order("test_a.py", rest=False), path))

    assert told.outcomes == {"test_1": "passed", "test_2": "failed"}


def test_one_that_cannot_be_imported_is_told_of(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Once, and before the run is ordered: nobody has to wait for that."""
    write(tmp_path, test_a="import no_such_module\n", test_b=FILE)

    told = work(tmp_path, orders=ahead(run_order("test_a.py", rest=False), "test_a.py"))

    assert told.one("collect-error")["id"] == "test_a.py"
    assert "no_such_module" in told.one("collect-error")["text"]
    assert told.kinds.index("collect-error") < told.kinds.index("stage")
    assert told.one("finish")["exit"] == 2


def test_a_conftest_that_wants_the_whole_collection_gets_it(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Also when it only came to light with the file that was collected ahead."""
    write(
        tmp_path,
        sub__conftest="""
            def pytest_collection_modifyitems(items):
                with open("seen.txt", "a") as file:
                    file.write(f"{len(items)}\\n")
        """,
        sub__test_a=FILE,
        test_b=FILE,
    )

    told = work(tmp_path, orders=ahead(run_order("sub/test_a.py", rest=False), "sub/test_a.py"))

    assert told.started == ["sub/test_a.py::test_1", "sub/test_a.py::test_2"]
    assert (tmp_path / "seen.txt").read_text() == "4\n"


def test_nothing_is_collected_ahead_where_the_order_matters(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """A conftest at the top that wants to see the whole collection keeps files from being taken one by one."""
    write(
        tmp_path,
        conftest="def pytest_collection_modifyitems(items): items.reverse()\n",
        test_a="import sys\ndef test_a(): assert 'test_b' in sys.modules\n",
        test_b="import sys\ndef test_b(): assert 'test_a' in sys.modules\n",
    )

    told = work(tmp_path, orders=ahead(run_order("test_b.py", rest=False), "test_b.py"))

    assert told.outcomes == {"test_b": "passed"}


def test_what_is_traced_is_the_same(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """What a file executes while it is imported is told as such, whether it was collected ahead or not."""
    write(
        tmp_path,
        helper="def at_import(): pass\ndef in_test(): pass\n",
        test_a="import helper\nhelper.at_import()\ndef test_a(): helper.in_test()\n",
    )
    orders = run_order("test_a.py", rest=False, trace="all", load={"trace": "all"})
    sooner = ahead(orders, "test_a.py")
    sooner[-2]["trace"] = "all"

    told = [work(tmp_path, orders=each) for each in (orders, sooner)]

    for each in told:
        assert each.codes(each.deps("test_a.py::test_a")) == {"helper.py:in_test", "test_a.py:test_a"}
        assert "helper.py:at_import" in each.codes(each.one("imported"))


def test_a_first_part_leaves_nothing_undone_at_its_end(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Threads are waited for and exit functions run, as when Python ends by itself; its exit code is pytest's."""
    write(
        tmp_path,
        test_a="""
            import atexit, threading

            def note(text):
                with open("notes.txt", "a") as file:
                    file.write(text + "\\n")

            def late():
                threading.main_thread().join()
                note("thread")

            def test_a():
                threading.Thread(target=late).start()
                atexit.register(note, "atexit")
                assert 0
        """,
    )

    told = work(tmp_path, orders=run_order("test_a.py", rest=False))

    assert (tmp_path / "notes.txt").read_text() == "thread\natexit\n"
    assert told.code == told.one("finish")["exit"] == 1
    assert "1 failed" in told.output


def test_tests_of_a_whole_run_find_all_objects(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """What was imported ahead is hidden from the garbage collector for a first part only."""
    write(tmp_path, test_a="import gc\ndef test_frozen(): assert gc.get_freeze_count() == 0\n")

    whole = work(tmp_path, orders=run_order())
    first = work(tmp_path, orders=run_order("test_a.py", rest=False))

    assert whole.outcomes == {"test_frozen": "passed"}
    assert first.outcomes == {"test_frozen": "failed"}
