"""The commands that the running instance carries out: unlock, lock, copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import commands
from app.domain.errors import VaultLocked
from app.domain.keys import VaultState
from app.keys.keychain.keychain import ATTENDED_S
from app.keys.manager import no_vault

if TYPE_CHECKING:
    from app.cli.context import Context

_PATIENCE_S = ATTENDED_S + 10.0
"""The instance may wait for a person who types the keychain's password."""


def unlock(context: Context) -> int:
    """Have the running instance open the vault."""
    with context.client(_PATIENCE_S) as client:
        state = VaultState(client.send(commands.UnlockVault()))
        vault = client.send(commands.ReadStatus())["vault"]
    if state is VaultState.NONE:
        raise no_vault()
    if state is not VaultState.OPEN:
        raise VaultLocked(vault["reason"] or "The vault was not opened.", vault["hint"])
    return _told(context, state, "The running Watchkeeper has opened the vault.")


def lock(context: Context) -> int:
    """Have the running instance forget the vault's keys."""
    with context.client() as client:
        client.send(commands.LockVault())
    return _told(context, VaultState.LOCKED, "The running Watchkeeper has locked the vault.")


def copy(context: Context) -> int:
    """Have the running instance put a value into the clipboard; it never comes over the socket."""
    name = context.words.name
    with context.client(_PATIENCE_S) as client:
        seconds = client.send(commands.CopySecret(name=name))
    if context.as_json:
        context.terminal.document({"copied": name, "seconds": seconds})
    else:
        context.terminal.say(f"{name} is in the clipboard for {seconds:g} s.")
    return 0


def _told(context: Context, state: VaultState, text: str) -> int:
    if context.as_json:
        context.terminal.document({"vault": state})
    else:
        context.terminal.say(text)
    return 0
