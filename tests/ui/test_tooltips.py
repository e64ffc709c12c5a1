"""Foreign text in tooltips, and where else Qt or a desktop might take it for markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPoint
from PySide6.QtCore import Qt as QtCoreQt
from PySide6.QtGui import Qt, QTextDocument
from PySide6.QtWidgets import QAbstractItemView, QApplication, QLabel, QSystemTrayIcon, QToolTip, QWidget

from app.domain import events
from app.domain.coverage import Coverage, FileCoverage
from app.domain.history import Why
from app.domain.keys import SecretView, VaultState, VaultView
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.ui.coverage_model import CoverageModel
from app.ui.coverage_view import CoverageOrder, coverage_view
from app.ui.keys_model import COLUMNS, GROUP, NAME, NOTES, KeysModel
from app.ui.keys_view import open_view
from app.ui.pages.why import WhyPart
from app.ui.parts import ElidedLabel
from app.ui.theme import LIGHT
from app.ui.tooltips import plain_tooltip, without_markup
from app.ui.tray import Tray
from app.ui.tray_menu import TrayMenu
from app.ui.tray_view import MenuEntry, tray_view
from app.ui.window import Window
from tests.ui.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk

IMAGE = "<img src='file:///x'>"
FILE = "tests/test_<b>bold</b>.py"
NODEID = f"{FILE}::test_it[{IMAGE}]"
ROOT = f"/src/{IMAGE}"
TOOLTIP = QtCoreQt.ItemDataRole.ToolTipRole


def _as_shown(tooltip: str) -> str:
    """Return what Qt shows: a picture is one sign that stands in no name, and tags are gone."""
    if not Qt.mightBeRichText(tooltip):
        return tooltip
    document = QTextDocument()
    document.setHtml(tooltip)
    return document.toPlainText()


@pytest.fixture
def hostile() -> Snapshot:
    """A project whose folder, tests and files have names that look like markup."""
    happened = (
        events.ProjectWatched(at=NOW - 9, project=ROOT, name=IMAGE),
        events.RunStarted(at=NOW - 8, project=ROOT, run_id="1", cause=Cause(CauseKind.SAVE, (IMAGE,))),
        events.RunCollected(at=NOW - 7, project=ROOT, run_id="1", total=1),
        events.TestsRan(
            at=NOW - 6, project=ROOT, run_id="1", results=(TestResult(NODEID, Outcome.FAILED, 0.1),), running=NODEID
        ),
        events.RunFinished(at=NOW - 5, project=ROOT, run_id="1", verdict=Verdict.RED, duration_s=1.0),
        events.CoverageMeasured(at=NOW, project=ROOT, coverage=Coverage((FileCoverage(FILE, 4, (2,)),))),
    )
    snapshot = Snapshot(started_at=NOW - 10)
    for event in happened:
        snapshot = reduce(snapshot, event)
    return snapshot


@pytest.mark.parametrize(
    "text",
    [
        IMAGE,
        NODEID,
        f"a line with {IMAGE}\n  {IMAGE}\n\nand  & another &lt;one&gt;",
        f"a plain line\n  {IMAGE}",
        "<b>bold</b>",
        "<!-- hidden -->",
        "&lt;b&gt;",
        "<p>a</p>",
    ],
)
@pytest.mark.usefixtures("qapp")
def test_what_looks_like_markup_is_shown_to_the_letter(text: str) -> None:
    """Nothing of it is formatted, loaded or left out, and lines stay lines."""
    assert _as_shown(plain_tooltip(text)) == text


@given(st.text(alphabet="<>&;/!=' abimgp_1\n", max_size=40))
def test_no_text_at_all_becomes_markup(text: str) -> None:
    """Whatever signs come together, they are read as they stand."""
    assert _as_shown(plain_tooltip(f"test {text}.")) == f"test {text}."


def test_an_ordinary_name_stays_as_it_is() -> None:
    """A screen reader takes a tooltip for a description: tags are put around what needs them only."""
    ordinary = "tests/test_a.py::TestA::test_x[<lambda>-a & b]"

    assert plain_tooltip(ordinary) == ordinary


def test_a_tooltip_on_the_screen_holds_no_picture(qtbot: QtBot) -> None:
    """Qt's own tooltip shows the name, in its own words and not as a picture of that address."""
    under = QWidget()
    qtbot.addWidget(under)
    under.show()

    QToolTip.showText(QPoint(5, 5), plain_tooltip(NODEID), under)

    tip = next(
        each for each in QApplication.topLevelWidgets() if isinstance(each, QLabel) and each.inherits("QTipLabel")
    )
    assert _as_shown(tip.text()) == NODEID
    QToolTip.hideText()


def test_every_part_shows_foreign_text_to_the_letter(qtbot: QtBot, icons: Icons) -> None:
    """Labels, reasons, the tray's menu and the lists hand Qt nothing that it would take for markup."""
    label, why, menu = ElidedLabel(), WhyPart(), TrayMenu(lambda _command: None)
    for widget in (label, why):
        qtbot.addWidget(widget)
    label.setText(NODEID)
    why.show_why(Why(ROOT, NODEID, None, ran=False, cause=None, reasons=(IMAGE,), depends_on=(FILE,), functions=1))
    menu.show_entries((MenuEntry("red", "red", "test_it", tooltip=NODEID),))
    coverage, keys = CoverageModel(), KeysModel(icons, LIGHT)
    coverage.show_rows(coverage_view(Coverage((FileCoverage(FILE, 4, (2,)),)), CoverageOrder.LEAST).rows)
    secret = SecretView("A_KEY", group=IMAGE, notes="<b>the</b> account")
    keys.show_rows(open_view(VaultView(VaultState.OPEN, secrets=(secret,)), NOW).rows)
    cells = [_as_shown(str(keys.data(keys.index(0, column), TOOLTIP) or "")) for column in range(len(COLUMNS))]

    shown = [
        label.toolTip(),
        why._text.toolTip(),
        menu.widget.actions()[0].toolTip(),
        str(coverage.data(coverage.index(0), TOOLTIP)),
    ]

    wanted = [NODEID, IMAGE, NODEID, FILE]
    assert [text for text, part in zip(wanted, shown, strict=True) if text not in _as_shown(part)] == []
    assert cells[NAME].endswith("<b>the</b> account")
    assert (cells[GROUP], cells[NOTES]) == (IMAGE, "<b>the</b> account")
    menu.close()


def test_no_page_has_a_tooltip_with_markup(
    qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons, hostile: Snapshot
) -> None:
    """Whichever page shows a hostile name, its tooltips are text: what Qt shows has all of the name in it."""
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(window)
    window.render(hostile)
    window.show()
    found: list[str] = []

    for page in ("now", "tests", "conversation", "log"):
        window.show_page(page)
        if page == "tests":
            window.show_test(ROOT, NODEID)
        found += _tooltips(window)

    odd = [each for each in found if "img" in each or "bold" in each]
    assert {NODEID, ROOT} <= {_as_shown(each) for each in odd}
    assert [each for each in odd if IMAGE not in _as_shown(each) and "<b>bold</b>" not in _as_shown(each)] == []


def test_the_trays_icon_is_told_no_markup(qtbot: QtBot, icons: Icons, fake_clock: FakeClock, hostile: Snapshot) -> None:
    """Nobody knows what a desktop makes of a tooltip or a balloon: no tag begins in either."""
    del qtbot
    said: list[str] = []

    class Icon(QSystemTrayIcon):
        def showMessage(self, *told: object) -> None:  # noqa: N802 - Qt's own name
            said.extend(str(each) for each in told[:2])

    tray = Tray(lambda _command: None, fake_clock, icons)
    tray._icon = Icon(tray)
    tray.render(hostile)
    tray.balloon(IMAGE, f"{IMAGE} is red")
    tooltip = tray._icon.toolTip()
    tray.close()

    assert IMAGE in tray_view(hostile, NOW).tooltip
    assert without_markup(IMAGE) in tooltip
    assert said == [without_markup(IMAGE), f"{without_markup(IMAGE)} is red"]
    assert "<" not in "".join((tooltip, *said))


def _tooltips(window: Window) -> Iterator[str]:
    for widget in window.findChildren(QWidget):
        yield widget.toolTip()
    for view in window.findChildren(QAbstractItemView):
        yield from _of_rows(view.model(), QModelIndex())


def _of_rows(model: QAbstractItemModel | None, parent: QModelIndex) -> Iterator[str]:
    if model is None:
        return
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        yield str(model.data(index, TOOLTIP) or "")
        yield from _of_rows(model, index)
