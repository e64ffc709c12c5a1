"""A storm of events that each want an alert, and what comes of it on the desktop and in a channel."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

from app.alerts.flow import Alerts, Route
from app.alerts.policy import Policy, Rules
from app.domain import events
from app.domain.agents import AgentState
from app.domain.alerts import Urgency
from app.domain.keys import VaultState, VaultView
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult
from app.engine.bus import Bus

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from app.alerts.occasions import Occasion
    from app.domain.alerts import Alert
    from app.domain.events import Event

PROJECTS = 12
AGENTS = 400
SECRETS = 300
NOTICES = 300
SAVE = Cause(CauseKind.SAVE, ("a.py",))


class Storm:
    """Projects, agents, secrets and folders that all fail and mend at random, on a clock that a test moves."""

    def __init__(self, clock: Any, chance: random.Random) -> None:
        self.bus = Bus(clock)
        self.shown: list[Alert] = []
        self.sent: list[Alert] = []
        self.desktop, self.channel = Policy(news_at_once=True), Policy()
        self.alerts = Alerts(
            self.bus,
            clock,
            [
                Route(self.desktop, Rules, lambda: None, self._show),
                Route(self.channel, lambda: Rules(Urgency.WARNING), lambda: None, self._send),
            ],
        )
        self._clock = clock
        self._chance = chance
        self._runs = count()
        for number in range(PROJECTS):
            self.bus.publish(events.ProjectWatched(at=0, project=f"/{number}", name=f"p{number}"))

    def _show(self, occasion: Occasion) -> None:
        self.shown.append(occasion.alert)

    def _send(self, occasion: Occasion) -> None:
        self.sent.append(occasion.alert)

    async def blow(self, alerts: int, *, seconds: int) -> None:
        """Have so many events happen in so many seconds of the clock."""
        steps = 20 * seconds
        for step in range(steps):
            for _ in range(alerts * (step + 1) // steps - alerts * step // steps):
                for event in self._one():
                    self.bus.publish(event)
            self._clock.advance(seconds / steps)
            await asyncio.sleep(0)

    def end(self) -> None:
        """All is well in the end, but one test, which goes red."""
        now = self._clock.wall()
        for name in [*self.bus.snapshot.agents]:
            self.bus.publish(events.AgentChanged(at=now, agent=name, state=AgentState.RUNNING))
        for key in [*self.bus.snapshot.notices]:
            self.bus.publish(events.NoticeCleared(at=now, key=key))
        self.bus.publish(events.VaultChanged(at=now, vault=VaultView(VaultState.OPEN)))
        for number in range(PROJECTS):
            for event in self._run(f"/{number}", is_red=number == 7):
                self.bus.publish(event)

    def _one(self) -> Iterator[Event]:
        now, chance = self._clock.wall(), self._chance
        match chance.randrange(6):
            case 0:
                yield from self._run(f"/{chance.randrange(PROJECTS)}", is_red=chance.random() < 0.5)
            case 1 | 2:
                state = chance.choice((AgentState.FAILED, AgentState.RUNNING))
                yield events.AgentChanged(at=now, agent=f"a{chance.randrange(AGENTS)}", state=state, reason="Why.")
            case 3:
                yield events.SecretDue(at=now, name=f"KEY_{chance.randrange(SECRETS)}", due=int(now))
            case 4:
                key = f"project:/{chance.randrange(NOTICES)}"
                yield events.NoticeRaised(at=now, key=key, text=f"{key} is gone.")
            case _:
                state = chance.choice((VaultState.TROUBLE, VaultState.OPEN))
                yield events.VaultChanged(at=now, vault=VaultView(state, "Its file is damaged."))

    def _run(self, project: str, *, is_red: bool) -> Iterator[Event]:
        of: dict[str, Any] = {"at": self._clock.wall(), "project": project, "run_id": f"r{next(self._runs)}"}
        yield events.RunStarted(**of, cause=SAVE)
        outcome = Outcome.FAILED if is_red else Outcome.PASSED
        yield events.TestsRan(**of, results=(TestResult("t.py::test_it", outcome),))
        named = {"broke" if is_red else "fixed": ("t.py::test_it",)}
        yield events.VerdictChanged(**of, cause=SAVE, still_red=int(is_red), **named)
