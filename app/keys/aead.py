"""Authenticated encryption as the vault uses it: AES-256-GCM (NIST SP 800-38D), and no other size of anything.

`cryptography` takes keys of 16 and 24 bytes and nonces of 8 to 128 as well; here a key has 32 bytes, a nonce 12, a tag
16, or it is an error. What is bound to a ciphertext is length-prefixed fields, never a joined string, so that
("ab", "c") and ("a", "bc") differ.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16

LARGEST_USES = 2**20
"""Encryptions under one key before it is replaced: far below the 2^32 that SP 800-38D allows for random nonces."""


class Forged(Exception):
    """A ciphertext, its nonce, its key or what it is bound to is not what it was when it was made."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ciphertext.

    Attributes:
        nonce: 12 bytes, never used twice with one key.
        content: As many bytes as the plaintext, and the tag of 16 bytes behind them.
    """

    nonce: bytes
    content: bytes


def framed(label: str, *fields: str | int | bytes) -> bytes:
    """Return what a ciphertext is bound to: the label and each field behind its length (four bytes, big-endian).

    A text is taken as UTF-8, a number as its decimal digits.
    """
    parts = [_bytes_of(field) for field in (label, *fields)]
    return b"".join((struct.pack(">I", len(parts)), *(struct.pack(">I", len(part)) + part for part in parts)))


def _bytes_of(field: str | int | bytes) -> bytes:
    return field if isinstance(field, bytes) else str(field).encode("utf-8")


def new_key() -> bytes:
    """Return a new key of 32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes | bytearray, plaintext: bytes | bytearray, bound: bytes) -> Sealed:
    """Encrypt under a new random nonce.

    Args:
        key: 32 bytes.
        plaintext: Anything, also nothing.
        bound: What `unseal` must be given again (additional authenticated data).

    Raises:
        ValueError: The key has another size.
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    return Sealed(nonce, _cipher(key, nonce).encrypt(nonce, plaintext, bound))


def unseal(key: bytes | bytearray, sealed: Sealed, bound: bytes) -> bytes:
    """Decrypt.

    Raises:
        Forged: Something is not what it was; nothing of the plaintext is told.
        ValueError: The key or the nonce has another size than ours.
    """
    cipher = _cipher(key, sealed.nonce)
    if len(sealed.content) < TAG_BYTES:
        raise Forged("the ciphertext is shorter than its tag")
    try:
        return cipher.decrypt(sealed.nonce, sealed.content, bound)
    except InvalidTag:
        raise Forged("the tag does not fit") from None


def _cipher(key: bytes | bytearray, nonce: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return AESGCM(bytes(key))
