"""A command of the user's as the runner: by its report, by its TAP, by its exit code."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from app.agents.testing.runners.command import Command, split
from app.domain.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = shlex.quote(sys.executable)
PYTEST = f"{PYTHON} -m pytest -q -p no:cacheprovider --junitxml=out/report.xml"
PLAIN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def script(root: Path, content: str, name: str = "script.py") -> str:
    (root / name).write_text(textwrap.dedent(content))
    return f"{PYTHON} {name}"


async def test_junit_green_red_and_fixed(tried: Any) -> None:
    """The verdict follows the report that each run writes anew."""
    test = tried.root / "test_a.py"
    verdicts = []

    for value in ("1", "2", "1"):
        test.write_text(f"def test_one(): assert {value} == 1\ndef test_two(): pass\n")
        outcome = await tried.run(Command(PYTEST, "out/report.xml"), environ={**PLAIN, "PYTHONDONTWRITEBYTECODE": "1"})
        verdicts.append((outcome.verdict, outcome.complete, sorted(outcome.nodeids)))

    tests = ["test_a::test_one", "test_a::test_two"]
    assert verdicts == [(Verdict.GREEN, True, tests), (Verdict.RED, True, tests), (Verdict.GREEN, True, tests)]
    assert "assert 2 == 1" in "".join(result.output for result in tried.told)
    stat = (tried.root / "out/report.xml").stat()
    assert tried.ran.wrote == {"out/report.xml": (stat.st_mtime_ns, stat.st_size)}


async def test_a_report_of_an_earlier_run_is_not_believed(tried: Any) -> None:
    """A green report that this run did not write says nothing."""
    (tried.root / "r.xml").write_text('<testsuite tests="1"><testcase name="a"/></testsuite>')

    outcome = await tried.run(Command(script(tried.root, "pass"), "r.xml"))

    assert outcome.verdict is Verdict.ERROR
    assert "r.xml is of an earlier run" in outcome.message
    assert tried.told == []


@pytest.mark.parametrize(
    ("written", "code", "verdict", "said"),
    [
        (None, 0, Verdict.ERROR, "it wrote no report r.xml"),
        (None, 3, Verdict.ERROR, "exit code 3 and it wrote no report"),
        ('<testsuite tests="1"><testcase', 0, Verdict.ERROR, "cannot be read: it is no whole XML"),
        ('<testsuite tests="2"><testcase name="a"/></testsuite>', 0, Verdict.ERROR, "counts 2 tests, but holds 1"),
        ('<testsuite tests="1"><testcase name="a"/></testsuite>', 1, Verdict.ERROR, "No test failed, but"),
        ('<testsuite tests="0"/>', 0, Verdict.NO_TESTS, "found no tests"),
        ('<testsuite><testcase name="a"><failure/></testcase></testsuite>', 0, Verdict.RED, ""),
    ],
)
async def test_report_and_exit_code_must_both_say_so(
    tried: Any, written: str | None, code: int, verdict: Verdict, said: str
) -> None:
    """Neither a report nor an exit code alone makes a run green."""
    write = f"open('r.xml', 'w').write({written!r})" if written is not None else ""

    outcome = await tried.run(
        Command(script(tried.root, f"import sys\n{write}\nprint('last')\nsys.exit({code})"), "r.xml")
    )

    assert outcome.verdict is verdict
    assert said in outcome.message
    assert not outcome.complete or verdict in (Verdict.RED, Verdict.NO_TESTS)


async def test_several_reports_by_a_pattern(tried: Any) -> None:
    """A pattern reads all that this run wrote; a stale one beside them leaves the run incomplete, not wrong."""
    write = "for n in 'ab': open(f'TEST-{n}.xml', 'w').write(f'<testsuite><testcase name=\"{n}\"/></testsuite>')"
    command = Command(script(tried.root, write), "TEST-*.xml")

    whole = await tried.run(command)
    (tried.root / "TEST-old.xml").write_text('<testsuite><testcase name="o"><failure/></testcase></testsuite>')
    beside = await tried.run(command)

    assert (whole.verdict, whole.complete, set(whole.nodeids)) == (Verdict.GREEN, True, {"report::a", "report::b"})
    assert (beside.verdict, beside.complete, set(beside.nodeids)) == (Verdict.GREEN, False, {"report::a", "report::b"})


async def test_a_red_run_that_may_have_stopped_early_is_not_complete(tried: Any) -> None:
    """With -x, tests that are missing from the report still exist."""
    (tried.root / "test_a.py").write_text("def test_one(): assert 0\ndef test_two(): pass\n")

    outcome = await tried.run(Command(f"{PYTEST} -x", "out/report.xml"), environ=PLAIN)

    assert (outcome.verdict, outcome.complete) == (Verdict.RED, False)


@pytest.mark.parametrize(
    ("code", "verdict", "outcome"), [(0, Verdict.GREEN, Outcome.PASSED), (2, Verdict.RED, Outcome.FAILED)]
)
async def test_exit_code(tried: Any, code: int, verdict: Verdict, outcome: Outcome) -> None:
    """With nothing else to go by, the command is the test."""
    command = script(tried.root, f"import sys; print('why'); sys.exit({code})")

    done = await tried.run(Command(command))

    assert (done.verdict, done.complete) == (verdict, True)
    assert tried.outcomes == {f"command::{command}": outcome}
    assert ("why" in tried.texts[f"command::{command}"]) is (code != 0)


async def test_tap_comes_as_it_is_printed(tried: Any) -> None:
    """A point is told before the command has ended."""
    command = script(
        tried.root,
        """
        import os, time
        print("TAP version 14\\n1..2\\nok 1 - first\\n# and so on", flush=True)
        print("to stderr", file=__import__("sys").stderr)
        print("not ok 2 - second\\n  ---\\n  message: why\\n  ...", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
        """,
    )
    task = asyncio.create_task(tried.run(Command(command)))

    await tried.until(lambda: "tap::first" in tried.outcomes)
    assert not task.done()
    (tried.root / "go").touch()
    outcome = await task

    assert outcome.verdict is Verdict.RED
    assert tried.outcomes == {"tap::first": Outcome.PASSED, "tap::second": Outcome.FAILED}
    assert tried.texts["tap::second"] == "message: why"


@pytest.mark.parametrize(
    ("printed", "code", "verdict", "said"),
    [
        ("1..2\\nok 1", 0, Verdict.ERROR, "plans 2 tests, but tells of 1"),
        ("1..1\\nok 1", 1, Verdict.ERROR, "No test failed"),
        ("1..2\\nok 1\\nBail out! no disk", 0, Verdict.ERROR, "Bail out! no disk"),
        ("1..0 # SKIP all", 0, Verdict.NO_TESTS, "found no tests"),
        ("1..1\\nnot ok 1 # TODO later", 0, Verdict.GREEN, ""),
    ],
)
async def test_tap_and_exit_code_must_both_say_so(
    tried: Any, printed: str, code: int, verdict: Verdict, said: str
) -> None:
    """A plan that is not fulfilled, a bail out or an exit code keeps a run from being green."""
    outcome = await tried.run(Command(script(tried.root, f"import sys; print('{printed}'); sys.exit({code})")))

    assert outcome.verdict is verdict
    assert said in outcome.message


async def test_a_flood_of_output_leaves_the_results_right(tried: Any) -> None:
    """A test that prints 100 MB hides no result, and is not held in memory."""
    command = script(
        tried.root,
        """
        print("1..2\\nok 1 - a")
        for _ in range(1000):
            print("x" * 100_000)
        print("not ok 2 - b")
        """,
    )

    outcome = await tried.run(Command(command))

    assert (outcome.verdict, tried.outcomes["tap::b"]) == (Verdict.RED, Outcome.FAILED)
    assert max(len(result.output) for result in tried.told) < 100_000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
@pytest.mark.parametrize("report", ["", "r.xml"])
async def test_a_signal_is_a_crash(tried: Any, report: str) -> None:
    """A command that is killed has crashed, whatever it had told before."""
    command = script(tried.root, "import os; print('1..1\\nok 1', flush=True); os.kill(os.getpid(), 11)")

    outcome = await tried.run(Command(command, report))

    assert outcome.verdict is Verdict.CRASHED
    assert "SIGSEGV" in outcome.message


async def test_a_hang_is_ended(tried: Any) -> None:
    """A command without a sign of life is ended, and told as hung."""
    command = script(tried.root, "import time; print('1..2\\nok 1', flush=True); time.sleep(600)")

    outcome = await tried.run(Command(command), hang_s=1.0)

    assert outcome.verdict is Verdict.HUNG
    assert "gave no sign of life for 1 s" in outcome.message


async def test_a_cancelled_run_leaves_nothing_alive(tried: Any) -> None:
    """What the command started ends with it, the relay too."""
    command = script(
        tried.root,
        """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(f"TAP version 13\\nok 1 - {child.pid}\\nok 2", flush=True)
        time.sleep(600)
        """,
    )
    task = asyncio.create_task(tried.run(Command(command)))
    await tried.until(lambda: bool(tried.told))
    child = psutil.Process(int(tried.told[0].nodeid.removeprefix("tap::")))
    mine = [child, *child.parents()[:2]]
    were_alive = all(each.is_running() for each in mine)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert were_alive
    assert [each for each in mine if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []


async def test_what_the_command_leaves_behind_does_not_hold_the_run(tried: Any) -> None:
    """A daemon that keeps stdout open is ended, and the verdict is the command's."""
    command = script(
        tried.root,
        """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        print("1..1\\nok 1 - a")
        """,
    )

    outcome = await tried.run(Command(command))

    assert (outcome.verdict, outcome.duration_s < 20) == (Verdict.GREEN, True)


@pytest.mark.parametrize(
    ("command", "verdict", "said"),
    [
        ("", Verdict.USAGE_ERROR, "`command` is empty"),
        ("a 'b", Verdict.USAGE_ERROR, "cannot be read"),
        ("no-such-program-here run", Verdict.NO_INTERPRETER, "There is no program no-such-program-here"),
        ("./nothing.sh", Verdict.NO_INTERPRETER, "There is no program ./nothing.sh"),
    ],
)
async def test_a_command_that_cannot_be_run(tried: Any, command: str, verdict: Verdict, said: str) -> None:
    """The message names the command and where to mend it."""
    outcome = await tried.run(Command(command))

    assert outcome.verdict is verdict
    assert said in outcome.message
    assert "[tests]" in outcome.message or "runner" in outcome.message


@pytest.mark.skipif(sys.platform == "win32", reason="the system splits there")
def test_split() -> None:
    """Quotes hold words together, and nothing else of a shell is there."""
    words = split("a 'b c' \"d\" && e")

    assert words == ["a", "b c", "d", "&&", "e"]


async def test_the_projects_environment_is_active(tried: Any) -> None:
    """A command finds the console scripts of the project's own environment."""
    venv = tried.root / ".venv"
    folder = venv / ("Scripts" if os.name == "nt" else "bin")
    folder.mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    tool = folder / "my-tests"
    tool.write_text(f"#!{sys.executable}\nimport os, sys\nsys.exit(os.environ['VIRTUAL_ENV'] != {str(venv)!r})\n")
    tool.chmod(0o755)

    outcome = await tried.run(Command("my-tests"), interpreter=str(folder / "python"))

    assert outcome.verdict is Verdict.GREEN
