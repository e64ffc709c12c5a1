"""How long an alert has waited, whatever happens to the wall clock.

While the program runs, the seconds are those of the monotonic clock, with what the machine slept in between. From one
life to the next the wall clock has to do: what it shows less than before counts as nothing, so that a clock that was
set back keeps no alert for ever. One that is set forward while the program runs changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.alerts.shelf import Reckoning

if TYPE_CHECKING:
    from app.engine.clock import Clock

DRIFT_S: Final = 60.0
"""When the wall clock has gone another way than this count by so much, what is kept of it is written anew..."""
OLD_S: Final = 3600.0
"""...and also when it is so old: what a killed life has counted since would be lost to a clock that is set back."""


class Counted:
    """A count of seconds that goes on from what an earlier life left.

    Args:
        clock: Time.
        kept: What was left; None for a new count.
        least: What it must have come to by now at least.
    """

    def __init__(self, clock: Clock, kept: Reckoning | None, *, least: float = 0.0) -> None:
        self._clock = clock
        self._monotonic = clock.monotonic()
        self._wall = clock.wall()
        gone = max(0.0, self._wall - kept.wall) if kept is not None else 0.0
        self._counted = max(kept.counted + gone if kept is not None else 0.0, least)
        self._noted: tuple[float, float] | None = None

    def now(self) -> float:
        """Return the count."""
        monotonic = self._clock.monotonic()
        self._counted += monotonic - self._monotonic
        self._monotonic, self._wall = monotonic, self._clock.wall()
        return self._counted

    def slept(self, seconds: float) -> None:
        """Count what the machine slept, as far as the monotonic clock has not."""
        unseen = (self._clock.wall() - self._wall) - (self._clock.monotonic() - self._monotonic)
        self.now()
        self._counted += max(0.0, min(seconds, unseen))

    @property
    def is_astray(self) -> bool:
        """Whether a later life could reckon wrongly from what was noted last."""
        if self._noted is None:
            return True
        counted, wall = self._noted
        gone = self.now() - counted
        return gone > OLD_S or abs(gone - (self._wall - wall)) > DRIFT_S

    def noted(self, *, asked: float = 0.0) -> Reckoning:
        """Return what a later life goes on from; it counts as written."""
        self._noted = self.now(), self._wall
        return Reckoning(*self._noted, asked=asked)
