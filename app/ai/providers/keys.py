"""The keys of the services: which is used now, and which are put aside."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from app.ai.providers.faults import KeyRefused
from app.domain.errors import (
    ModelBusy,
    ModelError,
    ModelNotSetUp,
    ModelRefused,
    SecretError,
    SecretMissing,
    VaultError,
    VaultLocked,
    VaultMissing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

WHY = "ask a language model"
"""What the access log tells."""

BUSY_S = 20.0
"""How long a key is put aside when the service asks to wait and does not say for how long."""

_EARLY_S = 0.05
"""A wait that was kept to may end that much early: timers are no clocks."""


class KeySource(Protocol):
    """What is needed of the vault; the key manager fulfils it."""

    async def secret(self, name: str, *, why: str) -> str:
        """Return a secret's value.

        Raises:
            VaultError: The vault is not open, or holds none of this name.
            SecretError: Its value is no text.
        """

    async def group(self, name: str) -> tuple[str, ...]:
        """Return the names that serve as well as this one, this one among them.

        Raises:
            VaultError: The vault is not open.
        """


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and the name of its secret. The value is in no repr."""

    name: str
    value: str = field(repr=False)


NO_KEY = Key("", "")
"""For a service that wants none."""


class KeyTurns:
    """The numbered keys of a group at one service, used one after the other when it puts one off.

    Args:
        keys: The vault.
        monotonic: Seconds on a clock that never goes back.
    """

    def __init__(self, keys: KeySource, *, monotonic: Callable[[], float]) -> None:
        self._keys = keys
        self._monotonic = monotonic
        self._aside: dict[str, float] = {}
        self._groups: dict[str, tuple[str, ...]] = {}

    async def take(self, name: str) -> Key:
        """Return the first key of a group that is not put aside.

        Args:
            name: The group's first secret; empty for a service that wants no key.

        Raises:
            ModelNotSetUp: The vault is locked, missing or out of reach, or holds no such key.
            ModelBusy: All keys have to wait; says for how long.
            ModelRefused: The service refuses all of them, or a key is none.
        """
        if not name:
            return NO_KEY
        trouble: ModelError
        try:
            names = await self._keys.group(name)
            self._groups[name] = names = names or (name,)
            for each in names:
                if self._left(each) <= _EARLY_S:
                    return _checked(each, await self._keys.secret(each, why=WHY))
            trouble = self._waits(names)
        except SecretMissing:
            trouble = ModelNotSetUp(f"There is no key {name} in the vault.", f"Set it: watchkeeper keys set {name}")
        except SecretError:
            trouble = _no_key(name)
        except VaultMissing:
            trouble = ModelNotSetUp(
                f"There is no vault yet, so there is no key {name}.",
                f"Make one: watchkeeper keys init. Then: watchkeeper keys set {name}",
            )
        except VaultLocked:
            trouble = ModelNotSetUp(
                f"The vault is locked, so the key {name} cannot be had.", "Open it: watchkeeper keys unlock"
            )
        except VaultError as error:
            trouble = ModelNotSetUp(f"The key {name} cannot be had: {error.message}", error.hint)
        raise trouble

    def has_another(self, name: str) -> bool:
        """True when a key of the group is free, as far as is known."""
        return any(self._left(each) <= _EARLY_S for each in self._groups.get(name, ()))

    def put_off(self, key: Key, seconds: float | None) -> None:
        """Leave a key alone for a while: the service asks to wait. None for when it does not say for how long."""
        if key.name:
            self._aside[key.name] = self._monotonic() + (BUSY_S if seconds is None else seconds)

    def refuse(self, key: Key) -> None:
        """Leave a key alone until the vault changes: the service does not take it."""
        if key.name:
            self._aside[key.name] = math.inf

    def forget(self) -> None:
        """Take all keys again: the vault has changed, or a person asks for it."""
        self._aside.clear()
        self._groups.clear()

    def _left(self, name: str) -> float:
        return self._aside.get(name, -math.inf) - self._monotonic()

    def _waits(self, names: tuple[str, ...]) -> ModelError:
        soonest = min(self._left(each) for each in names)
        which = f"The key {names[0]}" if len(names) == 1 else f"Each of the keys {', '.join(names)}"
        if math.isinf(soonest):
            return KeyRefused(
                f"{which} was refused by the service.", f"Set a valid one: watchkeeper keys set {names[0]}"
            )
        return ModelBusy(
            f"{which} was used too often: the service asks to wait for {math.ceil(soonest)} s.",
            f"Another key helps, too: watchkeeper keys set {_next_name(names)}",
            retry_after_s=soonest,
        )


def _next_name(names: tuple[str, ...]) -> str:
    return next(name for number in range(1, len(names) + 2) if (name := f"{names[0]}_{number}") not in names)


def _checked(name: str, value: str) -> Key:
    """Return a key that can stand in a header: a library's own complaint would show it."""
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise SecretError(f"The value of {name} is no key.")
    return Key(name, value)


def _no_key(name: str) -> ModelRefused:
    return ModelRefused(
        f"What the vault holds as {name} is no key: it is empty, or has spaces or characters that no key has.",
        f"Set it anew: watchkeeper keys set {name}",
    )
