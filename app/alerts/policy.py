"""When an alert is told: at once, later together with others, or not at all.

The rules, in their order:

1. What tells that something is over is told once, and only if that something was told.
2. What stands already, by its own word, is no news; nor is what matters less than a person wants to hear.
3. While people want silence everything is held; in quiet hours all but what is critical.
4. One cause is told of once in so many minutes; what came meanwhile is told once after that: the latest state, and how
   often. What has become worse than what was told does not wait. To people one cause is one test: where an alert has a
   part that was not told in that time, it waits for a minute at most. Where news goes at once (on the desktop), what
   its source tells only once does not wait at all.
5. So many messages a minute, and no more: the rest is held and then told together, in one message.

Pure: the time, and what holds at it, are handed in. Memory is bounded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol, Self

from app.alerts import wording
from app.alerts.occasions import Occasion
from app.domain.alerts import Alert, Urgency, is_red
from app.domain.commands import RaiseWindow
from app.domain.events import VerdictChanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WINDOW_S: Final = 60.0
"""Rule 5 counts messages over so many seconds."""
MOST: Final = 5
"""Messages in a window; a person reads no more of them one by one."""
MOST_NEWS: Final = 20
"""Likewise for news that goes at once: a red test is not to wait behind troubles, nor behind other projects."""
CAUSES_HELD: Final = 250
"""Causes whose alert is held; of more only the number is known."""
CAUSES_KNOWN: Final = 1000
"""Causes of which is known when they were told."""
PARTS_KNOWN: Final = 2000
"""Parts of one cause of which is known when they were told."""
FRESH_S: Final = 60.0
"""So long after a message of a cause a part of it waits that nobody was told of: a project sends no more than that."""
LOOK_S: Final = 30.0
"""How often it is looked whether silence or quiet hours are over: the clock on the wall may be set."""
_AT_ONCE_S: Final = 0.001
"""A shorter wait is none: a sum of times is not exact."""
TOGETHER: Final = "many"
"""The cause of a message that tells several alerts together."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, and what holds at it.

    Attributes:
        monotonic: Seconds that never go back; all waits are judged by them.
        is_silent: Whether people want silence.
        is_quiet: Whether it is a time of day at which only what is critical is told.
    """

    monotonic: float
    is_silent: bool = False
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What a person has set: the least that is told, and the seconds in which a cause is told of at most once."""

    least: Urgency = Urgency.NEWS
    repeat_s: float = 900.0


class Look(Protocol):
    """What is known of the state of things; see app.alerts.occasions for what each gives."""

    def merged(self, before: Occasion, later: Occasion) -> Occasion:
        """Return what is to be told of a cause when two of its alerts were held."""
        ...

    def renewed(self, occasion: Occasion) -> Occasion | None:
        """Return what is left to tell of an alert that was held; None when it no longer holds."""
        ...


@dataclass(slots=True)
class _Told:
    """What a person knows of a cause: when its trouble was told, how grave, by which word, and whether that stands.

    And of its parts, when each was told last, the one told longest ago first.
    """

    at: float = float("-inf")
    rank: int = 0
    once: str = ""
    stands: bool = False
    parts: dict[str, float] = field(default_factory=dict)

    def wait_s(self, occasion: Occasion, now: float, repeat_s: float) -> float:
        """Return for how many seconds an alert of this cause waits: for less when it has a part that is news."""
        return self.at + (min(FRESH_S, repeat_s) if self.has_news(occasion, now, repeat_s) else repeat_s) - now

    def has_news(self, occasion: Occasion, now: float, repeat_s: float) -> bool:
        """Return whether an alert of this cause has a part that was not told within that time."""
        return any(self.parts.get(part, float("-inf")) + repeat_s - _AT_ONCE_S <= now for part in occasion.parts)


@dataclass(frozen=True, slots=True)
class _Held:
    occasion: Occasion
    count: int
    weight: int
    """Of many, those of the most weight are named first; of too many, those of the least are let go."""

    @classmethod
    def of(cls, occasion: Occasion, count: int) -> Self:
        """Hold it: urgency gives it its weight, and among its like a change of the tests goes first."""
        return cls(occasion, count, 2 * occasion.alert.urgency.rank + isinstance(occasion.event, VerdictChanged))


class Policy:
    """Decides for one way out: the desktop, or all channels that go further.

    Args:
        news_at_once: Whether rule 4 leaves out what its source tells only once, and rule 5 lets more of it pass.
    """

    def __init__(self, *, news_at_once: bool = False) -> None:
        self._news_at_once = news_at_once
        self._told: dict[str, _Told] = {}
        self._held: dict[str, _Held] = {}
        self._more = 0
        self._most_urgent_of_more = Urgency.NEWS
        self._sent: dict[bool, deque[float]] = {False: deque(), True: deque()}
        self.next_at: float | None = None
        """When to look again, in monotonic seconds; None while nothing is held."""

    @property
    def held(self) -> int:
        """How many causes have an alert that is held."""
        return len(self._held)

    @property
    def waiting(self) -> tuple[tuple[Occasion, int], ...]:
        """What is held, and how often it came up."""
        return tuple((held.occasion, held.count) for held in self._held.values())

    def restore(self, occasion: Occasion, count: int, at: Moment) -> None:
        """Hold what an earlier life held, to be looked at at once."""
        self._hold(_Held.of(occasion, count), at.monotonic)

    def recall(self, cause: str, at: float) -> None:
        """Remember that a warning of this cause was told in an earlier life, at this time in monotonic seconds."""
        self._told[cause] = _Told(at, Urgency.WARNING.rank)

    def see(self, occasion: Occasion, at: Moment, rules: Rules, look: Look) -> tuple[Occasion, ...]:
        """Take a new alert, and return what is to be told now: nothing, or one message."""
        alert = occasion.alert
        told = self._told.get(alert.cause)
        held = self._held.pop(alert.cause, None)
        if alert.is_over:
            stood = told is not None and told.stands
            if alert.urgency.rank < rules.least.rank:
                if told is not None:
                    told.stands = False
                return ()
            if not stood and (
                held is not None or not self._is_at_once(occasion) or self._opens_in(occasion, at, rules)
            ):
                return ()
            held = None
        elif told is not None and told.stands and self._is_known(occasion, told, at, rules):
            return ()
        latest = occasion if held is None else look.merged(held.occasion, occasion)
        if latest.alert.urgency.rank < rules.least.rank:
            return ()
        count = 1 if held is None else held.count + 1
        if held is not None and not self._opens_in(latest, at, rules):
            before = look.renewed(held.occasion)
            latest = occasion if before is None else look.merged(before, occasion)
        if wait_s := self._opens_in(latest, at, rules):
            self._hold(_Held.of(latest, count), at.monotonic + wait_s)
            return ()
        return (self._tell(latest, count, at),)

    def due(self, at: Moment, rules: Rules, look: Look) -> tuple[Occasion, ...]:
        """Return what was held and is to be told now, and forget of it what no longer holds."""
        ready: dict[bool, list[_Held]] = {False: [], True: []}
        for cause, held in tuple(self._held.items()):
            if self._opens_in(held.occasion, at, rules):
                continue
            latest = look.renewed(held.occasion)
            if latest is None or latest.alert.urgency.rank < rules.least.rank:
                del self._held[cause]
            elif self._opens_in(latest, at, rules):
                self._held[cause] = _Held.of(latest, held.count)  # the part that was news is mended
            else:
                ready[self._is_at_once(latest)].append(_Held.of(latest, held.count))
        told = [one for is_news in (False, True) for one in self._release(ready[is_news], at, is_news=is_news)]
        waits = [self._opens_in(held.occasion, at, rules) for held in self._held.values()]
        self.next_at = at.monotonic + min(waits) if waits else None
        if not waits:
            self._more = 0  # the rest of that storm has passed as well
        return tuple(told)

    def _release(self, ready: Sequence[_Held], at: Moment, *, is_news: bool) -> Iterable[Occasion]:
        if not ready:
            return
        ready = sorted(ready, key=attrgetter("weight"), reverse=True)
        for held in ready:
            del self._held[held.occasion.alert.cause]
        more = 0 if is_news else self._more
        if len(ready) + more <= self._room(at, is_news=is_news):
            yield from [self._tell(held.occasion, held.count, at) for held in ready]
            return
        for held in ready:
            self._note(held.occasion, at)
        self._sent[is_news].append(at.monotonic)
        ready = sorted(ready, key=lambda held: is_red(held.occasion.alert), reverse=True)
        alerts = [held.occasion.alert for held in ready]
        urgency = max((alert.urgency for alert in alerts), key=attrgetter("rank"))
        if more:
            self._more = 0
            urgency = max(urgency, self._most_urgent_of_more, key=attrgetter("rank"))
            self._most_urgent_of_more = Urgency.NEWS
        title, body = wording.joined(alerts, more)
        first = ready[0].occasion
        alert = Alert(TOGETHER, urgency, title, body, max(each.at for each in alerts))
        yield Occasion(alert, first.event, RaiseWindow(), mood=first.mood)

    def _tell(self, occasion: Occasion, count: int, at: Moment) -> Occasion:
        self._note(occasion, at)
        self._sent[self._is_at_once(occasion)].append(at.monotonic)
        if count == 1 or occasion.alert.is_over or occasion.is_local:
            return occasion
        return replace(occasion, alert=replace(occasion.alert, body=wording.again(occasion.alert.body, count)))

    def _note(self, occasion: Occasion, at: Moment) -> None:
        """Remember that a cause was told of; the one told of longest ago is forgotten for it."""
        cause = occasion.alert.cause
        told = self._told.pop(cause, None) or _Told()
        self._told[cause] = told
        told.once = occasion.once
        if occasion.alert.is_over:
            told.stands = False
        elif occasion.alert.urgency is not Urgency.NEWS:
            told.at, told.stands, told.rank = at.monotonic, True, occasion.alert.urgency.rank
            for part in occasion.parts:
                told.parts.pop(part, None)
                told.parts[part] = at.monotonic
            while len(told.parts) > PARTS_KNOWN:
                del told.parts[next(iter(told.parts))]
        if len(self._told) > CAUSES_KNOWN:
            del self._told[next(iter(self._told))]

    def _hold(self, held: _Held, until: float) -> None:
        self._held[held.occasion.alert.cause] = held
        self.next_at = until if self.next_at is None else min(self.next_at, until)
        if len(self._held) > CAUSES_HELD:
            lost = min(self._held.values(), key=attrgetter("weight")).occasion.alert
            del self._held[lost.cause]
            self._more += 1
            self._most_urgent_of_more = max(lost.urgency, self._most_urgent_of_more, key=attrgetter("rank"))

    def _opens_in(self, occasion: Occasion, at: Moment, rules: Rules) -> float:
        """Return in how many seconds it is to be looked at again; 0 when it may be told now."""
        if at.is_silent or (at.is_quiet and occasion.alert.urgency is not Urgency.CRITICAL):
            return LOOK_S
        is_at_once = self._is_at_once(occasion)
        told = self._told.get(occasion.alert.cause)
        wait_s = 0.0
        is_worse = told is not None and occasion.alert.urgency.rank > told.rank
        if told is not None and not (is_at_once or is_worse or occasion.alert.is_over):
            wait_s = told.wait_s(occasion, at.monotonic, max(rules.repeat_s, occasion.repeat_s))
        if self._room(at, is_news=is_at_once) <= 0:
            wait_s = max(wait_s, self._sent[is_at_once][0] + WINDOW_S - at.monotonic)
        return wait_s if wait_s > _AT_ONCE_S else 0.0

    def _is_known(self, occasion: Occasion, told: _Told, at: Moment, rules: Rules) -> bool:
        """Return whether it says by its own word what was told. Of a run the desktop says once that it broke tests."""
        is_same = bool(occasion.once) and occasion.once == told.once
        return is_same and (self._news_at_once or not told.has_news(occasion, at.monotonic, rules.repeat_s))

    def _room(self, at: Moment, *, is_news: bool) -> int:
        """Return how many more messages may go now."""
        sent = self._sent[is_news]
        while sent and sent[0] + WINDOW_S <= at.monotonic:
            sent.popleft()
        return (MOST_NEWS if is_news else MOST) - len(sent)

    def _is_at_once(self, occasion: Occasion) -> bool:
        return self._news_at_once and occasion.is_news
