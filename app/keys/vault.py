"""The vault: opened, read, changed and locked again, by several programs at once.

Each change takes the lock, reads the file again, changes what it finds there, proves that the new bytes open, keeps the
old ones as a backup, replaces the file, and moves the anchor on. All methods block; each may be called from any thread.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import (
    KeychainError,
    SecretMissing,
    SlotClosed,
    VaultDamaged,
    VaultError,
    VaultExists,
    VaultIOError,
    VaultLocked,
    VaultMissing,
)
from app.domain.keys import KeychainState
from app.keys.accesslog import Access, Action
from app.keys.anchor import Anchored
from app.keys.anchoring import Anchoring
from app.keys.contents import VAULT_ID_BYTES, Contents
from app.keys.document import RESTORE, Read, SlotRecord, digest_of, parse
from app.keys.master import new_id, new_master
from app.keys.opening import is_newest, new_record, open_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.engine.clock import Clock
    from app.keys.accesslog import AccessLog
    from app.keys.anchor import Anchor
    from app.keys.master import Master
    from app.keys.slots.slot import Slot
    from app.keys.vaultfile import Backup, VaultFile

_log = structlog.get_logger(__name__)

RECOVERY = "recovery"
"""The kind of slot that no vault is without: a keychain alone loses data when a password is reset."""


@dataclass(frozen=True, slots=True)
class NewSlot:
    """A slot to be made; `label` is what a person reads beside it."""

    slot: Slot
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Opened:
    contents: Contents
    read: Read
    stamp: tuple[int, int, int] | None

    @property
    def master(self) -> Master:
        return self.contents.master


class Vault:
    """It.

    Args:
        file: Where it lies.
        anchor: Where the newest generation is remembered.
        access: Where each access is told.
        clock: Time.
    """

    def __init__(self, file: VaultFile, anchor: Anchor, access: AccessLog, clock: Clock) -> None:
        self._file = file
        self._anchor = anchor
        self._anchoring = Anchoring(anchor, access)
        self._access = access
        self._clock = clock
        self._turn = threading.RLock()
        self._opened: _Opened | None = None

    @property
    def anchor_trouble(self) -> KeychainError | None:
        """Why the anchor could not be asked or moved on; None while all is well."""
        return self._anchoring.trouble

    @property
    def exists(self) -> bool:
        """True when there is a file."""
        return self._file.exists

    @property
    def is_open(self) -> bool:
        """True between `unlock` and `lock`."""
        return self._opened is not None

    @property
    def is_anchor_lost(self) -> bool:
        """True when the keychain had nothing of this vault, though it must have: an older file may be in its place."""
        return self._anchoring.is_lost

    @property
    def backups(self) -> tuple[Backup, ...]:
        """The files before this one, the newest first."""
        return self._file.backups()

    @property
    def contents(self) -> Contents:
        """What the file holds now; no access to a value: the log tells nothing of it.

        Raises:
            VaultLocked: It is not open, or another program has changed its master key.
        """
        with self._turn:
            return self._fresh().contents

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
            records = [new_record(each.slot, master, now, label=each.label) for each in slots]
            self._anchoring.begin()
            self._write(Contents.new(master, now).with_slots(records), generation=None)
            self._tell(Action.CREATE)

    def unlock(self, openers: Sequence[Slot], *, wanted: Callable[[], bool] = lambda: True) -> SlotRecord:
        """Open the vault with the first of these that does, and return the slot that it opened.

        Args:
            openers: Tried in this order.
            wanted: Asked when one has answered, which may take long: nothing is opened when it says no.

        Raises:
            VaultMissing: There is none.
            VaultLocked: None of them opens it; tells why for each slot. Or it is no longer wanted.
            VaultDamaged: The file is not what it was.
            VaultRolledBack: The file is older than what the anchor remembers.
            VaultError: It cannot be read.
        """
        # What asks a person or a keychain does so before the lock is taken.
        record, master = open_slots(parse(self._file.read()), openers)
        with self._turn, self._file.held():
            if not wanted():
                raise VaultLocked("The vault was not opened: that was given up.", "Try again.")
            self._file.sweep()
            read = parse(self._file.read())
            if read.document.master != master.id:
                record, master = open_slots(read, openers)
            opened = _Opened(Contents.of(read, master), read, self._file.stamp)
            to_be_moved = self._anchoring.compare(read)
            self._opened = opened
            try:
                unknown = ", and the keychain did not remember it" if self._anchoring.is_lost else ""
                self._tell(Action.UNLOCK, result=f"{record.kind}{unknown}")
                if to_be_moved:
                    self._anchoring.move(read)
            except VaultIOError:
                self._forget()
                raise
            return record

    def lock(self) -> None:
        """Forget the keys, whatever else fails. Nothing happens when it is locked.

        Raises:
            VaultIOError: The access log cannot be written. It is locked all the same.
        """
        with self._turn:
            if self._opened is None:
                return
            try:
                self._tell(Action.LOCK)
                self.anchor_log()
            except VaultIOError:
                raise
            except VaultError as error:
                _log.warning("the vault's anchor could not be moved on", reason=error.message)
            finally:
                self._forget()

    def get(self, name: str, *, why: str = "", action: Action = Action.GET) -> bytes:
        """Return a secret's value; the log tells of it.

        Args:
            name: Its name.
            why: What it is for, as the log tells it.
            action: What it is called in the log.

        Raises:
            SecretMissing: There is none of this name; the log tells that too.
            VaultLocked: It is not open.
        """
        with self._turn:
            contents = self._fresh().contents
            try:
                value = contents.value(name)
            except SecretMissing:
                self._tell(action, name, result="missing", why=why)
                raise
            self._tell(action, name, why=why)
            return value

    def change(
        self, action: Action, name: str, change: Callable[[Contents, int], Contents], *, why: str = ""
    ) -> Contents:
        """Save what `change` makes of the contents, and return them; the log tells of it before, and again if it fails.

        Args:
            action: What it is called in the log.
            name: The secret that it is about; empty for none.
            change: Is given the contents as they are in the file now, and the time in seconds since the epoch. Called
                with the lock held.
            why: What it is for.

        Raises:
            VaultLocked: It is not open.
            VaultError: It cannot be read or written: the file is as it was then.
            WatchkeeperError: Whatever `change` raises; the file is as it was then.
        """
        with self._turn, self._file.held():
            before = self._fresh(by_bytes=True)
            self._anchoring.require_compared(before.read)
            contents = change(before.contents, self._now())
            if self._fresh(by_bytes=True).read.digest != before.read.digest:
                raise RuntimeError("a change within a change of the vault: the outer one began before it")
            if contents.is_data_key_worn:
                contents = contents.with_new_data_key(self._now())
            following = contents.following(before.read.digest)
            content = following.build()
            # Told first: once the file is in its place an error would look as if it were not.
            self._tell(action, name, why=why)
            try:
                self._put(following, content, generation=before.read.document.generation)
            except VaultIOError:
                with suppress(VaultIOError):
                    self._tell(action, name, result="failed", why=why)
                raise
            return contents

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
            self._write(following, generation=None)
            self._tell(Action.RESTORE)
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

    def anchor_log(self) -> None:
        """Have the anchor remember how far the access log goes. Takes some tens of milliseconds.

        Raises:
            VaultError: The file, or the log, cannot be read any more, or is not what it was.
        """
        with self._turn:
            if self._opened is not None:
                with self._file.held():
                    # What another program saved since is what must be remembered.
                    read = self._fresh(by_bytes=True).read
                    self._anchoring.require_compared(read)
                    self._anchoring.move(read)

    def log_keys(self) -> Mapping[str, bytes]:
        """Return the access log's keys by the id of the master key that each comes of.

        Raises:
            VaultLocked: It is not open.
        """
        with self._turn:
            contents = self._fresh().contents
            return {master.id: master.log_key for master in (contents.master, *contents.retired_masters)}

    def anchored(self) -> Anchored | None:
        """Return what the anchor remembers.

        Raises:
            KeychainError: It is out of reach.
        """
        return self._anchor.read()

    # Inside

    def _now(self) -> int:
        return int(self._clock.wall())

    def _fresh(self, *, by_bytes: bool = False) -> _Opened:
        """Return what is open, after it was read again if another program has changed it.

        Args:
            by_bytes: Read it in any case: what is about to be replaced is not judged by its size and time.
        """
        opened = self._opened
        if opened is None:
            raise VaultLocked("The vault is locked.", "Open it: watchkeeper keys unlock")
        stamp = self._file.stamp
        if stamp is not None and stamp == opened.stamp and not by_bytes:
            return opened
        content = self._file.read()
        if digest_of(content) != opened.read.digest:
            read = parse(content)
            if read.document.master != opened.master.id:
                self._forget()
                raise VaultLocked("Another program has changed the vault's master key.", "Open it again.")
            contents = Contents.of(read, opened.master)
            document = read.document
            if document.generation - opened.read.document.generation > len(document.ancestors):
                return self._followed_far(opened.master)
            is_newest(read, Anchored(opened.read.document.vault, opened.read.document.generation, opened.read.digest))
            opened = _Opened(contents, read, stamp)
        else:
            opened = _Opened(opened.contents, opened.read, stamp)
        self._opened = opened
        return opened

    def _followed_far(self, master: Master) -> _Opened:
        """Return what is open after more saves of others than a file names ancestors, if the anchor says so."""
        with self._file.held():
            stamp = self._file.stamp
            read = parse(self._file.read())
            contents = Contents.of(read, master)
            self._anchoring.compare(read)
            self._opened = _Opened(contents, read, stamp)
            return self._opened

    def _write(self, contents: Contents, *, generation: int | None) -> None:
        self._put(contents, contents.build(), generation=generation)

    def _put(self, contents: Contents, content: bytes, *, generation: int | None) -> None:
        read = parse(content)
        self._file.replace(content, generation=generation)
        self._opened = _Opened(contents, read, self._file.stamp)
        try:
            self._anchoring.move(read)
        except VaultIOError as error:
            # It is saved, and the anchor is behind, which the next opening repairs.
            _log.warning("the vault's anchor could not be moved on", reason=error.message)

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
        except (VaultDamaged, VaultLocked):
            # With a wrong bit in the master key's id no slot opens. What is kept aside is not lost.
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

    def _forget(self) -> None:
        if self._opened is not None:
            self._opened.master.wipe()
            self._opened = None

    def _tell(self, action: Action, name: str = "", *, result: str = "ok", why: str = "") -> None:
        if self._opened is not None:
            master = self._opened.master
            self._access.append(Access(action, name, result, why), key_id=master.id, key=master.log_key)


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
