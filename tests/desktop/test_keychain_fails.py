"""Row 44: the keychain under the running program is locked, absent, or does not answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from kit.keychains import GnomeKeyring, PrivateBus
from kit.program import Program
from kit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kit.project import Project

CANARY = "canary-3c91ee"
SAID_WITHIN_S = 1.0
ANSWERS_S = 1.0
"""How long the program may take to say how things stand, all the while."""

TROUBLES: dict[str, Callable[[GnomeKeyring], None]] = {
    "locked": GnomeKeyring.lock,
    "absent": GnomeKeyring.kill,
    "silent": GnomeKeyring.hold,
}


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateBus]:
    """A session bus, which this process is on too."""
    with PrivateBus() as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        yield bus


def with_secret(bus: PrivateBus, folder: Path) -> tuple[GnomeKeyring, Program]:
    """Return a keychain that opens a vault with a secret in it, and the program whose vault it is."""
    gnome = GnomeKeyring(bus)
    program = Program(folder / "home", bus.environ | {"QT_QPA_PLATFORM": "offscreen"})
    made = program.run("keys", "init", "--recovery-file", str(folder / "code"))
    assert made.returncode == 0, made.stderr
    given = [sys.executable, "-m", "app.main", "keys", "set", "CANARY"]
    subprocess.run(given, input=CANARY.encode(), env=program.environ, check=True, capture_output=True, timeout=60)
    return gnome, program


def holding(folder: Path) -> list[Path]:
    """Return the files that hold the secret in plain text."""
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.mark.parametrize("how", TROUBLES)
async def test_row_44_a_keychain_that_fails_is_said_at_once_and_holds_nothing_up(
    bus: PrivateBus, tmp_path: Path, project: Project, how: str
) -> None:
    """With its window open it says within a second why the vault is closed, tests run, and nothing is in plain text."""
    gnome, program = await asyncio.to_thread(with_secret, bus, tmp_path)
    TROUBLES[how](gnome)

    program.start("--window", str(project.root))
    await until(program.snapshot, "the program answers")
    answered = time.monotonic()
    vault = await until(
        lambda: (s := program.snapshot()) and s["vault"]["reason"] and s["vault"], "a word on the vault"
    )
    said_s = time.monotonic() - answered
    took = []
    while not took or (program.snapshot() or {})["mood"] != "green":
        began = time.monotonic()
        snapshot = program.snapshot()
        took.append(time.monotonic() - began)
        assert snapshot is not None
        assert time.monotonic() - answered < 20, snapshot
    refused = program.run("keys", "get", "CANARY")
    ended = time.monotonic()
    program.end()
    ended_s = time.monotonic() - ended
    if how == "silent":
        gnome.go_on()

    assert vault["state"] in {"waiting", "locked", "trouble"}
    assert vault["hint"]
    assert said_s < SAID_WITHIN_S
    assert max(took) < ANSWERS_S
    assert refused.returncode != 0
    assert CANARY not in refused.stdout
    assert ended_s < 10.0
    assert program.process is not None
    assert program.process.returncode == 0
    assert "Traceback" not in program.printed() + refused.stderr
    assert holding(tmp_path) == []
