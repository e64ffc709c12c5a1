"""A vault in a folder, with a keychain's far end that remembers its anchor in memory and can be made to fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.keys.derive import Stretching
from app.keys.log.accesslog import AccessLog
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.errors import KeychainError
    from app.keys.keychain.anchor import Anchored

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - it opens nothing but a test's vault
WEAK = Stretching(passes=1, memory_kib=8 * 1024, lanes=1)
"""The least that is allowed, since a test is not attacked."""


@dataclass
class FarAnchor:
    """The keychain's far end of the anchor."""

    kept: Anchored | None = None
    fails: KeychainError | None = None
    fails_reading: KeychainError | None = None
    written: int = 0

    def read(self) -> Anchored | None:
        if (trouble := self.fails or self.fails_reading) is not None:
            raise trouble
        return self.kept

    def write(self, anchored: Anchored) -> None:
        if self.fails is not None:
            raise self.fails
        self.kept = anchored
        self.written += 1

    def forget(self) -> None:
        self.kept = None


@dataclass
class Setting:
    """One vault, and all that a test needs to open it again as another program would."""

    folder: Path
    clock: Any
    anchor: FarAnchor = field(default_factory=FarAnchor)
    code: RecoveryCode = field(default_factory=RecoveryCode.new)
    steps: list[str] = field(default_factory=list)

    @property
    def passphrase(self) -> PassphraseSlot:
        return PassphraseSlot(PASSPHRASE, WEAK)

    @property
    def recovery(self) -> RecoverySlot:
        return RecoverySlot(self.code)

    def program(self, name: str = "a test") -> Vault:
        """Another program's view of the vault, locked."""
        log = AccessLog(self.folder, self.clock, program=name)
        return Vault(VaultFile(self.folder, on_step=self.steps.append), self.anchor, log, self.clock)

    def opened(self, name: str = "a test") -> Vault:
        vault = self.program(name)
        vault.unlock([self.passphrase])
        return vault

    def made(self) -> Vault:
        """A new vault, open."""
        vault = self.program()
        vault.create([NewSlot(self.passphrase), NewSlot(self.recovery)])
        return vault

    @property
    def file(self) -> Path:
        return self.folder / "vault.wkv"


@pytest.fixture
def setting(tmp_path: Path, fake_clock: Any) -> Setting:
    return Setting(tmp_path / "keys", fake_clock)
