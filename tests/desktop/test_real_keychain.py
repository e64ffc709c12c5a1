"""The keychain with a real one behind it: gnome-keyring on a private bus, in every state that it can be in."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dbus_fast import Variant
from kit.keychains import PROMPTER, SECRETS, GnomeKeyring, PrivateBus, Silent

from app.domain.errors import KeychainError, VaultError, VaultExists, VaultLocked
from app.engine.clock import SystemClock
from app.keys.keychain.anchor import Anchored, KeychainAnchor
from app.keys.keychain.keychain import Keychain
from app.keys.keychain.providers import SecretService
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Action
from app.keys.slots.keychain import KeychainSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.keys import KeychainState

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-0f6e2b"
AT_ONCE_S = 1.0
PATIENCE_S = 1.5
STALL_S = 0.05
ATTEMPTS = 5
ANCHORED = Anchored("va", 7, "ab" * 32, 3, "cd" * 32)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateBus]:
    """A bus without a keychain, which this process is on."""
    with PrivateBus() as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        yield bus


@pytest.fixture
def gnome(bus: PrivateBus) -> GnomeKeyring:
    """gnome-keyring on it, unlocked."""
    return GnomeKeyring(bus)


def alone(**words: Any) -> Keychain:
    return Keychain(attended=False, **words)


@dataclass(frozen=True)
class Told:
    """What became of a call: its result, or the error's state; and in how many seconds."""

    result: object
    seconds: float


def told(call: Callable[[], object]) -> Told:
    began = time.monotonic()
    try:
        result = call()
    except KeychainError as error:
        result = str(error.state)
    return Told(result, time.monotonic() - began)


def at_once(call: Callable[[], object]) -> object:
    answer = told(call)
    assert answer.seconds < AT_ONCE_S
    return answer.result


def test_set_get_and_delete(gnome: GnomeKeyring) -> None:
    """What is set is got, under our service and its account, and gone after a delete."""
    keychain = alone()

    keychain.set("slot/a", CANARY)
    keychain.set("slot/a", f"{CANARY}, again")

    assert keychain.get("slot/a") == f"{CANARY}, again"
    assert gnome.accounts() == ["slot/a"]
    keychain.delete("slot/a")
    assert (keychain.get("slot/a"), gnome.accounts()) == (None, [])


async def test_locked_is_told_at_once_and_nobody_is_asked(bus: PrivateBus, gnome: GnomeKeyring) -> None:
    """Without a person a locked keyring is named as such by every call, and its prompter hears nothing."""
    keychain = alone()
    await asyncio.to_thread(keychain.set, "a", CANARY)
    await asyncio.to_thread(gnome.lock)

    async with Silent(bus.address, PROMPTER) as prompter:
        calls = (lambda: keychain.get("a"), lambda: keychain.set("new", "b"), lambda: keychain.delete("a"))
        states = [await asyncio.to_thread(at_once, call) for call in calls]

    assert states == ["locked"] * 3
    assert prompter.called == []


async def test_with_a_person_a_locked_keyring_asks_and_waits_no_longer_than_its_patience(
    bus: PrivateBus, gnome: GnomeKeyring
) -> None:
    """The prompt comes up; while nobody answers it the call hangs until its patience ends, and the next at once."""
    keychain = Keychain(attended=True, patience_s=PATIENCE_S)
    await asyncio.to_thread(keychain.set, "a", CANARY)
    await asyncio.to_thread(gnome.lock)

    async with Silent(bus.address, PROMPTER, {"BeginPrompting": ("", [])}) as prompter:
        first = await asyncio.to_thread(told, lambda: keychain.get("a"))
        second = await asyncio.to_thread(told, lambda: keychain.get("a"))

    assert "BeginPrompting" in prompter.called
    assert (first.result, second.result) == ("hung", "hung")
    assert PATIENCE_S <= first.seconds < PATIENCE_S + AT_ONCE_S
    assert second.seconds < AT_ONCE_S / 10


def test_a_prompt_that_comes_to_nothing_is_a_refusal(gnome: GnomeKeyring) -> None:
    """With a person, a keyring that stays locked after its prompt was refused."""
    keychain = Keychain(attended=True)
    keychain.set("a", CANARY)
    gnome.lock()

    assert at_once(lambda: keychain.get("a")) == "refused"


def test_a_service_without_a_keyring_is_told_as_absent(bus: PrivateBus) -> None:
    """Before a person has made a keyring nothing can be kept, and without one none is asked for."""
    GnomeKeyring(bus, unlocked=False)
    keychain = alone()

    assert at_once(lambda: keychain.set("a", CANARY)) == "absent"
    assert at_once(lambda: Keychain(attended=True).get("a")) == "absent"


@pytest.mark.parametrize("attended", [True, False])
def test_a_keyring_that_is_lost_at_logout_is_none(gnome: GnomeKeyring, *, attended: bool) -> None:
    """A default collection that lives in memory would lose the vault's key with the session."""
    gnome.forget_at_logout()

    assert at_once(lambda: Keychain(attended=attended).set("a", CANARY)) == "absent"
    assert gnome.accounts() == []


async def test_an_entry_that_is_locked_by_itself_is_told_at_once(bus: PrivateBus) -> None:
    """A service that asks for each entry (KeePassXC does) is not asked without a person."""
    collection, item = "/org/freedesktop/secrets/collection/base", "/org/freedesktop/secrets/collection/base/1"
    answers: dict[str, tuple[str, list[Any]]] = {
        "ReadAlias": ("o", [collection]),
        "Get org.freedesktop.Secret.Collection Label": ("v", [Variant("s", "Base")]),
        "Get org.freedesktop.Secret.Collection Locked": ("v", [Variant("b", False)]),  # noqa: FBT003 - D-Bus' boolean
        "SearchItems": ("ao", [[item]]),
        "Get org.freedesktop.Secret.Item Label": ("v", [Variant("s", "ours")]),
        "Get org.freedesktop.Secret.Item Locked": ("v", [Variant("b", True)]),  # noqa: FBT003 - likewise
    }

    async with Silent(bus.address, SECRETS, answers) as service:
        state = await asyncio.to_thread(at_once, lambda: alone().get("a"))

    assert state == "locked"
    assert "Unlock" not in service.called


def test_a_daemon_that_is_killed_in_mid_use_is_told_and_its_return_is_found(
    bus: PrivateBus, gnome: GnomeKeyring
) -> None:
    """Gone is gone at once, and another daemon on the same keyring serves the same object."""
    keychain = alone()
    keychain.set("a", CANARY)
    gnome.kill()

    gone = at_once(lambda: keychain.get("a"))
    GnomeKeyring(bus)

    assert gone == "absent"
    assert keychain.get("a") == CANARY


async def test_a_daemon_that_is_killed_while_it_is_asked_is_told_at_once(gnome: GnomeKeyring) -> None:
    """A call that waits for an answer when the daemon dies does not wait for its patience."""
    keychain = Keychain(attended=True)
    await asyncio.to_thread(keychain.set, "a", CANARY)
    gnome.hold()

    asked = asyncio.ensure_future(asyncio.to_thread(told, lambda: keychain.get("a")))
    await asyncio.sleep(0.3)  # it must have gone out by now; if not, it is told the same
    gnome.kill()
    killed = time.monotonic()

    assert (await asked).result == "absent"
    assert time.monotonic() - killed < AT_ONCE_S


@dataclass(frozen=True)
class Meanwhile(SecretService):
    """Something happens once the service was found ready, and before it is used."""

    happens: Callable[[], None]

    def trouble(self, account: str, *, attended: bool, writing: bool) -> KeychainState | None:
        state = super().trouble(account, attended=attended, writing=writing)
        self.happens()
        return state


def test_a_daemon_that_dies_once_it_was_found_ready_leaves_no_connection_open(gnome: GnomeKeyring) -> None:
    """It is told as any that is gone; a socket that nobody closes would be a warning, and so a failure."""
    keychain = alone(provider=Meanwhile(gnome.kill))

    assert at_once(lambda: keychain.get("a")) == "absent"
    gc.collect()


async def test_a_keyring_that_is_locked_once_it_was_found_ready_asks_nobody(
    bus: PrivateBus, gnome: GnomeKeyring
) -> None:
    """Without a person no prompt comes up, however late a screen lock locks it."""
    keychain = alone(provider=Meanwhile(gnome.lock))

    async with Silent(bus.address, PROMPTER) as prompter:
        state = await asyncio.to_thread(at_once, lambda: keychain.set("a", CANARY))

    assert (state, prompter.called) == ("locked", [])


def test_a_daemon_that_stops_answering_hangs_and_comes_back(gnome: GnomeKeyring) -> None:
    """It is told within the patience, then at once, and answers again as soon as it does."""
    keychain = alone(patience_s=PATIENCE_S)
    keychain.set("a", CANARY)
    gnome.hold()

    first, second = told(lambda: keychain.get("a")), told(lambda: keychain.get("a"))
    gnome.go_on()
    due = time.monotonic() + 10
    while (back := told(lambda: keychain.get("a")).result) == "hung" and time.monotonic() < due:
        time.sleep(0.01)

    assert (first.result, second.result, back) == ("hung", "hung", CANARY)
    assert PATIENCE_S <= first.seconds < PATIENCE_S + AT_ONCE_S
    assert second.seconds < AT_ONCE_S / 10


async def test_a_name_that_never_answers_hangs(bus: PrivateBus) -> None:
    """Somebody owns the service's name and says nothing: hung after the patience, with a person and without."""
    async with Silent(bus.address, SECRETS):
        answers = [
            await asyncio.to_thread(told, lambda each=each: each.get("a"))
            for each in (alone(patience_s=PATIENCE_S), Keychain(attended=True, patience_s=PATIENCE_S))
        ]

    assert [answer.result for answer in answers] == ["hung", "hung"]
    assert all(PATIENCE_S <= answer.seconds < PATIENCE_S + AT_ONCE_S for answer in answers)


def test_a_bus_without_a_service_is_absent(bus: PrivateBus) -> None:
    """A desktop that has no keychain says so at once."""
    assert bus.address
    assert at_once(lambda: alone().get("a")) == "absent"


@pytest.mark.parametrize("address", [None, "", "disabled:", "unix:path=/nowhere/bus", "tcp:host=localhost,port=1"])
def test_no_bus_is_absent(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    """No address, none that can be read, or one that nobody listens at: there is no keychain."""
    if address is None:
        monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    else:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)

    assert at_once(lambda: alone().get("a")) == "absent"
    assert at_once(lambda: Keychain(attended=True).set("a", CANARY)) == "absent"


def test_another_programs_entry_is_told(gnome: GnomeKeyring, tmp_path: Path) -> None:
    """What another program put in the place of the anchor is no anchor, and is no reason to start anew."""
    anchor = KeychainAnchor(alone(), tmp_path)
    anchor.write(ANCHORED)
    (account,) = gnome.accounts()
    gnome.replace(account, b"theirs")

    assert at_once(anchor.read) == "replaced"


def test_entries_of_others_beside_ours_are_told_or_harmless(gnome: GnomeKeyring) -> None:
    """Whichever the service finds first, a set that was accepted is what is got; and a delete removes all."""
    keychain = alone()
    keychain.set("a", CANARY)
    seen = set()
    for number in range(6):
        gnome.shadow("a", b"theirs %d" % number)
        accepted = at_once(lambda number=number: keychain.set("a", f"ours {number}")) is None
        seen.add((accepted, keychain.get("a") == f"ours {number}"))

    keychain.delete("a")

    assert seen <= {(True, True), (False, False)}
    assert gnome.accounts() == []


def test_bytes_that_are_no_text_are_told(gnome: GnomeKeyring) -> None:
    """What another program put there need not be text."""
    gnome.replace("a", b"\xff\xfe\x00")

    assert at_once(lambda: alone().get("a")) == "replaced"


@pytest.mark.parametrize("service", ["answers", "locked", "held"])
async def test_a_loop_beside_it_never_stalls(gnome: GnomeKeyring, service: str) -> None:
    """Called through asyncio.to_thread, no call holds the loop up for 50 ms, whatever state the service is in.

    A machine that is busy with something else stalls a loop as well, so that the best of a few attempts counts.
    """
    keychain = alone(patience_s=0.5)
    if service == "locked":
        await asyncio.to_thread(gnome.lock)
    elif service == "held":
        gnome.hold()

    async def longest_stall() -> float:
        asked = asyncio.ensure_future(asyncio.to_thread(told, lambda: keychain.set("a", CANARY)))
        longest, before = 0.0, time.monotonic()
        while not asked.done():
            await asyncio.sleep(0.001)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
        return longest

    stalls = [await longest_stall() for _ in range(ATTEMPTS)]

    assert min(stalls) < STALL_S


PLAIN_TEXT_BACKEND = '''
from pathlib import Path
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    """As keyrings.alt's: it prefers itself to all others, and writes into a file."""
    priority = 100
    def get_password(self, service, username):
        return Path(PLAIN).read_text() if Path(PLAIN).exists() else None
    def set_password(self, service, username, password):
        Path(PLAIN).write_text(password)
    def delete_password(self, service, username):
        Path(PLAIN).unlink()
'''

USES_KEYCHAIN = f"""
from app.domain.errors import KeychainError
from app.keys.keychain.keychain import Keychain
keychain = Keychain(attended=False)
try:
    keychain.set("a", "{CANARY}")
    print(keychain.backend, keychain.get("a") == "{CANARY}")
except KeychainError as error:
    print(keychain.backend, error.state)
"""

GETS_ANY = "import keyring; print(type(keyring.get_keyring()).__module__)"


@pytest.fixture
def bent(bus: PrivateBus) -> Callable[[str, str], dict[str, str]]:
    """An environment in which the keyring library is told to take another backend, in one of three ways."""
    site = bus.folder / "site"
    plain = bus.folder / "home" / "plain.txt"
    found = site / "plainring-1.dist-info"
    found.mkdir(parents=True)
    (site / "plainring.py").write_text(f"PLAIN = {str(plain)!r}\n{PLAIN_TEXT_BACKEND}")
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: plainring\nVersion: 1\n")

    def environ(way: str, backend: str) -> dict[str, str]:
        own = {"PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}
        if way == "environment":
            own["PYTHON_KEYRING_BACKEND"] = backend
        elif way == "configuration":
            config = bus.folder / "home" / ".config" / "python_keyring"
            config.mkdir(parents=True)
            (config / "keyringrc.cfg").write_text(f"[backend]\ndefault-keyring={backend}\n")
        else:
            (found / "entry_points.txt").write_text("[keyring.backends]\nplain = plainring\n")
        return bus.environ | own

    return environ


def _ran(program: str, environ: dict[str, str], folder: Path) -> str:
    argv = [sys.executable, "-c", program]
    return subprocess.run(
        argv, env=environ, cwd=folder, capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


@pytest.mark.parametrize(
    ("way", "backend"),
    [
        ("environment", "plainring.Keyring"),
        ("configuration", "plainring.Keyring"),
        ("installed", "plainring.Keyring"),
        ("environment", "keyring.backends.null.Keyring"),
        ("configuration", "keyring.backends.null.Keyring"),
    ],
)
@pytest.mark.parametrize("service", [True, False], ids=["with a service", "without one"])
def test_no_other_backend_is_taken_whoever_asks_for_it(
    bus: PrivateBus, bent: Callable[[str, str], dict[str, str]], way: str, backend: str, *, service: bool
) -> None:
    """Where the library itself would take a plain-text or a null backend, ours is the Secret Service, or absent.

    Nothing of the value is in any file afterwards.
    """
    gnome = GnomeKeyring(bus) if service else None
    environ = bent(way, backend)
    library_takes = _ran(GETS_ANY, environ, bus.folder)

    ours = _ran(USES_KEYCHAIN, environ, bus.folder)
    if gnome is not None:
        gnome.end()

    assert library_takes == backend.rpartition(".")[0]
    assert ours == f"keyring.backends.SecretService.Keyring {service or 'absent'}"
    files = [each for each in bus.folder.rglob("*") if each.is_file()]
    assert [each for each in files if CANARY.encode() in each.read_bytes()] == []
    assert any("keyrings" in each.parts for each in files) is service


# The vault


@dataclass
class Stand:
    """A vault whose slot and anchor are in the real keychain."""

    folder: Path
    code: RecoveryCode

    @property
    def slot(self) -> KeychainSlot:
        return KeychainSlot(alone(patience_s=PATIENCE_S))

    @property
    def recovery(self) -> RecoverySlot:
        return RecoverySlot(self.code)

    @property
    def file(self) -> Path:
        return self.folder / "vault.wkv"

    def program(self) -> Vault:
        anchor = KeychainAnchor(alone(patience_s=PATIENCE_S), self.folder)
        log = AccessLog(self.folder, SystemClock(), program="a test")
        return Vault(VaultFile(self.folder), anchor, log, SystemClock())

    def made(self) -> Vault:
        vault = self.program()
        vault.create([NewSlot(self.slot), NewSlot(self.recovery)])
        vault.change(Action.SET, "A", lambda contents, now: contents.with_secret("A", CANARY.encode(), now))
        return vault

    def why_closed(self) -> str:
        with pytest.raises(VaultLocked) as why:
            self.program().unlock([self.slot])
        return str(why.value.reasons[0].state)


@pytest.fixture
def stand(gnome: GnomeKeyring, tmp_path: Path) -> Stand:
    assert gnome
    return Stand(tmp_path / "keys", RecoveryCode.new())


def test_a_vault_opens_by_the_real_keychain(gnome: GnomeKeyring, stand: Stand, bus: PrivateBus) -> None:
    """Made, closed, opened, given another master key and opened again; its value is in no file."""
    stand.made().lock()
    vault = stand.program()
    vault.unlock([stand.slot])
    kinds = {"keychain": stand.slot, "recovery": stand.recovery}

    vault.rotate_master({each.id: kinds[each.kind] for each in vault.contents.document.slots})
    vault.lock()
    again = stand.program()
    again.unlock([stand.slot])

    value, kept = again.get("A"), {account.split("/")[0] for account in gnome.accounts()}
    gnome.end()

    assert (value, kept, again.anchor_trouble) == (CANARY.encode(), {"anchor", "slot"}, None)
    for folder in (bus.folder, stand.folder):
        files = [each for each in folder.rglob("*") if each.is_file()]
        assert [each for each in files if CANARY.encode() in each.read_bytes()] == []


TROUBLES: dict[str, Callable[[GnomeKeyring, str], None]] = {
    "locked": lambda gnome, _account: gnome.lock(),
    "absent": lambda gnome, _account: gnome.kill(),
    "hung": lambda gnome, _account: gnome.hold(),
    "missing": lambda gnome, account: gnome.remove(account),
    "replaced": lambda gnome, account: gnome.replace(account, b"dGhlaXJz"),
}


@pytest.mark.parametrize("state", TROUBLES)
def test_row_44_a_vault_says_why_the_keychain_does_not_open_it_and_opens_by_the_code(
    gnome: GnomeKeyring, stand: Stand, state: str
) -> None:
    """Whatever the keychain is in, the reason has its name, no new vault is made, and the recovery code opens it."""
    stand.made().lock()
    before = stand.file.read_bytes()
    (account,) = (each for each in gnome.accounts() if each.startswith("slot/"))
    TROUBLES[state](gnome, account)

    why = stand.why_closed()
    with pytest.raises(VaultExists):
        stand.program().create([NewSlot(stand.slot), NewSlot(stand.recovery)])
    untouched = stand.file.read_bytes() == before
    vault = stand.program()
    vault.unlock([stand.recovery])

    assert (why, untouched) == (state, True)
    assert vault.get("A") == CANARY.encode()


@pytest.mark.parametrize("state", ["locked", "hung", "answers", "replaced"])
def test_no_new_vault_where_only_the_keychain_remembers_one(gnome: GnomeKeyring, stand: Stand, state: str) -> None:
    """With the file and all backups lost, none is made while the keychain remembers, or cannot say."""
    vault = stand.made()
    for path in [stand.file, *(backup.path for backup in vault.backups)]:
        path.unlink()
    (account,) = (each for each in gnome.accounts() if each.startswith("anchor/"))
    if state != "answers":
        TROUBLES[state](gnome, account)

    with pytest.raises(VaultError) as why:
        stand.program().create([NewSlot(stand.recovery)])

    assert isinstance(why.value, (VaultExists, KeychainError))
    assert not stand.file.exists()
