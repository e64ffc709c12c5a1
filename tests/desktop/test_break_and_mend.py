"""The whole product, end to end: a file is broken and mended as people do it, and people are told once each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kit.project import BROKEN, GOOD, RED, RED_TITLE, Project
from kit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.notifications import Dunst, NotificationMonitor
    from kit.program import Program
    from kit.reader import ScreenReader
    from kit.screen import Screen

NAMED_ROLES = {"push button", "check box", "toggle button", "list", "tree", "table", "combo box", "entry", "text"}
SAVES = {"vim": Project.save_as_vim, "vscode": Project.save_in_place, "git": Project.save_by_git}


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
async def test_a_break_is_told_once_and_so_is_the_mending(
    program: Program,
    project: Project,
    notifications: NotificationMonitor,
    dunst: Dunst,
    save: Callable[[Project, str], None],
) -> None:
    """One save that breaks is one red notification, one that mends is one green one, however the editor saves."""
    program.start(str(project.root))
    await program.until_mood("green")

    save(project, BROKEN)
    red = await notifications.until_count(1)
    await program.until_mood("red")
    status_when_red = program.json("status")
    save(project, GOOD)
    green = await notifications.until_count(2)
    await program.until_mood("green")

    assert notifications.titles == [RED_TITLE, "All green again"]
    assert "shop/prices.py" in red.body
    assert "test_total[three] (tests/test_prices.py)" in red.body
    assert red.buttons == ("Open", "Explain", "Snooze")
    assert "shop/prices.py" in green.body
    assert (status_when_red["mood"], status_when_red["red_count"]) == ("red", 1)
    await until(lambda: dunst.displayed() == 1, "the green one in the red one's place")


async def test_history_keeps_what_happened(
    program: Program, project: Project, notifications: NotificationMonitor
) -> None:
    """Each run is in the history with its verdict, its counts and the files that caused it."""
    program.start(str(project.root))
    await program.until_mood("green")
    project.save_in_place(BROKEN)
    await notifications.until_count(1)
    await program.until_mood("red")
    project.save_in_place(GOOD)
    await notifications.until_count(2)
    await program.until_mood("green")

    runs = await until(lambda: _three(program.json("tests", "history", str(project.root))["runs"]), "three runs")

    assert [run["verdict"] for run in runs] == ["green", "red", "green"]
    assert [run["cause"]["kind"] for run in runs] == ["save", "save", "start"]
    assert runs[1]["cause"]["paths"] == ["shop/prices.py"]
    assert (runs[1]["counts"]["failed"], runs[1]["counts"]["passed"]) == (1, 1)


async def test_the_icon_changes_with_the_verdict(program: Program, project: Project, screen: Screen) -> None:
    """The tray's icon is green, red while a test is red, and green again."""
    program.start(str(project.root))
    area = await screen.until_tray_icon()
    await screen.until_colour(area, "green")

    project.save_in_place(BROKEN)
    await screen.until_colour(area, "red")
    screen.screenshot("tray-red")
    project.save_in_place(GOOD)

    await screen.until_colour(area, "green")
    assert len(screen.tray_icons()) == 1


async def test_open_shows_the_window_on_the_test(  # noqa: PLR0917 - fixtures
    program: Program,
    project: Project,
    notifications: NotificationMonitor,
    dunst: Dunst,
    screen: Screen,
    reader: ScreenReader,
) -> None:
    """The notification's Open button brings up the window, where the red test's name and output are read."""
    program.start(str(project.root))
    await program.until_mood("green")
    assert screen.windows("Watchkeeper") == []
    project.save_in_place(BROKEN)
    await notifications.until_count(1)
    await until(lambda: dunst.displayed() == 1, "a notification on the screen")
    screen.screenshot("notification")

    dunst.press("Open")

    number = await screen.until_window("Watchkeeper")
    seen = await reader.until_seen("assert 8 == 7")
    await screen.until_drawn(number)
    screen.screenshot("window-on-the-red-test")
    assert any(each.role == "label" and each.name == "test_total[three]" for each in seen)
    assert len(notifications.pressed) == 1


async def test_the_window_speaks(program: Program, project: Project, screen: Screen, reader: ScreenReader) -> None:
    """Whatever can be pressed, chosen or listed in the window has a name for a screen reader, on each page."""
    project.save_in_place(BROKEN)
    program.start(str(project.root))
    await program.until_mood("red")
    program.run(str(project.root))
    await screen.until_window("Watchkeeper")

    pages = {
        "1": "1 test is red in shop",
        "2": "tests/test_prices.py",
        "3": "Ask about a red test",
        "4": "Audit now",
        "5": "Make a vault",
        "6": "Save a crash bundle",
        "7": "Copy",
    }
    for key, words in pages.items():
        screen.key(f"ctrl+{key}")
        seen = await reader.until_seen(words)
        nameless = [each for each in seen if each.role in NAMED_ROLES and not each.name]
        assert not nameless


async def test_snooze_makes_silence(
    program: Program, project: Project, notifications: NotificationMonitor, dunst: Dunst
) -> None:
    """After the notification's Snooze button changes are no longer told, but still seen."""
    program.start(str(project.root))
    await program.until_mood("green")
    project.save_in_place(BROKEN)
    await notifications.until_count(1)
    await until(lambda: dunst.displayed() == 1, "a notification on the screen")

    dunst.press("Snooze")
    await until(lambda: (program.snapshot() or {}).get("snoozed_until"), "the snooze")
    project.save_in_place(GOOD)
    await program.until_mood("green")

    assert notifications.titles == [RED_TITLE]


async def test_a_test_that_was_red_before_is_no_news(
    program: Program, project: Project, notifications: NotificationMonitor
) -> None:
    """A project that is red at the first look is shown red, but only a change is told: its mending."""
    project.save_in_place(BROKEN)
    program.start(str(project.root))
    snapshot = await program.until_mood("red")
    project.save_in_place(GOOD)
    green = await notifications.until_count(1)

    assert snapshot["projects"][str(project.root)]["tests"][RED]["outcome"] == "failed"
    assert green.title == "All green again"


def _three(runs: list[dict[str, object]]) -> list[dict[str, object]] | None:
    return runs if len(runs) >= 3 else None
