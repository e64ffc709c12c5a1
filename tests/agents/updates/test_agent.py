"""The agent of updates: it asks when a person wants that, once a day, and nobody otherwise."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.updates.agent import FIRST_AFTER_S, JITTER, LOOK_EVERY_S, UpdateAgent
from app.agents.updates.settings import UpdateSettings
from app.engine.bus import Bus
from app.engine.heartbeat import Pulse
from tests.agents.updates.site import DAY_S, looking
from tests.alerts.channels.farends import answer
from tests.conftest import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.agents.updates.site import Looking, Site

FEED = "/feed.json"


@dataclass
class Watch:
    """An agent at work, what it asks by, and what a test may turn."""

    here: Looking
    clock: Any
    pulse: Pulse
    settings: UpdateSettings = field(default_factory=lambda: UpdateSettings(enabled=True))
    is_online: bool | None = None

    async def later(self, seconds: float) -> None:
        """Let time pass, and each question that is asked meanwhile come to its end."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            await self.clock.pass_time(min(LOOK_EVERY_S, end - self.clock.monotonic()))
            await self.rests()

    async def rests(self) -> None:
        """Wait until the agent rests again."""
        async with asyncio.timeout(20):
            while self.clock.sleeping < 2:  # noqa: ASYNC110 - its rest and its beat while it rests
                await asyncio.sleep(0.005)
        await settle()


@asynccontextmanager
async def watching(site: Site, home: Path, clock: Any, *, late: float = 0.0) -> AsyncIterator[Watch]:
    """The agent, until the block is left; it is late by this share of the whole jitter."""
    here = looking(site, home, clock)
    await here.updates.load()
    pulse = Pulse("updates", Bus(clock), clock, beat_every_s=LOOK_EVERY_S, on_health=lambda _reason: None)
    watch = Watch(here, clock, pulse)
    agent = UpdateAgent(
        here.updates,
        settings=lambda: watch.settings,
        is_online=lambda: watch.is_online,
        clock=clock,
        chance=lambda low, high: low + late * (high - low),
    )
    task = asyncio.create_task(agent.run(pulse))
    try:
        await watch.rests()
        yield watch
    finally:
        pulse.stopping.set()
        await asyncio.wait_for(task, 20)


async def test_nobody_is_asked_while_it_is_off(site: Site, home: Path, fake_clock: Any) -> None:
    """Not in two days; and soon after it was switched on."""
    async with watching(site, home, fake_clock) as watch:
        watch.settings = UpdateSettings()
        await watch.later(2 * DAY_S)
        off = list(site.paths)
        watch.settings = UpdateSettings(enabled=True)
        await watch.later(LOOK_EVERY_S)

        assert off == []
        assert site.paths[:1] == [FEED]


async def test_it_is_asked_once_a_day(site: Site, home: Path, fake_clock: Any) -> None:
    """A minute after the start, and then not before a day is over."""
    site.release("1.1.0")
    async with watching(site, home, fake_clock) as watch:
        await watch.later(FIRST_AFTER_S - 1)
        before = list(site.paths)
        await watch.later(2)
        first = site.paths.count(FEED)
        await watch.later(DAY_S - LOOK_EVERY_S)
        within = site.paths.count(FEED)
        await watch.later(3 * LOOK_EVERY_S)

        assert (before, first, within, site.paths.count(FEED)) == ([], 1, 1, 2)
        assert watch.here.found == ["1.1.0"]


async def test_not_all_ask_in_the_same_minute(site: Site, home: Path, fake_clock: Any) -> None:
    """It waits longer by up to a tenth, at random."""
    async with watching(site, home, fake_clock, late=1.0) as watch:
        await watch.later(2 * LOOK_EVERY_S)
        await watch.later(DAY_S * (1 + JITTER) - 3 * LOOK_EVERY_S)
        within = site.paths.count(FEED)
        await watch.later(3 * LOOK_EVERY_S)

        assert (within, site.paths.count(FEED)) == (1, 2)


async def test_a_program_that_is_started_again_asks_no_sooner(site: Site, home: Path, fake_clock: Any) -> None:
    """When it was last asked is remembered."""
    async with watching(site, home, fake_clock) as watch:
        await watch.later(2 * LOOK_EVERY_S)
    fake_clock.advance(DAY_S / 2)
    async with watching(site, home, fake_clock) as watch:
        await watch.later(2 * LOOK_EVERY_S)
        soon = site.paths.count(FEED)
        await watch.later(DAY_S / 2)

        assert (soon, site.paths.count(FEED)) == (1, 2)


async def test_a_question_without_an_answer_is_asked_at_the_next_time(site: Site, home: Path, fake_clock: Any) -> None:
    """It is told to nobody, and the server is left alone until then."""
    site.special[FEED] = [answer(503)]
    async with watching(site, home, fake_clock) as watch:
        await watch.later(DAY_S - LOOK_EVERY_S)
        within = site.paths.count(FEED)
        await watch.later(3 * LOOK_EVERY_S)

        assert (within, site.paths.count(FEED)) == (1, 2)
        assert watch.here.refusals == []


@pytest.mark.parametrize("why", ["offline", "paused"])
async def test_what_is_due_waits_until_it_can_be_asked(site: Site, home: Path, fake_clock: Any, why: str) -> None:
    """Without a way into the network, and while a person wants nothing begun; then it is asked at once."""
    async with watching(site, home, fake_clock) as watch:
        if why == "offline":
            watch.is_online = False
        else:
            watch.pulse.pause()
        await watch.later(DAY_S / 2)
        meanwhile = list(site.paths)
        watch.is_online = True
        watch.pulse.resume()
        await watch.later(LOOK_EVERY_S)

        assert (meanwhile, site.paths.count(FEED)) == ([], 1)


async def test_a_clock_that_was_set_back_keeps_nobody_from_asking(site: Site, home: Path, fake_clock: Any) -> None:
    """Not for years, and one that is set back again and again has nobody asked more often than once in an hour."""
    async with watching(site, home, fake_clock) as watch:
        for _ in range(3):
            await watch.later(LOOK_EVERY_S)
            fake_clock.set_wall(fake_clock.wall() - 400 * DAY_S)
        within_an_hour = site.paths.count(FEED)
        await watch.later(DAY_S / 2)

        assert (within_an_hour, site.paths.count(FEED)) == (1, 2)
