"""The vault, opened from a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.cli.config import settings_file
from app.cli.keys.prompts import ask_hidden, has_person
from app.domain.errors import VaultLocked
from app.engine.clock import SystemClock
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.usual import UsualVault, usual_vault
from app.keys.vault.anchoring import ANCHOR_LOST, is_missed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.cli.context import Context


def vault_of(context: Context, program: str = "") -> UsualVault:
    """Return the vault of this user, locked.

    Args:
        context: The command line.
        program: What the access log calls it; empty for a command of `keys`.

    Raises:
        SettingsError: The settings have a mistake.
    """
    program = program or f"watchkeeper keys {context.words.what}"
    settings, _ = settings_file(context).check()
    return usual_vault(
        context.places.keys,
        SystemClock(),
        program=program,
        with_person=has_person(),
        servers=settings.keys.servers(context.environ).slots(),
    )


@contextmanager
def opened(context: Context, program: str = "") -> Iterator[UsualVault]:
    """Open the vault by what the system has, or else by the passphrase, where somebody can type it; lock it behind.

    Args:
        context: The command line.
        program: As of `vault_of`.

    Raises:
        VaultError: It does not open; says why, and what would help.
    """
    usual = vault_of(context, program)
    try:
        usual.vault.unlock(usual.openers)
    except VaultLocked as locked:
        if "passphrase" not in locked.kinds or not has_person():
            raise
        for reason in locked.reasons:
            context.terminal.note(reason.message)
        usual.vault.unlock([asked_passphrase()])
    if trouble := anchor_trouble(usual):
        context.terminal.note(f"Whether this is the newest vault cannot be told: {trouble}")
    try:
        yield usual
    finally:
        usual.vault.lock()


def anchor_trouble(usual: UsualVault) -> str:
    """Return why it cannot be told whether the vault is the newest; empty when it can, or when it was made so."""
    if usual.vault.is_anchor_lost:
        return " ".join(ANCHOR_LOST)
    trouble = usual.vault.anchor_trouble
    if trouble is None:
        return ""
    kinds = (record.kind for record in usual.vault.contents.document.slots)
    return trouble.message if is_missed(trouble, kinds) else ""


def asked_passphrase() -> PassphraseSlot:
    """Return a slot that opens by what the person types.

    Raises:
        UsageError: Nobody can be asked.
    """
    return PassphraseSlot(ask_hidden("Passphrase of the vault: ", instead="Run it in a terminal."))


def asked_recovery() -> RecoverySlot:
    """Return a slot that opens by the recovery code that the person types.

    Raises:
        UsageError: Nobody can be asked.
        SecretError: It is no such code.
    """
    return RecoverySlot(RecoveryCode.read(ask_hidden("Recovery code: ", instead="Run it in a terminal.")))
