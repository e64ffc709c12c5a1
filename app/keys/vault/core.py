"""An open vault: read, changed and locked again, by several programs at once.

Each change takes the lock, reads the file again, changes what it finds there, proves that the new bytes open, keeps the
old ones as a backup, replaces the file, and moves the anchor on. All methods block; each may be called from any thread.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import SecretMissing, VaultError, VaultIOError, VaultLocked
from app.keys.keychain.anchor import Anchored
from app.keys.log.chain import Access, Action
from app.keys.vault.anchoring import Anchoring
from app.keys.vault.contents import Contents
from app.keys.vault.document import Read, SlotRecord, digest_of, parse
from app.keys.vault.opening import is_newest, open_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.domain.errors import KeychainError
    from app.engine.clock import Clock
    from app.keys.keychain.anchor import Anchor
    from app.keys.log.accesslog import AccessLog
    from app.keys.slots.slot import Slot
    from app.keys.vault.master import Master
    from app.keys.vault.vaultfile import Backup, VaultFile

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Opened:
    contents: Contents
    read: Read
    stamp: tuple[int, int, int] | None

    @property
    def master(self) -> Master:
        return self.contents.master


class VaultCore:
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

    def unlock(
        self, openers: Sequence[Slot], *, wanted: Callable[[], bool] = lambda: True, why: str = ""
    ) -> SlotRecord:
        """Open the vault with the first of these that does, and return the slot that it opened.

        Args:
            openers: Tried in this order.
            wanted: Asked when one has answered, which may take long: nothing is opened when it says no.
            why: What the access log tells of it.

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
                self._tell(Action.UNLOCK, result=f"{record.kind}{unknown}", why=why)
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

    def _forget(self) -> None:
        if self._opened is not None:
            self._opened.master.wipe()
            self._opened = None

    def _tell(self, action: Action, name: str = "", *, result: str = "ok", why: str = "") -> None:
        if self._opened is not None:
            master = self._opened.master
            self._access.append(Access(action, name, result, why), key_id=master.id, key=master.log_key)
