"""From an event to whom it is told: occasion, policy, and the ways out."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from app.alerts.occasions import merged, occasion_of, renewed
from app.alerts.policy import Moment, Policy, Rules
from app.alerts.quiet import QuietHours, is_silent
from app.domain.commands import Snooze
from app.domain.errors import UsageError
from app.domain.events import (
    AgentChanged,
    AgentResumed,
    AlertsHeld,
    LoopLagged,
    NotificationsSnoozed,
    ProgressMissed,
)
from app.domain.health import HeldFor, HeldView
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from app.alerts.keeping import Keeping, Left
    from app.alerts.occasions import Occasion
    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.bus import Bus
    from app.engine.clock import Clock

_STOP_S: Final = 0.25
_DAY_MINUTES: Final = 24 * 60


def local_minute(wall: float) -> int:
    """Return the minutes after midnight that a clock on the wall shows at this time, in local time."""
    local = time.localtime(wall)
    return local.tm_hour * 60 + local.tm_min


@dataclass(frozen=True, slots=True)
class Route:
    """One way out, with a memory of its own.

    Attributes:
        policy: Decides what goes this way, and when.
        rules: Gives what a person has set for it, as of now.
        quiet: Gives the quiet hours as of now; None for none.
        deliver: Takes what is told, its words without secrets. Must not block.
        takes: Whether an occasion may go this way at all.
        keeping: Where it is kept what a restart must not forget: what it told that it tells seldom. None for nothing.
        is_further: Whether it leads to the channels: what it holds is kept too, and people can look it up.
    """

    policy: Policy
    rules: Callable[[], Rules]
    quiet: Callable[[], QuietHours | None]
    deliver: Callable[[Occasion], None]
    takes: Callable[[Occasion], bool] = lambda _occasion: True
    keeping: Keeping | None = None
    is_further: bool = False


class Alerts:
    """Tells people what happens, by each route as its policy has it. Answers `Snooze`. An async context manager.

    Args:
        bus: Where the events come from.
        clock: Time.
        routes: The ways out.
        redact: Takes secrets out of a text before it goes anywhere.
        minute: Gives the local minute after midnight of a wall-clock time.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        routes: Sequence[Route],
        *,
        redact: Callable[[str], str] = str,
        minute: Callable[[float], int] = local_minute,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._routes = tuple(routes)
        self._redact = redact
        self._minute = minute
        self._look = _Look(bus, clock)
        self._leave: tuple[Callable[[], None], ...] = ()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = math.inf
        self._snoozed_to = math.inf
        self._told_held = HeldView()

    async def __aenter__(self) -> Self:
        """Begin to listen, and to answer `Snooze`. What an earlier life held is told now, or waits on."""
        for route in self._routes:
            if route.keeping is not None:
                self._take_over(route, route.keeping.left)
        self._leave = (self._bus.handle(Snooze, self._snooze), self._bus.subscribe(self._see))
        self._tell_what_is_due()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End listening. What is still held for the channels is kept, and told by the next life."""
        for leave in self._leave:
            leave()
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.wait([self._timer], timeout=_STOP_S)

    def _take_over(self, route: Route, left: Left) -> None:
        at = self._moment(route)
        for cause, wall in left.told.items():
            route.policy.recall(cause, at.monotonic - max(0.0, self._clock.wall() - wall))
        if route.is_further:
            for occasion, count in left.held:
                route.policy.restore(occasion, count, at)

    def _snooze(self, command: Snooze) -> None:
        if not (math.isfinite(command.seconds) and command.seconds >= 0):
            raise UsageError(
                f"Notifications cannot be snoozed for {command.seconds} seconds.", "Give a number of seconds from 0 on."
            )
        now = self._clock.wall()
        self._bus.publish(NotificationsSnoozed(at=now, until=now + command.seconds))

    def _see(self, event: Event, snapshot: Snapshot) -> None:
        if isinstance(event, NotificationsSnoozed):
            self._snoozed_to = self._clock.monotonic() + event.until - self._clock.wall()
        if isinstance(event, NotificationsSnoozed | AgentResumed):
            self._tell_what_is_due()
            return
        now = self._clock.wall()
        occasion = occasion_of(event, snapshot, now)
        # What an agent does because the program ends is no news, and none for the next life either.
        if occasion is None or (snapshot.stopping and isinstance(event, AgentChanged | ProgressMissed | LoopLagged)):
            return
        for route in self._routes:
            if route.takes(occasion):
                self._deliver(route, route.policy.see(occasion, self._moment(route), route.rules(), self._look))
        self._plan()

    def _tell_what_is_due(self) -> None:
        for route in self._routes:
            self._deliver(route, route.policy.due(self._moment(route), route.rules(), self._look))
        self._plan()

    def _deliver(self, route: Route, told: Sequence[Occasion]) -> None:
        for occasion in told:
            alert = occasion.alert
            # A test's name, a path, or a library's message may hold a secret.
            cause, title, body = (self._redact(each) for each in (alert.cause, alert.title, alert.body))
            clean = replace(alert, cause=cause, title=title, body=body)
            if route.keeping is not None:
                if route.is_further:
                    clean = replace(clean, id=route.keeping.id_of(alert.cause))
                if occasion.repeat_s:
                    route.keeping.told(cause)
            route.deliver(replace(occasion, alert=clean))

    def _moment(self, route: Route) -> Moment:
        wall, monotonic, snapshot = self._clock.wall(), self._clock.monotonic(), self._bus.snapshot
        quiet = route.quiet()
        # A clock that is set back makes no snooze longer: it would silence everything for as long.
        snoozed_at = wall if monotonic < self._snoozed_to else max(wall, snapshot.snoozed_until)
        return Moment(
            monotonic,
            is_silent=is_silent(snapshot, snoozed_at),
            is_quiet=quiet is not None and quiet.holds_at(self._minute(wall)),
        )

    def _plan(self) -> None:
        """Have it looked again when a route wants it, or when a snooze ends; and note what is held."""
        for route in self._routes:
            if route.is_further:
                self._note(route)
        wants = [route.policy.next_at for route in self._routes if route.policy.next_at is not None]
        if not wants:
            return
        now = self._clock.monotonic()
        at = min(wants)
        left = min(self._bus.snapshot.snoozed_until - self._clock.wall(), self._snoozed_to - now)
        if left > 0:
            at = min(at, now + left)
        if self._timer is not None and not self._timer.done():
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = spawn(self._look_again(at - now), name="held alerts")

    def _note(self, route: Route) -> None:
        waiting = route.policy.waiting
        if route.keeping is not None:
            route.keeping.hold(waiting)
        held = self._held(route, len(waiting))
        if held != self._told_held:
            self._told_held = held
            self._bus.publish(AlertsHeld(at=self._clock.wall(), held=held))

    def _held(self, route: Route, count: int) -> HeldView:
        """Say how many are held, why, and until when."""
        if not count:
            return HeldView()
        wall, snapshot, at, quiet = self._clock.wall(), self._bus.snapshot, self._moment(route), route.quiet()
        if at.is_silent:
            is_snoozed = snapshot.snoozed_until > wall
            return (
                HeldView(count, HeldFor.SNOOZE, snapshot.snoozed_until)
                if is_snoozed
                else HeldView(count, HeldFor.PAUSE)
            )
        if at.is_quiet and quiet is not None:
            minutes = (quiet.ends - self._minute(wall)) % _DAY_MINUTES
            return HeldView(count, HeldFor.QUIET, float(wall // 60 + minutes) * 60)
        left = (route.policy.next_at or at.monotonic) - at.monotonic
        return HeldView(count, HeldFor.TOLD, float(round(wall + left)))

    async def _look_again(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._timer = None
        self._tell_what_is_due()


class _Look:
    """The state of things, as the policy asks for it."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    def merged(self, before: Occasion, later: Occasion) -> Occasion:
        return merged(before, later, self._bus.snapshot)

    def renewed(self, occasion: Occasion) -> Occasion | None:
        return renewed(occasion, self._bus.snapshot, self._clock.wall())
