"""`python3 installer/bootstrap.py`: its gate on an old Python, and the set-up of a small project, for real."""

import ast
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.commands import main, watchkeeper_arguments
from provision.console import Console
from provision.environment import Environment
from provision.system import SystemPackages

# A build backend of the project's own, as PEP 517 and 660 have it, so that the set-up needs no package from anywhere.
# It counts its builds, and holds one for as long as a file `hold` is there.
BACKEND = """
import pathlib, time, zipfile
ROOT = pathlib.Path(__file__).parent
def build_editable(folder, config_settings=None, metadata_directory=None):
    with (ROOT / "builds").open("a") as builds:
        builds.write("x")
    while (ROOT / "hold").exists():
        time.sleep(0.02)
    info = "watchkeeper-1.dist-info/"
    with zipfile.ZipFile(pathlib.Path(folder) / "watchkeeper-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("watchkeeper.pth", str(ROOT))
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: watchkeeper\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return "watchkeeper-1-py3-none-any.whl"
"""
PROJECT = """
[project]
name = "watchkeeper"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
PROGRAM = """
import os, sys
print(os.getpid(), sys.argv[1:])
sys.exit(7)
"""
DEADLINE_S = 100.0
# Making a virtual environment takes three seconds alone, and more than a minute on a busy machine.
PATIENT = pytest.mark.timeout(300)


class Checkout:
    """A small project with our installer in it."""

    def __init__(self, folder: Path, installer: Path) -> None:
        self.folder = folder
        shutil.copytree(installer, folder / "installer", ignore=shutil.ignore_patterns("__pycache__", "locks"))
        self.write("installer/locks/run.txt", "# nothing is needed\n")
        self.write("installer/locks/test.txt", "# nothing is needed\n")
        self.write("pyproject.toml", PROJECT)
        self.write("backend.py", BACKEND)
        self.write("app/__init__.py", "")
        self.write("app/main.py", PROGRAM)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environ = {key: value for key, value in os.environ.items() if key not in {"DISPLAY", "WAYLAND_DISPLAY"}}
        return subprocess.Popen(
            (sys.executable, str(self.folder / "installer" / "bootstrap.py"), "run", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environ,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as child:
            stdout, stderr = child.communicate(timeout=DEADLINE_S)
        return child.returncode, stdout, stderr

    @property
    def stamp(self) -> Path:
        return self.folder / ".venv" / "watchkeeper-setup.json"

    @property
    def builds(self) -> int:
        path = self.folder / "builds"
        return path.stat().st_size if path.exists() else 0


Made = tuple[Checkout, tuple[int, str, str]]


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Checkout:
    return Checkout(tmp_path / "a checkout", root / "installer")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Made:
    """One checkout for all tests that leave it as they found it, with what its first start said."""
    checkout = Checkout(tmp_path_factory.mktemp("made") / "a checkout", root / "installer")
    return checkout, checkout.run("some/project", "--level", "debug")


@PATIENT
def test_the_first_start_sets_up_and_becomes_the_program(made: Made) -> None:
    """It shows what it does, hands the arguments on and ends with the program's own exit code."""
    _, (code, stdout, stderr) = made

    assert (code, stdout.split(maxsplit=1)[1]) == (7, "['run', 'some/project', '--headless', '--level', 'debug']\n")
    assert "Making .venv" in stderr
    assert "There is no display here" in stderr


@PATIENT
def test_a_second_start_does_nothing_but_start(made: Made) -> None:
    """The second start is the program at once, in the same process."""
    checkout, _ = made
    before = checkout.builds

    with checkout.start() as second:
        stdout, stderr = second.communicate(timeout=DEADLINE_S)

    assert stdout == f"{second.pid} ['run', '.', '--headless']\n"
    assert stderr == "There is no display here, so there can be no tray: watching in the terminal instead.\n"
    assert checkout.builds == before


@PATIENT
def test_a_new_version_is_installed_alone(made: Made) -> None:
    """Where only the project changed, the packages are not asked for again."""
    checkout, _ = made
    before = checkout.builds
    checkout.write("app/__init__.py", "VERSION = 2\n")

    code, _, stderr = checkout.run()

    assert code == 7
    assert "Installing Watchkeeper itself" in stderr
    assert "pinned" not in stderr
    assert checkout.builds == before + 1


@PATIENT
def test_a_failing_step_says_what_pip_said(made: Made) -> None:
    """A package without its digest ends the set-up with pip's own last lines, and no traceback."""
    checkout, _ = made
    lock = "installer/locks/run.txt"
    stamp, pinned = checkout.stamp.read_text("utf-8"), (checkout.folder / lock).read_text("utf-8")
    checkout.write(lock, "watchdog==7.1.0\n")

    code, stdout, stderr = checkout.run()
    unfinished = json.loads(checkout.stamp.read_text("utf-8"))
    checkout.write(lock, pinned)
    checkout.stamp.write_text(stamp, "utf-8")

    assert (code, stdout) == (1, "")
    assert "hash" in stderr.lower()
    assert "Traceback" not in stderr
    assert "unfinished" in unfinished


@PATIENT
@pytest.mark.parametrize("lost", ["root", "python"])
def test_an_environment_that_was_moved_or_lost_its_python_is_not_used(made: Made, lost: str) -> None:
    """Its scripts would start another checkout's program, or nothing."""
    checkout, _ = made
    console = Console(io.StringIO())
    environment = Environment(checkout.folder, console, SystemPackages(console, {}), os.environ)
    stamp = json.loads(checkout.stamp.read_text("utf-8"))

    assert environment._usable(stamp)
    assert not environment._usable({**stamp, lost: "elsewhere"})


@PATIENT
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor inherited locks")
def test_a_killed_set_up_is_made_whole_by_the_next(checkout: Checkout) -> None:
    """Killed half-way: the next start waits for the orphaned pip, makes the environment anew and starts."""
    checkout.write("hold", "")
    with checkout.start() as first:
        wait_until(lambda: checkout.builds == 1)
        first.send_signal(signal.SIGKILL)

    assert "unfinished" in json.loads(checkout.stamp.read_text("utf-8"))

    with checkout.start() as second:
        assert second.stderr is not None
        waiting = second.stderr.readline()
        (checkout.folder / "hold").unlink()
        _, stderr = second.communicate(timeout=DEADLINE_S)

    assert "Another bootstrap is setting up this checkout" in waiting
    assert "making it anew" in stderr
    assert second.returncode == 7
    assert "unfinished" not in json.loads(checkout.stamp.read_text("utf-8"))


@PATIENT
def test_two_at_once_set_up_once(checkout: Checkout) -> None:
    """A second bootstrap says that it waits, and finds everything done by the first."""
    checkout.write("hold", "")
    with checkout.start() as first, checkout.start() as second:
        wait_until(lambda: checkout.builds == 1)
        (checkout.folder / "hold").unlink()
        told = [child.communicate(timeout=DEADLINE_S)[1] for child in (first, second)]

    assert (first.returncode, second.returncode) == (7, 7)
    assert checkout.builds == 1
    assert sum("Another bootstrap" in text for text in told) == 1
    assert sum("Making .venv" in text for text in told) == 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.EROFS, "cannot be written to"),
        (errno.EACCES, "cannot be written to"),
        (errno.ENOSPC, "The disk is full"),
        (errno.EIO, "could not set itself up"),
    ],
)
def test_a_disk_that_refuses_is_told_in_words(tmp_path: Path, code: int, told: str) -> None:
    """A read-only checkout, a full disk and others each have their sentence."""
    console = Console(io.StringIO())
    environment = Environment(tmp_path, console, SystemPackages(console, {}), {})

    assert told in environment._explain(OSError(code, os.strerror(code), str(tmp_path)))


def test_the_gate_parses_on_an_old_python(root: Path) -> None:
    """Python 3.6 can read the gate, so that it can show the message that sends people to a newer one."""
    ast.parse((root / "installer" / "bootstrap.py").read_text("utf-8"), feature_version=(3, 6))


def gate(root: Path, *, path: Path) -> subprocess.CompletedProcess[str]:
    """Runs the gate on a Python that claims to be 3.6."""
    script = str(root / "installer" / "bootstrap.py")
    claim = (
        "import os, runpy, shutil, subprocess, sys; sys.version_info = (3, 6, 9, 'final', 0);"
        f"sys.argv = [{script!r}, '--help']; runpy.run_path({script!r}, run_name='__main__')"
    )
    return subprocess.run(
        (sys.executable, "-c", claim), env={"PATH": str(path)}, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.usefixtures("programs")
def test_an_old_python_alone_names_where_a_newer_one_comes_from(root: Path, tmp_path: Path) -> None:
    """Without a newer Python on PATH the person is told what is needed and where to get it."""
    ended = gate(root, path=tmp_path / "programs")

    assert ended.returncode == 3
    assert "needs Python 3.11 or newer. This is Python 3.6" in ended.stderr
    assert "www.python.org" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_old_python_hands_over_to_a_newer_one(
    root: Path, tmp_path: Path, programs: Callable[[str, str], Path]
) -> None:
    """The best Python on PATH that really starts takes over: a shim that leads nowhere is passed by."""
    mine = f"python3.{sys.version_info.minor}"
    for name in {"python3.14", "python3.13", "python3.12", "python3.11"} - {mine}:
        programs(name, "echo no such version >&2; exit 127")
    programs(mine, f'exec {sys.base_prefix}/bin/{mine} "$@"')

    ended = gate(root, path=tmp_path / "programs")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "bootstrap.py COMMAND" in ended.stdout


@pytest.mark.parametrize(
    ("typed", "display", "expected"),
    [
        ([], True, ["."]),
        (["project"], True, ["project"]),
        (["project", "--verbose"], True, ["project", "--verbose"]),
        (["--verbose"], True, [".", "--verbose"]),
        (["project", "--headless"], True, ["run", "project", "--headless"]),
        ([], False, ["run", ".", "--headless"]),
        (["project", "--headless", "-v"], False, ["run", "project", "--headless", "-v"]),
    ],
)
def test_run_hands_its_arguments_on(typed: list[str], expected: list[str], *, display: bool) -> None:
    """The path defaults to here, and without a display watchkeeper runs headless."""
    assert watchkeeper_arguments(typed, display=display) == expected


def test_an_unknown_command_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command is named, with the ones there are, and code 2."""
    code = main(["strat"])

    assert code == 2
    assert "Unknown command: strat" in capsys.readouterr().err
