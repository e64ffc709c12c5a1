"""What the vault knows of a secret beside its value."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Self

from app.domain.errors import SecretError

LONGEST_NAME = 128
LARGEST_VALUE = 64 * 1024
"""Bytes: the longest private keys and service account files are a tenth of it."""

LONGEST_NOTES = 4_096

_NUMBERED = re.compile(r"(?P<group>.+?)_(?P<number>[1-9])\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/@]*\Z")


@dataclass(frozen=True, slots=True)
class About:
    """It. Times are whole seconds since the epoch; 0 says never.

    Attributes:
        name: What agents and people ask for it by: `DEEPSEEK_API_KEY`.
        group: The name that it shares with others that serve as well: `DEEPSEEK_API_KEY_1` to `_9` of one provider.
        notes: A person's own words.
        created: When the name came into the vault.
        renewed: When its value was set last.
        due: When it should be renewed at the provider; the reminder comes then.
    """

    name: str
    group: str = ""
    notes: str = ""
    created: int = 0
    renewed: int = 0
    due: int = 0

    def renewed_at(self, now: int) -> Self:
        """Return it with a new value as of now: the time until it is due again stays as long as it was."""
        due = now + (self.due - self.renewed) if self.due else 0
        return replace(self, renewed=now, due=due)

    def dump(self) -> bytes:
        """Return it as it is encrypted."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode("utf-8")

    @classmethod
    def load(cls, content: bytes) -> Self:
        """Return what `dump` made.

        Raises:
            ValueError: It did not make this.
        """
        found = json.loads(content)
        if not isinstance(found, dict) or set(found) != set(cls.__dataclass_fields__):
            raise ValueError("no description of a secret")
        about = cls(**found)
        if any(type(value) is not type(getattr(cls("x"), name)) for name, value in found.items()):
            raise ValueError("no description of a secret")
        return about


def check_name(name: str) -> str:
    """Return a secret's name as it is.

    Raises:
        SecretError: It is empty, too long, or holds other than letters, digits and `_ . - / @`.
    """
    if len(name) > LONGEST_NAME or not _NAME.match(name):
        raise SecretError(
            f"{name[:LONGEST_NAME]!r} is no name for a secret.",
            f"Take letters, digits and _ . - / @, at most {LONGEST_NAME}: DEEPSEEK_API_KEY, say.",
        )
    return name


def check_value(value: bytes) -> bytes:
    """Return a secret's value as it is.

    Raises:
        SecretError: It is empty or larger than 64 KiB.
    """
    if not value:
        raise SecretError("The value is empty.", "Give one, or remove the secret: watchkeeper keys rm NAME")
    if len(value) > LARGEST_VALUE:
        raise SecretError(f"The value has {len(value):,} bytes, more than {LARGEST_VALUE:,}.", "Keep it in a file.")
    return value


def group_of(name: str) -> str:
    """Return the group that a name belongs to by its looks: `DEEPSEEK_API_KEY` for `DEEPSEEK_API_KEY_2`."""
    match = _NUMBERED.match(name)
    return match["group"] if match else name
