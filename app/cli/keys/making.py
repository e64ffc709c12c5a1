"""The commands about the vault itself: init, slots, recover, restore."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.keys.newfile import write_new
from app.cli.keys.prompts import ask_twice, has_person, show_code
from app.cli.keys.vaults import asked_passphrase, asked_recovery, opened, vault_of
from app.cli.terminal import plain
from app.domain import words
from app.domain.errors import (
    CannotError,
    KeychainError,
    SecretError,
    SettingsError,
    UsageError,
    VaultDamaged,
    VaultError,
    VaultLocked,
    VaultMissing,
    VaultNewer,
)
from app.keys.servers import NEEDED
from app.keys.slots.keychain import KeychainSlot
from app.keys.slots.passphrase import SHORTEST, PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.vault.slotchange import change_slots
from app.keys.vault.vault import NewSlot
from app.keys.vault.vaultfile import Backup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.cli.context import Context
    from app.keys.slots.slot import Slot
    from app.keys.usual import UsualVault

SHORTEST_ID = 4


def init(context: Context) -> int:
    """Make a vault."""
    said = context.words
    usual = vault_of(context)
    if said.forget_lost:
        usual.vault.forget_lost()
    usual.vault.require_none()
    if not said.no_keychain:
        _require_keychain(usual, "Or make the vault without it: watchkeeper keys init --no-keychain --passphrase")
    slots = [] if said.no_keychain else [NewSlot(slot) for slot in usual.own]
    slots += [NewSlot(_server(usual, kind)) for kind in said.server]
    if said.passphrase or not slots:
        slots.append(NewSlot(_new_passphrase()))
    code = RecoveryCode.new()
    _hand_over(context, code)
    with _taken_back(context):
        usual.vault.create([*slots, NewSlot(RecoverySlot(code))])
    usual.vault.lock()
    opens = ", ".join(dict.fromkeys(each.slot.kind for each in slots))
    context.terminal.say(f"The vault is made. It opens by: {opens}, and the recovery code.")
    if usual.vault.anchor_trouble is not None:
        context.terminal.note(f"An older vault in its place could not be noticed: {usual.vault.anchor_trouble.message}")
    context.terminal.note("Put something in: watchkeeper keys set DEEPSEEK_API_KEY")
    return 0


def _require_keychain(usual: UsualVault, instead: str) -> None:
    try:
        usual.vault.anchored()
    except KeychainError as error:
        raise CannotError(error.message, f"{error.hint} {instead}") from error


def slots(context: Context) -> int:
    """Tell the ways to open the vault, make another one, or remove one."""
    said = context.words
    with opened(context) as usual:
        if said.add:
            change_slots(usual.vault, add=[_named(usual, said.add)], goes=lambda _record: False)
        elif said.remove:
            _remove_slot(usual, said.remove)
        records = usual.vault.contents.document.slots
    now = time.time()
    if context.as_json:
        told = [{"id": each.id, "kind": each.kind, "created": each.created} for each in records]
        context.terminal.document({"slots": told})
    else:
        context.terminal.table([(each.id, each.kind, f"made {words.ago(now - each.created)}") for each in records])
    return 0


def recover(context: Context) -> int:
    """Open the vault by its recovery code, and make the system's own slots anew, so that it opens by itself again."""
    usual = vault_of(context)
    usual.vault.unlock([asked_recovery()])
    if not context.words.passphrase:
        _require_keychain(usual, "Or make a new passphrase: watchkeeper keys recover --passphrase")
    try:
        add: list[Slot] = [_new_passphrase()] if context.words.passphrase else list(usual.own)
        # With a new passphrase the keychain is given up: what it kept for this vault opens nothing any more.
        gone = {slot.kind for slot in (*add, *usual.own)}
        if context.words.new:
            code = RecoveryCode.new()
            _hand_over(context, code)
            add.append(RecoverySlot(code))
            gone.add(RecoverySlot.kind)
        with _taken_back(context) if context.words.new else nullcontext():
            change_slots(usual.vault, add=add, goes=lambda record: record.kind in gone, keepers=usual.own)
    finally:
        usual.vault.lock()
    if context.as_json:
        context.terminal.document({"recovered": True, "new_code": context.words.new})
    else:
        how = "by the new passphrase" if context.words.passphrase else "by itself again"
        context.terminal.say(f"The vault opens {how}.")
        if context.words.new:
            context.terminal.note("Only the new recovery code is good from now on, but for backups from before.")
    return 0


def restore(context: Context) -> int:
    """List the backups, or put one in place."""
    said = context.words
    usual = vault_of(context)
    backups = usual.vault.backups
    if said.current:
        usual.vault.accept_current(_openers(usual, context))
        usual.vault.lock()
        return _restored(context, "The vault that is there is the newest from now on.")
    if said.which is None:
        _list_backups(context, backups)
        return 0
    backup = _chosen(context, backups)
    openers = _openers(usual, context)
    try:
        usual.vault.unlock(openers)
    except (VaultDamaged, VaultMissing, VaultLocked, VaultNewer) as lost:
        # What these do not open is set aside, not lost; a backup that they do not open either stays where it is.
        context.terminal.note(lost.message)
        _restore_whole(usual, backup, openers)
    else:
        usual.vault.restore(backup)
    usual.vault.lock()
    return _restored(context, "It is in place. What was there before is kept, as the newest backup or set aside.")


def _restore_whole(usual: UsualVault, backup: Backup, openers: Sequence[Slot]) -> None:
    try:
        usual.vault.restore_whole(backup, openers)
    except VaultLocked as locked:
        again = f"Its recovery code opens it: watchkeeper keys restore {backup.path.name} --recovery"
        raise VaultLocked(locked.message, again, reasons=locked.reasons, kinds=locked.kinds) from locked


def _chosen(context: Context, backups: Sequence[Backup]) -> Backup:
    """Return the backup of a number, or the file of a path.

    Raises:
        UsageError: There is none.
    """
    which = context.words.which
    if which.isdigit():
        if not 1 <= int(which) <= len(backups):
            raise UsageError(f"There is no backup {which}.", f"There are {len(backups)}: watchkeeper keys restore")
        return backups[int(which) - 1]
    path = Path(context.cwd, which)
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", "Name an exported vault, or a number: watchkeeper keys restore")
    return Backup(path, None, path.stat().st_mtime)


def _restored(context: Context, text: str) -> int:
    if context.as_json:
        context.terminal.document({"restored": True})
    else:
        context.terminal.say(text)
    return 0


def _list_backups(context: Context, backups: Sequence[Backup]) -> None:
    now = time.time()
    if context.as_json:
        told = [
            {"number": at, "generation": each.generation, "saved_at": each.saved_at}
            for at, each in enumerate(backups, 1)
        ]
        context.terminal.document({"backups": told})
    elif backups:
        rows = [
            (str(at), f"replaced {words.ago(now - each.saved_at)}", each.path.name)
            for at, each in enumerate(backups, 1)
        ]
        context.terminal.table(rows)
        context.terminal.note("Put one in place: watchkeeper keys restore NUMBER")
    else:
        context.terminal.note("There is no backup yet: each change of the vault makes one.")


def _openers(usual: UsualVault, context: Context) -> list[Slot]:
    return (
        [asked_recovery()]
        if context.words.recovery
        else [*usual.openers, *([asked_passphrase()] if has_person() else [])]
    )


def _named(usual: UsualVault, kind: str) -> Slot:
    """Return a new slot of a kind.

    Raises:
        SettingsError: It is a server's, and the settings do not say where that is.
    """
    if kind == PassphraseSlot.kind:
        return _new_passphrase()
    return usual.own[0] if kind == KeychainSlot.kind else _server(usual, kind)


def _server(usual: UsualVault, kind: str) -> Slot:
    found = next((slot for slot in usual.servers if slot.kind == kind), None)
    if found is None:
        raise SettingsError(f"The settings do not say where {kind} is.", f"Set {NEEDED[kind]}: watchkeeper config set")
    return found


def _new_passphrase() -> PassphraseSlot:
    passphrase = ask_twice("New passphrase: ", instead="Run it in a terminal.")
    if len(passphrase) < SHORTEST:
        raise SecretError(f"The passphrase has fewer than {SHORTEST} characters.", "Take a longer one.")
    return PassphraseSlot(passphrase)


def _hand_over(context: Context, code: RecoveryCode) -> None:
    """Give the recovery code to the person: in a new file where one is named, else on the terminal.

    Raises:
        CannotError: The file is there already, or cannot be written.
    """
    named = context.words.recovery_file
    if named is None:
        show_code(context, str(code))
        return
    path = Path(context.cwd, named)
    write_new(path, f"{code}\n".encode("ascii"))
    context.terminal.note(f"The recovery code is in {plain(path)}. Keep it away from this machine, and remove it here.")


@contextmanager
def _taken_back(context: Context) -> Iterator[None]:
    """Say that the code which was just given opens nothing, when what is done with it fails."""
    try:
        yield
    except VaultError:
        if context.words.recovery_file is not None:
            Path(context.cwd, context.words.recovery_file).unlink(missing_ok=True)
        context.terminal.note("The recovery code that was just given opens nothing. One from before is still good.")
        raise


def _remove_slot(usual: UsualVault, beginning: str) -> None:
    records = usual.vault.contents.document.slots
    found = [each for each in records if len(beginning) >= SHORTEST_ID and each.id.startswith(beginning)]
    if len(found) != 1:
        raise UsageError(f"{beginning!r} names no slot, or several.", "See them with: watchkeeper keys slots")
    if found[0].kind == RecoverySlot.kind:
        raise SecretError(
            "The recovery slot is not removed: without it, a lost keychain is a lost vault.",
            "Make a new code in its place: watchkeeper keys recover --new",
        )
    change_slots(usual.vault, goes=lambda record: record.id == found[0].id, keepers=usual.own)
