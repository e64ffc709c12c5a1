"""The first start's first step, the ways to leave it, and the way through it by keyboard and screen reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from app.domain import commands
from app.domain.errors import CannotError, CommandRefused, SettingsError
from app.domain.firststart import Counting, Folder, ProjectLook, TestCount
from tests.ui.firststart import (
    FOUND,
    PYTHON,
    ROOT,
    FarSide,
    go_to_login,
    line,
    press,
    seen,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from app.ui.wizard.wizard import Wizard


def test_what_is_in_a_folder_is_shown_before_anything_is_kept(wizard: Wizard, far: FarSide) -> None:
    """Interpreter, command and number of tests are there to read, and only the next click keeps the project."""
    QTest.keyClicks(line(wizard, "Folder of the project"), "~/src/shop")
    press(wizard, "Look at it")

    shown = seen(wizard)
    assert [text for text in (PYTHON, "python -m pytest", "42 tests found") if text not in shown] == []
    assert far.asked == [commands.LookAtProject(path="~/src/shop"), commands.CountTests(root=ROOT)]

    press(wizard, "Watch this project")

    assert far.asked[2:3] == [commands.KeepProject(path=ROOT)]
    assert "Step 2 of 3" in seen(wizard)


def test_one_more_project_is_asked_for_alone(make: Callable[..., Wizard], far: FarSide) -> None:
    """Nothing else is asked, no step is counted, and the wizard is over with the project."""
    wizard = make(is_first=False)
    over: list[bool] = []
    wizard.over.connect(over.append)
    shown = seen(wizard)
    wizard.project.name(ROOT)
    press(wizard, "Watch this project")

    assert wizard.windowTitle() == "Add a project"
    assert "Step" not in shown
    assert far.kinds() == ["LookAtProject", "CountTests", "KeepProject", "AskNoMore"]
    assert over == [True]
    assert not wizard.isVisible()


def test_one_more_project_can_be_thought_better_of(make: Callable[..., Wizard], far: FarSide) -> None:
    """Nothing is kept then, and nothing said about later questions."""
    wizard = make(is_first=False)
    over: list[bool] = []
    wizard.over.connect(over.append)
    wizard.project.name(ROOT)
    press(wizard, "Cancel")

    assert far.kinds() == ["LookAtProject", "CountTests"]
    assert over == [False]


def test_a_folder_can_be_chosen_from_a_list(wizard: Wizard, far: FarSide, tmp_path: Path) -> None:
    """The list opens without a loop of its own, shows folders alone, and what is chosen is looked at."""
    press(wizard, "Browse\u2026")
    dialog = wizard.findChild(QFileDialog)
    assert dialog is not None
    opened = dialog.isVisible()
    dialog.selectFile(str(tmp_path))
    dialog.accept()

    assert opened
    assert dialog.testOption(QFileDialog.Option.ShowDirsOnly)
    assert far.asked[0] == commands.LookAtProject(path=str(tmp_path))


def test_a_project_can_be_kept_while_its_tests_are_still_counted(wizard: Wizard, far: FarSide) -> None:
    """Nobody has to wait for a number; what is counted for nobody any more is not shown later."""
    far.held = {commands.CountTests}
    wizard.project.name(ROOT)
    counting = seen(wizard)
    press(wizard, "Watch this project")
    press(wizard, "Back")
    far.answer_held(commands.CountTests)

    assert "being counted" in counting
    assert "the first run tells how many" in seen(wizard)
    assert "42 tests" not in seen(wizard)
    assert far.kinds()[:3] == ["LookAtProject", "CountTests", "KeepProject"]


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        (Folder.MISSING, "There is no such folder."),
        (Folder.FILE, "That is a file, not a folder."),
        (Folder.TOO_MUCH, "That is far more than one project."),
        (Folder.UNREADABLE, "That folder cannot be read."),
    ],
)
def test_a_folder_that_cannot_be_watched_is_told_and_not_kept(
    wizard: Wizard, far: FarSide, folder: Folder, text: str
) -> None:
    """What is wrong is said, and the only way on is another folder, or to skip."""
    far.answers[commands.LookAtProject] = ProjectLook(folder, "x")
    wizard.project.name("/x")

    assert text in seen(wizard)
    assert wizard.step.go_text == "&Look at it"
    assert far.kinds() == ["LookAtProject"]


@pytest.mark.parametrize(
    ("look", "count", "sentences"),
    [
        (
            ProjectLook(Folder.NO_PYTHON, ROOT, command="python -m pytest", hint="Make one: py -m venv .venv"),
            None,
            ["no Python found", "No Python was found", "Make an environment in it:", "py -m venv .venv"],
        ),
        (
            ProjectLook(Folder.NO_RUNNER, ROOT, detail="vitest is not installed.", hint="npm install"),
            None,
            ["What runs its tests is not installed.", "vitest is not installed. npm install"],
        ),
        (
            ProjectLook(Folder.GOOD, ROOT, "/usr/bin/python3", "PATH", "python -m pytest"),
            TestCount(Counting.NO_PYTEST, command="uv add --dev pytest"),
            ["no environment of its own", "This Python has no pytest.", "uv add --dev pytest"],
        ),
        (FOUND, TestCount(Counting.NO_TESTS), ["no tests found", "There are no tests in it yet.", "test_*.py"]),
        (
            FOUND,
            TestCount(Counting.BROKEN, 3, ("tests/test_a.py",)),
            ["3 tests found", "cannot be imported", "tests/test_a.py"],
        ),
        (FOUND, TestCount(Counting.SLOW), ["many: the first run tells how many"]),
        (FOUND, TestCount(Counting.LATER), ["the first run tells how many"]),
        (FOUND, TestCount(Counting.FAILED, detail="SIGSEGV"), ["not known yet", "could not be counted", "SIGSEGV"]),
        (FOUND, CannotError("The disk is gone."), ["could not be counted", "The disk is gone."]),
    ],
)
def test_what_is_missing_is_told_and_the_project_can_be_kept_all_the_same(
    wizard: Wizard, far: FarSide, look: ProjectLook, count: TestCount | CannotError | None, sentences: list[str]
) -> None:
    """Each trouble has its words and what to do; it is the person's to watch the project as it is."""
    far.answers |= {commands.LookAtProject: look, commands.CountTests: count}
    wizard.project.name(ROOT)

    shown = seen(wizard)
    assert [text for text in sentences if text not in shown] == []
    assert far.kinds() == ["LookAtProject"] + (["CountTests"] if count is not None else [])
    assert (wizard.step.go_text, wizard.step.can_go) == ("&Watch this project", True)


def test_settings_that_a_project_brings_along_are_told_as_not_trusted(wizard: Wizard, far: FarSide) -> None:
    """A cloned repository may name commands: they are not used, and it is said where they stand."""
    far.answers[commands.LookAtProject] = ProjectLook(
        Folder.GOOD, ROOT, PYTHON, ".venv", "python -m pytest", own_settings=f"{ROOT}/.watchkeeper.toml"
    )
    wizard.project.name(ROOT)

    assert "not used before you trust them" in seen(wizard)
    assert f"{ROOT}/.watchkeeper.toml" in seen(wizard)


def test_another_folder_forgets_what_was_found_in_the_one_before(wizard: Wizard, far: FarSide) -> None:
    """As soon as something else stands in the field nothing of the old folder is seen, nor can be kept by mistake."""
    far.held = {commands.CountTests}
    far.answers[commands.CountTests] = TestCount(Counting.NO_TESTS)
    wizard.project.name(ROOT)
    QTest.keyClicks(line(wizard, "Folder of the project"), "2")
    far.answer_held(commands.CountTests)
    told = seen(wizard)
    QTest.keyClick(line(wizard, "Folder of the project"), Qt.Key.Key_Backspace)
    press(wizard, "Look at it")

    assert "python -m pytest" not in told
    assert "There are no tests" not in told
    assert far.kinds() == ["LookAtProject", "CountTests"] * 2


def test_a_project_that_cannot_be_kept_is_told(wizard: Wizard, far: FarSide) -> None:
    """With a settings file that has a mistake nothing is written, and the person can try again."""
    far.answers[commands.KeepProject] = SettingsError("settings.toml, line 3: x is not a setting.", "Mend it.")
    wizard.project.name(ROOT)
    press(wizard, "Watch this project")

    assert "The project could not be kept." in seen(wizard)
    assert "line 3" in seen(wizard)
    assert (wizard.step.go_text, wizard.step.can_go) == ("&Watch this project", True)
    assert "Step 1 of 3" in seen(wizard)


def test_back_shows_the_project_that_is_kept_and_keeps_it_once(wizard: Wizard, far: FarSide) -> None:
    """Who goes back and on again has not chosen twice."""
    wizard.project.name(ROOT)
    press(wizard, "Watch this project")
    press(wizard, "Back")
    press(wizard, "Next")

    assert far.kinds().count("KeepProject") == 1
    assert "Step 2 of 3" in seen(wizard)


def test_a_refusal_that_was_our_own_doing_is_no_trouble(wizard: Wizard, far: FarSide) -> None:
    """A counting that was ended because the project is watched now has not failed."""
    far.answers[commands.CountTests] = CommandRefused("The tests are no longer counted.")
    wizard.project.name(ROOT)

    assert "could not be counted" not in seen(wizard)


# Leaving.


def test_skip_at_the_first_step_asks_no_more(wizard: Wizard, far: FarSide) -> None:
    """Skip means that it is not asked again, even if the rest is closed half way."""
    press(wizard, "Skip")
    wizard.close()

    assert far.kinds() == ["AskNoMore"]


def test_closing_half_way_asks_for_nothing_and_says_that_it_was_no_end(
    qtbot: QtBot, wizard: Wizard, far: FarSide
) -> None:
    """Esc leaves what was confirmed as it is, and does not settle that nobody wants to be asked."""
    wizard.project.name(ROOT)
    press(wizard, "Watch this project")
    with qtbot.waitSignal(wizard.over) as over:
        QTest.keyClick(wizard, Qt.Key.Key_Escape)

    assert over.args == [False]
    assert far.kinds() == ["LookAtProject", "CountTests", "KeepProject"]
    assert not wizard.isVisible()


def test_the_way_to_the_end_asks_no_more(qtbot: QtBot, wizard: Wizard, far: FarSide) -> None:
    """Whoever has seen all steps is done with them, whatever they skipped."""
    go_to_login(wizard)
    far.asked.clear()
    with qtbot.waitSignal(wizard.over) as over:
        press(wizard, "Skip")

    assert over.args == [True]
    assert far.kinds() == ["AskNoMore"]
