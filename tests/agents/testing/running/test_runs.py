"""Runs over real pytest: each verdict from the cause that brings it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import psutil
import pytest

from app.agents.testing.running import following
from app.agents.testing.running.environment import child_environment, drop_bytecode
from app.agents.testing.running.orders import Order
from app.agents.testing.running.runs import RunOutcome, TestRun
from app.agents.testing.spares.spares import Recipe, Spares
from app.domain.verdicts import Outcome, Verdict
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.domain.verdicts import TestResult


class Heard:
    """What a run told while it went on."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.batches: list[tuple[TestResult, ...]] = []
        self.running: list[str] = []
        self.something = asyncio.Event()

    def collected(self, total: int) -> None:
        self.totals.append(total)

    def results(self, results: tuple[TestResult, ...], running: str) -> None:
        self.batches.append(results)
        self.running.append(running)
        self.something.set()

    @property
    def all(self) -> dict[str, TestResult]:
        return {result.nodeid: result for batch in self.batches for result in batch}

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {nodeid: result.outcome for nodeid, result in self.all.items()}


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes files into a project's folder and returns it: `project(test_a="...", pytest__ini="...")`."""

    def write(**files: str) -> Path:
        for name, content in files.items():
            path = tmp_path / (name.replace("__", ".") if "__" in name else f"{name}.py")
            path.write_text(textwrap.dedent(content))
        return tmp_path

    return write


def prepare(
    root: Path,
    *arguments: str,
    interpreter: str = sys.executable,
    hang_s: float = 30.0,
    order: Order = Order(),  # noqa: B008 - it cannot be changed
) -> TestRun:
    clock = SystemClock()
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    spares = Spares(root, runner=ProcessRunner(clock=clock), clock=clock, environ=environ, want=0)

    async def plan() -> Order:
        return order

    return TestRun(
        root=root,
        interpreter=interpreter,
        take=lambda: spares.cold(Recipe(interpreter, arguments)),
        plan=plan,
        hang_s=hang_s,
        clock=clock,
    )


async def go(heard: Heard, run: TestRun) -> RunOutcome:
    return await run.run(heard.collected, heard.results)


async def test_green(heard: Heard, project: Callable[..., Path]) -> None:
    """All tests passed, and all that were collected have their result."""
    root = project(test_a="import pytest\ndef test_1(): pass\n@pytest.mark.skip\ndef test_2(): pass\n")

    outcome = await go(heard, prepare(root))

    assert (outcome.verdict, outcome.message, outcome.output, outcome.complete) == (Verdict.GREEN, "", "", True)
    assert outcome.nodeids == ("test_a.py::test_1", "test_a.py::test_2")
    assert heard.totals == [2]
    assert heard.outcomes == {"test_a.py::test_1": Outcome.PASSED, "test_a.py::test_2": Outcome.SKIPPED}
    assert outcome.duration_s > 0


async def test_red(heard: Heard, project: Callable[..., Path]) -> None:
    """A failed test makes the run red, and brings its text."""
    root = project(test_a="def test_1(): assert 'left' == 'right'\ndef test_2(): pass\n")

    outcome = await go(heard, prepare(root))

    assert (outcome.verdict, outcome.complete) == (Verdict.RED, True)
    assert "assert 'left' == 'right'" in heard.all["test_a.py::test_1"].output
    assert heard.all["test_a.py::test_2"].output == ""


async def test_results_come_while_the_run_goes_on(heard: Heard, project: Callable[..., Path], tmp_path: Path) -> None:
    """A result is told, with the test that runs now, before the next test has ended."""
    root = project(
        test_a="""
        import os, time
        def test_1(): pass
        def test_2():
            while not os.path.exists("go"):
                time.sleep(0.01)
        """
    )
    task = asyncio.create_task(go(heard, prepare(root)))

    async with asyncio.timeout(30):
        while "test_a.py::test_1" not in heard.all or heard.running[-1] != "test_a.py::test_2":
            heard.something.clear()
            await heard.something.wait()
    assert not task.done()
    (tmp_path / "go").touch()

    assert (await task).verdict is Verdict.GREEN


async def test_many_results_come_in_batches(heard: Heard, project: Callable[..., Path]) -> None:
    """A fast suite does not make one event of each test."""
    root = project(
        test_a="import pytest\n@pytest.mark.parametrize('x', range(1000))\ndef test_a(x): pass\n",
    )

    outcome = await go(heard, prepare(root))

    assert outcome.verdict is Verdict.GREEN
    assert len(heard.all) == 1000
    assert len(heard.batches) < 200


async def test_a_file_that_cannot_be_imported(heard: Heard, project: Callable[..., Path]) -> None:
    """It is a verdict of its own, the file counts as an error, and the message names it."""
    root = project(test_a="import absent_module\n", test_b="def test_1(): pass\n")

    outcome = await go(heard, prepare(root))

    assert (outcome.verdict, outcome.complete) == (Verdict.COLLECTION_ERROR, False)
    assert "1 file could not be imported" in outcome.message
    assert "test_a.py" in outcome.message
    assert heard.outcomes == {"test_a.py": Outcome.ERROR}
    assert "absent_module" in heard.all["test_a.py"].output


async def test_a_conftest_that_cannot_be_imported(heard: Heard, project: Callable[..., Path]) -> None:
    """A broken conftest.py is the same kind of trouble, not a usage error."""
    root = project(conftest="import absent_module\n", test_b="def test_1(): pass\n")

    outcome = await go(heard, prepare(root))

    assert outcome.verdict is Verdict.COLLECTION_ERROR
    assert heard.outcomes == {"conftest.py": Outcome.ERROR}


async def test_no_tests(heard: Heard, project: Callable[..., Path]) -> None:
    """A project without tests is told what pytest looks for, and is complete: there are none."""
    outcome = await go(heard, prepare(project(module="")))

    assert (outcome.verdict, outcome.complete) == (Verdict.NO_TESTS, True)
    assert "test_*.py" in outcome.message


async def test_all_deselected(heard: Heard, project: Callable[..., Path]) -> None:
    """Tests that are all deselected are no tests, and never green."""
    outcome = await go(heard, prepare(project(test_a="def test_1(): pass\n"), "-k", "nothing"))

    assert outcome.verdict is Verdict.NO_TESTS


async def test_no_pytest(heard: Heard, project: Callable[..., Path]) -> None:
    """The message names the interpreter and the command that installs pytest, the project's own tool first."""
    root = project(test_a="def test_1(): pass\n")
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "venv", "--without-pip", str(root / ".venv")], check=True
    )
    bare = str(root / ".venv" / "bin" / "python")

    plain = await go(heard, prepare(root, interpreter=bare))
    (root / "uv.lock").touch()
    with_uv = await go(heard, prepare(root, interpreter=bare))

    assert plain.verdict is with_uv.verdict is Verdict.NO_PYTEST
    assert f'"{bare}" -m pip install pytest' in plain.message
    assert "uv add --dev pytest" in with_uv.message


async def test_no_interpreter(heard: Heard, project: Callable[..., Path]) -> None:
    """An interpreter that is gone is named."""
    outcome = await go(heard, prepare(project(), interpreter="/gone/python"))

    assert outcome.verdict is Verdict.NO_INTERPRETER
    assert "/gone/python" in outcome.message


async def test_a_root_that_is_gone(heard: Heard, tmp_path: Path) -> None:
    """A project folder that is gone is trouble, and the message says which."""
    outcome = await go(heard, prepare(tmp_path / "gone"))

    assert outcome.verdict is Verdict.ERROR
    assert "gone cannot be entered" in outcome.message


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["absent_folder"], ["-p", "absent_plugin"]])
async def test_usage_errors(heard: Heard, project: Callable[..., Path], arguments: list[str]) -> None:
    """Arguments that pytest refuses, and plugins that are not there, are the configuration's fault."""
    outcome = await go(heard, prepare(project(test_a="def test_1(): pass\n"), *arguments))

    assert outcome.verdict is Verdict.USAGE_ERROR
    assert outcome.message
    assert arguments[-1] in outcome.output


async def test_a_broken_configuration(heard: Heard, project: Callable[..., Path]) -> None:
    """A configuration file that cannot be read is a usage error with pytest's own words."""
    outcome = await go(heard, prepare(project(test_a="def test_1(): pass\n", pytest__ini="[pytest\n")))

    assert outcome.verdict is Verdict.USAGE_ERROR
    assert "pytest.ini" in outcome.output


@pytest.mark.parametrize(
    ("deed", "named"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("os._exit(0)", "exit code 0"),
        ("os._exit(3)", "exit code 3"),
    ],
)
async def test_a_crash(heard: Heard, project: Callable[..., Path], deed: str, named: str) -> None:
    """The test that ran when the interpreter died is red as crashed, whatever exit code is left."""
    root = project(
        test_a=f"""
        import os, signal
        def test_1(): pass
        def test_2(): {deed}
        def test_3(): pass
        """
    )

    outcome = await go(heard, prepare(root))

    assert (outcome.verdict, outcome.complete) == (Verdict.CRASHED, False)
    assert "test_a.py::test_2 ran" in outcome.message
    assert named in outcome.message
    assert heard.outcomes == {"test_a.py::test_1": Outcome.PASSED, "test_a.py::test_2": Outcome.CRASHED}
    assert len(outcome.nodeids) == 3


async def test_a_crash_brings_its_last_words(heard: Heard, project: Callable[..., Path]) -> None:
    """What faulthandler printed of a segmentation fault stands at the test and at the run."""
    root = project(test_a="import os, signal\ndef test_1(): os.kill(os.getpid(), signal.SIGSEGV)\n")

    outcome = await go(heard, prepare(root, "-p", "faulthandler"))

    assert "Segmentation fault" in outcome.output
    assert "Segmentation fault" in heard.all["test_a.py::test_1"].output


async def test_a_crash_while_collecting(heard: Heard, project: Callable[..., Path]) -> None:
    """A module that ends the interpreter when it is imported is a crash too, with no test to blame."""
    outcome = await go(heard, prepare(project(test_a="import os\nos._exit(0)\n")))

    assert outcome.verdict is Verdict.CRASHED
    assert "while pytest collected" in outcome.message


async def test_a_crash_at_exit(heard: Heard, project: Callable[..., Path]) -> None:
    """Tests that passed before the interpreter crashed on its way out are not green."""
    code = "import atexit, os, signal\natexit.register(os.kill, os.getpid(), signal.SIGSEGV)\ndef test_1(): pass\n"

    outcome = await go(heard, prepare(project(test_a=code)))

    assert outcome.verdict is Verdict.CRASHED
    assert "after the last test" in outcome.message


async def test_a_conftest_that_exits(heard: Heard, project: Callable[..., Path]) -> None:
    """An exit with code 0 before anything ran is no green run."""
    outcome = await go(heard, prepare(project(conftest="import sys\nsys.exit(0)\n", test_a="def test_1(): pass\n")))

    assert outcome.verdict.is_trouble


@pytest.mark.parametrize("wait", ["time.sleep(600)", "os.kill(os.getpid(), signal.SIGSTOP)"])
async def test_a_hang(heard: Heard, project: Callable[..., Path], wait: str) -> None:
    """A test that gives no sign of life is ended, named, and red as hung; a stopped process too."""
    root = project(
        test_a=f"""
        import os, signal, time
        def test_1(): pass
        def test_2(): {wait}
        """
    )

    outcome = await go(heard, prepare(root, hang_s=1.0))

    assert (outcome.verdict, outcome.complete) == (Verdict.HUNG, False)
    assert outcome.message.startswith("test_a.py::test_2 gave no sign of life for 1 s")
    assert heard.outcomes == {"test_a.py::test_1": Outcome.PASSED, "test_a.py::test_2": Outcome.HUNG}


async def test_a_hang_while_collecting(heard: Heard, project: Callable[..., Path]) -> None:
    """An import that never ends is told as such."""
    outcome = await go(heard, prepare(project(test_a="import time\ntime.sleep(600)\n"), hang_s=1.0))

    assert outcome.verdict is Verdict.HUNG
    assert "while it collected" in outcome.message


async def test_a_hang_at_exit(heard: Heard, project: Callable[..., Path]) -> None:
    """A thread that keeps the interpreter from ending is told as such, and the tests keep their results."""
    code = "import threading, time\ndef test_1(): threading.Thread(target=time.sleep, args=(600,)).start()\n"

    outcome = await go(heard, prepare(project(test_a=code), hang_s=1.0))

    assert outcome.verdict is Verdict.HUNG
    assert "All tests ended" in outcome.message
    assert heard.outcomes == {"test_a.py::test_1": Outcome.PASSED}


async def test_output_is_a_sign_of_life(heard: Heard, project: Callable[..., Path]) -> None:
    """A long test that prints now and then is not hung."""
    root = project(
        test_a="""
        import time
        def test_1():
            for _ in range(30):
                print("here", flush=True)
                time.sleep(0.1)
        """
    )

    assert (await go(heard, prepare(root, "-s", hang_s=1.5))).verdict is Verdict.GREEN


class JumpingClock(SystemClock):
    """The machine's clock, which a test can put forward as a stop of the whole process does."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.sleeps = 0
        self.slept = asyncio.Event()

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.sleeps += 1
        self.slept.set()

    async def looks(self, count: int) -> None:
        """Wait until the hang guard has looked so many times."""
        enough = self.sleeps + count
        while self.sleeps < enough:
            self.slept.clear()
            await self.slept.wait()


async def test_a_time_in_which_we_were_stopped_is_no_hang(
    heard: Heard, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGSTOP and CONT of Watchkeeper itself, a long test is not taken for a hung one."""
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.05)
    root = project(
        test_a="""
        import os, time
        def test_1():
            while not os.path.exists("go"):
                time.sleep(0.01)
        """
    )
    run, clock = prepare(root, hang_s=20.0), JumpingClock()
    run._clock = clock
    task = asyncio.create_task(go(heard, run))
    async with asyncio.timeout(30):
        while "test_a.py::test_1" not in heard.running:
            heard.something.clear()
            await heard.something.wait()

        await clock.looks(3)
        clock.ahead = 600.0
        await clock.looks(5)
    (root / "go").touch()

    assert (await task).verdict is Verdict.GREEN


async def test_an_early_stop_is_not_complete(heard: Heard, project: Callable[..., Path]) -> None:
    """With -x in the project's configuration, what did not run is not said to be gone."""
    root = project(test_a="def test_1(): assert 0\ndef test_2(): pass\n", pytest__ini="[pytest]\naddopts = -x\n")

    outcome = await go(heard, prepare(root))

    assert (outcome.verdict, outcome.complete) == (Verdict.RED, False)
    assert len(outcome.nodeids) == 2


async def test_last_failed_only_is_not_complete(heard: Heard, project: Callable[..., Path]) -> None:
    """With --lf the other tests are left out, not gone."""
    root = project(test_a="def test_1(): assert 0\ndef test_2(): pass\n", pytest__ini="[pytest]\naddopts = --lf\n")
    await go(heard, prepare(root))

    outcome = await go(heard, prepare(root))

    assert (outcome.verdict, outcome.complete) == (Verdict.RED, False)


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("session.exitstatus = 1", "No test failed, but pytest ended with exit code 1"),
        ("session.exitstatus = 77", "exit code 77"),
    ],
)
async def test_an_exit_code_without_a_red_test(
    heard: Heard, project: Callable[..., Path], hook: str, said: str
) -> None:
    """A plugin that fails the run (a coverage threshold) makes it trouble, never green."""
    root = project(conftest=f"def pytest_sessionfinish(session): {hook}\n", test_a="def test_1(): pass\n")

    outcome = await go(heard, prepare(root))

    assert outcome.verdict is Verdict.ERROR
    assert said in outcome.message


async def test_a_red_test_without_an_exit_code(heard: Heard, project: Callable[..., Path]) -> None:
    """A plugin that hides failures behind exit code 0 does not make them green."""
    root = project(
        conftest="def pytest_sessionfinish(session): session.exitstatus = 0\n", test_a="def test_1(): assert 0\n"
    )

    assert (await go(heard, prepare(root))).verdict is Verdict.RED


@pytest.mark.parametrize(
    "deed", ["pytest.exit('enough', returncode=0)", "pytest.exit('enough')", "raise KeyboardInterrupt"]
)
async def test_an_interrupted_run(heard: Heard, project: Callable[..., Path], deed: str) -> None:
    """A run that ends in the middle is trouble, even with exit code 0."""
    root = project(test_a=f"import pytest\ndef test_1(): pass\ndef test_2(): {deed}\ndef test_3(): pass\n")

    outcome = await go(heard, prepare(root))

    assert (outcome.verdict, outcome.complete) == (Verdict.ERROR, False)
    assert outcome.message


async def test_collecting_alone_is_not_green(heard: Heard, project: Callable[..., Path]) -> None:
    """With --collect-only nothing ran, and exit code 0 says nothing."""
    outcome = await go(heard, prepare(project(test_a="def test_1(): pass\n"), "--collect-only"))

    assert outcome.verdict is Verdict.ERROR


async def test_a_plugin_that_breaks(heard: Heard, project: Callable[..., Path]) -> None:
    """An internal error is told with pytest's output."""
    root = project(conftest="def pytest_runtest_setup(item): pass\ndef pytest_collection_finish(): 1 / 0\n", test_a="")
    (root / "test_a.py").write_text("def test_1(): pass\n")

    outcome = await go(heard, prepare(root))

    assert outcome.verdict is Verdict.ERROR
    assert "INTERNALERROR" in outcome.message
    assert "ZeroDivisionError" in outcome.output


async def test_a_channel_that_is_lost_is_not_green(heard: Heard, project: Callable[..., Path]) -> None:
    """When a test closes our descriptor, an exit code of 0 is not believed."""
    root = project(test_a="import os\ndef test_1(): os.closerange(3, 300)\n")

    outcome = await go(heard, prepare(root, "-s"))

    assert outcome.verdict.is_trouble


async def test_cancelling_ends_everything(heard: Heard, project: Callable[..., Path], tmp_path: Path) -> None:
    """A cancelled run raises, after its interpreter and what that started are gone."""
    root = project(
        test_a="""
        import os, subprocess, sys, time
        def test_1():
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            with open("pids.part", "w") as file:
                file.write(f"{os.getpid()} {child.pid}")
            os.rename("pids.part", "pids")
            time.sleep(600)
        """
    )
    task = asyncio.create_task(go(heard, prepare(root)))
    async with asyncio.timeout(30):
        while not (tmp_path / "pids").exists():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.01)
    pids = [int(each) for each in (tmp_path / "pids").read_text().split()]

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert len(asyncio.all_tasks()) == 1


async def test_what_the_tests_wrote(heard: Heard, project: Callable[..., Path]) -> None:
    """A run knows the files that its tests wrote into the project, while it goes on and afterwards."""
    run = prepare(project(test_a="def test_1(): open('written.txt', 'w').close()\n"), "-p", "no:cacheprovider")

    await go(heard, run)

    assert set(run.wrote) == {"written.txt"}


def test_an_edit_within_the_same_second_is_seen(tmp_path: Path) -> None:
    """Without its bytecode, a source of the same size and time is compiled anew (stale .pyc, PEP 552)."""
    source = tmp_path / "module.py"
    moment = (1_700_000_000, 1_700_000_000)

    def value() -> str:
        code = [sys.executable, "-c", "import module; print(module.value)"]
        env = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return subprocess.run(code, cwd=tmp_path, env=env, check=True, capture_output=True, text=True).stdout.strip()

    source.write_text("value = 1\n")
    os.utime(source, moment)
    first = value()
    source.write_text("value = 2\n")
    os.utime(source, moment)
    stale = value()
    removed = drop_bytecode(tmp_path, ["module.py", "absent.py", "README.md", "sub/absent.py"])

    assert (first, stale, removed, value()) == ("1", "1", 1, "2")


def test_the_tests_get_the_projects_environment(tmp_path: Path) -> None:
    """As if it were activated, and without Watchkeeper's own."""
    own, venv = tmp_path / "own", tmp_path / "venv"
    for prefix in (own, venv):
        (prefix / "bin").mkdir(parents=True)
        (prefix / "pyvenv.cfg").touch()
    environ = {
        "VIRTUAL_ENV": str(own),
        "PATH": f"{own / 'bin'}:/usr/bin:{venv / 'bin'}",
        "PYTHONHOME": "/usr",
        "LANG": "C",
    }

    env = child_environment(environ, str(venv / "bin" / "python"), own_prefix=str(own))

    assert env == {"VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}:/usr/bin", "LANG": "C"}


def test_an_interpreter_outside_any_environment_changes_nothing(tmp_path: Path) -> None:
    """A system's Python is run with the environment as it is."""
    environ = {"PATH": "/usr/bin", "VIRTUAL_ENV": str(tmp_path), "HOME": "/home/me"}

    assert child_environment(environ, "/usr/bin/python3", own_prefix="/opt/watchkeeper") == environ
