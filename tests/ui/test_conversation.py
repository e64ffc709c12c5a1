"""The Conversation page: asking, following an answer, stopping it, finding, deleting and exporting what was said."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QDir, Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QLabel, QLineEdit, QMessageBox, QPushButton, QWidget

from app.domain import commands, events
from app.domain.analysis import AnalysisView, Reply, Usage
from app.domain.errors import BudgetSpent, CannotError, ConsentMissing
from app.domain.modelwords import STOPPED
from app.domain.reduce import reduce
from app.engine.bus import Bus
from app.engine.tasks import spawn
from app.ui.pages.conversation import ConversationPage
from app.ui.pages.conversation_transcript import Transcript
from app.ui.parts import Strip
from app.ui.theme import DARK, LIGHT
from app.ui.window import Window
from tests.conftest import settle
from tests.ui.models import ANALYSIS, EXCHANGES, HOSTILE, NOW, RECORDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story

PAUSE_S = 0.2
"""More than the page waits between two looks at an answer."""


@dataclass
class Service:
    """Who answers, far away: what has come of an answer, and whether that is all."""

    said: str = ""
    ended: Reply | None = None
    broken: Exception | None = None
    gate: asyncio.Event | None = None
    seq: int = 3
    reads: int = 0
    asked: list[commands.Command] = field(default_factory=list)

    async def read(self, command: commands.ReadReply) -> Reply:
        """Answer at once, or when the gate is opened."""
        if self.gate is not None:
            await self.gate.wait()
        return self.reply(command)

    def reply(self, command: commands.ReadReply) -> Reply:
        """Return what came after what is known."""
        self.reads += 1
        if self.broken is not None:
            raise self.broken
        if not any(isinstance(each, commands.Ask) for each in self.asked):
            return Reply(command.conversation, 2, "", 0, is_done=True)
        text, length = self.said[command.after :], len(self.said)
        came = Reply(command.conversation, self.seq, text, length, is_done=False, model="deepseek-chat")
        if self.ended is None:
            return came
        return replace(self.ended, conversation=command.conversation, text=came.text, length=came.length)

    def end(self, trouble: str = "", hint: str = "") -> None:
        """Say that nothing more will come."""
        took = Usage(90, 10, 0.004, 3.2)
        self.ended = Reply("", 3, "", 0, is_done=True, trouble=trouble, hint=hint, model="deepseek-chat", usage=took)


@pytest.fixture
def window(qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons, story: Story) -> Iterator[Window]:
    """A window whose page of conversations can be looked at."""
    made = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(made)
    made.render(reduce(story.red, events.AnalysisChanged(at=story.now, analysis=ANALYSIS)))
    yield made
    made.hide()


@pytest.fixture
def service() -> Service:
    """An answer that the test lets come."""
    return Service()


@pytest.fixture
def bus(desk: Desk, service: Service, fake_clock: FakeClock) -> Bus:
    """A bus over a service that answers bit by bit."""
    made = Bus(fake_clock)

    def note(command: commands.Command) -> object:
        service.asked.append(command)
        return "one" if isinstance(command, commands.Ask) else None

    for kind in (commands.Ask, commands.StopReply):
        made.handle(kind, note)
    made.handle(commands.ReadReply, service.read)
    for kind in (commands.ReadConversations, commands.ReadConversation):
        made.handle(kind, desk.bus.send)
    return made


@pytest.fixture
async def live(bus: Bus, fake_clock: FakeClock, icons: Icons, story: Story) -> AsyncIterator[Window]:
    """A window on the program's own loop, with the program's own spawn."""
    made = Window(bus.send, spawn, fake_clock, icons, theme=LIGHT)
    made.render(reduce(story.red, events.AnalysisChanged(at=story.now, analysis=ANALYSIS)))
    made.show()
    made.show_page("conversation")
    yield made
    made.hide()
    made.deleteLater()
    await fake_clock.pass_time(1)


def _page(window: Window) -> ConversationPage:
    window.show()
    window.show_page("conversation")
    page = window.page_widget("conversation")
    assert isinstance(page, ConversationPage)
    return page


def _seen(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def _button(widget: QWidget, text: str) -> QPushButton:
    return next(b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible())


def _buttons(widget: QWidget) -> set[str]:
    return {each.text() for each in widget.findChildren(QPushButton) if each.isVisible()}


def _strips(page: ConversationPage) -> list[str]:
    """Return the kinds of the strips that are seen."""
    return [each.objectName() for each in page.findChildren(Strip) if each.isVisible()]


def _read(window: Window, clock: FakeClock) -> None:
    """Let a person have a second to read, after which the window looks at its clock."""
    clock.advance(1)
    window._show_ages()


def _type(page: ConversationPage, text: str) -> None:
    page.field.setPlainText(text)


def test_a_conversation_is_shown_whole(window: Window) -> None:
    """Choosing one shows its questions and answers in order, with code set apart, and what the last one took."""
    page = _page(window)

    page.list.view.setCurrentIndex(page.list.model.index(0))

    said = page.transcript.toPlainText()
    texts = [
        EXCHANGES[0].question,
        EXCHANGES[0].answer,
        EXCHANGES[1].question,
        "\u0412\u0435\u0440\u043d\u0438\u0442\u0435",
        "return a - b\n",
    ]
    places = [said.index(text) for text in texts]
    assert places == sorted(places)
    assert "```" not in said
    assert "deepseek-chat, 240 tokens, 0.4 cents, 3.20 s" in _seen(page)
    assert "today 12,400 of 200,000 tokens, $0.02 of $1.00" in _seen(page)
    code = page.transcript.document().find("return a - b")
    prose = page.transcript.document().find("The route is gone.")
    assert code.charFormat().fontFamilies() != prose.charFormat().fontFamilies()


@pytest.mark.parametrize(
    ("key", "modifier"),
    [
        (Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier),
        (Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier),
    ],
)
def test_enter_sends(qtbot: QtBot, window: Window, desk: Desk, key: Qt.Key, modifier: Qt.KeyboardModifier) -> None:
    """Enter and Ctrl+Enter ask what is in the field, Shift+Enter breaks the line, and nothing asks for nothing."""
    desk.replies["new"] = Reply("new", 1, "Because.", 8, is_done=True, model="deepseek-chat")
    page = _page(window)
    qtbot.keyClick(page.field, key, modifier)

    qtbot.keyClicks(page.field, "Why")
    qtbot.keyClick(page.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(page.field, "red?")
    qtbot.keyClick(page.field, key, modifier)

    assert desk.of(commands.Ask) == [commands.Ask(text="Why\nred?")]
    assert page.field.toPlainText() == ""
    assert page.transcript.toPlainText().startswith("You, ")
    assert "Why\nred?" in page.transcript.toPlainText()
    assert "Because." in page.transcript.toPlainText()


def test_a_question_goes_on_with_its_conversation(window: Window, desk: Desk) -> None:
    """In a conversation the question belongs to it; a new one begins without, and one about a test names that."""
    page = _page(window)
    page.list.view.setCurrentIndex(page.list.model.index(0))
    _type(page, "And now?")
    _button(page, "Ask").click()
    window.show_conversation("", "/p", "t.py::test_a")
    heading = _seen(page)
    _type(page, "Why?")
    _button(page, "Ask").click()
    _button(page, "New").click()
    _type(page, "What is a fixture?")
    _button(page, "Ask").click()

    assert "New conversation about test_a" in heading
    assert desk.of(commands.Ask) == [
        commands.Ask(text="And now?", conversation="one"),
        commands.Ask(text="Why?", project="/p", nodeid="t.py::test_a"),
        commands.Ask(text="What is a fixture?"),
    ]


def test_a_refused_question_comes_back(window: Window, desk: Desk) -> None:
    """What was typed is not lost when it cannot be asked, and the reason stands above it."""
    page = _page(window)
    _type(page, "A long question")
    desk.refuse = BudgetSpent("The day's budget is spent.", "Raise it in the settings.")

    _button(page, "Ask").click()

    assert page.field.toPlainText() == "A long question"
    assert "The day's budget is spent." in _seen(page)
    assert "Raise it in the settings." in _seen(page)
    assert _button(page, "Ask").isEnabled()


MISSING = ConsentMissing("Parts of /p would be sent to api.deepseek.com, and you have not agreed to that.", "Agree.")


@pytest.mark.parametrize("typed", ["Why?", "Why is it red?"], ids=["as it was", "changed meanwhile"])
def test_consent_can_be_given_where_it_is_missing(
    window: Window, desk: Desk, fake_clock: FakeClock, typed: str
) -> None:
    """The strip names the host; agreeing sets the consent for that project, and asks what stands in the field."""
    page = _page(window)
    window.show_conversation("", "/p", "t.py::test_a")
    _type(page, "Why?")
    desk.refuse = MISSING
    _button(page, "Ask").click()
    strips, said = _strips(page), _seen(page)
    _type(page, typed)
    desk.refuse = None

    _read(window, fake_clock)
    _button(page, "Allow for this project").click()

    about = {"project": "/p", "nodeid": "t.py::test_a"}
    asked = [each for each in desk.asked if isinstance(each, commands.SetConsent | commands.Ask)]
    assert asked == [
        commands.Ask(text="Why?", **about),
        commands.SetConsent(project="/p", hosts="api.deepseek.com"),
        commands.Ask(text=typed, **about),
    ]
    assert strips == ["notice"]
    assert "would be sent to api.deepseek.com" in said
    assert "What cannot be known as one stays in" in said
    assert _strips(page) == []
    assert page.field.toPlainText() == ""


def test_consent_is_asked_for_in_an_older_conversation_too(window: Window, desk: Desk, fake_clock: FakeClock) -> None:
    """It is that of the project that the conversation is about, and is not offered to be taken back meanwhile."""
    page = _page(window)
    page.list.view.setCurrentIndex(page.list.model.index(0))
    _type(page, "And now?")
    desk.refuse = MISSING
    _button(page, "Ask").click()
    offered = _buttons(page)
    desk.refuse = None

    _read(window, fake_clock)
    _button(page, "Allow for this project").click()

    assert "Stop sending parts of this project" not in offered
    assert desk.of(commands.SetConsent) == [
        commands.SetConsent(project=RECORDS[0].subject.project, hosts="api.deepseek.com")
    ]
    assert desk.of(commands.Ask)[-1] == commands.Ask(text="And now?", conversation="one")


def test_consent_that_cannot_be_kept_is_told(window: Window, desk: Desk, fake_clock: FakeClock) -> None:
    """Nothing is asked then, the question stays in the field, and it can be tried again."""
    page = _page(window)
    window.show_conversation("", "/p", "t.py::test_a")
    _type(page, "Why?")
    desk.refuse = MISSING
    _button(page, "Ask").click()
    desk.refuse = CannotError("The word could not be kept.", "Free some room on the disk.")

    _read(window, fake_clock)
    _button(page, "Allow for this project").click()

    assert len(desk.of(commands.Ask)) == 1
    assert "The word could not be kept." in _seen(page)
    assert _strips(page) == ["error"]
    assert page.field.toPlainText() == "Why?"
    assert _button(page, "Ask").isEnabled()


def test_consent_from_another_conversation_asks_nothing(window: Window, desk: Desk, fake_clock: FakeClock) -> None:
    """Whoever opens another conversation meanwhile is not asked about, nor is anything of theirs sent."""
    page = _page(window)
    window.show_conversation("", "/p", "t.py::test_a")
    _type(page, "Why?")
    desk.refuse = MISSING
    _button(page, "Ask").click()
    desk.refuse = None

    def leave() -> None:
        if isinstance(desk.asked[-1], commands.SetConsent):
            window.show_conversation("one")

    desk.on_asked = leave
    _read(window, fake_clock)
    _button(page, "Allow for this project").click()

    assert len(desk.of(commands.Ask)) == 1
    assert page.field.toPlainText() == "Why?"


def test_one_can_say_no(window: Window, desk: Desk) -> None:
    """Not now asks nothing and leaves the question in the field, where the person is led."""
    page = _page(window)
    window.show_conversation("", "/p", "t.py::test_a")
    _type(page, "Why?")
    desk.refuse = MISSING
    _button(page, "Ask").click()
    allowed = _button(page, "Allow for this project").isEnabled()
    _button(page, "Not now").setFocus()

    _button(page, "Not now").click()

    assert not allowed
    assert _strips(page) == []
    assert desk.of(commands.SetConsent) == []
    assert page.field.toPlainText() == "Why?"
    assert window.focusWidget() is page.field


def test_consent_can_be_taken_back(window: Window, desk: Desk) -> None:
    """Where a question about a failure was answered one click ends that; a free question sends nothing of a project."""
    page = _page(window)
    page.list.view.setCurrentIndex(page.list.model.index(1))
    free = _buttons(page)
    page.list.view.setCurrentIndex(page.list.model.index(0))
    withdraw = _button(page, "Stop sending parts of this project")
    withdraw.setFocus()

    withdraw.click()

    assert "Stop sending parts of this project" not in free
    assert desk.of(commands.SetConsent) == [commands.SetConsent(project=RECORDS[0].subject.project, given=False)]
    assert "No part of this project is sent any more." in _seen(page)
    assert not withdraw.isVisible()
    assert window.focusWidget() is page.field


def test_an_old_refusal_goes_when_the_settings_change(window: Window, desk: Desk, story: Story) -> None:
    """What was refused with the settings of before is not told of those of now."""
    page = _page(window)
    _type(page, "Why?")
    desk.refuse = BudgetSpent("The day's budget is spent.", "Raise it in the settings.")
    _button(page, "Ask").click()
    before = _seen(page)
    mended = replace(ANALYSIS, providers=(replace(ANALYSIS.providers[0], model="another"),))

    window.render(reduce(story.red, events.AnalysisChanged(at=story.now, analysis=mended)))

    assert "The day's budget is spent." in before
    assert "The day's budget is spent." not in _seen(page)


def test_an_answer_that_was_stopped_before_is_no_alarm(window: Window, desk: Desk) -> None:
    """Coming back to it later tells so once, in the same ink as what an answer took, and offers to ask again."""
    desk.records = (replace(RECORDS[0], exchanges=2),)
    page = _page(window)
    stopped = Reply("one", 3, "The rou", 7, is_done=True, trouble=STOPPED, model="deepseek-chat")
    desk.replies["one"] = stopped

    page.list.view.setCurrentIndex(page.list.model.index(0))

    found = page.transcript.document().find(STOPPED)
    assert _strips(page) == []
    assert STOPPED not in _seen(page)
    assert page.transcript.toPlainText().count(STOPPED) == 1
    assert "Ask again" in _buttons(page)
    assert found.charFormat().foreground().color().name() == LIGHT.muted


async def test_an_answer_is_followed_as_it_comes(live: Window, service: Service, fake_clock: FakeClock) -> None:
    """Each look appends what came since, until nothing more will; the footer then tells what it took."""
    page = _page(live)
    _type(page, "Why?")
    _button(page, "Ask").click()
    await settle()
    seen = []
    for piece in ("The route", " is\n```\ncode", "\n```\ngone."):
        service.said += piece
        await fake_clock.pass_time(PAUSE_S)
        seen.append(page.transcript.toPlainText().partition("deepseek-chat\n")[2])
    assert "deepseek-chat answers\u2026" in _seen(page)
    assert "Ask" not in _buttons(page)

    service.end()
    await fake_clock.pass_time(PAUSE_S)

    assert seen == ["The route", "The route is\ncode", "The route is\ncode\ngone."]
    assert "deepseek-chat, 100 tokens, 0.4 cents, 3.20 s" in _seen(page)
    assert "Stop" not in _buttons(page)
    reads = service.reads
    await fake_clock.pass_time(5)
    assert service.reads == reads


async def test_while_an_answer_comes_it_is_not_said_that_none_can(
    live: Window, service: Service, story: Story, fake_clock: FakeClock
) -> None:
    """Others' failures may have the service left alone meanwhile; that is told once the answer is whole."""
    why = "It failed too often, and is left alone for a while."
    page = _page(live)
    _type(page, "Why?")
    _button(page, "Ask").click()
    await settle()
    service.said = "Because "
    await fake_clock.pass_time(PAUSE_S)

    failing = replace(ANALYSIS, providers=tuple(replace(each, reason=why) for each in ANALYSIS.providers))
    live.render(reduce(story.red, events.AnalysisChanged(at=story.now, analysis=failing)))
    during = _seen(page)
    service.end()
    await fake_clock.pass_time(PAUSE_S)

    assert why not in during
    assert why in _seen(page)


async def test_an_answer_can_be_stopped(live: Window, service: Service, fake_clock: FakeClock) -> None:
    """Stop ends it; what came stays, that it was stopped is told once, and the person is led to the field."""
    page = _page(live)
    _type(page, "Why?")
    _button(page, "Ask").click()
    service.said = "The rou"
    await fake_clock.pass_time(PAUSE_S)

    _button(page, "Stop").setFocus()
    _button(page, "Stop").click()
    service.end(STOPPED)
    await fake_clock.pass_time(PAUSE_S)
    alarms = _strips(page)
    said = _seen(page)
    focus = live.focusWidget()
    service.ended = None
    _button(page, "Ask again").click()
    await settle()

    assert f"The rou\n{STOPPED}" in page.transcript.toPlainText()
    assert alarms == []
    assert STOPPED not in said
    assert focus is page.field
    assert service.asked == [
        commands.Ask(text="Why?"),
        commands.StopReply(conversation="one"),
        commands.Ask(text="Why?", conversation="one"),
    ]


async def test_an_answer_goes_on_while_nobody_looks(live: Window, service: Service, fake_clock: FakeClock) -> None:
    """Another page, and a hidden window, stop nothing; coming back shows what came meanwhile."""
    page = _page(live)
    _type(page, "Why?")
    _button(page, "Ask").click()
    await settle()
    live.show_page("log")
    live.hide()
    service.said = "Because of the route."
    await fake_clock.pass_time(PAUSE_S)
    service.end()
    await fake_clock.pass_time(PAUSE_S)

    live.show()
    live.show_page("conversation")

    assert page.transcript.toPlainText().count("Because of the route.") == 1
    assert not any(isinstance(each, commands.StopReply) for each in service.asked)


async def test_coming_back_to_a_conversation_finds_its_answer(
    live: Window, service: Service, fake_clock: FakeClock
) -> None:
    """An answer that comes while another conversation is looked at is shown once, after its question."""
    page = _page(live)
    live.show_conversation("one")
    await settle()
    _type(page, "And then?")
    _button(page, "Ask").click()
    service.said = "Then this"
    await fake_clock.pass_time(PAUSE_S)

    live.show_conversation("two")
    await settle()
    other = page.transcript.toPlainText()
    live.show_conversation("one")
    await settle()
    service.said += " and that."
    await fake_clock.pass_time(PAUSE_S)

    said = page.transcript.toPlainText()
    assert "And then?" not in other
    assert said.count("Then this and that.") == 1
    assert said.index(EXCHANGES[1].question) < said.index("And then?") < said.index("Then this")
    assert "Stop" in _buttons(page)


async def test_a_service_that_breaks_off_is_told(live: Window, service: Service, fake_clock: FakeClock) -> None:
    """An answer that can be read no longer leaves what came of it, and a way to ask again."""
    page = _page(live)
    _type(page, "Why?")
    _button(page, "Ask").click()
    service.said = "The rou"
    await fake_clock.pass_time(PAUSE_S)

    service.broken = CannotError("The answer is out of reach.", "Ask again.")
    await fake_clock.pass_time(PAUSE_S)

    assert "The rou" in page.transcript.toPlainText()
    assert "The answer is out of reach." in _seen(page)
    assert {"Ask again", "Ask"} <= _buttons(page)


async def test_what_comes_late_is_not_shown_elsewhere(live: Window, service: Service, fake_clock: FakeClock) -> None:
    """A read that still waits when another conversation is opened tells that one nothing."""
    page = _page(live)
    _type(page, "Why?")
    _button(page, "Ask").click()
    service.said = "Of the first."
    service.gate = asyncio.Event()
    await fake_clock.pass_time(PAUSE_S)
    page.list.new_wanted.emit()

    service.gate.set()
    await fake_clock.pass_time(PAUSE_S)

    assert page.transcript.is_empty
    assert "Stop" not in _buttons(page)


async def test_a_question_from_elsewhere_is_shown(live: Window, service: Service, fake_clock: FakeClock) -> None:
    """When another face asks in the same conversation, its answer is not mixed with the one that was followed."""
    page = _page(live)
    _type(page, "Why?")
    _button(page, "Ask").click()
    service.said = "Of the first."
    await fake_clock.pass_time(PAUSE_S)

    service.seq, service.said = 4, "Of the second."
    await fake_clock.pass_time(PAUSE_S)

    said = page.transcript.toPlainText()
    assert "Of the second." in said
    assert "Of the first." not in said


def test_a_conversation_that_went_on_elsewhere_is_read_again(window: Window, desk: Desk) -> None:
    """Coming back to the page shows what the command line has asked meanwhile."""
    desk.records = (replace(RECORDS[0], exchanges=1), RECORDS[1])
    page = _page(window)
    page.list.view.setCurrentIndex(page.list.model.index(0))
    before = page.transcript.toPlainText()
    window.show_page("log")
    desk.records = RECORDS

    window.show_page("conversation")

    assert EXCHANGES[1].question not in before
    assert EXCHANGES[1].question in page.transcript.toPlainText()
    assert len(desk.of(commands.ReadConversation)) == 2


def test_a_hostile_answer_is_only_text(window: Window, desk: Desk) -> None:
    """Markup in a question, a title or an answer is shown to the letter."""
    desk.records = (replace(RECORDS[0], id="two", title=HOSTILE, found=HOSTILE), replace(RECORDS[1], id="three"))
    desk.replies["new"] = Reply("new", 1, HOSTILE, len(HOSTILE), is_done=True, trouble=HOSTILE, hint=HOSTILE)
    page = _page(window)
    page.list.view.setCurrentIndex(page.list.model.index(0))
    window.show_conversation("")
    _type(page, "Why?")
    _button(page, "Ask").click()

    labels = [each for each in page.findChildren(QLabel) if each.text()]
    assert {each.textFormat() for each in labels} == {Qt.TextFormat.PlainText}
    assert "<b>bold</b> <img src='file:///etc/hostname'>" in page.transcript.toPlainText()
    assert "[x](file:///etc/passwd) ![y](https://example.org/p.png)" in page.transcript.toPlainText()
    assert _links(page.transcript) == []
    assert "\u202e" not in page.transcript.toPlainText()
    assert [each for each in page.findChildren(QWidget) if "<b>" in each.toolTip()] == []
    assert "<b>" not in str(page.list.model.data(page.list.model.index(0), Qt.ItemDataRole.ToolTipRole))


def test_a_search_asks_for_what_it_finds(qtbot: QtBot, window: Window, desk: Desk) -> None:
    """Typing searches once it rests, and a search without result says so."""
    page = _page(window)
    search = next(each for each in page.findChildren(QLineEdit) if each.accessibleName() == "Search conversations")

    qtbot.keyClicks(search, "fixture")
    qtbot.waitUntil(lambda: page.list.model.rowCount() == 1)
    found = [row.id for row in page.list.model.rows]
    qtbot.keyClicks(search, "zzz")
    qtbot.waitUntil(lambda: page.list.model.rowCount() == 0)

    assert found == ["two"]
    assert [each.query for each in desk.of(commands.ReadConversations)] == ["", "fixture", "fixturezzz"]  # type: ignore[attr-defined] # of() gives that kind
    assert "No conversation has these words." in _seen(page)


def test_a_new_conversation_is_in_the_list(window: Window, desk: Desk) -> None:
    """After a question the list is asked for again, and the conversation of it is the chosen one."""
    desk.replies["new"] = Reply("new", 1, "Because.", 8, is_done=True)
    page = _page(window)
    _type(page, "Why?")
    desk.records = (replace(RECORDS[0], id="new", title="Why?"), *RECORDS)

    _button(page, "Ask").click()

    assert page.list.view.currentIndex().row() == 0
    assert page.list.model.rows[0].title == "Why?"


@pytest.mark.parametrize(("answer", "deleted"), [("Delete", True), ("Keep", False)])
def test_deleting_asks_first(window: Window, desk: Desk, answer: str, *, deleted: bool) -> None:
    """The question blocks nothing, and only its Delete deletes."""
    page = _page(window)
    page.list.view.setCurrentIndex(page.list.model.index(0))
    _button(page, "Delete").click()
    question = window.findChild(QMessageBox)
    assert isinstance(question, QMessageBox)
    assert question.textFormat() is Qt.TextFormat.PlainText
    assert question.width() > question.fontMetrics().horizontalAdvance(question.windowTitle()) + 200

    next(each for each in question.findChildren(QAbstractButton) if each.text() == answer).click()

    assert desk.of(commands.DeleteConversation) == [commands.DeleteConversation(conversation="one")] * deleted
    assert page.transcript.is_empty is deleted


async def test_a_conversation_can_be_exported(live: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question begins at home, the file that was chosen holds what was said, and the page says where it is."""
    monkeypatch.chdir(tmp_path)
    page = _page(live)
    live.show_conversation("one")
    await settle()
    _button(page, "Export\u2026").click()
    dialog = live.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)
    folder = dialog.directory().absolutePath()

    dialog.fileSelected.emit(str(tmp_path / "talk.md"))
    async with asyncio.timeout(10):
        while "Exported to" not in _seen(page):  # noqa: ASYNC110 - a thread writes, and tells the page alone
            await asyncio.sleep(0.01)
    dialog.close()

    text = (tmp_path / "talk.md").read_text("utf-8")
    assert folder == QDir.homePath() != str(tmp_path)
    assert EXCHANGES[0].question in text
    assert EXCHANGES[1].answer.strip().splitlines()[0] in text


async def test_an_export_that_cannot_be_written_is_told(live: Window, tmp_path: Path) -> None:
    """A folder that is not there is named at the top of the window."""
    page = _page(live)
    live.show_conversation("one")
    await settle()
    _button(page, "Export\u2026").click()
    dialog = live.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)

    dialog.fileSelected.emit(str(tmp_path / "none" / "talk.md"))
    async with asyncio.timeout(10):
        while "cannot be written" not in _seen(live):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)
    dialog.close()

    assert "Choose another folder." in _seen(live)


@pytest.mark.parametrize(
    ("analysis", "said"),
    [
        (AnalysisView(), ["No model is set up.", "watchkeeper keys set DEEPSEEK_API_KEY"]),
        (ANALYSIS, ["Ask about a red test from its page, or anything about your code."]),
    ],
)
def test_an_empty_page_says_what_to_do(
    window: Window, desk: Desk, story: Story, analysis: AnalysisView, said: list[str]
) -> None:
    """Without conversations, and without a model, the page says how to come by them."""
    desk.records = ()
    window.render(reduce(story.red, events.AnalysisChanged(at=story.now, analysis=analysis)))

    seen = _seen(_page(window))

    assert [each for each in [*said, "No conversations yet."] if each not in seen] == []


def test_a_conversation_that_is_gone_is_told(window: Window) -> None:
    """An id that there is none of, which may come from outside, is answered and breaks nothing."""
    window.show()

    window.show_conversation("../../etc")

    assert "There is no such conversation." in _seen(window)


def test_a_reader_is_not_torn_away(qtbot: QtBot) -> None:
    """The transcript follows its end only while a person is there."""
    transcript = Transcript(LIGHT)
    qtbot.addWidget(transcript)
    transcript.resize(300, 120)
    transcript.show()
    transcript.answer("line\n" * 200)
    at_end = transcript.is_at_end
    transcript.verticalScrollBar().setValue(10)

    transcript.answer("more\n" * 50)

    assert at_end
    assert transcript.verticalScrollBar().value() == 10
    transcript.go_to_end()
    transcript.answer("most\n" * 50)
    assert transcript.is_at_end


def test_code_is_code_however_it_is_cut(qtbot: QtBot) -> None:
    """The same answer in pieces of any length is set in the same way, and wearing another theme changes no word."""
    answer = "See:\n```python\nx = 1\n```\nDone ``` **here** `y`.\n"
    made = []
    for length in (1, 3, 7, len(answer)):
        transcript = Transcript(LIGHT)
        qtbot.addWidget(transcript)
        for place in range(0, len(answer), length):
            transcript.answer(answer[place : place + length])
        before = transcript.toPlainText(), _fonts(transcript)
        transcript.wear(DARK)
        made += [before, (transcript.toPlainText(), _fonts(transcript))]

    text, fonts = made[0]
    assert made == [made[0]] * 8
    assert text == "See:\npython\nx = 1\nDone ``` here y.\n"
    code, prose = fonts[text.index("x = 1")], fonts[0]
    assert code != prose == fonts[text.index("here")]
    assert fonts[text.index("y.")] == code


def test_a_long_line_is_set_the_same_however_it_is_cut(qtbot: QtBot) -> None:
    """From a length on marks are no longer looked for, at the same sign whether it came at once or not."""
    answer = "**a** " * 1_000 + "\n**b**"
    made = []
    for length in (333, len(answer)):
        transcript = Transcript(LIGHT)
        qtbot.addWidget(transcript)
        for place in range(0, len(answer), length):
            transcript.answer(answer[place : place + length])
        made.append(transcript.toPlainText())

    assert made[0] == made[1]
    assert made[0].startswith("a a a")
    assert made[0].endswith("**a** \nb")


def test_code_in_a_question_is_code_too(qtbot: QtBot) -> None:
    """A question is set like an answer, and wearing another theme changes nothing of that."""
    transcript = Transcript(LIGHT)
    qtbot.addWidget(transcript)

    transcript.question("Why?\n```\nx = 1", "now")
    transcript.answerer("a model")
    transcript.answer("So.")
    before = _fonts(transcript)
    transcript.wear(DARK)

    places = [transcript.toPlainText().index(text) for text in ("x = 1", "Why?", "So.")]
    code, question, answer = (before[place] for place in places)
    assert code != question == answer
    assert _fonts(transcript) == before


def _links(transcript: Transcript) -> list[str]:
    """Return what in a document is a link, or a picture."""
    cursor = QTextCursor(transcript.document())
    found = []
    while cursor.movePosition(QTextCursor.MoveOperation.NextCharacter):
        made = cursor.charFormat()
        if made.isAnchor() or made.isImageFormat() or made.anchorHref():
            found.append(made.anchorHref())
    return found


def _fonts(transcript: Transcript) -> list[tuple[str, ...]]:
    cursor = QTextCursor(transcript.document())
    fonts = []
    while cursor.movePosition(QTextCursor.MoveOperation.NextCharacter):
        fonts.append(tuple(cursor.charFormat().fontFamilies() or ()))
    return fonts


@pytest.mark.parametrize("break_every", [60, 0], ids=["lines", "one-line"])
async def test_a_long_answer_in_small_pieces_costs_little(
    live: Window, service: Service, fake_clock: FakeClock, break_every: int
) -> None:
    """64 KiB in pieces of four characters are painted ten times a second, and no append holds the loop for long."""
    page = _page(live)
    _type(page, "Why?")
    _button(page, "Ask").click()
    await settle()
    signs = ("\n" if break_every and n % break_every == 0 else "x" if n % 7 else " " for n in range(65_536))
    whole = "".join(signs)
    pieces = [whole[place : place + 4] for place in range(0, len(whole), 4)]
    slowest = 0.0

    for place, piece in enumerate(pieces):
        service.said += piece
        if place % 400 == 0:  # 16,384 pieces come in four seconds
            began = time.perf_counter()
            fake_clock.advance(0.1)
            await settle(4)
            live.grab()
            slowest = max(slowest, time.perf_counter() - began)
    service.end()
    await fake_clock.pass_time(1)

    assert page.transcript.toPlainText().count("x") == whole.count("x")
    assert service.reads <= len(pieces) // 400 + 15
    assert slowest < 0.5


def test_the_models_trouble_stands_in_the_side_bar(window: Window, story: Story) -> None:
    """A spent budget is one short line, and while all is well there is none."""
    window.show()
    well = window._status.text()

    spent = replace(ANALYSIS, tokens_today=200_000)
    window.render(reduce(story.red, events.AnalysisChanged(at=NOW, analysis=spent)))

    assert well == ""
    assert window._status.text() == "Models: today's budget is spent"
