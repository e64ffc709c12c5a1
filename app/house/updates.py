"""The search for newer releases, in the program that runs and for a single command."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from app.engine.tasks import spawn

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.agents.settings_in_force import SettingsInForce
    from app.agents.updates.updates import Updates
    from app.engine.supervisor import Supervisor
    from app.house.ground import Ground
    from app.system.installed import Installation

FOLLOW_EVERY_S = 2.0
"""How often it is looked whether the person has switched it on or off."""


@asynccontextmanager
async def updates(
    ground: Ground,
    in_force: SettingsInForce,
    supervisor: Supervisor,
    *,
    installed: Callable[[], Installation] | None = None,
    trust: Callable[[], ssl.SSLContext] | None = None,
    start: Callable[[Path], None] | None = None,
    follow_every_s: float = FOLLOW_EVERY_S,
) -> AsyncIterator[None]:
    """Look for newer releases, where the package that brought this program says where; else there is nothing of it.

    Args:
        ground: What the house stands on.
        in_force: The settings; they are followed.
        supervisor: Who keeps the agent alive, which is there from when the person first wants it.
        installed: Gives how the program got here; by default what its package says. Called in a thread.
        trust: Makes the context that certificates are checked with; by default the system's store.
        start: Starts a setup program; by default as the system does.
        follow_every_s: How often the settings are looked at.
    """
    from app.system.installed import installation

    found = await asyncio.to_thread(installed or installation)
    made = _made(ground, in_force, found, trust, start)
    if made is None:
        yield
        return
    with ExitStack() as stack:
        _answer(stack, ground, made)
        following = spawn(_follow(ground, in_force, supervisor, made, follow_every_s), name="updates")
        stack.callback(following.cancel)
        yield


def _made(
    ground: Ground,
    in_force: SettingsInForce,
    installed: Installation,
    trust: Callable[[], ssl.SSLContext] | None,
    start: Callable[[Path], None] | None,
) -> Updates | None:
    """Return what looks for releases; None where nobody says where they are announced."""
    if installed.feed is None:
        return None
    from app import __version__
    from app.agents.updates.asking import FeedClient
    from app.agents.updates.memory import Memory
    from app.agents.updates.updates import Mine, Updates
    from app.system.setup import start_setup
    from app.system.trust import system_trust

    return Updates(
        Mine(__version__, installed.channel, installed.feed, notes_language(), installed.program),
        FeedClient(trust or system_trust),
        Memory(ground.places),
        ground.clock,
        publish=ground.bus.publish,
        is_on=lambda: in_force.current.updates.enabled,
        start=start or start_setup,
    )


def notes_language() -> str:
    """Return in which language the person reads what is new: `ru` where the system is Russian, else `en`."""
    from app.agents.analysis.language import language_of

    return "ru" if language_of("", os.environ) == "Russian" else "en"


def _answer(stack: ExitStack, ground: Ground, made: Updates) -> None:
    from app.domain import commands

    bus = ground.bus
    stack.callback(bus.handle(commands.CheckUpdates, lambda _asked: made.check()))
    stack.callback(bus.handle(commands.DownloadUpdate, lambda _asked: made.download()))
    stack.callback(bus.handle(commands.InstallUpdate, lambda _asked: made.install()))
    stack.callback(bus.handle(commands.SkipUpdate, lambda asked: made.skip(asked.version)))


async def _follow(
    ground: Ground, in_force: SettingsInForce, supervisor: Supervisor, made: Updates, every_s: float
) -> None:
    """Take up what is known, and have the agent from when the person first wants it."""
    from app.agents.updates.agent import UpdateAgent

    await made.load()
    is_there = False
    while True:
        made.follow()
        if in_force.current.updates.enabled and not is_there:
            is_there = True
            agent = UpdateAgent(
                made,
                settings=lambda: in_force.current.updates,
                is_online=lambda: ground.bus.snapshot.health.is_online,
                clock=ground.clock,
                chance=random.uniform,
            )
            supervisor.add(agent)
        await ground.clock.sleep(every_s)
