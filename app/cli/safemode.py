"""What commands say of safe mode, from the Snapshot as the JSON document that the socket gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.domain.healthwords import SAFE_MODE, SAFE_MODE_HINT

if TYPE_CHECKING:
    from collections.abc import Mapping

SAFE_NOTE: Final = f"{SAFE_MODE}, and none works before they are started.\n{SAFE_MODE_HINT}"
"""What a command adds that asks for something that would need an agent."""


def safe_mode_of(snapshot: Mapping[str, Any]) -> str:
    """Return why the instance is in safe mode; empty when it is not, or does not tell."""
    health = snapshot.get("health")
    return str(health.get("safe_mode", "")) if isinstance(health, dict) else ""
