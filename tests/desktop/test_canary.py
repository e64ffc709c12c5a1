"""A value that nobody else may see: after a whole day's work with it, it is found nowhere but in the vault."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import psutil
import pytest
from kit.keychains import GnomeKeyring, PrivateBus
from kit.program import Program
from kit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kit.project import Project

T = TypeVar("T")

CANARY = 'canary"7f/3a+9 \\ tail'
"""With what each way of quoting changes."""

FORMS = {
    CANARY.encode(),
    quote(CANARY, safe="").encode(),
    base64.b64encode(CANARY.encode()).rstrip(b"="),
    CANARY.encode().hex().encode(),
    CANARY.replace("\\", "\\\\").replace('"', '\\"').encode(),
    CANARY.encode("utf-16-le"),
    b"7f/3a+9",  # what no escaping changes
}


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateBus]:
    """A session bus with a real keychain on it, unlocked as after a login."""
    with PrivateBus() as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        GnomeKeyring(bus)
        yield bus


def _given(program: Program, *words: str) -> None:
    """Set a secret by standard input, as a script does."""
    entry = [sys.executable, "-m", "app.main", *words]
    subprocess.run(entry, input=CANARY.encode(), env=program.environ, check=True, capture_output=True, timeout=60)


def _holding(folders: list[Path], since: float) -> list[Path]:
    """Return the files that hold the value in any form."""
    inside = (Path(root, name) for folder in folders for root, _, names in os.walk(folder) for name in names)
    found = []
    for path in (*folders, *inside):
        with suppress(FileNotFoundError):  # of what others make beside this test, some goes meanwhile
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since:
                content = path.read_bytes()
                found += [path] if any(form in content for form in FORMS) else []
    return found


def _new_in(folder: Path, since: float) -> list[Path]:
    """Return what was made, or changed, in a folder that others use too."""
    return [path for path in folder.iterdir() if path.lstat().st_mtime >= since and not path.is_symlink()]


def _wait(look: Callable[[], T | None], what: str) -> T:
    return asyncio.run(until(look, what))


def _command_lines() -> list[str]:
    return [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]


def test_after_a_days_work_the_value_is_found_nowhere(bus: PrivateBus, tmp_path: Path, project: Project) -> None:
    """Set, read, used, failed, crashed, copied in vain, exported: no file, log, database or command line holds it."""
    since = time.time() - 1
    program = Program(tmp_path / "home", bus.environ)
    away = tmp_path / "away"
    away.mkdir()
    made = program.run("keys", "init", "--recovery-file", str(away / "code"))
    assert made.returncode == 0, made.stderr
    _given(program, "keys", "set", "CANARY", "--notes", "of a test", "--due", "1d")

    # An instance that has the vault open, and told of the renewal; then killed, as by a crash, and started again.
    process = program.start("run", str(project.root), "--headless")
    opened = _wait(lambda: (s := program.snapshot()) and s["vault"]["state"] == "open" and s, "the vault is open")
    assert [each["name"] for each in opened["vault"]["secrets"]] == ["CANARY"]
    assert program.run("keys", "copy", "CANARY").returncode == 3  # there is no clipboard here
    process.send_signal(signal.SIGSEGV)
    _wait(lambda: process.poll() is not None, "it crashes")
    again = program.start("run", str(project.root), "--headless")
    _wait(lambda: (s := program.snapshot()) and s["vault"]["state"] == "open", "the vault is open again")

    # Read in a pipe, used by programs that print it, fail and crash, while the process list is looked at.
    assert program.run("keys", "get", "CANARY").stdout == CANARY
    script = "import os, sys, time; print(os.environ['CANARY']); time.sleep(1); raise SystemExit(os.environ['CANARY'])"
    user = subprocess.Popen(
        [sys.executable, "-m", "app.main", "keys", "run", "--only", "CANARY", "--", sys.executable, "-c", script],
        env=program.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _wait(lambda: any("raise SystemExit" in line and "keys run" not in line for line in _command_lines()), "runs")
    lines = _command_lines()
    out, err = user.communicate(timeout=60)
    crashed = program.run("keys", "run", "--only", "CANARY", "--", sys.executable, "-c", "import os; os.abort()")
    verified = program.run("keys", "verify")
    exported = program.run("keys", "export", str(away / "copy.wkv"))
    stopped = program.run("stop")
    again.wait(timeout=20)

    assert (user.returncode, crashed.returncode) == (1, 128 + signal.SIGABRT)
    assert (out.strip(), err.strip()) == (b"***", b"***")
    assert (verified.returncode, exported.returncode, stopped.returncode) == (0, 0, 0), verified.stdout
    assert not [line for line in lines if CANARY in line]
    assert _holding([tmp_path, bus.folder, *_new_in(Path(tempfile.gettempdir()), since)], since) == []
    assert not list(tmp_path.rglob("core*"))
