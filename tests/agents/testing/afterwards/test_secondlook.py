"""The second look at red tests: real pytest on real sources, in a project that is installed the ways projects are."""

# ruff: noqa: ASYNC221 - these tests may block: nothing else runs on their loop
from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import sysconfig
import textwrap
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from app.agents.testing.afterwards.lastgreen import LastGreen
from app.agents.testing.afterwards.secondlook import LOOK_AT_MOST, SecondLook, chosen, failure_words, outcome_before
from app.agents.testing.afterwards.selected import Project, Selected, run_selected
from app.domain.verdicts import Blame, Check, Outcome, TestResult
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Sequence

LATER = 1e12
HANG_S = 20.0

FINDER = """
import importlib.util, os, sys
MAPPING = {{"demo": {package!r}}}
NAMESPACES = {{}}
class _EditableFinder:
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname in MAPPING:
            init = os.path.join(MAPPING[fullname], "__init__.py")
            return importlib.util.spec_from_file_location(fullname, init)
def install():
    sys.meta_path.append(_EditableFinder)
"""
REDIRECTING = """
import importlib.util, sys
class RedirectingFinder:
    _redirections = {{"demo": {init!r}}}
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname in cls._redirections:
            return importlib.util.spec_from_file_location(fullname, cls._redirections[fullname])
def install():
    sys.meta_path.insert(0, RedirectingFinder)
"""


class World:
    """One project under git with a virtual environment, in which it is installed for development."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.top = folder / "project"
        self.root = self.top
        self.clock = SystemClock()
        self.runner = ProcessRunner(clock=self.clock)
        self.environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        self.args: tuple[str, ...] = ()
        self.heard: list[tuple[str, Check]] = []
        self.write("src/demo/__init__.py", "def answer():\n    return 42\n")
        self.write(".gitignore", ".venv/\nignored*\n")
        venv.create(self.top / ".venv", symlinks=os.name != "nt")
        layout = {"base": str(self.top / ".venv"), "platbase": str(self.top / ".venv")}
        self.site = Path(sysconfig.get_path("purelib", "venv", layout))
        (self.site / "ours.pth").write_text(sysconfig.get_path("purelib"))
        self.install("path")
        subprocess.run(["git", "init", "-q"], cwd=self.top, check=True)

    def install(self, way: str) -> None:
        """Install the package for development: by a path, or by one of two sorts of finders."""
        package = self.top / "src" / "demo"
        content = str(package.parent)
        if way != "path":
            content = f"import finder_of_{way}; finder_of_{way}.install()"
            code = FINDER if way == "setuptools" else REDIRECTING
            code = code.format(package=str(package), init=str(package / "__init__.py"))
            (self.site / f"finder_of_{way}.py").write_text(code)
        (self.site / "demo.pth").write_text(content)

    def write(self, path: str, content: str) -> None:
        """Write a file."""
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(content))

    @property
    def project(self) -> Project:
        """The project, as it is run."""
        python = self.top / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        return Project(self.root, str(python), self.args, self.environ, self.runner)

    @property
    def last_green(self) -> LastGreen:
        """The keeper of its last green source."""
        folder = self.folder / "cache"
        return LastGreen(self.root, runner=self.runner, clock=self.clock, folder=folder, environ=self.environ)

    async def green(self) -> None:
        """Say that the source is green now."""
        assert await self.last_green.keep(began=LATER)

    async def red(self, *nodeids: str) -> list[TestResult]:
        """Run these tests, which fail."""
        selected = await run_selected(self.project, nodeids, limit_s=HANG_S)
        assert [selected.results[nodeid].outcome.is_red for nodeid in nodeids] == [True] * len(nodeids)
        return [selected.results[nodeid] for nodeid in nodeids]

    def look(self, hang_s: float = HANG_S) -> SecondLook:
        """A second look."""
        return SecondLook(self.project, last_green=self.last_green, hang_s=hang_s, clock=self.clock)

    async def check(self, red: Sequence[TestResult], hang_s: float = HANG_S) -> dict[str, Check]:
        """Look at them once more; returns what was said last of each."""
        await self.look(hang_s).run(red, lambda nodeid, check: self.heard.append((nodeid, check)))
        return dict(self.heard)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


RED = Check(Outcome.FAILED)
CHANGE = Check(Outcome.FAILED, Outcome.PASSED)
ELSEWHERE = Check(Outcome.FAILED, Outcome.FAILED)


@pytest.mark.parametrize("way", ["path", "setuptools", "editables"])
async def test_the_change_did_it(way: str, world: World) -> None:
    """A test that is green on the last green source is red by the change, however the project is installed."""
    world.install(way)
    world.write("tests/test_a.py", "import demo\ndef test_answer(): assert demo.answer() == 42\n")
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")

    checks = await world.check(await world.red("tests/test_a.py::test_answer"))

    assert checks == {"tests/test_a.py::test_answer": CHANGE}
    assert CHANGE.blame is Blame.CHANGE
    assert [check for _, check in world.heard] == [RED, CHANGE]  # what is known early is said early


async def test_a_flaky_test(world: World) -> None:
    """A test that is green when it runs once more is flaky, and nothing else is asked of it."""
    world.write("tests/test_a.py", "def test_a(): pass\n")
    await world.green()

    checks = await world.check([TestResult("tests/test_a.py::test_a", Outcome.FAILED, 0.1, "E   assert 0")])

    assert checks == {"tests/test_a.py::test_a": Check(Outcome.PASSED)}


async def test_it_runs_alone(world: World) -> None:
    """What another test of its file left behind is not there, and neither is another test file."""
    world.write("tests/test_a.py", "LEFT = []\ndef test_1(): LEFT.append(1)\ndef test_2(): assert not LEFT\n")
    world.write("tests/test_b.py", "raise RuntimeError('imported')\n")

    checks = await world.check([TestResult("tests/test_a.py::test_2", Outcome.FAILED)])

    assert checks["tests/test_a.py::test_2"].blame is Blame.FLAKY


async def test_something_else_did_it(world: World) -> None:
    """A test that fails on the last green source in the same words was broken by something else."""
    world.write("tests/test_a.py", f"def test_a(): assert not open({str(world.folder / 'state')!r}).read()\n")
    (world.folder / "state").write_text("")
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")
    (world.folder / "state").write_text("broken")

    checks = await world.check(await world.red("tests/test_a.py::test_a"))

    assert checks == {"tests/test_a.py::test_a": ELSEWHERE}
    assert ELSEWHERE.blame is Blame.ELSEWHERE


async def test_an_ignored_file_is_missing_there(world: World) -> None:
    """A test that fails there for another reason than here says nothing of the change."""
    world.write("ignored.txt", "42")
    world.write(
        "tests/test_a.py",
        "import demo\ndef test_a(): assert demo.answer() == int(open('ignored.txt').read())\n",
    )
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")

    checks = await world.check(await world.red("tests/test_a.py::test_a"))

    assert checks == {"tests/test_a.py::test_a": RED}


@pytest.mark.parametrize(
    "body",
    [
        "assert 'return 42' in open({init!r}).read()",
        "import runpy; assert runpy.run_path({init!r})['answer']() == 42",
        "import subprocess; assert subprocess.run(['git', '--version']).returncode",
    ],
    ids=["reads", "imports", "starts"],
)
async def test_what_takes_part_in_both(body: str, world: World) -> None:
    """Nothing is said when a test reads or loads today's source there too, or fails with the help of a program."""
    init = str(world.top / "src" / "demo" / "__init__.py")
    world.write("tests/test_a.py", f"import demo\ndef test_a(): {body.format(init=init)}\n")
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")

    checks = await world.check(await world.red("tests/test_a.py::test_a"))

    assert checks == {"tests/test_a.py::test_a": RED}


async def test_a_program_that_a_test_starts_runs_the_last_green_source(world: World) -> None:
    """The project's own code is the old one in other processes too."""
    world.write(
        "tests/test_a.py",
        """
        import subprocess, sys
        def test_a():
            code = "import demo; print(demo.answer())"
            assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "42\\n"
        """,
    )
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")

    checks = await world.check(await world.red("tests/test_a.py::test_a"))

    assert checks == {"tests/test_a.py::test_a": CHANGE}


async def test_a_new_test(world: World) -> None:
    """Of a test that was not there before, nothing is said of the change."""
    await world.green()
    world.write("tests/test_a.py", "def test_a(): assert 0\n")

    checks = await world.check(await world.red("tests/test_a.py::test_a"))

    assert checks == {"tests/test_a.py::test_a": RED}


async def test_without_a_last_green_source(world: World) -> None:
    """A test runs once more alone, and that is all."""
    world.write("tests/test_a.py", "def test_a(): assert 0\n")

    checks = await world.check(await world.red("tests/test_a.py::test_a"))

    assert checks == {"tests/test_a.py::test_a": RED}


async def test_a_file_that_cannot_be_imported(world: World) -> None:
    """It counts as one test, and does not keep others from being looked at."""
    world.write("tests/test_a.py", "import demo\ndemo.answer()\ndef test_a(): pass\n")
    world.write("tests/test_b.py", "import demo\ndef test_b(): assert hasattr(demo, 'answer')\n")
    await world.green()
    world.write("src/demo/__init__.py", "\n")

    checks = await world.check(await world.red("tests/test_a.py", "tests/test_b.py::test_b"))

    assert checks == {
        "tests/test_a.py": Check(Outcome.ERROR, Outcome.PASSED),
        "tests/test_b.py::test_b": CHANGE,
    }


async def test_a_crash(world: World) -> None:
    """A test that ends the interpreter is looked at as any other."""
    world.write("tests/test_a.py", "import demo, os\ndef test_a():\n    if demo.answer() != 42: os._exit(3)\n")
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")

    checks = await world.check(await world.red("tests/test_a.py::test_a"))

    assert checks == {"tests/test_a.py::test_a": Check(Outcome.CRASHED, Outcome.PASSED)}


async def test_a_hang(world: World) -> None:
    """A test that hangs is waited for no longer than a run would."""
    world.write("tests/test_a.py", "import demo, time\ndef test_a(): time.sleep(60 * (demo.answer() != 42))\n")
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")
    hung = TestResult("tests/test_a.py::test_a", Outcome.HUNG)

    checks = await world.check([hung], hang_s=4.0)

    assert checks == {"tests/test_a.py::test_a": Check(Outcome.HUNG, Outcome.PASSED)}


async def test_names_and_arguments(world: World) -> None:
    """Any name of a test will do, and so will arguments that name files, limit failures, or ask for what failed."""
    world.args = ("-x", "--lf", "--lfnf=none", "tests/test_a.py")
    world.write(
        "tests/test_a.py",
        """
        import demo, pytest
        @pytest.mark.parametrize("value", ["a b", "[x]", "$(y)", "-k", "\u00e9"])
        def test_a(value): assert demo.answer() == 42
        class TestB:
            def test_b(self): assert demo.answer() == 42
        """,
    )
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")
    names = ("a b", "[x]", "$(y)", "-k", "\\xe9")
    nodeids = [f"tests/test_a.py::test_a[{name}]" for name in names] + ["tests/test_a.py::TestB::test_b"]

    checks = await world.check(await world.red(*nodeids))

    assert checks == dict.fromkeys(nodeids, CHANGE)
    assert not (world.top / ".pytest_cache").exists()


async def test_a_project_in_a_part_of_the_repository(world: World) -> None:
    """Its tests have other names than their paths when the configuration lies above, and import what lies beside."""
    world.write("pytest.ini", "[pytest]\n")
    world.write("part/tests/test_a.py", "import demo\ndef test_a(): assert demo.answer() == 42\n")
    subprocess.run(["git", "add", "-A"], cwd=world.top, check=True)
    world.root = world.top / "part"
    await world.green()
    world.write("src/demo/__init__.py", "def answer():\n    return 43\n")

    checks = await world.check(await world.red("part/tests/test_a.py::test_a"))

    assert checks == {"part/tests/test_a.py::test_a": CHANGE}


async def test_what_the_tests_write(world: World) -> None:
    """It is known, so that it is not taken for a save; what they write in the copy is not."""
    world.write("tests/test_a.py", "def test_a():\n    open('written', 'w').close()\n    assert 0\n")
    await world.green()
    red = await world.red("tests/test_a.py::test_a")
    look = world.look()

    await look.run(red, lambda _nodeid, _check: None)

    seen = (world.top / "written").stat()
    assert look.wrote == {"written": (seen.st_mtime_ns, seen.st_size)}


async def test_the_next_save_ends_it(world: World) -> None:
    """Cancelled, it leaves no process and no copy behind."""
    pid = world.folder / "pid"
    world.write(
        "tests/test_a.py",
        f"""
        import os, time
        def test_a():
            open({str(pid)!r}, "w").write(str(os.getpid()))
            time.sleep(60 if {str(world.folder / "cache")!r} in os.getcwd() else 0)
            assert 0
        """,
    )
    await world.green()
    red = await world.red("tests/test_a.py::test_a")
    alone = asyncio.Event()
    task = asyncio.create_task(world.look().run(red, lambda _nodeid, _check: alone.set()))
    async with asyncio.timeout(HANG_S):
        await alone.wait()
        pid.unlink()
        while not (pid.exists() and pid.read_text()):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
    process = int(pid.read_text())

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not psutil.pid_exists(process)
    assert list((world.folder / "cache" / "copies").iterdir()) == []


async def test_an_interpreter_that_is_gone(world: World) -> None:
    """Nothing is said."""
    world.write("tests/test_a.py", "def test_a(): assert 0\n")
    red = await world.red("tests/test_a.py::test_a")
    (world.top / ".venv" / "bin" / "python").unlink()

    assert await world.check(red) == {}


def test_few_are_looked_at() -> None:
    """The quickest come first, what was ended by force last, and there is a limit."""
    slow, quick, hung = (
        TestResult("slow", Outcome.FAILED, 3.0),
        TestResult("quick", Outcome.ERROR, 0.1),
        TestResult("hung", Outcome.HUNG, 0.0),
    )
    many = [TestResult(str(each), Outcome.FAILED, 1.0) for each in range(2 * LOOK_AT_MOST)]

    assert chosen([slow, hung, quick]) == [quick, slow, hung]
    assert len(chosen(many)) == LOOK_AT_MOST


def result(outcome: Outcome, text: str = "") -> TestResult:
    return TestResult("a", outcome, 0.0, text)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (result(Outcome.PASSED), result(Outcome.FAILED), Outcome.PASSED),
        (result(Outcome.XFAILED), result(Outcome.FAILED), Outcome.XFAILED),
        (result(Outcome.SKIPPED), result(Outcome.FAILED), None),
        (result(Outcome.FAILED, "E   A: x"), result(Outcome.FAILED, "E   A: x"), Outcome.FAILED),
        (result(Outcome.FAILED, "E   A: /copy/x"), result(Outcome.FAILED, "E   A: /tree/x"), Outcome.FAILED),
        (result(Outcome.FAILED, "E   A: x"), result(Outcome.FAILED, "E   A: y"), None),
        (result(Outcome.FAILED, "E   A: x"), result(Outcome.ERROR, "E   A: x"), None),
        (result(Outcome.CRASHED, "x"), result(Outcome.CRASHED, "y"), Outcome.CRASHED),
        (result(Outcome.HUNG), result(Outcome.CRASHED), None),
    ],
)
def test_what_is_said_of_before(before: TestResult, now: TestResult, said: Outcome | None) -> None:
    """Green counts, red only when it says the same, and skipped says nothing."""
    there = Selected({"a": before}, is_apart=True)

    assert outcome_before(there, "a", [result(Outcome.FAILED, "other"), now], folders=("/copy", "/tree")) == said


def test_what_is_not_apart_says_nothing() -> None:
    """Not even that a test is green; with other programs at work, only that counts."""
    green, red = ({"a": result(outcome)} for outcome in (Outcome.PASSED, Outcome.FAILED))
    failures = [result(Outcome.FAILED)]

    assert outcome_before(Selected(green), "a", failures, folders=()) is None
    assert outcome_before(Selected(green, is_apart=True, is_opaque=True), "a", failures, folders=()) is Outcome.PASSED
    assert outcome_before(Selected(red, is_apart=True, is_opaque=True), "a", failures, folders=()) is None
    assert outcome_before(Selected({}, is_apart=True), "a", failures, folders=()) is None


LONG = """
    def test_a():
>       assert f() == 2
E       assert 1 == 2
E        +  where 1 = f()

test_a.py:3: AssertionError

During handling of the above exception, another exception occurred:

>       raise ValueError(Thing())
E       ValueError: <Thing object at 0x7f00aa> in /tmp/pytest-of-me/pytest-12/x of {root}
E       and more

test_a.py:5: ValueError
------------------------------ Captured stdout call ------------------------------
E       not this
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LONG.format(root="/tree"), "ValueError: <Thing object at > in /tmp//x of"),
        ("Traceback:\n  File /tree/a.py\nKeyError: 'x'\n", "Traceback:\n  File /a.py\nKeyError: 'x'"),
        ("", ""),
    ],
)
def test_the_words_of_a_failure(text: str, words: str) -> None:
    """The last exception counts, by its first line; without pytest's marks, all of the text does."""
    assert failure_words(text, ["/tree"]) == words
