"""Building blocks that the pages share, as they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui.parts import CheckBox
from app.ui.style import style_sheet
from app.ui.theme import DARK, LIGHT

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from app.ui.theme import Theme


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("is_on", [True, False])
def test_a_tick_is_seen_in_each_theme(theme: Theme, is_on: bool, qtbot: QtBot) -> None:  # noqa: FBT001 - a case
    """It has the colour of text on the accent, whose colour the box has; without a tick there is neither."""
    window = QWidget()
    window.setPalette(theme.palette())
    window.setStyleSheet(style_sheet(theme))
    box = CheckBox("")
    box.setChecked(is_on)
    QVBoxLayout(window).addWidget(box)
    qtbot.addWidget(window)
    window.show()

    image = box.grab().toImage()

    seen = {QColor(image.pixel(x, y)).name() for x in range(image.width()) for y in range(image.height())}
    assert ({theme.accent, theme.accent_text} <= seen) is is_on
    assert (theme.accent in seen) is is_on
