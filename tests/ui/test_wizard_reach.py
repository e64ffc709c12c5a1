"""The first start for everybody: by keyboard, by screen reader, in each language, on a small screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QFrame, QLabel, QLineEdit, QScrollArea, QWidget

from app.domain import commands
from app.domain.firststart import Counting, Folder, ModelTrial, ProjectLook, TestCount, Trial
from app.domain.keys import VaultState
from app.ui.theme import DARK, LIGHT
from app.ui.words.catalogue import LANGUAGES
from tests.ui.firststart import (
    CANARY,
    ROOT,
    FarSide,
    line,
    press,
    seen,
    snapshot,
    type_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from app.ui.theme import Theme
    from app.ui.wizard.wizard import Wizard


def test_the_keyboard_goes_all_the_way(qtbot: QtBot, wizard: Wizard, far: FarSide) -> None:
    """A path, Enter to look, Enter to watch, a key, Enter, Enter, a space in the box, Enter."""

    def type_in(text: str) -> None:
        QTest.keyClicks(wizard.focusWidget(), text)
        QTest.keyClick(wizard.focusWidget(), Qt.Key.Key_Return)

    with qtbot.waitActive(wizard):
        wizard.activateWindow()
    type_in(ROOT)
    type_in("")
    type_in(CANARY)
    type_in("")
    QTest.keyClick(wizard.focusWidget(), Qt.Key.Key_Space)
    type_in("")

    assert far.kinds() == [
        *("LookAtProject", "CountTests", "KeepProject"),
        *("TryModel", "ReadStatus", "SetSecret", "SetSetting"),
        *("ReadLoginStart", "StartAtLogin", "AskNoMore"),
    ]
    assert not wizard.isVisible()


def test_enter_never_skips_while_something_is_waited_for(qtbot: QtBot, wizard: Wizard, far: FarSide) -> None:
    """What is hidden or greyed out hands the focus on; it must not land where a second Enter leaves a step out."""
    far.answers[commands.ReadStatus] = snapshot(VaultState.NONE)
    with qtbot.waitActive(wizard):
        wizard.activateWindow()
    press(wizard, "Skip")
    type_key(wizard)
    press(wizard, "I have written it down")
    line(wizard, "Group 3 of the recovery code").setText("CCC4")
    last = line(wizard, "Group 8 of the recovery code")
    last.setText("HHH3")
    last.setFocus()
    far.answers[commands.ReadStatus] = snapshot(VaultState.OPEN)
    far.held = {commands.SetSecret}
    for _ in range(3):
        QTest.keyClick(wizard.focusWidget(), Qt.Key.Key_Return)
    waiting = seen(wizard)
    far.answer_held(commands.SetSecret)

    assert "Step 2 of 3" in waiting
    assert far.kinds()[-2:] == ["SetSecret", "SetSetting"]
    assert "It works" in seen(wizard)


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_each_letter_serves_once_in_a_step(make: Callable[..., Wizard], far: FarSide, code: str) -> None:
    """Alt and a letter mean one thing in each state of each step, in every language."""
    far.answers |= {
        commands.ReadStatus: snapshot(VaultState.NONE),
        commands.TryModel: ModelTrial(Trial.OUT_OF_REACH),
    }
    wizard = make(code=code, updates=True)
    doubled: list[tuple[str, str]] = []

    def look(state: str) -> None:
        texts = [
            each.text()
            for each in (*wizard.findChildren(QAbstractButton), *wizard.findChildren(QLabel))
            if each.isVisible() and (isinstance(each, QAbstractButton) or each.buddy() is not None)
        ]
        letters = [QKeySequence.mnemonic(text).toString() for text in texts]
        found = [letter for letter in letters if letter]
        doubled.extend((state, letter) for letter in set(found) if found.count(letter) > 1)
        assert len(found) >= 2, (state, texts)

    look("empty")
    wizard.project.name(ROOT)
    look("found")
    wizard.step.go_on()
    look("model")
    for typed in wizard.step.findChildren(QLineEdit):
        if typed.echoMode() is QLineEdit.EchoMode.Password and typed.isVisible():
            typed.setText(CANARY)
    wizard.step.go_on()
    look("unproved")
    far.answers[commands.TryModel] = ModelTrial(Trial.GOOD)
    wizard.step.go_on()
    look("code")
    wizard.step.go_on()
    look("typed")
    wizard.step.skip()
    look("login")
    wizard.close()
    wizard = make(code=code, is_first=False)
    look("one more, empty")
    wizard.project.name(ROOT)
    look("one more, found")

    assert doubled == []


def test_everything_that_takes_the_keyboard_has_a_name(make: Callable[..., Wizard], far: FarSide) -> None:
    """A screen reader has something to say wherever Tab leads, in each step; and the step itself has a name."""
    far.answers[commands.ReadStatus] = snapshot(VaultState.NONE)
    wizard = make(updates=True)
    nameless: list[str] = []
    names = []

    def look() -> None:
        names.append(wizard.accessibleName())
        for each in wizard.findChildren(QWidget):
            takes = bool(each.focusPolicy() & Qt.FocusPolicy.TabFocus) and each.isVisible() and each.isEnabled()
            text = each.text() if isinstance(each, QAbstractButton) else ""
            if takes and not (each.accessibleName() or text) and isinstance(each, QAbstractButton | QLineEdit | QFrame):
                nameless.append(f"{names[-1]}: {each!r}")

    look()
    wizard.project.name(ROOT)
    look()
    press(wizard, "Watch this project")
    look()
    type_key(wizard)
    look()
    press(wizard, "I have written it down")
    look()
    press(wizard, "Skip")
    look()

    assert nameless == []
    assert [name for name in names if not name.startswith("Step ")] == []


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_a_long_path_does_not_widen_the_window(make: Callable[..., Wizard], far: FarSide, theme: Theme) -> None:
    """It can be made as small as half a small screen, and the middle of a path that has no room is left out."""
    long = "/home/ada/" + "/".join(["a-rather-long-name"] * 12)
    far.answers |= {
        commands.LookAtProject: ProjectLook(Folder.GOOD, long, f"{long}/.venv/bin/python", ".venv", "python -m pytest"),
        commands.CountTests: TestCount(Counting.NO_PYTEST, command=f'"{long}/.venv/bin/python" -m pip install pytest'),
    }
    wizard = make(theme=theme)
    wizard.project.name(long)
    wizard.resize(wizard.minimumSize())
    picture = wizard.grab().toImage()
    area = wizard.findChild(QScrollArea)
    assert area is not None

    assert (wizard.width(), wizard.height()) == (wizard.minimumWidth(), wizard.minimumHeight())
    assert wizard.minimumWidth() <= 480
    assert area.widget().width() <= area.viewport().width()
    assert (picture.pixelColor(4, picture.height() - 4).lightness() < 100) is theme.is_dark
