"""Whether a feed of releases was signed by those who may.

Its signature file holds an Ed25519 signature (RFC 8032) in base64, over a line that names the purpose and the exact
bytes of the feed: what the same key signs for another purpose is no feed.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from app.domain.errors import UpdateRefused
from app.domain.releases import NOT_USED

if TYPE_CHECKING:
    from collections.abc import Iterable

PURPOSE: Final = b"watchkeeper release feed v1\n"
LARGEST_SIGNATURE: Final = 1024
"""Bytes of a signature file; 89 are enough."""
_SIGNATURE_BYTES: Final = 64


def check_signature(content: bytes, signature: bytes, keys: Iterable[bytes]) -> None:
    """Refuse a feed that none of these keys has signed.

    Args:
        content: The feed, byte for byte.
        signature: What its signature file holds.
        keys: Ed25519 public keys, 32 bytes each.

    Raises:
        UpdateRefused: None of them has, or that is no signature.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 30 ms that only who asks pays
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - likewise

    raw = _signature(signature)
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(raw, PURPOSE + content)
        except (InvalidSignature, ValueError):
            continue
        return
    raise UpdateRefused("The feed of releases is not signed by a key that this Watchkeeper trusts.", NOT_USED)


def _signature(told: bytes) -> bytes:
    try:
        raw = base64.b64decode(told.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(told) > LARGEST_SIGNATURE or len(raw) != _SIGNATURE_BYTES:
        raise UpdateRefused("What lies beside the feed of releases is no signature.", NOT_USED)
    return raw
