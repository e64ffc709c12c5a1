"""The first start's last step: only what is ticked is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QCheckBox

from app.domain import commands
from app.domain.errors import CannotError
from app.domain.firststart import LoginStart
from tests.ui.firststart import (
    FarSide,
    go_to_login,
    press,
    seen,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ui.wizard.wizard import Wizard


@pytest.mark.parametrize(
    ("login", "updates", "asked"),
    [
        (False, False, []),
        (True, False, ["StartAtLogin"]),
        (False, True, ["SetSetting"]),
        (True, True, ["StartAtLogin", "SetSetting"]),
    ],
)
def test_only_what_is_ticked_is_done(
    make: Callable[..., Wizard], far: FarSide, *, login: bool, updates: bool, asked: list[str]
) -> None:
    """Both boxes are empty at first, and each of them does its one thing."""
    wizard = make(updates=True)
    go_to_login(wizard)
    first, second = (each for each in wizard.findChildren(QCheckBox) if each.isVisible())
    ticked = (first.isChecked(), second.isChecked())
    far.asked.clear()
    first.setChecked(login)
    second.setChecked(updates)
    press(wizard, "Finish")

    assert ticked == (False, False)
    assert far.kinds() == [*asked, "AskNoMore"]
    assert not updates or commands.SetSetting(key="updates.enabled", values=("true",)) in far.asked


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("xdg", "autostart folder"),
        ("systemd", "systemd"),
        ("launchagent", "launch agent"),
        ("run", "registry"),
        ("task", "Task Scheduler"),
    ],
)
def test_the_method_is_said(wizard: Wizard, far: FarSide, method: str, said: str) -> None:
    """Before it is ticked one reads what would be written."""
    far.answers[commands.ReadLoginStart] = LoginStart(method, is_on=False)
    go_to_login(wizard)

    assert said in seen(wizard)
    assert [each.text() for each in wizard.findChildren(QCheckBox) if each.isVisible()] == [
        "Start Watchkeeper when I &log in"
    ]


def test_what_starts_at_login_already_is_left_alone(wizard: Wizard, far: FarSide) -> None:
    """The box is ticked and cannot be changed here, and nothing is written anew."""
    far.answers[commands.ReadLoginStart] = LoginStart("systemd", is_on=True)
    go_to_login(wizard)
    (box,) = (each for each in wizard.findChildren(QCheckBox) if each.isVisible())
    press(wizard, "Finish")

    assert (box.isChecked(), box.isEnabled()) == (True, False)
    assert "StartAtLogin" not in far.kinds()


def test_a_start_at_login_that_is_refused_is_told_and_can_be_left(wizard: Wizard, far: FarSide) -> None:
    """The wizard stays for as long as something that was ticked is not done."""
    far.answers[commands.StartAtLogin] = CannotError("The folder cannot be written.", "Look at its rights.")
    go_to_login(wizard)
    (box,) = (each for each in wizard.findChildren(QCheckBox) if each.isVisible())
    box.setChecked(True)
    press(wizard, "Finish")
    told, stays = seen(wizard), wizard.isVisible()
    box.setChecked(False)
    press(wizard, "Finish")

    assert "The folder cannot be written. Look at its rights." in told
    assert stays
    assert not wizard.isVisible()


def test_an_entry_that_is_written_and_in_trouble_is_told_once(wizard: Wizard, far: FarSide) -> None:
    """What is in its way is said before the end, and the next click ends."""
    far.answers[commands.StartAtLogin] = LoginStart("xdg", is_on=True, trouble="It is switched off.", hint="There.")
    go_to_login(wizard)
    (box,) = (each for each in wizard.findChildren(QCheckBox) if each.isVisible())
    box.setChecked(True)
    press(wizard, "Finish")
    told = seen(wizard)
    press(wizard, "Finish")

    assert "It is switched off. There." in told
    assert far.kinds().count("StartAtLogin") == 1
    assert not wizard.isVisible()
