"""The composition root: the only place where everything is constructed, and that knows the engine and Qt both.

What has a lifetime is entered in order, and so left in reverse. What a start does not need is imported late.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from app.domain.commands import RaiseWindow
from app.domain.errors import BridgeError, CommandRefused, ProjectError
from app.domain.events import LoopLagged
from app.domain.verdicts import Verdict
from app.engine.workers import plain_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.agents.settings import Settings
    from app.agents.settings_in_force import SettingsInForce
    from app.agents.testing.agent import Remembered
    from app.cli.launchers import TrayOptions
    from app.domain.snapshot import Mood
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.bus import Bus
    from app.engine.clock import Clock
    from app.engine.limits import Limits
    from app.engine.logs import Logging, LogRing
    from app.engine.notices import Notices
    from app.engine.places import Places
    from app.engine.shutdown import Shutdown
    from app.engine.supervisor import Supervisor
    from app.keys.manager import KeyManager
    from app.store.history import History
    from app.ui.desk import Desk

_log = structlog.get_logger(__name__)

SETTINGS_EVERY_S = 2.0
"""How often the settings file's time and size are looked at."""

LAST_RUNS = 50
"""A red test that ended in none of them was told long ago; nothing is lost by telling it once more."""

HISTORY_S = 5.0
"""A history that does not answer by then is not waited for: the watch begins without what it remembers."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What stands before anything else does, and after everything else is gone."""

    places: Places
    clock: Clock
    bus: Bus
    ring: LogRing
    log: Logging
    limits: Limits
    shutdown: Shutdown


@dataclass(frozen=True, slots=True)
class House:
    """What the faces need of the house: the settings as they were at the start, and the vault."""

    settings: Settings
    keys: KeyManager


@contextmanager
def _ground(places: Places) -> Iterator[Ground]:
    from app.engine import logs
    from app.engine.bus import Bus
    from app.engine.clock import SystemClock
    from app.engine.limits import Limits
    from app.engine.shutdown import Shutdown
    from app.store.location import secrets_of

    clock, ring, limits = SystemClock(), logs.LogRing(), Limits()
    bus = Bus(clock)
    with logs.configure(places, "info", ring=ring) as log:
        url = os.environ.get("DATABASE_URL", "")
        for secret in (url, *secrets_of(url)):
            log.redactor.register(secret)
        shutdown = Shutdown(bus, clock, limits)
        try:
            yield Ground(places, clock, bus, ring, log, limits, shutdown)
        finally:
            shutdown.disarm()


@asynccontextmanager
async def _house(ground: Ground, folders: tuple[Path, ...], *, attended: bool) -> AsyncIterator[House]:
    """Build everything but the faces, from the ground floor up, and take it down in reverse.

    Yields what the faces need of it.

    Args:
        ground: What it stands on.
        folders: The projects to watch, checked; none for those of the settings.
        attended: Whether a person is there whom the system may ask for its keychain's password.
    """
    from app.agents.settings_in_force import SettingsInForce
    from app.agents.testing.afterwards.lastgreen import drop_stale
    from app.agents.testing.agent import TestWatcher
    from app.agents.testing.projects import Projects
    from app.control.server import ControlServer
    from app.domain.commands import ReadLogs, ReadRuns, ReadStatus, ReadTest
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.eventlog import log_event
    from app.engine.files import sweep_temporaries
    from app.engine.heartbeat import HeartbeatFile
    from app.engine.looplag import LoopLag
    from app.engine.notices import Notices
    from app.engine.processes import ProcessRunner
    from app.engine.supervisor import Supervisor
    from app.engine.tasks import spawn
    from app.store.history import History
    from app.store.location import history_url
    from app.system.power import on_battery

    places, clock, bus, limits = ground.places, ground.clock, ground.bus, ground.limits
    in_force = await asyncio.to_thread(SettingsInForce, places)
    settings = in_force.at_start
    async with AsyncExitStack() as stack:
        stack.enter_context(ground.shutdown)
        notices = Notices(bus.publish, clock)
        notices.show("log", ground.log.trouble)
        following = spawn(_follow_settings(ground, in_force, notices), name="settings")
        stack.callback(following.cancel)
        for folder in places.all():
            await asyncio.to_thread(sweep_temporaries, folder)
        await asyncio.to_thread(drop_stale, places.cache / "green", now=clock.wall())
        bridge = await stack.enter_async_context(
            SafeAsyncBridge(asyncio.get_running_loop(), drain_s=limits.bridge_drain_s, cancel_s=limits.bridge_cancel_s)
        )
        await stack.enter_async_context(LoopLag(clock, lambda lag, where: _tell_lag(bridge, bus, clock, lag, where)))
        history = await stack.enter_async_context(
            History(
                history_url(os.environ, places.data),
                backup_folder=places.data / "backups",
                clock=clock,
                on_trouble=lambda text, hint: notices.show("history", text, hint),
                keep_runs=settings.history.keep_runs,
                close_s=limits.history_close_s,
            )
        )
        stack.callback(bus.subscribe(lambda event, _snapshot: history.record(event)))
        stack.callback(bus.subscribe(log_event))
        stack.callback(bus.handle(ReadStatus, lambda _asked: bus.snapshot))
        stack.callback(bus.handle(ReadTest, lambda asked: history.test(asked.project, asked.nodeid)))
        stack.callback(bus.handle(ReadRuns, lambda asked: history.runs(asked.project, asked.limit)))
        stack.callback(bus.handle(ReadLogs, lambda asked: ground.ring.after(asked.after, asked.limit)))
        heartbeats = HeartbeatFile(places.runtime / "heartbeats.json", deadline_s=limits.heartbeat_s)
        supervisor = await stack.enter_async_context(Supervisor(bus, clock, heartbeats=heartbeats, limits=limits))
        runner = ProcessRunner(clock=clock)

        keys = _keys(ground, in_force, notices, attended=attended)
        stack.push_async_callback(keys.aclose)
        stack.enter_context(_key_rotation(ground, in_force, keys, supervisor))

        def make(root: Path, title: str) -> TestWatcher:
            return TestWatcher(
                root,
                title=title,
                settings=lambda: in_force.of_project(root),
                remember=lambda project: _remembered(history, project),
                publish=bus.publish,
                bridge=bridge,
                clock=clock,
                runner=runner,
                environ=os.environ,
                new_id=lambda: uuid4().hex,
                cache=places.cache,
                on_battery=on_battery,
            )

        projects = stack.enter_context(Projects(bus, supervisor, make))
        for folder in folders or await asyncio.to_thread(_configured, settings, bridge, notices):
            projects.watch(folder)
        await stack.enter_async_context(ControlServer(places, bus.send))
        yield House(settings, keys)


def _keys(ground: Ground, in_force: SettingsInForce, notices: Notices, *, attended: bool) -> KeyManager:
    """Return the vault; servers that the settings name wrongly are told of, and left out."""
    from app.domain.errors import SettingsError
    from app.keys.manager import KeyManager
    from app.keys.usual import usual_vault

    try:
        servers = in_force.at_start.keys.servers(os.environ).slots()
    except SettingsError as error:
        notices.show("key-servers", error.message, error.hint)
        servers = ()
    return KeyManager(
        usual_vault(ground.places.keys, ground.clock, program="watchkeeper", with_person=attended, servers=servers),
        publish=ground.bus.publish,
        clock=ground.clock,
        redactor=ground.log.redactor,
        rotate_days=lambda: in_force.at_start.keys.rotate_days,
    )


def _key_rotation(
    ground: Ground, in_force: SettingsInForce, keys: KeyManager, supervisor: Supervisor
) -> AbstractContextManager[object]:
    """Have an agent look after the vault, and answer what faces ask of it until what is returned is left."""
    from app.agents.keyrotation.agent import KeyRotation
    from app.agents.keyrotation.answers import answer

    bus, clock = ground.bus, ground.clock
    supervisor.add(KeyRotation(keys, settings=lambda: in_force.at_start.keys, publish=bus.publish, clock=clock))
    return answer(bus, keys)


async def _remembered(history: History, project: str) -> Remembered:
    """Return what history remembers. One that is out of reach, or odd, has said so itself, and delays nothing."""
    from app.agents.testing.agent import Remembered

    try:
        async with asyncio.timeout(HISTORY_S):
            tests = await history.known_tests(project)
            runs = await history.runs(project, LAST_RUNS)
    except Exception as error:  # noqa: BLE001 - whatever it is, the watch goes on without memory
        _log.warning("the history is not used for this start", project=project, reason=repr(error))
        return Remembered()
    ended = [run for run in runs if run.verdict is not None and run.verdict is not Verdict.CANCELLED]
    told = {run.run_id for run in ended}
    trouble = ended[0].verdict if ended and ended[0].verdict and ended[0].verdict.is_trouble else None
    return Remembered(tests, frozenset(test.nodeid for test in tests if test.run_id in told), trouble)


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


def _tell_lag(bridge: SafeAsyncBridge, bus: Bus, clock: Clock, lag_s: float, where: str) -> None:
    """Tell of a stall, from the watchdog's thread: the loop hears of it when it runs again."""
    with suppress(BridgeError):
        bridge.submit(bus.publish, LoopLagged(at=clock.wall(), lag_s=lag_s, where=where))


def watch_in_terminal(places: Places, folders: tuple[Path, ...], *, as_json: bool) -> int:
    """Watch in the terminal until told to stop, and return the exit code."""
    from app.cli.live import LiveReport
    from app.cli.terminal import Terminal

    async def live(ground: Ground) -> int:
        async with _house(ground, folders, attended=False):
            with_no_window = ground.bus.handle(RaiseWindow, _refuse_window)
            await ground.shutdown.wait()
            with_no_window()
        return 0

    report = LiveReport(Terminal(sys.stdout, sys.stderr, os.environ), as_json=as_json)
    with _ground(places) as ground, asyncio.Runner(loop_factory=plain_loop) as runner:
        ground.bus.subscribe(report)
        return runner.run(live(ground))


def _refuse_window(_command: RaiseWindow) -> None:
    raise CommandRefused("Watchkeeper runs in a terminal here, without a window.", "See it with: watchkeeper status")


def watch_in_tray(places: Places, folders: tuple[Path, ...], options: TrayOptions) -> int:
    """Watch in the tray until told to stop, and return the exit code."""
    from PySide6.QtWidgets import QApplication

    from app.ui.loop import run
    from app.ui.qtlog import qt_messages_logged

    app = QApplication(["watchkeeper"])
    app.setApplicationName("watchkeeper")
    app.setApplicationDisplayName("Watchkeeper")
    app.setDesktopFileName("watchkeeper")
    with _ground(places) as ground, qt_messages_logged():
        return run(lambda: _live_in_tray(ground, folders, options), app)


async def _live_in_tray(ground: Ground, folders: tuple[Path, ...], options: TrayOptions) -> int:
    from app.ui.desk import Desk

    async with Desk(ground.bus, ground.clock) as desk:
        if options.window:
            desk.open_window()
        async with (
            _house(ground, folders, attended=True) as house,
            _copying(ground, house.keys),
            _alerts(ground, house.settings, desk),
        ):
            await ground.shutdown.wait()
    return 0


@asynccontextmanager
async def _copying(ground: Ground, keys: KeyManager) -> AsyncIterator[None]:
    """Let secrets be copied into the desktop's clipboard, from which they are cleared in time."""
    from app.domain.commands import CopySecret
    from app.ui.clipboard import Clipboard

    async with Clipboard(ground.clock) as clipboard:

        async def copy(asked: CopySecret) -> float:
            return clipboard.put(await keys.copied(asked.name))

        stop = ground.bus.handle(CopySecret, copy)
        try:
            yield
        finally:
            stop()


@asynccontextmanager
async def _alerts(ground: Ground, settings: Settings, desk: Desk) -> AsyncIterator[None]:
    from app.alerts.desktop import TOLD_MOODS, DesktopAlerts
    from app.engine.files import write_atomic
    from app.system.notifications import BalloonNotifier, DesktopNotifierAdapter

    if not settings.notifications.enabled:
        yield
        return
    icons: dict[Mood | None, Path] = {}
    for mood in (None, *TOLD_MOODS):
        path = ground.places.cache / f"icon-{mood or 'app'}.png"
        with suppress(OSError):  # a full disk: notifications go without
            await asyncio.to_thread(write_atomic, path, desk.icon_png(mood), sync=False)
            icons[mood] = path
    notifiers = (DesktopNotifierAdapter(icons.get(None)), BalloonNotifier(desk.balloon))
    try:
        snooze_s = settings.notifications.snooze_minutes * 60
        async with DesktopAlerts(
            ground.bus,
            notifiers,
            ground.clock,
            snooze_s=snooze_s,
            icons=icons,
            redact=ground.log.redactor.redact,
        ):
            yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(ground.limits.alerts_close_s):
                for notifier in notifiers:
                    await notifier.aclose()
