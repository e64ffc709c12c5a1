"""The wheel of a release on each Python that is here: installed by the hash-pinned lock, it watches a project."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from release import layout
from release import wheel as wheels
from release.work import Announced, Work

pytestmark = [pytest.mark.installer, pytest.mark.timeout(900)]

FEED = Announced("https://feed.example/releases.json", ("A" * 43 + "=",))
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
RUNNER = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")


@dataclass(frozen=True)
class Installed:
    """The program in an environment of its own."""

    python: Path
    home: Path

    def run(self, *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        return subprocess.run(
            (str(self.python.with_name("watchkeeper")), *words),
            cwd=cwd,
            env={**environ, "WATCHKEEPER_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def python_of(version: str) -> str:
    """Finds a Python; skips the test where there is none, but never for the version that runs the tests."""
    if version == OURS:
        return sys.executable
    asked = (f"python{version}", "-c", "import sys; print(sys.executable)")
    try:
        # A shim of pyenv starts only what it is told to.
        found = subprocess.check_output(
            asked, env={**os.environ, "PYENV_VERSION": version}, text=True, stderr=subprocess.DEVNULL
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"there is no Python {version} here")
    return found.strip()


def pip(python: Path, *words: str) -> None:
    command = (str(python), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-q", *words)
    subprocess.run(command, check=True, timeout=800)


def locked(root: Path, folder: Path, lock: str, names: Iterable[str]) -> Path:
    """A lock of a few packages out of a larger one."""
    blocks = layout._blocks((root / "installer" / "locks" / f"{lock}.txt").read_text("utf-8"))
    path = folder / "requirements.txt"
    path.write_text("".join(block for block in blocks if layout.name_of(block) in names), "utf-8")
    return path


@pytest.fixture(scope="module")
def version(root: Path) -> str:
    """The checkout's own, since the wheel has it from there."""
    found = re.search(r'__version__ = "(.+)"', (root / "app" / "__init__.py").read_text("utf-8"))
    assert found is not None
    return found[1]


@pytest.fixture(scope="module", params=VERSIONS)
def installed(request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run((python_of(request.param), "-I", "-m", "venv", str(folder / "venv")), check=True, timeout=300)
    python = folder / "venv" / "bin" / "python"
    command = (
        *(sys.executable, str(root / "installer" / "build.py"), "wheel", "--out", str(folder)),
        *("--feed-url", FEED.url, "--feed-key", FEED.keys[0]),
    )
    subprocess.run(command, env={**os.environ, "WATCHKEEPER_BUILD_INSIDE": "1"}, check=True, timeout=120)
    lock = ("--require-hashes", "--only-binary=:all:", "-r", str(root / "installer" / "locks" / "run.txt"))
    pip(python, *lock)
    pip(python, "--no-deps", "--no-index", str(next(folder.glob("*.whl"))))
    return Installed(python, folder / "home")


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    """A small project with an environment of its own, one of whose tests is red."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "small"\nversion = "1"\n', "utf-8")
    (folder / "small.py").write_text("def twice(number):\n    return number + number + 1\n", "utf-8")
    tests = "from small import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n\n\ndef test_not():\n    pass\n"
    (folder / "test_small.py").write_text(tests, "utf-8")
    subprocess.run((sys.executable, "-I", "-m", "venv", str(folder / ".venv")), check=True, timeout=300)
    pip(folder / ".venv" / "bin" / "python", "--require-hashes", "-r", str(locked(root, tmp_path, "test", RUNNER)))
    return folder


def test_the_installed_wheel_works(installed: Installed, project: Path, version: str) -> None:
    """It tells its version and channel, misses nothing that it needs, and sees a red test and then green ones."""
    told = installed.run("--version", cwd=project)
    complete = subprocess.run(
        (str(installed.python), "-I", "-m", "pip", "check"), capture_output=True, text=True, check=False
    )
    channel = subprocess.check_output(
        (str(installed.python), "-I", "-c", "from app.system.installed import installation as i; print(i().channel)"),
        text=True,
    )

    red = installed.run("once", str(project), "--json", cwd=project)
    (project / "small.py").write_text("def twice(number):\n    return number + number\n", "utf-8")
    green = installed.run("once", str(project), "--json", cwd=project)

    assert version in told.stdout
    assert complete.returncode == 0, complete.stdout
    assert channel.strip() == "wheel"
    assert red.returncode == 1, red.stdout + red.stderr
    assert "test_twice" in red.stdout
    assert green.returncode == 0, green.stdout + green.stderr
    assert json.loads(green.stdout)


@pytest.mark.parametrize("other", [each for each in VERSIONS if each != OURS])
def test_another_python_builds_the_same_wheel(root: Path, tmp_path: Path, work: Work, other: str) -> None:
    """Whichever of our Pythons builds it, and under whichever umask, the wheel is the same to the last byte."""
    environment = tmp_path / "venv"
    subprocess.run((python_of(other), "-I", "-m", "venv", str(environment)), check=True, timeout=300)
    backend = layout._closure(("editables", "hatchling"))
    pip(
        environment / "bin" / "python",
        "--require-hashes",
        "-r",
        str(locked(root, tmp_path, "build", backend)),
    )
    there = replace(work, python=environment / "bin" / "python", out=tmp_path / "there", announced=FEED)
    here = replace(work, out=tmp_path / "here", announced=FEED)
    made = []

    for each, mask in ((here, 0o022), (there, 0o077)):
        each.out.mkdir()
        before = os.umask(mask)
        try:
            path, listed = wheels.build(each, argparse.Namespace())
        finally:
            os.umask(before)
        made.append((path.name, path.read_bytes(), listed.read_bytes()))

    assert made[0] == made[1]


def test_two_clones_build_the_same_wheel(root: Path, tmp_path: Path) -> None:
    """From two clones in folders of different names build.py makes the same wheel and list, at the commit's time."""
    made = []
    for name in ("one", "an other"):
        clone = tmp_path / name
        subprocess.run(("git", "clone", "-q", "--no-hardlinks", str(root), str(clone)), check=True, timeout=300)
        # What is not committed yet is tried as well.
        shutil.copytree(root / "installer", clone / "installer", dirs_exist_ok=True)
        command = (
            sys.executable,
            str(clone / "installer" / "build.py"),
            "wheel",
            "--out",
            str(tmp_path / f"{name}.out"),
        )
        environ = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
        zone = {"TZ": "Pacific/Kiritimati"} if made else {"TZ": "America/Adak"}
        subprocess.run(command, env={**environ, **zone, "WATCHKEEPER_BUILD_INSIDE": "1"}, check=True, timeout=300)
        made.append({path.name: path.read_bytes() for path in (tmp_path / f"{name}.out").iterdir()})

    assert len(made[0]) == 2
    assert made[0] == made[1]
