"""Pictures of the Audits page, for people to look at; and none of them is blank."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QTimer

from app.domain.findings import AuditVerdict, AuditView, Trigger, TriggerKind
from app.ui.theme import DARK, LIGHT
from app.ui.window import Window
from tests.ui.audits import FLASK, REPORT, Audits, view_of, with_audit

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from app.domain.snapshot import Snapshot
    from app.ui.icons import Icons
    from app.ui.theme import Theme
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story

CLEAN = replace(
    REPORT,
    findings=(),
    fixed=(),
    trigger=Trigger(TriggerKind.ASKED),
    checks=tuple(replace(each, verdict=AuditVerdict.PASS, reasons=(), findings=0) for each in REPORT.checks),
)
STATES: dict[str, Callable[[Snapshot], Snapshot]] = {
    "none": lambda snapshot: with_audit(snapshot, AuditView(FLASK)),
    "findings": lambda snapshot: with_audit(snapshot, view_of(REPORT)),
    "running": lambda snapshot: with_audit(snapshot, view_of(REPORT, "Static security")),
    "clean": lambda snapshot: with_audit(snapshot, view_of(CLEAN)),
}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("size", [(1040, 680), (720, 480)], ids=["usual", "small"])
@pytest.mark.parametrize("state", STATES)
def test_the_page_is_not_blank(
    qtbot: QtBot,
    desk: Desk,
    fake_clock: FakeClock,
    icons: Icons,
    story: Story,
    *,
    tmp_path: Path,
    state: str,
    size: tuple[int, int],
    theme: Theme,
) -> None:
    """It shows something in each state and size, in the colours of its theme."""
    reports = {"none": {}, "clean": {FLASK: CLEAN}}.get(state, {FLASK: REPORT})
    Audits(reports).attach(desk)
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=theme)
    qtbot.addWidget(window)
    window.resize(*size)
    window.render(STATES[state](story.green))
    window.show()

    window.show_audits(FLASK)
    for _ in range(3):
        done: list[bool] = []
        QTimer.singleShot(0, lambda done=done: done.append(True))
        qtbot.waitUntil(lambda done=done: bool(done))
    picture = window.grab().toImage()
    window.hide()

    folder = Path(os.environ.get("WATCHKEEPER_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    look = "dark" if theme.is_dark else "light"
    assert picture.save(str(folder / f"audits-{state}-{size[0]}-{look}.png"))
    small = picture.scaled(200, 140)
    assert len({small.pixel(x, y) for x in range(200) for y in range(140)}) > 12
    assert (picture.pixelColor(4, picture.height() - 4).lightness() < 100) is theme.is_dark
