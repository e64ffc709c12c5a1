"""What a command is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something that is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateCommand(Command):
    """What only a face in the same process may ask: it holds a secret, or what a person has agreed to on the screen.

    It never goes over the socket; UnlockWithPassphrase alone does, which is none of these.
    """
