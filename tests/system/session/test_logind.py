"""What logind tells, on a D-Bus of our own: taken in from logind alone, and missed by nobody who has no bus."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from app.system.session.logind import Logind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

LONG_S = 20.0
LOGIND = "org.freedesktop.login1"
BUS_CONFIG = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


@dataclass
class Heard:
    """What was told."""

    told: list[str] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self, source: str) -> None:
        self._note(f"woke: {source}")

    def end(self, reason: str) -> None:
        self._note(f"ends: {reason}")

    def _note(self, what: str) -> None:
        self.told.append(what)
        self.moved.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(LONG_S):
            while len(self.told) < count:
                self.moved.clear()
                await self.moved.wait()


@pytest.fixture
def start_bus(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Start a bus daemon of our own, as the system's is, and give its address."""
    daemon = shutil.which("dbus-daemon")
    assert daemon, "dbus-daemon is missing: apt-get install dbus"
    config = tmp_path / "bus.conf"
    config.write_text(BUS_CONFIG.format(folder=tmp_path))
    argv = [daemon, f"--config-file={config}", "--nofork", "--nopidfile", "--print-address"]
    with contextlib.ExitStack() as stack:

        def start() -> str:
            process = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
            stack.callback(process.terminate)
            assert process.stdout is not None
            return process.stdout.readline().strip()

        yield start


@contextlib.asynccontextmanager
async def sender(address: str, name: str = "") -> AsyncIterator[Any]:
    """Connect somebody to the bus, who may take a name."""
    bus = await MessageBus(bus_address=address).connect()
    try:
        if name:
            await bus.request_name(name)
        yield bus
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


async def say(bus: Any, member: str, *, is_before: bool, to: str | None = None) -> None:
    """Send a signal as logind sends it."""
    signal = Message(
        destination=to,
        path="/org/freedesktop/login1",
        interface=f"{LOGIND}.Manager",
        member=member,
        message_type=MessageType.SIGNAL,
        signature="b",
        body=[is_before],
    )
    await bus.send(signal)


@contextlib.asynccontextmanager
async def listening(heard: Heard, address: str, retry_s: float = 300.0) -> AsyncIterator[Logind]:
    async with Logind(heard.wake, heard.end, address=address, retry_s=retry_s) as logind:
        async with asyncio.timeout(LONG_S):
            await logind.listening.wait()
        yield logind


async def test_a_wake_up_and_the_machines_end_are_told(start_bus: Callable[[], str]) -> None:
    """After a sleep and before a shutdown; not before a sleep, nor after a shutdown that was called off."""
    heard, address = Heard(), start_bus()

    async with sender(address, LOGIND) as logind, listening(heard, address):
        await say(logind, "PrepareForSleep", is_before=True)
        await say(logind, "PrepareForSleep", is_before=False)
        await say(logind, "PrepareForShutdown", is_before=False)
        await say(logind, "PrepareForShutdown", is_before=True)
        await heard.until(2)

    assert heard.told == ["woke: logind", "ends: the machine goes down"]


async def test_what_another_program_says_is_passed_over(start_bus: Callable[[], str]) -> None:
    """Anybody may send a signal of that name straight to anybody; only logind's own ends the program."""
    heard, address = Heard(), start_bus()

    async with sender(address, LOGIND) as logind, sender(address) as stranger, listening(heard, address):
        others = [f":1.{number}" for number in range(8)]
        for other in others:
            await say(stranger, "PrepareForShutdown", is_before=True, to=other)
        await stranger.call(Message("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId"))  # all was delivered
        await say(logind, "PrepareForSleep", is_before=False)
        await heard.until(1)

    assert heard.told == ["woke: logind"]


async def test_without_a_bus_it_is_silent(tmp_path: Path) -> None:
    """As in a container: entering and leaving are no error, and nothing is told."""
    heard = Heard()

    async with Logind(heard.wake, heard.end, address=f"unix:path={tmp_path}/absent", retry_s=0.01) as logind:
        await asyncio.sleep(0.05)
        is_listening = logind.listening.is_set()

    assert not is_listening
    assert heard.told == []


async def test_a_bus_that_comes_later_is_listened_to(start_bus: Callable[[], str], tmp_path: Path) -> None:
    """The program may start before the system's bus does."""
    heard = Heard()
    address = f"unix:path={tmp_path}/bus"

    async with Logind(heard.wake, heard.end, address=address, retry_s=0.05) as watch:
        await asyncio.sleep(0.1)
        start_bus()
        async with asyncio.timeout(LONG_S):
            await watch.listening.wait()
        async with sender(address, LOGIND) as logind:
            await say(logind, "PrepareForSleep", is_before=False)
            await heard.until(1)

    assert heard.told == ["woke: logind"]
