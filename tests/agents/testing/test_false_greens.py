"""Changes that a map of executed functions alone overlooks: each must turn the tests red, never leave a false green."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

import pytest

from app.domain.verdicts import Verdict
from tests.mutations.watched import watching

if TYPE_CHECKING:
    from pathlib import Path

BYSTANDERS = "def test_bystander():\n    pass\n"

CASES = {
    "a module's constant": (
        {
            "rates.py": "RATE = 3\nOTHER = 1\n\ndef price(count):\n    return count * RATE\n",
            "test_rates.py": """
                import rates

                def test_price():
                    assert rates.price(2) == 6

                def test_constant():
                    assert rates.RATE == 3
            """,
        },
        ("rates.py", "RATE = 3", "RATE = 30"),
        {"test_rates.py::test_price", "test_rates.py::test_constant"},
    ),
    "a constant computed from another module's": (
        {
            "base.py": "SIZE = 4\n",
            "derived.py": "from base import SIZE\n\nAREA = SIZE * SIZE\n",
            "test_area.py": "from derived import AREA\n\ndef test_area():\n    assert AREA == 16\n",
        },
        ("base.py", "SIZE = 4", "SIZE = 40"),
        {"test_area.py::test_area"},
    ),
    "a session fixture's helper": (
        {
            "helper.py": "def connect():\n    return {'port': 80}\n",
            "conftest.py": """
                import pytest
                from helper import connect

                @pytest.fixture(scope="session")
                def connection():
                    return connect()
            """,
            "test_first.py": "def test_first(connection):\n    assert connection['port'] == 80\n",
            "test_second.py": """
                def test_second(connection):
                    assert connection['port'] == 80

                def test_asks_for_it(request):
                    assert request.getfixturevalue('connection')['port'] == 80
            """,
        },
        ("helper.py", "80", "81"),
        {
            "test_first.py::test_first",
            "test_second.py::test_second",
            "test_second.py::test_asks_for_it",
        },
    ),
    "a function behind lru_cache": (
        {
            "cached.py": """
                import functools

                @functools.lru_cache(maxsize=None)
                def table():
                    return _build()

                def _build():
                    return {"a": 1}
            """,
            "test_cached.py": "import cached\n\ndef test_cached():\n    assert cached.table()['a'] == 1\n",
            "test_cached_too.py": "import cached\n\ndef test_cached_too():\n    assert cached.table()['a'] == 1\n",
        },
        ("cached.py", '{"a": 1}', '{"a": 2}'),
        {"test_cached.py::test_cached", "test_cached_too.py::test_cached_too"},
    ),
    "a value that another test's call left in a module": (
        {
            "lazy.py": """
                _value = None

                def value():
                    global _value
                    if _value is None:
                        _value = _make()
                    return _value

                def _make():
                    return 7
            """,
            "test_lazy.py": "import lazy\n\ndef test_lazy():\n    assert lazy.value() == 7\n",
            "test_lazy_too.py": "import lazy\n\ndef test_lazy_too():\n    assert lazy.value() == 7\n",
        },
        ("lazy.py", "return 7", "return 8"),
        {"test_lazy.py::test_lazy", "test_lazy_too.py::test_lazy_too"},
    ),
    "a data file": (
        {
            "prices.json": '{"apple": 3}\n',
            "shop.py": """
                import json, pathlib

                def price(name):
                    return json.loads(pathlib.Path(__file__).with_name("prices.json").read_text())[name]
            """,
            "test_shop.py": "import shop\n\ndef test_price():\n    assert shop.price('apple') == 3\n",
        },
        ("prices.json", "3", "4"),
        {"test_shop.py::test_price"},
    ),
    "a data file that is read at import": (
        {
            "words.txt": "one\n",
            "words.py": "with open('words.txt') as file:\n    WORDS = file.read().split()\n",
            "test_words.py": "import words\n\ndef test_words():\n    assert words.WORDS == ['one']\n",
        },
        ("words.txt", "one", "two"),
        {"test_words.py::test_words"},
    ),
}


def put(root: Path, files: dict[str, str]) -> None:
    root.mkdir()
    for name, text in files.items():
        (root / name).write_text(textwrap.dedent(text), encoding="utf-8")


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


# In short one project of all cases: most of a case's time is the start of its watch.
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(list(CASES), id="all in one project"),
        *(pytest.param([case], id=case, marks=pytest.mark.slow) for case in CASES),
    ],
)
async def test_what_a_map_of_functions_overlooks_is_seen(tmp_path: Path, names: list[str]) -> None:
    """The change turns every test red that rests on it, and no run calls the project green before it is mended."""
    root = tmp_path / "proj"
    files = {name: text for case in names for name, text in CASES[case][0].items()}
    put(root, {**files, "test_bystander.py": BYSTANDERS})
    broken: dict[str, set[str]] = {}
    mended: dict[str, set[str]] = {}

    async with watching(root, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        for case in names:
            name, old, new = CASES[case][1]
            done = len(watched.verdicts)
            replace(root / name, old, new)
            await watched.ran(done + 1)
            broken[case] = watched.red
            await watched.pause()
            replace(root / name, new, old)
            await watched.ran(done + 2)
            mended[case] = watched.red
            await watched.pause()

    assert broken == {case: CASES[case][2] for case in names}
    assert not any(mended.values())
    assert watched.verdicts == [Verdict.GREEN, *[Verdict.RED, Verdict.GREEN] * len(names)]


@pytest.mark.parametrize("turns", [2, pytest.param(6, marks=pytest.mark.slow)])
async def test_an_edit_of_the_same_size_within_the_same_second_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """Python would take the old bytecode for the new file's each time: a right verdict for every edit."""
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "proj"
    put(
        root,
        {
            "calc.py": "def answer():\n    return 42\n",
            "test_calc.py": "import calc\n\ndef test_answer():\n    assert calc.answer() == 42\n",
            "test_bystander.py": BYSTANDERS,
        },
    )
    code = root / "calc.py"
    texts = [f"def answer():\n    return {number}\n" for number in (24, 42) * turns]
    second = code.stat().st_mtime_ns // 10**9 * 10**9

    async with watching(root, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        for done, text in enumerate(texts):
            written = root / "calc.py.new"
            written.write_text(text, encoding="utf-8")
            # Bytecode knows a source by its size and by whole seconds: all these saves are one and the same to it.
            os.utime(written, ns=(second + done, second + done))
            written.replace(code)
            await watched.ran(done + 2)
            await watched.pause()

    assert watched.verdicts == [Verdict.GREEN, *[Verdict.RED, Verdict.GREEN] * turns]
