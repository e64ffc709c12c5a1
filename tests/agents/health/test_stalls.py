"""Agents that come no further: told once, told when they go on, and never when they are idle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.health.stalls import Stalls
from app.domain.agents import AgentState
from app.domain.events import ProgressMissed
from app.domain.reduce import reduce
from app.domain.snapshot import AgentView, Snapshot

AFTER_S = 600.0
BUSY = AgentView("tests:shop", AgentState.RUNNING, progress=5, waiting=2)


class Watching:
    """Stalls, and the view of one agent as the snapshot would have it after each that is told."""

    def __init__(self) -> None:
        self.view = BUSY
        self.told: list[float] = []
        self._stalls = Stalls(AFTER_S)

    def look(self, awake_s: float, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        for name, seconds in self._stalls.look([self.view], awake_s):
            known = Snapshot(0.0, agents={name: self.view})
            self.view = reduce(known, ProgressMissed(at=0, agent=name, seconds=seconds)).agents[name]
            self.told.append(seconds)


def test_who_comes_no_further_is_told_once() -> None:
    """After ten minutes with work waiting, and not again an hour later."""
    watching = Watching()
    for awake_s in range(0, 3600, 15):
        watching.look(awake_s)

    assert watching.told == [AFTER_S]
    assert watching.view.stalled_s == AFTER_S


def test_who_goes_on_is_told_once() -> None:
    """With the first progress; then the ten minutes begin anew."""
    watching = Watching()
    watching.look(0)
    watching.look(600)
    watching.look(615, progress=6)
    watching.look(630, progress=7)
    watching.look(1230)

    assert watching.told == [600.0, 0.0, 600.0]


def test_who_has_nothing_left_to_do_is_well() -> None:
    """The work that waited is gone, however that came."""
    watching = Watching()
    watching.look(0)
    watching.look(600)
    watching.look(615, waiting=0)

    assert watching.told == [600.0, 0.0]


@pytest.mark.parametrize(
    "changes",
    [{"waiting": 0}, {"paused": True}, {"state": AgentState.BACKOFF}, {"state": AgentState.DISABLED}],
    ids=["idle", "paused", "down", "off"],
)
def test_who_is_not_to_come_further_is_not_told(changes: dict[str, Any]) -> None:
    """For a whole day; and the time does not count once there is something to do."""
    watching = Watching()
    for awake_s in range(0, 86_400, 60):
        watching.look(awake_s, **changes)
    watching.look(86_400, waiting=1, paused=False, state=AgentState.RUNNING)

    assert watching.told == []


def test_a_new_life_has_its_own_ten_minutes() -> None:
    """Also when it has done as little as the one before."""
    watching = Watching()
    watching.look(0, progress=0)
    watching.look(590, restarts=1)
    watching.look(1180)

    assert watching.told == []


@given(st.lists(st.tuples(st.integers(1, 300), st.booleans(), st.integers(0, 2)), max_size=60))
def test_each_stall_is_followed_by_its_end(steps: list[tuple[int, bool, int]]) -> None:
    """Whatever happens: stalls and ends take turns, and each stall was as long as it must be."""
    watching = Watching()
    awake_s = 0.0
    for seconds, moves, waiting in steps:
        awake_s += seconds
        watching.look(awake_s, progress=watching.view.progress + moves, waiting=waiting)

    assert all(seconds >= AFTER_S for seconds in watching.told[::2])
    assert all(seconds == 0.0 for seconds in watching.told[1::2])
