"""The explanation in the window: what is shown, what is asked for, and that nothing in it is more than text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QPushButton, QWidget

from app.domain import commands, events
from app.domain.analysis import Confidence, Explained, ExplainStage, Explanation, When
from app.domain.errors import ModelOutOfReach
from app.domain.reduce import reduce
from app.ui.pages.explain_prompt import PromptDialog
from app.ui.pages.tests import TestsPage
from app.ui.theme import DARK, LIGHT
from app.ui.window import Window
from tests.ui.models import ANALYSIS, ANSWER, HOSTILE, LOCAL, PATCH, RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from app.domain.snapshot import Snapshot
    from app.ui.icons import Icons
    from app.ui.pages.detail import DetailPane
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story


@pytest.fixture
def window(qtbot: QtBot, desk: Desk, fake_clock: FakeClock, icons: Icons) -> Iterator[Window]:
    """A window that asks a real bus."""
    made = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(made)
    yield made
    made.hide()


@pytest.fixture
def red(story: Story) -> Snapshot:
    """Red tests, and a model that can be asked."""
    return reduce(story.red, events.AnalysisChanged(at=story.now, analysis=ANALYSIS))


def _explanation(story: Story, stage: ExplainStage = ExplainStage.LOCAL, **values: object) -> Explanation:
    return Explanation(story.flask, _nodeid(story), "f", stage, LOCAL, **values)  # type: ignore[arg-type] # names are checked by the caller


def _nodeid(story: Story) -> str:
    return story.red.projects[story.flask].red[0].nodeid


def _look(window: Window, story: Story, snapshot: Snapshot) -> DetailPane:
    window.render(snapshot)
    window.show()
    window.show_test(story.flask, _nodeid(story))
    page = window.page_widget("tests")
    assert isinstance(page, TestsPage)
    return page.pane


def _seen(widget: QWidget) -> str:
    said = [each.text() for each in widget.findChildren(QLabel) if each.isVisible()]
    said += [each.toPlainText() for each in widget.findChildren(QPlainTextEdit) if each.isVisible()]
    return "\n".join(said + [each.text() for each in widget.findChildren(QPushButton) if each.isVisible()])


def _buttons(widget: QWidget) -> set[str]:
    return {each.text() for each in widget.findChildren(QPushButton) if each.isVisible()}


def _button(widget: QWidget, text: str) -> QPushButton:
    return next(b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible())


def test_a_red_test_is_explained_at_once(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """Choosing a red test reads its explanation, asks no model, and shows what is known here."""
    desk.explanation = _explanation(story)

    pane = _look(window, story, red)

    seen = _seen(pane._explain)
    for said in (
        "assert 404 == 200",
        "tests/test_basic.py:112",
        "src/flask/app.py:812",
        "return a - b",
        "Last green 5 min ago",
    ):
        assert said in seen
    of = {"project": story.flask, "nodeid": _nodeid(story)}
    assert desk.of(commands.ReadExplanation) == [commands.ReadExplanation(**of)]
    assert desk.of(commands.Explain) == []
    assert {"Explain", "Ask about it", "See what is sent"} <= _buttons(pane)


def test_what_a_model_said_is_shown_whole(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """Cause, confidence in words and shape, evidence with its source, next step, patch and what it took."""
    desk.explanation = _explanation(story, ExplainStage.EXPLAINED, answer=ANSWER)

    pane = _look(window, story, red)

    seen = _seen(pane._explain)
    for said in (
        "The route no longer matches.",
        "high confidence",
        "The redirect is off.",
        "Put the redirect back.",
        PATCH.rstrip(),
        "It changes src/flask/app.py only.",
        "deepseek-chat, 3,622 tokens, 0.4 cents, 3.20 s, 2 min ago",
    ):
        assert said in seen
    assert not pane._explain._mark.pixmap().isNull()
    assert not any("apply" in text.casefold() for text in _buttons(window))


def test_an_answer_that_comes_is_shown_where_it_is_looked_at(
    window: Window, desk: Desk, story: Story, red: Snapshot
) -> None:
    """When the snapshot tells of progress the explanation is read again, and otherwise it is not."""
    desk.explanation = _explanation(story, ExplainStage.ASKING)
    pane = _look(window, story, red)
    assert "Asking deepseek-chat\u2026" in _seen(pane)
    desk.explanation = _explanation(story, ExplainStage.EXPLAINED, answer=ANSWER)

    window.render(reduce(red, events.AgentBeat(at=story.now, agent="tests", progress=9)))
    assert len(desk.of(commands.ReadExplanation)) == 1
    explained = Explained(_nodeid(story), ExplainStage.EXPLAINED, ANSWER.headline, story.now)
    window.render(reduce(red, events.ExplanationChanged(at=story.now, project=story.flask, explained=explained)))

    assert len(desk.of(commands.ReadExplanation)) == 2
    assert "The route no longer matches." in _seen(pane)
    assert "Asking" not in _seen(pane)


@pytest.mark.parametrize(("answered", "again"), [(False, False), (True, True)])
def test_the_button_asks_a_model(
    window: Window, desk: Desk, story: Story, red: Snapshot, *, answered: bool, again: bool
) -> None:
    """Explain asks once; Explain again asks even for what was explained before."""
    stage = ExplainStage.EXPLAINED if answered else ExplainStage.LOCAL
    desk.explanation = _explanation(story, stage, answer=ANSWER if answered else None)
    pane = _look(window, story, red)

    _button(pane, "Explain again" if answered else "Explain").click()

    assert desk.of(commands.Explain) == [commands.Explain(project=story.flask, nodeid=_nodeid(story), again=again)]


def test_a_refusal_is_told_beside_the_button(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """What went wrong and what to do stands where it was asked for, and it can be asked again."""
    desk.explanation = _explanation(story)
    pane = _look(window, story, red)
    desk.refuse = ModelOutOfReach("The service cannot be reached.", "Look at the network.")

    _button(pane, "Explain").click()

    assert "The service cannot be reached." in _seen(pane)
    assert "Look at the network." in _seen(pane)
    assert _button(pane, "Explain").isEnabled()


def _read(window: Window, clock: FakeClock) -> None:
    """Let a person have a second to read, after which the window looks at its clock."""
    clock.advance(1)
    window._show_ages()


def test_consent_comes_before_anything_is_sent(
    window: Window, desk: Desk, story: Story, red: Snapshot, fake_clock: FakeClock
) -> None:
    """The strip names the host; agreeing sets the consent and then has the failure explained."""
    desk.explanation = _explanation(story, needs_consent=("api.deepseek.com",))
    pane = _look(window, story, red)
    seen = _seen(pane)
    _read(window, fake_clock)

    _button(pane, "Allow for this project").click()

    assert "would be sent to api.deepseek.com" in seen
    assert "What cannot be known as one stays in" in seen
    asked = [each for each in desk.asked if isinstance(each, commands.SetConsent | commands.Explain)]
    assert asked == [
        commands.SetConsent(project=story.flask, hosts="api.deepseek.com"),
        commands.Explain(project=story.flask, nodeid=_nodeid(story)),
    ]


def test_a_double_click_is_no_consent(
    qtbot: QtBot, window: Window, desk: Desk, story: Story, red: Snapshot, *, fake_clock: FakeClock
) -> None:
    """Where Explain was pressed nothing agrees, and nothing at all does before it could be read."""
    desk.explanation = _explanation(story)
    pane = _look(window, story, red)
    window.grab()
    explain = _button(pane, "Explain")
    at = explain.mapTo(window, explain.rect().center())
    desk.explanation = _explanation(story, needs_consent=("api.deepseek.com",))

    for _ in range(2):
        hit = window.childAt(at)
        assert hit is not None
        qtbot.mouseClick(hit, Qt.MouseButton.LeftButton)
        window.grab()
    allow = _button(pane, "Allow for this project")
    early = allow.isEnabled()
    allow.click()
    fake_clock.advance(0.9)
    window._show_ages()
    still_early = allow.isEnabled()
    _read(window, fake_clock)
    late = allow.isEnabled()
    hit = window.childAt(at)
    assert hit is not None
    qtbot.mouseClick(hit, Qt.MouseButton.LeftButton)

    assert (early, still_early, late) == (False, False, True)
    assert allow.objectName() != "primary"
    assert desk.of(commands.SetConsent) == []


def test_consent_that_was_out_of_sight_is_to_be_read_anew(
    window: Window, desk: Desk, story: Story, red: Snapshot, fake_clock: FakeClock
) -> None:
    """A question counts from when it is seen: neither its time on another page nor before that is reading."""
    desk.explanation = _explanation(story, needs_consent=("api.deepseek.com",))
    pane = _look(window, story, red)
    _read(window, fake_clock)
    before = _button(pane, "Allow for this project").isEnabled()

    window.show_page("log")
    fake_clock.advance(60)
    window.show_page("tests")

    assert before
    assert not _button(pane, "Allow for this project").isEnabled()


def test_one_can_say_no(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """Not now sends nothing and is not asked again by itself; Explain asks again."""
    desk.explanation = _explanation(story, needs_consent=("api.deepseek.com",))
    pane = _look(window, story, red)

    _button(pane, "Not now").click()
    window._show_ages()
    declined = _buttons(pane)
    asked = desk.of(commands.SetConsent) + desk.of(commands.Explain)
    _button(pane, "Explain").click()

    assert asked == []
    assert not {"Allow for this project", "Not now"} & declined
    assert {"Allow for this project", "Not now"} <= _buttons(pane)


def test_consent_can_be_taken_back(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """Where a model was asked one click ends that for the project, and says so."""
    desk.explanation = _explanation(story, ExplainStage.EXPLAINED, answer=ANSWER)
    pane = _look(window, story, red)

    _button(pane, "Stop sending parts of this project").click()

    assert desk.of(commands.SetConsent) == [commands.SetConsent(project=story.flask, given=False)]
    assert "No part of this project is sent any more." in _seen(pane)
    assert "Stop sending parts of this project" not in _buttons(pane)


def test_the_focus_stays_where_it_was(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """Explain keeps it while a model is asked, and gets it when a button beside it goes."""
    desk.explanation = _explanation(story)
    pane = _look(window, story, red)
    explain = _button(pane, "Explain")
    explain.setFocus()
    desk.explanation = _explanation(story, ExplainStage.ASKING)

    explain.click()
    asking = window.focusWidget(), explain.text()
    explain.click()
    _button(pane, "Stop sending parts of this project").setFocus()
    desk.explanation = _explanation(story)
    explained = Explained(_nodeid(story), ExplainStage.LOCAL, "", story.now)
    window.render(reduce(red, events.ExplanationChanged(at=story.now, project=story.flask, explained=explained)))

    assert asking == (explain, "Asking\u2026")
    assert len(desk.of(commands.Explain)) == 1
    assert window.focusWidget() is explain


def test_who_agrees_is_led_to_the_button_that_tells_of_the_asking(
    window: Window, desk: Desk, story: Story, red: Snapshot, fake_clock: FakeClock
) -> None:
    """The question goes with its buttons; where no model can be asked any more, the text is where a person stays."""
    desk.explanation = _explanation(story, needs_consent=("api.deepseek.com",))
    pane = _look(window, story, red)
    _read(window, fake_clock)
    allow = _button(pane, "Allow for this project")
    allow.setFocus()
    desk.explanation = _explanation(story, ExplainStage.ASKING)

    allow.click()
    asking = window.focusWidget()
    never = replace(ANALYSIS, when=When.NEVER)
    window.render(reduce(red, events.AnalysisChanged(at=story.now, analysis=never)))

    assert asking is pane._explain._explain
    assert window.focusWidget() is pane._explain._scroll


def test_an_old_trouble_goes_when_the_settings_change(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """What kept a model from answering with the settings of before is not told of those of now; what is new is."""
    troubled = _explanation(story, ExplainStage.UNANSWERED, trouble="No key.", hint="Set one.")
    desk.explanation = troubled
    pane = _look(window, story, red)
    before = _seen(pane)
    reads = len(desk.of(commands.ReadExplanation))
    mended = replace(ANALYSIS, providers=(replace(ANALYSIS.providers[0], model="another"),))

    window.render(reduce(red, events.AnalysisChanged(at=story.now, analysis=mended)))
    after = _seen(pane)
    _button(pane, "Explain").click()

    assert "No key." in before
    assert "No key." not in after
    assert len(desk.of(commands.ReadExplanation)) == reads + 1
    assert "No key." in _seen(pane)


def test_what_is_sent_can_be_read_before(qtbot: QtBot, window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """The prompt opens over the window without stopping it, whole, and can be copied."""
    desk.explanation = _explanation(story, needs_consent=("api.deepseek.com",))
    pane = _look(window, story, red)

    _button(pane, "See what is sent").click()

    dialog = window.findChild(PromptDialog)
    assert isinstance(dialog, PromptDialog)
    assert dialog.windowModality() is Qt.WindowModality.WindowModal
    assert "2 secrets and personal details taken out" in _seen(dialog)
    _button(dialog, "Copy").click()
    assert "[system]\nYou explain why a test fails." in QGuiApplication.clipboard().text()
    with qtbot.waitSignal(dialog.finished):
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert desk.of(commands.Explain) == desk.of(commands.SetConsent) == []


def test_never_offers_no_model(window: Window, desk: Desk, story: Story) -> None:
    """Where the settings say never, that is said, what is known here stays and no button asks a model."""
    desk.explanation = _explanation(story, needs_consent=("h",))
    never = replace(ANALYSIS, when=When.NEVER)

    pane = _look(window, story, reduce(story.red, events.AnalysisChanged(at=story.now, analysis=never)))

    assert "assert 404 == 200" in _seen(pane._explain)
    assert "Models are switched off by the setting analysis.when." in _seen(pane)
    assert not {"Explain", "Ask about it", "See what is sent", "Allow for this project"} & _buttons(pane)


def test_a_place_and_a_patch_can_be_copied(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """A click on a place copies `path:line`, and the patch goes whole to the clipboard."""
    desk.explanation = _explanation(story, ExplainStage.EXPLAINED, answer=ANSWER)
    pane = _look(window, story, red)

    _button(pane._explain._evidence, "src/flask/app.py:812").click()
    place = QGuiApplication.clipboard().text()
    _button(pane, "Copy patch").click()

    assert place == "src/flask/app.py:812"
    assert "src/flask/app.py:812 is in the clipboard." in _seen(pane)
    assert QGuiApplication.clipboard().text() == PATCH


def test_a_hostile_answer_is_only_text(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """Markup of a model or a test is shown to the letter: no label takes it, no tooltip has its tags, no link opens."""
    bad = replace(LOCAL.suspects[0], path=HOSTILE, why=HOSTILE, source=HOSTILE)
    answer = replace(
        ANSWER, cause=HOSTILE, evidence=(bad,), next_step=HOSTILE, patch=HOSTILE, patch_note=HOSTILE, model=HOSTILE
    )
    desk.explanation = replace(
        _explanation(story, ExplainStage.EXPLAINED, answer=answer, trouble=HOSTILE, hint=HOSTILE),
        local=replace(LOCAL, failure=HOSTILE, place=bad, suspects=(bad,), doubt=HOSTILE),
    )

    part = _look(window, story, red)._explain

    labels = part.findChildren(QLabel)
    assert {each.textFormat() for each in labels if each.text()} == {Qt.TextFormat.PlainText}
    assert not any(each.openExternalLinks() for each in labels)
    assert [each for each in part.findChildren(QWidget) if "<b>" in each.toolTip()] == []
    assert "\u202e" not in _seen(part)
    assert "<b>bold</b>" in part._cause.toPlainText()
    assert "\\u202egnirts" in part._cause.toPlainText()


def test_the_output_is_one_click_away_and_the_choice_stays(
    window: Window, desk: Desk, story: Story, red: Snapshot
) -> None:
    """Output and history have sides of their own, and what a person chose holds for the next test."""
    desk.explanation = _explanation(story)
    pane = _look(window, story, red)
    assert not pane._output.isVisible()

    _button(pane, "Output").click()
    first = pane._output.isVisible(), pane._explain.isVisible()
    window.show_test(story.flask, red.projects[story.flask].red[1].nodeid)

    assert first == (True, False)
    assert (pane._output.isVisible(), pane._explain.isVisible()) == (True, False)
    _button(pane, "History").click()
    assert "Why it ran" in _seen(pane)
    assert not pane._output.isVisible()


def test_a_green_test_has_nothing_to_explain(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """Nothing is asked about a test that is green, and its details are all on one side."""
    desk.explanation = _explanation(story)
    pane = _look(window, story, red)
    asked = len(desk.of(commands.ReadExplanation))
    green = next(each for each in red.projects[story.flask].tests.values() if not each.outcome.is_red)

    window.show_test(story.flask, green.nodeid)

    assert len(desk.of(commands.ReadExplanation)) == asked
    assert not pane._sides.isVisible()
    assert pane._output.isVisible()


def test_ask_about_it_opens_the_conversation(window: Window, desk: Desk, story: Story, red: Snapshot) -> None:
    """With a conversation about the failure it is that one, and else a new one that knows the test."""
    desk.explanation = _explanation(story)
    pane = _look(window, story, red)

    _button(pane, "Ask about it").click()
    new = window.page, _seen(window.page_widget("conversation"))
    desk.explanation = replace(desk.explanation, conversation=RECORDS[0].id)
    window.show_test(story.flask, red.projects[story.flask].red[1].nodeid)
    _button(pane, "Ask about it").click()

    assert new[0] == "conversation"
    assert "New conversation about" in new[1]
    assert desk.of(commands.ReadConversation) == [commands.ReadConversation(conversation="one")]


@pytest.mark.parametrize("size", [(720, 480), (1040, 680)])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_no_text_is_wider_than_its_room(
    window: Window, desk: Desk, story: Story, red: Snapshot, *, size: tuple[int, int], theme: object
) -> None:
    """A long word without a break makes the pane no wider than the window gives it."""
    answer = replace(ANSWER, confidence=Confidence.MEDIUM, cause="x" * 4000, next_step="y" * 500, patch_note="z" * 500)
    evidence = (replace(ANSWER.evidence[0], path="p/" * 200, source="s" * 900, why="v" * 500),)
    answer = replace(answer, evidence=evidence)
    desk.explanation = replace(
        _explanation(story, ExplainStage.EXPLAINED, answer=answer), local=replace(LOCAL, failure="w" * 4000)
    )
    window._theme = theme  # type: ignore[assignment] # a theme
    window.resize(*size)

    pane = _look(window, story, red)
    window.grab()

    scroll = pane._explain._scroll
    inside = scroll.widget()
    assert inside is not None
    assert window.size().toTuple() == size
    assert inside.width() <= scroll.viewport().width()
    long = ("What failed", "Likely cause", "Next step", "Note on the patch")
    texts = [each for each in inside.findChildren(QPlainTextEdit) if each.accessibleName() in long]
    assert [each.accessibleName() for each in texts if each.document().firstBlock().layout().lineCount() < 2] == []
    assert pane.mapTo(window, pane.rect().bottomRight()).x() < size[0]
