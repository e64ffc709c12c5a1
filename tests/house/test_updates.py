"""The search for newer releases, put together as in the house."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.settings_in_force import SettingsInForce
from app.domain import commands
from app.domain.errors import CommandRefused
from app.engine.places import Places
from app.engine.supervisor import Supervisor
from app.house.ground import Ground, ground
from app.house.updates import updates
from app.system.installed import Channel, Feed, Installation
from tests.agents.updates.site import Site, public
from tests.alerts.channels.farends import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

LONG_S = 20.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A place where releases are announced."""
    with Site(authority=Authority(tmp_path), now=time.time()) as made:
        yield made


@asynccontextmanager
async def housed(
    home: Path, installed: Installation, *, site: Site | None = None, started: list[Path] | None = None
) -> AsyncIterator[tuple[Ground, SettingsInForce]]:
    places = Places.find({"WATCHKEEPER_HOME": str(home)})
    places.create()
    with ground(places) as on:
        in_force = SettingsInForce(places)
        options: dict[str, Any] = {"start": (started if started is not None else []).append, "follow_every_s": 0.02}
        if site is not None:
            options["trust"] = site.authority.trusting
        async with (
            Supervisor(on.bus, on.clock, limits=on.limits) as supervisor,
            updates(on, in_force, supervisor, installed=lambda: installed, **options),
        ):
            yield on, in_force


async def until(on: Ground, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        async for _ in on.bus.snapshots(0.01):
            if holds():
                return


async def test_a_package_that_names_no_feed_has_nothing_of_it(tmp_path: Path) -> None:
    """No agent, no line, and nobody answers."""
    async with housed(tmp_path / "home", Installation(Channel.SETUP)) as (on, _):
        with pytest.raises(CommandRefused):
            await on.bus.send(commands.CheckUpdates())

        assert not on.bus.snapshot.updates.offered
        assert "updates" not in on.bus.snapshot.agents


async def test_what_faces_ask_for_is_done(tmp_path: Path, site: Site) -> None:
    """Asked, fetched, and started by a click; the agent is there once the person wants it, and the file says so."""
    site.release("99.0.0")
    installed = Installation(Channel.SETUP, feed=Feed(site.url, (public(site.key),)))
    started: list[Path] = []
    async with housed(tmp_path / "home", installed, site=site, started=started) as (on, in_force):
        await until(on, lambda: on.bus.snapshot.updates.offered)
        agents_while_off = list(on.bus.snapshot.agents)
        await on.bus.send(commands.CheckUpdates())
        await on.bus.send(commands.DownloadUpdate())
        await on.bus.send(commands.InstallUpdate())
        await on.bus.send(commands.SkipUpdate(version="99.0.0"))
        (tmp_path / "home" / "settings" / "settings.toml").write_text("[updates]\nenabled = true\n")
        await asyncio.to_thread(in_force.general)
        await until(on, lambda: on.bus.snapshot.updates.is_on and "updates" in on.bus.snapshot.agents)

        view = on.bus.snapshot.updates
        assert agents_while_off == []
        assert [str(each) for each in started] == [view.ready]
        assert view.shown is None
