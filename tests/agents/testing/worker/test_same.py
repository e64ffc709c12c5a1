"""A run file by file comes to the same as a plain one: each test, the fixtures, the end of the session."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def chunks_of(told: Any, seed: int) -> list[dict[str, Any]]:
    """Return a choice of chunks, by chance, from what a plain run collected."""
    chance = random.Random(seed)  # noqa: S311 - the same on each run
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
    *,
    seed: int,
    stream: bool,
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
    *,
    what: str,
    code: int,
) -> None:
    """As it ends a plain run."""
    write(tmp_path, test_a=f"import pytest\ndef test_a(): {what}\n", test_b="def test_b(): pass\n")

    told = work(tmp_path, orders=run_order("test_a.py", "test_b.py"))

    assert told.code == told.one("finish")["exit"] == code
    assert told.started == ["test_a.py::test_a"]
    assert len(told.all("interrupted")) == 1
