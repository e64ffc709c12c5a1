"""Time, handed in so that tests need no sleep.

`monotonic` counts only while the machine is awake on Linux and macOS (CLOCK_MONOTONIC stops in suspend there), which
is what staleness is judged by; `wall` is for people.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

LONGEST_SLEEP_S = 24 * 3600.0
"""A Qt timer overflows after 24.8 days, so a longer sleep is armed again each day."""


class Clock(Protocol):
    """What tells the time and waits."""

    def wall(self) -> float:
        """Return seconds since the epoch (UTC)."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of monotonic time have passed, never less."""


class SystemClock:
    """The machine's own clock."""

    def wall(self) -> float:
        """Return seconds since the epoch (UTC)."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of monotonic time have passed, never less (Qt's coarse timers wake early)."""
        due = time.monotonic() + seconds
        while (left := due - time.monotonic()) > 0:  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(min(left, LONGEST_SLEEP_S))
        if seconds <= 0:
            await asyncio.sleep(0)
