"""The keychain slot: the master key under a key of its own that lives in the operating system's keychain."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

from app.domain.errors import KeychainError, SlotClosed
from app.domain.keys import KeychainState
from app.keys.aead import Forged, Sealed, new_key, seal, unseal
from app.keys.keychain.keychain import keychain_error
from app.keys.slots.slot import sealed_body, sealed_of
from app.keys.vault.document import from_base64, to_base64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.keys.keychain.keychain import Keychain
    from app.keys.slots.slot import Body

_LENGTH = struct.Struct(">I")


class KeychainSlot:
    """It. Any program of the same user can read or replace the entry: opening proves by decrypting that it is ours.

    Args:
        keychain: Where the slot's key lives.
    """

    kind: ClassVar[str] = "keychain"

    def __init__(self, keychain: Keychain) -> None:
        self._keychain = keychain

    def wrap(self, master: bytes, bound: bytes, before: Mapping[str, str | int] | None = None) -> Body:
        """Return the record's body, with a new key in the keychain.

        The key stands under an account of its own, which names the slot and the master key. So the key of before stays
        where it is until the new file is saved; then it goes with `discard`.

        Raises:
            SlotClosed: The keychain does not keep it; `state` is that of the KeychainError.
        """
        del before
        key, account = new_key(), _account(bound)
        try:
            self._keychain.set(account, to_base64(key))
        except KeychainError as error:
            raise _closed(error) from None
        sealed = seal(key, master, bound)
        return {
            "account": account,
            "backend": self._keychain.backend,
            **sealed_body(sealed),
        }

    def open(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        """Return the master key.

        Raises:
            SlotClosed: The record is `damaged`; or `state` is that of a KeychainError: `changed` when the record was
                made with another kind of keychain, `missing` when the entry is gone, `replaced` when it is not ours.
        """
        account, sealed = self._read(body)
        try:
            text = self._keychain.get(account)
        except KeychainError as error:
            raise _closed(error) from None
        if text is None:
            raise _closed(keychain_error(KeychainState.MISSING))
        try:
            return unseal(from_base64(text), sealed, bound)
        except (Forged, ValueError):
            pass  # as below, without the library's error in the chain
        raise _closed(keychain_error(KeychainState.REPLACED))

    def discard(self, body: Mapping[str, str | int]) -> None:
        """Remove from the keychain the key of a record that is no longer in the vault's file, or never came into it.

        Raises:
            SlotClosed: It cannot be removed now, and stays; it opens nothing but older files.
        """
        account, _ = self._read(body)
        try:
            self._keychain.delete(account)
        except KeychainError as error:
            raise _closed(error) from None

    def _read(self, body: Mapping[str, str | int]) -> tuple[str, Sealed]:
        try:
            account, backend = str(body["account"]), body["backend"]
            sealed = sealed_of(body)
        except (KeyError, ValueError):
            raise SlotClosed(
                "keychain",
                "damaged",
                "The keychain's place in the vault is damaged.",
                "Open it another way, and make this way anew: watchkeeper keys slots",
            ) from None
        if backend != self._keychain.backend:
            raise _closed(keychain_error(KeychainState.CHANGED))
        return account, sealed


def _closed(error: KeychainError) -> SlotClosed:
    return SlotClosed("keychain", error.state, error.message, error.hint)


def _account(bound: bytes) -> str:
    """Return the account for what a record is bound to: the ids in it, see `bound_to`."""
    fields, at = [], _LENGTH.size
    while at < len(bound):
        (length,) = _LENGTH.unpack_from(bound, at)
        at += _LENGTH.size
        fields.append(bound[at : at + length].decode("utf-8"))
        at += length
    _label, vault, slot, _kind, master = fields
    return f"slot/{vault}/{slot}/{master}"
