"""A run in an order of its own: file by file, then the rest; and that it comes to the same as a plain one."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.launch import worker_argv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


NASTY = {
    "conftest": """
        import os
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def whole():
            note("session up")
            yield
            note("session down")

        def note(text):
            with open(os.environ.get("NOTES", os.devnull), "a") as file:
                file.write(text + "\\n")

        @pytest.fixture(scope="session")
        def noted():
            return note

        @pytest.fixture(scope="session", params=["x", "y"])
        def shared(request):
            return request.param

        def pytest_runtest_setup(item):
            item.user_properties.append(("seen", True))
    """,
    "tests__a__conftest": """
        import pytest

        @pytest.fixture(scope="package", autouse=True)
        def package(noted):
            noted("package up")
            yield
            noted("package down")

        @pytest.fixture
        def near():
            return "a"
    """,
    "tests__a____init__": "import os\nLOADED = os.getpid()\n",
    "tests__a__test_units": """
        import unittest

        def setUpModule():
            global ready
            ready = True

        class TestOne(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.ready = ready

            def setUp(self):
                self.value = 1

            def test_right(self):
                assert self.ready and self.value == 1

            def test_wrong(self):
                self.assertEqual(self.value, 2)

            def test_subtests(self):
                for i in range(3):
                    with self.subTest(i=i):
                        self.assertNotEqual(i, 1)

            @unittest.skip("no")
            def test_skipped(self):
                raise AssertionError
    """,
    "tests__a__sub____init__": "",
    "tests__a__sub__conftest": """
        import pytest

        @pytest.fixture
        def near(near):
            return near + "sub"
    """,
    "tests__a__sub__test_near": """
        import os
        import pytest
        from .. import LOADED

        @pytest.fixture(scope="module", autouse=True)
        def module(noted):
            noted("module up")
            yield
            noted("module down")

        def test_near(near):
            assert near == "asub" and LOADED == os.getpid()

        @pytest.mark.parametrize("value", ["a", "b c", "\\u00e9"])
        def test_values(value, shared):
            assert (value, shared) != ("b c", "y")

        def test_dynamic(request):
            assert request.getfixturevalue("shared") == "x"
    """,
    "tests__b__conftest": """
        import pytest

        @pytest.fixture
        def far():
            return "b"
    """,
    "tests__b__test_far": """
        import pytest

        def setup_module(module):
            module.made = []

        def teardown_module(module):
            assert len(module.made) < 100

        class TestFar:
            def setup_method(self):
                made.append(1)

            def test_far(self, far):
                assert far == "b" and made

            @pytest.mark.xfail
            def test_expected(self):
                assert not made

        @pytest.fixture(scope="class")
        def broken():
            raise ValueError("for the class")

        @pytest.mark.usefixtures("broken")
        class TestBroken:
            def test_one(self): pass
            def test_two(self): pass
    """,
    "tests__b__test_ends": """
        import pytest

        @pytest.fixture
        def breaks():
            yield
            raise ValueError("in teardown")

        def test_breaks(breaks): pass

        def test_leaves(tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)

        def test_plain(): pass

        if True:
            def test_last(): assert 0, "last"
    """,
    "tests__test_inherits": """
        import pytest

        class Base:
            def test_base(self): pass

        class TestChild(Base):
            class TestInner:
                def test_inner(self): pass
    """,
    "tests__test_skipped": "import pytest\npytest.skip('all of it', allow_module_level=True)\n",
    "documented": '''
        """
        >>> 1 + 1
        2
        """

        def double(x):
            """
            >>> double(2)
            5
            """
            return 2 * x
    ''',
}


@pytest.fixture
def nasty(tmp_path: Path, write: Callable[..., None]) -> Path:
    """Return a project with all that makes pytest's sessions hard to take apart."""
    folder = tmp_path / "nasty"
    write(folder, **NASTY)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --doctest-glob=*.txt\n")
    (folder / "tests" / "words.txt").write_text(">>> 1 + 1\n2\n>>> 1 + 1\n3\n")
    return folder


def chunks_of(told: Any, seed: int) -> list[dict[str, Any]]:
    """Return a choice of chunks, by chance, from what a plain run collected."""
    chance = random.Random(seed)
    files: dict[str, list[str]] = {}
    for nodeid in told.collected:
        files.setdefault(nodeid.partition("::")[0], []).append(nodeid)
    chunks = []
    for path in chance.sample(list(files), chance.randint(1, len(files))):
        ids = files[path]
        some = chance.sample(ids, chance.randint(0, len(ids)))
        chunks.append(
            {
                "path": path,
                "only": chance.choice([None, some]),
                "leave": chance.choice([[], chance.sample(ids, len(ids) // 2)]),
                "probe": chance.sample(ids, min(2, len(ids))),
            }
        )
    return chunks


def chosen(chunks: list[dict[str, Any]], collected: list[str]) -> list[str]:
    """Return which tests these chunks stand for."""
    return [
        nodeid
        for chunk in chunks
        for nodeid in collected
        if nodeid.partition("::")[0] == chunk["path"]
        and nodeid not in chunk["leave"]
        and (chunk["only"] is None or nodeid in chunk["only"])
    ]


def before_rest(told: Any) -> list[str]:
    """Return the tests that started before the rest began."""
    rest = next(place for place, line in enumerate(told.lines) if line.get("stage") == "rest")
    return [line["id"] for line in told.lines[:rest] if line["kind"] == "start"]


@pytest.mark.parametrize("arguments", [[], ["--doctest-modules"]])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_it_comes_to_the_same_as_a_plain_run(
    nasty: Path,
    work: Callable[..., Any],
    run_order: Callable[..., Any],
    seed: int,
    stream: bool,  # noqa: FBT001 - a parameter of the test
    arguments: list[str],
) -> None:
    """Whatever comes first, each test runs once, ends as it does in a plain run, and so does the session."""
    plain = work(nasty, *arguments)
    chunks = chunks_of(plain, seed)

    told = work(nasty, *arguments, orders=run_order(*chunks, stream=stream, trace=["none", "all"][seed % 2]))

    assert told.ends == plain.ends
    assert sorted(told.started) == sorted(plain.started)
    assert told.collected == told.started
    assert told.one("collected")["count"] == len(plain.collected)
    assert (told.code, told.one("finish")["exit"]) == (plain.code, plain.code)
    assert told.one("stopped") == plain.one("stopped")
    wanted = chosen(chunks, plain.collected)
    if wanted:
        assert sorted(before_rest(told)) == sorted(wanted)


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


def test_each_module_is_read_once(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """The rest is collected with what was collected before: no module is executed twice, no fixture is lost."""
    write(
        tmp_path,
        counts="reads = []\n",
        test_a="""
        import counts, pytest
        counts.reads.append(1)
        @pytest.fixture
        def own(): return len(counts.reads)
        def test_1(own): assert own == 1
        def test_2(own): assert own == 1
        """,
    )
    chunk = {"path": "test_a.py", "only": ["test_a.py::test_1"]}

    told = work(tmp_path, "--import-mode=importlib", orders=run_order(chunk), PYTHONPATH=str(tmp_path))

    assert told.outcomes == {"test_1": "passed", "test_2": "passed"}


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


def test_wide_fixtures_are_set_up_once_and_torn_down(
    nasty: Path, work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """The session's outlive the chunks; a module's go with the chunk and come again with the rest."""
    notes = nasty / "notes.txt"
    chunk = {"path": "tests/a/sub/test_near.py", "only": ["tests/a/sub/test_near.py::test_near"]}

    work(nasty, orders=run_order(chunk), NOTES=str(notes))

    noted = notes.read_text().split()[::2], notes.read_text().split()[1::2]
    ups = [name for name, way in zip(*noted, strict=True) if way == "up"]
    downs = [name for name, way in zip(*noted, strict=True) if way == "down"]
    assert ups.count("session") == downs.count("session") == 1
    assert ups.count("module") == downs.count("module") == 2
    assert ups.count("package") == downs.count("package") >= 2
    assert (noted[0][0], noted[0][-1]) == ("session", "session")


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_an_error_in_the_last_teardown_is_the_last_tests(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any], outcome: str
) -> None:
    """When nothing is left after the chunks, the session is torn down for the last test, and told of it."""
    write(
        tmp_path,
        conftest="""
        import pytest
        @pytest.fixture(scope="session")
        def breaks():
            yield
            print("said while going down")
            raise ValueError("at the very end")
        """,
        test_a=f"def test_a(breaks): assert {outcome == 'passed'}\n",
    )

    told = work(tmp_path, orders=run_order("test_a.py"))

    plain = work(tmp_path)
    assert told.ends == plain.ends
    last = told.all("end")[-1]
    assert "at the very end" in last["text"]
    assert ("assert False" in last["text"]) == (outcome == "failed")
    assert told.code == 1


def test_warnings_in_the_last_teardown_are_treated_alike(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """The project's filters hold there too."""
    write(
        tmp_path,
        test_a="""
        import pytest, warnings
        @pytest.fixture(scope="session")
        def warns():
            yield
            warnings.warn("old", DeprecationWarning)
        def test_a(warns): pass
        """,
    )

    told = work(tmp_path, "-W", "error", orders=run_order("test_a.py"))

    assert told.ends == {"test_a.py::test_a": "error"}


@pytest.mark.parametrize("rest", [True, False])
def test_warnings_while_a_file_is_collected_are_treated_alike(
    tmp_path: Path,
    write: Callable[..., None],
    work: Callable[..., Any],
    run_order: Callable[..., Any],
    rest: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A file whose import warns is an error where the project wants it so."""
    write(tmp_path, test_a="import warnings\nwarnings.warn('old', DeprecationWarning)\ndef test_a(): pass\n")

    told = work(tmp_path, "-W", "error", orders=run_order("test_a.py", rest=rest))

    assert told.one("collect-error")["id"] == "test_a.py"
    assert told.code == 2


@pytest.mark.parametrize("arguments", [[], ["--continue-on-collection-errors"], ["-x"], ["--maxfail=2"]])
def test_a_file_that_cannot_be_imported_does_not_hold_up_the_others(
    tmp_path: Path,
    write: Callable[..., None],
    work: Callable[..., Any],
    run_order: Callable[..., Any],
    arguments: list[str],
) -> None:
    """It is told once, the other chunks run, and the session ends as a plain one does."""
    write(
        tmp_path,
        test_a="def test_a(): pass",
        test_bad="import absent_module",
        test_c="def test_c(): pass",
        test_d="def test_d(): pass",
    )
    plain = work(tmp_path, *arguments)

    told = work(tmp_path, *arguments, orders=run_order("test_a.py", "test_bad.py", "test_c.py"))

    assert told.code == plain.code
    assert [line["id"] for line in told.all("collect-error")] == ["test_bad.py"]
    assert told.one("stopped") == plain.one("stopped")
    assert "test_a.py::test_a" in told.ends
    if arguments != ["-x"]:
        assert "test_c.py::test_c" in told.ends
        assert told.one("collected")["count"] == plain.one("collected")["count"]
    assert told.output.count("1 error in") <= 1
    assert "2 errors" not in told.output


@pytest.mark.parametrize("arguments", [["-x"], ["--maxfail=2"]])
def test_it_stops_where_it_is_told_to(
    tmp_path: Path,
    write: Callable[..., None],
    work: Callable[..., Any],
    run_order: Callable[..., Any],
    arguments: list[str],
) -> None:
    """In a chunk as anywhere, and all is torn down."""
    write(
        tmp_path,
        conftest="""
        import pytest
        @pytest.fixture(scope="session", autouse=True)
        def whole():
            yield
            open("down", "w").close()
        """,
        test_a="def test_1(): assert 0\ndef test_2(): assert 0\ndef test_3(): assert 0\n",
        test_b="def test_b(): pass\n",
    )

    told = work(tmp_path, *arguments, orders=run_order("test_b.py", "test_a.py"))

    assert len(told.ends) == 1 + int(arguments[0][-1].replace("x", "1"))
    assert told.one("stopped")["why"].startswith("stopping after")
    assert told.code == 1
    assert (tmp_path / "down").exists()


@pytest.mark.parametrize(("what", "code"), [("raise KeyboardInterrupt", 2), ("pytest.exit('enough', 7)", 7)])
def test_an_interruption_ends_it(
    tmp_path: Path,
    write: Callable[..., None],
    work: Callable[..., Any],
    run_order: Callable[..., Any],
    what: str,
    code: int,
) -> None:
    """As it ends a plain run."""
    write(tmp_path, test_a=f"import pytest\ndef test_a(): {what}\n", test_b="def test_b(): pass\n")

    told = work(tmp_path, orders=run_order("test_a.py", "test_b.py"))

    assert told.code == told.one("finish")["exit"] == code
    assert told.started == ["test_a.py::test_a"]
    assert len(told.all("interrupted")) == 1


def test_what_pytest_would_not_collect_is_passed_over(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Files that are gone, ignored in some way, outside of what is collected, or no test files: no privilege by name."""
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
    """With a plugin like pytest-dependency, chunks and files to come first are left aside."""
    write(
        tmp_path,
        pytest_dependency="",
        test_a="def test_a(): pass",
        test_b="def test_b(): pass",
        test_c="def test_c(): 0",
    )

    told = work(tmp_path, "-p", "pytest_dependency", orders=run_order("test_c.py", first=["test_b.py"]))

    assert [each.partition("::")[2] for each in told.started] == ["test_a", "test_b", "test_c"]
    assert told.all("stage") == []


@pytest.mark.parametrize("chunks", [[], ["test_e.py"]])
def test_files_that_are_named_come_first(
    tmp_path: Path,
    write: Callable[..., None],
    work: Callable[..., Any],
    run_order: Callable[..., Any],
    chunks: list[str],
) -> None:
    """In what is collected as a whole: whole files, in the order in which they are named; else the order stays."""
    code = "def test_1(): pass\ndef test_2(): pass\n"
    write(tmp_path, test_a=code, test_b=code, sub__test_c=code, test_d=code, test_e=code)

    told = work(tmp_path, orders=run_order(*chunks, first=["test_d.py", "sub/test_c.py", "absent.py"]))

    files = [each.partition("::")[0] for each in told.collected[::2]]
    others = ["test_a.py", "test_b.py"] if chunks else ["test_a.py", "test_b.py", "test_e.py"]
    assert files == [*chunks, "test_d.py", "sub/test_c.py", *others]
    assert [each.partition("::")[2] for each in told.collected] == ["test_1", "test_2"] * 5


def test_the_rest_runs_at_low_priority(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """From its beginning on; what comes before runs at the priority that was ordered."""
    write(
        tmp_path,
        test_a="import os\ndef test_a(): assert os.nice(0) == 3\n",
        test_b="import os\ndef test_b(): assert os.nice(0) == 10\n",
    )

    told = work(tmp_path, orders=run_order("test_a.py", nice=3 - os.nice(0)))

    assert told.outcomes == {"test_a": "passed", "test_b": "passed"}


def test_without_chunks_the_priority_stays(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """A whole run is what people wait for."""
    write(tmp_path, test_a=f"import os\ndef test_a(): assert os.nice(0) == {os.nice(0)}\n")

    told = work(tmp_path, orders=run_order())

    assert told.outcomes == {"test_a": "passed"}
    assert told.all("stage") == []


def test_it_ends_when_nobody_is_there_to_give_an_order(tmp_path: Path, work: Callable[..., Any]) -> None:
    """The end of the orders is the end of the worker, wherever it waits, and without a word."""
    ends = [work(tmp_path, orders=orders) for orders in ([], [{"do": "warm"}], [{"do": "warm"}, {"do": "load"}])]

    assert [told.kinds for told in ends] == [[], ["ready"], ["ready", "session", "loaded"]]
    assert [told.code for told in ends] == [0, 0, 0]


def test_what_a_waiting_worker_knows_of_the_project_is_told(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """A spare is stale once a file of these has changed."""
    write(
        tmp_path,
        plugged="import json\n",
        conftest="import helper\nopen('data.txt').close()\n",
        helper="",
        test_a="def test_a(): pass",
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p plugged\n")
    (tmp_path / "data.txt").write_text("")

    told = work(tmp_path, orders=run_order("test_a.py"))

    assert told.one("ready")["files"] == ["plugged.py"]
    assert told.one("ready")["read"] == ["pytest.ini"]
    assert told.one("loaded")["files"] == ["conftest.py", "helper.py", "plugged.py"]
    assert set(told.one("loaded")["read"]) == {"data.txt", "pytest.ini"}


def test_modules_are_imported_ahead(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Before any conftest; one that cannot be imported, or wants to end the process, is passed over."""
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    write(outside, exits="raise SystemExit(3)", warns="import warnings\nwarnings.warn('x')\n", plain="import sys\n")
    write(
        inside,
        conftest="import sys\nassert 'plain' in sys.modules\nassert 'colorsys' in sys.modules\n",
        test_a="def test_a(): pass",
    )
    orders = run_order("test_a.py")
    orders[0]["preload"] = ["exits", "absent_module", "warns", "plain", "colorsys", "a..b", ""]

    told = work(inside, orders=orders, PYTHONPATH=str(outside))

    ready = told.one("ready")
    assert told.outcomes == {"test_a": "passed"}
    assert ready["warned"] == ["warns"]
    assert 10_000_000 < ready["rss"] < 500_000_000
    assert ready["modules"] > 100


def test_plugins_of_the_environment_are_rewritten_before_anything_is_imported_ahead(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Pytest warns of a plugin's module that was imported too early, and could not rewrite its assertions."""
    write(tmp_path, plugged="import plugged_too\n", plugged_too="", test_a="def test_a(): pass")
    orders = run_order("test_a.py")
    orders[0]["preload"] = ["plugged", "plugged_too"]

    told = work(tmp_path, "-p", "plugged", "-W", "error", orders=orders)

    assert told.outcomes == {"test_a": "passed"}


def test_orders_do_not_reach_what_tests_start(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Neither the variable nor the descriptor."""
    write(
        tmp_path,
        test_a="""
        import os, subprocess, sys
        def test_a():
            code = "import os; print(os.listdir('/proc/self/fd')); print([k for k in os.environ if 'WATCHKEEPER' in k])"
            out = subprocess.run([sys.executable, "-c", code], close_fds=False, capture_output=True, text=True).stdout
            listed, named = out.splitlines()
            assert len(eval(listed)) <= 4 and named == "[]"
        """,
    )

    told = work(tmp_path, "-s", orders=run_order("test_a.py"))

    assert told.outcomes == {"test_a": "passed"}


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


def test_a_result_does_not_wait_for_the_next_file(
    tmp_path: Path, write: Callable[..., None], run_order: Callable[..., Any]
) -> None:
    """The last end of a chunk is told before the next file is read: here that one never ends by itself."""
    write(tmp_path, test_a="def test_a(): pass", test_b="import sys\nsys.stdin.close()\nwhile True: pass\n")
    reading, writing = os.pipe()
    taking, giving = os.pipe()
    env = {**os.environ, "WATCHKEEPER_RESULTS_FD": str(writing), "WATCHKEEPER_ORDERS_FD": str(taking)}
    os.write(giving, b"".join(json.dumps(order).encode() + b"\n" for order in run_order("test_a.py", "test_b.py")))

    process = subprocess.Popen(
        worker_argv(sys.executable, ["-p", "no:cacheprovider"]),
        cwd=tmp_path,
        env=env,
        stdout=subprocess.DEVNULL,
        pass_fds=(writing, taking),
    )
    os.close(writing)
    os.close(taking)
    with os.fdopen(reading, "rb") as results:
        told = next(line for line in results if json.loads(line)["kind"] == "end")
        process.kill()
    process.wait()
    os.close(giving)

    assert json.loads(told)["id"] == "test_a.py::test_a"
