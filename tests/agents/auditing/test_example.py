"""The example of a check of one's own: built as a distribution, installed, and found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from app.agents.auditing.context import Context
from app.agents.auditing.host.known import known_checks
from app.agents.auditing.host.program import CheckPrograms
from app.domain.findings import AuditVerdict
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

EXAMPLE = Path(__file__).parent / "example"


def run(*words: str, cwd: Path) -> None:
    """Run a module of this Python."""
    subprocess.run([sys.executable, "-m", *words], cwd=cwd, check=True, capture_output=True)


def installed(tmp_path: Path) -> Path:
    """Build the example, install it into a folder, and return that."""
    source, plugins = tmp_path / "source", tmp_path / "checks"
    shutil.copytree(EXAMPLE, source)
    run("hatchling", "build", "-t", "wheel", cwd=source)
    (wheel,) = (source / "dist").glob("*.whl")
    run("pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(plugins), str(wheel), cwd=tmp_path)
    return plugins


async def test_the_example_is_found_and_finds(tmp_path: Path) -> None:
    """It stands among the checks by the name of its entry point, and runs in a program of its own."""
    plugins = installed(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "test_it.py").write_text("import time\n\n\ndef test_it():\n    time.sleep(1)\n", encoding="utf-8")
    (project / "test_broken.py").write_text("def test_it(:\n", encoding="utf-8")
    places, troubles = known_checks(plugins)
    (place,) = [each for each in places if each.id == "no-sleep"]
    clock = SystemClock()
    programs = CheckPrograms(
        ProcessRunner(clock=clock), clock, environ=os.environ, cache=tmp_path / "cache", plugins=plugins
    )

    result = await programs.run(place, Context(project))

    assert troubles == ()
    assert [(each.path, each.line, each.evidence) for each in result.findings] == [("test_it.py", 5, "time.sleep(1)")]
    assert result.outcome.reasons == ("test_broken.py cannot be read (SyntaxError)",)
    assert result.outcome.verdict is AuditVerdict.FAIL
