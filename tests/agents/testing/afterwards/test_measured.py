"""Coverage of the whole project: what is made of the worker's words, and the runs that bring no such words."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.afterwards.measured import CoverageRun, coverage_of
from app.agents.testing.afterwards.selected import Project
from app.domain.coverage import Coverage, FileCoverage
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from pathlib import Path

HANG_S = 20.0


def measuring(root: Path, *args: str, hang_s: float = HANG_S, interpreter: str = sys.executable) -> CoverageRun:
    clock = SystemClock()
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    project = Project(root, interpreter, args, environ, ProcessRunner(clock=clock))
    return CoverageRun(project, hang_s=hang_s, clock=clock)


def test_what_the_worker_says() -> None:
    """Files come sorted, and their missing lines ascending and once."""
    told = {
        "kind": "coverage",
        "files": [
            {"path": "b.py", "statements": 4, "missing": [3, 1, 3]},
            {"path": "a.py", "statements": 0, "missing": []},
        ],
    }

    coverage = coverage_of(told)

    assert coverage == Coverage((FileCoverage("a.py", 0, ()), FileCoverage("b.py", 4, (1, 3))))


@pytest.mark.parametrize(
    "told",
    [{}, {"files": [{"path": "a.py"}]}, {"files": 3}, {"files": [{"path": "a", "statements": "x", "missing": []}]}],
)
def test_words_that_are_not_understood(told: dict[str, Any]) -> None:
    """They say nothing, and break nothing."""
    assert coverage_of(told) == "The run that measures coverage ended without a word of it."


def test_why_there_is_none() -> None:
    """What kept the worker from measuring is passed on."""
    assert coverage_of({"error": "coverage.py is too old"}) == "coverage.py is too old"


async def test_an_environment_without_coverage(tmp_path: Path) -> None:
    """The reason says what is missing there, and no test is run in vain."""
    assert importlib.util.find_spec("coverage") is None
    (tmp_path / "test_a.py").write_text("def test_a(): open('written', 'w').close()\n")

    reason = await measuring(tmp_path).measure()

    assert reason == "The Python that runs the tests has no coverage.py."
    assert not (tmp_path / "written").exists()


@pytest.fixture
def broken_coverage(tmp_path: Path) -> Path:
    """A project beside which a package of that name can be found that cannot be used."""
    (tmp_path / "coverage.py").write_text("raise ValueError('broken here')\n")
    return tmp_path


async def test_a_coverage_that_is_broken(broken_coverage: Path) -> None:
    """The worker's reason is passed on, and what the tests wrote is known; that one fails does not matter."""
    (broken_coverage / "test_a.py").write_text("def test_a(): open('written', 'w').close()\ndef test_b(): assert 0\n")
    run = measuring(broken_coverage)

    reason = await run.measure()

    assert reason == "ValueError: broken here"
    assert list(run.wrote) == ["written"]


@pytest.mark.parametrize(
    "body", ["import os; os._exit(3)", "import time; time.sleep(60)", "import pytest; pytest.exit('no')"]
)
async def test_a_run_that_does_not_come_to_its_end(body: str, broken_coverage: Path) -> None:
    """A part of the coverage would mislead, so there is none."""
    (broken_coverage / "test_a.py").write_text(f"def test_a(): {body}\ndef test_b(): pass\n")

    reason = await measuring(broken_coverage, hang_s=2.0).measure()

    assert reason == "The run that measures coverage did not come to its end."


async def test_no_interpreter(tmp_path: Path) -> None:
    """The reason names it."""
    reason = await measuring(tmp_path, interpreter=str(tmp_path / "python")).measure()

    assert isinstance(reason, str)
    assert str(tmp_path / "python") in reason
