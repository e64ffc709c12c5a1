"""What the tests of the first start share: its far side, a wizard that asks it, and ways to read and press."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget

from app.domain import commands
from app.domain.firststart import Counting, Folder, LoginStart, ModelChoice, ModelTrial, ProjectLook, TestCount, Trial
from app.domain.keys import VaultState, VaultView
from app.domain.snapshot import Snapshot
from app.ui.theme import LIGHT
from app.ui.wizard.step import Surroundings
from app.ui.wizard.wizard import Wizard
from app.ui.words.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from pytestqt.qtbot import QtBot

    from app.ui.icons import Icons
    from app.ui.theme import Theme

ROOT = "/home/ada/src/shop"
PYTHON = f"{ROOT}/.venv/bin/python"
CANARY = "sk-live-CANARY-5ac1"
CODE = "-".join(
    f"{letter}{letter}{letter}{number}" for letter, number in zip("ABCDEFGHIJKLMN", "23456723456723", strict=True)
)
DEEPSEEK = ModelChoice("deepseek", "api.deepseek.com", "deepseek-chat", "DEEPSEEK_API_KEY")
OLLAMA = ModelChoice("ollama", "127.0.0.1:11434", "qwen2.5-coder:7b", is_local=True)
FOUND = ProjectLook(Folder.GOOD, ROOT, PYTHON, ".venv", "python -m pytest")


def snapshot(state: VaultState) -> Snapshot:
    return Snapshot(started_at=0.0, vault=VaultView(state))


@dataclass
class FarSide:
    """What the wizard asks: notes each command, and answers or refuses as the test says; a held one is not answered."""

    answers: dict[type[commands.Command], object] = field(default_factory=dict)
    asked: list[commands.Command] = field(default_factory=list)
    held: set[type[commands.Command]] = field(default_factory=set)
    waiting: list[Coroutine[object, object, None]] = field(default_factory=list)

    async def ask(self, command: commands.Command) -> object:
        self.asked.append(command)
        if type(command) in self.held:
            await _Never()
        answer = self.answers.get(type(command))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def spawn(
        self,
        coro: Coroutine[object, object, None],
        /,
        *,
        name: str,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> object:
        assert name
        try:
            coro.send(None)
        except StopIteration:
            return None
        except Exception as error:  # noqa: BLE001 - as a task of the loop does
            assert on_error is not None
            on_error(error)
            return None
        self.waiting.append(coro)
        return None

    def answer_held(self, kind: type[commands.Command]) -> None:
        """Answer what was held back."""
        self.held.discard(kind)
        for coro in self.waiting:
            with pytest.raises(StopIteration):
                coro.send(None)
        self.waiting.clear()

    def close(self) -> None:
        """End what nobody answers any more."""
        for coro in self.waiting:
            coro.close()

    def kinds(self) -> list[str]:
        return [type(command).__name__ for command in self.asked]


class _Never:
    def __await__(self) -> Iterator[None]:
        yield


def where_all_goes_well() -> FarSide:
    """Return a far side with a good project, a vault that is open, and a key that is taken."""
    made = FarSide()
    made.answers = {
        commands.LookAtProject: FOUND,
        commands.CountTests: TestCount(Counting.DONE, 42),
        commands.KeepProject: ROOT,
        commands.TryModel: ModelTrial(Trial.GOOD, "deepseek-chat"),
        commands.ReadStatus: snapshot(VaultState.OPEN),
        commands.NewRecoveryCode: CODE,
        commands.ReadLoginStart: LoginStart("xdg", is_on=False),
        commands.StartAtLogin: LoginStart("xdg", is_on=True),
    }
    return made


def maker(qtbot: QtBot, far: FarSide, icons: Icons) -> Callable[..., Wizard]:
    """Return what makes a wizard that is shown."""

    def made(*, code: str = "en", theme: Theme = LIGHT, updates: bool = False, is_first: bool = True) -> Wizard:
        around = Surroundings(catalogue(code), far.ask, far.spawn, (DEEPSEEK, OLLAMA), updates)
        wizard = Wizard(around, icons, is_first=is_first, theme=theme, sample=lambda _places, _count: [2, 7])
        qtbot.addWidget(wizard)
        wizard.show()
        return wizard

    return made


def seen(widget: QWidget) -> str:
    return "\n".join(each.text() for each in widget.findChildren(QLabel) if each.isVisible())


def press(wizard: Wizard, text: str) -> None:
    """Click a button by what stands on it, which must be there and not greyed out."""
    (found,) = (
        each
        for each in wizard.findChildren(QPushButton)
        if each.isVisible() and each.text().replace("&", "") == text and each.isEnabled()
    )
    found.click()


def line(wizard: Wizard, name: str) -> QLineEdit:
    (found,) = (each for each in wizard.findChildren(QLineEdit) if each.isVisible() and each.accessibleName() == name)
    return found


def go_to_model(wizard: Wizard) -> None:
    press(wizard, "Skip")


def go_to_login(wizard: Wizard) -> None:
    press(wizard, "Skip")
    press(wizard, "Skip")


def type_key(wizard: Wizard) -> None:
    line(wizard, "Key of the service").setText(CANARY)
    press(wizard, "Check and keep")


def held_in(widget: QWidget, text: str) -> list[str]:
    """Return where a text still stands, in anything that a person, a screen reader or an inspector would find."""
    found = []
    for each in (widget, *widget.findChildren(QWidget)):
        for name in ("text", "objectName", "accessibleName", "accessibleDescription", "toolTip", "placeholderText"):
            said = getattr(each, name, None)
            if callable(said) and text in str(said()):
                found.append(f"{type(each).__name__}.{name}")
    return found
