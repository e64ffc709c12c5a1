"""The tray as KDE and GNOME show it: a StatusNotifier host of our own that reads the item and presses its menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kit.project import BROKEN, RED_TITLE
from kit.waiting import until, until_read
from tray_host import TrayHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kit.notifications import NotificationMonitor
    from kit.program import Program
    from kit.project import Project
    from kit.screen import Screen
    from session import Session


@pytest.fixture
async def host(session: Session) -> AsyncIterator[TrayHost]:
    """A tray host on the session bus."""
    async with TrayHost(session.environ["DBUS_SESSION_BUS_ADDRESS"]) as host:
        yield host


async def test_the_item_tells_how_things_stand(
    host: TrayHost, program: Program, project: Project, notifications: NotificationMonitor
) -> None:
    """Tooltip, icon and the menu's first lines follow the verdict, and the red test has an entry."""
    program.start(str(project.root))
    item = await host.item()
    await program.until_mood("green")
    green = await until_read(lambda: host.read(item), lambda state: "green" in state.tooltip, "a green tooltip")

    project.save_in_place(BROKEN)
    await notifications.until_count(1)
    red = await until_read(lambda: host.read(item), lambda state: "red" in state.tooltip, "a red tooltip")
    entries = await until_read(lambda: host.entries(item), lambda seen: "is red" in seen[0].label, "a red headline")
    labels = [entry.label for entry in entries]

    assert notifications.titles == [RED_TITLE]
    assert len(red.tooltip) <= 127
    assert green.icons
    assert red.icons.keys() == green.icons.keys()
    assert all(red.icons[width] != green.icons[width] for width in red.icons)
    assert labels[0] == "1 test is red in shop"
    assert any("test_total[three]" in label for label in labels[1:]), labels


async def test_the_menu_has_what_people_need(host: TrayHost, program: Program, project: Project) -> None:
    """Run, pause, open and quit are there and can be chosen; lines that only tell cannot."""
    program.start(str(project.root))
    item = await host.item()
    await program.until_mood("green")

    entries = {entry.label: entry for entry in await host.entries(item)}

    for label in ("Run tests", "Pause for 30 minutes", "Open window", "Quit"):
        assert entries[label].enabled, label


async def test_run_tests_runs_them(host: TrayHost, program: Program, project: Project) -> None:
    """The menu's Run tests starts a run by request."""
    program.start(str(project.root))
    item = await host.item()
    await program.until_mood("green")

    await host.press(item, "Run tests")

    def requested() -> bool:
        projects = (program.snapshot() or {"projects": {}})["projects"].values()
        return any(each["last"] and each["last"]["cause"]["kind"] == "request" for each in projects)

    await until(requested, "a run by request")


async def test_pause_and_resume_in_the_menu(host: TrayHost, program: Program, project: Project) -> None:
    """Pausing shows in the status and brings up Resume, which takes it back."""
    program.start(str(project.root))
    item = await host.item()
    await program.until_mood("green")

    await host.press(item, "Pause for 30 minutes")
    await program.until_mood("paused")
    await until_read(lambda: host.entries(item), lambda found: "Resume" in [each.label for each in found], "Resume")
    await host.press(item, "Resume")

    await program.until_mood("green")


async def test_open_window_opens_it(host: TrayHost, program: Program, project: Project, screen: Screen) -> None:
    """The menu's Open window and a click on the icon bring up the one window."""
    program.start(str(project.root))
    item = await host.item()
    await program.until_mood("green")

    await host.press(item, "Open window")
    number = await screen.until_window("Watchkeeper")
    await screen.close_window(number)
    await until(lambda: not screen.windows("Watchkeeper"), "no window is left")
    await host.activate(item)

    assert await screen.until_window("Watchkeeper")
    program.must_run()


async def test_quit_ends_it(host: TrayHost, program: Program, project: Project) -> None:
    """The menu's Quit ends the program in an orderly way, without a question while nothing runs."""
    program.start(str(project.root))
    item = await host.item()
    await until_read(lambda: host.read(item), lambda state: "green" in state.tooltip, "a green tooltip")
    children = program.children()

    await host.press(item, "Quit")

    assert await program.until_gone(children) == 0
    assert "Traceback" not in program.printed()


async def test_row_43_a_tray_that_restarts_gets_the_icon_again(
    session: Session, program: Program, project: Project
) -> None:
    """When the panel crashes and comes back, so does the icon."""
    address = session.environ["DBUS_SESSION_BUS_ADDRESS"]

    async with TrayHost(address) as first:
        program.start(str(project.root))
        await first.item()
        await program.until_mood("green")
    async with TrayHost(address) as second:
        item = await second.item()
        state = await until_read(lambda: second.read(item), lambda state: "green" in state.tooltip, "a tooltip")

    assert state.icons
