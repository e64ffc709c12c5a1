"""The passphrase slot: the master key under what a person remembers, stretched by Argon2id."""

from __future__ import annotations

import secrets
import unicodedata
from typing import TYPE_CHECKING, ClassVar

from app.domain.errors import SlotClosed
from app.keys.aead import Forged, seal, unseal
from app.keys.derive import SALT_BYTES, Stretching
from app.keys.slots.slot import sealed_body, sealed_of
from app.keys.vault.document import from_base64, to_base64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.keys.slots.slot import Body

SHORTEST = 8
"""Characters: NIST SP 800-63B asks for no less of a secret that a person chooses."""


class PassphraseSlot:
    """It.

    Args:
        passphrase: As it was typed; the same words in another Unicode form open it as well (NFKC).
        stretching: How hard it is stretched when wrapped; a record opens with the figures that it was made with.
    """

    kind: ClassVar[str] = "passphrase"

    def __init__(self, passphrase: str, stretching: Stretching = Stretching()) -> None:  # noqa: B008 - it is immutable
        self._passphrase = unicodedata.normalize("NFKC", passphrase)
        self._stretching = stretching

    def wrap(self, master: bytes, bound: bytes, before: Mapping[str, str | int] | None = None) -> Body:
        """Return the record's body.

        Raises:
            SlotClosed: The passphrase is too short, or no text.
        """
        self._require_text()
        if len(self._passphrase) < SHORTEST:
            raise SlotClosed(
                "passphrase", "short", f"The passphrase has fewer than {SHORTEST} characters.", "Take a longer one."
            )
        del before
        salt, figures = secrets.token_bytes(SALT_BYTES), self._stretching
        sealed = seal(figures.stretch(self._passphrase, salt), master, bound)
        return {
            **sealed_body(sealed),
            "lanes": figures.lanes,
            "memory_kib": figures.memory_kib,
            "passes": figures.passes,
            "salt": to_base64(salt),
        }

    def discard(self, body: Mapping[str, str | int]) -> None:
        """Do nothing: all is in the record."""

    def open(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        """Return the master key.

        Raises:
            SlotClosed: The passphrase is another one, or the record is not what it was.
        """
        self._require_text()
        try:
            figures = Stretching.of(body["passes"], body["memory_kib"], body["lanes"])
            salt, sealed = (
                from_base64(str(body["salt"])),
                sealed_of(body),
            )
            key = figures.stretch(self._passphrase, salt)
            return unseal(key, sealed, bound)
        except Forged:
            raise SlotClosed(
                "passphrase",
                "refused",
                "The passphrase does not open the vault.",
                "Try again, or use the recovery code.",
            ) from None
        except (KeyError, ValueError):
            raise SlotClosed(
                "passphrase",
                "damaged",
                "The passphrase's place in the vault is damaged.",
                "Use the recovery code: watchkeeper keys recover",
            ) from None
        except MemoryError:
            raise SlotClosed(
                "passphrase",
                "memory",
                "There is not enough memory to try the passphrase.",
                "End other programs, and try again.",
            ) from None

    def _require_text(self) -> None:
        try:
            self._passphrase.encode("utf-8")
        except UnicodeEncodeError:  # it holds the passphrase, and so goes no further
            pass
        else:
            return
        raise SlotClosed("passphrase", "refused", "The passphrase holds bytes that are no text.", "Type it again.")
