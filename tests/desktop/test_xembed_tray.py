"""The tray as older and lighter desktops show it (XEmbed), used with a mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.project import BROKEN
from kit.waiting import until

if TYPE_CHECKING:
    from kit.program import Program
    from kit.project import Project
    from kit.screen import Screen


async def test_a_click_opens_the_window(program: Program, project: Project, screen: Screen) -> None:
    """A click on the icon opens the window, and closing the window does not end the program."""
    program.start(str(project.root))
    area = await screen.until_tray_icon()
    await program.until_mood("green")

    screen.click(area.middle)
    number = await screen.until_window("Watchkeeper")
    await screen.until_drawn(number)
    screen.screenshot("window-green")
    await screen.close_window(number)
    await until(lambda: not screen.windows("Watchkeeper"), "no window is left")
    program.must_run()
    assert screen.tray_icons()


async def test_the_menu_opens_and_quits(program: Program, project: Project, screen: Screen) -> None:
    """A right click opens the menu; its last entry ends the program and takes the icon away."""
    project.save_in_place(BROKEN)
    program.start(str(project.root))
    area = await screen.until_tray_icon()
    await screen.until_colour(area, "red")
    await program.until_mood("red")
    children = program.children()
    before = screen.whole()

    screen.click(area.middle, button=3)
    await until(lambda: screen.whole() != before, "a menu on the screen")
    screen.screenshot("menu")
    screen.key("Up", "Return")

    assert await program.until_gone(children) == 0
    await until(lambda: not screen.tray_icons(), "the icon is gone")
