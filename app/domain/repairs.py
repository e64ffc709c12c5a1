"""Repairs of what an audit of an account found, as faces see them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

REPAIRABLE = frozenset(
    {
        "s3-access-logging",
        "s3-account-block-public-access",
        "s3-block-public-access",
        "s3-default-encryption",
        "s3-kms-encryption",
        "s3-public-acl",
        "s3-tls-only",
        "s3-versioning",
    }
)
"""The rules for which there is a repair."""
NEEDS_BUCKET = "s3-access-logging"
"""The rule whose repair needs a bucket that takes the logs."""
NEEDS_KEY = "s3-kms-encryption"
"""The rule whose repair needs a key of KMS."""


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting before and after.

    Attributes:
        setting: What people call it.
        lines: Each begins with `-` (before), `+` (after) or a space.
    """

    setting: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What a repair would do. Nothing has been done yet.

    Attributes:
        digest: Which plan it is; by it the person confirms what was shown.
        title: What it does, in a few words.
        place: What it is done to: `bucket shop in eu-central-1`.
        changes: The settings before and after; none when all is as it should be.
        calls: The calls that are made, with all their parameters, as text.
        touches: What else that means, and who loses access, each as a sentence.
    """

    digest: str
    title: str
    place: str
    changes: tuple[SettingChange, ...] = ()
    calls: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RepairOutcome:
    """What came of a repair, or of taking it back.

    Attributes:
        is_done: Whether anything was changed.
        state: The file that keeps the state before; empty for none.
        journal: What was done, as lines.
    """

    is_done: bool
    state: str = ""
    journal: tuple[str, ...] = ()
