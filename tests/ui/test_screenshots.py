"""Pictures of each page in each state, for people to look at; and none of them is blank."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QColor, QImage, QPainter

from app.domain import events
from app.domain.history import LogLine
from app.domain.reduce import reduce
from app.domain.snapshot import Mood
from app.ui.icons import Panel
from app.ui.theme import DARK, LIGHT
from app.ui.window import Window

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from app.ui.theme import Theme
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story

SHOTS = [
    ("now", "empty"),
    ("now", "green"),
    ("now", "red"),
    ("now", "running"),
    ("now", "confirming"),
    ("now", "checked"),
    ("now", "paused"),
    ("now", "trouble"),
    ("now", "failed"),
    ("tests", "empty"),
    ("tests", "red"),
    ("tests", "checked"),
    ("tests", "confirming"),
    ("tests", "trouble"),
    *(("keys", f"vault-{name}") for name in ("none", "opening", "waiting", "locked", "trouble", "open", "empty")),
    ("conversation", "empty"),
    ("conversation", "green"),
    ("log", "red"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where pictures are kept: WATCHKEEPER_SCREENSHOTS, or a folder of the test's own."""
    chosen = Path(os.environ.get("WATCHKEEPER_SCREENSHOTS") or tmp_path)
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def _settle(qtbot: QtBot) -> None:
    """Let Qt do what it has put off, layouts above all: a timer of zero fires when nothing else is left."""
    for _ in range(3):
        done: list[bool] = []
        QTimer.singleShot(0, lambda done=done: done.append(True))
        qtbot.waitUntil(lambda done=done: bool(done))


def _colors(image: QImage) -> int:
    small = image.scaled(200, 140)
    return len({small.pixel(x, y) for x in range(small.width()) for y in range(small.height())})


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("page", "state"), SHOTS, ids=[f"{page}-{state}" for page, state in SHOTS])
def test_a_page_is_not_blank(
    qtbot: QtBot,
    desk: Desk,
    fake_clock: FakeClock,
    icons: Icons,
    story: Story,
    *,
    folder: Path,
    page: str,
    state: str,
    theme: Theme,
) -> None:
    """Each page shows something in each state, in the colours of its theme."""
    texts = ("run started, cause app.py", "3 changes folded into one batch", "the history was written in 12 ms")
    desk.lines = [
        LogLine(n, story.now - 60 + n, ("info", "info", "warning", "error")[n % 4], "app.engine.runs", texts[n % 3])
        for n in range(1, 60)
    ]
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=theme)
    qtbot.addWidget(window)
    snapshot = story.all()[state]
    for second in range(58, 0, -2):
        if snapshot.agents:
            beat = events.AgentBeat(at=story.now - second, agent="tests", progress=100 - second // 6)
            snapshot = reduce(snapshot, beat)
            window.render(snapshot)
    window.render(snapshot)

    window.show()
    window.show_page(page)
    if page == "tests" and state == "red":
        window.show_test(story.flask, story.red.projects[story.flask].red[1].nodeid)
    elif page == "tests" and state == "checked":
        window.show_test(story.flask, story.checked.projects[story.flask].red[0].nodeid)
    elif page == "tests" and state == "confirming":
        window.show_test(story.flask, None)
    elif page == "tests" and state == "trouble":
        window.show_test(story.httpx, None)
    _settle(qtbot)
    picture = window.grab().toImage()
    window.hide()

    name = f"{page}-{state}-{'dark' if theme.is_dark else 'light'}.png"
    assert picture.save(str(folder / name))
    assert _colors(picture) > 12
    assert (picture.pixelColor(4, picture.height() - 4).lightness() < 100) is theme.is_dark


def test_the_icons_on_one_sheet(icons: Icons, folder: Path) -> None:
    """Every mood on every panel at every size, side by side for people to compare."""
    states = [(mood, 0) for mood in Mood] + [(Mood.RED, count) for count in (1, 7, 42, 250)]
    grounds = {Panel.LIGHT: "#f0f2f5", Panel.DARK: "#1c2027", Panel.MONO_LIGHT: "#e4e6ea", Panel.MONO_DARK: "#24292f"}
    sheet = QImage(len(states) * 76, len(grounds) * 152, QImage.Format.Format_RGB32)
    painter = QPainter(sheet)
    for band, (panel, ground) in enumerate(grounds.items()):
        painter.fillRect(0, band * 152, sheet.width(), 152, QColor(ground))
        for place, (mood, count) in enumerate(states):
            for size, top in ((64, 4), (32, 74), (22, 110), (16, 134)):
                painter.drawImage(6 + place * 76, band * 152 + top, icons.mood_image(mood, size, count, panel))
    painter.end()

    assert sheet.save(str(folder / "icons.png"))
    assert _colors(sheet) > 12
