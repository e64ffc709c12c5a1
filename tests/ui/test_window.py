"""The window: its pages, its keyboard, and its rest while nobody looks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
)

from app.domain import commands, events
from app.domain.analysis import ExplainStage, Explanation
from app.domain.errors import CommandRefused
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.engine.tasks import spawn
from app.ui.headline import headline
from app.ui.pages.now import NowPage
from app.ui.pages.tests import TestsPage
from app.ui.theme import DARK, LIGHT
from app.ui.window import Window
from tests.ui.models import ANSWER, LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication, QWidget
    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story


PLACES = [
    "now",
    "tests",
    "log",
    "conversation",
    "explained",
    "project",
    "vault-none",
    "vault-waiting",
    "vault-locked",
    "vault-trouble",
    "vault-open",
]


@pytest.fixture
def window(qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons) -> Iterator[Window]:
    """A window that asks a real bus."""
    made = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(made)
    yield made
    made.hide()


def _seen(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def _button(widget: QWidget, text: str) -> QPushButton:
    return next(b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible())


def _look_at(window: Window, desk: Desk, story: Story, page: str) -> None:
    """Look at a page while a run goes on; `project` is the page of tests at a project whose coverage is known.

    `explained` is that page at a red test that a model has explained, `vault-...` the page of keys with the vault in
    that state.
    """
    red = story.red.projects[story.flask].red[0]
    desk.explanation = Explanation(story.flask, red.nodeid, "f", ExplainStage.EXPLAINED, LOCAL, ANSWER)
    state = story.all().get(page) or (story.confirming if page in ("now", "project") else story.running)
    window.render(state)
    window.show()
    window.show_page(
        {"project": "tests", "explained": "tests"}.get(page, "keys" if page.startswith("vault-") else page)
    )
    if page == "project":
        window.show_test(story.flask, None)
    elif page == "explained":
        window.show_test(story.flask, red.nodeid)
    elif page == "conversation":
        window.show_conversation("one")


def _tests_page(window: Window) -> TestsPage:
    page = window.page_widget("tests")
    assert isinstance(page, TestsPage)
    return page


def test_a_narrow_window_leaves_its_room_to_the_names_of_tests(window: Window, desk: Desk, story: Story) -> None:
    """Beside the details a name has room for all of it, at the cost of the times; a wide window has those again."""
    _look_at(window, desk, story, "explained")
    tree, model = _tests_page(window).tree, _tests_page(window).model
    index = model.index_of_test(story.flask, story.red.projects[story.flask].red[0].nodeid)

    window.resize(720, 480)
    narrow = tree.visualRect(index).width(), tree.isColumnHidden(1)
    window.resize(1040, 680)
    wide = tree.visualRect(index).width(), tree.isColumnHidden(1)

    marks = 40  # a symbol, and the room around it
    needed = tree.fontMetrics().horizontalAdvance("test_session_12") + marks
    assert narrow[0] >= needed
    assert narrow[1]
    assert wide[0] >= needed
    assert not wide[1]


@pytest.mark.parametrize(
    "name", ["empty", "waiting", "green", "red", "running", "confirming", "checked", "paused", "trouble", "failed"]
)
@pytest.mark.parametrize("page", ["now", "tests", "conversation", "keys", "health", "log"])
def test_every_page_shows_every_state(window: Window, story: Story, name: str, page: str) -> None:
    """Each page can be looked at in each state, and says something."""
    window.render(story.all()[name])
    window.show()
    window.show_page(page)

    assert window.page == page
    assert not window.grab().isNull()


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("empty", ["No project is watched yet", "watchkeeper PATH", "kept in a vault"]),
        ("waiting", ["Waiting for the first run", "waiting for the first save", "Nothing has run yet"]),
        ("green", ["All green, 604 tests", "Nothing is red"]),
        ("red", ["6 tests are red in flask", "2 min ago, after app.py was saved", "on watch"]),
        ("running", ["240 of 484 tests", "3 red", "test_dotted_name_not_allowed", "3 s", "sysctl"]),
        (
            "confirming",
            ["Green so far, 7 tests", "477 more are being confirmed", "130 of 484 tests", "5 of 7 changed lines"],
        ),
        ("paused", ["Paused for 25 min more"]),
        ("trouble", ["httpx: test files cannot be imported", "SyntaxError in httpx/_client.py, line 88."]),
        (
            "failed",
            ["Resume tries again at once.", "The program stood still for at least 2.30 s, at file.py:12 in slow."],
        ),
    ],
)
def test_the_now_page_says_how_things_stand(window: Window, story: Story, name: str, sentences: list[str]) -> None:
    """The first page tells verdict, run, projects, agents and notices, and what to do where nothing is there yet."""
    window.render(story.all()[name])
    window.show()

    seen = _seen(window)
    assert [sentence for sentence in sentences if sentence not in seen] == []


def test_a_hidden_window_only_keeps_the_snapshot(window: Window, story: Story) -> None:
    """Nothing is built or painted while nobody looks, and the newest snapshot is there at the first look."""
    window.render(story.green)
    window.render(story.red)
    assert window._pages == {}

    window.show()
    assert "6 tests are red in flask" in _seen(window)
    window.close()
    window.render(story.green)
    assert "6 tests are red" in window.page_widget("now").findChildren(QLabel, "title")[0].text()
    assert not window._tick.isActive()

    window.show()
    assert "All green" in _seen(window)


def test_the_same_snapshot_again_costs_nothing(window: Window, fake_clock: FakeClock, story: Story) -> None:
    """A snapshot that was shown already is not rendered a second time: even its ages stay."""
    window.render(story.red)
    window.show()
    before = _seen(window)
    fake_clock.advance(3600)

    window.render(story.red)
    after_the_same = _seen(window)
    window.render(reduce(story.red, events.AgentBeat(at=story.now, agent="tests", progress=9)))

    assert after_the_same == before
    assert _seen(window) != before


def test_closing_hides(qtbot: QtBot, window: Window) -> None:
    """Escape and the close button hide the window; the program goes on."""
    with qtbot.waitActive(window):
        window.open()

    qtbot.keyClick(window, Qt.Key.Key_Escape)

    assert window.isHidden()


def test_the_keyboard_reaches_everything(qtbot: QtBot, window: Window, desk: Desk, story: Story) -> None:
    """Pages, search and a run have shortcuts."""
    window.render(story.red)
    with qtbot.waitActive(window):
        window.open()

    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert window.page == "tests"
    qtbot.keyClick(window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert isinstance(window.focusWidget(), QLineEdit)
    qtbot.keyClicks(window.focusWidget(), "test_json")
    assert 0 < _tests_page(window).model.test_count < 200
    qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Escape)
    assert window.isVisible()
    assert _tests_page(window).model.test_count == 604
    for key, page in (
        (Qt.Key.Key_3, "conversation"),
        (Qt.Key.Key_4, "audits"),
        (Qt.Key.Key_5, "keys"),
        (Qt.Key.Key_6, "health"),
        (Qt.Key.Key_7, "log"),
    ):
        qtbot.keyClick(window, key, Qt.KeyboardModifier.ControlModifier)
        assert window.page == page
    qtbot.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert window.page == "now"
    qtbot.keyClick(window, Qt.Key.Key_F5)
    assert desk.of(commands.RunTests) == [commands.RunTests()]


@pytest.mark.parametrize("page", PLACES)
def test_tab_walks_over_all_that_can_be_used(qtbot: QtBot, window: Window, desk: Desk, story: Story, page: str) -> None:
    """The tab key visits each usable thing of a page and comes round again."""
    _look_at(window, desk, story, page)
    qtbot.waitExposed(window)
    usable = {
        each
        for kind in (QAbstractButton, QAbstractItemView, QLineEdit, QComboBox, QPlainTextEdit)
        for each in window.findChildren(kind)
        if each.isVisible() and each.isEnabled() and each.focusPolicy() & Qt.FocusPolicy.TabFocus
    }

    visited = set()
    for _ in range(len(usable) * 2 + 10):
        qtbot.keyClick(window.focusWidget() or window, Qt.Key.Key_Tab)
        visited.add(window.focusWidget())

    assert {each.objectName() or type(each).__name__ for each in usable - visited} == set()


@pytest.mark.parametrize("page", PLACES)
def test_everything_usable_has_a_name(window: Window, desk: Desk, story: Story, page: str) -> None:
    """A screen reader has a name for each button, field and list."""
    _look_at(window, desk, story, page)

    nameless = [
        each
        for kind in (QAbstractButton, QAbstractItemView, QLineEdit, QComboBox, QPlainTextEdit)
        for each in window.findChildren(kind)
        if each.isVisible()
        and each.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not QAccessible.queryAccessibleInterface(each).text(QAccessible.Text.Name)
    ]
    assert nameless == []


def test_a_red_test_opens_its_detail(qtbot: QtBot, window: Window, desk: Desk, story: Story) -> None:
    """A click on a red test shows its output, its history and what broke it."""
    window.render(story.red)
    window.show()
    now = window.page_widget("now")
    assert isinstance(now, NowPage)
    reds = now._list
    first = reds.model().index(0, 0)

    qtbot.mouseClick(reds.viewport(), Qt.MouseButton.LeftButton, pos=reds.visualRect(first).center())

    pane = _tests_page(window).pane
    assert window.page == "tests"
    assert desk.of(commands.ReadTest) == [commands.ReadTest(project=story.flask, nodeid=pane.nodeid or "")]
    assert "assert 404 == 200" in pane._output.toPlainText()
    seen = _seen(pane)
    assert "it broke after app.py was saved" in seen
    assert "Changed then: src/flask/app.py" in seen
    assert "red in 3 of the last 34 runs" in seen


def test_a_test_tells_why_it_ran(window: Window, desk: Desk, story: Story) -> None:
    """The reasons are asked for when the detail opens, and the files that it depends on are in the tooltip."""
    window.render(story.checked)
    window.show()
    red = story.checked.projects[story.flask].red[0]

    window.show_test(story.flask, red.nodeid)

    pane = _tests_page(window).pane
    seen = _seen(pane)
    assert desk.of(commands.ReadWhy) == [commands.ReadWhy(project=story.flask, nodeid=red.nodeid)]
    assert "Why it ran" in seen
    assert "It executes Flask.full_dispatch_request in src/flask/app.py, which changed." in seen
    assert "Second look: flaky: green when run again alone" in seen
    assert "tests/templates/index.html" in pane._why_part._text.toolTip()


def test_a_reason_that_nobody_knows_leaves_no_gap(window: Window, desk: Desk, story: Story) -> None:
    """An instance that cannot say why shows the rest of the detail, and no complaint."""
    window.render(story.red)
    window.show()
    desk.refuse = CommandRefused("Nobody knows.", "Run it first.")

    window.show_test(story.flask, story.red.projects[story.flask].red[0].nodeid)

    assert not _tests_page(window).pane._why_part.isVisible()
    assert not window._error.isVisible()


def test_coverage_is_one_click_away(qtbot: QtBot, window: Window, story: Story) -> None:
    """From the first page to the files, whose order the keyboard can change."""
    window.render(story.checked)
    with qtbot.waitActive(window):
        window.open()

    _button(window, "Coverage 90.3 %").click()

    part = _tests_page(window).pane._coverage
    files = part._list.model()
    least = [files.data(files.index(place, 0)) for place in range(3)]
    names = _button(part, "Name")
    names.setFocus()
    qtbot.keyClick(names, Qt.Key.Key_Space)
    by_name = [files.data(files.index(place, 0)) for place in range(3)]
    assert window.page == "tests"
    assert "1,853 of 2,053 statements in 13 files" in _seen(part)
    assert least == ["src/flask/debughelpers.py", "src/flask/cli.py", "src/flask/helpers.py"]
    assert by_name == ["src/flask/app.py", "src/flask/blueprints.py", "src/flask/cli.py"]


def test_coverage_goes_with_its_project(window: Window, story: Story) -> None:
    """A project that was not measured, a test and a file of tests have none to show."""
    window.render(story.checked)
    window.show()
    part = _tests_page(window).pane._coverage
    shown = []

    for project, nodeid in (
        (story.flask, None),
        (story.httpx, None),
        (story.flask, None),
        (story.flask, story.checked.projects[story.flask].red[0].nodeid),
    ):
        window.show_test(project, nodeid)
        shown.append(part.isVisible())

    assert shown == [True, False, True, False]


def test_the_output_can_be_copied(window: Window, story: Story) -> None:
    """Output and test id go to the clipboard."""
    window.render(story.red)
    window.show()
    red = story.red.projects[story.flask].red[0]
    window.show_test(story.flask, red.nodeid)

    _button(window, "Copy output").click()
    assert "assert 404 == 200" in QGuiApplication.clipboard().text()
    _button(window, "Copy test id").click()
    assert QGuiApplication.clipboard().text() == red.nodeid


def test_a_test_that_ran_again_is_asked_for_again(window: Window, desk: Desk, story: Story) -> None:
    """The detail follows the runs, and nothing is asked while nothing happens to the test."""
    window.render(story.red)
    window.show()
    red = story.red.projects[story.flask].red[0]
    window.show_test(story.flask, red.nodeid)
    asked = len(desk.of(commands.ReadTest))

    window.render(reduce(story.red, events.AgentBeat(at=story.now, agent="tests", progress=9)))
    assert len(desk.of(commands.ReadTest)) == asked
    window.render(story.running)
    assert len(desk.of(commands.ReadTest)) == asked + 1


def test_a_filter_gives_way_to_the_test_that_is_asked_for(window: Window, story: Story) -> None:
    """Opening a test that a filter hides takes the filter away."""
    window.render(story.red)
    window.show()
    window.show_page("tests")
    _button(window, "Red \u00b7 6").click()
    assert _tests_page(window).model.test_count == 6
    green = next(t for t in story.red.projects[story.flask].tests.values() if not t.outcome.is_red)

    window.show_test(story.flask, green.nodeid)

    page = _tests_page(window)
    assert page.model.test_count > 6
    assert page.model.node_at(page.tree.currentIndex()).key == green.nodeid


def test_what_pytest_said_is_one_click_away(window: Window, story: Story) -> None:
    """A run that went wrong as a whole shows its output."""
    window.render(story.trouble)
    window.show()

    _button(window, "Show what pytest said").click()

    assert "E   SyntaxError: invalid syntax" in _tests_page(window).pane._output.toPlainText()


def test_the_buttons_ask(window: Window, desk: Desk, story: Story) -> None:
    """Run, stop, pause and resume send their commands."""
    window.render(story.running)
    window.show()
    _button(window, "Run tests").click()
    _button(window, "Stop run").click()
    now = window.page_widget("now")
    assert isinstance(now, NowPage)
    for action in now._pause_menu.actions():
        action.trigger()
    window.render(story.paused)
    _button(window, "Resume").click()

    assert desk.asked == [
        commands.RunTests(),
        commands.CancelRun(),
        commands.Pause(seconds=1800),
        commands.Pause(),
        commands.Resume(),
    ]


def test_a_project_can_be_added_before_and_after_the_first(window: Window, desk: Desk, story: Story) -> None:
    """Where none is watched, that is the one thing to do; later it is a line below the projects."""
    window.render(Snapshot(started_at=0.0))
    window.show()
    alone = [b.text() for b in window.findChildren(QPushButton) if b.isVisible() and b.objectName() == "primary"]
    _button(window, "Add a project\u2026").click()
    window.render(story.red)
    styles = [b.objectName() for b in window.findChildren(QPushButton) if b.isVisible() and "project" in b.text()]
    _button(window, "Add a project\u2026").click()

    assert alone == ["Add a project\u2026"]
    assert styles == ["link"]
    assert desk.asked == [commands.AskForProject()] * 2


def test_a_failed_agent_is_resumed_by_name(window: Window, desk: Desk, story: Story) -> None:
    """Only the agent that has failed has a button to be tried again, and while another works all can be paused."""
    window.render(story.failed)
    window.show()

    offered = [b for b in window.findChildren(QPushButton) if b.text() == "Resume" and b.isVisible()]
    offered[0].click()

    assert [button.accessibleName() for button in offered] == ["Resume Tests"]
    assert desk.asked == [commands.Resume(agent="tests")]
    assert _button(window, "Pause").isEnabled()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CommandRefused("No project is watched.", "Add one first."), "No project is watched."),
        (ZeroDivisionError("x"), "That went wrong inside Watchkeeper."),
    ],
)
def test_a_refusal_is_shown(window: Window, desk: Desk, story: Story, error: Exception, sentence: str) -> None:
    """What went wrong and what to do stands at the top of the window, without a traceback."""
    window.render(story.red)
    window.show()
    desk.refuse = error

    _button(window, "Run tests").click()

    assert sentence in _seen(window)


def test_the_window_follows_a_change_of_theme(window: Window, story: Story) -> None:
    """Light and dark change under way, on every page that was built."""
    window.render(story.red)
    window.show()
    window.show_page("tests")
    window.show_page("now")

    window._theme = DARK
    window._wear()

    assert window.palette().window().color().name() == DARK.window
    assert window.grab().toImage().pixelColor(5, window.height() - 5).lightness() < 60


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("vault-locked", "Vault locked"),
        ("vault-waiting", "Vault waiting"),
        ("vault-trouble", "Vault in trouble"),
        ("vault-open", ""),
        ("vault-none", ""),
    ],
)
def test_every_page_says_that_the_vault_is_not_open(window: Window, story: Story, state: str, said: str) -> None:
    """The side bar tells in two words where the vault stands, unless there is nothing to do about it."""
    window.render(story.all()[state])

    window.show()

    assert window._status.text() == said


def test_a_page_that_there_is_none_of_is_not_looked_at(window: Window, story: Story) -> None:
    """A name from outside that no page has leaves the window where it was."""
    window.render(story.green)
    window.show()
    window.show_page("keys")

    window.show_page("nonsense")

    assert window.page == "keys"


def test_ages_move_on_by_themselves(qtbot: QtBot, window: Window, fake_clock: FakeClock, story: Story) -> None:
    """With no snapshot for a while, relative times still tell the truth."""
    window.render(story.red)
    window.show()

    fake_clock.advance(3600)

    qtbot.waitUntil(lambda: "1 h ago, after app.py was saved" in _seen(window), timeout=5000)
    assert "2 min ago" not in _seen(window)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_snapshot_breaks_the_window(
    data: st.DataObject,
    any_snapshot: st.SearchStrategy[Snapshot],
    window: Window,
    fake_clock: FakeClock,
) -> None:
    """Whatever the reducer can make is shown on every page, and its headline is what the first one says."""
    snapshot = data.draw(any_snapshot)
    window.render(snapshot)
    window.show()

    for page in ("tests", "conversation", "keys", "now"):
        window.show_page(page)
        assert not window.grab().isNull()
    assert headline(snapshot, fake_clock.wall()).title in _seen(window)


async def test_the_window_works_on_the_real_loop(desk: Desk, fake_clock: FakeClock, icons: Icons, story: Story) -> None:
    """With the program's own spawn and loop a click asks the bus while the loop goes on."""
    window = Window(desk.bus.send, spawn, fake_clock, icons, theme=LIGHT)
    window.render(story.red)
    window.show()
    asked = asyncio.Event()
    desk.on_asked = asked.set

    _button(window, "Run tests").click()
    async with asyncio.timeout(5):
        await asked.wait()

    assert desk.of(commands.RunTests) == [commands.RunTests()]
    window.hide()
    window.deleteLater()


def test_a_window_costs_no_page_before_it_is_looked_at(qapp: QApplication, window: Window) -> None:
    """Building the window builds no page."""
    del qapp

    assert window._pages == {}
