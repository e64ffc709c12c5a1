"""Answers what faces ask of the vault."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from app.domain import commands
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot

if TYPE_CHECKING:
    from app.engine.bus import Bus
    from app.keys.manager import KeyManager


def answer(bus: Bus, keys: KeyManager) -> ExitStack:
    """Answer the commands about the vault until what is returned is closed; CopySecret alone is the desktop's."""

    async def open_vault(asked: commands.OpenVault) -> None:
        slot = RecoverySlot(RecoveryCode.read(asked.code)) if asked.code else PassphraseSlot(asked.passphrase)
        await keys.unlock_by(slot)

    def unlock_with_passphrase(asked: commands.UnlockWithPassphrase) -> object:
        return keys.unlock_by(PassphraseSlot(asked.passphrase), why="by keys unlock")

    def set_secret(asked: commands.SetSecret) -> object:
        return keys.set(asked.name, asked.value, notes=asked.notes, due_days=asked.due_days)

    stack = ExitStack()
    stack.callback(bus.handle(commands.UnlockVault, lambda _asked: keys.unlock()))
    stack.callback(bus.handle(commands.UnlockWithPassphrase, unlock_with_passphrase))
    stack.callback(bus.handle(commands.LockVault, lambda _asked: keys.lock()))
    stack.callback(bus.handle(commands.RotateDataKey, lambda _asked: keys.rotate()))
    stack.callback(bus.handle(commands.OpenVault, open_vault))
    stack.callback(bus.handle(commands.SetSecret, set_secret))
    stack.callback(bus.handle(commands.RemoveSecret, lambda asked: keys.remove(asked.name)))
    stack.callback(bus.handle(commands.MakeVault, lambda asked: keys.make(asked.code, asked.passphrase)))
    stack.callback(bus.handle(commands.NewRecoveryCode, lambda _asked: str(RecoveryCode.new())))
    stack.callback(bus.handle(commands.ReplaceRecoveryCode, lambda asked: keys.replace_recovery(asked.code)))
    return stack
