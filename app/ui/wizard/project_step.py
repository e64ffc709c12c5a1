"""The first step: which folder is watched. What is found in it is shown before anything is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QDir, Qt, Slot
from PySide6.QtWidgets import QFileDialog, QFormLayout, QLabel, QLineEdit

from app.domain.commands import AskNoMore, CountTests, KeepProject, LookAtProject
from app.domain.errors import CommandRefused
from app.domain.firststart import Counting, ProjectLook, TestCount
from app.ui.parts import Card, ElidedLabel, button, label, row
from app.ui.theme import SPACE
from app.ui.wizard.project_words import (
    Said,
    count_trouble,
    folder_trouble,
    python_text,
    settings_word,
    tests_text,
)
from app.ui.wizard.step import Report, Step

if TYPE_CHECKING:
    from app.domain.errors import WatchkeeperError
    from app.ui.wizard.step import Surroundings


class ProjectStep(Step):
    """A folder is named, looked at, and kept.

    Attributes:
        kept: The root of the project that was chosen; empty before that.
    """

    def __init__(self, around: Surroundings) -> None:
        tr = around.tr
        super().__init__(around, tr("Which project should be watched?"))
        self.kept = ""
        self._looked_at = ""
        self._is_counted = False
        self._path = QLineEdit()
        self._path.setAccessibleName(tr("Folder of the project"))
        self._path.setPlaceholderText(tr("The folder of one project"))
        self._path.textEdited.connect(self._typed)
        self._browse = button(tr("&Browse\u2026"), tooltip=tr("Choose the folder from a list"))
        self._browse.clicked.connect(self._choose)
        name = label(tr("&Folder:"))
        name.setBuddy(self._path)
        self._found = Card()
        self._found.setAccessibleName(tr("What was found in it"))
        self._rows = QFormLayout()
        self._rows.setHorizontalSpacing(2 * SPACE)
        self._rows.setVerticalSpacing(SPACE)
        self._found.body.addLayout(self._rows)
        self._python = self._row(tr("Python"))
        self._command = self._row(tr("Command"))
        self._tests = self._row(tr("Tests"))
        self._trouble = Report()
        self._own = Report()
        self._found.hide()
        does = tr("Watchkeeper runs the tests that each save touches, and tells you what changed.")
        more = tr("One project is enough to begin with: others can be added at any time.")
        trust = tr("Tests are code that runs on this computer: choose a project that you trust.")
        self.body.addWidget(label(f"{does} {more}", wraps=True))
        self.body.addLayout(row(name, self._path, self._browse))
        self.body.addWidget(self._found)
        self.body.addWidget(self._trouble)
        self.body.addWidget(self._own)
        self.body.addWidget(label(trust, "muted", wraps=True))
        self._offer_for_text()

    def begin(self) -> None:
        """Put the keyboard into the field."""
        self._path.setFocus(Qt.FocusReason.OtherFocusReason)

    def go_on(self) -> None:
        """Look at what was named; keep it when that was done; go on when it is kept."""
        if self.kept and self._path.text() == self._looked_at:
            self.through.emit()
        elif self._looked_at and self._path.text() == self._looked_at:
            self.wait(self.tr_of("Starting\u2026"))
            self.asking.request(KeepProject(path=self._looked_at), self._show_kept, self._show_refusal)
        else:
            self._look()

    def skip(self) -> None:
        """Choose no project, and be asked no more."""
        if not self.kept:
            self.asking.request(AskNoMore(), lambda _answer: None, lambda _error: None)
        self.through.emit()

    def name(self, path: str) -> None:
        """Take a folder, as if it had been typed, and look at it."""
        self._path.setText(QDir.toNativeSeparators(path))
        self._look()

    def _row(self, name: str) -> ElidedLabel:
        value = ElidedLabel()
        value.setMinimumHeight(value.sizeHint().height())
        self._rows.addRow(label(name, "muted"), value)
        return value

    def _fill(self, value: ElidedLabel, text: str) -> None:
        value.setText(text)
        self._rows.setRowVisible(value, bool(text))
        name = self._rows.labelForField(value)
        value.setAccessibleName(f"{name.text() if isinstance(name, QLabel) else ''}: {text}")

    @Slot()
    def _choose(self) -> None:
        dialog = QFileDialog(self, self.tr_of("Folder of the project"), self._path.text() or QDir.homePath())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        # Where Qt draws it itself, its own translations leave these out.
        dialog.setLabelText(QFileDialog.DialogLabel.LookIn, self.tr_of("In:"))
        dialog.setLabelText(QFileDialog.DialogLabel.FileType, self.tr_of("Kind:"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.name)
        dialog.open()

    @Slot()
    def _typed(self) -> None:
        self.asking.forget()
        self._looked_at = ""
        for each in (self._found, self._trouble, self._own):
            each.hide()
        self._offer_for_text()

    def _offer_for_text(self) -> None:
        self.offer(self.tr_of("&Look at it"), can_go=bool(self._path.text().strip()))

    def _look(self) -> None:
        path = self._path.text().strip()
        self._typed()
        if path:
            self.wait(self.tr_of("Looking\u2026"))
            self.asking.request(LookAtProject(path=path), self._show_look, self._show_refusal)

    def _show_look(self, answer: object) -> None:
        if not isinstance(answer, ProjectLook):
            raise TypeError(answer)
        tr = self.tr_of
        self._say(self._trouble, folder_trouble(tr, answer), "error")
        self._say(self._own, settings_word(tr, answer), "notice")
        if not answer.folder.can_be_watched:
            self._offer_for_text()
            self._path.setFocus(Qt.FocusReason.OtherFocusReason)
            return
        self._path.setText(answer.root)
        self._looked_at = answer.root
        self._fill(self._python, python_text(tr, answer))
        self._fill(self._command, answer.command)
        self._found.show()
        self._is_counted = folder_trouble(tr, answer) is not None
        if not self._is_counted:
            self._fill(self._tests, tests_text(tr, None))
            self.asking.request(CountTests(root=answer.root), self._show_count, self._not_counted)
        else:
            self._fill(self._tests, "")
        self.kept = self.kept if self.kept == answer.root else ""
        self.offer(tr("&Next") if self.kept else tr("&Watch this project"))

    def _show_count(self, answer: object) -> None:
        if not isinstance(answer, TestCount):
            raise TypeError(answer)
        self._is_counted = True
        self._fill(self._tests, tests_text(self.tr_of, answer))
        self._say(self._trouble, count_trouble(self.tr_of, answer), "notice")

    def _not_counted(self, error: WatchkeeperError) -> None:
        if not isinstance(error, CommandRefused):  # that one was ended by us
            self._show_count(TestCount(Counting.FAILED, detail=error.message))

    def _show_kept(self, answer: object) -> None:
        self.kept = str(answer)
        if not self._is_counted:
            self._fill(self._tests, tests_text(self.tr_of, TestCount(Counting.LATER)))
        self.offer(self.tr_of("&Next"))
        self.through.emit()

    def _show_refusal(self, error: WatchkeeperError) -> None:
        tr = self.tr_of
        text = tr("The project could not be kept.") if self._looked_at else tr("That folder could not be looked at.")
        self._trouble.say("error", text, "", str(error))
        self.offer(tr("&Watch this project") if self._looked_at else tr("&Look at it"))

    @staticmethod
    def _say(report: Report, said: Said | None, kind: str) -> None:
        if said is None:
            report.clear()
        else:
            report.say(kind, said.text, said.hint, said.detail)
