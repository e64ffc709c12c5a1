"""What a kind of slot does: wrap the master key for one way of opening it, and open it again that way."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from app.keys.aead import Sealed, framed
from app.keys.vault.document import from_base64, to_base64

if TYPE_CHECKING:
    from collections.abc import Mapping

Body = dict[str, str | int]


class Slot(Protocol):
    """One way, with all that it needs: a passphrase that was typed, say, or the keychain's name.

    Attributes:
        kind: As it stands in the file: `keychain`, `dpapi`, `passphrase`, `recovery`, `vault-transit`, ...
    """

    kind: ClassVar[str]

    def wrap(self, master: bytes, bound: bytes, before: Mapping[str, str | int] | None = None) -> Body:
        """Return what the file must keep, so that `open` gives the master key again.

        Args:
            master: 32 bytes.
            bound: What the record is bound to; see `bound_to`.
            before: The body of this slot under the master key of before, where the master key is rotated.

        Raises:
            SlotClosed: It cannot be done now: the keychain is locked, say; or a person must give something first.
        """

    def discard(self, body: Mapping[str, str | int]) -> None:
        """Remove what a record that is no longer in the vault's file keeps elsewhere; most kinds keep nothing.

        Raises:
            SlotClosed: It cannot be removed now, and stays.
        """

    def open(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        """Return the master key, 32 bytes.

        Raises:
            SlotClosed: It does not open: says why, and what would help.
        """


def sealed_body(sealed: Sealed) -> Body:
    """Return a ciphertext as it stands in a record's body."""
    return {"content": to_base64(sealed.content), "nonce": to_base64(sealed.nonce)}


def sealed_of(body: Mapping[str, str | int]) -> Sealed:
    """Return the ciphertext of a record's body.

    Raises:
        KeyError: The body has none.
        ValueError: It is not as `sealed_body` writes it.
    """
    return Sealed(from_base64(str(body["nonce"])), from_base64(str(body["content"])))


def bound_to(vault: str, slot: str, kind: str, master: str) -> bytes:
    """Return what a slot's record is bound to, so that it serves in no other place."""
    return framed("slot", vault, slot, kind, master)
