"""The anchor beside an open vault: compared before anything is read, and moved on only after it was compared.

A keychain that could not be asked when the vault was opened may remember a newer file than the one that lies there. So
nothing is written to it until it was read: else the next save would make an older file, put there by somebody, the
newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.domain.errors import KeychainError
from app.domain.keys import KeychainState
from app.keys.keychain.anchor import Anchored
from app.keys.vault.opening import is_newest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.keys.keychain.anchor import Anchor
    from app.keys.log.accesslog import AccessLog
    from app.keys.vault.document import Read

KEYCHAIN = "keychain"
"""The kind of slot whose place keeps the anchor too."""

ANCHOR_LOST = (
    "The system's keychain no longer knew which vault is the newest: an older one may have been put in its place.",
    "Look whether your keys are what you expect; the backups: watchkeeper keys restore",
)
"""What is said of a vault whose anchor is gone, and what to do."""

_log = structlog.get_logger(__name__)


def is_missed(trouble: KeychainError, kinds: Iterable[str]) -> bool:
    """True when a keychain that is out of reach is worth a word.

    It is not for a vault that was made without one, on a machine that has none.

    Args:
        trouble: Why the anchor could not be asked or moved on.
        kinds: The kinds of slots that the vault has.
    """
    return trouble.state != KeychainState.ABSENT or KEYCHAIN in kinds


class Anchoring:
    """It. Used by one thread at a time, with the vault's lock held.

    Args:
        anchor: Where the newest generation is remembered.
        access: The access log, whose end is remembered with it.

    Attributes:
        trouble: Why the anchor could not be asked or moved on; None while all is well.
        is_lost: Whether nothing was remembered of a vault that the keychain opens, and so must have remembered.
    """

    def __init__(self, anchor: Anchor, access: AccessLog) -> None:
        self.trouble: KeychainError | None = None
        self._anchor = anchor
        self._access = access
        self.is_lost = False
        self._compared = False

    def recall(self) -> Anchored | None:
        """Return what is remembered, without comparing the file: a person vouches for it. None also in trouble.

        Raises:
            VaultIOError: The access log cannot be read.
        """
        self._compared = False
        try:
            anchored = self._anchor.read()
        except KeychainError as error:
            self.trouble = error
            _log.warning("whether the vault's file is the newest could not be told", reason=error.message)
            return None
        if anchored is not None:
            self._access.compare(anchored)
        self.trouble, self._compared = None, True
        return anchored

    def begin(self) -> None:
        """Take it that nothing is remembered: a vault is made."""
        self._compared = True

    def compare(self, read: Read) -> bool:
        """Return whether the anchor must be moved on to this file.

        Raises:
            VaultRolledBack: It is an older file, or another line of descent.
            VaultIOError: The access log cannot be read.
        """
        anchored = self.recall()
        if anchored is None:
            kinds = {record.kind for record in read.document.slots}
            self.is_lost = self._compared and KEYCHAIN in kinds and read.document.generation > 0
            return self._compared
        self._compared = False
        newest = is_newest(read, anchored)
        self._compared = True
        return not newest or self._access.gap is not None

    def require_compared(self, read: Read) -> None:
        """Compare now what could not be compared before. In trouble it stays so, and the anchor where it is.

        Raises:
            VaultRolledBack: As `compare`.
            VaultIOError: As `compare`.
        """
        if not self._compared:
            self.compare(read)

    def move(self, read: Read) -> None:
        """Have the anchor remember this file and the log as it is now.

        If that cannot be, the file is ahead of the anchor, which the next opening repairs.

        Raises:
            VaultIOError: The access log cannot be read.
        """
        if not self._compared:
            return
        document = read.document
        lines, head = self._access.head(durable=True)
        try:
            self._anchor.write(Anchored(document.vault, document.generation, read.digest, lines, head))
            self.trouble = None
        except KeychainError as error:
            self.trouble = error
            _log.warning("the vault's anchor could not be moved on", reason=error.message)
