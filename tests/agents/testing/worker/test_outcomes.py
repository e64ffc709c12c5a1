"""Every way in which a test can end, with each Python and each pytest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
PORTABLE = (
    "test_same",
    "test_chunks",
    "test_ahead",
    "test_orders",
    "test_rewriting",
    "test_failures",
    "test_tracing",
    "test_modules",
)
"""What is to hold with each Python and pytest: these take the interpreter from WORKER_PYTHON."""

EVERY_OUTCOME = """
import unittest
import pytest

def test_passes(): pass

def test_fails():
    print("said before")
    assert 1 == 2

@pytest.mark.xfail
def test_xfails(): assert 0

@pytest.mark.xfail(run=False)
def test_xfails_unrun(): assert 0

@pytest.mark.xfail
def test_xpasses(): pass

@pytest.mark.xfail(strict=True)
def test_xpasses_strictly(): pass

@pytest.mark.skip
def test_skipped(): pass

def test_skips_itself(): pytest.skip()

@pytest.fixture
def broken(): raise ValueError("in setup")

def test_setup_breaks(broken): pass

@pytest.fixture
def breaks_after():
    yield
    raise ValueError("in teardown")

def test_teardown_breaks(breaks_after): pass

def test_fails_and_teardown_breaks(breaks_after): assert 0

@pytest.mark.parametrize("value", ["a", "\\u00e9", "x y"])
def test_parameters(value): assert value != "x y"

@pytest.fixture(scope="class")
def shared(): raise ValueError("for the class")

@pytest.mark.usefixtures("shared")
class TestClass:
    def test_one(self): pass
    def test_two(self): pass

class TestUnit(unittest.TestCase):
    def test_one_subtest_fails(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertNotEqual(i, 1)
    def test_subtests_pass(self):
        for i in range(3):
            with self.subTest(i=i):
                pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.skip("why")
    def test_skipped(self): self.fail()
"""

OUTCOMES = {
    "test_passes": "passed",
    "test_fails": "failed",
    "test_xfails": "xfailed",
    "test_xfails_unrun": "xfailed",
    "test_xpasses": "xpassed",
    "test_xpasses_strictly": "failed",
    "test_skipped": "skipped",
    "test_skips_itself": "skipped",
    "test_setup_breaks": "error",
    "test_teardown_breaks": "error",
    "test_fails_and_teardown_breaks": "failed",
    "test_parameters[a]": "passed",
    "test_parameters[\\xe9]": "passed",
    "test_parameters[x y]": "failed",
    "TestClass::test_one": "error",
    "TestClass::test_two": "error",
    "TestUnit::test_one_subtest_fails": "failed",
    "TestUnit::test_subtests_pass": "passed",
    "TestUnit::test_expected": "xfailed",
    "TestUnit::test_skipped": "skipped",
}


def test_every_outcome_is_told_as_pytest_means_it(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """One run over every way in which a test can end."""
    write(tmp_path, test_all=EVERY_OUTCOME)

    told = work(tmp_path)

    assert told.outcomes == OUTCOMES
    assert told.code == told.one("finish")["exit"] == 1
    assert told.one("collected")["count"] == len(OUTCOMES)
    assert [each for line in told.all("items") for each in line["ids"]] == [line["id"] for line in told.all("start")]
    assert told.one("session")["pytest"] == pytest.__version__
    assert told.one("session")["rootdir"] == str(tmp_path)


def test_a_red_test_brings_its_text_and_what_it_printed(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """The failure as pytest shows it, then what was captured, without colours; a green one brings nothing."""
    write(tmp_path, test_all=EVERY_OUTCOME)

    told = work(tmp_path, "--color=yes")

    texts = {line["id"].partition("::")[2]: line["text"] for line in told.all("end")}
    assert "assert 1 == 2" in texts["test_fails"]
    assert "Captured stdout call" in texts["test_fails"]
    assert "said before" in texts["test_fails"]
    assert "in setup" in texts["test_setup_breaks"]
    assert "in teardown" in texts["test_fails_and_teardown_breaks"]
    assert texts["test_passes"] == ""
    assert "\x1b" not in "".join(texts.values())


PLUGGED = """
import pytest
tries = []

@pytest.mark.flaky(reruns=2)
def test_green_on_the_second_try():
    tries.append(1)
    assert len(tries) == 2

@pytest.mark.flaky(reruns=1)
def test_red_on_each_try():
    assert 0
"""


def interpreters() -> list[str]:
    """Return the Pythons of this machine that the worker is for, one of each version."""
    found = {}
    versions = range(8, 14)
    for minor in versions:
        on_path = shutil.which(f"python3.{minor}")
        installed = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
        candidates = [*installed, *([Path(on_path)] if on_path else [])]
        for path in candidates:
            if subprocess.run([path, "-c", "import venv, ensurepip"], check=False, capture_output=True).returncode == 0:
                found[minor] = str(path)
                break
    return list(found.values())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("major", [7, 8, 9])
def test_every_python_with_every_pytest(
    tmp_path: Path, major: int, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """The same outcomes from each Python of this machine with this pytest, alone, with reruns, and over xdist.

    Plain and in an order of its own; and all that is told of orders and traces holds there as well.
    """
    checked = []
    for base in interpreters():
        version = subprocess.run([base, "-V"], check=True, capture_output=True, text=True).stdout.split()[1]
        minor = int(version.split(".")[1])
        if major == 9 and minor < 10:  # pytest 9 needs Python 3.10
            continue
        home = tmp_path / version
        subprocess.run([base, "-m", "venv", str(home)], check=True)
        plugins = ["pytest-xdist", "pytest-rerunfailures", *(["pytest-subtests"] if major < 9 else [])]
        wanted = [f"pytest>={major},<{major + 1}", *plugins]
        python = str(home / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True, capture_output=True)
        for kind, arguments, orders in (
            ("alone", [], None),
            ("ordered", [], run_order("test_plugged.py", trace="all")),
            ("xdist", ["-n2"], None),
            ("xdist-ordered", ["-n2"], run_order("test_plugged.py", trace="all")),
        ):
            project = home / kind
            write(project, test_all=EVERY_OUTCOME, test_plugged=PLUGGED, test_bad="import absent_module")
            told = work(
                project, "--continue-on-collection-errors", *arguments, orders=orders, python=python, plugins=True
            )
            reruns = {"test_green_on_the_second_try": "passed", "test_red_on_each_try": "failed"}
            assert told.outcomes == OUTCOMES | reruns, (version, kind)
            assert {line["id"] for line in told.all("collect-error")} == {"test_bad.py"}, (version, kind)
            assert told.one("collected")["count"] == len(OUTCOMES) + 2, (version, kind)
            assert told.one("finish")["exit"] == 1, (version, kind)
            assert told.one("session")["pytest"].startswith(f"{major}.")
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                *(f"{HERE / name}.py" for name in PORTABLE),
            ],
            env={**os.environ, "WORKER_PYTHON": python},
            cwd=HERE.parents[3],
            check=True,
        )
        checked.append(version)

    assert checked
