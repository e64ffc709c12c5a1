"""The vault as this user's system has it: where it lies, what remembers it, and what opens it without being asked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.keys.keychain.anchor import KeychainAnchor
from app.keys.keychain.keychain import Keychain
from app.keys.log.accesslog import AccessLog
from app.keys.nodump import forbid_dumps
from app.keys.slots.dpapi import DpapiSlot
from app.keys.slots.keychain import KeychainSlot
from app.keys.vault.vault import Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.clock import Clock
    from app.keys.slots.slot import Slot


@dataclass(frozen=True, slots=True)
class UsualVault:
    """It.

    Attributes:
        vault: Locked.
        file: Where it lies.
        log: Its access log.
        keychain: The system's.
        own: The slots that need no person, as this system has them, the best first.
        servers: Those of servers, as the settings name them.
    """

    vault: Vault
    file: VaultFile
    log: AccessLog
    keychain: Keychain
    own: tuple[Slot, ...]
    servers: tuple[Slot, ...] = ()

    @property
    def own_unattended(self) -> tuple[Slot, ...]:
        """The system's own slots for use without a person: they ask nobody, and wait for 3 s at most."""
        keychain = KeychainSlot(self.keychain.unattended())
        return tuple(keychain if isinstance(own, KeychainSlot) else own for own in self.own)

    @property
    def openers(self) -> tuple[Slot, ...]:
        """All that may open it without a person."""
        return (*self.own, *self.servers)


def usual_vault(
    folder: Path, clock: Clock, *, program: str, with_person: bool, servers: tuple[Slot, ...] = ()
) -> UsualVault:
    """Return the vault in a folder, which need not exist. This process is not dumped from then on.

    Args:
        folder: Where it lies.
        clock: Time.
        program: What this program is called in the access log.
        with_person: True when somebody can answer if the system asks for the keychain's password.
        servers: The slots of servers, as the settings name them.
    """
    forbid_dumps()
    keychain = Keychain(attended=with_person)
    log = AccessLog(folder, clock, program=program)
    file = VaultFile(folder)
    vault = Vault(file, KeychainAnchor(keychain, folder), log, clock)
    own: list[Slot] = [KeychainSlot(keychain)]
    if sys.platform == "win32":
        own.append(DpapiSlot())
    return UsualVault(vault, file, log, keychain, tuple(own), servers)
