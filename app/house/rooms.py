"""Everything but the faces, built from the ground floor up."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from app.domain.errors import BridgeError, ProjectError
from app.domain.events import LoopLagged
from app.house.metrics import metrics
from app.house.updates import updates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.agents.settings import Settings
    from app.agents.settings_in_force import SettingsInForce
    from app.domain.health import Lateness
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.notices import Notices
    from app.engine.places import Places
    from app.house.ground import Ground
    from app.keys.manager import KeyManager

SETTINGS_EVERY_S = 2.0
"""How often the settings file's time and size are looked at."""


@dataclass(frozen=True, slots=True)
class House:
    """What the faces need of the house: the settings as they were at the start and as they are, notices, the vault."""

    settings: Settings
    in_force: SettingsInForce
    notices: Notices
    keys: KeyManager


@asynccontextmanager
async def house(ground: Ground, folders: tuple[Path, ...], *, attended: bool) -> AsyncIterator[House]:
    """Build everything but the faces, from the ground floor up, and take it down in reverse.

    Yields what the faces need of it.

    Args:
        ground: What it stands on.
        folders: The projects to watch, checked; none for those of the settings.
        attended: Whether a person is there whom the system may ask for its keychain's password.
    """
    from app.agents.auditing.ownfiles import OWN_FILES
    from app.agents.settings_in_force import SettingsInForce
    from app.agents.testing.agent import TestWatcher
    from app.agents.testing.projects import Projects
    from app.control.server import ControlServer
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.eventlog import log_event
    from app.engine.heartbeat import HeartbeatFile
    from app.engine.looplag import LoopLag
    from app.engine.notices import Notices
    from app.engine.processes import ProcessRunner
    from app.engine.supervisor import Supervisor
    from app.engine.tasks import spawn
    from app.house.analysis import analysis
    from app.house.auditing import audits
    from app.house.health import health
    from app.house.history import kept_history, remembered
    from app.house.keys import key_rotation, vault
    from app.system.power import on_battery

    places, clock, bus, limits = ground.places, ground.clock, ground.bus, ground.limits
    in_force = await asyncio.to_thread(SettingsInForce, places)
    settings = in_force.current
    async with AsyncExitStack() as stack:
        stack.enter_context(ground.shutdown)
        notices = Notices(bus.publish, clock)
        following = spawn(_follow_settings(ground, in_force, notices), name="settings")
        stack.callback(following.cancel)
        await asyncio.to_thread(_tidy, places, clock.wall())
        bridge = await stack.enter_async_context(
            SafeAsyncBridge(asyncio.get_running_loop(), drain_s=limits.bridge_drain_s, cancel_s=limits.bridge_cancel_s)
        )
        lag = await stack.enter_async_context(
            LoopLag(
                clock,
                lambda late_s, where, kind: _tell_lag(ground, bridge, late_s, where, kind),
                on_stuck=ground.life.end_stuck,
                stall_s=limits.stall_s,
                stuck_s=limits.stuck_s,
            )
        )
        history = await stack.enter_async_context(kept_history(ground, settings, notices))
        stack.callback(bus.subscribe(log_event))
        _answer_readers(stack, ground)
        heartbeats = HeartbeatFile(places.runtime / "heartbeats.json", deadline_s=limits.heartbeat_s)
        supervisor = await stack.enter_async_context(
            Supervisor(bus, clock, heartbeats=heartbeats, limits=limits, held=ground.life.held)
        )
        await stack.enter_async_context(health(ground, bridge, lag, supervisor))
        await stack.enter_async_context(metrics(ground, in_force, notices, bridge=bridge, history=history))
        runner = ProcessRunner(clock=clock)

        keys = vault(ground, in_force, notices, attended=attended)
        stack.push_async_callback(keys.aclose)
        stack.enter_context(key_rotation(ground, in_force, keys, supervisor))
        adviser = await stack.enter_async_context(
            analysis(ground, in_force, history=history, keys=keys, runner=runner, supervisor=supervisor)
        )
        await stack.enter_async_context(audits(ground, in_force, supervisor, adviser, keys))
        await stack.enter_async_context(updates(ground, in_force, supervisor))

        def make(root: Path, title: str) -> TestWatcher:
            return TestWatcher(
                root,
                title=title,
                settings=lambda: in_force.of_project(root),
                remember=lambda project: remembered(history, project),
                publish=bus.publish,
                bridge=bridge,
                clock=clock,
                runner=runner,
                environ=os.environ,
                new_id=lambda: uuid4().hex,
                cache=places.cache,
                on_battery=on_battery,
                no_source=OWN_FILES,
            )

        projects = stack.enter_context(Projects(bus, supervisor, make))
        for folder in folders or await asyncio.to_thread(_configured, settings, bridge, notices):
            projects.watch(folder)
        await stack.enter_async_context(ControlServer(places, bus.send))
        yield House(settings, in_force, notices, keys)


def _answer_readers(stack: AsyncExitStack, ground: Ground) -> None:
    """Answer who asks for the state or the log, for as long as the stack lasts."""
    from app.domain.commands import ReadLogs, ReadStatus
    from app.house.bundle import answer_bundles

    stack.callback(answer_bundles(ground))
    stack.callback(ground.bus.handle(ReadStatus, lambda _asked: ground.bus.snapshot))
    stack.callback(ground.bus.handle(ReadLogs, lambda asked: ground.ring.after(asked.after, asked.limit)))


def _tidy(places: Places, now: float) -> None:
    """Remove what an earlier life left behind, and what is too old to be of use."""
    from app.agents.testing.afterwards.lastgreen import drop_stale
    from app.engine.files import sweep_temporaries

    for folder in places.all():
        sweep_temporaries(folder)
    drop_stale(places.cache / "green", now=now)


async def _follow_settings(ground: Ground, in_force: SettingsInForce, notices: Notices) -> None:
    """Look at the settings file now and then, so that its mistakes come and go, and the log level changes, unasked."""
    while True:
        settings, trouble = await asyncio.to_thread(in_force.general)
        ground.log.set_level(settings.log.level)
        notices.show("settings", *trouble)
        await ground.clock.sleep(SETTINGS_EVERY_S)


def _configured(settings: Settings, bridge: SafeAsyncBridge, notices: Notices) -> tuple[Path, ...]:
    """Return the folders that the settings name and that can be watched; the others are told of. Called in a thread."""
    from app.agents.testing.projects import check_folder

    folders = []
    for path in settings.projects:
        try:
            folders.append(check_folder(path))
        except ProjectError as error:
            bridge.submit(notices.show, f"project:{path}", error.message, error.hint)
    return tuple(folders)


def _tell_lag(ground: Ground, bridge: SafeAsyncBridge, lag_s: float, where: str, kind: Lateness) -> None:
    """Tell of a late loop, from the watchdog's thread: the loop hears of it when it runs again."""
    lagged = LoopLagged(at=ground.clock.wall(), lag_s=lag_s, where=where, kind=kind)
    with suppress(BridgeError):
        bridge.submit(ground.bus.publish, lagged)
