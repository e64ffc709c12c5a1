"""A project in a folder, and a worker in it: what it is ordered, and what it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.running.launch import worker_argv
from tests.unplugged import WITHOUT_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


PYTHON = os.environ.get("WORKER_PYTHON", sys.executable)
"""The interpreter that the workers run in; the matrix of versions names others."""


class Told:
    """What a worker told: its lines, its exit code and its output."""

    def __init__(self, content: bytes, code: int, output: str) -> None:
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in content.splitlines()]
        self.code = code
        self.output = output

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["kind"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        (line,) = self.all(kind)
        return line

    @property
    def ends(self) -> dict[str, str]:
        """The outcomes by node id; of a test that was told twice, the last."""
        return {line["id"]: line["outcome"] for line in self.all("end")}

    @property
    def outcomes(self) -> dict[str, str]:
        """The same by the node id's part after the file."""
        return {nodeid.partition("::")[2]: outcome for nodeid, outcome in self.ends.items()}

    @property
    def kinds(self) -> list[str]:
        return [line["kind"] for line in self.lines]

    @property
    def started(self) -> list[str]:
        return [line["id"] for line in self.all("start")]

    @property
    def collected(self) -> list[str]:
        return [each for line in self.all("items") for each in line["ids"]]

    def codes(self, line: dict[str, Any]) -> set[str]:
        """Return the functions that a line of `deps` or `imported` names: `file:name`."""
        names = {code[0]: f"{code[1]}:{code[3]}" for each in self.all("codes") for code in each["add"]}
        return {names[number] for number in line["codes"]}

    def deps(self, nodeid: str) -> dict[str, Any]:
        """Return what was told last of what a test touched."""
        return [line for line in self.all("deps") if line["id"] == nodeid][-1]


def _write(folder: Path, **files: str) -> None:
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/').replace('//init/', '/__init__')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), encoding="utf-8")


def _work(
    folder: Path,
    *arguments: str,
    orders: Sequence[dict[str, Any]] | None = None,
    python: str = PYTHON,
    plugins: bool = False,
    **variables: str,
) -> Told:
    reading, writing = os.pipe()
    taking, giving = os.pipe()
    env = {**os.environ, WITHOUT_PLUGINS: "1", "WATCHKEEPER_RESULTS_FD": str(writing), **variables}
    if plugins:
        del env[WITHOUT_PLUGINS]
    if orders is not None:
        env["WATCHKEEPER_ORDERS_FD"] = str(taking)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            worker_argv(python, arguments),
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,) if orders is None else (writing, taking),
        )
        os.close(writing)
        os.close(taking)
        with os.fdopen(giving, "wb") as ordering:
            for order in orders or ():
                ordering.write(json.dumps(order).encode() + b"\n")
        with process, os.fdopen(reading, "rb") as results:
            content = results.read()
        output.seek(0)
        return Told(content, process.returncode, output.read().decode("utf-8", "replace"))


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
def write() -> Callable[..., None]:
    """Write Python files into a folder: `test_a="..."` is test_a.py, `sub__a` sub/a.py, `sub____init__` a package."""
    return _write


@pytest.fixture
def work() -> Callable[..., Told]:
    """Run a worker in a folder to its end and return what it told."""
    return _work


@pytest.fixture
def run_order() -> Callable[..., list[dict[str, Any]]]:
    """Return all three orders of a cold start: files, or whole chunks, that run first, and fields of the order."""

    def orders(
        *chunks: str | dict[str, Any], load: dict[str, Any] | None = None, **fields: Any
    ) -> list[dict[str, Any]]:
        files = [{"path": each} if isinstance(each, str) else each for each in chunks]
        run = {"do": "run", "chunks": files, "rest": True, "stream": True, "trace": "none", "nice": 0, **fields}
        return [{"do": "warm", "preload": [], "rehearse": True}, {"do": "load", **(load or {})}, run]

    return orders


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    """Return a project with all that makes pytest's sessions hard to take apart."""
    folder = tmp_path / "nasty"
    _write(folder, **NASTY)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --doctest-glob=*.txt\n")
    (folder / "tests" / "words.txt").write_text(">>> 1 + 1\n2\n>>> 1 + 1\n3\n")
    return folder
