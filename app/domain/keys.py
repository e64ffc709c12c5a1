"""What faces show of the vault: never a value, and names only while it is open."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class KeychainState(StrEnum):
    """Why the operating system's keychain does not do what it is asked."""

    ABSENT = "absent"
    """There is none: no service, no bus, no such system."""
    LOCKED = "locked"
    REFUSED = "refused"
    """A person, or a policy, said no."""
    HUNG = "hung"
    """It does not answer."""
    REPLACED = "replaced"
    """What lies there is not what was put there."""
    CHANGED = "changed"
    """It is another kind of keychain than the one that was used before."""
    MISSING = "missing"
    """It works, and what was put there is gone."""


class VaultState(StrEnum):
    """Where the vault stands."""

    NONE = "none"
    """There is none yet."""
    OPENING = "opening"
    WAITING = "waiting"
    """The system's keychain has not answered for a second: it may be asking the person."""
    OPEN = "open"
    LOCKED = "locked"
    TROUBLE = "trouble"
    """Damaged, rolled back, or out of reach."""


@dataclass(frozen=True, slots=True)
class SecretView:
    """One secret, without its value. Times are seconds since the epoch; 0 says never.

    Attributes:
        name: What it is asked for by.
        group: The name that it shares with others that serve as well.
        notes: A person's own words.
        created: When the name came into the vault.
        renewed: When its value was set last.
        due: When it should be renewed.
        read_at: When it was read last.
        read_by: By which program, and what for.
    """

    name: str
    group: str = ""
    notes: str = ""
    created: int = 0
    renewed: int = 0
    due: int = 0
    read_at: float = 0.0
    read_by: str = ""


@dataclass(frozen=True, slots=True)
class SlotView:
    """One way to open the vault; `created` in seconds since the epoch."""

    id: str
    kind: str
    label: str = ""
    created: int = 0


@dataclass(frozen=True, slots=True)
class VaultView:
    """The vault, as it stands.

    Attributes:
        state: See VaultState.
        reason: Why it is not open, in a sentence; empty when it is.
        hint: What to do then.
        offers: The kinds of slots that a person could open it by.
        secrets: By name; empty while it is not open.
        slots: The ways to open it; empty while it is not open.
        rotated: When the data key was made.
        rotation_due: When it will be replaced.
        master_created: When the master key was made.
    """

    state: VaultState = VaultState.NONE
    reason: str = ""
    hint: str = ""
    offers: tuple[str, ...] = ()
    secrets: tuple[SecretView, ...] = ()
    slots: tuple[SlotView, ...] = ()
    rotated: int = 0
    rotation_due: int = 0
    master_created: int = 0
