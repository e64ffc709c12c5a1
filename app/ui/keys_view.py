"""What the Keys page says of the vault, as plain values made from the snapshot. Pure; there is no value in any."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.domain import words
from app.domain.keys import VaultState

if TYPE_CHECKING:
    from app.domain.keys import SecretView, VaultView

SOON_S = 14 * 86_400
"""A renewal that is due within two weeks is worth a mark."""
TYPED = frozenset({"passphrase", "recovery"})
"""The kinds of slots that a person types something for; the others ask the system."""
TROUBLE_COMMANDS = (
    ("watchkeeper keys verify", "says what is wrong"),
    ("watchkeeper keys restore", "lists the backups, and puts one in place"),
    ("watchkeeper keys recover", "opens it by the recovery code"),
)


class Urgency(StrEnum):
    """How near a secret's renewal is."""

    NONE = "none"
    SOON = "soon"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class SecretRow:
    """One secret in words; `group` only when it says more than the name, `read` with who did."""

    name: str
    group: str
    age: str
    due: str
    urgency: Urgency
    read: str
    notes: str


@dataclass(frozen=True, slots=True)
class OpenView:
    """The open vault: how many secrets there are, which are to be renewed, the rows, and what is said of its keys."""

    title: str
    detail: str
    rows: tuple[SecretRow, ...]
    keys: str


@dataclass(frozen=True, slots=True)
class ClosedView:
    """The vault while it is not open.

    Attributes:
        waiting: The system has not answered yet, which can be given up on.
        unlock: What the button says that opens it by what the system has; empty for no such button.
        passphrase: Whether a passphrase may be typed.
        recovery: Whether the recovery code may be typed.
        commands: Command lines that help, each with what it does.
    """

    title: str
    reason: str = ""
    hint: str = ""
    waiting: bool = False
    unlock: str = ""
    passphrase: bool = False
    recovery: bool = False
    commands: tuple[tuple[str, str], ...] = ()


def closed_view(vault: VaultView, *, given_up: bool = False) -> ClosedView:
    """Return what is said of a vault that is not open.

    Args:
        vault: Neither open nor missing.
        given_up: A person no longer waits for the system's keychain.
    """
    # With no offers told, nobody has looked yet: every way that may be there is shown, and a wrong one is refused.
    passphrase = "passphrase" in vault.offers or not vault.offers
    recovery = "recovery" in vault.offers or not vault.offers
    unlock = _unlock(vault.offers)
    match vault.state:
        case VaultState.OPENING:
            return ClosedView("Opening the vault\u2026")
        case VaultState.WAITING if not given_up:
            hint = "It may be asking for its password in a window of its own."
            return ClosedView(
                "Waiting for the system keychain\u2026", hint=vault.hint or hint, waiting=True, recovery=recovery
            )
        case VaultState.WAITING:
            reason = "The system keychain has not answered yet."
            return ClosedView("The vault is locked", reason, unlock=unlock, passphrase=passphrase, recovery=recovery)
        case VaultState.TROUBLE:
            return ClosedView(
                "The vault is in trouble",
                vault.reason,
                vault.hint,
                unlock="Try again",
                passphrase=passphrase,
                recovery=recovery,
                commands=TROUBLE_COMMANDS,
            )
        case _:
            return ClosedView(
                "The vault is locked",
                vault.reason,
                vault.hint,
                unlock=unlock,
                passphrase=passphrase,
                recovery=recovery,
            )


def open_view(vault: VaultView, now: float, search: str = "") -> OpenView:
    """Return what is said of an open vault at the wall-clock time `now`: the secrets that hold `search`, by name."""
    text = search.strip().casefold()
    rows = [_row(secret, now) for secret in sorted(vault.secrets, key=lambda each: (each.name.casefold(), each.name))]
    overdue = sum(row.urgency is Urgency.OVERDUE for row in rows)
    soon = sum(row.urgency is Urgency.SOON for row in rows)
    counts = [f"{overdue:,} overdue" if overdue else "", f"{soon:,} due soon" if soon else ""]
    return OpenView(
        title=words.plural(len(rows), "secret") if rows else "No secrets yet",
        detail=", ".join(filter(None, counts)),
        rows=tuple(row for row in rows if not text or text in f"{row.name}\n{row.group}\n{row.notes}".casefold()),
        keys=_keys(vault, now),
    )


def _unlock(offers: tuple[str, ...]) -> str:
    own = [kind for kind in offers if kind not in TYPED]
    if offers and not own:
        return ""
    return f"Unlock with the {words.slot_kind(own[0])}" if own and own[0] in ("keychain", "dpapi") else "Unlock"


def _row(secret: SecretView, now: float) -> SecretRow:
    left = secret.due - now
    urgency = Urgency.NONE
    if secret.due and left < SOON_S:
        urgency = Urgency.OVERDUE if left < 0 else Urgency.SOON
    renewed = secret.renewed or secret.created
    read = " \u00b7 ".join(filter(None, (words.ago(now - secret.read_at), words.one_line(secret.read_by))))
    return SecretRow(
        name=secret.name,
        group=secret.group if secret.group not in ("", secret.name) else "",
        age=words.lasting(now - renewed) if renewed else "",
        due=words.due(left) if secret.due else "no reminder",
        urgency=urgency,
        read=read if secret.read_at else "never",
        notes=words.one_line(secret.notes),
    )


def _keys(vault: VaultView, now: float) -> str:
    parts = []
    if vault.rotated:
        parts.append(f"Data key made {words.ago(now - vault.rotated)}")
    if vault.rotation_due:
        left = vault.rotation_due - now
        parts.append(f"replaced by itself {words.due(left)}" if left >= 0 else "to be replaced now")
    ways = dict.fromkeys(words.slot_kind(slot.kind) for slot in vault.slots)
    if ways:
        parts.append(f"opens by {', '.join(ways)}")
    return " \u00b7 ".join(parts)


def asked_groups(code: str, sample: list[int]) -> tuple[tuple[int, str], ...]:
    """Return the groups of a recovery code that a person types again, each by its number from 1, in their order.

    Args:
        code: `ABCD-EFGH-...`.
        sample: Places from 0 on.
    """
    groups = code.split("-")
    return tuple((place + 1, groups[place]) for place in sorted(sample))


def same_group(typed: str, shown: str) -> bool:
    """Return whether a typed group is the one that was shown; case, spaces, and O for 0, I for 1, B for 8 are alike."""
    return _plain(typed) == _plain(shown)


def _plain(group: str) -> str:
    return "".join(group.split()).upper().translate(_ALIKE)


_ALIKE = str.maketrans("018", "OIB")
