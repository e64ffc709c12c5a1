"""KeyManager: the vault in the running program, which never holds up the loop and shows why it is not open."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from app.agents.keyrotation.answers import answer
from app.domain import commands
from app.domain.errors import SecretError, SecretMissing, SlotClosed, VaultExists, VaultLocked, VaultMissing
from app.domain.keys import VaultState
from app.engine.bus import Bus
from app.engine.redaction import Redactor
from app.keys.keychain.keychain import Keychain
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Action
from app.keys.manager import KeyManager
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.usual import UsualVault
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from app.keys.slots.slot import Slot


class FarSlot:
    """A system's slot at its far end: it keeps the master key in memory, and can hang or be locked."""

    kind: ClassVar[str] = "keychain"
    kept: ClassVar[dict[str, bytes]] = {}

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.locked = False
        self.absent = False

    def wrap(self, master: bytes, bound: bytes, before: Mapping[str, str | int] | None = None) -> dict[str, str | int]:
        del before
        if self.absent:
            raise SlotClosed(self.kind, "absent", "There is no keychain here.")
        self.kept[bound.hex()] = master
        return {"account": bound.hex()}

    def discard(self, body: Mapping[str, str | int]) -> None:
        self.kept.pop(str(body["account"]), None)

    def open(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        del body
        assert self.answers.wait(20)
        if self.locked:
            raise SlotClosed(self.kind, "locked", "The system keychain is locked.", "Unlock it.")
        return self.kept[bound.hex()]


@dataclass
class Scene:
    """A key manager on a bus, and the vault's files as another program opens them."""

    keys: KeyManager
    bus: Bus
    slot: FarSlot
    redactor: Redactor
    other: Vault
    code: RecoveryCode
    states: list[VaultState] = field(default_factory=list)

    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def view(self) -> Any:
        return self.bus.snapshot.vault

    def hear(self, _event: object, snapshot: Any) -> None:
        self.states.append(snapshot.vault.state)
        self.moved.set()

    async def until(self, state: VaultState) -> None:
        async with asyncio.timeout(20):
            while self.view.state is not state:
                self.moved.clear()
                await self.moved.wait()


@asynccontextmanager
async def scene(setting: Any, *, makes: bool = True) -> AsyncIterator[Scene]:
    """A manager over a vault that is made beforehand, unless told otherwise."""

    def usual(program: str) -> UsualVault:
        log = AccessLog(setting.folder, setting.clock, program=program)
        file = VaultFile(setting.folder)
        return UsualVault(Vault(file, setting.anchor, log, setting.clock), file, log, Keychain(attended=False), own)

    slot, bus, redactor = FarSlot(), Bus(setting.clock), Redactor()
    own: tuple[Slot, ...] = (slot,)
    other = usual("another").vault
    if makes:
        other.create([NewSlot(slot), NewSlot(RecoverySlot(setting.code))])
    keys = KeyManager(
        usual("the tray"), publish=bus.publish, clock=setting.clock, redactor=redactor, rotate_days=lambda: 30
    )
    found = Scene(keys, bus, slot, redactor, other, setting.code)
    stop = bus.subscribe(found.hear)
    with answer(bus, keys):
        yield found
    stop()
    slot.answers.set()
    await keys.aclose()


def put(vault: Vault, name: str, value: bytes) -> None:
    vault.change(Action.SET, name, lambda contents, now: contents.with_secret(name, value, now))


async def test_a_secret_is_given_by_name_and_never_logged_again(setting: Any) -> None:
    """The value comes, who asked and what for stands in the log and the view, and the redactor knows the value."""
    async with scene(setting) as s:
        put(s.other, "A_TOKEN", b"canary-value")
        await s.keys.unlock()

        value = await s.keys.secret("A_TOKEN", why="to explain a failure")
        await s.keys.look()

        assert value == "canary-value"
        assert s.view.secrets[0].read_by == "the tray: to explain a failure"
        assert "canary-value" not in s.redactor.redact("it failed with canary-value")


async def test_a_keychain_that_does_not_answer_is_shown_after_a_second(setting: Any) -> None:
    """The loop goes on meanwhile, the view says what is waited for, and the vault opens when the answer comes."""
    async with scene(setting) as s:
        s.slot.answers.clear()
        opening = asyncio.create_task(s.keys.unlock())
        ticks = 0
        async with asyncio.timeout(10):
            while s.view.state is not VaultState.WAITING:
                ticks += 1
                await asyncio.sleep(0.01)

        s.slot.answers.set()

        assert await opening is VaultState.OPEN
        assert ticks > 50
        assert s.states == [VaultState.OPENING, VaultState.WAITING, VaultState.OPEN]


async def test_a_locked_keychain_leaves_the_vault_locked_and_offers_the_rest(setting: Any) -> None:
    """Why, and what else opens it, stands in the view; the recovery code does."""
    async with scene(setting) as s:
        s.slot.locked = True

        state = await s.keys.unlock()

        assert state is VaultState.LOCKED
        assert "keychain is locked" in s.view.reason
        assert s.view.offers == ("keychain", "recovery")
        with pytest.raises(VaultLocked):
            await s.keys.secret("A_TOKEN", why="a test")
        await s.bus.send(commands.OpenVault(code=str(s.code)))
        assert s.view.state is VaultState.OPEN


async def test_the_recovery_code_puts_the_systems_slot_right(setting: Any) -> None:
    """After a lost keychain the code opens the vault, and the next start needs it no more."""
    async with scene(setting) as s:
        FarSlot.kept.clear()
        s.slot.kept.clear()
        s.slot.locked = True
        assert await s.keys.unlock() is VaultState.LOCKED

        await s.bus.send(commands.OpenVault(code=str(s.code)))
        await s.bus.send(commands.LockVault())
        s.slot.locked = False

        assert await s.keys.unlock() is VaultState.OPEN


async def test_a_wrong_code_is_refused_in_words(setting: Any) -> None:
    """A slip of the pen is told from another vault's code."""
    async with scene(setting) as s:
        with pytest.raises(SecretError, match="characters"):
            await s.bus.send(commands.OpenVault(code="ABCD"))
        with pytest.raises(VaultLocked, match="another vault"):
            await s.bus.send(commands.OpenVault(code=str(RecoveryCode.new())))


async def test_a_vault_is_made_from_the_window(setting: Any) -> None:
    """A code is given out first; made with it, the vault is open, and no second one is made."""
    async with scene(setting, makes=False) as s:
        assert await s.keys.unlock() is VaultState.NONE
        code = str(await s.bus.send(commands.NewRecoveryCode()))

        await s.bus.send(commands.MakeVault(code=code))

        assert s.view.state is VaultState.OPEN
        with pytest.raises(VaultExists):
            await s.bus.send(commands.MakeVault(code=code))


async def test_secrets_are_changed_from_the_window(setting: Any) -> None:
    """Set, described, set again, rotated and removed; each is seen in the view and by another program."""
    async with scene(setting) as s:
        await s.keys.unlock()
        start = int(setting.clock.wall())

        await s.bus.send(commands.SetSecret(name="A_TOKEN", value="one", due_days=90))
        await s.bus.send(commands.SetSecret(name="A_TOKEN", notes="the team's"))
        described = s.view.secrets[0]
        before = s.other.contents.document.data_key.id
        await s.bus.send(commands.RotateDataKey())
        after = s.other.contents.document.data_key.id
        value = s.other.get("A_TOKEN")
        await s.bus.send(commands.RemoveSecret(name="A_TOKEN"))

        assert (described.notes, described.due) == ("the team's", start + 90 * 86_400)
        assert value == b"one"
        assert before != after
        assert s.view.secrets == ()
        with pytest.raises(SecretMissing):
            await s.keys.secret("A_TOKEN", why="a test")


async def test_what_another_program_did_is_seen(setting: Any) -> None:
    """A secret that the command line set, and read, stands in the window after the next look."""
    async with scene(setting) as s:
        await s.keys.unlock()
        put(s.other, "THEIRS", b"value")
        s.other.get("THEIRS")

        await s.keys.look()

        assert [(each.name, each.read_by) for each in s.view.secrets] == [("THEIRS", "another")]


async def test_a_file_that_is_damaged_is_trouble(setting: Any) -> None:
    """The view says what is wrong and what to do."""
    async with scene(setting) as s:
        setting.file.write_bytes(setting.file.read_bytes()[:-9])

        state = await s.keys.unlock()

        assert state is VaultState.TROUBLE
        assert "damaged" in s.view.reason
        assert "keys restore" in s.view.hint


async def test_the_recovery_code_opens_while_the_keychain_hangs(setting: Any) -> None:
    """The hung call is given up, and what it still brings opens nothing that was locked since."""
    async with scene(setting) as s:
        s.slot.answers.clear()
        opening = asyncio.create_task(s.keys.unlock())
        await s.until(VaultState.WAITING)

        await s.bus.send(commands.OpenVault(code=str(s.code)))
        assert s.view.state is VaultState.OPEN
        await s.bus.send(commands.LockVault())
        s.slot.answers.set()
        await opening

        await s.keys.look()
        assert s.view.state is VaultState.LOCKED
        with pytest.raises(VaultLocked):
            await s.keys.secret("A_TOKEN", why="a test")
        assert await s.keys.unlock() is VaultState.OPEN


async def test_leaving_does_not_wait_for_a_keychain_that_hangs(setting: Any) -> None:
    """The program ends within its time, whatever the system's keychain does."""
    async with scene(setting) as s:
        s.slot.answers.clear()
        opening = asyncio.create_task(s.keys.unlock())
        await s.until(VaultState.WAITING)

        async with asyncio.timeout(5):
            await s.keys.aclose()
            await opening


async def test_an_opening_goes_on_when_nobody_waits_for_it(setting: Any) -> None:
    """A command that was given up after half a minute leaves no view that never changes again."""
    async with scene(setting) as s:
        s.slot.answers.clear()
        asked = asyncio.create_task(s.keys.unlock())
        await s.until(VaultState.WAITING)
        asked.cancel()

        s.slot.answers.set()

        await s.until(VaultState.OPEN)


async def test_without_a_keychain_a_vault_is_made_by_passphrase(setting: Any) -> None:
    """On a machine that has none, a vault made in the window opens by what was typed."""
    async with scene(setting, makes=False) as s:
        s.slot.absent = True
        code = str(RecoveryCode.new())
        with pytest.raises(SlotClosed, match="no keychain"):
            await s.bus.send(commands.MakeVault(code=code))

        await s.bus.send(commands.MakeVault(code=code, passphrase="a long enough one"))  # noqa: S106 - a test's

        assert [each.kind for each in s.view.slots] == ["recovery", "passphrase"]


async def test_a_keychain_that_stays_away_after_a_recovery_is_told(setting: Any) -> None:
    """The vault is open by the code, and what could not be put right is said until it is."""
    async with scene(setting) as s:
        s.slot.absent = True

        await s.bus.send(commands.OpenVault(code=str(s.code)))

        assert s.view.state is VaultState.OPEN
        assert "no keychain" in s.keys.trouble[0]


async def test_where_there_is_no_vault_that_is_said(setting: Any) -> None:
    """It is not called locked, and what to do stands beside it."""
    async with scene(setting, makes=False) as s:
        await s.keys.unlock()

        with pytest.raises(VaultMissing, match="There is no vault") as missing:
            await s.keys.secret("A_KEY", why="a test")
        with pytest.raises(VaultMissing):
            await s.keys.group("A_KEY")

        assert "keys init" in missing.value.hint


async def test_a_vault_made_by_the_command_line_is_open_for_the_next_question(setting: Any) -> None:
    """The running program notices it by itself, and what was put in is there: nobody has to unlock anything."""
    async with scene(setting, makes=False) as s:
        await s.keys.unlock()
        s.other.create([NewSlot(s.slot), NewSlot(RecoverySlot(setting.code))])
        put(s.other, "A_KEY", b"value")

        value = await s.keys.secret("A_KEY", why="a test")

        assert value == "value"
        assert s.view.state is VaultState.OPEN


async def test_a_vault_made_by_the_command_line_is_opened_by_the_next_look(setting: Any) -> None:
    """As at the start; the look itself does not wait for it."""
    async with scene(setting, makes=False) as s:
        await s.keys.unlock()
        s.other.create([NewSlot(s.slot), NewSlot(RecoverySlot(setting.code))])

        await s.keys.look()

        await s.until(VaultState.OPEN)


async def test_a_vault_that_a_person_locked_stays_locked(setting: Any) -> None:
    """Only a new one opens by itself."""
    async with scene(setting) as s:
        await s.keys.unlock()
        await s.keys.lock()

        with pytest.raises(VaultLocked):
            await s.keys.secret("A_KEY", why="a test")

        assert s.view.state is VaultState.LOCKED


async def test_a_key_set_by_the_command_line_is_told_before_it_is_asked_for(setting: Any) -> None:
    """Whoever put the old one aside hears of the new one in time, and need not wait for the next look."""
    async with scene(setting) as s:
        await s.keys.unlock()
        put(s.other, "A_KEY", b"value")

        await s.keys.group("A_KEY")

        assert [each.name for each in s.view.secrets] == ["A_KEY"]
