"""unittest in an interpreter that has no pytest: each verdict from the cause that brings it."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.runners.unittests import Unittest, discovery
from app.domain.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

TOOL = Unittest(sys.executable)
HEAD = "import unittest, os, sys, time\nclass T(unittest.TestCase):\n"


@pytest.fixture
def project(tried: Any) -> Callable[..., None]:
    """Writes test modules: `project(test_a="body of class T")`."""

    def write(**modules: str) -> None:
        for name, body in modules.items():
            (tried.root / f"{name}.py").write_text(HEAD + textwrap.indent(textwrap.dedent(body), "    "))

    return write


async def test_green_with_each_kind_that_is_not_red(tried: Any, project: Callable[..., None]) -> None:
    """Passed, skipped and expectedly failed tests are green, in order, and counted before they run."""
    project(
        test_a="""
        def test_1(self): pass
        @unittest.skip("why")
        def test_2(self): pass
        @unittest.expectedFailure
        def test_3(self): self.fail()
        """
    )

    outcome = await tried.run(TOOL)

    names = tuple(f"test_a.py::T::test_{number}" for number in (1, 2, 3))
    assert (outcome.verdict, outcome.nodeids, outcome.complete) == (Verdict.GREEN, names, True)
    assert tuple(tried.outcomes.values()) == (Outcome.PASSED, Outcome.SKIPPED, Outcome.XFAILED)
    assert tried.totals == [3]


async def test_red_and_fixed(tried: Any, project: Callable[..., None]) -> None:
    """A failure, an error, a failed subtest and an unexpected success are red, with their texts, until mended."""
    project(
        test_a="""
        def test_1(self): self.assertEqual("left", "right")
        def test_2(self): raise ValueError("an error")
        def test_3(self):
            for number in range(3):
                with self.subTest(number=number):
                    self.assertNotEqual(number, 1)
        @unittest.expectedFailure
        def test_4(self): pass
        """
    )
    red = await tried.run(TOOL)
    texts = tried.texts
    project(test_a="def test_1(self): 'is well again now'\n")
    fixed = await tried.run(TOOL)

    assert (red.verdict, red.complete, fixed.verdict) == (Verdict.RED, True, Verdict.GREEN)
    assert "'left' != 'right'" in texts["test_a.py::T::test_1"]
    assert "ValueError: an error" in texts["test_a.py::T::test_2"]
    assert "(number=1)" in texts["test_a.py::T::test_3"]
    assert "passed" in texts["test_a.py::T::test_4"]


async def test_what_is_around_tests(tried: Any) -> None:
    """A setUpClass that fails is the fault of each test in the class; one that skips, skips them all."""
    (tried.root / "test_a.py").write_text(
        textwrap.dedent("""
        import unittest
        class A(unittest.TestCase):
            @classmethod
            def setUpClass(cls): raise RuntimeError("no database")
            def test_1(self): pass
            def test_2(self): pass
        class B(unittest.TestCase):
            @classmethod
            def setUpClass(cls): raise unittest.SkipTest("not here")
            def test_1(self): pass
        class C(unittest.TestCase):
            @classmethod
            def tearDownClass(cls): raise RuntimeError("left open")
            def test_1(self): pass
        """)
    )

    outcome = await tried.run(TOOL)

    assert outcome.verdict is Verdict.RED
    assert tried.outcomes == {
        "test_a.py::A::test_1": Outcome.ERROR,
        "test_a.py::A::test_2": Outcome.ERROR,
        "test_a.py::B::test_1": Outcome.SKIPPED,
        "test_a.py::C::test_1": Outcome.PASSED,
        "test_a.py::tearDownClass (test_a.C)": Outcome.ERROR,
    }
    assert "no database" in tried.texts["test_a.py::A::test_2"]


async def test_a_module_that_cannot_be_imported(tried: Any, project: Callable[..., None]) -> None:
    """The file is named with the reason, the other files' tests run, and nothing is green."""
    project(test_a="def test_1(self): pass\n")
    (tried.root / "test_b.py").write_text("import no_such_module\n")

    outcome = await tried.run(TOOL)

    assert (outcome.verdict, outcome.complete) == (Verdict.COLLECTION_ERROR, False)
    assert "test_b.py" in outcome.message
    assert tried.outcomes == {"test_a.py::T::test_1": Outcome.PASSED, "test_b.py": Outcome.ERROR}
    assert "no_such_module" in tried.texts["test_b.py"]


@pytest.mark.parametrize(
    ("deed", "said"),
    [("os._exit(0)", "exit code 0"), ("os.kill(os.getpid(), 11)", "SIGSEGV"), ("os._exit(5)", "code 5")],
)
async def test_a_crash(tried: Any, project: Callable[..., None], deed: str, said: str) -> None:
    """An interpreter that dies names the test during which it did, and is not taken for green."""
    project(test_a=f"def test_1(self): pass\ndef test_2(self): {deed}\n")

    outcome = await tried.run(TOOL)

    assert outcome.verdict is Verdict.CRASHED
    assert said in outcome.message
    assert "test_a.py::T::test_2" in outcome.message
    assert tried.outcomes["test_a.py::T::test_2"] is Outcome.CRASHED


async def test_a_hang(tried: Any, project: Callable[..., None]) -> None:
    """A test that never ends is ended, and named."""
    project(test_a="def test_1(self): pass\ndef test_2(self): time.sleep(600)\n")

    outcome = await tried.run(TOOL, hang_s=1.0)

    assert outcome.verdict is Verdict.HUNG
    assert "test_a.py::T::test_2" in outcome.message
    assert tried.outcomes == {"test_a.py::T::test_1": Outcome.PASSED, "test_a.py::T::test_2": Outcome.HUNG}


async def test_no_tests(tried: Any) -> None:
    """A project without tests is told as such, on each version of Python."""
    outcome = await tried.run(TOOL)

    assert (outcome.verdict, tried.told) == (Verdict.NO_TESTS, [])


@pytest.mark.parametrize("args", [("--no-such-option",), ("no.such.module",)])
async def test_wrong_arguments(tried: Any, args: tuple[str, ...]) -> None:
    """Arguments that unittest does not take make no run green."""
    outcome = await tried.run(Unittest(sys.executable, args))

    assert outcome.verdict in (Verdict.USAGE_ERROR, Verdict.COLLECTION_ERROR)
    assert outcome.message


async def test_failfast_leaves_the_rest_open(tried: Any, project: Callable[..., None]) -> None:
    """With -f the run is red, and what did not run is not gone."""
    project(test_a="def test_1(self): self.fail()\ndef test_2(self): pass\n")

    outcome = await tried.run(Unittest(sys.executable, ("-f",)))

    assert (outcome.verdict, outcome.complete, len(tried.outcomes)) == (Verdict.RED, False, 1)


async def test_changed_test_files_come_first(tried: Any, project: Callable[..., None]) -> None:
    """The tests of a file that was saved are told before the others."""
    project(test_a="def test_1(self): pass\n", test_b="def test_1(self): pass\n")

    await tried.run(TOOL, changed=["test_b.py"])

    assert list(tried.outcomes) == ["test_b.py::T::test_1", "test_a.py::T::test_1"]


async def test_a_result_comes_before_the_next_test_has_ended(tried: Any, project: Callable[..., None]) -> None:
    """Results stream, with the test that runs now."""
    project(test_a="def test_1(self): pass\ndef test_2(self):\n    while not os.path.exists('go'): time.sleep(0.01)\n")
    task = asyncio.create_task(tried.run(TOOL))

    await tried.until(lambda: tried.running[-1:] == ["test_a.py::T::test_2"])
    assert tried.outcomes == {"test_a.py::T::test_1": Outcome.PASSED}
    (tried.root / "go").touch()

    assert (await task).verdict is Verdict.GREEN


async def test_what_tests_write_is_known(tried: Any, project: Callable[..., None]) -> None:
    """A file that a test writes is told, as it was left, so that it starts no further run."""
    project(test_a="def test_1(self):\n    with open('out.txt', 'w') as file: file.write('x')\n")

    await tried.run(TOOL)

    stat = (tried.root / "out.txt").stat()
    assert tried.ran.wrote == {"out.txt": (stat.st_mtime_ns, stat.st_size)}


async def test_tests_see_nothing_of_the_channel(tried: Any, project: Callable[..., None]) -> None:
    """Neither the variables nor the descriptor reach a program that a test starts, and `__main__` is unittest's."""
    project(
        test_a="""
        def test_1(self):
            self.assertEqual([name for name in os.environ if name.startswith("WATCHKEEPER_")], [])
            self.assertTrue(sys.modules["__main__"].__file__.endswith("__main__.py"))
            self.assertIn(os.getcwd(), sys.path[:1])
            self.assertEqual([name for name in vars(sys.modules["__main__"]) if not name.startswith("__")], [])
        @unittest.skipUnless(sys.platform == "linux", "needs /proc")
        def test_2(self):
            import subprocess
            listed = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True).stdout.split()
            self.assertLessEqual(len(listed), 4)
        """
    )

    outcome = await tried.run(TOOL)

    assert outcome.verdict is Verdict.GREEN, tried.texts


async def test_a_missing_interpreter(tried: Any) -> None:
    """An interpreter that is gone is told as that."""
    outcome = await tried.run(Unittest(str(tried.root / "gone" / "python")))

    assert outcome.verdict is Verdict.NO_INTERPRETER
    assert "gone" in outcome.message


def test_discovery_looks_into_a_folder_that_is_no_package(tmp_path: Path) -> None:
    """tests/ without __init__.py is named to unittest, which would pass over it."""
    before = discovery(tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    without = discovery(tmp_path)
    (tmp_path / "tests" / "__init__.py").touch()

    assert (before, without, discovery(tmp_path)) == ((), ("discover", "-s", "tests", "-t", "tests"), ())


def interpreter(version: str) -> str:
    found = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    return str(found[0]) if found else pytest.skip(f"pyenv has no Python {version} here")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
async def test_other_pythons(tried: Any, project: Callable[..., None], version: str) -> None:
    """Each Python from 3.8 on tells the same."""
    python = interpreter(version)
    project(test_a="def test_1(self): pass\ndef test_2(self): self.fail('why')\n")

    outcome = await tried.run(Unittest(python))

    assert outcome.verdict is Verdict.RED
    assert tried.outcomes == {"test_a.py::T::test_1": Outcome.PASSED, "test_a.py::T::test_2": Outcome.FAILED}
