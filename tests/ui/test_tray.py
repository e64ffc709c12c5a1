"""The tray's shell: its menu, its question, and what it does where there is no tray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QMessageBox

from app.domain import commands
from app.ui.tray import Tray
from app.ui.tray_menu import TrayMenu
from app.ui.tray_view import tray_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from app.domain.commands import Command
    from app.domain.snapshot import Snapshot
    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Story


@pytest.fixture
def sent() -> list[Command]:
    """What the tray asked for."""
    return []


@pytest.fixture
def tray(qtbot: QtBot, icons: Icons, fake_clock: FakeClock, sent: list[Command]) -> Iterator[Tray]:
    """A tray on a screen that has none."""
    del qtbot
    made = Tray(sent.append, fake_clock, icons)
    yield made
    made.close()


def _texts(menu: TrayMenu) -> list[str]:
    return [action.text() for action in menu.widget.actions() if not action.isSeparator()]


def _choose(tray: Tray, text: str) -> None:
    next(action for action in tray._menu.widget.actions() if action.text() == text).trigger()


def _show(menu: TrayMenu, snapshot: Snapshot, now: float) -> None:
    menu.show_entries(tray_view(snapshot, now).entries)


def test_no_tray_is_said_once(qtbot: QtBot, icons: Icons, fake_clock: FakeClock) -> None:
    """Without a tray the window's chance comes once, and not again each time the tray is looked for."""
    told: list[None] = []
    tray = Tray(lambda _command: None, fake_clock, icons)
    tray.unavailable.connect(lambda: told.append(None))

    qtbot.waitUntil(lambda: told == [None])
    tray._look()
    tray._look()

    assert told == [None]
    assert not tray.is_shown
    assert tray.balloon("title", "text") is False
    tray.close()


def test_looking_for_a_tray_slows_down(tray: Tray) -> None:
    """The poll for a tray that is not there begins at two seconds and ends at ten."""
    waits = [tray._poll.interval()]
    for _ in range(10):
        tray._look()
        waits.append(tray._poll.interval())

    assert waits[0] == 2_000
    assert waits == sorted(waits)
    assert waits[-1] == 10_000


def test_a_closed_tray_looks_no_more(qtbot: QtBot, icons: Icons, fake_clock: FakeClock, story: Story) -> None:
    """After closing nothing is polled, shown or asked."""
    del qtbot
    tray = Tray(lambda _command: None, fake_clock, icons)

    tray.close()
    tray.render(story.red)
    tray._look()

    assert not tray._poll.isActive()


def test_an_entry_asks_for_what_it_says(tray: Tray, sent: list[Command], story: Story) -> None:
    """Choosing entries sends their commands."""
    tray.render(story.red)

    _choose(tray, "flask: test_session_12")
    _choose(tray, "Run tests")
    _choose(tray, "Pause for 30 minutes")
    _choose(tray, "Open window")
    _choose(tray, "Quit")

    red = next(t for t in story.red.projects[story.flask].red if "session_12" in t.nodeid)
    assert sent == [
        commands.RaiseWindow(project=story.flask, nodeid=red.nodeid),
        commands.RunTests(),
        commands.Pause(seconds=1800),
        commands.RaiseWindow(),
        commands.Stop(reason="quit from the tray"),
    ]


@pytest.mark.parametrize(("answer", "stops"), [("Quit", True), ("Keep watching", False)])
def test_quitting_during_a_run_asks_without_nesting_a_loop(
    qtbot: QtBot, tray: Tray, sent: list[Command], story: Story, answer: str, *, stops: bool
) -> None:
    """While tests run a question is opened, the loop goes on, and the answer decides."""
    tray.render(story.running)

    _choose(tray, "Quit")
    question = tray._question
    assert isinstance(question, QMessageBox)
    _choose(tray, "Quit")
    assert tray._question is question
    assert sent == []
    next(b for b in question.buttons() if b.text() == answer).click()

    qtbot.waitUntil(lambda: tray._question is None)
    assert bool(sent) is stops


def test_quitting_right_after_a_run_asks_nothing(
    qtbot: QtBot, icons: Icons, fake_clock: FakeClock, sent: list[Command], story: Story
) -> None:
    """The newest state decides about the question, not the one that is shown and may be a moment old."""
    del qtbot
    tray = Tray(sent.append, fake_clock, icons, current=lambda: story.red)
    tray.render(story.running)

    _choose(tray, "Quit")

    assert tray._question is None
    assert sent == [commands.Stop(reason="quit from the tray")]
    tray.close()


def test_a_run_that_the_tray_does_not_show_yet_is_asked_about(
    qtbot: QtBot, icons: Icons, fake_clock: FakeClock, sent: list[Command], story: Story
) -> None:
    """A run that has just begun is not ended without a question."""
    del qtbot
    tray = Tray(sent.append, fake_clock, icons, current=lambda: story.running)
    tray.render(story.red)

    _choose(tray, "Quit")

    assert isinstance(tray._question, QMessageBox)
    assert sent == []
    tray.close()


def test_a_menu_changes_in_place(qtbot: QtBot, story: Story) -> None:
    """From green to red and back, entries that stay keep their action, and the lines stand between the sections."""
    del qtbot
    menu = TrayMenu(lambda _command: None)
    _show(menu, story.green, story.now)
    before = {action.text(): action for action in menu.widget.actions()}
    green = _texts(menu)

    _show(menu, story.red, story.now)
    red = [("-" if action.isSeparator() else action.text()) for action in menu.widget.actions()]
    _show(menu, story.green, story.now)

    assert red[:3] == ["6 tests are red in flask", "-", "flask: test_session_12"]
    assert "and 1 more" in red
    assert _texts(menu) == green
    assert next(a for a in menu.widget.actions() if a.text() == "Quit") is before["Quit"]
    menu.close()


def test_an_open_menu_keeps_its_entries(qtbot: QtBot, story: Story) -> None:
    """Under an open menu no entry comes, goes or means something else; when it closes, it catches up."""
    chosen: list[Command] = []
    menu = TrayMenu(chosen.append)
    _show(menu, story.green, story.now)
    green = _texts(menu)
    menu.widget.popup(menu.widget.pos())

    _show(menu, story.red, story.now)
    while_open = _texts(menu)
    menu.widget.close()

    assert while_open == green
    qtbot.waitUntil(lambda: _texts(menu)[0] == "6 tests are red in flask")
    menu.close()


def test_an_open_menu_brings_ages_up_to_date(tray: Tray, fake_clock: FakeClock, story: Story) -> None:
    """When the menu is about to be seen, ages are those of now."""
    tray.render(story.green)
    fake_clock.advance(120)

    tray._menu.widget.aboutToShow.emit()

    assert "Tests: on watch, last heartbeat 2 min ago" in _texts(tray._menu)


def test_names_with_ampersands_are_shown_as_they_are(qtbot: QtBot, story: Story) -> None:
    """An ampersand in a test's name is no shortcut."""
    del qtbot
    menu = TrayMenu(lambda _command: None)
    entries = tray_view(story.green, story.now).entries

    menu.show_entries((type(entries[0])("headline", "verdict", "a & b"),))

    assert _texts(menu) == ["a && b"]
    menu.close()


def test_underscores_survive_a_menu_over_the_bus(qtbot: QtBot, story: Story) -> None:
    """For hosts that take an underscore for a shortcut's mark it is doubled, and only for them."""
    del qtbot
    menu = TrayMenu(lambda _command: None)
    _show(menu, story.red, story.now)

    menu.label_for_bus(on_bus=True)
    assert "flask: test__session__12" in _texts(menu)
    menu.label_for_bus(on_bus=False)
    assert "flask: test_session_12" in _texts(menu)
    menu.close()


def test_the_tray_alone_imports_little() -> None:
    """The tray comes up without the window, its pages, the network or the store."""
    code = (
        "import sys, app.ui.tray, app.ui.icons;"
        "print(*sorted(m for m in sys.modules if m.startswith(('app.ui.', 'PySide6.', 'app.store', 'sqlalchemy'))))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )

    loaded = set(done.stdout.split())
    assert {m for m in loaded if m.startswith("PySide6.Qt")} <= {
        "PySide6.QtCore",
        "PySide6.QtGui",
        "PySide6.QtWidgets",
        "PySide6.QtSvg",
        "PySide6.QtDBus",
    }
    assert not {m for m in loaded if m.startswith(("app.ui.pages", "app.ui.window", "app.store", "sqlalchemy"))}
