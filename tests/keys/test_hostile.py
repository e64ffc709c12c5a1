"""The vault among those who would have it lose a key, believe an older one, stay open, or fall over its own files."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.errors import (
    KeychainError,
    SecretError,
    SecretMissing,
    VaultDamaged,
    VaultError,
    VaultIOError,
    VaultLocked,
    VaultRolledBack,
)
from app.keys.log import accesslog
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Access, Action
from app.keys.log.interlock import Interlock
from app.keys.vault.document import ANCESTORS, SlotRecord, build, parse
from app.keys.vault.secret import LARGEST_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.keys.vault.contents import Contents
    from app.keys.vault.vault import Vault

HUNG = KeychainError("hung", "The keychain does not answer.")


def put(vault: Vault, name: str, value: bytes) -> Contents:
    return vault.change(Action.SET, name, lambda contents, now: contents.with_secret(name, value, now))


def drop(vault: Vault, name: str) -> Contents:
    return vault.change(Action.REMOVE, name, lambda contents, _now: contents.without(name))


def rewrite(setting: Any, opened: Vault, **members: Any) -> None:
    """Write the vault's document with other members, under a good seal."""
    setting.file.write_bytes(build(replace(opened.contents.document, **members), opened.contents.master.mac_key))


# Rolled back unnoticed, or said to be where it is not


@pytest.mark.parametrize("saves", [1, ANCESTORS + 4])
def test_a_program_that_locks_late_does_not_move_the_anchor_back(setting: Any, saves: int) -> None:
    """What another program saved meanwhile stays what the keychain remembers, and opens."""
    first, second = setting.made(), setting.opened("another")
    for number in range(saves):
        put(second, f"A{number}", b"value")
    newest = setting.anchor.kept.generation

    first.lock()

    assert setting.anchor.kept.generation == newest
    assert len(setting.opened().contents.abouts) == saves


def test_a_program_that_looks_away_for_long_follows_all_the_same(setting: Any) -> None:
    """More saves of another program than the file names ancestors are no rollback."""
    first, second = setting.made(), setting.opened("another")
    for number in range(ANCESTORS + 4):
        put(second, f"A{number}", b"value")

    assert first.get("A0") == b"value"


def test_a_program_that_looks_away_for_long_does_not_follow_another_descent(setting: Any) -> None:
    """However many saves a fork is ahead by, it is not what the keychain remembers."""
    first = setting.made()
    old, old_anchor = setting.file.read_bytes(), setting.anchor.kept
    put(first, "A", b"value")
    newest = setting.anchor.kept
    setting.file.write_bytes(old)
    setting.anchor.kept = old_anchor
    forked = setting.opened("a fork")
    for number in range(ANCESTORS + 4):
        put(forked, f"X{number}", b"value")
    setting.anchor.kept = newest

    with pytest.raises(VaultRolledBack):
        first.get("A")


def test_an_older_file_is_found_out_when_the_keychain_is_back(setting: Any) -> None:
    """Opened while the keychain was away, an older file is not made the newest by the next save."""
    vault = setting.made()
    put(vault, "REMOVED_SINCE", b"old")
    old = setting.file.read_bytes()
    drop(vault, "REMOVED_SINCE")
    newest = setting.anchor.kept
    setting.file.write_bytes(old)
    setting.anchor.fails = HUNG
    again = setting.opened()
    setting.anchor.fails = None

    with pytest.raises(VaultRolledBack):
        put(again, "B", b"value")

    assert setting.anchor.kept == newest
    assert setting.file.read_bytes() == old


@pytest.mark.parametrize("moves", ["a save", "the log", "locking"])
def test_what_could_not_be_compared_is_not_remembered(setting: Any, moves: str) -> None:
    """A keychain that can be written and not read is left as it is: what it remembers was never compared."""
    vault = setting.made()
    put(vault, "REMOVED_SINCE", b"old")
    old = setting.file.read_bytes()
    drop(vault, "REMOVED_SINCE")
    newest = setting.anchor.kept
    setting.file.write_bytes(old)
    setting.anchor.fails_reading = HUNG
    again = setting.opened()

    if moves == "a save":
        put(again, "B", b"value")
    elif moves == "the log":
        again.anchor_log()
    else:
        again.lock()

    assert setting.anchor.kept == newest


def test_a_whole_restore_that_the_keychain_did_not_hear_of_opens(setting: Any) -> None:
    """Killed between file and anchor, the restored file is known as what comes after the one remembered."""
    vault = setting.made()
    for number in range(3):
        put(vault, "A", str(number).encode())
    setting.file.write_bytes(setting.file.read_bytes()[:-7])
    remembered = setting.anchor.kept
    again = setting.program()
    again.restore_whole(again.backups[0], [setting.recovery])
    setting.anchor.kept = remembered

    assert setting.opened().get("A") == b"1"


def test_an_accepted_file_that_the_keychain_did_not_hear_of_opens(setting: Any) -> None:
    """Killed between file and anchor, what a person accepted need not be accepted again."""
    vault = setting.made()
    put(vault, "A", b"old")
    old = setting.file.read_bytes()
    for _ in range(3):
        put(vault, "A", b"new")
    remembered = setting.anchor.kept
    setting.file.write_bytes(old)
    setting.program().accept_current([setting.passphrase])
    setting.anchor.kept = remembered

    assert setting.opened().get("A") == b"old"


# The access log


@pytest.mark.parametrize("left", [0, 3])
def test_a_log_cut_below_the_anchor_stays_told_after_new_lines(setting: Any, left: int) -> None:
    """A program that opens the vault after the cut goes on with the log and says what is gone, for good."""
    vault = setting.made()
    put(vault, "A", b"value")
    for _ in range(5):
        vault.get("A")
    vault.lock()
    path = setting.folder / "access.log"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))

    again = setting.opened()
    for _ in range(20):
        again.get("A")
    again.anchor_log()

    report = setting.program()._access.verify(again.log_keys(), again.anchored())
    assert [problem for problem in report.problems if f"Lines {left + 1}-8 were gone" in problem]


def test_a_log_cut_while_the_keychain_was_away_is_told_when_it_is_back(setting: Any) -> None:
    """New lines in the place of those that were cut are not taken for them."""
    vault = setting.made()
    put(vault, "A", b"value")
    vault.lock()
    (setting.folder / "access.log").unlink()
    setting.anchor.fails = HUNG
    again = setting.opened()
    for _ in range(9):
        again.get("A")
    setting.anchor.fails = None

    put(again, "B", b"value")

    assert not setting.program()._access.verify(again.log_keys(), again.anchored()).holds


def test_a_torn_line_is_told_though_the_anchor_is_moved_first(setting: Any) -> None:
    """A look at the log's end does not tidy up what nobody was told of."""
    vault = setting.made()
    before = setting.anchor.kept
    put(vault, "A", b"value")
    setting.anchor.kept = before
    with (setting.folder / "access.log").open("ab") as file:
        file.write(b'{"action":"get","at":17')

    again = setting.opened()

    assert Action.REPAIR in [line.access.action for line in again._access.lines(5)]


MAC = b" " + b"0" * 64 + b"\n"
FIELDS = '"action":"get","key":"k","name":"","pid":1,"program":"","result":"ok","why":""'


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000 + MAC,
        ('{"number":1e999,"at":1,' + FIELDS + "}").encode() + MAC,
        ('{"number":7,"at":1' + "0" * 400 + "," + FIELDS + "}").encode() + MAC,
        b"\xff\xfe" + MAC,
        b'"' + b"7" * 50_000 + b'"' + MAC,
    ],
    ids=["nested", "infinite", "huge", "no text", "long"],
)
def test_no_line_of_a_log_stops_the_vault(setting: Any, line: bytes) -> None:
    """Whatever stands in the log, a secret is given, and a look at the whole log tells."""
    vault = setting.made()
    put(vault, "A", b"value")
    with (setting.folder / "access.log").open("ab") as file:
        file.write(line)

    value = vault.get("A")

    assert value == b"value"
    assert not vault._access.verify(vault.log_keys(), None).holds


def test_a_lock_that_somebody_removed_is_made_anew(tmp_path: Path) -> None:
    """Whoever holds the lock holds the file that others would open, not one that was removed."""
    lock = Interlock(tmp_path / "access.lock")
    with lock.held():
        (tmp_path / "access.lock").unlink()

    with lock.held():
        assert os.fstat(lock._descriptor or 0).st_ino == (tmp_path / "access.lock").stat().st_ino
    lock.close()


def test_lines_of_two_programs_stay_one_chain_though_the_lock_was_removed(tmp_path: Path, fake_clock: Any) -> None:
    """A tidy person's `rm *.lock` costs nothing."""
    first, second = (AccessLog(tmp_path, fake_clock, program=name) for name in ("first", "second"))
    for number in range(6):
        if number == 3:
            (tmp_path / "access.lock").unlink()
        for log in (first, second):
            log.append(Access(Action.GET, "A"), key_id="m", key=bytes(32))

    assert first.verify({"m": bytes(32)}, None).holds


def test_an_old_part_that_is_gone_before_its_time_is_told(
    tmp_path: Path, fake_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest files of the log go when there are too many of them, and no sooner."""
    monkeypatch.setattr(accesslog, "LARGEST_PART", 600)
    monkeypatch.setattr(accesslog, "PARTS", 3)
    log = AccessLog(tmp_path, fake_clock, program="a test")
    for _ in range(8):
        log.append(Access(Action.GET, "A"), key_id="m", key=bytes(32))
    parts = sorted(tmp_path.glob("access-*.log"))
    assert len(parts) == 2
    assert log.verify({"m": bytes(32)}, None).holds

    parts[0].unlink()

    assert not log.verify({"m": bytes(32)}, None).holds


def test_a_name_without_end_does_not_fill_the_log(setting: Any) -> None:
    """What is asked for is told in part where it is too long for a name, and the chain goes on."""
    vault = setting.made()
    put(vault, "A", b"value")
    with pytest.raises(SecretMissing):
        vault.get("x" * 9_000_000)

    other = setting.opened("another")

    assert other.get("A") == b"value"
    assert "missing" in [line.access.result for line in other._access.lines(10)]
    assert (setting.folder / "access.log").stat().st_size < 10_000
    assert other._access.verify(other.log_keys(), None).holds


def test_what_cannot_be_told_is_not_done(setting: Any) -> None:
    """Where the log cannot be written nothing is changed either: no error after a save, which would look like none."""
    vault = setting.made()
    before = setting.file.read_bytes()
    (setting.folder / "access.log").unlink()
    (setting.folder / "access.log").mkdir()

    with pytest.raises(VaultIOError):
        put(vault, "A", b"value")

    assert setting.file.read_bytes() == before


def test_what_was_told_and_could_not_be_done_is_told_too(setting: Any) -> None:
    """A save that fails has a line that says so behind the one that announced it."""
    vault = setting.made()
    before = setting.file.read_bytes()
    (setting.folder / "backups").write_bytes(b"no folder")

    with pytest.raises(VaultIOError):
        put(vault, "A", b"value")

    assert setting.file.read_bytes() == before
    failed, announced = vault._access.lines(2)
    assert (announced.access.action, announced.access.result) == (Action.SET, "ok")
    assert (failed.access.action, failed.access.name, failed.access.result) == (Action.SET, "A", "failed")


def test_a_save_whose_log_is_lost_meanwhile_is_a_save(setting: Any) -> None:
    """Once the file is in its place nothing is raised: whoever is told of an error undoes what belongs to the save."""
    vault = setting.made()
    setting.steps.clear()

    def lose(step: str) -> None:
        if step == "sync folder":
            (setting.folder / "access.log").unlink()
            (setting.folder / "access.log").mkdir()

    vault._file._on_step = lose

    put(vault, "A", b"value")

    assert vault.contents.value("A") == b"value"


def test_an_unlock_that_cannot_be_told_leaves_it_locked(setting: Any) -> None:
    """An error of `unlock` means that it is locked."""
    setting.made().lock()
    (setting.folder / "access.log").unlink()
    (setting.folder / "access.log").mkdir()
    setting.anchor.kept = None
    vault = setting.program()

    with pytest.raises(VaultIOError):
        vault.unlock([setting.passphrase])

    assert not vault.is_open


# Keys that are lost, or stay


def test_it_locks_though_the_log_cannot_be_written(setting: Any) -> None:
    """A full disk, or a folder that went away, does not keep the keys in memory."""
    vault = setting.made()
    master = vault.contents.master
    (setting.folder / "access.log").unlink()
    (setting.folder / "access.log").mkdir()

    with pytest.raises(VaultIOError):
        vault.lock()

    assert not vault.is_open
    assert bytes(master.key) == bytes(32)


@pytest.mark.parametrize(
    "use",
    [
        lambda contents: contents.with_new_data_key(0),
        lambda contents: contents.build(),
        lambda contents: contents.master.log_key,
    ],
    ids=["data key", "seal", "log"],
)
def test_nothing_is_made_with_a_key_that_was_wiped(setting: Any, use: Callable[[Contents], object]) -> None:
    """Contents that somebody kept after locking do not encrypt under 32 zeros."""
    vault = setting.made()
    contents = put(vault, "A", b"value")
    vault.lock()

    with pytest.raises(VaultLocked):
        use(contents)


def test_a_change_within_a_change_loses_neither(setting: Any) -> None:
    """The inner one is saved; the outer one, which began before it, is refused."""
    vault = setting.made()

    def outer(contents: Contents, now: int) -> Contents:
        put(vault, "INNER", b"value")
        return contents.with_secret("OUTER", b"value", now)

    with pytest.raises(RuntimeError, match="within"):
        vault.change(Action.SET, "OUTER", outer)

    assert [about.name for about in setting.opened().contents.abouts] == ["INNER"]


def test_a_change_begins_from_the_files_bytes_and_not_from_its_looks(setting: Any) -> None:
    """A file of the same size, inode and time as the one that was read is read again before it is replaced."""
    first = setting.made()
    for number in range(ANCESTORS + 1):
        put(first, "A", str(number % 10).encode())
    put(first, "B", b"1")
    kept = setting.folder / "kept"
    os.link(setting.file, kept)
    looks = kept.stat()
    put(setting.opened("another"), "B", b"2")
    kept.write_bytes(setting.file.read_bytes())
    os.utime(kept, ns=(looks.st_atime_ns, looks.st_mtime_ns))
    kept.replace(setting.file)
    found = setting.file.stat()
    assert (found.st_size, found.st_ino, found.st_mtime_ns) == (looks.st_size, looks.st_ino, looks.st_mtime_ns)

    put(first, "A", b"x")

    assert setting.opened().get("B") == b"2"


def test_a_value_that_changed_within_a_tick_of_the_clock_is_seen(setting: Any) -> None:
    """While a file is so young that its time cannot tell it from the next one, it is looked at by its bytes."""
    first = setting.made()
    for number in range(ANCESTORS + 1):
        put(first, "A", str(number % 10).encode())
    kept = setting.folder / "kept"
    os.link(setting.file, kept)
    looks = kept.stat()
    put(setting.opened("another"), "A", b"x")
    kept.write_bytes(setting.file.read_bytes())
    os.utime(kept, ns=(looks.st_atime_ns, looks.st_mtime_ns))
    kept.replace(setting.file)

    assert first.get("A") == b"x"


def test_what_cannot_be_tidied_up_does_not_fail_a_save(setting: Any) -> None:
    """A backup too many that cannot be removed is no reason to say that nothing was saved."""
    vault = setting.made()
    put(vault, "A", b"value")
    (setting.folder / "backups" / "vault-0000000000-00000000.wkv").mkdir()
    for number in range(7):
        put(vault, "A", str(number).encode())

    assert setting.opened().get("A") == b"6"


def test_a_damaged_file_does_not_become_a_backup(setting: Any) -> None:
    """What a whole restore replaces is kept aside, and nowhere that one would restore from."""
    vault = setting.made()
    for number in range(2):
        put(vault, "A", str(number).encode())
    setting.file.write_bytes(setting.file.read_bytes()[:-7])
    again = setting.program()

    again.restore_whole(again.backups[0], [setting.recovery])

    for backup in again.backups:
        parse(backup.path.read_bytes())


def test_a_file_whose_keys_name_was_flipped_is_replaced_by_a_backup(setting: Any) -> None:
    """Where one bit of the master key's id is wrong no slot opens: that is damage too, for whoever has a backup."""
    vault = setting.made()
    put(vault, "A", b"1")
    put(vault, "A", b"2")
    master = vault.contents.document.master
    other = ("0" if master[0] != "0" else "1") + master[1:]
    setting.file.write_bytes(
        setting.file.read_bytes().replace(f'"master":"{master}"'.encode(), f'"master":"{other}"'.encode())
    )
    again = setting.program()

    again.restore_whole(again.backups[0], [setting.recovery])

    assert setting.opened().get("A") == b"1"
    assert list(setting.folder.glob("vault-set-aside-*.wkv"))


def test_more_than_a_file_holds_is_refused_as_such(setting: Any) -> None:
    """What would make the file too large is no damage: nothing is to be restored, and all is as it was."""
    vault = setting.made()
    before = setting.file.read_bytes()

    def fill(contents: Contents, now: int) -> Contents:
        for number in range(200):
            contents = contents.with_secret(f"A{number}", secrets.token_bytes(LARGEST_VALUE), now)
        return contents

    with pytest.raises(SecretError, match="16 MiB"):
        vault.change(Action.IMPORT, "", fill)

    assert setting.file.read_bytes() == before


# Files that are made to hurt


@pytest.mark.parametrize("member", ["vault", "master", "slot", "kind", "body"])
def test_text_that_is_no_text_is_damage(setting: Any, member: str) -> None:
    """Half of a surrogate pair, which JSON can spell and UTF-8 cannot, is an error of ours."""
    vault = setting.made()
    odd = "\ud800"
    if member in {"vault", "master"}:
        rewrite(setting, vault, **{member: odd})
    else:
        slots = vault.contents.document.slots
        changes = {"slot": {"id": odd}, "kind": {"kind": odd}, "body": {"body": {"met": odd, "salt": odd}}}[member]
        rewrite(setting, vault, slots=tuple(replace(slot, **changes) for slot in slots))

    with pytest.raises(VaultError):
        setting.program().unlock([setting.passphrase, setting.recovery])


def test_a_file_with_slots_without_end_is_damage(setting: Any) -> None:
    """Each slot may cost seconds, a gigabyte, or a question to a person: more than anybody makes are not tried."""
    vault = setting.made()
    slot = vault.contents.document.slots[0]
    rewrite(setting, vault, slots=tuple(replace(slot, id=str(number)) for number in range(1_000)))

    with pytest.raises(VaultDamaged):
        setting.program().unlock([setting.passphrase])


def test_no_error_and_no_repr_shows_a_value(setting: Any) -> None:
    """Neither what is raised, with all that led to it, nor what is printed of an open vault holds a value or a key."""
    vault = setting.made()
    contents = put(vault, "A", b"canary-value")
    master = bytes(contents.master.key)
    told = [repr(contents), repr(contents.master), repr(vault), repr(contents.about("A"))]
    broken = replace(contents.document.entries[0], value=contents.document.entries[0].about)
    rewrite(setting, vault, entries=(broken,), generation=9)
    for act in (lambda: vault.get("A"), lambda: vault.get("B"), lambda: put(vault, "A b", b"canary-value")):
        with pytest.raises((VaultError, SecretError)) as raised:
            act()
        chain: BaseException | None = raised.value
        while chain is not None:
            told += [repr(chain), str(chain), repr(vars(chain))]
            chain = chain.__context__

    shown = "\n".join(told)

    assert "canary" not in shown
    assert not any(spelt in shown for spelt in (repr(master), master.hex(), json.dumps(list(master))))
    assert isinstance(contents.document.slots[0], SlotRecord)
