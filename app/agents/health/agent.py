"""The agent: four times a minute it looks at what the program uses, and whether the other agents come further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.agents.health.growth import Growth
from app.agents.health.stalls import Stalls
from app.domain.agents import HEALTH
from app.domain.events import ProgressMissed, VitalsTaken
from app.engine.heartbeat import AwakeClock
from app.engine.notices import Notices

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.events import Event
    from app.domain.health import Vitals
    from app.domain.snapshot import Snapshot
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse
    from app.engine.limits import Limits

_log = structlog.get_logger(__name__)

_MIB = 1024 * 1024


class HealthAgent:
    """It; one for the program. Measuring goes on while it is paused: it is no work that a person could want to wait.

    Args:
        measure: Measures what the process uses; takes well under a millisecond.
        snapshot: Gives all that is visible, the agents among it.
        publish: Takes notices, which outlast one life of the agent.
        clock: Time.
        limits: The table of times and counts.
    """

    def __init__(
        self,
        measure: Callable[[], Vitals],
        snapshot: Callable[[], Snapshot],
        *,
        publish: Callable[[Event], None],
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._measure = measure
        self._snapshot = snapshot
        self._clock = clock
        self._limits = limits
        self._notices = Notices(publish, clock)
        self._growth = Growth(window_s=limits.growth_window_s, least_per_h=limits.growth_mib_per_h * _MIB)
        self._awake = AwakeClock(clock, tick_s=limits.vitals_every_s)

    @property
    def name(self) -> str:
        """Return the agent's name."""
        return HEALTH

    async def run(self, pulse: Pulse) -> None:
        """Measure and look until told to stop."""
        stalls = Stalls(self._limits.progress_after_s)
        while not pulse.stopping.is_set():
            awake_s = self._awake.tick()
            vitals = self._measure()
            pulse.publish(VitalsTaken(at=self._clock.wall(), vitals=vitals))
            if vitals.rss_bytes is not None:
                self._tell_growth(awake_s, vitals.rss_bytes)
            for name, seconds in stalls.look(self._snapshot().agents.values(), awake_s):
                _log.warning("an agent comes no further" if seconds else "an agent goes on", agent=name)
                pulse.publish(ProgressMissed(at=self._clock.wall(), agent=name, seconds=seconds))
            pulse.did()
            await pulse.rest(self._limits.vitals_every_s)

    def _tell_growth(self, awake_s: float, used: int) -> None:
        """Tell of growth once, in words that do not change with each look."""
        per_h = self._growth.look(awake_s, used)
        if not per_h:
            self._notices.show("memory", "")
        elif not self._notices.stands("memory"):
            hours = self._limits.growth_window_s / 3600
            figures = f"by {per_h / _MIB:.0f} MiB each, to {used / _MIB:.0f} MiB"
            text = f"Watchkeeper's own memory has grown for {hours:g} hours, {figures}."
            self._notices.show(
                "memory", text, "Stop and start it; a report of this, with a crash bundle, helps to mend it."
            )
            _log.warning("memory grows without end", mib_per_h=round(per_h / _MIB, 1), used_mib=used // _MIB)
