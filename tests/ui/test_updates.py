"""A newer release in the tray's menu and on the Health page: nothing while none is known, and each step a click."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton

from app.domain import commands, events
from app.domain.reduce import reduce
from app.domain.releases import Release, ReleaseFile, UpdateView
from app.ui.health_view import health_page_view
from app.ui.theme import LIGHT
from app.ui.tray_view import tray_view
from app.ui.window import Window
from tests.ui.conftest import NOW
from tests.ui.health import well

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from app.domain.snapshot import Snapshot
    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk

FILES = tuple(
    ReleaseFile(each, f"w.{each}", "https://example.org/w", 30_000_000, "0" * 64) for each in ("setup", "deb")
)
NEWER = Release("1.2.3", NOW - 7200, {"en": "Faster."}, "https://example.org/1.2.3", FILES)
QUIET = UpdateView(offered=True, channel="setup", current="1.0.0")
FOUND = replace(QUIET, is_on=True, newer=NEWER, notes="Faster.\n<b>bold</b>", asked_at=NOW - 60, answered_at=NOW - 60)


def seen(view: UpdateView) -> Snapshot:
    return reduce(well(), events.UpdatesChanged(at=NOW, updates=view))


def entry(view: UpdateView) -> tuple[str, commands.Command | None] | None:
    return next(((e.text, e.command) for e in tray_view(seen(view), NOW).entries if e.key == "update"), None)


@pytest.mark.parametrize(
    ("view", "text", "command"),
    [
        (FOUND, "Download Watchkeeper 1.2.3 (28.6 MiB)", commands.DownloadUpdate()),
        (replace(FOUND, fetched=3_000_000), "Downloading Watchkeeper 1.2.3: 10 % of 28.6 MiB", None),
        (replace(FOUND, ready="C:\\w.exe"), "Install Watchkeeper 1.2.3", commands.InstallUpdate()),
        (
            replace(FOUND, channel="deb", ready="/c/w.deb"),
            "Watchkeeper 1.2.3 is here, and can be installed",
            commands.RaiseWindow(page="health"),
        ),
    ],
)
def test_the_menu_has_the_next_step(view: UpdateView, text: str, command: commands.Command | None) -> None:
    """One click fetches, another installs where the program can, and elsewhere the window has the command."""
    assert entry(view) == (text, command)


@pytest.mark.parametrize(
    "view", [UpdateView(), QUIET, replace(FOUND, is_skipped=True)], ids=["none", "quiet", "skipped"]
)
def test_the_menu_says_nothing_where_there_is_nothing(view: UpdateView) -> None:
    """Not offered, none known, or one that the person wants to hear no more of."""
    assert entry(view) is None


def test_the_health_page_has_a_line_where_releases_are_looked_for() -> None:
    """A build that looks for none has none; a refusal is marked."""
    views = (UpdateView(), QUIET, replace(FOUND, refused="It is not signed."))

    found = [[(f.value, f.is_bad) for f in health_page_view(seen(v), NOW).facts if f.key == "updates"] for v in views]

    assert found == [
        [],
        [("Not asked yet; asking by itself is switched off", False)],
        [("Refused: It is not signed.", True)],
    ]


@pytest.fixture
def asked(desk: Desk) -> list[commands.Command]:
    """What the window asked for of updates."""
    found: list[commands.Command] = []
    for kind in (commands.DownloadUpdate, commands.InstallUpdate, commands.SkipUpdate):
        desk.bus.handle(kind, found.append)
    return found


@pytest.fixture
def window(qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons) -> Iterator[Window]:
    """The window, at the Health page."""
    made = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(made)
    made.render(seen(FOUND))
    made.show()
    made.show_page("health")
    yield made
    made.hide()


def _card(window: Window) -> list[str]:
    card = next(each.parentWidget() for each in window.findChildren(QPushButton) if each.text() == "Skip this version")
    return [label.text() for label in card.findChildren(QLabel) if label.isVisible()] if card.isVisible() else []


def _button(window: Window, text: str) -> QPushButton:
    return next(each for each in window.findChildren(QPushButton) if each.text() == text and each.isVisible())


def test_the_card_says_what_is_new_as_it_is_written(window: Window) -> None:
    """Notes are plain text: no markup of theirs is obeyed."""
    assert _card(window) == [
        "Watchkeeper 1.2.3 is there",
        "Released 2 h ago. What runs here is 1.0.0.",
        "Faster.\n<b>bold</b>",
    ]
    notes = next(each for each in window.findChildren(QLabel) if each.text().startswith("Faster"))
    assert notes.textFormat() is Qt.TextFormat.PlainText


def test_each_step_is_a_click(qtbot: QtBot, window: Window, asked: list[commands.Command]) -> None:
    """Fetching, then installing; while it comes nothing can be clicked, and one version can be skipped."""
    qtbot.mouseClick(_button(window, "Download 28.6 MiB"), Qt.MouseButton.LeftButton)
    window.render(seen(replace(FOUND, fetched=15_000_000)))
    coming = _button(window, "Downloading: 50 % of 28.6 MiB")
    is_enabled = coming.isEnabled()
    window.render(seen(replace(FOUND, ready="C:\\w.exe")))
    qtbot.mouseClick(_button(window, "Install"), Qt.MouseButton.LeftButton)
    qtbot.mouseClick(_button(window, "Skip this version"), Qt.MouseButton.LeftButton)

    assert not is_enabled
    assert asked == [commands.DownloadUpdate(), commands.InstallUpdate(), commands.SkipUpdate(version="1.2.3")]


def test_elsewhere_the_card_has_the_exact_command(window: Window) -> None:
    """Nothing is started there, so there is no button for it."""
    window.render(seen(replace(FOUND, channel="deb", ready="/c/w.deb")))

    assert _card(window)[-1] == "Install it: sudo apt install /c/w.deb"
    assert [b.text() for b in window.findChildren(QPushButton) if b.isVisible() and b.text().startswith("Inst")] == []


def test_a_skipped_version_takes_the_card_away(window: Window) -> None:
    """It comes back with the next one."""
    window.render(seen(replace(FOUND, is_skipped=True)))
    skipped = _card(window)
    window.render(seen(replace(FOUND, newer=replace(NEWER, version="1.2.4"))))

    assert skipped == []
    assert _card(window)[0] == "Watchkeeper 1.2.4 is there"
