"""The key-rotation agent: what is due is done by the stored date, whatever the clock does meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.keyrotation.agent import SETTLE_S, KeyRotation, Steady
from app.agents.keyrotation.settings import KeySettings
from app.domain.events import AccessLogBroken, Event, KeyRotated, NoticeRaised, SecretDue
from app.domain.keys import VaultState
from app.engine.bus import Bus
from app.engine.heartbeat import Pulse
from app.engine.redaction import Redactor
from app.keys.derive import Stretching
from app.keys.keychain.anchor import NoAnchor
from app.keys.keychain.keychain import Keychain
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Action
from app.keys.manager import KeyManager
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.usual import UsualVault
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

DAY_S = 86_400
SLOT = PassphraseSlot("opens by itself in a test", Stretching(passes=1, memory_kib=8 * 1024, lanes=1))


def vault_at(folder: Path, clock: Any) -> UsualVault:
    """A vault as the system has it, but that its own slot is one that needs no keychain."""
    log = AccessLog(folder, clock, program="a test")
    file = VaultFile(folder)
    vault = Vault(file, NoAnchor(), log, clock)
    return UsualVault(vault, file, log, Keychain(attended=False), (SLOT,))


def make(folder: Path, clock: Any) -> Vault:
    """A new vault there, open."""
    vault = vault_at(folder, clock).vault
    vault.create([NewSlot(SLOT), NewSlot(RecoverySlot(RecoveryCode.new()))])
    return vault


@dataclass
class Watch:
    """An agent at work, and what it told."""

    clock: Any
    keys: KeyManager
    bus: Bus
    told: list[Event] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: Event, _snapshot: object) -> None:
        self.told.append(event)
        self.moved.set()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.told if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, which only a new event can bring about."""
        async with asyncio.timeout(20):
            while not holds():
                self.moved.clear()
                await self.moved.wait()

    async def look(self) -> None:
        """Let the agent look once more, and wait until it has: it rests again then."""
        beats = self._beats()
        self.clock.advance(31)
        await self.until(lambda: self._beats() > beats)
        async with asyncio.timeout(20):
            while self.clock.sleeping < 2:  # noqa: ASYNC110 - its rest and its beat while it rests
                await asyncio.sleep(0.01)

    def _beats(self) -> int:
        return sum(type(event).__name__ == "AgentBeat" for event in self.told)


@asynccontextmanager
async def watching(folder: Path, clock: Any, settings: KeySettings | None = None) -> AsyncIterator[Watch]:
    """The agent over a vault, until the block is left."""
    bus = Bus(clock)
    in_force = settings or KeySettings()
    keys = KeyManager(
        vault_at(folder, clock),
        publish=bus.publish,
        clock=clock,
        redactor=Redactor(),
        rotate_days=lambda: in_force.rotate_days,
    )
    watch = Watch(clock, keys, bus)
    bus.subscribe(watch.hear)
    pulse = Pulse("keys", bus, clock, beat_every_s=30.0, on_health=lambda _reason: None)
    agent = KeyRotation(keys, settings=lambda: in_force, publish=bus.publish, clock=clock)
    task = asyncio.create_task(agent.run(pulse))
    try:
        yield watch
    finally:
        pulse.stopping.set()
        await asyncio.wait_for(task, 20)
        await keys.aclose()


async def test_the_vault_is_opened_at_the_start(tmp_path: Path, fake_clock: Any) -> None:
    """Opened by what the system has, and shown with its dates."""
    make(tmp_path, fake_clock)

    async with watching(tmp_path, fake_clock) as watch:
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.OPEN)

        assert watch.bus.snapshot.vault.rotation_due == int(fake_clock.wall()) + 30 * DAY_S


async def test_without_a_vault_nothing_is_told(tmp_path: Path, fake_clock: Any) -> None:
    """Who has no vault is not bothered."""
    async with watching(tmp_path, fake_clock) as watch:
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.NONE and len(watch.told) > 2)

        assert watch.of(NoticeRaised) == []


@pytest.mark.parametrize(("days", "rotates"), [(29.9, False), (30.1, True)])
async def test_the_data_key_is_rotated_when_its_stored_date_is_over(
    tmp_path: Path,
    fake_clock: Any,
    days: float,
    rotates: bool,  # noqa: FBT001 - a case of the test
) -> None:
    """The date stands in the vault: a program that was started anew knows it."""
    vault = make(tmp_path, fake_clock)
    before = vault.contents.document.data_key.id
    fake_clock.advance(days * DAY_S)

    async with watching(tmp_path, fake_clock) as watch:
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.OPEN)
        await watch.look()
        if rotates:
            await watch.until(lambda: bool(watch.of(KeyRotated)))

    assert (vault.contents.document.data_key.id != before) is rotates
    assert len(watch.of(KeyRotated)) == rotates


async def test_a_clock_that_jumps_does_not_rotate(tmp_path: Path, fake_clock: Any) -> None:
    """Set a year ahead, the wall clock is not believed for two hours; set right again, nothing was rotated."""
    vault = make(tmp_path, fake_clock)
    before = vault.contents.document.data_key.id

    async with watching(tmp_path, fake_clock) as watch:
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.OPEN)
        await watch.look()
        fake_clock.set_wall(fake_clock.wall() + 366 * DAY_S)
        for _ in range(3):
            await watch.look()
        fake_clock.set_wall(fake_clock.wall() - 366 * DAY_S)
        await watch.look()

    assert vault.contents.document.data_key.id == before
    assert watch.of(KeyRotated) == []


def test_after_a_jump_the_clock_is_believed_again_in_two_hours(fake_clock: Any) -> None:
    """It may have been right to jump: a wrong clock was set right, say."""
    steady = Steady(fake_clock, fake_clock.monotonic)
    fake_clock.set_wall(fake_clock.wall() + 3600)
    steady.look()
    assert not steady.holds

    fake_clock.advance(SETTLE_S)
    steady.look()

    assert steady.holds


def test_a_machine_that_slept_makes_nobody_doubt_the_clock(fake_clock: Any) -> None:
    """A laptop that is never awake for two hours on end would else never be told of what is due."""
    slept_s = 0.0
    steady = Steady(fake_clock, lambda: fake_clock.monotonic() + slept_s)

    slept_s = 8 * 3600.0
    fake_clock.set_wall(fake_clock.wall() + slept_s)
    steady.look()

    assert steady.holds


async def test_a_renewal_is_told_once_for_each_due_date(tmp_path: Path, fake_clock: Any) -> None:
    """A week ahead, and not again for the same date."""
    vault = make(tmp_path, fake_clock)
    due = int(fake_clock.wall()) + 6 * DAY_S
    vault.change(Action.SET, "A", lambda contents, now: contents.with_secret("A", b"value", now, due=due))
    later = due + 30 * DAY_S
    vault.change(Action.SET, "B", lambda contents, now: contents.with_secret("B", b"value", now, due=later))

    async with watching(tmp_path, fake_clock) as watch:
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.OPEN)
        await watch.look()
        await watch.look()
        await watch.look()

    assert [(event.name, event.due) for event in watch.of(SecretDue)] == [("A", due)]  # type: ignore[attr-defined]


async def test_it_is_locked_when_it_was_not_used_for_long(tmp_path: Path, fake_clock: Any) -> None:
    """After the minutes that the settings say, its keys are forgotten."""
    make(tmp_path, fake_clock)

    async with watching(tmp_path, fake_clock, KeySettings(lock_minutes=5)) as watch:
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.OPEN)
        fake_clock.advance(301)
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.LOCKED)


async def test_an_access_log_that_was_changed_is_told(tmp_path: Path, fake_clock: Any) -> None:
    """A notice says so, with what to do."""
    make(tmp_path, fake_clock)
    log = tmp_path / "access.log"
    log.write_bytes(log.read_bytes().replace(b'"create"', b'"unlock"'))

    async with watching(tmp_path, fake_clock) as watch:
        await watch.until(lambda: watch.bus.snapshot.vault.state is VaultState.OPEN)
        await watch.look()
        await watch.until(lambda: bool(watch.of(NoticeRaised) and watch.of(AccessLogBroken)))

    assert len(watch.of(AccessLogBroken)) == 1
    assert "tampered" in watch.of(NoticeRaised)[0].text  # type: ignore[attr-defined]
