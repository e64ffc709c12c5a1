"""The master key, and the keys that come of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from app.domain.errors import VaultDamaged, VaultLocked
from app.keys.aead import Forged, framed, new_key, seal, unseal
from app.keys.derive import subkey
from app.keys.vault.document import RESTORE, DataKey, RetiredMaster

ID_BYTES = 8


def new_id(count: int = ID_BYTES) -> str:
    """Return an id that was never given before: so many random bytes, in hexadecimal."""
    return secrets.token_hex(count)


@dataclass(frozen=True, slots=True)
class Master:
    """An opened master key: all else in the vault opens by it.

    Attributes:
        id: Its id, which slots are bound to.
        vault: The id of its vault.
        created: When it was made, in seconds since the epoch.
        key: Its 32 bytes; all zero after `wipe`.
    """

    id: str
    vault: str
    created: int
    key: bytearray = field(repr=False)

    @property
    def mac_key(self) -> bytes:
        """The key of the file's seal."""
        return self._subkey("mac")

    @property
    def log_key(self) -> bytes:
        """The key of the access log's chain."""
        return self._subkey("log")

    def wrap_data_key(self, key: bytes, *, id: str, created: int, uses: int = 0) -> DataKey:  # noqa: A002 - the record's own name for it
        """Return a data key as it stands in the file."""
        bound = framed("data key", self.vault, id, created)
        return DataKey(id, created, uses, seal(self._wrap_key, key, bound))

    def unwrap_data_key(self, record: DataKey) -> bytes:
        """Return a data key's 32 bytes.

        Raises:
            VaultDamaged: It was not wrapped by this master key, or is not what it was.
        """
        return self._unwrapped(framed("data key", self.vault, record.id, record.created), record)

    def wrap_retired(self, older: Master) -> RetiredMaster:
        """Return an older master key as it stands in the file."""
        bound = framed("retired master", self.vault, older.id, older.created)
        return RetiredMaster(older.id, older.created, seal(self._wrap_key, older.key, bound))

    def unwrap_retired(self, record: RetiredMaster) -> Master:
        """Return an older master key.

        Raises:
            VaultDamaged: It was not wrapped by this master key, or is not what it was.
        """
        key = self._unwrapped(framed("retired master", self.vault, record.id, record.created), record)
        return Master(record.id, self.vault, record.created, bytearray(key))

    def wipe(self) -> None:
        """Overwrite the key. What Python copied of it meanwhile stays in memory until it is used for something else."""
        self.key[:] = bytes(len(self.key))

    @property
    def _wrap_key(self) -> bytes:
        return self._subkey("wrap")

    def _subkey(self, purpose: str) -> bytes:
        if not any(self.key):
            # What somebody kept of a vault that was locked meanwhile must not be sealed under zeros.
            raise VaultLocked("The vault was locked meanwhile.", "Open it: watchkeeper keys unlock")
        return subkey(self.key, purpose, self.vault)

    def _unwrapped(self, bound: bytes, record: DataKey | RetiredMaster) -> bytes:
        try:
            return unseal(self._wrap_key, record.sealed, bound)
        except (Forged, ValueError):
            raise VaultDamaged("The vault's file is damaged: a key in it does not open.", RESTORE) from None


def new_master(vault: str, created: int) -> Master:
    """Return a new master key of 32 random bytes."""
    return Master(new_id(), vault, created, bytearray(new_key()))
