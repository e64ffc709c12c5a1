"""What is made quick about a failure says the same as before."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code import code as pytest_code
from _pytest._code.source import Source, getstatementrange_ast

from app.agents.testing.worker.failures import around, hasten, note_modules, rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARY = Path(sysconfig.get_path("stdlib"))

FILES = ("dataclasses.py", "tempfile.py", "contextlib.py", "enum.py", "typing.py", "unittest/mock.py")


@pytest.mark.parametrize("name", FILES)
def test_a_statement_is_found_where_pytest_finds_it(name: str) -> None:
    """For each line of a file, with the part of its tree alone as with the whole."""
    text = (LIBRARY / name).read_text(encoding="utf-8")
    source, tree = Source(text), ast.parse(text)

    for line in range(0, len(source.lines), 7):
        expected = getstatementrange_ast(line, source, astnode=tree)[1:]

        assert getstatementrange_ast(line, source, astnode=around(tree, line))[1:] == expected, line


def test_the_part_is_small() -> None:
    """Of a class only the method is left, and what is behind it, where it ends."""
    text = "def a(): pass\nclass B:\n    x = 1\n    @c\n    def d(self): pass\n    def e(self): pass\ndef f(): pass\n"

    parts = [[getattr(each, "name", "x") for each in around(ast.parse(text), line).body] for line in range(7)]

    assert parts == [["a", "B"], ["B", "f"], ["x", "d"], ["d", "e"], ["d", "e"], ["e", "f"], ["f"]]


def test_pytest_asks_for_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it gets back is the whole tree, which it keeps for other lines of the same traceback."""
    monkeypatch.setattr(pytest_code, "getstatementrange_ast", getstatementrange_ast)
    source = Source("def one():\n    pass\n\n\ndef two():\n    x = (1 +\n         2)\n    return x\n")

    hasten()
    asked: Any = pytest_code.getstatementrange_ast
    first, second = asked(5, source), asked(1, source)

    assert first[1:] == (5, 7)
    assert second[1:] == (1, 2)
    assert first[0] is second[0]
    assert [each.name for each in first[0].body] == ["one", "two"]


def test_what_cannot_be_parsed_is_pytests_own_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises as it does without us."""
    monkeypatch.setattr(pytest_code, "getstatementrange_ast", getstatementrange_ast)
    hasten()
    asked: Any = pytest_code.getstatementrange_ast

    with pytest.raises(SyntaxError):
        asked(0, Source("def (:\n"))


def test_modules_are_noted_as_inspect_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module is found by its file afterwards, without a look at all the others."""
    monkeypatch.setattr(inspect, "modulesbyfile", {})
    monkeypatch.setattr(inspect, "_filesbymodname", {})

    note_modules()
    noted = dict(inspect.modulesbyfile)

    assert inspect.getmodule(rehearse) is sys.modules[rehearse.__module__]
    assert noted[inspect.getabsfile(pytest)] == "pytest"
    assert noted.items() <= inspect.modulesbyfile.items()


def test_a_failure_reads_the_same(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """In the part that runs first, word by word what a whole run says: locals, statements of several lines, helpers."""
    write(
        tmp_path,
        helper="""
            def check(value):
                if value:
                    raise ValueError(
                        "no",
                        value,
                    )
        """,
        test_it="""
            import pytest
            from helper import check

            class TestIt:
                @pytest.mark.parametrize("value", [1, 2])
                def test_method(self, value):
                    check(
                        value
                    )

            def test_compared():
                left = {"a": [1, 2, 3]}
                assert left == {
                    "a": [1, 2, 4],
                }

            def test_nested():
                def inner():
                    assert [] or 0, "words"
                inner()
        """,
    )

    whole = work(tmp_path, "-p", "no:cacheprovider", orders=run_order())
    first = work(tmp_path, "-p", "no:cacheprovider", orders=run_order("test_it.py", rest=False))

    texts, again = (
        {line["id"]: re.sub("0x[0-9a-f]+", "0x", line["text"]) for line in told.all("end")} for told in (whole, first)
    )
    assert again == texts
    assert "assert left == {" in texts["test_it.py::test_compared"]
    assert len(texts) == 4
