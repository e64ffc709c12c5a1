"""What is asked of the vault of API keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.domain.commands.base import Command, PrivateCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockVault(Command):
    """Open the vault by what the system has: it may ask for its keychain's password.

    Answer: the state that it is in then, as a word of app.domain.keys.VaultState.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockWithPassphrase(Command):
    """Open the vault by the passphrase that a person typed at a terminal. Answer: None. Refused with VaultLocked.

    The one secret that goes over the control socket: without it nobody could open a vault on a machine that has no
    screen. What is left out of a command's repr is its secret, by which the protocol knows this one. It goes over a
    Unix socket alone. There the kernel tells each side which user the other one is. The loopback TCP of Windows does
    not: its token proves the client and not the server, so that another user's program which took a dead instance's
    port would be given the passphrase. There it is typed on the Keys page.

    Attributes:
        passphrase: The vault's.
    """

    passphrase: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockVault(Command):
    """Forget the vault's keys. Answer: None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateDataKey(Command):
    """Encrypt everything in the vault under a new data key. Answer: None. Refused with VaultError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySecret(Command):
    """Put a secret's value into the clipboard, from which it is cleared after half a minute.

    Answer: for how many seconds it stays. Refused with VaultError, or with CommandRefused where there is no clipboard.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVault(PrivateCommand):
    """Open the vault by what a person typed. Answer: None. Refused with VaultError or SecretError.

    Attributes:
        passphrase: The vault's; empty when the recovery code is given.
        code: The recovery code; with it, the system's own ways to open the vault are made anew.
    """

    passphrase: str = field(default="", repr=False)
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSecret(PrivateCommand):
    """Set a secret: a new one, or a new value, or other words about one. Answer: None.

    Refused with SecretError or VaultError.

    Attributes:
        name: Its name.
        value: Its value; empty to keep the one that it has.
        notes: A person's own words; None for those of before.
        due_days: Remind of a renewal after so many days; 0 for never, None for as it was.
    """

    name: str
    value: str = field(default="", repr=False)
    notes: str | None = None
    due_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSecret(PrivateCommand):
    """Remove a secret. Answer: None. Refused with VaultError."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeVault(PrivateCommand):
    """Make a vault that the person has the recovery code of. Answer: None. Refused with VaultError or SecretError.

    Attributes:
        code: The recovery code, as `NewRecoveryCode` gave it and the person has written it down.
        passphrase: One that opens it as well; empty for none.
    """

    code: str = field(repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecoveryCode(PrivateCommand):
    """Answer: a new recovery code as str, which opens nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRecoveryCode(PrivateCommand):
    """Put a new recovery code in the place of the one before. Answer: None. Refused with VaultError or SecretError."""

    code: str = field(repr=False)
