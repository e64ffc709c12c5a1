"""Pictures of the Health page in each state, for people to look at; and none of them is blank."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QTimer

from app.domain import events
from app.domain.reduce import reduce
from app.ui.theme import DARK, LIGHT
from app.ui.window import Window
from tests.ui.conftest import NOW
from tests.ui.health import STATES, VITALS

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from app.ui.theme import Theme
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("state", "size"), [("well", (1040, 680)), ("ill", (1040, 860)), ("ill", (720, 480)), ("safe", (1040, 680))]
)
def test_the_page_is_not_blank(
    qtbot: QtBot,
    desk: Desk,
    fake_clock: FakeClock,
    icons: Icons,
    tmp_path: Path,
    *,
    state: str,
    size: tuple[int, int],
    theme: Theme,
) -> None:
    """It shows something in each state, in the colours of its theme."""
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=theme)
    qtbot.addWidget(window)
    window.resize(*size)
    snapshot = STATES[state]()
    for number in range(40 if snapshot.agents else 0):
        lag = 0.004 + number * 37 % 11 / 900 + (0.11 if state == "ill" and number > 30 else 0)
        vitals = replace(VITALS, at=NOW - 1_200 + 30 * number, lag_p99_s=lag)
        window.render(reduce(snapshot, events.VitalsTaken(at=NOW, vitals=vitals)))
        beat = events.AgentBeat(at=NOW - 60 + 1.5 * number, agent="tests:flask", progress=1_000 + number // 3)
        window.render(reduce(snapshot, beat))
    window.render(snapshot)
    window.show()

    window.show_page("health")
    for _ in range(3):
        done: list[bool] = []
        QTimer.singleShot(0, lambda done=done: done.append(True))
        qtbot.waitUntil(lambda done=done: bool(done))
    picture = window.grab().toImage()
    window.hide()

    folder = Path(os.environ.get("WATCHKEEPER_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    look = "dark" if theme.is_dark else "light"
    assert picture.save(str(folder / f"health-{state}-{size[0]}-{look}.png"))
    small = picture.scaled(200, 140)
    assert len({small.pixel(x, y) for x in range(200) for y in range(140)}) > 12
    assert (picture.pixelColor(4, picture.height() - 4).lightness() < 100) is theme.is_dark
