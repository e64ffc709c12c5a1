"""The wizard: it asks for a project at the first start, and for one more when wanted; what it asks is answered here."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import CommandRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.agents.settings_in_force import SettingsInForce
    from app.domain import commands
    from app.domain.commands import AskForProject
    from app.domain.firststart import LoginStart
    from app.engine.bus import Bus
    from app.engine.places import Places
    from app.engine.statefile import StateFile
    from app.house.ground import Ground
    from app.house.rooms import House
    from app.system.autostart.autostart import Autostart
    from app.ui.desk import Desk
    from app.ui.wizard.wizard import Wizard

_log = structlog.get_logger(__name__)

SCHEMA: Final = 1


@asynccontextmanager
async def first_start(on: Ground, built: House, desk: Desk, folders: tuple[Path, ...]) -> AsyncIterator[None]:
    """Show the wizard where this is a first start, and its first step when a project is to be added.

    To be entered when the house stands.

    Args:
        on: What the house stands on.
        built: The house.
        desk: Where the wizard is put.
        folders: The projects that were named at the start.
    """
    from app.domain.commands import AskForProject

    async with AsyncExitStack() as stack:
        wizards = Wizards(stack, on, built, desk)
        stack.callback(wizards.close)
        if not (folders or on.life.safe_mode) and await asyncio.to_thread(is_first, on.places, built.in_force):
            wizards.show(is_first=True)
        stack.callback(on.bus.handle(AskForProject, wizards.ask_for_project))
        yield


class Wizards:
    """The wizard that is open, one at a time; what it asks for is answered from the first one on.

    Args:
        stack: Ends the answers.
        on: What the house stands on.
        built: The house.
        desk: Where the wizard is put.
    """

    def __init__(self, stack: AsyncExitStack, on: Ground, built: House, desk: Desk) -> None:
        self._stack = stack
        self._on = on
        self._built = built
        self._desk = desk
        self._wizard: Wizard | None = None
        self._is_answered = False

    def show(self, *, is_first: bool) -> None:
        """Open one, of all steps at the first start, or else of the one for a project."""
        if not self._is_answered:
            self._is_answered = True
            answer(self._stack, self._on, self._built.in_force)
        self.close()
        self._wizard = wizard = _wizard(self._on, self._built, is_first=is_first)
        wizard.over.connect(lambda is_done: _end(self._on.bus, is_done=is_done))
        self._desk.put_first(wizard)

    def ask_for_project(self, _asked: AskForProject) -> None:
        """Open one that asks for a project; one that is open comes to the front.

        Raises:
            CommandRefused: Nothing is watched in safe mode.
        """
        if self._on.bus.snapshot.health.safe_mode:
            raise CommandRefused("In safe mode nothing is watched.", "Start the agents first.")
        if self._wizard is not None and self._wizard.isVisible():
            self._desk.put_first(self._wizard)
        else:
            self.show(is_first=False)

    def close(self) -> None:
        """Close it, where one is open."""
        self._desk.put_first(None)
        if self._wizard is not None:
            self._wizard.hide()
            self._wizard.deleteLater()
            self._wizard = None


def is_first(places: Places, in_force: SettingsInForce) -> bool:
    """Return whether a project is to be asked for: none is set, and nobody has said that they want none. Blocks."""
    settings, (trouble, _) = in_force.general()
    # A file with a mistake may well name projects, and nothing could be written into it.
    return not (settings.projects or trouble or _state(places).read()[0].get("done"))


def answer(
    stack: AsyncExitStack,
    on: Ground,
    in_force: SettingsInForce,
    autostart: Callable[[], Autostart] | None = None,
) -> None:
    """Answer what the wizard asks for, until the stack is left.

    Args:
        stack: Ends it.
        on: What the house stands on.
        in_force: The settings.
        autostart: Gives the start at login; by default this machine's.
    """
    from app.agents.settings_changes import SettingsChanges
    from app.agents.testing.looking import Looks
    from app.domain import commands
    from app.engine.processes import ProcessRunner

    looks = Looks(in_force, runner=ProcessRunner(clock=on.clock), environ=os.environ)
    changes = SettingsChanges(on.places, in_force)
    login = autostart or _autostart_here

    async def keep(asked: commands.KeepProject) -> object:
        looks.stop()  # the first run is not to share the machine, or a port, with it
        root = await changes.keep_project(asked.path)
        return await on.bus.send(commands.WatchProject(path=root))

    async def start_at_login(_asked: commands.StartAtLogin) -> LoginStart:
        await asyncio.to_thread(lambda: login().enable(()))
        return await asyncio.to_thread(_login_start, login)

    async def ask_no_more(_asked: commands.AskNoMore) -> None:
        try:
            await asyncio.to_thread(_state(on.places).write, {"done": True})
        except OSError as error:
            _log.warning("the first questions will come again", problem=error.strerror or str(error))

    handle = on.bus.handle
    stack.callback(looks.stop)
    stack.callback(handle(commands.LookAtProject, lambda asked: looks.look(asked.path)))
    stack.callback(handle(commands.CountTests, lambda asked: looks.count(asked.root)))
    stack.callback(handle(commands.KeepProject, keep))
    stack.callback(handle(commands.SetSetting, lambda asked: changes.set(asked.key, asked.values)))
    stack.callback(handle(commands.ReadLoginStart, lambda _asked: asyncio.to_thread(_login_start, login)))
    stack.callback(handle(commands.StartAtLogin, start_at_login))
    stack.callback(handle(commands.AskNoMore, ask_no_more))


def _wizard(on: Ground, built: House, *, is_first: bool) -> Wizard:
    from PySide6.QtCore import QLocale

    from app.agents.analysis.trying import choices
    from app.agents.settings import Settings
    from app.engine.settings import fields
    from app.engine.tasks import spawn
    from app.system.installed import installation
    from app.ui.icons import Icons
    from app.ui.wizard.step import Surroundings
    from app.ui.wizard.wizard import Wizard
    from app.ui.words.catalogue import catalogue, language_for

    settings = built.in_force.current
    code = language_for(settings.ui.language, QLocale.system().uiLanguages())
    _translate_qt(code)
    offers_updates = installation().feed is not None and "updates.enabled" in dict(fields(Settings))
    around = Surroundings(catalogue(code), on.bus.send, spawn, choices(settings.analysis), offers_updates)
    return Wizard(around, Icons(), is_first=is_first)


def _translate_qt(code: str) -> None:
    """Have Qt's own words, those of its file dialog, in the same language, where they are installed."""
    from PySide6.QtCore import QCoreApplication, QLibraryInfo, QTranslator

    application = QCoreApplication.instance()
    translator = QTranslator(application)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if application is not None and code != "en" and translator.load(f"qtbase_{code}", folder):
        application.installTranslator(translator)


def _end(bus: Bus, *, is_done: bool) -> None:
    """Show the page Now behind the wizard's end; whoever closed it half way wants to see nothing."""
    from app.domain.commands import RaiseWindow
    from app.engine.tasks import spawn

    async def show() -> None:
        with suppress(CommandRefused):  # the program ends
            await bus.send(RaiseWindow(page="now"))

    if is_done:
        spawn(show(), name="the first page")


def _state(places: Places) -> StateFile:
    from app.engine.statefile import StateFile

    return StateFile(places.data / "first-start.json", schema=SCHEMA)


def _login_start(autostart: Callable[[], Autostart]) -> LoginStart:
    """Return how the program is started at login. Blocks."""
    from app.domain.firststart import LoginStart

    here = autostart()
    status = here.status()
    method = status.active[0].method if status.active else here.usual
    trouble = status.troubles[0] if status.troubles else None
    return LoginStart(method, bool(status.active), trouble.text if trouble else "", trouble.hint if trouble else "")


def _autostart_here() -> Autostart:
    from app.system.autostart.here import autostart_here

    return autostart_here(os.environ)
