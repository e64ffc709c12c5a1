"""What a person has and does: a project with tests, the installed program, and where Windows keeps what it was told."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from machine import LONG_S, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from machine import Machine, Ran
    from screen import Screen

UNINSTALL = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\Watchkeeper"
RUN = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run"
APP_ID = r"HKCU\Software\Classes\AppUserModelId\Watchkeeper"
PYTHON = "Python312"
WIZARD = "Set up Watchkeeper"
RECOVERY = r"C:\recovery.txt"
"""Where a person has the code written who makes a vault without a terminal."""
_LINE = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1]))"
"""Runs one command line as it is."""

GOOD = "def total(prices):\n    return sum(prices)\n"
BROKEN = GOOD.replace("sum(prices)", "sum(prices) + 1")
TESTS = """
    from prices import total

    def test_total():
        assert total([1, 2, 4]) == 7
"""


class Installed:
    """The installed program.

    Args:
        machine: Where.
        folder: The folder that it was installed into.
    """

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        self.program = folder / "program"
        self.launcher = self.program / "watchkeeper.exe"
        self.shortcut = machine.menu / "Watchkeeper.lnk"

    def command(self, *words: str, given: str = "", folder: Path | None = None) -> Ran:
        """Run its command line."""
        command = self.machine.name(self.program / "bin" / "watchkeeper.exe")
        return self.machine.run(command, *words, given=given, folder=folder)

    def document(self, *words: str) -> Any:
        """Run a command that prints JSON, and return the document."""
        ran = self.command(*words, "--json")
        assert ran.code in {0, 1}, f"{words}: exit {ran.code}\n{ran.out}\n{ran.err}"
        return ran.document()

    def status(self) -> dict[str, Any]:
        """Return what the running program sees; empty while none answers."""
        ran = self.command("status", "--json")
        return dict(ran.document()) if ran.code in {0, 1} else {}

    def until_running(self) -> dict[str, Any]:
        """Wait until the program answers, and return what it sees."""
        return until(self.status, "the program answers")

    def until_mood(self, mood: str) -> dict[str, Any]:
        """Wait until the program sees things so and runs nothing, and return what it sees."""

        def look() -> dict[str, Any] | None:
            seen = self.status()
            is_busy = any(project["current"] for project in seen.get("projects", {}).values())
            return seen if seen.get("mood") == mood and not is_busy else None

        return until(look, f"mood {mood}", LONG_S)

    def uninstall(self, *words: str) -> int:
        """Run the uninstaller without a word, and wait until it is done: it copies itself and lets go at once.

        Returns:
            The exit code of the one that was started.
        """
        code = self.machine.end_of(self.machine.name(self.folder / "uninstall.exe"), "/S", *words, seconds=LONG_S)
        until(lambda: not (self.folder / "uninstall.exe").exists(), "the uninstaller is done", LONG_S)
        return code


def usual_folder(machine: Machine) -> Path:
    """Return where it is installed when nobody says where."""
    return machine.local / "Programs" / "Watchkeeper"


def install(machine: Machine, setup: Path, *words: str) -> int:
    """Run a setup without a word, and return its exit code; `/D=` comes last, and takes no quotes."""
    # Word by word, one with a space would come in quotes, in which setup does not know `/D=`.
    line = " ".join((f'"{machine.name(machine.bring(setup))}"', "/S", *words))
    python = machine.name(machine.drive / PYTHON / "python.exe")
    return machine.end_of(python, "-c", _LINE, line, seconds=LONG_S)


def make_project(machine: Machine, folder: Path) -> None:
    """Write a small green project, with an environment of its own whose Python is the person's."""
    folder.mkdir(parents=True)
    scripts = folder / ".venv" / "Scripts"
    scripts.mkdir(parents=True)
    home = machine.drive / PYTHON
    for name in ("python.exe", "python3.dll", "python312.dll", "vcruntime140.dll", "vcruntime140_1.dll"):
        (scripts / name).write_bytes((home / name).read_bytes())
    lines = (f"home = {machine.name(home)}", "include-system-site-packages = true", "version = 3.12.9")
    (folder / ".venv" / "pyvenv.cfg").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n', "utf-8")
    (folder / "prices.py").write_text(GOOD, "utf-8")
    (folder / "test_prices.py").write_text(textwrap.dedent(TESTS).lstrip(), "utf-8")
    machine.own(folder)


def skip_wizard(screen: Screen) -> int:
    """Skip each step of the first start, as somebody does who wants to look around, and return how many there were."""
    steps = 0
    wizard: str | None = screen.until_window(WIZARD)
    while wizard is not None:
        before = screen.head_of(wizard)
        screen.picture("a step of the wizard")
        screen.press(wizard, "alt+s")
        steps += 1

        def turned(number: str = wizard, shown: bytes = before) -> bool:
            return screen.head_of(number) != shown

        until(turned, "the wizard goes on")
        wizard = screen.window(WIZARD)
    return steps


def words_of(programs: Sequence[str], name: str) -> list[str]:
    """Return the command lines of the programs of a name."""
    return [line for line in programs if name.lower() in line.lower()]
