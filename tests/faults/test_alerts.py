"""Alerts whose way is down: what is sent late, what is never sent, and that nobody is told of the telling."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.alerts.flow import Alerts, Route
from app.alerts.joining import LINES
from app.alerts.outbox import Outbox, OutboxLimits
from app.alerts.policy import CAUSES_HELD, MOST, MOST_NEWS, Policy, Rules
from app.domain.agents import AgentState
from app.domain.alerts import Urgency
from app.domain.events import AgentChanged, ChannelChanged
from app.engine.bus import Bus
from tests.alerts.channels.farends import FarEnd, closed_port
from tests.faults.alertoutage import Service, alert, channel
from tests.faults.alertstorm import Storm

if TYPE_CHECKING:
    import random

    from app.alerts.occasions import Occasion
    from app.domain.events import Event
    from app.domain.health import ChannelView
    from tests.faults.conftest import Sound

HOUR, DAY = 3600.0, 24 * 3600.0
REPOSITORY = Path(__file__).parents[2]
A_LIFE = 10_000
"""Numbers that each life of a program has for its alerts."""
LIFE_POSTS = LINES // 2
"""Alerts that a life posts: on a busy machine none of them gets through before it is killed."""


class Simulated:
    """An outbox on a clock that a test moves, with real sockets and a real disk."""

    def __init__(self, folder: Path, clock: Any, url: str, chance: random.Random) -> None:
        self.clock = clock
        self.views: list[ChannelView] = []
        self._folder = folder
        self._url = url
        self._chance = chance
        self._box = self._made()

    def _made(self) -> Outbox:
        return Outbox(
            channel(self._url, wall=self.clock.wall),
            self._folder,
            publish=self._hear,
            clock=self.clock,
            new_id=lambda: uuid4().hex,
            chance=self._chance.uniform,
            limits=OutboxLimits(),
        )

    def _hear(self, event: Event) -> None:
        assert isinstance(event, ChannelChanged)
        self.views.append(event.channel)

    def post(self, number: int) -> None:
        self._box.post(alert(number, self.clock.wall()))

    async def start(self) -> None:
        await self._box.__aenter__()

    async def stop(self) -> None:
        await self._box.__aexit__(None, None, None)
        self._box = self._made()

    async def passes(self, seconds: float) -> None:
        """Let time pass, from one thing that is due to the next."""
        end = self.clock.monotonic() + seconds
        await self._at_rest()
        while (due := min(due for due, _, wake in self.clock._sleepers if not wake.done())) <= end:
            self.clock.advance(due - self.clock.monotonic())
            await self._at_rest()
        self.clock.advance(end - self.clock.monotonic())
        await self._at_rest()

    async def _at_rest(self) -> None:
        for _ in range(25):
            await asyncio.sleep(0)
        await self.clock.wait_for_sleepers()

    @property
    def waiting(self) -> int:
        return len(self._box._parcels)


def left_in(folder: Path) -> list[str]:
    """Return the alerts in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.name != "time.json")


async def day_of_failures(folder: Path, clock: Any, chance: random.Random, alerts: int) -> None:
    """Post alerts over a day, to a service that fails by chance, with restarts in between, and hold what is held."""
    service = Service(chance=chance)
    posted = 0
    with FarEnd(service.serve) as server:
        simulated = Simulated(folder, clock, f"http://127.0.0.1:{server.port}/", chance)
        await simulated.start()
        for _ in range(alerts):
            for _ in range(chance.choice((1, 1, 1, 2))):
                simulated.post(posted)
                posted += 1
            if chance.random() < 0.2:
                await asyncio.sleep(chance.uniform(0.0, 0.02))  # a stop in the middle of whatever is under way
                await simulated.stop()
                clock.advance(chance.uniform(1.0, HOUR))
                await simulated.start()
            await simulated.passes(chance.uniform(60.0, 2 * DAY / alerts))
        service.chance = None
        for _ in range(6):  # hours: on a busy machine one more answer may come too late
            if simulated.waiting:
                await simulated.passes(HOUR)
        left, dropped = simulated.waiting, max(view.dropped for view in simulated.views)
        await simulated.stop()

    assert (left, dropped) == (0, 0)
    service.require_each_once_in_order(posted)
    assert left_in(folder) == []


async def test_row_41_a_day_of_failures_loses_and_doubles_nothing(
    sound: Sound, tmp_path: Path, fake_clock: Any, chance: random.Random
) -> None:
    """A service that refuses, hangs, breaks off and asks to wait gets each alert in order, twice only as the same."""
    await day_of_failures(tmp_path / "webhook", fake_clock, chance, alerts=30)

    assert sound.is_lag_held


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_row_41_many_days_of_failures(tmp_path: Path, fake_clock: Any, chance: random.Random) -> None:
    """Likewise, many times."""
    for day in range(20):
        await day_of_failures(tmp_path / str(day), fake_clock, chance, alerts=60)


async def test_row_41_what_waited_for_a_day_is_given_up_and_counted(
    sound: Sound, tmp_path: Path, fake_clock: Any, chance: random.Random
) -> None:
    """With the service down for 30 h and a restart each 7 h, the last 24 h of alerts arrive and the rest is counted."""
    service = Service()
    dropped: list[int] = []
    simulated = Simulated(tmp_path / "webhook", fake_clock, f"http://127.0.0.1:{closed_port()}/", chance)
    await simulated.start()
    for number in range(15):
        simulated.post(number)
        await simulated.passes(2 * HOUR)
        if number % 4 == 3:
            dropped.append(simulated.views[-1].dropped)
            await simulated.stop()
            await simulated.start()
    dropped.append(simulated.views[-1].dropped)
    await simulated.stop()
    with FarEnd(service.serve) as server:
        again = Simulated(tmp_path / "webhook", fake_clock, f"http://127.0.0.1:{server.port}/", chance)
        await again.start()
        await again.passes(60)
        dropped.append(again.views[-1].dropped)
        await again.stop()

    [(_, numbers)] = service.taken
    assert sum(dropped) == numbers[0] in {3, 4}
    assert numbers == tuple(range(numbers[0], 15))
    assert sound.is_lag_held


async def test_row_41_a_channel_that_is_down_alerts_nobody_through_itself(
    sound: Sound, tmp_path: Path, fake_clock: Any, chance: random.Random
) -> None:
    """The desktop shows the alert at once, the channel keeps it, and its failing brings no further one onto it."""
    bus = Bus(fake_clock)
    shown: list[str] = []
    posted: list[str] = []
    simulated = Simulated(tmp_path / "webhook", fake_clock, f"http://127.0.0.1:{closed_port()}/", chance)
    simulated._hear = bus.publish  # type: ignore[method-assign] # what the house does
    simulated._box = simulated._made()
    rules = Rules(Urgency.NEWS, 900.0)

    def further(told: Occasion) -> None:
        posted.append(told.alert.title)
        simulated._box.post(told.alert)

    routes = [
        Route(Policy(), lambda: rules, lambda: None, further, lambda occasion: not occasion.is_local),
        Route(Policy(news_at_once=True), lambda: rules, lambda: None, lambda told: shown.append(told.alert.title)),
    ]
    async with Alerts(bus, fake_clock, routes):
        await simulated.start()
        bus.publish(AgentChanged(at=fake_clock.wall(), agent="tests:shop", state=AgentState.FAILED, reason="it raised"))
        at_once = list(shown)
        await simulated.passes(3 * HOUR)
        view = bus.snapshot.health.channels["webhook"]
        kept = left_in(tmp_path / "webhook")
        await simulated.stop()

    assert len(at_once) == 1
    assert "has failed" in at_once[0]
    assert view.waiting == 1
    assert view.reason
    assert kept == ["000000000001.json"]
    assert posted == at_once
    assert [title for title in shown if "webhook" in title.lower()]
    assert sound.is_lag_held


def killed_again_and_again(folder: Path, chance: random.Random, kills: int) -> None:
    """Kill a program with an outbox at any moment, as often as said, and hold what is held."""
    service = Service()
    kept: list[int] = []
    with FarEnd(service.serve) as server:
        for life in range(kills):
            kept += _one_life(folder, server.port, A_LIFE * life, chance)
            if len(left_in(folder)) > LINES - LIFE_POSTS:  # more than the next message could name
                _one_quiet_life(folder, server.port)
        _one_quiet_life(folder, server.port)

    messages = dict(service.taken)
    assert all(messages[name] == numbers for name, numbers in service.taken), "the same id on another message"
    came = [number for numbers in messages.values() for number in numbers]
    assert came == sorted(set(came)), "an alert in two messages, or out of order"
    assert set(kept) <= set(came)
    assert left_in(folder) == []


def _one_life(folder: Path, port: int, first: int, chance: random.Random) -> list[int]:
    """Let the program post from this number on, kill it, and return the numbers that it said to be on disk."""
    command = _command(folder, port, first, LIFE_POSTS)
    program = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    said = [program.stdout.readline() for _ in range(chance.randint(1, LIFE_POSTS))]
    threading.Event().wait(chance.uniform(0.0, 0.01))
    os.kill(program.pid, signal.SIGKILL)
    rest, _ = program.communicate(timeout=30)
    return [int(line.split()[1]) for line in (*said, *rest.splitlines())]


def _one_quiet_life(folder: Path, port: int) -> None:
    """Let the program send all that waits, and end."""
    subprocess.run(_command(folder, port, 0, 0), cwd=REPOSITORY, timeout=30, check=True)


def _command(folder: Path, port: int, first: int, count: int) -> list[str]:
    words = [sys.executable, "-m", "tests.faults.alertoutage", str(folder), f"http://127.0.0.1:{port}/"]
    return [*words, str(first), str(count)]


@pytest.mark.usefixtures("tidy")
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_row_41_killed_at_any_moment_it_sends_what_waited(tmp_path: Path, chance: random.Random) -> None:
    """SIGKILL in the middle of anything: what was written arrives, and what comes twice is the very same message."""
    killed_again_and_again(tmp_path / "webhook", chance, kills=3)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_row_41_killed_a_hundred_times(tmp_path: Path, chance: random.Random) -> None:
    """Likewise, a hundred times."""
    killed_again_and_again(tmp_path / "webhook", chance, kills=100)


async def test_row_42_a_storm_is_grouped(fake_clock: Any, chance: random.Random, sound: Sound) -> None:
    """10,000 alerts in a minute are a handful of messages, memory stays bounded, and what is red is told in the end."""
    del sound
    storm = Storm(fake_clock, chance)

    async with storm.alerts:
        await storm.blow(10_000, seconds=60)
        in_the_minute = len(storm.sent), len(storm.shown)
        held = storm.channel.held, storm.desktop.held
        await fake_clock.pass_time(61)
        after_it = len(storm.sent), len(storm.shown)
        storm.end()
        await fake_clock.pass_time(3600)

    assert in_the_minute[0] <= 2 * MOST
    assert in_the_minute[1] <= 2 * (MOST + MOST_NEWS)
    assert max(held) <= CAUSES_HELD
    assert storm.channel.held == storm.desktop.held == 0
    assert len(storm.sent) <= 4 * MOST
    for told, before, after in zip((storm.sent, storm.shown), in_the_minute, after_it, strict=True):
        assert any(each.title.endswith(" more") for each in told[before:after])
    for told, after in zip((storm.sent, storm.shown), after_it, strict=True):
        assert any("test_it went red" in f"{each.title}\n{each.body}" for each in told[after:])
