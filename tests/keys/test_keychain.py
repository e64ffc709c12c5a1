"""The keychain, the slot and the anchor in it, before a far end that hangs, lies, forgets, refuses and shadows."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import keyring.errors
import pytest
import secretstorage
from jeepney import DBusAddress, DBusErrorResponse, new_error, new_method_call

from app.domain.errors import KeychainError, SlotClosed, VaultExists, VaultLocked, VaultRolledBack
from app.domain.keys import KeychainState
from app.keys.keychain.anchor import Anchored, KeychainAnchor
from app.keys.keychain.keychain import ATTENDED_S, LARGEST, UNATTENDED_S, Keychain
from app.keys.keychain.providers import CredentialManager, MacKeychain, SecretService, provider_for
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Action
from app.keys.slots.keychain import KeychainSlot
from app.keys.slots.slot import bound_to
from app.keys.vault.document import to_base64
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANARY = "canary-value"
AT_ONCE_S = 1.0
SHORT_S = 0.1
MASTER = bytes(range(32))
BOUND = bound_to("va", "sl", "keychain", "m1")
ANCHORED = Anchored("va", 7, "ab" * 32, 3, "cd" * 32)


def _set(event: threading.Event) -> threading.Event:
    event.set()
    return event


@dataclass
class FarKeyring:
    """A class of the keyring library and what lies behind it: the newest entry of an account is found first."""

    entries: dict[str, list[str]] = field(default_factory=dict)
    answers: threading.Event = field(default_factory=lambda: _set(threading.Event()))
    begun: threading.Event = field(default_factory=threading.Event)
    fails: Exception | None = None
    forgets: bool = False
    keeps_all: bool = False
    calls: int = 0

    def get_password(self, service: str, username: str) -> str | None:
        self._meet(service)
        found = self.entries.get(username)
        return found[0] if found else None

    def set_password(self, service: str, username: str, password: str) -> None:
        self._meet(service)
        if not self.forgets:
            self.entries.setdefault(username, [""])[-1] = password

    def delete_password(self, service: str, username: str) -> None:
        self._meet(service)
        if self.keeps_all:
            return
        if not self.entries.get(username):
            raise keyring.errors.PasswordDeleteError("No such password!")
        self.entries[username].pop(0)

    def shadow(self, username: str, value: str) -> None:
        """Put an entry of another program before ours."""
        self.entries.setdefault(username, []).insert(0, value)

    def _meet(self, service: str) -> None:
        assert service == "watchkeeper"
        self.calls += 1
        self.begun.set()
        self.answers.wait()
        if self.fails is not None:
            raise self.fails


@dataclass
class FarProvider:
    name: ClassVar[str] = "keyring.backends.SecretService.Keyring"

    far: FarKeyring
    in_the_way: KeychainState | None = None

    def backend(self) -> FarKeyring:
        return self.far

    def trouble(self, account: str, *, attended: bool, writing: bool) -> KeychainState | None:
        del account, attended, writing
        return self.in_the_way

    def state_of(self, error: Exception, *, attended: bool) -> KeychainState:
        return SecretService().state_of(error, attended=attended)


class OtherProvider(FarProvider):
    name: ClassVar[str] = "keyring.backends.macOS.Keyring"


@pytest.fixture
def far() -> Iterator[FarKeyring]:
    """The far end; what hangs in it comes back with the test's end."""
    far = FarKeyring()
    yield far
    far.answers.set()


def keychain_of(far: FarKeyring, *, attended: bool = False, patience_s: float | None = None) -> Keychain:
    return Keychain(attended=attended, patience_s=patience_s, provider=FarProvider(far))


def state_told(call: Callable[[], object]) -> str:
    with pytest.raises((KeychainError, SlotClosed)) as told:
        call()
    return str(told.value.state)


def dbus_error(name: str) -> DBusErrorResponse:
    call = new_method_call(DBusAddress("/", "a.b", "a.b"), "Do")
    call.header.serial = 1
    return DBusErrorResponse(new_error(call, name, "s", (CANARY,)))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


# The keychain


def test_what_is_set_is_got_until_it_is_deleted(far: FarKeyring) -> None:
    """A text comes back as it was, then goes; deleting what is not there is no error."""
    keychain = keychain_of(far)

    keychain.set("a", CANARY)
    got = keychain.get("a")
    keychain.delete("a")
    keychain.delete("a")

    assert (got, keychain.get("a")) == (CANARY, None)


def test_a_keychain_that_keeps_nothing_is_found_out(far: FarKeyring) -> None:
    """The null backend takes all and keeps none: what was written is read back."""
    far.forgets = True

    assert state_told(lambda: keychain_of(far).set("a", CANARY)) == "replaced"


def test_an_entry_that_another_program_put_before_ours_is_found_out(far: FarKeyring) -> None:
    """Where the keychain answers with another program's entry, setting ours says so."""
    far.shadow("a", "theirs")
    far.shadow("a", "theirs, too")

    assert state_told(lambda: keychain_of(far).set("a", CANARY)) == "replaced"


def test_deleting_removes_shadows_as_well(far: FarKeyring) -> None:
    """After a delete nothing lies under the account, however many programs put something there."""
    keychain = keychain_of(far)
    keychain.set("a", CANARY)
    far.shadow("a", "theirs")

    keychain.delete("a")

    assert far.entries["a"] == []


def test_a_delete_that_does_not_delete_is_found_out(far: FarKeyring) -> None:
    """A keychain that says yes and keeps the entry is told from one that removes it, and is not asked for ever."""
    keychain = keychain_of(far)
    keychain.set("a", CANARY)
    far.keeps_all = True

    assert state_told(lambda: keychain.delete("a")) == "replaced"


@pytest.mark.parametrize("found", [b"bytes", "x" * LARGEST])
def test_what_cannot_be_ours_is_not_given_back(far: FarKeyring, found: Any) -> None:
    """Something that is no text, or larger than an entry may be, is no value."""
    far.shadow("a", found)

    assert state_told(lambda: keychain_of(far).get("a")) == "replaced"


def test_more_than_windows_keeps_is_not_taken(far: FarKeyring) -> None:
    """2,560 bytes of UTF-16 go in, and not one character more."""
    keychain = keychain_of(far)

    keychain.set("a", "x" * (LARGEST // 2))

    with pytest.raises(ValueError, match="2560"):
        keychain.set("a", "x" * (LARGEST // 2 + 1))


def test_a_keychain_in_trouble_is_not_asked(far: FarKeyring) -> None:
    """What is locked is told so before the library, which would bring up a prompt, is called at all."""
    keychain = Keychain(attended=False, provider=FarProvider(far, KeychainState.LOCKED))

    assert state_told(lambda: keychain.get("a")) == "locked"
    assert far.calls == 0


@pytest.mark.parametrize(
    ("error", "attended", "state"),
    [
        (keyring.errors.KeyringLocked(CANARY), True, "refused"),
        (keyring.errors.KeyringLocked(CANARY), False, "locked"),
        (keyring.errors.PasswordSetError(CANARY), True, "refused"),
        (keyring.errors.NoKeyringError(CANARY), True, "absent"),
        (caused(keyring.errors.InitError(CANARY), secretstorage.PromptDismissedException()), True, "refused"),
        (secretstorage.SecretServiceNotAvailableException(CANARY), True, "absent"),
        (secretstorage.LockedException(CANARY), True, "locked"),
        (dbus_error("org.freedesktop.Secret.Error.IsLocked"), True, "locked"),
        (dbus_error("org.freedesktop.DBus.Error.AccessDenied"), True, "refused"),
        (dbus_error("org.freedesktop.DBus.Error.Spawn.ChildExited"), True, "absent"),
        (dbus_error("org.freedesktop.DBus.Error.Disconnected"), True, "absent"),
        (dbus_error("org.freedesktop.DBus.Error.TimedOut"), True, "hung"),
        (dbus_error("org.freedesktop.Secret.Error.NoSession"), True, "refused"),
        (ConnectionResetError(CANARY), True, "absent"),
        (FileNotFoundError(CANARY), True, "absent"),
        (ImportError(CANARY), True, "absent"),
        (TimeoutError(CANARY), True, "hung"),
        (UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY), True, "replaced"),
        (ValueError(CANARY), True, "refused"),
    ],
    ids=lambda value: getattr(value, "name", None) or (type(value).__name__ if isinstance(value, Exception) else None),
)
def test_each_error_of_the_library_is_a_named_state(
    far: FarKeyring, error: Exception, *, attended: bool, state: str
) -> None:
    """An error becomes ours by its cause, and nothing that it says comes along: it might hold the value."""
    far.fails = error

    with pytest.raises(KeychainError) as told:
        keychain_of(far, attended=attended).set("a", CANARY)

    assert told.value.state == state
    assert CANARY not in "".join(traceback.format_exception(told.value))
    assert (told.value.__cause__, told.value.__context__) == (None, None)


@pytest.mark.parametrize(
    ("status", "state"),
    [(-128, "refused"), (-25291, "absent"), (-25293, "refused"), (-25307, "absent"), (-25308, "locked")],
)
def test_what_macos_says_is_told_apart(status: int, state: str) -> None:
    """The status behind the library's one error says what it was."""
    error = caused(keyring.errors.KeyringError("Can't get password"), Exception(status, "Unknown Error"))

    assert MacKeychain().state_of(error, attended=True) == state


@pytest.mark.parametrize(("code", "state"), [(5, "refused"), (1312, "absent"), (87, "refused")])
def test_what_windows_says_is_told_apart(code: int, state: str) -> None:
    """The error's code says what it was; one that is not known is no absence."""
    error = Exception(code, "CredRead", CANARY)
    error.winerror = code  # type: ignore[attr-defined] # as pywin32-ctypes has it

    assert CredentialManager().state_of(error, attended=True) == state


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ("linux", "keyring.backends.SecretService.Keyring"),
        ("freebsd14", "keyring.backends.SecretService.Keyring"),
        ("darwin", "keyring.backends.macOS.Keyring"),
        ("win32", "keyring.backends.Windows.WinVaultKeyring"),
    ],
)
def test_each_system_has_one_class(platform: str, name: str) -> None:
    """Which class is used follows from the system alone."""
    assert Keychain(attended=False, provider=provider_for(platform)).backend == name


@pytest.mark.parametrize("platform", sorted({"darwin", "win32"} - {sys.platform}))
def test_another_systems_class_is_absent(platform: str) -> None:
    """A class that cannot work here is told as such at its first use."""
    keychain = Keychain(attended=False, provider=provider_for(platform))

    assert state_told(lambda: keychain.get("a")) == "absent"


def test_the_environment_cannot_bend_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """KEYRING_PROPERTY_... variables, by which the library lets another collection be taken, are without effect."""
    monkeypatch.setenv("KEYRING_PROPERTY_PREFERRED_COLLECTION", "/org/freedesktop/secrets/collection/session")

    backend = SecretService().backend()

    assert not hasattr(backend, "preferred_collection")


# Time


def test_a_person_has_two_minutes_and_a_program_three_seconds(far: FarKeyring) -> None:
    """How long a call may take follows from whether somebody is there, unless it is given."""
    attended = keychain_of(far, attended=True)

    assert attended.patience_s == ATTENDED_S == 120
    assert attended.unattended().patience_s == keychain_of(far).patience_s == UNATTENDED_S == 3
    assert keychain_of(far, patience_s=SHORT_S).unattended().patience_s == SHORT_S


def test_a_keychain_that_hangs_is_left_behind_and_asked_again_when_it_is_back(far: FarKeyring) -> None:
    """The first call waits for its patience; the next are told at once, in no thread of their own, until it is back."""
    keychain = keychain_of(far, patience_s=SHORT_S)
    far.answers.clear()

    first = state_told(lambda: keychain.get("a"))
    threads, began = set(threading.enumerate()), time.monotonic()
    later = {state_told(lambda: keychain.set("a", CANARY)) for _ in range(50)}
    took, calls, more = time.monotonic() - began, far.calls, set(threading.enumerate()) - threads
    far.answers.set()
    back = until_answered(keychain)

    assert (first, later, back) == ("hung", {"hung"}, None)
    assert took < AT_ONCE_S
    assert (more, calls) == (set(), 1)


def until_answered(keychain: Keychain) -> str | None:
    due = time.monotonic() + 10
    while True:
        try:
            return keychain.get("a")
        except KeychainError:
            if time.monotonic() > due:
                raise
            time.sleep(0.01)


def test_a_call_that_waited_behind_one_that_hangs_is_never_done_later(far: FarKeyring) -> None:
    """What was told as hung without having begun does not happen when the keychain is back."""
    keychain = keychain_of(far, patience_s=SHORT_S)
    far.answers.clear()

    with ThreadPoolExecutor() as others:
        hanging = others.submit(state_told, lambda: keychain.get("a"))
        far.begun.wait(10)
        waiting = others.submit(state_told, lambda: keychain.set("a", CANARY))
        states = {hanging.result(), waiting.result()}
    far.answers.set()

    assert (states, until_answered(keychain)) == ({"hung"}, None)


def test_the_program_ends_while_a_call_hangs() -> None:
    """A thread that is left behind does not keep the interpreter."""
    program = """
import threading
from app.domain.errors import KeychainError
from app.keys.keychain.keychain import Keychain

class Dead:
    name = "dead"
    def backend(self): threading.Event().wait()

try:
    Keychain(attended=False, patience_s=0.1, provider=Dead()).get("a")
except KeychainError as error:
    print(error.state)
"""

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    assert ended.stdout.splitlines()[-1] == "hung"


def test_a_loop_beside_a_keychain_that_hangs_goes_on(far: FarKeyring) -> None:
    """Called through asyncio.to_thread, it holds up nothing."""
    keychain = keychain_of(far, patience_s=3 * SHORT_S)
    far.answers.clear()

    async def turns_meanwhile() -> tuple[int, str]:
        asked, turns = asyncio.ensure_future(asyncio.to_thread(state_told, lambda: keychain.get("a"))), 0
        while not asked.done():
            await asyncio.sleep(0.005)
            turns += 1
        return turns, await asked

    turns, state = asyncio.run(turns_meanwhile())

    assert state == "hung"
    assert turns > 5


def test_keyring_is_imported_when_it_is_needed_only() -> None:
    """It costs a tenth of a second, which a start without a keychain does not pay."""
    program = (
        "import sys; from app.keys.keychain.keychain import Keychain; "
        "from app.keys.slots.keychain import KeychainSlot; "
        "KeychainSlot(Keychain(attended=True)); print({'keyring', 'secretstorage', 'jeepney'} & set(sys.modules))"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    assert ended.stdout == "set()\n"


def test_a_library_that_takes_long_to_import_is_no_keychain_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time does not count: a cold disk or a virus scanner is slow where the keychain itself is not."""
    (tmp_path / "slow_keyring.py").write_text(
        f"import time\ntime.sleep({3 * SHORT_S})\nclass Keyring:\n    def get_password(self, service, username):\n"
        "        return 'kept'\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)

    class SlowProvider(FarProvider):
        name: ClassVar[str] = "slow_keyring.Keyring"

        def backend(self) -> Any:
            return importlib.import_module("slow_keyring").Keyring()

    keychain = Keychain(attended=False, patience_s=SHORT_S, provider=SlowProvider(FarKeyring()))

    assert keychain.get("a") == "kept"


# The slot


def test_the_slot_opens_what_it_wrapped(far: FarKeyring) -> None:
    """The key lies in the keychain, and neither it nor the master key in the record."""
    slot = KeychainSlot(keychain_of(far))

    body = slot.wrap(MASTER, BOUND)

    (key,) = far.entries["slot/va/sl/m1"]
    assert slot.open(body, BOUND) == MASTER
    assert (body["account"], body["backend"]) == ("slot/va/sl/m1", FarProvider.name)
    assert not {key, to_base64(MASTER)} & set(body.values())


def test_each_wrapping_has_a_key_of_its_own(far: FarKeyring) -> None:
    """Under another master key the slot has another account and key, and the one of before stays until discarded."""
    slot, later = KeychainSlot(keychain_of(far)), bound_to("va", "sl", "keychain", "m2")
    old = slot.wrap(MASTER, BOUND)

    new = slot.wrap(MASTER, later, old)
    opened_by_both = slot.open(old, BOUND), slot.open(new, later)
    slot.discard(old)

    assert opened_by_both == (MASTER, MASTER)
    assert far.entries["slot/va/sl/m1"] == []
    assert slot.open(new, later) == MASTER
    assert state_told(lambda: slot.open(old, BOUND)) == "missing"


def test_a_record_in_another_place_does_not_open(far: FarKeyring) -> None:
    """What a record is bound to is proven by decrypting."""
    slot = KeychainSlot(keychain_of(far))
    body = slot.wrap(MASTER, BOUND)

    assert state_told(lambda: slot.open(body, bound_to("va", "other", "keychain", "m1"))) == "replaced"


@pytest.mark.parametrize("value", [to_base64(bytes(32)), to_base64(bytes(16)), "no base64!", ""])
def test_another_programs_entry_is_told_as_replaced(far: FarKeyring, value: str) -> None:
    """A key that is not ours, or none at all, opens nothing and says why."""
    slot = KeychainSlot(keychain_of(far))
    body = slot.wrap(MASTER, BOUND)
    far.shadow("slot/va/sl/m1", value)

    assert state_told(lambda: slot.open(body, BOUND)) == "replaced"


def test_another_kind_of_keychain_is_told_as_changed(far: FarKeyring) -> None:
    """A record made on another system's keychain says so, and this one's is not asked."""
    body = KeychainSlot(keychain_of(far)).wrap(MASTER, BOUND)
    asked = far.calls

    other = KeychainSlot(Keychain(attended=False, provider=OtherProvider(far)))

    assert state_told(lambda: other.open(body, BOUND)) == "changed"
    assert far.calls == asked


@pytest.mark.parametrize("name", ["account", "nonce", "content"])
def test_a_record_with_a_part_missing_is_damaged(far: FarKeyring, name: str) -> None:
    """It is the file that is at fault then, not the keychain."""
    slot = KeychainSlot(keychain_of(far))
    body = slot.wrap(MASTER, BOUND)
    del body[name]

    assert state_told(lambda: slot.open(body, BOUND)) == "damaged"


@pytest.mark.parametrize("name", ["nonce", "content"])
def test_a_record_that_is_cut_short_does_not_open(far: FarKeyring, name: str) -> None:
    """A nonce or a ciphertext of another size is an error of ours, not the library's."""
    slot = KeychainSlot(keychain_of(far))
    body = slot.wrap(MASTER, BOUND) | {name: to_base64(b"short")}

    assert state_told(lambda: slot.open(body, BOUND)) == "replaced"


def test_a_slot_is_not_made_in_a_keychain_that_keeps_nothing(far: FarKeyring) -> None:
    """The vault would not open by it again."""
    far.forgets = True

    assert state_told(lambda: KeychainSlot(keychain_of(far)).wrap(MASTER, BOUND)) == "replaced"


def test_why_a_slot_is_closed_is_why_the_keychain_is(far: FarKeyring) -> None:
    """The state, the sentence and the advice are the keychain's."""
    slot = KeychainSlot(Keychain(attended=False, provider=FarProvider(far, KeychainState.LOCKED)))

    with pytest.raises(SlotClosed, match="keychain is locked") as told:
        slot.wrap(MASTER, BOUND)

    assert (told.value.kind, told.value.state) == ("keychain", "locked")
    assert "Unlock" in told.value.hint


# The anchor


def test_the_anchor_remembers_by_folder(far: FarKeyring, tmp_path: Path) -> None:
    """Each folder has its own, by its real path; forgotten, nothing is left."""
    (tmp_path / "one").mkdir()
    with contextlib.suppress(OSError):  # Windows lets few people make links
        (tmp_path / "link").symlink_to(tmp_path / "one")
    keychain = keychain_of(far)
    one, other = KeychainAnchor(keychain, tmp_path / "one"), KeychainAnchor(keychain, tmp_path / "other")
    same = KeychainAnchor(keychain, tmp_path / ("link" if (tmp_path / "link").exists() else "one"))

    one.write(ANCHORED)
    read = one.read(), same.read(), other.read()
    one.forget()

    assert read == (ANCHORED, ANCHORED, None)
    assert one.read() is None


def test_the_anchor_fits_into_one_entry(far: FarKeyring, tmp_path: Path) -> None:
    """Windows keeps 2,560 bytes; the largest anchor takes less than half of that."""
    anchor = KeychainAnchor(keychain_of(far), tmp_path)

    anchor.write(replace(ANCHORED, vault="f" * 32, generation=2**62, log_lines=2**62))

    ((value,),) = far.entries.values()
    assert len(value.encode("utf-16-le")) < LARGEST / 2


@pytest.mark.parametrize("value", ["", "{}", "[" * 1200, '{"vault":1}', ANCHORED.dump()[:-1]])
def test_what_is_no_anchor_is_told_as_replaced(far: FarKeyring, tmp_path: Path, value: str) -> None:
    """Something else under its account is never taken for "nothing is remembered"."""
    anchor = KeychainAnchor(keychain_of(far), tmp_path)
    anchor.write(ANCHORED)
    (entries,) = far.entries.values()
    entries.insert(0, value)

    assert state_told(anchor.read) == "replaced"


def test_the_anchor_never_waits_for_a_person(far: FarKeyring, tmp_path: Path) -> None:
    """Given a keychain that would wait for two minutes, it waits for three seconds, in no way of the other's."""
    keychain = keychain_of(far, attended=True)
    anchor = KeychainAnchor(keychain, tmp_path)
    far.answers.clear()

    began = time.monotonic()
    state = state_told(anchor.read)
    took = time.monotonic() - began

    assert state == "hung"
    assert UNATTENDED_S <= took < UNATTENDED_S + AT_ONCE_S


# The vault


@dataclass
class Stand:
    """A vault whose slot and anchor are in the keychain."""

    setting: Any
    far: FarKeyring

    @property
    def slot(self) -> KeychainSlot:
        return KeychainSlot(keychain_of(self.far))

    def program(self) -> Vault:
        folder, clock = self.setting.folder, self.setting.clock
        anchor = KeychainAnchor(keychain_of(self.far), folder)
        return Vault(VaultFile(folder), anchor, AccessLog(folder, clock, program="a test"), clock)

    def made(self) -> Vault:
        vault = self.program()
        vault.create([NewSlot(self.slot), NewSlot(self.setting.recovery)])
        vault.change(Action.SET, "A", lambda contents, now: contents.with_secret("A", b"value", now))
        return vault


@pytest.fixture
def stand(setting: Any, far: FarKeyring) -> Stand:
    return Stand(setting, far)


def test_a_vault_opens_by_the_keychain_alone(stand: Stand) -> None:
    """Another program opens it without being given anything; two entries are all that the keychain holds."""
    stand.made()
    vault = stand.program()

    vault.unlock([stand.slot])

    assert vault.get("A") == b"value"
    assert sorted(account.split("/")[0] for account in stand.far.entries) == ["anchor", "slot"]


def test_a_new_master_key_opens_by_the_keychain(stand: Stand) -> None:
    """After a rotation the new entry opens the vault, also when the old one was discarded."""
    vault = stand.made()
    slots = {"keychain": stand.slot, "recovery": stand.setting.recovery}
    old = next(each for each in vault.contents.document.slots if each.kind == "keychain")

    vault.rotate_master({each.id: slots[each.kind] for each in vault.contents.document.slots})
    stand.slot.discard(old.body)
    again = stand.program()
    again.unlock([stand.slot])

    assert again.get("A") == b"value"
    assert stand.far.entries[str(old.body["account"])] == []


def test_an_older_file_is_noticed_by_the_keychains_anchor(stand: Stand) -> None:
    """Last week's file in the place of today's does not open."""
    vault = stand.made()
    vault.lock()
    older = vault.backups[-1]
    stand.setting.file.write_bytes(older.path.read_bytes())

    with pytest.raises(VaultRolledBack):
        stand.program().unlock([stand.slot])


@pytest.mark.parametrize("state", ["locked", "hung", "refused", "replaced"])
def test_no_new_vault_beside_one_that_a_troubled_keychain_may_remember(stand: Stand, state: str) -> None:
    """With the file and the backups gone, a keychain that cannot say whether there was a vault stops the making."""
    vault = stand.made()
    stand.setting.file.unlink()
    for backup in vault.backups:
        backup.path.unlink()
    trouble = FarProvider(stand.far, KeychainState(state))
    anchor = KeychainAnchor(Keychain(attended=False, provider=trouble), stand.setting.folder)
    log = AccessLog(stand.setting.folder, stand.setting.clock, program="a test")
    blind = Vault(VaultFile(stand.setting.folder), anchor, log, stand.setting.clock)

    with pytest.raises(KeychainError):
        blind.create([NewSlot(stand.setting.recovery)])
    with pytest.raises(VaultExists):
        stand.program().create([NewSlot(stand.setting.recovery)])

    assert not stand.setting.file.exists()


def test_a_vault_whose_entry_is_gone_says_so_and_offers_the_code(stand: Stand) -> None:
    """A keychain that was reset costs nothing but the recovery code."""
    stand.made()
    stand.far.entries.clear()
    vault = stand.program()

    with pytest.raises(VaultLocked) as told:
        vault.unlock([stand.slot])
    vault.unlock([stand.setting.recovery])

    assert [reason.state for reason in told.value.reasons] == ["missing"]
    assert "keys recover" in told.value.hint
    assert vault.get("A") == b"value"
