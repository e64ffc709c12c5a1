"""An installed program starts itself by what its installer has put there, and knows by that what it is."""

import json
import sys
from pathlib import Path

import pytest

from app.house.keeper import own_command
from app.system.autostart.entries import KEEP, MODULE, Start, start_of
from app.system.autostart.here import program_here, program_of


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder `lib/app` of a tree as setup.exe lays it down, its launcher and interpreters beside it."""
    package = tmp_path / "lib" / "app"
    package.mkdir(parents=True)
    note = {"channel": "setup", "program": "../../watchkeeper.exe"}
    (package / "installed.json").write_text(json.dumps(note), "utf-8")
    for name in ("watchkeeper.exe", "python.exe", "pythonw.exe"):
        (tmp_path / name).write_text("", "utf-8")
    return package


def test_the_start_at_login_is_that_of_the_launcher(installed: Path) -> None:
    """Not an interpreter is started at login, but what the person sees as Watchkeeper; and it is known again."""
    python = installed.parents[1] / "python.exe"

    program = program_here(str(python), "win32", installed)

    words = Start(program).words(keeps=False)
    assert words == (str(installed.parents[1] / "watchkeeper.exe"), KEEP)
    assert start_of(words) == Start(program)


def test_a_launcher_that_is_gone_is_not_named(installed: Path) -> None:
    """Where a virus scanner took the launcher, the interpreter that opens no console starts the program."""
    tree = installed.parents[1]
    (tree / "watchkeeper.exe").unlink()

    program = program_here(str(tree / "python.exe"), "win32", installed)

    assert program == program_of(str(tree / "python.exe"), "win32") == (str(tree / "pythonw.exe"), *MODULE)


def test_the_parent_starts_the_launcher_again(installed: Path) -> None:
    """A kept program comes back as what the installer has put there; where that is gone, by an interpreter."""
    launcher = installed.parents[1] / "watchkeeper.exe"

    packed = own_command(installed)
    launcher.unlink()
    left = own_command(installed)

    assert packed == [str(launcher)]
    assert left[:3] == [sys.executable, "-P", "-c"]
    assert left[-1] == str(installed.parent)
