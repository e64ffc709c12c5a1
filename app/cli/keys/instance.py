"""The commands that the running instance carries out: unlock, lock, copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.keys.prompts import TRIES, has_person, passphrase_of
from app.cli.terminal import plain
from app.domain import commands
from app.domain.errors import CommandRefused, VaultLocked
from app.domain.keys import VaultState
from app.keys.keychain.keychain import ATTENDED_S
from app.keys.manager import no_vault
from app.keys.slots.passphrase import PassphraseSlot

if TYPE_CHECKING:
    from app.cli.context import Context
    from app.control.client import ControlClient
    from app.domain.errors import WatchkeeperError

_PATIENCE_S = ATTENDED_S + 10.0
"""The instance may wait for a person who types the keychain's password."""


def unlock(context: Context) -> int:
    """Have the running instance open the vault: by what the system has, or else by its passphrase."""
    with context.client(_PATIENCE_S) as client:
        late: CommandRefused | None = None
        try:
            client.send(commands.UnlockVault())
        except CommandRefused as error:  # its keychain still waits, perhaps for somebody at another screen
            late = error
        vault = client.send(commands.ReadStatus())["vault"]
        state = VaultState(vault["state"])
        if state is VaultState.NONE:
            raise no_vault()
        if state is not VaultState.OPEN:
            locked = late or VaultLocked(vault["reason"] or "The vault was not opened.", vault["hint"])
            if PassphraseSlot.kind not in vault["offers"] or state is VaultState.TROUBLE:
                raise locked
            _unlock_with_passphrase(context, client, locked)
            state = VaultState.OPEN
    return _told(context, state, "The running Watchkeeper has opened the vault.")


def _unlock_with_passphrase(context: Context, client: ControlClient, locked: WatchkeeperError) -> None:
    """Have the instance open the vault by the passphrase, asked for again when it is wrong and somebody can be asked.

    Raises:
        WatchkeeperError: `locked`, where there is no passphrase to be had.
        VaultLocked: It is wrong.
    """
    if not client.takes_secrets:
        raise VaultLocked(locked.message, "Type its passphrase on the Keys page of the window.")
    for left in reversed(range(TRIES if has_person() else 1)):
        client.close()  # typing may take longer than a connection may say nothing
        passphrase = passphrase_of()
        if not passphrase:
            raise locked
        try:
            client.send(commands.UnlockWithPassphrase(passphrase=passphrase))
        except VaultLocked as error:
            if not left:
                raise
            context.terminal.note(plain(error.message))
        else:
            return


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
