"""The recovery slot: a code on paper opens the vault on the worst day.

X25519 (RFC 7748) with HKDF-SHA256: the file holds the public half, and a person the private half, which this program
forgets as soon as it was written down. So the master key can be rotated unattended and the paper stays good.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.domain.errors import SecretError, SlotClosed
from app.keys.aead import KEY_BYTES, Forged, framed, seal, unseal
from app.keys.slots.slot import sealed_body, sealed_of
from app.keys.vault.document import from_base64, to_base64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.keys.slots.slot import Body

CHECK_BYTES = 3
"""Of the code's own digest, behind the key: a slip of the pen is told from a wrong code with 1 in 16 million."""

GROUP = 4
GROUPS = 14
"""56 characters of base32: 32 bytes of key and 3 of check."""

_CONFUSED = str.maketrans({"0": "O", "1": "I", "8": "B"})


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """The private half, as a person keeps it.

    Attributes:
        key: 32 bytes.
    """

    key: bytes

    @classmethod
    def new(cls) -> Self:
        """Return a new one."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the code that a person typed: case, spaces and dashes do not matter, nor O for 0, I for 1, B for 8.

        Raises:
            SecretError: It is no such code: says how many characters are missing or too many, or in which group the
                slip is likely.
        """
        letters = re.sub(r"[\s\-\u2013\u2014_.]", "", text).upper().translate(_CONFUSED)
        if len(letters) != GROUP * GROUPS:
            raise SecretError(
                f"The recovery code has {GROUP * GROUPS} characters; these are {len(letters)}.",
                "Type it as it was printed.",
            )
        try:
            content = base64.b32decode(letters)
        except ValueError:
            raise SecretError(
                "The recovery code has letters A to Z and digits 2 to 7 only.", "Type it as it was printed."
            ) from None
        key, check = content[:KEY_BYTES], content[KEY_BYTES:]
        if check != _check(key):
            raise SecretError(
                "This is no recovery code: a character in it is wrong.", "Compare it with the paper, group by group."
            )
        return cls(key)

    def __str__(self) -> str:
        """Return it in groups of four: `ABCD-EFGH-...`."""
        letters = base64.b32encode(self.key + _check(self.key)).decode("ascii")
        return "-".join(letters[at : at + GROUP] for at in range(0, len(letters), GROUP))

    def __repr__(self) -> str:
        """Return nothing of it."""
        return "RecoveryCode(...)"

    @property
    def public(self) -> bytes:
        """The public half, 32 bytes."""
        return X25519PrivateKey.from_private_bytes(self.key).public_key().public_bytes_raw()


def _check(key: bytes) -> bytes:
    return hashlib.sha256(b"watchkeeper recovery code" + key).digest()[:CHECK_BYTES]


class RecoverySlot:
    """It.

    Args:
        code: The private half, to open with; None to wrap with the public half of the record of before.
    """

    kind: ClassVar[str] = "recovery"

    def __init__(self, code: RecoveryCode | None = None) -> None:
        self._code = code

    def wrap(self, master: bytes, bound: bytes, before: Mapping[str, str | int] | None = None) -> Body:
        """Return the record's body: under the code's public half, or under that of the record before.

        Raises:
            SlotClosed: There is neither; or the record before is damaged.
        """
        public = self._code.public if self._code is not None else self._public_of(before)
        passing = X25519PrivateKey.generate()
        met = passing.public_key().public_bytes_raw()
        shared = passing.exchange(X25519PublicKey.from_public_bytes(public))
        sealed = seal(_key(shared, met, public), master, bound)
        return {
            **sealed_body(sealed),
            "met": to_base64(met),
            "public": to_base64(public),
        }

    def discard(self, body: Mapping[str, str | int]) -> None:
        """Do nothing: all is in the record."""

    def open(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        """Return the master key.

        Raises:
            SlotClosed: There is no code, it is another vault's, or the record is not what it was.
        """
        if self._code is None:
            raise SlotClosed(
                "recovery", "needs-code", "The recovery code was not given.", "Give it: watchkeeper keys recover"
            )
        try:
            met, public = from_base64(str(body["met"])), from_base64(str(body["public"]))
            sealed = sealed_of(body)
            if public != self._code.public:
                raise SlotClosed(
                    "recovery",
                    "refused",
                    "This recovery code is of another vault, or was replaced since.",
                    "Look for a newer one.",
                )
            shared = X25519PrivateKey.from_private_bytes(self._code.key).exchange(
                X25519PublicKey.from_public_bytes(met)
            )
            return unseal(_key(shared, met, public), sealed, bound)
        except (Forged, KeyError, ValueError):
            raise _damaged() from None

    def _public_of(self, before: Mapping[str, str | int] | None) -> bytes:
        try:
            return from_base64(str((before or {})["public"]))
        except (KeyError, ValueError):
            raise _damaged() from None


def _key(shared: bytes, met: bytes, public: bytes) -> bytes:
    info = framed("watchkeeper recovery", met, public)
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(shared)


def _damaged() -> SlotClosed:
    return SlotClosed(
        "recovery",
        "damaged",
        "The recovery code's place in the vault is damaged.",
        "Open it another way, and make a new code: watchkeeper keys recover --new",
    )
