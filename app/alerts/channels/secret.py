"""The secrets that channels need: had from the vault for one message, and not kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from app.domain.errors import ChannelError, SecretError, SecretMissing, VaultError, VaultLocked, VaultMissing

Secret = Callable[[str], Awaitable[str]]
"""Gives a secret's value by its name; raises VaultError or SecretError."""


async def secret_of(secret: Secret, name: str) -> str:
    """Return a secret's value.

    Raises:
        ChannelError: It is not to be had now; it is tried again when the vault opens.
    """
    trouble: ChannelError
    try:
        return (await secret(name)).strip()
    except SecretMissing:
        trouble = ChannelError(f"There is no secret {name} in the vault.", f"Set it: watchkeeper keys set {name}")
    except SecretError:
        trouble = ChannelError(f"The value of {name} is no text.", f"Set it anew: watchkeeper keys set {name}")
    except VaultMissing:
        trouble = ChannelError(
            f"There is no vault yet, so there is no secret {name}.",
            f"Make one: watchkeeper keys init. Then: watchkeeper keys set {name}",
        )
    except VaultLocked:
        trouble = ChannelError(
            f"The vault is locked, so the secret {name} cannot be had.", "Open it: watchkeeper keys unlock"
        )
    except VaultError as error:
        trouble = ChannelError(f"The secret {name} cannot be had: {error.message}", error.hint)
    raise trouble
