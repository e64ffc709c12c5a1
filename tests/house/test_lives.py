"""A life as the house leads it: told of when all listen, seen by who keeps it, and ended with the right word."""

from __future__ import annotations

import asyncio
import dataclasses
import faulthandler
import logging
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from app.domain.commands import RaiseWindow
from app.domain.events import KeeperLost, LifeBegan, SafeModeLeft
from app.domain.health import Ending, KeptBy, UncleanEnd
from app.engine.limits import Limits
from app.engine.lives import EXIT_STUCK, Birth, LifeRecord, lives_folder
from app.engine.places import Places
from app.engine.shutdown import Shutdown
from app.house.ground import ground
from app.house.lives import Life, lived
from app.system.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.house.ground import Ground

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sd_notify speaks over Unix datagrams")

CRASH = UncleanEnd(1_700_000_000.0, Ending.STUCK, "a.py:12 in slow", "0.9")
NO_EARLIER = Birth()
AGAIN = Birth((CRASH,), is_restart=True)


@pytest.fixture
def places() -> Iterator[Places]:
    with tempfile.TemporaryDirectory(prefix="wk-") as folder:
        found = Places.find({"WATCHKEEPER_HOME": folder})
        found.create()
        yield found


@pytest.fixture
def manager() -> Iterator[Manager]:
    with tempfile.TemporaryDirectory(prefix="wk-") as folder:
        made = Manager(Path(folder, "notify"))
        yield made
        made.close()


class Manager:
    """A service manager that hears what it is told."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)  # noqa: FBT003 - the library's signature

    def heard(self) -> list[str]:
        """Return what came since it was last asked."""
        told = []
        while True:
            try:
                told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def stage(places: Places, fake_clock: Any) -> Iterator[Callable[..., Ground]]:
    """Make ground of a life."""
    with ground(places) as laid:

        def make(birth: Birth = NO_EARLIER, service: Service | None = None, **more: Any) -> Ground:
            record = LifeRecord(places.data / "other-lives", clock=fake_clock, version="1")
            record.begin()
            life = Life(record, birth, service or Service(), **more)
            return dataclasses.replace(laid, clock=fake_clock, life=life)

        yield make


def heard_by(on: Ground) -> list[Event]:
    events: list[Event] = []

    def hear(event: Event, _snapshot: Snapshot) -> None:
        events.append(event)

    on.bus.subscribe(hear)
    return events


def _fill(log: Path) -> None:
    """Let the handler of a log write on a disk that is full."""
    (file,) = (
        each
        for each in logging.getLogger().handlers
        if isinstance(each, logging.FileHandler) and each.baseFilename == str(log)
    )
    before = file.setStream(Path("/dev/full").open("a", encoding="utf-8"))  # noqa: SIM115 - the handler closes it
    assert before is not None
    before.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no file that is always full")
async def test_a_log_that_a_full_disk_cuts_short_is_told_and_no_fault(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it runs, as a notice for the faces; at the end in a line on stderr, and the end is an orderly one."""
    with ground(places) as on:
        _fill(places.log_file("watchkeeper"))
        structlog.get_logger("app.room").warning("the last line")
        async with lived(on):
            notice = on.bus.snapshot.notices["log"]

    told = f"The log cannot be written in {places.logs}: No space left on device."
    assert notice.text == told
    assert capsys.readouterr().err == f"watchkeeper: {told} Its end is lost.\n"
    assert not (lives_folder(places) / "current.json").exists()


async def test_a_restart_is_told_once_to_those_who_listen(stage: Callable[..., Ground]) -> None:
    """How the life before ended and who keeps the program comes as one event, and stays in the snapshot."""
    on = stage(AGAIN, Service(kept_by=KeptBy.PARENT))
    events = heard_by(on)

    async with lived(on):
        await asyncio.sleep(0)

    (began,) = [event for event in events if isinstance(event, LifeBegan)]
    assert (began.kept_by, began.ends, began.is_restart, began.safe_mode) == (KeptBy.PARENT, (CRASH,), True, "")
    assert on.bus.snapshot.health.ends == (CRASH,)
    assert on.bus.snapshot.notices == {}


async def test_the_manager_hears_of_start_state_and_end(
    stage: Callable[..., Ground], manager: Manager, fake_clock: Any
) -> None:
    """READY when the house stands, the state in a line, STOPPING when it is left."""
    on = stage(service=Service(manager.address))

    async with lived(on):
        began = manager.heard()
        await fake_clock.pass_time(6)
        later = manager.heard()

    assert began == ["READY=1"]
    assert later == ["STATUS=unknown"]
    assert manager.heard() == ["STOPPING=1"]


async def test_signs_of_life_come_from_the_loop(
    stage: Callable[..., Ground], manager: Manager, fake_clock: Any
) -> None:
    """Twice in the time that the manager waits; a loop that does not run gives none."""
    on = stage(service=Service(manager.address, watchdog_s=60.0))

    async with lived(on):
        await fake_clock.pass_time(91)
        alive = manager.heard().count("WATCHDOG=1")
        fake_clock.advance(600)  # the loop does not run meanwhile
        blocked = manager.heard().count("WATCHDOG=1")

    assert (alive, blocked) == (4, 0)


async def test_safe_mode_is_told_with_the_log_open_until_it_is_left(stage: Callable[..., Ground]) -> None:
    """The notice says why and what to do, and goes when the agents are started."""
    on = stage(AGAIN, safe_mode="Watchkeeper ended unasked 3 times within 10 minutes")
    raised: list[RaiseWindow] = []
    on.bus.handle(RaiseWindow, raised.append)

    async with lived(on):
        notice = on.bus.snapshot.notices["safe-mode"]
        on.bus.publish(SafeModeLeft(at=0))
        after = dict(on.bus.snapshot.notices)

    assert "3 times within 10 minutes" in notice.text
    assert "--leave-safe-mode" in notice.hint
    assert [command.page for command in raised] == ["log"]
    assert "safe-mode" not in after


async def test_a_terminal_has_no_log_to_open(stage: Callable[..., Ground]) -> None:
    """Safe mode without a window is told all the same."""
    on = stage(safe_mode="you asked for it with --safe")

    async with lived(on):
        assert "safe-mode" in on.bus.snapshot.notices


async def test_a_lost_keeper_is_told(stage: Callable[..., Ground], fake_clock: Any) -> None:
    """A parent that was killed leaves the program running, and a person learns that nobody keeps it."""
    on = stage(service=Service(kept_by=KeptBy.PARENT, keeper=os.getppid()))
    orphan = dataclasses.replace(on.life, service=Service(kept_by=KeptBy.PARENT, keeper=1234567))

    async with lived(on):
        await fake_clock.wait_for_sleepers()
        before, kept_by = dict(on.bus.snapshot.notices), on.bus.snapshot.health.kept_by
    events = heard_by(on)
    async with lived(dataclasses.replace(on, life=orphan)):
        await fake_clock.wait_for_sleepers()
        await fake_clock.pass_time(3 * on.limits.beat_every_s)
        after = on.bus.snapshot

    assert (before, kept_by) == ({}, KeptBy.PARENT)
    assert "watchkeeper --keep" in after.notices["keeper"].hint
    assert after.health.kept_by is KeptBy.NOBODY
    assert [type(event) for event in events].count(KeeperLost) == 1


async def test_trouble_with_the_record_is_told(stage: Callable[..., Ground]) -> None:
    """A record that cannot be kept is no reason not to start, but is one to tell."""
    on = stage(Birth(trouble="The disk is full."))

    async with lived(on):
        assert on.bus.snapshot.notices["lives"].text == "The disk is full."


def test_a_stuck_life_ends_with_the_code_that_brings_it_back(stage: Callable[..., Ground]) -> None:
    """And with its word on the disk."""
    codes: list[int] = []
    life = stage(force=codes.append).life

    life.end_stuck("a.py:1 in x", "stacks")

    assert codes == [EXIT_STUCK]
    assert life.record.begin().ends[0].ending is Ending.STUCK


@pytest.mark.parametrize(("kept_by", "code"), [(KeptBy.NOBODY, 70), (KeptBy.PARENT, 3), (KeptBy.SYSTEMD, 3)])
def test_a_forced_stop_does_not_bring_a_kept_program_back(
    stage: Callable[..., Ground], kept_by: KeptBy, code: int
) -> None:
    """It was ended by a person: whoever keeps it must take it for an orderly end."""
    codes: list[int] = []
    life = stage(service=Service(kept_by=kept_by), force=codes.append).life

    life.end_by_force(70)

    assert codes == [code]
    assert life.record.begin().ends[0].ending is Ending.FORCED


@pytest.mark.parametrize("way", ["stuck", "forced"])
def test_a_log_that_hangs_does_not_keep_the_program_from_ending(stage: Callable[..., Ground], way: str) -> None:
    """What made the loop stuck, or the stop long, may be the log's disk: its lock is held then."""
    codes: list[int] = []
    ended = threading.Event()

    def force(code: int) -> None:
        codes.append(code)
        ended.set()

    on = stage(force=force)
    life = on.life
    shutdown = Shutdown(on.bus, on.clock, Limits(), force=life.end_by_force)
    ways: dict[str, Callable[[], None]] = {
        "stuck": lambda: life.end_stuck("a.py:1 in x", "stacks"),
        "forced": shutdown._end_by_force,
    }
    held = [each for each in logging.getLogger().handlers if each.lock is not None]
    for each in held:
        each.acquire()
    try:
        threading.Thread(target=ways[way], daemon=True).start()
        has_ended = ended.wait(20)
    finally:
        for each in held:
            each.release()

    assert has_ended
    assert codes == [EXIT_STUCK]
    assert life.record.begin().ends[0].ending.value == way


def test_a_faulthandler_that_is_on_stays_as_it_is(places: Places) -> None:
    """Who started Python with -X faulthandler reads it where they chose."""
    assert faulthandler.is_enabled()  # pytest's own

    with ground(places) as on:
        is_ours = on.life.record.fault_file.exists()

    assert not is_ours
    assert faulthandler.is_enabled()
