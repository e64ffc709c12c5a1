"""What a person may set of the vault's keys."""

from __future__ import annotations

from pydantic import Field

from app.engine.settings import Section


class KeySettings(Section):
    """The section `[keys]`."""

    rotate_days: int = Field(
        default=30, ge=1, le=366, description="The vault's data key is replaced after so many days; 30 or 90 are usual"
    )
    remind_days: int = Field(
        default=7, ge=0, le=90, description="Remind of a secret's renewal so many days before it is due"
    )
    lock_minutes: float = Field(
        default=0.0,
        ge=0,
        le=10_080,
        description="Lock the vault when nothing was read from it for so long; 0 for never",
    )
