"""The log's model and page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QAbstractItemModelTester

from app.domain import commands
from app.domain.history import LogLine
from app.ui.log_model import KEPT_LINES, LEVELS, LogModel
from app.ui.pages.log import LINES_AT_ONCE, LogPage
from app.ui.theme import LIGHT
from app.ui.window import Window

if TYPE_CHECKING:
    import pytest
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk


def _lines(count: int, first: int = 1) -> list[LogLine]:
    levels = ("debug", "info", "warning", "error")
    return [
        LogLine(seq, 1e9 + seq, levels[seq % 4], "app.engine", f"line {seq}") for seq in range(first, first + count)
    ]


def _page(window: Window) -> LogPage:
    page = window.page_widget("log")
    assert isinstance(page, LogPage)
    return page


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 40), max_size=8),
    st.sampled_from([0, *LEVELS.values()]),
    st.sampled_from(["", "line 1", "ENGINE", "nothing"]),
)
def test_the_newest_lines_that_pass_are_shown(batches: list[int], level: int, text: str) -> None:
    """However lines come and whenever the filter is set, the model holds the newest ones that pass, in order."""
    model = LogModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    all_lines: list[LogLine] = []
    for place, count in enumerate(batches):
        fresh = _lines(count, len(all_lines) + 1)
        all_lines += fresh
        model.append(fresh)
        if place == len(batches) // 2:
            model.set_filter(level=level, text=text)
    model.set_filter(level=level, text=text)

    expected = [
        line for line in all_lines if LEVELS[line.level] >= level and text.lower() in f"{line.text} {line.logger}"
    ]
    assert [model.line(row) for row in range(model.rowCount())] == expected
    del tester


def test_the_log_is_bounded(qapp: QApplication) -> None:
    """The oldest lines go when there are too many, from what is shown as well."""
    del qapp
    model = LogModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    model.append(_lines(KEPT_LINES))

    model.append(_lines(300, KEPT_LINES + 1))

    assert model.rowCount() == KEPT_LINES
    assert model.line(0).seq == 301
    del tester


def test_a_line_that_is_known_is_left_out(qapp: QApplication) -> None:
    """An answer that overlaps with the one before shows no line twice."""
    del qapp
    model = LogModel()
    model.append(_lines(10))

    model.append(_lines(10, 6))

    assert [model.line(row).seq for row in range(model.rowCount())] == list(range(1, 16))


def test_lines_come_only_while_the_page_is_seen(qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons) -> None:
    """The page asks when it is shown, catches up in portions, goes on asking, and stops when it is left."""
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(window)
    desk.lines = _lines(LINES_AT_ONCE + 100)
    window.show()
    assert desk.of(commands.ReadLogs) == []

    window.show_page("log")
    page = _page(window)
    qtbot.waitUntil(lambda: page.model.newest == LINES_AT_ONCE + 100)
    desk.lines += _lines(5, LINES_AT_ONCE + 101)
    qtbot.waitUntil(lambda: page.model.newest == LINES_AT_ONCE + 105)
    window.show_page("now")

    assert not page._poll.isActive()
    window.hide()


def test_the_newest_line_stays_in_sight_until_a_person_scrolls_back(
    qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons
) -> None:
    """Follow keeps to the end, scrolling back ends it, and scrolling to the end begins it again."""
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(window)
    desk.lines = _lines(400)
    window.show()
    window.show_page("log")
    page = _page(window)
    bar = page._view.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())

    qtbot.keyClick(page._view, Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    bar.triggerAction(bar.SliderAction.SliderToMinimum)
    qtbot.waitUntil(lambda: not page._follow.isChecked())
    desk.lines += _lines(10, 401)
    qtbot.waitUntil(lambda: page.model.newest == 410)
    assert bar.value() == 0
    bar.triggerAction(bar.SliderAction.SliderToMaximum)

    qtbot.waitUntil(page._follow.isChecked)
    window.hide()


def test_lines_are_filtered_and_copied(qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons) -> None:
    """Level and text decide what is shown, and what is shown can be copied."""
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(window)
    desk.lines = _lines(40)
    window.show()
    window.show_page("log")
    page = _page(window)

    page._level.setCurrentIndex(page._level.findData(LEVELS["error"]))
    page.focus_search()
    qtbot.keyClicks(page._search, "line 3")
    page._copy.click()

    copied = QGuiApplication.clipboard().text().splitlines()
    assert [line.rsplit(": ", 1)[1] for line in copied] == ["line 3", "line 31", "line 35", "line 39"]
    window.hide()


def test_an_empty_log_says_why(
    qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line at all and no line that passes are told apart."""
    del monkeypatch
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(window)
    window.show()
    window.show_page("log")
    page = _page(window)
    assert page._empty.text() == "Nothing has been logged yet."

    desk.lines = _lines(4)
    qtbot.waitUntil(lambda: page.model.newest == 4)
    qtbot.keyClicks(page._search, "zzz")

    assert page._empty.text() == "No line passes the filter."
    window.hide()
