"""The vault: made, given other keys, and brought back on the worst day."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.errors import (
    KeychainError,
    SlotClosed,
    VaultDamaged,
    VaultExists,
    VaultLocked,
    VaultMissing,
    VaultNewer,
)
from app.domain.keys import KeychainState
from app.keys.log.chain import Action
from app.keys.vault.contents import VAULT_ID_BYTES, Contents
from app.keys.vault.core import VaultCore
from app.keys.vault.document import RESTORE, Read, SlotRecord, parse
from app.keys.vault.master import new_id, new_master
from app.keys.vault.opening import new_record, open_slots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.keys.slots.slot import Slot
    from app.keys.vault.master import Master
    from app.keys.vault.vaultfile import Backup, VaultFile

RECOVERY = "recovery"
"""The kind of slot that no vault is without: a keychain alone loses data when a password is reset."""


@dataclass(frozen=True, slots=True)
class NewSlot:
    """A slot to be made; `label` is what a person reads beside it."""

    slot: Slot
    label: str = ""


class Vault(VaultCore):
    """It. To open, read and change it, see VaultCore."""

    def create(self, slots: Sequence[NewSlot]) -> None:
        """Make a new, empty vault, which is open then.

        Args:
            slots: The ways to open it; a recovery slot is one of them.

        Raises:
            ValueError: There is no recovery slot among them.
            VaultExists: There is one, or a backup or an anchor of one.
            SlotClosed: A slot cannot be made.
            VaultError: It cannot be written.
        """
        if not any(each.slot.kind == RECOVERY for each in slots):
            raise ValueError("no vault is made without a recovery slot")
        with self._turn, self._file.held():
            self.require_none()
            now = self._now()
            master = new_master(new_id(VAULT_ID_BYTES), now)
            made: list[tuple[Slot, SlotRecord]] = []
            try:
                made.extend((each.slot, new_record(each.slot, master, now, label=each.label)) for each in slots)
                self._anchoring.begin()
                records = [record for _, record in made]
                self._write(Contents.new(master, now).with_slots(records), generation=None)
            except BaseException:
                if not self._file.exists:
                    for slot, record in made:
                        with suppress(SlotClosed):
                            slot.discard(record.body)
                raise
            self._tell(Action.CREATE)

    def require_none(self) -> None:
        """Make sure that there is no vault, and that none is remembered or lost.

        Raises:
            VaultExists: There is one, or a backup or an anchor of one.
            KeychainError: Whether one is remembered cannot be told.
        """
        if self._file.exists:
            raise VaultExists(f"There is a vault already: {self._file.path}.", "Open it: watchkeeper keys list")
        if self._file.backups():
            raise VaultExists(f"{self._file.path} is missing, but its backups are there.", RESTORE)
        try:
            remembered = self._anchor.read()
        except KeychainError as error:
            if error.state != KeychainState.ABSENT:
                raise  # it may remember one
            self._anchoring.trouble, remembered = error, None
        if remembered is not None:
            raise VaultExists(
                f"{self._file.path} is missing, but the keychain remembers a vault there.",
                "Put the file back from a backup of yours; if it is lost: watchkeeper keys init --forget-lost",
            )

    def forget_lost(self) -> None:
        """Have the anchor forget a vault whose file is lost, and of which there is no backup.

        Raises:
            VaultExists: There is one.
            KeychainError: The anchor is out of reach.
        """
        with self._turn, self._file.held():
            if self._file.exists or self._file.backups():
                self.require_none()
            self._anchor.forget()

    def rotate_master(self, slots: Mapping[str, Slot]) -> None:
        """Put a new master key in the place of the old one, and a new data key.

        Args:
            slots: By the id of each slot that the vault has, what wraps the new key for it.

        Raises:
            SlotClosed: One is missing, or cannot be made now: a slot is never dropped by the way.
            VaultLocked: It is not open.
            VaultError: It cannot be written; it is as it was.
        """
        old: dict[str, SlotRecord] = {}

        def changed(contents: Contents, now: int) -> Contents:
            master = new_master(contents.document.vault, now)
            records = []
            for record in contents.document.slots:
                old[record.id] = record
                slot = slots.get(record.id)
                if slot is None or slot.kind != record.kind:
                    raise SlotClosed(
                        record.kind,
                        "not-given",
                        f"The {record.kind} slot cannot be kept: nothing was given to make it anew.",
                        "Give it, or remove the slot first: watchkeeper keys slots",
                    )
                records.append(new_record(slot, master, now, before=record))
            return contents.with_new_master(master, now).with_slots(records)

        with self._turn:
            before = self._fresh().master
            self.change(Action.ROTATE_MASTER, "", changed)
            before.wipe()
            for record in old.values():
                # What opens the old master key outside is of no use any more, except to a thief of an old backup.
                with suppress(SlotClosed):
                    slots[record.id].discard(record.body)

    def restore(self, backup: Backup) -> None:
        """Take the secrets of a backup in the place of those that are there; keys and slots stay as they are.

        Raises:
            VaultLocked: It is not open; or the backup is of another vault's, or of a master key that is forgotten.
            VaultDamaged: The backup is.
            VaultError: It cannot be written; it is as it was.
        """

        def changed(contents: Contents, now: int) -> Contents:
            return contents.with_secrets_of(self._older(_read_of(self._file, backup), contents), now)

        self.change(Action.RESTORE, "", changed)

    def check_backup(self, backup: Backup) -> None:
        """Open everything in a backup.

        Raises:
            VaultLocked: It is not open; or the backup is of another vault's, or of a master key that is forgotten.
            VaultDamaged: The backup is.
            VaultError: It cannot be read.
        """
        with self._turn:
            self._older(_read_of(self._file, backup), self._fresh().contents)

    def restore_whole(self, backup: Backup, openers: Sequence[Slot]) -> SlotRecord:
        """Put a backup in the place of a file that is lost or damaged, which is kept aside. The vault is open then.

        Args:
            backup: Which.
            openers: The ways to open it: its slots are those of its time.

        Raises:
            VaultExists: The file is good, and these open it: nothing is lost. Use `restore`.
            VaultLocked: None of them opens the backup.
            VaultDamaged: The backup is.
            VaultError: It cannot be written.
        """
        read = _read_of(self._file, backup)
        record, master = open_slots(read, openers)
        contents = Contents.of(read, master)
        with self._turn, self._file.held():
            with suppress(VaultMissing):
                self._keep_aside(master, openers)
            remembered = self._anchoring.recall()
            known = [remembered.generation] if remembered is not None else []
            generation = max((*known, *(each.generation or 0 for each in self.backups)), default=0)
            following = contents.following(read.digest, after=generation, remembered=remembered)
            keys = {each.id: each.log_key for each in (contents.master, *contents.retired_masters)}
            is_provable = self._access.verify(keys, None).holds
            if not is_provable:
                self._access.set_aside()
            self._write(following, generation=None)
            self._tell(Action.RESTORE, why="" if is_provable else "the access log before it was set aside")
            return record

    def accept_current(self, openers: Sequence[Slot]) -> SlotRecord:
        """Take a file for the newest that the anchor does not know as such: a person says that it is theirs.

        Raises:
            VaultLocked: None of them opens it.
            VaultDamaged: It is not what it was.
            VaultError: It cannot be read or written.
        """
        read = parse(self._file.read())
        record, master = open_slots(read, openers)
        with self._turn, self._file.held():
            again = parse(self._file.read())
            contents = Contents.of(again, master)
            remembered = self._anchoring.recall()
            generation = remembered.generation if remembered is not None else 0
            following = contents.following(again.digest, after=generation, remembered=remembered)
            self._write(following, generation=again.document.generation)
            self._tell(Action.ACCEPT)
            return record

    def _keep_aside(self, master: Master, openers: Sequence[Slot]) -> None:
        """Keep the damaged file under another name.

        Raises:
            VaultExists: It is not damaged.
        """
        content = self._file.read()
        try:
            read = parse(content)
            if read.document.master != master.id:
                _, master = open_slots(read, openers)
            Contents.of(read, master)
        except (VaultDamaged, VaultLocked, VaultNewer):
            # With one wrong bit no slot opens, or another format seems to stand there. Kept aside, nothing is lost.
            self._file.keep_aside(content)
            return
        raise VaultExists("The vault's file is good, so that it is not replaced as a whole.", RESTORE)

    def _older(self, read: Read, contents: Contents) -> Contents:
        """Return the contents of a backup, which another master key may have been in force for."""
        for master in (contents.master, *contents.retired_masters):
            if master.id == read.document.master:
                return Contents.of(read, master)
        raise VaultLocked(
            "This backup is of another vault, or of a master key that is no longer kept.",
            "Open it with the recovery code of its time: watchkeeper keys restore --recovery",
        )


def _read_of(file: VaultFile, backup: Backup) -> Read:
    """Return what a backup holds.

    Raises:
        VaultDamaged: It is damaged, or of another save than its name says: somebody has renamed it.
        VaultError: It cannot be read.
    """
    read = parse(file.read_backup(backup))
    if backup.generation is not None and read.document.generation != backup.generation:
        raise VaultDamaged(f"The backup {backup.path.name} is not the one that its name says.", "Take another one.")
    return read
