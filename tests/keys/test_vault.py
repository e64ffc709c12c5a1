"""The vault: what it keeps, what it refuses, and what it does with a file that is not the one it wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.errors import (
    KeychainError,
    SecretMissing,
    SlotClosed,
    VaultDamaged,
    VaultExists,
    VaultLocked,
    VaultMissing,
    VaultRolledBack,
)
from app.keys.log.chain import Action
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.vault.vault import NewSlot

if TYPE_CHECKING:
    from app.keys.vault.contents import Contents
    from app.keys.vault.vault import Vault

HUNG = KeychainError("hung", "The keychain does not answer.")


def put(vault: Vault, name: str, value: bytes, **words: Any) -> Contents:
    return vault.change(Action.SET, name, lambda contents, now: contents.with_secret(name, value, now, **words))


def drop(vault: Vault, name: str) -> Contents:
    return vault.change(Action.REMOVE, name, lambda contents, _now: contents.without(name))


def test_what_was_set_is_there_for_the_next_program(setting: Any) -> None:
    """A value, its group and its notes come back as they were given, in another program that opens the file."""
    put(setting.made(), "DEEPSEEK_API_KEY_1", b"sk-one", notes="work")

    vault = setting.opened()

    assert vault.get("DEEPSEEK_API_KEY_1") == b"sk-one"
    about = vault.contents.about("DEEPSEEK_API_KEY_1")
    assert (about.group, about.notes) == ("DEEPSEEK_API_KEY", "work")


def test_names_and_values_are_not_in_the_file(setting: Any) -> None:
    """Neither a name, a note nor a value can be read in the vault's file."""
    put(setting.made(), "TELEGRAM_TOKEN", b"canary-value", notes="canary-note")

    content = setting.file.read_bytes()

    for plain in (b"TELEGRAM", b"canary"):
        assert plain not in content


def test_each_slot_opens_it(setting: Any) -> None:
    """The recovery code opens what the passphrase opens."""
    put(setting.made(), "A", b"value")
    vault = setting.program()

    record = vault.unlock([setting.recovery])

    assert (record.kind, vault.get("A")) == ("recovery", b"value")


def test_a_vault_without_a_recovery_slot_is_not_made(setting: Any) -> None:
    """The recovery slot is compulsory."""
    with pytest.raises(ValueError, match="recovery"):
        setting.program().create([NewSlot(setting.passphrase)])

    assert not setting.file.exists()


@pytest.mark.parametrize("left", ["file", "backup", "anchor"])
def test_no_new_vault_is_made_beside_an_old_one(setting: Any, left: str) -> None:
    """Where the file, a backup or only the keychain's memory of a vault is left, none is created."""
    vault = setting.made()
    put(vault, "A", b"value")
    if left != "file":
        setting.file.unlink()
    if left == "anchor":
        for backup in vault.backups:
            backup.path.unlink()
    else:
        setting.anchor.kept = None

    with pytest.raises(VaultExists):
        setting.program().create([NewSlot(setting.recovery)])


def test_a_keychain_that_does_not_answer_stops_the_making(setting: Any) -> None:
    """It may remember a vault, so none is made until it can be asked."""
    setting.anchor.fails = HUNG

    with pytest.raises(KeychainError):
        setting.made()

    assert not setting.file.exists()


def test_without_any_keychain_a_vault_can_be_made(setting: Any) -> None:
    """On a machine that has none, the vault stands without an anchor, and says so."""
    setting.anchor.fails = KeychainError("absent", "There is no keychain here.")

    vault = setting.made()

    assert vault.is_open
    assert vault.anchor_trouble is setting.anchor.fails


def test_a_wrong_passphrase_says_so_and_offers_the_code(setting: Any) -> None:
    """What does not open says why, and what else could."""
    setting.made()

    with pytest.raises(VaultLocked) as told:
        setting.program().unlock([PassphraseSlot("another passphrase")])

    assert [reason.state for reason in told.value.reasons] == ["refused"]
    assert "keys recover" in told.value.hint


def test_another_vaults_code_does_not_open_it(setting: Any) -> None:
    """A recovery code of another vault is told from a damaged slot."""
    setting.made()

    with pytest.raises(VaultLocked) as told:
        setting.program().unlock([RecoverySlot(RecoveryCode.new())])

    assert [reason.state for reason in told.value.reasons] == ["refused"]


def test_without_a_file_it_says_that_there_is_none(setting: Any) -> None:
    """No vault is no error of the vault's."""
    with pytest.raises(VaultMissing, match="There is no vault"):
        setting.program().unlock([setting.passphrase])


def test_what_another_program_set_is_seen_at_once(setting: Any) -> None:
    """A vault that is open reads again what another program wrote."""
    first = setting.made()
    second = setting.opened("another")

    put(second, "A", b"theirs")

    assert first.get("A") == b"theirs"


def test_two_programs_lose_nothing(setting: Any) -> None:
    """Changes by turns end with both."""
    first, second = setting.made(), setting.opened("another")

    put(first, "A", b"1")
    put(second, "B", b"2")
    put(first, "C", b"3")

    assert [about.name for about in setting.opened().contents.abouts] == ["A", "B", "C"]


def test_an_older_file_in_its_place_is_refused(setting: Any) -> None:
    """Last week's vault, put back by somebody, does not open, though its seal is good."""
    vault = setting.made()
    put(vault, "REMOVED_SINCE", b"old")
    old = setting.file.read_bytes()
    drop(vault, "REMOVED_SINCE")
    setting.file.write_bytes(old)

    with pytest.raises(VaultRolledBack, match="older"):
        setting.program().unlock([setting.passphrase])


def test_an_older_file_is_refused_by_a_program_that_has_it_open(setting: Any) -> None:
    """A program that knows the newer one does not follow the older one, even without the keychain."""
    vault = setting.made()
    setting.anchor.fails = HUNG
    old = setting.file.read_bytes()
    put(vault, "A", b"value")
    setting.file.write_bytes(old)

    with pytest.raises(VaultRolledBack):
        vault.get("A")


def test_a_file_that_is_one_ahead_of_the_anchor_is_taken(setting: Any) -> None:
    """Killed between file and anchor: the file is the newer one, and the anchor is moved on."""
    vault = setting.made()
    before = setting.anchor.kept
    put(vault, "A", b"value")
    setting.anchor.kept = before

    opened = setting.opened()

    assert opened.get("A") == b"value"
    assert setting.anchor.kept.generation == before.generation + 1


def test_saves_without_the_keychain_are_taken_when_it_is_back(setting: Any) -> None:
    """Several saves that the anchor heard nothing of are a descent of what it remembers."""
    vault = setting.made()
    setting.anchor.fails = HUNG
    for number in range(3):
        put(vault, f"A{number}", b"value")
    assert vault.anchor_trouble is HUNG
    setting.anchor.fails = None

    opened = setting.opened()

    assert len(opened.contents.abouts) == 3
    assert opened.anchor_trouble is None


def test_another_descent_is_refused(setting: Any) -> None:
    """A file that was changed from an older one, by somebody with a slot, does not come after the anchored one."""
    vault = setting.made()
    old, old_anchor = setting.file.read_bytes(), setting.anchor.kept
    put(vault, "A", b"value")
    put(vault, "B", b"value")
    newest = setting.anchor.kept
    setting.file.write_bytes(old)
    setting.anchor.kept = old_anchor
    forked = setting.opened()
    for number in range(3):
        put(forked, f"X{number}", b"value")
    setting.anchor.kept = newest

    with pytest.raises(VaultRolledBack, match="does not come after"):
        setting.program().unlock([setting.passphrase])


def test_a_file_that_a_person_put_back_is_taken_when_they_say_so(setting: Any) -> None:
    """`accept_current` makes an older file the newest, and what follows goes on from there."""
    vault = setting.made()
    put(vault, "A", b"old")
    old = setting.file.read_bytes()
    put(vault, "A", b"new")
    setting.file.write_bytes(old)
    again = setting.program()

    again.accept_current([setting.passphrase])

    assert again.get("A") == b"old"
    assert setting.opened().get("A") == b"old"


def test_the_data_key_is_rotated_and_nothing_of_the_old_one_is_left(setting: Any) -> None:
    """Every entry is encrypted anew in one save, values and versions stay."""
    vault = setting.made()
    put(vault, "A", b"value")
    before = vault.contents.document

    vault.change(Action.ROTATE, "", lambda contents, now: contents.with_new_data_key(now))

    after = setting.opened().contents.document
    assert after.data_key.id != before.data_key.id
    assert after.entries[0].value != before.entries[0].value
    assert after.entries[0].version == before.entries[0].version
    assert vault.get("A") == b"value"


def test_a_worn_data_key_is_replaced_by_the_next_save(setting: Any) -> None:
    """After 2^20 encryptions the data key is rotated, whatever its age."""
    vault = setting.made()

    def worn(contents: Contents, _now: int) -> Contents:
        key = replace(contents.document.data_key, uses=2**20)
        return replace(contents, document=replace(contents.document, data_key=key))

    before = vault.contents.document.data_key.id
    vault.change(Action.EDIT, "", worn)

    assert vault.contents.document.data_key.id != before
    assert vault.contents.document.data_key.uses == 0


def test_the_master_key_is_rotated_and_all_slots_still_open(setting: Any) -> None:
    """The recovery code on paper stays good without being typed; the passphrase was typed again."""
    vault = setting.made()
    put(vault, "A", b"value")
    ids = {record.kind: record.id for record in vault.contents.document.slots}
    before = vault.contents.document.master

    vault.rotate_master({ids["passphrase"]: setting.passphrase, ids["recovery"]: RecoverySlot()})

    assert vault.contents.document.master != before
    for opener in (setting.passphrase, setting.recovery):
        again = setting.program()
        again.unlock([opener])
        assert again.get("A") == b"value"


def test_a_rotation_that_would_drop_a_slot_is_refused(setting: Any) -> None:
    """A slot that nothing is given for stops the rotation, and everything is as it was."""
    vault = setting.made()
    ids = {record.kind: record.id for record in vault.contents.document.slots}
    before = setting.file.read_bytes()

    with pytest.raises(SlotClosed, match="passphrase"):
        vault.rotate_master({ids["recovery"]: RecoverySlot()})

    assert setting.file.read_bytes() == before


def test_another_program_notices_a_new_master_key(setting: Any) -> None:
    """A program that has the vault open under the old master key is locked out until it opens it again."""
    first = setting.made()
    second = setting.opened("another")
    ids = {record.kind: record.id for record in first.contents.document.slots}

    first.rotate_master({ids["passphrase"]: setting.passphrase, ids["recovery"]: RecoverySlot()})

    with pytest.raises(VaultLocked, match="master key"):
        second.get("A")
    assert not second.is_open


@pytest.mark.parametrize("rotated", ["data key", "master key"])
def test_a_backup_from_before_a_rotation_is_restored(setting: Any, rotated: str) -> None:
    """Its secrets come back under the keys that are in force."""
    vault = setting.made()
    put(vault, "A", b"old")
    put(vault, "A", b"new")
    old = vault.backups[0]
    ids = {record.kind: record.id for record in vault.contents.document.slots}
    if rotated == "data key":
        vault.change(Action.ROTATE, "", lambda contents, now: contents.with_new_data_key(now))
    else:
        vault.rotate_master({ids["passphrase"]: setting.passphrase, ids["recovery"]: RecoverySlot()})

    vault.restore(old)

    assert setting.opened().get("A") == b"old"


def test_five_backups_are_kept(setting: Any) -> None:
    """The files before this one are there, the newest first, and no more of them than five."""
    vault = setting.made()
    for number in range(9):
        put(vault, "A", str(number).encode())

    assert [backup.generation for backup in vault.backups] == [8, 7, 6, 5, 4]


def test_a_damaged_file_is_replaced_by_a_backup_and_kept(setting: Any) -> None:
    """What is damaged is kept aside; the backup opens with its own slots, and the anchor follows."""
    vault = setting.made()
    put(vault, "A", b"1")
    put(vault, "A", b"2")
    setting.file.write_bytes(setting.file.read_bytes()[:-7])
    again = setting.program()
    with pytest.raises(VaultDamaged):
        again.unlock([setting.passphrase])

    again.restore_whole(again.backups[0], [setting.recovery])

    assert setting.opened().get("A") == b"1"
    assert list(setting.folder.glob("vault-set-aside-*.wkv"))


def test_a_log_that_can_no_longer_be_proved_is_set_aside(setting: Any) -> None:
    """After a restore from before a new master key the lines told since are kept elsewhere, and the log holds."""
    vault = setting.made()
    put(vault, "A", b"1")
    ids = {record.kind: record.id for record in vault.contents.document.slots}
    vault.rotate_master({ids["passphrase"]: setting.passphrase, ids["recovery"]: RecoverySlot()})
    vault.lock()
    setting.file.write_bytes(setting.file.read_bytes()[:-7])
    again = setting.program()
    before = next(each for each in again.backups if each.generation == 1)

    again.restore_whole(before, [setting.recovery])
    again.get("A")

    opened = setting.opened()
    report = opened._access.verify(opened.log_keys(), opened.anchored())
    assert report.problems == ()
    assert list(setting.folder.glob("aside-*-access.log"))


def test_a_good_file_is_not_replaced_as_a_whole(setting: Any) -> None:
    """Restoring a whole backup over a good vault is refused."""
    vault = setting.made()
    put(vault, "A", b"1")
    put(vault, "A", b"2")

    with pytest.raises(VaultExists):
        setting.program().restore_whole(vault.backups[0], [setting.passphrase])

    assert setting.opened().get("A") == b"2"


def test_what_is_not_there_is_missed_and_told(setting: Any) -> None:
    """Asking for a secret that is not there is an error, and stands in the access log."""
    vault = setting.made()

    with pytest.raises(SecretMissing):
        vault.get("NO_SUCH", why="a test")

    line = setting.program()._access.lines(1)[0]
    assert (line.access.action, line.access.name, line.access.result) == (Action.GET, "NO_SUCH", "missing")


def test_locked_it_gives_nothing(setting: Any) -> None:
    """After `lock` nothing is answered, and the master key's bytes are overwritten."""
    vault = setting.made()
    put(vault, "A", b"value")
    master = vault.contents.master

    vault.lock()

    assert bytes(master.key) == bytes(32)
    with pytest.raises(VaultLocked):
        vault.get("A")


def test_the_time_until_a_secret_is_due_starts_anew_with_a_new_value(setting: Any) -> None:
    """Renewed, it is due as long from now as it was when it was set before."""
    vault = setting.made()
    start = int(setting.clock.wall())
    put(vault, "A", b"old", due=start + 90 * 86_400)

    setting.clock.advance(100 * 86_400)
    put(vault, "A", b"new")

    assert vault.contents.about("A").due == start + 190 * 86_400
