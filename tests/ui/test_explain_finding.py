"""A finding explained from the Audits page: asked once, with the person's word, and found again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QPushButton

from app.domain import commands, events
from app.domain.analysis import ConversationRecord, Reply, Subject, SubjectKind, Usage
from app.domain.errors import ConsentMissing, StoreError
from app.domain.modelwords import finding_question, talk_title
from app.domain.reduce import reduce
from app.engine.bus import Bus
from app.engine.tasks import spawn
from app.ui.pages.audits import AuditsPage
from app.ui.pages.consent import READ_S
from app.ui.pages.conversation import ConversationPage
from app.ui.theme import LIGHT
from app.ui.window import Window
from tests.ui.audits import FLASK, KEY, OLD_KEY, REPORT, Audits, view_of, with_audit
from tests.ui.models import ANALYSIS, RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story

QUESTION = finding_question("English")
ABOUT = Subject(SubjectKind.FINDING, FLASK, KEY.fingerprint)
TALKED = ConversationRecord("two", ABOUT, KEY.title, 1.0, 2.0, 1)
ANSWER = Reply("new", 1, "Revoke it.", 10, is_done=True, model="deepseek-chat", usage=Usage(90, 10))
MISSING = ConsentMissing("Parts of it would be sent to api.deepseek.com, and you have not agreed to that.", "Agree.")


@pytest.fixture
def window(qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons, story: Story) -> Iterator[Window]:
    """A window at an audited project, whose gravest finding is looked at."""
    Audits().attach(desk)
    desk.replies["new"] = ANSWER
    made = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(made)
    told = with_audit(story.green, view_of(REPORT))
    made.render(reduce(told, events.AnalysisChanged(at=story.now, analysis=ANALYSIS)))
    made.show()
    made.show_audits(FLASK)
    yield made
    made.hide()


def _audits(window: Window) -> AuditsPage:
    window.show_audits(FLASK)
    page = window.page_widget("audits")
    assert isinstance(page, AuditsPage)
    return page


def _talks(window: Window) -> ConversationPage:
    page = window.page_widget("conversation")
    assert isinstance(page, ConversationPage)
    return page


def _button(widget: QWidget, text: str) -> QPushButton:
    return next(b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible())


def _seen(widget: QWidget) -> str:
    labels = [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]
    return "\n".join([*labels, *(t.toPlainText() for t in widget.findChildren(QPlainTextEdit) if t.isVisible())])


def _explain(window: Window) -> ConversationPage:
    _button(_audits(window), "Explain").click()
    return _talks(window)


def test_a_finding_is_explained_in_a_conversation(window: Window, desk: Desk) -> None:
    """The button asks the standard question about it, and the answer stands on the Conversation page."""
    page = _explain(window)

    assert window.page == "conversation"
    assert desk.of(commands.Ask) == [commands.Ask(text=QUESTION, project=FLASK, finding=KEY.fingerprint)]
    assert QUESTION in page.transcript.toPlainText()
    assert "Revoke it." in page.transcript.toPlainText()
    assert KEY.title in _seen(page)
    assert window.focusWidget() is page.field


def test_it_is_asked_in_the_language_of_the_settings(window: Window, desk: Desk, story: Story) -> None:
    """Who reads Russian is asked and answered in it."""
    told = with_audit(story.green, view_of(REPORT))
    window.render(reduce(told, events.AnalysisChanged(at=0, analysis=replace(ANALYSIS, language="Russian"))))

    _explain(window)

    (asked,) = desk.of(commands.Ask)
    assert isinstance(asked, commands.Ask)
    assert asked.text == finding_question("Russian")


def test_a_finding_that_was_talked_about_shows_its_conversation(window: Window, desk: Desk) -> None:
    """It is opened in place of asking again, and the next question goes on with it."""
    desk.records = (*RECORDS[:1], TALKED)

    page = _explain(window)
    page.field.setPlainText("And now?")
    _button(page, "Ask").click()

    assert desk.of(commands.ReadConversation) == [commands.ReadConversation(conversation="two")]
    assert desk.of(commands.Ask) == [commands.Ask(text="And now?", conversation="two")]


def test_the_answer_to_another_question_is_no_explanation(window: Window, desk: Desk) -> None:
    """A conversation about it that began with a question of the person's own is left alone."""
    desk.records = (*RECORDS[:1], replace(TALKED, title=talk_title(KEY.title, "Is it Perl?")))

    _explain(window)

    assert desk.of(commands.ReadConversation) == []
    assert desk.of(commands.Ask) == [commands.Ask(text=QUESTION, project=FLASK, finding=KEY.fingerprint)]


def test_pressed_twice_it_is_asked_once(window: Window, desk: Desk) -> None:
    """A conversation whose first answer the history does not list yet is known as well; another finding has its own."""
    _explain(window)
    page = _explain(window)
    first = len(desk.of(commands.Ask))
    audits = _audits(window)
    audits.list.view.setCurrentIndex(audits.list.model.index_of(OLD_KEY.fingerprint))
    _explain(window)

    assert first == 1
    assert page.transcript.toPlainText()
    asked = [each.finding for each in desk.of(commands.Ask) if isinstance(each, commands.Ask)]
    assert asked == [KEY.fingerprint, OLD_KEY.fingerprint]


def test_a_conversation_that_others_deleted_is_begun_anew(window: Window, desk: Desk) -> None:
    """It is told once that it is gone; then the finding is explained again."""
    _explain(window)
    desk.records = ()
    gone = _seen(_explain(window))

    _explain(window)

    assert "There is no such conversation." in gone
    assert len(desk.of(commands.Ask)) == 2


def test_without_the_history_it_is_asked(window: Window, desk: Desk) -> None:
    """What is not known to have been asked is asked: the person wants to know."""

    def lost() -> None:
        desk.refuse = (
            StoreError("The history is out of reach.")
            if isinstance(desk.asked[-1], commands.ReadConversations)
            else None
        )

    desk.on_asked = lost

    _explain(window)

    assert len(desk.of(commands.Ask)) == 1


def test_the_person_is_asked_before_anything_is_sent(window: Window, desk: Desk, fake_clock: FakeClock) -> None:
    """The question waits in the field beside who would get it; with a yes it is asked, about the same finding."""
    desk.on_asked = lambda: setattr(desk, "refuse", MISSING if isinstance(desk.asked[-1], commands.Ask) else None)
    page = _explain(window)
    said, waiting = _seen(page), page.field.toPlainText()
    desk.on_asked, desk.refuse = (lambda: None), None

    fake_clock.advance(READ_S + 0.1)
    page.tick()
    _button(page, "Allow for this project").click()

    asked = [each for each in desk.asked if isinstance(each, commands.SetConsent | commands.Ask)]
    question = commands.Ask(text=QUESTION, project=FLASK, finding=KEY.fingerprint)
    assert asked == [question, commands.SetConsent(project=FLASK, hosts="api.deepseek.com"), question]
    assert "would be sent to api.deepseek.com" in said
    assert waiting == QUESTION
    assert "Stop sending parts of this project" in {b.text() for b in page.findChildren(QPushButton) if b.isVisible()}


def test_the_keyboard_reaches_the_button(window: Window, qtbot: QtBot, desk: Desk) -> None:
    """Tab leads from the finding's text to Explain, which the space key presses; it says what it is to a reader."""
    page = _audits(window)
    explain = _button(page, "Explain")
    with qtbot.waitActive(window):
        window.open()
    page.list.focus_list()

    for _ in range(12):
        if window.focusWidget() is explain:
            break
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
    reached = window.focusWidget() is explain
    qtbot.keyClick(explain, Qt.Key.Key_Space)

    assert reached
    assert explain.accessibleName() == "Explain the finding"
    assert len(desk.of(commands.Ask)) == 1


async def test_a_question_of_ones_own_is_not_overtaken(
    desk: Desk, fake_clock: FakeClock, icons: Icons, story: Story
) -> None:
    """Who asks before it is known whether there is a conversation has asked: the standard question does not follow."""
    bus, gate, asked = Bus(fake_clock), asyncio.Event(), list[commands.Command]()

    async def slowly(command: commands.Command) -> object:
        await gate.wait()
        return await desk.bus.send(command)

    def note(command: commands.Command) -> str:
        asked.append(command)
        return "new"

    bus.handle(commands.ReadConversations, slowly)
    bus.handle(commands.Ask, note)
    for kind in (commands.ReadReply, commands.ReadConversation):
        bus.handle(kind, desk.bus.send)
    desk.replies["new"] = ANSWER
    window = Window(bus.send, spawn, fake_clock, icons, theme=LIGHT)
    window.render(story.green)
    window.show()
    window.explain_finding(FLASK, KEY)
    page = _talks(window)

    page.field.setPlainText("Mine?")
    _button(page, "Ask").click()
    gate.set()
    begun = [each for each in asyncio.all_tasks() if each.get_name().startswith("window:")]
    await asyncio.gather(*begun)

    window.hide()
    window.deleteLater()
    await fake_clock.pass_time(1)
    assert asked == [commands.Ask(text="Mine?", project=FLASK, finding=KEY.fingerprint)]
