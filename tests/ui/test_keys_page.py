"""The Keys page: what it shows of the vault in each state, what it asks for, and what it never keeps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QLabel, QLineEdit, QMessageBox, QPushButton, QWidget

from app.domain import commands, events
from app.domain.errors import SecretError, VaultLocked
from app.domain.keys import SecretView, VaultState, VaultView
from app.domain.reduce import reduce
from app.engine.tasks import spawn
from app.ui.keys_model import DUE, NAME, KeysModel
from app.ui.keys_view import Urgency, asked_groups, closed_view, open_view, same_group
from app.ui.pages.keys import KeysPage
from app.ui.secret_field import LONGEST, SecretField
from app.ui.theme import DARK, LIGHT
from app.ui.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from app.domain.snapshot import Snapshot
    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story

NOW = 1_700_000_000
DAY = 86_400
CANARY = "sk-live-CANARY-5ac1"
CODE = "-".join(
    f"{letter}{letter}{letter}{number}" for letter, number in zip("ABCDEFGHIJKLMN", "23456723456723", strict=True)
)


@dataclass
class Keys:
    """The vault's side of the bus: notes what is asked of it, and answers or refuses as the test says."""

    asked: list[commands.Command] = field(default_factory=list)
    refuse: Exception | None = None

    def answer(self, command: commands.Command) -> object:
        self.asked.append(command)
        if self.refuse is not None:
            raise self.refuse
        if isinstance(command, commands.NewRecoveryCode):
            return CODE
        return 30.0 if isinstance(command, commands.CopySecret) else None


@pytest.fixture
def keys(desk: Desk) -> Keys:
    """What answers the commands of the page."""
    made = Keys()
    for kind in (
        commands.UnlockVault,
        commands.LockVault,
        commands.RotateDataKey,
        commands.CopySecret,
        commands.OpenVault,
        commands.SetSecret,
        commands.RemoveSecret,
        commands.NewRecoveryCode,
        commands.MakeVault,
        commands.ReplaceRecoveryCode,
    ):
        desk.bus.handle(kind, made.answer)
    return made


@pytest.fixture
def window(qtbot: QtBot, desk: Desk, keys: Keys, fake_clock: FakeClock, icons: Icons) -> Iterator[Window]:
    """A window at the Keys page."""
    del keys
    made = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(made)
    yield made
    made.hide()


def _look(window: Window, snapshot: Snapshot) -> KeysPage:
    window.render(snapshot)
    window.show()
    window.show_page("keys")
    page = window.page_widget("keys")
    assert isinstance(page, KeysPage)
    return page


def _seen(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def _button(widget: QWidget, text: str) -> QPushButton:
    return next(b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible())


def _field(widget: QWidget, name: str) -> QLineEdit:
    return next(f for f in widget.findChildren(QLineEdit) if f.accessibleName() == name and f.isVisible())


def _choose(page: KeysPage, name: str) -> None:
    page.open_part._table.selectRow(page.open_part.model.row_of(name))


def _text_and_undo(line: QLineEdit) -> list[str]:
    """Return what is in a field, and what comes back into it by undoing, which dots would forbid."""
    found = [line.text()]
    line.setEchoMode(QLineEdit.EchoMode.Normal)
    line.undo()
    return [*found, line.text()]


def _go_to_table(qtbot: QtBot, window: Window, page: KeysPage) -> None:
    """Bring the window to the front and its table under the keyboard, at SENTRY_DSN: shortcuts need both."""
    with qtbot.waitActive(window):
        window.open()
    page.open_part._table.setFocus()
    _choose(page, "SENTRY_DSN")


def _held(widget: QWidget, text: str) -> list[str]:
    """Return where a text still stands, in anything that a person, a screen reader or an inspector would find."""
    found = []
    for each in (widget, *widget.findChildren(QWidget)):
        for name in ("text", "objectName", "accessibleName", "accessibleDescription", "toolTip", "placeholderText"):
            said = getattr(each, name, None)
            if callable(said) and text in str(said()):
                found.append(f"{type(each).__name__}.{name}")
    return found


@pytest.mark.parametrize(
    ("state", "sentences", "buttons"),
    [
        ("none", ["There is no vault yet", "encrypted, in place of a file"], {"Make a vault"}),
        ("opening", ["Opening the vault\u2026"], set()),
        ("waiting", ["Waiting for the system keychain\u2026", "window of its own"], {"Cancel", "Recover"}),
        (
            "locked",
            ["The vault is locked", "The system keychain is locked.", "Unlock it, or open the vault in another way."],
            {"Unlock with the system keychain", "Open", "Recover"},
        ),
        (
            "trouble",
            ["The vault is in trouble", "not what was written", "Put a backup in place.", "watchkeeper keys restore"],
            {"Try again", "Recover"},
        ),
        (
            "open",
            ["4 secrets", "1 overdue, 1 due soon", "replaced by itself in 18 days", "system keychain, recovery code"],
            {"Add", "Copy", "New value", "Remove", "Rotate", "Recovery kit", "Lock"},
        ),
        ("empty", ["No secrets yet", "Nothing is in the vault yet."], {"Add", "Rotate", "Recovery kit", "Lock"}),
    ],
)
def test_the_page_says_how_the_vault_stands(
    window: Window, story: Story, state: str, sentences: list[str], buttons: set[str]
) -> None:
    """Each state has its words, and the ways out of it that it offers."""
    page = _look(window, story.vaults[state])

    seen = _seen(page)
    shown = {b.text() for b in page.findChildren(QPushButton) if b.isVisible() and b.text()}
    assert [sentence for sentence in sentences if sentence not in seen] == []
    assert buttons <= shown
    assert state == "empty" or shown == buttons


@pytest.mark.parametrize(
    ("offers", "unlock", "fields"),
    [
        (("keychain",), "Unlock with the system keychain", set()),
        (("dpapi", "recovery"), "Unlock with the Windows account", {"Recovery code"}),
        (("passphrase", "recovery"), "", {"Passphrase of the vault", "Recovery code"}),
        (("vault-transit", "passphrase"), "Unlock", {"Passphrase of the vault"}),
        ((), "Unlock", {"Passphrase of the vault", "Recovery code"}),
    ],
)
def test_only_the_ways_that_the_vault_offers_are_shown(
    window: Window, story: Story, offers: tuple[str, ...], unlock: str, fields: set[str]
) -> None:
    """Nobody is asked for a passphrase that there is none of; where that is not known, every way may be tried."""
    locked = replace(story.vaults["locked"].vault, offers=offers)

    page = _look(window, reduce(story.green, events.VaultChanged(at=NOW, vault=locked)))

    assert {f.accessibleName() for f in page.findChildren(QLineEdit) if f.isVisible()} == fields
    assert [b.text() for b in page.findChildren(QPushButton) if b.isVisible() and b.text().startswith("Unlock")] == (
        [unlock] if unlock else []
    )


def test_the_vault_is_unlocked_by_what_the_system_has(window: Window, keys: Keys, story: Story) -> None:
    """One button asks for it, and the page says nothing before the vault does."""
    page = _look(window, story.vaults["locked"])

    _button(page, "Unlock with the system keychain").click()

    assert keys.asked == [commands.UnlockVault()]
    assert "The vault is locked" in _seen(page)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("Passphrase of the vault", commands.OpenVault(passphrase=CANARY)),
        ("Recovery code", commands.OpenVault(code=CANARY)),
    ],
)
def test_what_is_typed_opens_the_vault_and_is_forgotten(
    qtbot: QtBot, window: Window, keys: Keys, story: Story, *, name: str, command: commands.Command
) -> None:
    """Enter sends it; afterwards no widget holds it, not even to be undone, whatever the answer was."""
    page = _look(window, story.vaults["locked"])
    keys.refuse = VaultLocked("That does not open the vault.", "Type it again.")
    line = _field(page, name)

    qtbot.keyClicks(line, CANARY)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    left = _text_and_undo(line)

    assert keys.asked == [command]
    assert left == ["", ""]
    assert _held(window, CANARY) == []
    assert "That does not open the vault.\nType it again." in _seen(page)


def test_an_empty_field_asks_for_nothing(window: Window, keys: Keys, story: Story) -> None:
    """A click beside an empty field is no try."""
    page = _look(window, story.vaults["locked"])

    _button(page, "Open").click()
    _button(page, "Recover").click()

    assert keys.asked == []


def test_waiting_for_the_keychain_can_be_given_up(window: Window, keys: Keys, story: Story) -> None:
    """Cancel leads to the other ways while the system still thinks, and the next wait is shown as one again."""
    page = _look(window, story.vaults["waiting"])

    _button(page, "Cancel").click()
    window.render(reduce(story.vaults["waiting"], events.AgentBeat(at=NOW, agent="tests", progress=9)))
    given_up = _seen(page)
    window.render(story.vaults["locked"])
    window.render(story.vaults["waiting"])

    assert keys.asked == [commands.LockVault()]
    assert "The vault is locked\nThe system keychain has not answered yet." in given_up
    assert "Waiting for the system keychain\u2026" in _seen(page)


def test_the_table_tells_of_each_secret(window: Window, story: Story) -> None:
    """Name, group where it says more, age, renewal, reader, notes: in words, and what is due by a shape of its own."""
    model = _look(window, story.vaults["open"]).open_part.model

    cells = {
        row.name: [model.data(model.index(place, column)) for column in range(model.columnCount())]
        for place, row in enumerate(model.rows)
    }
    marks = {
        row.name: model.data(model.index(place, DUE), Qt.ItemDataRole.DecorationRole)
        for place, row in enumerate(model.rows)
    }
    assert cells == {
        "AWS_SECRET_ACCESS_KEY": [
            "AWS_SECRET_ACCESS_KEY",
            "",
            "400 days",
            "no reminder",
            "never",
            "deploys of the shop",
        ],
        "DEEPSEEK_API_KEY": [
            "DEEPSEEK_API_KEY",
            "",
            "120 days",
            "overdue for 3 days",
            "2 min ago \u00b7 tests agent",
            "the team account",
        ],
        "DEEPSEEK_API_KEY_1": [
            "DEEPSEEK_API_KEY_1",
            "DEEPSEEK_API_KEY",
            "20 days",
            "in 9 days",
            "1 h ago \u00b7 watchkeeper keys run",
            "spare",
        ],
        "SENTRY_DSN": ["SENTRY_DSN", "", "2 days", "in 88 days", "never", ""],
    }
    assert marks["AWS_SECRET_ACCESS_KEY"] is marks["SENTRY_DSN"] is None
    overdue, soon = (marks[name].toImage().createAlphaMask() for name in ("DEEPSEEK_API_KEY", "DEEPSEEK_API_KEY_1"))
    assert overdue != soon


def test_a_search_leaves_what_holds_it(qtbot: QtBot, window: Window, story: Story) -> None:
    """Ctrl+F searches names, groups and notes; when nothing is left, that is said."""
    page = _look(window, story.vaults["open"])

    window._search()
    qtbot.keyClicks(page.open_part._search, "SPARE")
    by_notes = [row.name for row in page.open_part.model.rows]
    qtbot.keyClicks(page.open_part._search, "zzz")

    assert by_notes == ["DEEPSEEK_API_KEY_1"]
    assert "No secret has this" in _seen(page)


def test_a_copy_says_for_how_long_and_shows_no_value(
    qtbot: QtBot, window: Window, keys: Keys, story: Story, fake_clock: FakeClock
) -> None:
    """Ctrl+C in the table asks for it; the page counts the seconds down and then says nothing."""
    page = _look(window, story.vaults["open"])
    _go_to_table(qtbot, window, page)

    qtbot.keyClick(page.open_part._table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    at_once = _seen(page)
    fake_clock.advance(12)
    page.tick()
    later = _seen(page)
    fake_clock.advance(18)
    page.tick()

    assert keys.asked == [commands.CopySecret(name="SENTRY_DSN")]
    assert "SENTRY_DSN is in the clipboard, cleared in 30 s" in at_once
    assert "SENTRY_DSN is in the clipboard, cleared in 18 s" in later
    assert "clipboard" not in _seen(page)


def test_a_new_secret_is_set_and_its_value_forgotten(qtbot: QtBot, window: Window, keys: Keys, story: Story) -> None:
    """Ctrl+N, four fields, Enter: the value goes out once, and stays in no widget and in no undo."""
    page = _look(window, story.vaults["open"])
    with qtbot.waitActive(window):
        window.open()

    qtbot.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(_field(page, "Name of the secret"), "OPENAI_API_KEY")
    QGuiApplication.clipboard().setText(f"{CANARY}\n")
    value = _field(page, "Value of the secret")
    value.paste()
    shown = value.displayText()
    qtbot.keyClicks(_field(page, "Notes"), "trial account")
    page.open_part._form._due.setCurrentText("In 90 days")
    qtbot.keyClick(value, Qt.Key.Key_Return)
    left = _text_and_undo(value)

    assert keys.asked == [commands.SetSecret(name="OPENAI_API_KEY", value=CANARY, notes="trial account", due_days=90)]
    assert CANARY not in shown
    assert left == ["", ""]
    assert _held(window, CANARY) == []
    assert "OPENAI_API_KEY is in the vault." in _seen(page)
    assert not page.open_part._form.isVisible()


def test_a_refused_secret_keeps_its_words_and_not_its_value(
    qtbot: QtBot, window: Window, keys: Keys, story: Story
) -> None:
    """What went wrong stands in the form; name and notes need not be typed again, the value must."""
    page = _look(window, story.vaults["open"])
    keys.refuse = SecretError("'a b' is no name for a secret.", "Take letters and digits.")

    _button(page, "Add").click()
    qtbot.keyClicks(_field(page, "Name of the secret"), "a b")
    qtbot.keyClicks(_field(page, "Value of the secret"), CANARY)
    _button(page, "Save").click()

    assert "'a b' is no name for a secret.\nTake letters and digits." in _seen(page)
    assert _field(page, "Name of the secret").text() == "a b"
    assert _held(window, CANARY) == []
    assert _button(page, "Save").isEnabled()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("", CANARY, "A secret needs a name."),
        ("NEW", "", "The value is empty."),
        ("SENTRY_DSN", CANARY, "There is a secret SENTRY_DSN already."),
    ],
)
def test_a_new_secret_overwrites_none_and_is_not_empty(
    qtbot: QtBot, window: Window, keys: Keys, story: Story, *, name: str, value: str, sentence: str
) -> None:
    """A slip in the form is said there, and nothing is asked."""
    page = _look(window, story.vaults["open"])

    _button(page, "Add").click()
    qtbot.keyClicks(_field(page, "Name of the secret"), name)
    qtbot.keyClicks(_field(page, "Value of the secret"), value)
    _button(page, "Save").click()

    assert keys.asked == []
    assert sentence in _seen(page)


@pytest.mark.parametrize(
    ("value", "notes", "due", "command"),
    [
        (CANARY, None, "As before", commands.SetSecret(name="SENTRY_DSN", value=CANARY)),
        ("", "errors of the shop", "As before", commands.SetSecret(name="SENTRY_DSN", notes="errors of the shop")),
        ("", None, "No reminder", commands.SetSecret(name="SENTRY_DSN", due_days=0)),
        ("", None, "As before", None),
    ],
)
def test_a_secret_is_renewed(
    qtbot: QtBot,
    window: Window,
    keys: Keys,
    story: Story,
    *,
    value: str,
    notes: str | None,
    due: str,
    command: commands.Command | None,
) -> None:
    """Enter in the table opens the form; only what was changed is sent, and nothing when nothing was."""
    page = _look(window, story.vaults["open"])
    _choose(page, "SENTRY_DSN")

    qtbot.keyClick(page.open_part._table, Qt.Key.Key_Return)
    qtbot.keyClicks(_field(page, "Value of the secret"), value)
    if notes is not None:
        qtbot.keyClicks(_field(page, "Notes"), notes)
    page.open_part._form._due.setCurrentText(due)
    _button(page, "Save").click()

    assert keys.asked == ([command] if command is not None else [])
    assert page.open_part._form.isVisible() is (command is None)


def test_escape_leaves_the_form_and_not_the_window(qtbot: QtBot, window: Window, keys: Keys, story: Story) -> None:
    """The form closes, nothing is asked, and what was typed is gone."""
    page = _look(window, story.vaults["open"])
    with qtbot.waitActive(window):
        window.open()
    _button(page, "Add").click()
    value = _field(page, "Value of the secret")
    qtbot.keyClicks(value, CANARY)

    qtbot.keyClick(value, Qt.Key.Key_Escape)

    assert window.isVisible()
    assert not page.open_part._form.isVisible()
    assert keys.asked == []
    assert _held(window, CANARY) == []


def _question(page: KeysPage) -> QMessageBox:
    question = page.open_part._question
    assert question is not None
    return question


@pytest.mark.parametrize(("answer", "asked"), [("Remove", [commands.RemoveSecret(name="SENTRY_DSN")]), ("Keep", [])])
def test_removing_is_asked_about_first(
    qtbot: QtBot, window: Window, keys: Keys, story: Story, *, answer: str, asked: list[commands.Command]
) -> None:
    """Del asks, with the safe answer at hand, and only Remove removes."""
    page = _look(window, story.vaults["open"])
    _go_to_table(qtbot, window, page)

    qtbot.keyClick(page.open_part._table, Qt.Key.Key_Delete)
    question = _question(page)
    default = question.defaultButton().text()
    before = list(keys.asked)
    next(b for b in question.buttons() if b.text() == answer).click()

    assert question.text() == "Remove SENTRY_DSN?"
    assert default == "Keep"
    assert before == []
    assert keys.asked == asked
    assert page.open_part._question is None


def test_the_vault_is_rotated_and_locked(window: Window, keys: Keys, story: Story) -> None:
    """Two buttons ask for it, and what was done is said."""
    page = _look(window, story.vaults["open"])

    _button(page, "Rotate").click()
    said = _seen(page)
    _button(page, "Lock").click()

    assert keys.asked == [commands.RotateDataKey(), commands.LockVault()]
    assert "Everything is encrypted under a new data key." in said


def test_a_vault_that_is_locked_under_way_takes_everything_with_it(
    qtbot: QtBot, window: Window, keys: Keys, story: Story
) -> None:
    """A form, a question, the names and a search are gone with the state that they belong to."""
    page = _look(window, story.vaults["open"])
    _choose(page, "SENTRY_DSN")
    _button(page, "Add").click()
    qtbot.keyClicks(_field(page, "Value of the secret"), CANARY)
    _button(page, "Remove").click()

    window.render(story.vaults["locked"])
    qtbot.waitUntil(lambda: not window.findChildren(QMessageBox))

    assert "The vault is locked" in _seen(page)
    assert page.open_part.model.rows == ()
    assert page.open_part._question is None
    assert keys.asked == []
    assert _held(window, CANARY) == _held(window, "SENTRY_DSN") == []


def _confirm(page: KeysPage, *, wrong: bool = False) -> None:
    """Type the groups that are asked for, as the paper has them."""
    groups = CODE.split("-")
    for line in (f for f in page.findChildren(QLineEdit) if f.isVisible()):
        number = int(line.accessibleName().split()[1])
        line.setText("zzzz" if wrong else groups[number - 1].lower())
    _button(page, "Next").click()


def test_a_vault_is_made_in_three_steps(qtbot: QtBot, window: Window, keys: Keys, story: Story) -> None:
    """The code is shown once, two groups are typed again, a passphrase may be; then the vault is made with both."""
    page = _look(window, story.vaults["none"])

    _button(page, "Make a vault").click()
    shown = _seen(page)
    _button(page, "I have written it down").click()
    held_while_asked = [group for group in CODE.split("-") if _held(window, group)]
    _confirm(page)
    qtbot.keyClicks(_field(page, "Passphrase"), CANARY)
    qtbot.keyClicks(_field(page, "Passphrase again"), CANARY)
    _button(page, "Make the vault").click()
    window.render(story.vaults["empty"])
    done = _seen(page)
    _button(page, "Show the keys").click()

    assert [group for group in CODE.split("-") if group not in shown] == []
    assert held_while_asked == []
    assert keys.asked == [commands.NewRecoveryCode(), commands.MakeVault(code=CODE, passphrase=CANARY)]
    assert "The vault is made" in done
    assert "No secrets yet" in _seen(page)
    assert _held(window, CANARY) == []
    assert page._flow._code == ""


def test_a_passphrase_is_a_persons_choice(window: Window, keys: Keys, story: Story) -> None:
    """Left empty, the vault is made without one."""
    page = _look(window, story.vaults["none"])

    _button(page, "Make a vault").click()
    _button(page, "I have written it down").click()
    _confirm(page)
    _button(page, "Make the vault").click()

    assert keys.asked[-1] == commands.MakeVault(code=CODE)


def test_a_slip_of_the_pen_is_found_before_the_vault_is_made(window: Window, keys: Keys, story: Story) -> None:
    """A wrong group goes no further, and starting again gives a new code."""
    page = _look(window, story.vaults["none"])
    _button(page, "Make a vault").click()
    _button(page, "I have written it down").click()

    _confirm(page, wrong=True)
    seen = _seen(page)
    _button(page, "Start again with a new code").click()

    assert "is not what was shown." in seen
    assert keys.asked == [commands.NewRecoveryCode(), commands.NewRecoveryCode()]
    assert _button(page, "I have written it down").isEnabled()


def test_two_passphrases_that_differ_make_no_vault(qtbot: QtBot, window: Window, keys: Keys, story: Story) -> None:
    """A typing error must not lock its owner out."""
    page = _look(window, story.vaults["none"])
    _button(page, "Make a vault").click()
    _button(page, "I have written it down").click()
    _confirm(page)

    qtbot.keyClicks(_field(page, "Passphrase"), CANARY)
    _button(page, "Make the vault").click()

    assert "The two passphrases differ." in _seen(page)
    assert keys.asked == [commands.NewRecoveryCode()]
    assert _held(window, CANARY) == []


def test_a_vault_that_cannot_be_made_can_be_tried_again(window: Window, keys: Keys, story: Story) -> None:
    """The code that is on paper already stays good for the next try."""
    page = _look(window, story.vaults["none"])
    _button(page, "Make a vault").click()
    _button(page, "I have written it down").click()
    _confirm(page)

    keys.refuse = VaultLocked("The system keychain does not answer.", "Unlock it.")
    _button(page, "Make the vault").click()
    seen = _seen(page)
    keys.refuse = None
    _button(page, "Make the vault").click()

    assert "The system keychain does not answer." in seen
    assert keys.asked[-2:] == [commands.MakeVault(code=CODE)] * 2
    assert "The vault is made" in _seen(page)


def test_a_new_recovery_code_takes_the_place_of_the_old_one(window: Window, keys: Keys, story: Story) -> None:
    """Only after it was typed again in part; no passphrase is asked for."""
    page = _look(window, story.vaults["open"])

    _button(page, "Recovery kit").click()
    _button(page, "I have written it down").click()
    before = list(keys.asked)
    _confirm(page)
    seen = _seen(page)
    _button(page, "Done").click()

    assert before == [commands.NewRecoveryCode()]
    assert keys.asked[1:] == [commands.ReplaceRecoveryCode(code=CODE)]
    assert "The new recovery code is in force" in seen
    assert "4 secrets" in _seen(page)


@pytest.mark.parametrize("leave", ["another page", "hide", "cancel", "lock"])
def test_a_code_that_nobody_looks_at_is_forgotten(window: Window, keys: Keys, story: Story, leave: str) -> None:
    """Leaving the steps in any way leaves no code behind, and nothing is changed."""
    page = _look(window, story.vaults["open"])
    _button(page, "Recovery kit").click()

    if leave == "another page":
        window.show_page("now")
    elif leave == "hide":
        window.close()
    elif leave == "cancel":
        _button(page, "Cancel").click()
    else:
        window.render(story.vaults["locked"])

    assert [group for group in CODE.split("-") if _held(window, group)] == []
    assert page._flow._code == ""
    assert keys.asked == [commands.NewRecoveryCode()]


def test_a_value_is_shown_only_while_the_eye_is_held(qtbot: QtBot) -> None:
    """By mouse and by keyboard: what is shown is dots before, the value during, and dots after."""
    box = SecretField("Value")
    qtbot.addWidget(box)
    box.show()
    line, eye = box._line, box._eye
    qtbot.keyClicks(line, CANARY)
    shown = [line.displayText()]

    for press, release in (
        (
            lambda: qtbot.mousePress(eye, Qt.MouseButton.LeftButton),
            lambda: qtbot.mouseRelease(eye, Qt.MouseButton.LeftButton),
        ),
        (lambda: qtbot.keyPress(eye, Qt.Key.Key_Space), lambda: qtbot.keyRelease(eye, Qt.Key.Key_Space)),
    ):
        press()
        shown.append(line.displayText())
        release()
        shown.append(line.displayText())
    dots = shown[0]

    assert shown == [dots, CANARY, dots, CANARY, dots]
    assert CANARY not in dots
    assert line.accessibleName() == "Value"


def test_a_field_that_is_hidden_is_emptied(qtbot: QtBot) -> None:
    """What is typed does not wait behind another page, and not even its undo does."""
    box = SecretField("Value")
    qtbot.addWidget(box)
    box.show()
    qtbot.keyClicks(box._line, CANARY)
    box._eye.pressed.emit()

    box.hide()

    assert box._line.echoMode() is QLineEdit.EchoMode.Password
    assert _text_and_undo(box._line) == ["", ""]


def test_a_long_value_of_several_lines_comes_through_whole(qtbot: QtBot) -> None:
    """A private key with its line feeds, and a value of the vault's full size, are not cut or joined."""
    box = SecretField("Value")
    qtbot.addWidget(box)
    whole = "-----BEGIN KEY-----\n" + "A" * (LONGEST - 40) + "\n-----END KEY-----"
    QGuiApplication.clipboard().setText(whole + "\r\n")

    box._line.paste()

    assert box.take() == whole
    assert box.is_empty


async def test_a_slow_vault_is_asked_once(desk: Desk, fake_clock: FakeClock, icons: Icons, story: Story) -> None:
    """On the program's own loop the page goes on while the vault writes, and a second Enter asks for nothing."""
    asked: list[commands.Command] = []
    written = asyncio.Event()

    async def slow(command: commands.Command) -> None:
        asked.append(command)
        await written.wait()

    desk.bus.handle(commands.SetSecret, slow)
    window = Window(desk.bus.send, spawn, fake_clock, icons, theme=LIGHT)
    page = _look(window, story.vaults["open"])
    form = page.open_part._form
    _button(page, "Add").click()
    form._name.setText("NEW")
    form._value._line.setText(CANARY)

    for _ in range(2):
        form._name.returnPressed.emit()
        await fake_clock.pass_time(1)
    while_it_writes = (form.isVisible(), _button(page, "Save").isEnabled())
    written.set()
    await fake_clock.pass_time(1)

    assert asked == [commands.SetSecret(name="NEW", value=CANARY, notes="", due_days=0)]
    assert while_it_writes == (True, False)
    assert not form.isVisible()
    window.hide()
    window.deleteLater()


async def test_a_code_that_comes_too_late_is_not_shown(
    desk: Desk, fake_clock: FakeClock, icons: Icons, story: Story
) -> None:
    """An answer to what the person has left already is not heard."""
    made = asyncio.Event()

    async def slow(_command: commands.Command) -> str:
        await made.wait()
        return CODE

    desk.bus.handle(commands.NewRecoveryCode, slow)
    window = Window(desk.bus.send, spawn, fake_clock, icons, theme=LIGHT)
    page = _look(window, story.vaults["none"])
    _button(page, "Make a vault").click()
    await fake_clock.pass_time(1)
    may_go_on = _button(page, "I have written it down").isEnabled()

    _button(page, "Cancel").click()
    made.set()
    await fake_clock.pass_time(1)

    assert not may_go_on
    assert page._flow._code == ""
    assert [group for group in CODE.split("-") if _held(window, group)] == []
    window.hide()
    window.deleteLater()


_secret = st.builds(
    SecretView,
    st.sampled_from(["A", "B", "C_1", "\u00e4"]) | st.text(min_size=1, max_size=8),
    st.text(max_size=5),
    st.text(max_size=5),
    *[st.integers(0, 2 * NOW)] * 3,
    st.floats(0, 2 * NOW),
    st.text(max_size=5),
)


@given(st.lists(_secret, max_size=8, unique_by=lambda secret: secret.name), st.text(max_size=2))
def test_any_secrets_make_a_table(icons: Icons, secrets: list[SecretView], search: str) -> None:
    """Whatever the vault holds, each secret has its row, found or not, and the counts count all of them."""
    model = KeysModel(icons, LIGHT)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    vault = VaultView(VaultState.OPEN, secrets=tuple(secrets))

    everything = open_view(vault, NOW)
    found = open_view(vault, NOW, search)
    for view in (everything, found, everything):
        model.show_rows(view.rows)
    model.wear(DARK)

    assert sorted(row.name for row in everything.rows) == sorted(secret.name for secret in secrets)
    assert set(found.rows) <= set(everything.rows)
    assert found.detail == everything.detail
    assert model.rowCount() == len(secrets)
    del tester


@pytest.mark.parametrize(
    ("due", "urgency", "words"),
    [
        (0, Urgency.NONE, "no reminder"),
        (NOW + 15 * DAY, Urgency.NONE, "in 15 days"),
        (NOW + 13 * DAY, Urgency.SOON, "in 13 days"),
        (NOW + 60, Urgency.SOON, "within a day"),
        (NOW - 60, Urgency.OVERDUE, "overdue for 1 min"),
        (NOW - 3 * DAY, Urgency.OVERDUE, "overdue for 3 days"),
    ],
)
def test_a_renewal_is_more_urgent_the_nearer_it_is(due: int, urgency: Urgency, words: str) -> None:
    """Two weeks before it is worth a mark, afterwards another one."""
    row = open_view(VaultView(VaultState.OPEN, secrets=(SecretView("A", due=due),)), NOW).rows[0]

    assert (row.urgency, row.due) == (urgency, words)


def test_what_is_chosen_stays_chosen(window: Window, story: Story) -> None:
    """A secret that comes before it in the list does not put another one under the person's next click."""
    page = _look(window, story.vaults["open"])
    _choose(page, "SENTRY_DSN")
    vault = story.vaults["open"].vault
    more = replace(vault, secrets=(SecretView("AAA"), *vault.secrets))

    window.render(reduce(story.vaults["open"], events.VaultChanged(at=NOW, vault=more)))

    part = page.open_part
    assert part.model.rows[part._table.currentIndex().row()].name == "SENTRY_DSN"
    assert part._table.selectionModel().selectedRows()[0].row() == part.model.row_of("SENTRY_DSN")


def test_a_secret_that_is_gone_leaves_nothing_chosen(window: Window, story: Story) -> None:
    """The buttons for one secret wait until one is chosen again, rather than mean its neighbour."""
    page = _look(window, story.vaults["open"])
    _choose(page, "SENTRY_DSN")
    vault = story.vaults["open"].vault
    less = replace(vault, secrets=tuple(s for s in vault.secrets if s.name != "SENTRY_DSN"))

    window.render(reduce(story.vaults["open"], events.VaultChanged(at=NOW, vault=less)))

    assert not _button(page, "Copy").isEnabled()
    assert page.open_part._table.selectionModel().selectedRows() == []


@pytest.mark.parametrize("width", [720, 860, 1040, 1600])
def test_a_narrow_window_cuts_no_name(qtbot: QtBot, window: Window, story: Story, width: int) -> None:
    """What has no room is left out, and the tooltip of the name has it."""
    page = _look(window, story.vaults["open"])
    window.resize(width, 480)
    part = page.open_part
    qtbot.waitUntil(lambda: part._table.horizontalHeader().length() <= part._table.viewport().width())

    place = part.model.row_of("DEEPSEEK_API_KEY_1")
    tooltip = part.model.data(part.model.index(place, NAME), Qt.ItemDataRole.ToolTipRole)
    assert tooltip == "DEEPSEEK_API_KEY_1\nGroup: DEEPSEEK_API_KEY\nAge: 20 days\nspare"
    assert part._table.columnWidth(NAME) >= part._room(["AWS_SECRET_ACCESS_KEY"], (0, 300))


@given(st.lists(st.integers(0, 13), min_size=2, max_size=2, unique=True))
def test_the_groups_that_are_asked_for_are_told_by_number(sample: list[int]) -> None:
    """Numbers count from 1, in the order of the paper, and each goes with its own group."""
    asked = asked_groups(CODE, sample)

    assert [number for number, _ in asked] == sorted(place + 1 for place in sample)
    assert all(CODE.split("-")[number - 1] == group for number, group in asked)


@pytest.mark.parametrize(
    ("typed", "same"), [("AAA2", True), ("aaa2", True), (" a aa2 ", True), ("AAA3", False), ("", False), ("AAA", False)]
)
def test_a_group_is_compared_as_the_code_is_read(typed: str, *, same: bool) -> None:
    """Case and spaces do not matter; a missing sign does."""
    assert same_group(typed, "AAA2") is same
    assert same_group("10O8", "IOOB")


def test_a_wait_that_was_given_up_is_told_as_locked() -> None:
    """The view alone decides what is said; nothing in it says that it still waits."""
    vault = VaultView(VaultState.WAITING, offers=("keychain", "passphrase"))

    view = closed_view(vault, given_up=True)

    assert (view.title, view.waiting, view.passphrase) == ("The vault is locked", False, True)
