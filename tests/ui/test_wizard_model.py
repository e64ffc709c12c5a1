"""The first start's second step: a key is tried, a vault is made for it, and nothing of it is left about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QPushButton

from app.domain import commands
from app.domain.errors import KeychainError, VaultExists
from app.domain.firststart import ModelTrial, Trial
from app.domain.keys import VaultState
from app.ui.theme import LIGHT
from app.ui.wizard.step import Surroundings
from app.ui.wizard.wizard import Wizard
from app.ui.words.catalogue import catalogue
from tests.ui.firststart import (
    CANARY,
    CODE,
    FarSide,
    go_to_model,
    held_in,
    line,
    press,
    seen,
    snapshot,
    type_key,
)

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons


def test_a_good_key_goes_into_the_vault_and_its_service_is_used(wizard: Wizard, far: FarSide) -> None:
    """It is tried before it is kept, and then told in plain words; nothing of it is left in the window."""
    go_to_model(wizard)
    type_key(wizard)

    assert far.asked[1:] == [
        commands.TryModel(name="deepseek", key=CANARY),
        commands.ReadStatus(),
        commands.SetSecret(name="DEEPSEEK_API_KEY", value=CANARY),
        commands.SetSetting(key="analysis.providers", values=("deepseek",)),
    ]
    assert "It works: DeepSeek has answered (deepseek-chat)." in seen(wizard)
    assert held_in(wizard, CANARY) == []
    assert CANARY not in repr(far.asked)

    press(wizard, "Next")

    assert "Step 3 of 3" in seen(wizard)


@pytest.mark.parametrize("trial", [Trial.KEY_REFUSED, Trial.NO_KEY])
def test_a_key_that_is_refused_is_not_kept(wizard: Wizard, far: FarSide, trial: Trial) -> None:
    """It is told, the field is empty for another one, and there is no way to keep it by mistake."""
    far.answers[commands.TryModel] = ModelTrial(trial, detail="401")
    go_to_model(wizard)
    type_key(wizard)

    assert far.kinds() == ["AskNoMore", "TryModel"]
    assert not wizard.step.can_go
    assert "all the same" not in "".join(each.text() for each in wizard.findChildren(QPushButton) if each.isVisible())
    assert held_in(wizard, CANARY) == []


@pytest.mark.parametrize(
    ("trial", "text"),
    [
        (Trial.OUT_OF_REACH, "could not be reached"),
        (Trial.BUSY, "asks to wait"),
        (Trial.NO_MONEY_OR_RIGHT, "may not ask"),
        (Trial.NO_MODEL, "refuses the question"),
        (Trial.FAILED, "no usable answer"),
    ],
)
def test_a_key_that_could_not_be_proved_can_be_tried_again_or_kept(
    wizard: Wizard, far: FarSide, trial: Trial, text: str
) -> None:
    """Without a network, say, the person need not paste it again, and it is said that it was not proved."""
    far.answers[commands.TryModel] = ModelTrial(trial, detail="the technical words")
    go_to_model(wizard)
    type_key(wizard)
    shown = seen(wizard)
    press(wizard, "Try again")
    press(wizard, "Keep it all the same")

    assert text in shown
    assert "the technical words" in shown
    assert far.asked[1:3] == [commands.TryModel(name="deepseek", key=CANARY)] * 2
    assert far.kinds()[3:] == ["ReadStatus", "SetSecret", "SetSetting"]
    assert "was not asked" in seen(wizard)


def test_another_key_in_the_field_replaces_the_one_that_is_held(wizard: Wizard, far: FarSide) -> None:
    """What was typed last is what is tried, and what came of the one before is gone."""
    far.answers[commands.TryModel] = ModelTrial(Trial.OUT_OF_REACH)
    go_to_model(wizard)
    type_key(wizard)
    line(wizard, "Key of the service").setText("another")
    gone = seen(wizard)
    press(wizard, "Check and keep")

    assert "could not be reached" not in gone
    assert far.asked[-1] == commands.TryModel(name="deepseek", key="another")


def test_a_vault_is_made_for_the_first_key(wizard: Wizard, far: FarSide) -> None:
    """The recovery code is shown once, typed again in part, and the key is kept when the vault is there."""
    far.answers[commands.ReadStatus] = snapshot(VaultState.NONE)
    go_to_model(wizard)
    type_key(wizard)
    shown = seen(wizard)
    press(wizard, "I have written it down")
    line(wizard, "Group 3 of the recovery code").setText("ccc4")
    line(wizard, "Group 8 of the recovery code").setText("wrong")
    press(wizard, "Make the vault")
    refused, left = seen(wizard), held_in(wizard, "AAA2")
    line(wizard, "Group 8 of the recovery code").setText("hhh 3")
    far.answers[commands.ReadStatus] = snapshot(VaultState.OPEN)
    press(wizard, "Make the vault")

    assert [group for group in CODE.split("-") if group not in shown] == []
    assert "Group 8 is not what was shown." in refused
    assert left == []
    assert far.asked[3:] == [
        commands.NewRecoveryCode(),
        commands.MakeVault(code=CODE),
        commands.ReadStatus(),
        commands.SetSecret(name="DEEPSEEK_API_KEY", value=CANARY),
        commands.SetSetting(key="analysis.providers", values=("deepseek",)),
    ]
    assert held_in(wizard, CANARY) == held_in(wizard, "CCC4") == []


def test_without_a_keychain_a_passphrase_opens_the_vault(wizard: Wizard, far: FarSide) -> None:
    """Where the system has no keychain the same code is put in force with a passphrase, typed twice and long enough."""
    far.answers |= {
        commands.ReadStatus: snapshot(VaultState.NONE),
        commands.MakeVault: KeychainError("absent", "There is no keychain."),
    }
    go_to_model(wizard)
    type_key(wizard)
    press(wizard, "I have written it down")
    line(wizard, "Group 3 of the recovery code").setText("CCC4")
    line(wizard, "Group 8 of the recovery code").setText("HHH3")
    press(wizard, "Make the vault")
    told = seen(wizard)
    answers = []
    for typed, again in (("short", "short"), ("long enough", "another one"), ("long enough", "long enough")):
        line(wizard, "Passphrase").setText(typed)
        line(wizard, "The same passphrase again").setText(again)
        far.answers |= {commands.MakeVault: None, commands.ReadStatus: snapshot(VaultState.OPEN)}
        press(wizard, "Make the vault")
        answers.append(seen(wizard))

    assert "no keychain" in told
    assert "at least 8 characters" in answers[0]
    assert "differ" in answers[1]
    assert [each for each in far.asked if isinstance(each, commands.MakeVault)] == [
        commands.MakeVault(code=CODE),
        commands.MakeVault(code=CODE, passphrase="long enough"),  # noqa: S106 - it opens nothing
    ]
    assert "It works" in answers[2]


def test_a_vault_that_cannot_be_made_is_told_and_nothing_is_kept(wizard: Wizard, far: FarSide) -> None:
    """The reason is shown; back leads to the form, and a code that opens nothing is seen no more."""
    far.answers |= {
        commands.ReadStatus: snapshot(VaultState.NONE),
        commands.MakeVault: VaultExists("There is a vault already."),
    }
    go_to_model(wizard)
    type_key(wizard)
    press(wizard, "I have written it down")
    line(wizard, "Group 3 of the recovery code").setText("CCC4")
    line(wizard, "Group 8 of the recovery code").setText("HHH3")
    press(wizard, "Make the vault")
    told = seen(wizard)
    press(wizard, "Back")

    assert "There is a vault already." in told
    assert "SetSecret" not in far.kinds()
    assert line(wizard, "Key of the service").text() == ""
    assert "Step 2 of 3" in seen(wizard)


@pytest.mark.parametrize("opens", [True, False])
def test_a_vault_that_is_locked_is_opened_first(wizard: Wizard, far: FarSide, *, opens: bool) -> None:
    """The system's keychain is asked; where it does not open the vault, the person does, and tries again here."""
    far.answers |= {
        commands.ReadStatus: snapshot(VaultState.LOCKED),
        commands.UnlockVault: VaultState.OPEN if opens else VaultState.LOCKED,
    }
    go_to_model(wizard)
    type_key(wizard)
    said = seen(wizard)
    if not opens:
        far.answers[commands.ReadStatus] = snapshot(VaultState.OPEN)
        press(wizard, "Try again")

    assert ("The vault is locked" in said) is not opens
    assert far.kinds().count("TryModel") == 1
    assert commands.SetSecret(name="DEEPSEEK_API_KEY", value=CANARY) in far.asked


def test_a_model_on_this_computer_needs_no_key(wizard: Wizard, far: FarSide) -> None:
    """It is asked at its address, and set up with the model that was named; the vault is not touched."""
    go_to_model(wizard)
    wizard.findChild(QComboBox).setCurrentIndex(1)  # type: ignore[union-attr] # there is one
    line(wizard, "Model").setText("")
    QTest.keyClicks(line(wizard, "Model"), "mine:1b")
    press(wizard, "Check and use")

    assert far.asked[1:] == [
        commands.TryModel(name="ollama", model="mine:1b"),
        commands.SetSetting(key="analysis.providers", values=("ollama",)),
        commands.SetSetting(key="analysis.ollama.model", values=("mine:1b",)),
    ]
    assert "nothing leaves this computer" in seen(wizard)


@pytest.mark.parametrize("way", ["Skip", "Back"])
def test_an_answer_that_comes_after_the_step_was_left_keeps_nothing(wizard: Wizard, far: FarSide, way: str) -> None:
    """Who skips, or goes back, while the service is asked has not agreed to anything."""
    far.held = {commands.TryModel}
    go_to_model(wizard)
    type_key(wizard)
    press(wizard, way)
    far.answer_held(commands.TryModel)

    assert "SetSecret" not in far.kinds()
    assert "Step 2 of 3" not in seen(wizard)


def test_what_goes_wrong_inside_is_told_without_a_traceback(wizard: Wizard, far: FarSide) -> None:
    """An error that nobody foresaw is a sentence and the log, and the person can try again."""
    far.answers[commands.SetSecret] = ZeroDivisionError("division by zero")
    go_to_model(wizard)
    type_key(wizard)

    assert "It could not be set up." in seen(wizard)
    assert "The log says more." in seen(wizard)
    assert "division" not in seen(wizard)
    assert wizard.step.go_text == "&Try again"


def test_without_any_service_nothing_is_asked_about_models(qtbot: QtBot, far: FarSide, icons: Icons) -> None:
    """Settings that spoil every address leave two steps, and no way to a dead end."""
    wizard = Wizard(Surroundings(catalogue("en"), far.ask, far.spawn), icons, theme=LIGHT)
    qtbot.addWidget(wizard)
    wizard.show()
    press(wizard, "Skip")

    assert "Step 2 of 2" in seen(wizard)
    assert far.kinds() == ["AskNoMore", "ReadLoginStart"]
