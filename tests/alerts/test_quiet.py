"""Quiet hours by the clock on the wall, and the silence that people ask for."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from app.alerts.flow import local_minute
from app.alerts.quiet import QuietHours, is_silent
from app.domain.agents import HEALTH, AgentState
from app.domain.events import AgentChanged, AgentPaused
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process lives in Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "minute", "holds"),
    [
        ("22:00-07:00", 22 * 60 - 1, False),
        ("22:00-07:00", 22 * 60, True),
        ("22:00-07:00", 0, True),
        ("22:00-07:00", 7 * 60 - 1, True),
        ("22:00-07:00", 7 * 60, False),
        ("9:30-17:15", 9 * 60 + 30, True),
        ("9:30-17:15", 17 * 60 + 15, False),
        ("9:30-17:15", 0, False),
        ("00:00-00:00", 0, False),
    ],
)
def test_quiet_hours_reach_from_one_minute_up_to_another(text: str, minute: int, *, holds: bool) -> None:
    """The first minute belongs to them and the last does not, also over midnight; the same minute twice is no time."""
    quiet = QuietHours.read(text)

    assert quiet is not None
    assert quiet.holds_at(minute) is holds


def test_no_setting_means_no_quiet_hours() -> None:
    """An empty setting names none."""
    assert QuietHours.read("") is None


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("day", "hours"),
    [((2026, 1, 15), 9), ((2026, 3, 28), 8), ((2026, 10, 24), 10)],
    ids=["usual", "spring", "autumn"],
)
def test_a_night_in_which_the_clock_is_changed_is_quiet_by_the_clock(day: tuple[int, int, int], hours: int) -> None:
    """From 22:00 to 07:00 on the wall: an hour less in spring, one more in autumn."""
    quiet = QuietHours.read("22:00-07:00")
    assert quiet is not None
    noon = datetime(*day, 12, tzinfo=BERLIN).timestamp()

    minutes = sum(quiet.holds_at(local_minute(noon + 60 * minute)) for minute in range(24 * 60))

    assert minutes == hours * 60


def test_all_agents_paused_is_silence_whatever_the_health_agent_does() -> None:
    """The agent that watches the program is not asked, and one that is not paused ends the silence."""
    snapshot = Snapshot(0)
    for name in (HEALTH, "tests:a", "audits"):
        snapshot = reduce(snapshot, AgentChanged(at=0, agent=name, state=AgentState.RUNNING))
    for name in ("tests:a", "audits"):
        assert not is_silent(snapshot, 0)
        snapshot = reduce(snapshot, AgentPaused(at=0, agent=name, until=None))

    assert is_silent(snapshot, 0)
