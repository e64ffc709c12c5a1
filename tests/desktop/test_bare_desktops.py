"""Desktops that lack a part: no tray, a tray that comes late, no session bus, no notification service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.notifications import NotificationMonitor
from kit.project import BROKEN, GOOD
from kit.reader import ScreenReader
from kit.screen import Area, Screen
from kit.waiting import until
from session import Session
from tray_host import TrayHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.program import Program
    from kit.project import Project

    Programs = Callable[[Session], Program]


async def test_row_43_without_a_tray_the_window_opens_once_and_says_why(programs: Programs, project: Project) -> None:
    """With nowhere to show an icon the window opens instead and says so; once closed it stays closed."""
    with Session(tray=False) as bare:
        screen, program = Screen(bare.environ), programs(bare)
        program.environ |= ScreenReader.environ
        async with ScreenReader(bare.environ["DBUS_SESSION_BUS_ADDRESS"]) as reader:
            program.start(str(project.root))
            number = await screen.until_window("Watchkeeper")
            await program.until_mood("green")
            await screen.until_drawn(number)
            screen.screenshot("no-tray")
            await reader.until_seen("no tray")

            await screen.close_window(number)
            await until(lambda: not screen.windows("Watchkeeper"), "no window is left")
            project.save_in_place(BROKEN)
            await program.until_mood("red")

            assert screen.windows("Watchkeeper") == []
            assert "Traceback" not in program.printed()
            program.end()


async def test_row_43_a_tray_that_comes_later_gets_the_icon(programs: Programs, project: Project) -> None:
    """A StatusNotifier host that starts after the program, as at login, is found."""
    with Session(tray=False) as bare:
        program = programs(bare)
        program.start(str(project.root))
        await Screen(bare.environ).until_window("Watchkeeper")

        async with TrayHost(bare.environ["DBUS_SESSION_BUS_ADDRESS"]) as host:
            state = await host.read(await host.item())

        assert state.icons
        assert state.menu_path
        program.end()


async def test_row_43_an_old_tray_that_comes_later_gets_the_icon(programs: Programs, project: Project) -> None:
    """An XEmbed tray that starts after the program is found too."""
    with Session(tray=False) as bare:
        screen, program = Screen(bare.environ), programs(bare)
        program.start(str(project.root))
        await screen.until_window("Watchkeeper")

        bare.start_tray()

        assert await screen.until_tray_icon()
        program.end()


async def test_row_43_without_a_bus_it_watches_all_the_same(programs: Programs, project: Project) -> None:
    """No session bus: no notification service, but icon, tests and status work, and nobody sees a traceback."""
    with Session(bus=False) as bare:
        screen, program = Screen(bare.environ), programs(bare)
        program.start(str(project.root))
        await screen.until_tray_icon()
        await program.until_mood("green")
        icon = (await until(screen.tray_icons, "an icon"))[-1]
        above = Area(icon.x - 100, icon.y - 60, 100, 40)
        before = screen.pixels(above)

        project.save_in_place(BROKEN)
        await program.until_mood("red")
        await until(lambda: screen.pixels(above) != before, "the tray's balloon above the icon")
        screen.screenshot("no-bus")
        project.save_in_place(GOOD)
        await program.until_mood("green")

        assert "Traceback" not in program.printed()
        program.end()


async def test_row_43_a_notification_service_that_comes_later_is_used(programs: Programs, project: Project) -> None:
    """Without a service nothing is lost but the notification; with one the next change is told."""
    with Session(notifications=False) as bare:
        program = programs(bare)
        program.start(str(project.root))
        await program.until_mood("green")
        project.save_in_place(BROKEN)
        await program.until_mood("red")
        await until(lambda: "no desktop notification" in program.run("logs").stdout, "the failed notification")

        bare.start_notifications()
        async with NotificationMonitor(bare.environ["DBUS_SESSION_BUS_ADDRESS"]) as notifications:
            project.save_in_place(GOOD)
            green = await notifications.until_count(1)

        assert green.title == "All green again"
        assert "Traceback" not in program.printed()
        program.end()
