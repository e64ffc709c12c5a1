"""Start at login under Windows' CPython in Wine: the Run key, the command line that it holds, and the task.

What this does not show, as Wine has no shell and no scheduler of Windows' own: the start at a real login, what the Task
Manager switches off, schtasks' answers, and what a policy forbids.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
TASKS = Path("drive_c/windows/system32/tasks")

BEGIN = """
import json, os, sys
sys.path.insert(0, sys.argv.pop(1))
from pathlib import Path
from app.system.autostart.here import autostart_here

def tell(**told):
    sys.stdout.write(json.dumps(told, default=str) + "\\n")
    sys.stdout.flush()
"""

RUN_KEY = (
    BEGIN
    + """
import winreg
from app.system.autostart.run_key import APPROVED, RUN, VALUE

def value():
    try:
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN) as key:
            return winreg.QueryValueEx(key, VALUE)
    except FileNotFoundError:
        return None

folder = Path(sys.argv[1])
project = folder / "Grüße & 100% Ж"
project.mkdir()
autostart = autostart_here({**os.environ, "WATCHKEEPER_HOME": str(folder / "wk")})
enabled = autostart.enable([project])
tell(step="enabled", right=enabled.is_right, troubles=enabled.troubles, value=value(), project=str(project),
     projects=enabled.entries[0].start.projects)
with winreg.CreateKey(winreg.HKEY_CURRENT_USER, APPROVED) as key:
    winreg.SetValueEx(key, VALUE, 0, winreg.REG_BINARY, b"\\x03" + bytes(11))
off = autostart.status()
tell(step="off", active=len(off.active), troubles=[each.text for each in off.troubles])
autostart.enable([project])
tell(step="on", active=len(autostart.status().active))
autostart.disable()
autostart.disable()
tell(step="disabled", value=value(), entries=len(autostart.status().entries))
"""
)

WORDS = (
    BEGIN
    + """
import ctypes, random
from app.system.autostart.windows_words import command_line, split_command_line

split = ctypes.windll.shell32.CommandLineToArgvW
split.restype = ctypes.POINTER(ctypes.c_wchar_p)
split.argtypes = [ctypes.c_wchar_p, ctypes.POINTER(ctypes.c_int)]
draw, wrong = random.Random(1), []
for _ in range(2000):
    words = ["".join(draw.choices('a \\\\"%&^жß', k=draw.randrange(1, 9))) for _ in range(draw.randrange(1, 6))]
    words[0] = "C:\\\\" + words[0].replace('"', "")
    line, count = command_line(words), ctypes.c_int()
    found = split(line, ctypes.byref(count))
    if [found[number] for number in range(count.value)] != words or list(split_command_line(line)) != words:
        wrong.append(words)
tell(step="split", wrong=wrong[:3])
"""
)

LINE = (
    BEGIN
    + """
import subprocess
from app.system.autostart.entries import MODULE, Start
from app.system.autostart.windows_words import command_line, start_words

folder = Path(sys.argv[1])
start = Start((sys.executable, *MODULE), (str(folder / "a b"), str(folder / "100% ж\\\\")), str(folder / "wk home"))
environ = {**os.environ, "PYTHONPATH": str(folder / "stand-in")}
environ.pop("WATCHKEEPER_HOME", None)
done = subprocess.run(command_line(start_words(start, keeps=False)), env=environ, capture_output=True, cwd=folder)
tell(step="ran", shown=json.loads(done.stdout), meant=["--keep", *start.projects], home=start.home)
"""
)

TASK = (
    BEGIN
    + """
from app.engine.limits import Limits
from app.system.autostart.entries import MODULE, Start
from app.system.autostart.programs import ask
from app.system.autostart.task import ScheduledTask

task = ScheduledTask(Limits(), ask, os.environ)
task.write(Start((sys.executable, *MODULE), ("C:\\\\src\\\\a b ж",), "C:\\\\wk"))
tell(step="created")
sys.stdin.readline()
task.remove()
tell(step="removed")
"""
)

STAND_IN = """
import json, os, sys

def main():
    print(json.dumps([sys.argv[1:], os.environ.get("WATCHKEEPER_HOME")]))
"""


def _run(windows: Any, program: str, folder: Path) -> Any:
    return windows.run("-X", "utf8", "-c", program, windows.path(ROOT), windows.path(folder))


@pytest.fixture
def prefix() -> Path:
    """Wine's folder, with no task of ours in it."""
    found = Path(os.environ["WINEPREFIX"])
    (found / TASKS / "Watchkeeper").unlink(missing_ok=True)
    return found


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: the Run key holds 260 characters."""
    with tempfile.TemporaryDirectory(prefix="wk") as folder:
        yield Path(folder)


def test_the_run_key_is_set_read_and_removed(windows: Any, prefix: Path, short: Path) -> None:
    """The registry holds the quoted line as text; what the Task Manager writes switches it off; nothing is left."""
    del prefix
    program = _run(windows, RUN_KEY, short)

    enabled, off, on = (program.until(step=step) for step in ("enabled", "off", "on"))
    disabled = program.until(step="disabled")

    line, kind = enabled["value"]
    assert (enabled["right"], enabled["troubles"]) == (True, [])
    assert enabled["projects"] == [enabled["project"]]
    assert line.startswith('"Z:\\')
    assert "pythonw.exe" in line.partition('" ')[0]
    assert kind == 1  # REG_SZ: Windows expands no %NAME% in it
    assert off["active"] == 0
    assert "switched off" in off["troubles"][0]
    assert on["active"] == 1
    assert (disabled["value"], disabled["entries"]) == (None, 0)


def test_windows_takes_a_line_apart_as_it_was_meant(windows: Any, tmp_path: Path) -> None:
    """CommandLineToArgvW, and our own reading of a value, give back 2000 lists of odd words."""
    program = _run(windows, WORDS, tmp_path)

    assert program.until(step="split")["wrong"] == []


def test_the_line_starts_the_program_with_its_projects_and_home(windows: Any, tmp_path: Path) -> None:
    """What Windows starts has the words and WATCHKEEPER_HOME that were meant, whatever lies where it is started."""
    stand_in = {"stand-in/app/__init__.py": "", "stand-in/app/main.py": STAND_IN, "app/__init__.py": "raise SystemExit"}
    windows.write(tmp_path, stand_in)
    program = _run(windows, LINE, tmp_path)

    ran = program.until(step="ran")

    assert ran["shown"] == [ran["meant"], ran["home"]]


def test_the_task_is_taken_and_removed(windows: Any, prefix: Path, tmp_path: Path) -> None:
    """Wine's schtasks reads the XML, UTF-16 and all, and keeps a task. What it starts, Wine does not write down."""
    file = prefix / TASKS / "Watchkeeper"
    program = _run(windows, TASK, tmp_path)

    program.until(step="created")
    kept = file.read_text("utf-8-sig")
    well_formed = subprocess.run(["xmllint", "--noout", file], check=False).returncode
    program.send({})
    program.until(step="removed")

    assert well_formed == 0
    assert "app.main" in kept
    assert not file.exists()
