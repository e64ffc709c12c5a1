"""The portable archive on a Debian that has nothing: it tells what is missing, and works once that is there."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from debian import HOME
from packages import PATIENCE_S, build, until

if TYPE_CHECKING:
    from debian import Debian
    from packages import Built
    from session import Session

pytestmark = [pytest.mark.installer, pytest.mark.timeout(1800)]

FOLDER = f"{HOME}/Загрузки/my programs"


@pytest.fixture(scope="module")
def program(debian: Debian, built: Built) -> str:
    """Where it lies, unpacked by the person."""
    debian.put(built.portable, f"{HOME}/made.tar.gz")
    done = debian.run("sh", "-c", f'mkdir -p "{FOLDER}" && tar -xzf {HOME}/made.tar.gz -C "{FOLDER}"')
    assert done.returncode == 0, done.stderr
    return f"{FOLDER}/{built.portable.name.removesuffix('.tar.gz')}/watchkeeper"


@pytest.fixture(scope="module")
def with_python(debian: Debian) -> Debian:
    debian.apt("install", "-y", "--no-install-recommends", "python3")
    return debian


@pytest.fixture(scope="module")
def first(with_python: Debian, program: str) -> subprocess.CompletedProcess[str]:
    """Its first start."""
    return with_python.run(program, "--version")


@pytest.fixture(scope="module")
def with_libraries(with_python: Debian, first: subprocess.CompletedProcess[str]) -> Debian:
    """With the packages that it told the person to install."""
    told = re.search(r"sudo apt-get install (.+)", first.stderr)
    assert told is not None, first.stderr
    with_python.apt("install", "-y", "--no-install-recommends", *told[1].split())
    return with_python


def test_without_python_it_says_so(debian: Debian, program: str) -> None:
    """The smallest Debian has none: where to get one, and exit code 3."""
    done = debian.run(program, "--version")

    assert done.returncode == 3
    assert "there is no python3" in done.stderr
    assert "sudo apt-get install python3" in done.stderr


def test_with_python_it_starts_and_names_what_qt_lacks(first: subprocess.CompletedProcess[str]) -> None:
    """The first start tells the packages that are missing; what needs no display works already."""
    assert first.returncode == 0
    assert first.stdout.startswith("watchkeeper ")
    assert "libxcb-cursor0" in first.stderr
    assert "in a terminal only" in first.stderr


def test_it_says_that_once_only(with_python: Debian, program: str, first: subprocess.CompletedProcess[str]) -> None:
    """A script that calls it is not told each time."""
    done = with_python.run(program, "--version")

    assert (done.returncode, done.stdout, done.stderr) == (0, first.stdout, "")


def test_the_tray_is_told_what_is_missing(
    with_python: Debian, program: str, first: subprocess.CompletedProcess[str], screen: Session
) -> None:
    """With a display, and without the libraries: no crash of Qt's but the command, and the watch in the terminal."""
    assert first.returncode == 0
    done = with_python.run(program, environ={"DISPLAY": screen.environ["DISPLAY"]})

    assert done.returncode == 2, done.stderr
    assert "sudo apt-get install" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_what_it_named_the_tray_comes_up(with_libraries: Debian, program: str, screen: Session) -> None:
    """The command was the whole one: icon and window are there."""
    environ = {"DISPLAY": screen.environ["DISPLAY"]}
    started = subprocess.Popen(with_libraries.command((program, "--window"), environ=environ))
    try:
        until(
            lambda: (
                'Watchkeeper": ("watchkeeper" "watchkeeper")'
                in subprocess.check_output(("xwininfo", "-root", "-tree"), env=screen.environ, text=True)
            ),
            "the window",
        )
        stopped = with_libraries.run(program, "stop")
        assert started.wait(PATIENCE_S) == 0
    finally:
        started.kill()

    assert stopped.returncode == 0


def test_it_starts_at_login_by_its_own_path(with_libraries: Debian, program: str) -> None:
    """The program in the folder, not the interpreter that it found there."""
    with_libraries.run("mkdir", f"{HOME}/shop")
    enabled = with_libraries.run(program, "autostart", "enable", f"{HOME}/shop")
    status = with_libraries.run(program, "autostart", "status", "--json")
    with_libraries.run(program, "autostart", "disable")

    assert (enabled.returncode, status.returncode) == (0, 0), enabled.stderr + status.stderr
    assert program in json.dumps(json.loads(status.stdout), ensure_ascii=False)


def test_it_is_removed_with_its_folder(with_libraries: Debian, program: str) -> None:
    """Menu entry and command go by --remove; nothing of it lies outside the folder but the person's own data."""
    script = f"{Path(program).parent}/watchkeeper-install"

    done = [with_libraries.run(script), with_libraries.run(script, "--remove")]
    with_libraries.run("rm", "-rf", str(Path(program).parent), f"{HOME}/made.tar.gz", f"{HOME}/shop")
    left = with_libraries.run("find", HOME, "-type", "f", "-o", "-type", "l")

    assert [each.returncode for each in done] == [0, 0]
    own = (f"{HOME}/.config/watchkeeper", f"{HOME}/.local/share/watchkeeper", f"{HOME}/.local/state/watchkeeper")
    assert not [path for path in left.stdout.splitlines() if not path.startswith((*own, f"{HOME}/.cache/"))]


def test_built_twice_it_is_the_same(built: Built, tmp_path: Path, root: Path) -> None:
    """From the same commit, to the last byte."""
    again = build("portable", tmp_path, root)

    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(built.portable.read_bytes()).digest()
