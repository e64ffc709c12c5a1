"""The Health page: what it says of each state, and what its buttons ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QLabel, QPushButton

from app.domain import commands, events
from app.domain.agents import HEALTH, AgentState
from app.domain.errors import CannotError
from app.domain.health import ChannelTest, ChannelView, Ending, KeptBy, UncleanEnd, Vitals
from app.domain.snapshot import Snapshot
from app.ui.health_view import health_page_view
from app.ui.lags import KEPT, Lags
from app.ui.pages.health import HealthPage
from app.ui.theme import LIGHT
from app.ui.tray_view import tray_view
from app.ui.window import Window
from tests.ui.conftest import NOW, fold
from tests.ui.health import STATES, VITALS, ill, safe, well

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk


class Program:
    """What carries out the commands of the page, and notes them."""

    def __init__(self, desk: Desk) -> None:
        self.asked: list[commands.Command] = []
        self.refuse: CannotError | None = None
        self.tests: tuple[ChannelTest, ...] = ()
        for kind in (commands.RestartAgent, commands.LeaveSafeMode, commands.TestAlerts, commands.SaveBundle):
            desk.bus.handle(kind, self._answer)

    def _answer(self, command: commands.Command) -> object:
        self.asked.append(command)
        if self.refuse is not None:
            raise self.refuse
        return command.path if isinstance(command, commands.SaveBundle) else self.tests


@pytest.fixture
def program(desk: Desk) -> Program:
    """A program that does what it is told."""
    return Program(desk)


@pytest.fixture
def window(qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons) -> Iterator[Window]:
    """The window, at the Health page."""
    made = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(made)
    made.render(well())
    made.show()
    made.show_page("health")
    yield made
    made.hide()


def _seen(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def _button(widget: QWidget, name: str) -> QPushButton:
    return next(b for b in widget.findChildren(QPushButton) if name in (b.accessibleName(), b.text()) and b.isVisible())


def _page(window: Window) -> HealthPage:
    page = window.page_widget("health")
    assert isinstance(page, HealthPage)
    return page


def test_all_is_said_of_a_program_that_is_well(window: Window) -> None:
    """Since when, kept by whom, each agent, what is used, and how earlier lives ended."""
    seen = _seen(_page(window))

    for said in (
        "All is well",
        "Up for 3 days \u00b7 kept by systemd \u00b7 3 of 3 agents alive",
        "Heartbeat just now \u00b7 for 2 h \u00b7 1,204 done",
        "Started again 2 times",
        "systemd starts it again",
        "p50 1 ms \u00b7 p99 18 ms \u00b7 worst 0.31 s",
        "84.2 MiB",
        "61 descriptors \u00b7 14 threads \u00b7 23 tasks",
        "Woke up 3 h ago, after 8 h",
        "http://127.0.0.1:9464/metrics",
        "last sent 1 h ago",
        "Was stuck, and ended itself, at /usr/lib/python3.12/re/_parser.py:240 in _parse (version 0.5.0)",
    ):
        assert said in seen
    assert "Safe mode" not in seen


def test_what_is_wrong_is_named(window: Window) -> None:
    """The count above, a line for each, and the reason beside the agent and the channel."""
    window.render(ill())

    seen = _seen(_page(window))
    for said in (
        "4 things want a look",
        "The agent Tests of flask has work, but has come no further for 12 min",
        "The agent Audits: failed: PermissionError",
        "Alerts do not go through Telegram: api.telegram.org does not answer.",
        "The event loop is late by 0.18 s once in a hundred times.",
        "last sent 2 h ago, 3 alerts wait, 2 given up after a day",
        "paused for 25 min more",
        "For at least 2.40 s, at /opt/watchkeeper/app/engine/slow.py:12 in slow",
        "flask is watched by polling",
    ):
        assert said in seen


def test_an_agent_is_restarted_paused_and_resumed(window: Window, program: Program, desk: Desk) -> None:
    """Each row asks for its own agent."""
    window.render(ill())
    page = _page(window)

    for name in ("Restart Audits", "Pause Tests of flask", "Resume Keys"):
        _button(page, name).click()

    assert program.asked == [commands.RestartAgent(agent="audits")]
    assert desk.asked == [commands.Pause(agent="tests:flask"), commands.Resume(agent="keys")]


def test_the_agent_that_watches_the_program_is_not_paused() -> None:
    """It can be restarted; an agent that is switched off can be neither."""
    snapshot = fold(
        Snapshot(started_at=NOW),
        events.AgentChanged(at=NOW, agent=HEALTH, state=AgentState.RUNNING),
        events.AgentChanged(at=NOW, agent="keys", state=AgentState.DISABLED),
    )

    health, off = health_page_view(snapshot, NOW).agents

    assert (health.can_restart, health.pause) == (True, "")
    assert (off.can_restart, off.pause) == (False, "")


def test_safe_mode_has_a_way_out(window: Window, program: Program) -> None:
    """It says why, and its button starts the agents; left, it is gone."""
    window.render(safe())
    page = _page(window)

    seen = _seen(page)
    _button(page, "Start the agents").click()
    window.render(fold(safe(), events.SafeModeLeft(at=NOW)))

    assert "Safe mode: no agent was started. It ended badly three times within ten minutes." in seen
    assert program.asked == [commands.LeaveSafeMode()]
    assert "Safe mode" not in _seen(page)


def test_the_first_page_says_safe_mode_first(window: Window, program: Program) -> None:
    """With its way out in the place of what would do nothing; left, all is as usual."""
    window.render(safe())
    window.show_page("now")
    page = window.page_widget("now")

    seen = _seen(page)
    shown = {each.text() for each in page.findChildren(QPushButton) if each.isVisibleTo(page)}
    _button(page, "Start the agents").click()
    window.render(fold(safe(), events.SafeModeLeft(at=NOW)))
    after = {each.text() for each in page.findChildren(QPushButton) if each.isVisibleTo(page)}

    assert "Safe mode: no agent was started" in seen
    assert "It ended badly three times within ten minutes. Nothing is watched" in seen
    assert "Add a project\u2026" not in shown
    assert program.asked == [commands.LeaveSafeMode()]
    assert "Start the agents" not in after
    assert "Add a project\u2026" in after


def test_a_test_alert_tells_what_came_of_it(window: Window, program: Program) -> None:
    """That it went through, or why it did not and what to do; the desktop can always be tried."""
    page = _page(window)

    program.tests = (ChannelTest("mail", "The server refused the password.", "Set it anew: watchkeeper keys set X"),)
    _button(page, "Send a test through Mail").click()
    refused = _seen(page)
    program.tests = (ChannelTest("desktop"),)
    _button(page, "Send a test through Desktop").click()

    assert program.asked == [commands.TestAlerts(channel="mail"), commands.TestAlerts(channel="desktop")]
    assert (
        "The test did not go through. The server refused the password. Set it anew: watchkeeper keys set X" in refused
    )
    assert "A test went through at " in _seen(page)


def test_a_crash_bundle_is_asked_for_without_stopping_the_loop(
    qtbot: QtBot, window: Window, program: Program, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The question blocks nothing; the answer says where the file is, and that nothing was sent."""
    path = str(tmp_path_factory.mktemp("b") / "report.zip")

    _button(_page(window), "Save a crash bundle").click()
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    qtbot.waitUntil(dialog.isVisible)
    dialog.fileSelected.emit(path)
    dialog.close()

    assert program.asked == [commands.SaveBundle(path=path)]
    assert f"The crash bundle is {path}. Nothing was sent anywhere" in _seen(_page(window))


def test_a_bundle_that_cannot_be_written_is_told(window: Window, program: Program) -> None:
    """The window's own strip says what happened and what to do."""
    program.refuse = CannotError("The disk is full.", "Make room.")

    _page(window).save_bundle("/x/report.zip")

    seen = _seen(window)
    assert "The disk is full." in seen
    assert "Make room." in seen
    assert "is being made" not in seen


def test_nothing_is_drawn_while_nobody_looks(window: Window) -> None:
    """A hidden window, or another page, takes snapshots and shows none of them."""
    page = _page(window)
    window.hide()

    window.render(ill())

    hidden = page._view
    assert hidden is not None
    assert hidden.is_well
    window.show()
    assert page._view is not None
    assert not page._view.is_well
    window.show_page("now")
    window.render(well())
    assert not page._view.is_well


@pytest.mark.parametrize("state", STATES)
def test_everything_usable_has_a_name_and_is_reached_by_tab(qtbot: QtBot, window: Window, state: str) -> None:
    """A screen reader has a name for each button, and the tab key visits each."""
    window.render(STATES[state]())
    page = _page(window)
    qtbot.waitExposed(window)
    usable = {
        each
        for each in page.findChildren(QAbstractButton)
        if each.isVisible() and each.isEnabled() and each.focusPolicy() & Qt.FocusPolicy.TabFocus
    }

    visited = set()
    for _ in range(len(usable) + 30):
        qtbot.keyClick(window.focusWidget() or window, Qt.Key.Key_Tab)
        visited.add(window.focusWidget())

    assert usable
    assert usable <= visited
    names = {QAccessible.queryAccessibleInterface(each).text(QAccessible.Text.Name) for each in usable}
    assert "" not in names
    assert len(names) == len(usable)


def test_rows_are_kept_while_only_texts_change(window: Window) -> None:
    """A button that has the focus keeps it when a snapshot comes."""
    button = _button(_page(window), "Restart Audits")
    button.setFocus()

    window.render(fold(well(), events.AgentBeat(at=NOW, agent="audits", progress=18)))

    assert window.focusWidget() is button


def test_a_narrow_page_has_one_column(window: Window) -> None:
    """Below two columns' width the cards stand below each other, so that no line is cut off."""
    page = _page(window)

    window.resize(1040, 680)
    wide = page._columns.direction()
    window.resize(720, 480)

    assert (wide, page._columns.direction()) == (
        page._columns.Direction.LeftToRight,
        page._columns.Direction.TopToBottom,
    )


def test_lags_are_bounded_and_taken_once() -> None:
    """A measurement counts once, however often its snapshot comes, and only the last ones are kept."""
    lags = Lags()
    snapshot = well()

    for number in range(KEPT + 5):
        vitals = replace(VITALS, at=NOW + number, lag_p99_s=number / 1_000)
        for _ in range(2):
            lags.note(fold(snapshot, events.VitalsTaken(at=NOW, vitals=vitals)))

    assert lags.all() == tuple(number / 1_000 for number in range(5, KEPT + 5))


def test_the_tray_leads_to_the_page() -> None:
    """An agent's line, safe mode and a start after a bad end open it; safe mode can be left from the menu."""
    opens = commands.RaiseWindow(page="health")
    started = replace(safe(), started_at=NOW - 300)

    of_well = {entry.key: entry for entry in tray_view(well(), NOW).entries}
    of_safe = {entry.key: entry for entry in tray_view(started, NOW).entries}

    assert of_well["agent:audits"].command == opens
    assert "started-again" not in of_well
    assert of_safe["safe-mode"].command == of_safe["started-again"].command == opens
    assert of_safe["leave-safe-mode"].command == commands.LeaveSafeMode()
    assert of_safe["started-again"].text == "Started again 5 min ago: the last life was stuck, and ended itself"


_text = st.text(max_size=30)
_float = st.floats(0, 1e9)
_vitals = st.builds(
    Vitals,
    _float,
    st.none() | st.integers(0, 2**50),
    st.none() | st.integers(0, 9_999),
    *[st.integers(0, 999)] * 2,
    *[_float] * 3,
)
_end = st.builds(UncleanEnd, _float, st.sampled_from(Ending), _text, _text)
_channel = st.builds(ChannelView, _text, st.integers(0, 99), _text, st.none() | _float, st.integers(0, 99))
_happened = st.lists(
    st.one_of(
        st.builds(
            events.LifeBegan,
            at=_float,
            kept_by=st.sampled_from(KeptBy),
            ends=st.lists(_end, max_size=12).map(tuple),
            is_restart=st.booleans(),
            safe_mode=_text,
        ),
        st.builds(events.AgentChanged, at=_float, agent=_text, state=st.sampled_from(AgentState), reason=_text),
        st.builds(events.VitalsTaken, at=_float, vitals=_vitals),
        st.builds(events.ChannelChanged, at=_float, channel=_channel),
        st.builds(events.NoticeRaised, at=_float, key=_text, text=_text, hint=_text),
        st.builds(events.SystemResumed, at=_float, slept_s=_float, source=_text),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happened=_happened)
def test_any_snapshot_is_shown(window: Window, happened: list[events.Event]) -> None:
    """Whatever the events were, the page and the tray's menu show it."""
    snapshot = fold(Snapshot(started_at=NOW), *happened)

    window.render(snapshot)

    view = health_page_view(snapshot, NOW)
    assert view.title in _seen(_page(window))
    assert len({entry.key for entry in tray_view(snapshot, NOW).entries}) == len(tray_view(snapshot, NOW).entries)
    assert len(view.ends) + view.more_ends == len(snapshot.health.ends)
