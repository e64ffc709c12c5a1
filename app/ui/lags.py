"""How late the event loop was over the last while, as the window draws it. Pure, bounded."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.snapshot import Snapshot

KEPT = 240
"""Measurements: an hour of them, at four a minute."""


class Lags:
    """Collects the event loop's lag from snapshots: p99 in seconds, once for each measurement."""

    def __init__(self) -> None:
        self._lags: deque[float] = deque(maxlen=KEPT)
        self._at = 0.0

    def note(self, snapshot: Snapshot) -> None:
        """Take in a snapshot's measurement, if it was not seen before."""
        vitals = snapshot.health.vitals
        if vitals is not None and vitals.at != self._at:
            self._at = vitals.at
            self._lags.append(vitals.lag_p99_s)

    def all(self) -> tuple[float, ...]:
        """Return what was measured, the oldest first."""
        return tuple(self._lags)
