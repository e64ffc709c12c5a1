"""When the wizard comes up, over which windows, and what follows it, with the real desk and a real ground."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from PySide6.QtWidgets import QApplication

from app.agents.settings_in_force import SettingsInForce
from app.domain import commands
from app.domain.errors import CommandRefused
from app.domain.events import LifeBegan
from app.domain.health import KeptBy
from app.engine.places import Places
from app.house.firststart import first_start
from app.house.ground import ground
from app.ui.desk import Desk
from app.ui.window import Window
from app.ui.wizard.wizard import Wizard
from tests.conftest import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from app.house.ground import Ground
    from app.house.rooms import House


@dataclass(frozen=True)
class Built:
    """What the first start needs of a house."""

    in_force: SettingsInForce


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Watchkeeper's own folders."""
    found = Places.find({"WATCHKEEPER_HOME": str(tmp_path / "home")})
    found.create()
    return found


@pytest.fixture(autouse=True)
def _goes_on_without_windows(qapp: QApplication) -> Iterator[None]:
    """The program does not end with its last window, as app.ui.loop has it."""
    qapp.setQuitOnLastWindowClosed(False)
    yield
    qapp.setQuitOnLastWindowClosed(True)


@asynccontextmanager
async def started(places: Places, *folders: Path, safe: bool = False) -> AsyncIterator[tuple[Ground, Desk]]:
    """Start as the tray does, as far as the wizard is concerned."""
    built = cast("House", Built(SettingsInForce(places)))
    with ground(places, safe=safe) as on:
        async with Desk(on.bus, on.clock) as desk, first_start(on, built, desk, folders):
            yield on, desk


def wizard() -> Wizard | None:
    """Return the wizard that is seen."""
    return _seen(Wizard)


def _seen(kind: type[Any]) -> Any:
    return next((each for each in QApplication.topLevelWidgets() if isinstance(each, kind) and each.isVisible()), None)


async def test_it_comes_up_where_no_project_is_named(places: Places) -> None:
    """Neither in words nor in the settings: that is a first start. It goes with the program."""
    async with started(places):
        shown = wizard()

    assert shown is not None
    assert wizard() is None


@pytest.mark.parametrize("why", ["a project in words", "a project in the settings", "skipped before", "safe mode"])
async def test_it_does_not_come_up_otherwise(places: Places, tmp_path: Path, why: str) -> None:
    """Nobody is nagged, and safe mode shows what is wrong instead."""
    if why == "a project in the settings":
        places.settings_file.write_text('projects = ["/src/shop"]\n', "utf-8")
    elif why == "skipped before":
        (places.data / "first-start.json").write_text('{"schema": 1, "done": true}', "utf-8")
    folders = (tmp_path,) if why == "a project in words" else ()

    async with started(places, *folders, safe=why == "safe mode") as (on, _):
        assert wizard() is None
        assert commands.KeepProject not in on.bus._handlers


async def until(what: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not what():
            await settle()
            await asyncio.sleep(0.005)


async def until_no_tray_is_told() -> Window:
    """Wait for the window that opens where there is no tray, as here, and put it away."""
    await until(lambda: _seen(Window))
    window: Window = _seen(Window)
    window.hide()
    return window


async def test_one_more_project_is_asked_for_when_wanted(places: Places) -> None:
    """The project alone, in one window however often it is asked, and anew after it was closed."""
    (places.data / "first-start.json").write_text('{"schema": 1, "done": true}', "utf-8")
    async with started(places) as (on, _):
        await on.bus.send(commands.AskForProject())
        first = wizard()
        await on.bus.send(commands.AskForProject())
        again = wizard()
        assert first is not None
        first.reject()
        closed = wizard()
        await on.bus.send(commands.AskForProject())
        second = wizard()
        assert second is not None

        assert again is first
        assert closed is None
        assert second is not first
        assert [type(step).__name__ for step in second.steps] == ["ProjectStep"]
        assert commands.KeepProject in on.bus._handlers
    assert wizard() is None


async def test_the_first_start_s_wizard_is_shown_to_who_wants_a_project(places: Places) -> None:
    """It asks for one: there are no two windows that do."""
    async with started(places) as (on, _):
        shown = wizard()
        await on.bus.send(commands.AskForProject())

        assert wizard() is shown


async def test_in_safe_mode_no_project_is_asked_for(places: Places) -> None:
    """Nothing would be watched; the refusal says what to do."""
    async with started(places, safe=True) as (on, _):
        on.bus.publish(LifeBegan(at=0.0, kept_by=KeptBy.NOBODY, safe_mode="asked for"))

        with pytest.raises(CommandRefused, match="safe mode"):
            await on.bus.send(commands.AskForProject())


async def test_what_is_raised_meanwhile_stays_behind_it(places: Places) -> None:
    """A second start, or a desktop without a tray, opens the window; the questions stay in front of it."""
    async with started(places) as (on, _):
        shown = wizard()
        window = await until_no_tray_is_told()
        await on.bus.send(commands.RaiseWindow())
        window.activateWindow()
        await until(lambda: QApplication.activeWindow() is window)
        await on.bus.send(commands.RaiseWindow(page="log"))

        await until(lambda: QApplication.activeWindow() is shown)
        assert window.isVisible()


async def test_the_page_now_follows_its_end(places: Places) -> None:
    """Whoever has come through sees the first run go on; the word is kept."""
    async with started(places):
        shown = wizard()
        window = await until_no_tray_is_told()
        window.show_page("log")
        assert shown is not None
        for _ in shown.steps:
            shown.step.skip()

        await until(window.isVisible)
        await until((places.data / "first-start.json").exists)
        assert window.page == "now"
        assert wizard() is None


async def test_nothing_follows_when_it_is_closed_half_way(places: Places) -> None:
    """No window comes unasked, and the next start asks again."""
    async with started(places):
        shown = wizard()
        await until_no_tray_is_told()
        assert shown is not None
        shown.close()
        await settle()

        assert _seen(Window) is None
        assert not (places.data / "first-start.json").exists()

    async with started(places):
        assert wizard() is not None


async def test_its_language_is_the_setting_s(places: Places) -> None:
    """What the person has set goes before what the system says."""
    places.settings_file.write_text('[ui]\nlanguage = "ru"\n', "utf-8")

    async with started(places):
        shown = wizard()

        assert shown is not None
        assert shown.windowTitle() == "Настройка Watchkeeper"
