"""Keys from keys (HKDF, RFC 5869), and a key from a passphrase (Argon2id, RFC 9106)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.keys.aead import KEY_BYTES, framed

SALT_BYTES = 16


def subkey(master: bytes | bytearray, purpose: str, vault_id: str) -> bytes:
    """Return the key of 32 bytes that a master key gives for one purpose in one vault (HKDF-SHA256).

    Args:
        master: 32 random bytes; needs no stretching.
        purpose: "wrap", "mac", "log": keys for different purposes tell nothing of each other.
        vault_id: So that a copied vault under another id has other keys.
    """
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=framed("watchkeeper subkey", purpose, vault_id)).derive(
        bytes(master)
    )


@dataclass(frozen=True, slots=True)
class Stretching:
    """How hard a passphrase is stretched.

    The defaults are the second recommendation of RFC 9106, section 4: 64 MiB, three passes, four lanes.

    Attributes:
        passes: Argon2's t, 1 to 16.
        memory_kib: Its m, 8 MiB to 1 GiB: whoever can write the file could else have us take all memory.
        lanes: Its p, 1 to 16.
    """

    passes: int = 3
    memory_kib: int = 64 * 1024
    lanes: int = 4

    @classmethod
    def of(cls, passes: object, memory_kib: object, lanes: object) -> Self:
        """Return figures that came from a file.

        Raises:
            ValueError: One is no whole number, or out of bounds.
        """
        bounds = ((passes, 1, 16), (memory_kib, 8 * 1024, 1024 * 1024), (lanes, 1, 16))
        for value, least, most in bounds:
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"a figure of the passphrase's stretching is out of bounds: {value!r}")
        return cls(int(str(passes)), int(str(memory_kib)), int(str(lanes)))

    def stretch(self, passphrase: str, salt: bytes) -> bytes:
        """Return the key of 32 bytes that a passphrase gives. Takes about a tenth of a second, on purpose.

        Args:
            passphrase: Normalised by the caller, since the same words can be typed as different code points.
            salt: 16 random bytes, a new one for each passphrase.

        Raises:
            ValueError: The salt has another size.
        """
        if len(salt) != SALT_BYTES:
            raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
        argon2 = Argon2id(
            salt=salt, length=KEY_BYTES, iterations=self.passes, lanes=self.lanes, memory_cost=self.memory_kib
        )
        return argon2.derive(passphrase.encode("utf-8"))
