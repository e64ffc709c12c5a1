"""The anchor: what is remembered outside the vault's folder, so that older files in their place are noticed.

Whoever can write the folder can put last week's vault back, with a key in it that was removed since, or cut the access
log. The newest generation and the log's head are therefore kept elsewhere as well: in the OS keychain.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol, Self

from app.domain.keys import KeychainState
from app.keys.keychain.keychain import keychain_error

if TYPE_CHECKING:
    from pathlib import Path

    from app.keys.keychain.keychain import Keychain


@dataclass(frozen=True, slots=True)
class Anchored:
    """What is remembered.

    Attributes:
        vault: The vault's id.
        generation: That of the newest file.
        digest: SHA-256 of its bytes, in hexadecimal.
        log_lines: How many lines the access log has.
        log_head: The chain's value at the last of them, in hexadecimal; empty without lines.
    """

    vault: str
    generation: int
    digest: str
    log_lines: int = 0
    log_head: str = ""

    def dump(self) -> str:
        """Return it as text, about 250 characters."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Self:
        """Return what `dump` made.

        Raises:
            ValueError: It did not make this.
        """
        found = json.loads(text)
        if not isinstance(found, dict) or set(found) != set(cls.__dataclass_fields__):
            raise ValueError("no anchor")
        kinds = {"vault": str, "generation": int, "digest": str, "log_lines": int, "log_head": str}
        if any(type(found[name]) is not kind for name, kind in kinds.items()):
            raise ValueError("no anchor")
        return cls(**found)


class Anchor(Protocol):
    """Where it is kept. Both methods block, and may be slow."""

    def read(self) -> Anchored | None:
        """Return what is remembered; None when nothing is.

        Raises:
            KeychainError: It is out of reach, or what lies there is not ours.
        """

    def write(self, anchored: Anchored) -> None:
        """Remember this.

        Raises:
            KeychainError: It is out of reach.
        """

    def forget(self) -> None:
        """Remember nothing any more.

        Raises:
            KeychainError: It is out of reach.
        """


class NoAnchor:
    """For a vault that no keychain stands by: an older file in its place is not noticed."""

    def read(self) -> Anchored | None:
        """Return None."""
        return None

    def write(self, anchored: Anchored) -> None:
        """Forget it."""

    def forget(self) -> None:
        """Do nothing."""


class KeychainAnchor:
    """In the operating system's keychain: one entry for each folder that holds a vault.

    It asks nobody, and waits for three seconds at most: whoever opens the vault by its passphrase is not asked to
    unlock the keychain as well.

    Args:
        keychain: Where; it is used as without a person.
        folder: The vault's.
    """

    def __init__(self, keychain: Keychain, folder: Path) -> None:
        self._keychain = keychain.unattended()
        # By its real path, so that the same folder behind two names has one anchor.
        place = os.path.normcase(os.path.realpath(folder))
        self._account = f"anchor/{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}"

    def read(self) -> Anchored | None:
        """Return what is remembered; None when nothing is.

        Raises:
            KeychainError: The keychain is out of reach; or `replaced`: what lies there is no anchor.
        """
        text = self._keychain.get(self._account)
        if text is None:
            return None
        try:
            return Anchored.load(text)
        except (ValueError, RecursionError):
            raise keychain_error(KeychainState.REPLACED) from None

    def write(self, anchored: Anchored) -> None:
        """Remember this.

        Raises:
            KeychainError: The keychain is out of reach; or `replaced`: another program's entry lies before ours.
        """
        self._keychain.set(self._account, anchored.dump())

    def forget(self) -> None:
        """Remember nothing any more.

        Raises:
            KeychainError: The keychain is out of reach; or `replaced`: what lies there cannot be removed.
        """
        self._keychain.delete(self._account)
