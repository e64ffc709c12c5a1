"""The agent: once a day, where the person wants that, it asks whether there is a newer release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import UpdateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.agents.updates.settings import UpdateSettings
    from app.agents.updates.updates import Updates
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse

_log = structlog.get_logger(__name__)

FIRST_AFTER_S: Final = 60.0
"""So long after its start it asks nobody: the tests come first."""
LOOK_EVERY_S: Final = 900.0
JITTER: Final = 0.1
"""It waits longer by up to this share, at random, so that not all programs of the world ask in the same minute."""
LEAST_S: Final = 3600.0
"""Whatever the clock on the wall says, it asks no sooner again."""
_ASKING_S: Final = 90.0
_HOUR_S: Final = 3600.0


class UpdateAgent:
    """It; one for the program. A question that has no answer is asked again when the next one is due.

    Args:
        updates: What it has asked.
        settings: Gives the settings in force.
        is_online: Gives whether there is a way into the network; None where that is not known.
        clock: Time.
        chance: Gives a number between two bounds.
    """

    def __init__(
        self,
        updates: Updates,
        *,
        settings: Callable[[], UpdateSettings],
        is_online: Callable[[], bool | None],
        clock: Clock,
        chance: Callable[[float, float], float],
    ) -> None:
        self._updates = updates
        self._settings = settings
        self._is_online = is_online
        self._clock = clock
        self._chance = chance
        self._late = chance(0.0, JITTER)
        self._not_before = clock.monotonic() + FIRST_AFTER_S

    @property
    def name(self) -> str:
        """Return the agent's name."""
        return "updates"

    async def run(self, pulse: Pulse) -> None:
        """Ask when that is due, until told to stop."""
        while not pulse.stopping.is_set():
            pulse.beat()
            if not pulse.paused and self._is_due():
                pulse.busy_for(_ASKING_S)
                await self._ask()
                pulse.beat(done=1)
            wait_s = self._not_before - self._clock.monotonic()
            await pulse.rest(min(wait_s, LOOK_EVERY_S) if wait_s > 0 else LOOK_EVERY_S)

    def _is_due(self) -> bool:
        settings = self._settings()
        if not settings.enabled or self._is_online() is False or self._clock.monotonic() < self._not_before:
            return False
        asked_at = self._updates.view.asked_at
        every_s = settings.every_hours * _HOUR_S * (1 + self._late)
        # A clock that was set back by years must not keep it from asking for years.
        return asked_at is None or not 0 <= self._clock.wall() - asked_at < every_s

    async def _ask(self) -> None:
        self._late = self._chance(0.0, JITTER)
        self._not_before = self._clock.monotonic() + LEAST_S
        try:
            await self._updates.check()
        except UpdateError as error:
            _log.debug("no answer about newer releases", reason=error.message)
