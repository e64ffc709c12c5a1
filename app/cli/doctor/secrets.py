"""What `doctor` looks at of vault and keychain: no value is read, nothing is unlocked, and nobody is asked."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

from app.cli.doctor.check import Check, Level, Look
from app.domain import words
from app.domain.keys import KeychainState

if TYPE_CHECKING:
    from app.cli.doctor.check import Scene
    from app.engine.places import Places
    from app.keys.keychain.providers import Provider

_ACCOUNT = "doctor"
"""An account that holds nothing: what is asked is whether there is a keychain, and whether it is locked."""


def looks(scene: Scene) -> list[Look]:
    """Return the checks."""
    places = scene.places
    return [
        Look(
            "keychain",
            lambda: keychain(places),
            "The system keychain does not answer.",
            "Its question may wait behind another window. If there is none, log out and in again.",
        ),
        Look("vault", lambda: vault(places)),
    ]


def keychain(places: Places, provider: Provider | None = None) -> Check:
    """Tell whether the system's keychain can be used, is locked, or is not there."""
    from app.keys.keychain.keychain import keychain_error
    from app.keys.keychain.providers import provider_for

    provider = provider or provider_for()
    try:
        state = provider.trouble(_ACCOUNT, attended=False, writing=False)
    except Exception as error:  # noqa: BLE001 - the provider knows what its library's errors mean
        state = provider.state_of(error, attended=False)
    if state is None:
        return Check("keychain", Level.OK, "there, and not locked")
    if not (places.keys / "vault.wkv").exists():
        silent = {KeychainState.ABSENT: "there is none", KeychainState.HUNG: "it does not answer"}
        what = silent.get(state, state.value)
        return Check("keychain", Level.OK, f"{what}; no vault needs it yet")
    told = keychain_error(state)
    hint = f"{told.hint} Or open the vault in another way: watchkeeper keys list"
    return Check("keychain", Level.WARN, told.message, hint)


def vault(places: Places) -> Check:
    """Tell whether the vault's file is as it was written, as far as that can be seen without opening it."""
    from app.keys.vault.document import parse
    from app.keys.vault.vaultfile import VaultFile

    file = VaultFile(places.keys)
    if not file.exists:
        return Check("vault", Level.OK, "there is none; make one with: watchkeeper keys init")
    document = parse(file.read()).document
    if sys.platform != "win32" and stat.S_IMODE(file.path.stat().st_mode) & 0o077:
        text = f"{file.path} can be read by others; what is in it is encrypted all the same."
        return Check("vault", Level.WARN, text, f"Close it: chmod 600 {file.path}")
    ways = list(dict.fromkeys(words.slot_kind(slot.kind) for slot in document.slots))
    held = words.plural(len(document.entries), "secret")
    if ways == [words.slot_kind("recovery")]:
        text = f"{held}, and only the recovery code opens it"
        return Check("vault", Level.WARN, text, "Add another way: watchkeeper keys slots --add keychain")
    return Check("vault", Level.OK, f"{held}; opened by: {', '.join(ways) or 'nothing'}")
