"""The tray and the command line write into one vault at the same time, opened by a real keychain: nothing is lost."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from kit.keychains import GnomeKeyring, PrivateBus
from kit.program import Program

from app.engine.clock import SystemClock
from app.engine.places import Places
from app.engine.redaction import Redactor
from app.keys.manager import KeyManager
from app.keys.usual import usual_vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.events import Event


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateBus]:
    """A session bus with a real keychain on it, unlocked as after a login."""
    with PrivateBus() as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        GnomeKeyring(bus)
        yield bus


async def _commands(program: Program, writer: int, writes: int) -> list[int]:
    """Set so many secrets by the command line, one after the other, and return the exit codes."""
    codes = []
    for number in range(writes):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "app.main", "keys", "set", f"COMMAND_{writer}_{number}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=program.environ,
        )
        await process.communicate(f"{writer}/{number}".encode())
        codes.append(process.returncode if process.returncode is not None else -1)
    return codes


@pytest.mark.timeout(280)
@pytest.mark.parametrize(("writers", "writes"), [(3, 3), pytest.param(7, 25, marks=pytest.mark.slow)])
async def test_tray_and_commands_that_write_at_once_lose_nothing(
    bus: PrivateBus, tmp_path: Path, writers: int, writes: int
) -> None:
    """Every value of every writer is there, the tray shows them all, and the access log holds."""
    program = Program(tmp_path / "home", bus.environ)
    assert program.run("keys", "init", "--recovery-file", str(tmp_path / "code")).returncode == 0
    told: list[Event] = []
    places = Places.find(program.environ)
    usual = usual_vault(places.keys, SystemClock(), program="the tray", with_person=False)
    tray = KeyManager(usual, publish=told.append, clock=SystemClock(), redactor=Redactor(), rotate_days=lambda: 30)
    await tray.unlock()

    async def by_the_tray() -> None:
        for number in range(writes):
            await tray.set(f"TRAY_{number}", f"tray/{number}", notes=None, due_days=None)

    *codes, _ = await asyncio.gather(*(_commands(program, each, writes) for each in range(writers)), by_the_tray())
    await tray.look()

    expected = {f"COMMAND_{each}_{number}": f"{each}/{number}" for each in range(writers) for number in range(writes)}
    expected |= {f"TRAY_{number}": f"tray/{number}" for number in range(writes)}
    assert codes == [[0] * writes] * writers
    assert {secret.name for secret in tray.view.secrets} == set(expected)
    assert {name: await tray.secret(name, why="a test") for name in expected} == expected
    assert (await tray.verify_log()).problems == ()
    await tray.aclose()
