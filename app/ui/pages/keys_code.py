"""A new recovery code: shown once, typed again in part, and put in force, with a new vault or in an old one."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.domain.commands import MakeVault, NewRecoveryCode, ReplaceRecoveryCode
from app.ui.keys_view import asked_groups, same_group
from app.ui.parts import Card, Strip, button, label, row, set_text
from app.ui.secret_field import SecretField
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.commands import Command
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

ASKED_GROUPS = 2
_WIDTH = 620
_GROUPS_IN_A_LINE = 7
_CODE_PX = 22


class CodeFlow(QWidget):
    """The steps, one at a time. The code is held from when it is shown until it is in force, or the person leaves.

    Args:
        context: What every page is handed.
        sample: Chooses `k` of the places `range(n)` whose groups are asked for: `sample(range(n), k)`.
    """

    left = Signal()
    """It is over: done, or given up."""

    def __init__(
        self,
        context: PageContext,
        parent: QWidget | None = None,
        *,
        sample: Callable[[range, int], list[int]] | None = None,
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._sample = sample or SystemRandom().sample
        self._makes_vault = True
        self._code = ""
        self._asked: tuple[tuple[int, str], ...] = ()
        self._turn = 0
        self._title = label("", "heading", wraps=True)
        self._error = Strip("error")
        self._error.hide()
        self._steps = QVBoxLayout()
        self._shows, self._confirms, self._asks, self._ends = (
            self._make_shown(),
            self._make_confirmed(),
            self._make_passphrase(),
            self._make_end(),
        )
        self._step = self._shows
        for step in (self._shows, self._confirms, self._asks, self._ends):
            self._steps.addWidget(step)
        self._cancel = button("Cancel", tooltip="Leave everything as it was")
        self._cancel.clicked.connect(self._give_up)
        self._next = button("Next", "primary")
        self._next.clicked.connect(self._go_on)

        card = Card()
        card.body.setSpacing(SPACE + 4)
        card.body.addWidget(self._title)
        card.body.addLayout(self._steps)
        card.body.addWidget(self._error)
        card.body.addLayout(row(self._cancel, 1, self._next))
        card.setFixedWidth(_WIDTH)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addStretch(2)
        box.addLayout(row(1, card, 1))
        box.addStretch(3)

    def begin(self, *, makes_vault: bool) -> None:
        """Ask for a new code, and show it: for a new vault, or in the place of the code of before."""
        self.forget()
        self._makes_vault = makes_vault
        self._show_step(self._shows, "Your recovery code", "I have written it down")
        self._next.setEnabled(False)
        self._request(NewRecoveryCode(), self._show_code)

    def forget(self) -> None:
        """Keep nothing of it, and hear no answer that is still to come."""
        self._turn += 1
        self._code, self._asked = "", ()
        self._hide_code()
        self._wipe_fields()
        self._error.hide()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._passphrase.wear(theme)
        self._repeated.wear(theme)

    def _make_shown(self) -> QWidget:
        self._shown = QFrame()
        self._shown.setAccessibleName("Recovery code")
        self._shown.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # a screen reader can be led to it
        self._shown_groups: list[QLabel] = []
        self._grid = QGridLayout(self._shown)
        self._grid.setVerticalSpacing(0)
        return _step(
            label("When the system keychain is lost, this code alone opens the vault.", wraps=True),
            self._shown,
            label(
                "Write it down, on paper, and keep that where you would keep a passport. "
                "It is shown this once and kept nowhere.",
                "muted",
                wraps=True,
            ),
        )

    def _make_confirmed(self) -> QWidget:
        self._group_names: list[QLabel] = []
        self._groups: list[QLineEdit] = []
        fields = QFormLayout()
        fields.setContentsMargins(0, 0, 0, 0)
        fields.setHorizontalSpacing(2 * SPACE)
        for _ in range(ASKED_GROUPS):
            name, line = label("", "muted"), QLineEdit()
            line.setMaximumWidth(160)
            line.setMaxLength(12)
            line.returnPressed.connect(self._go_on)
            name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)  # level with its field
            self._group_names.append(name)
            self._groups.append(line)
            fields.addRow(name, line)
        groups = QWidget()
        groups.setLayout(fields)
        again = button("Start again with a new code", "link")
        again.clicked.connect(lambda: self.begin(makes_vault=self._makes_vault))
        again.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        return _step(
            label("Type two groups of it from your paper, so that a slip of the pen is found now.", wraps=True),
            groups,
            again,
        )

    def _make_passphrase(self) -> QWidget:
        self._passphrase = SecretField("Passphrase", "Passphrase; leave it empty for none")
        self._repeated = SecretField("Passphrase again", "The same again")
        for field in (self._passphrase, self._repeated):
            field.submitted.connect(self._go_on)
        return _step(
            label(
                "A passphrase opens the vault too, on this computer and on any other. You may do without.", wraps=True
            ),
            self._passphrase,
            self._repeated,
        )

    def _make_end(self) -> QWidget:
        self._end = label("", wraps=True)
        return _step(self._end)

    def _show_code(self, answer: object) -> None:
        code = str(answer)
        if len(code.split("-")) < ASKED_GROUPS:
            self._refused("No recovery code was made.", "The log says more.")
            return
        self._code = code
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        for place, text in enumerate(code.split("-")):
            number, group = label(f"{place + 1}", "status"), label(text)
            group.setStyleSheet(f'font: 600 {_CODE_PX}px "{font.family()}", monospace; padding-bottom: 8px;')
            line, column = divmod(place, _GROUPS_IN_A_LINE)
            for below, each in enumerate((number, group)):
                each.setAlignment(Qt.AlignmentFlag.AlignCenter)
                self._grid.addWidget(each, 2 * line + below, column)
                self._shown_groups.append(each)
        self._next.setEnabled(True)
        self._shown.setFocus(Qt.FocusReason.OtherFocusReason)

    def _hide_code(self) -> None:
        while self._shown_groups:
            each = self._shown_groups.pop()
            each.clear()
            each.setParent(None)
            each.deleteLater()

    @Slot()
    def _go_on(self) -> None:
        if not self._next.isEnabled():
            return
        self._error.hide()
        step = self._step
        if step is self._shows:
            self._ask_groups()
        elif step is self._confirms:
            self._check_groups()
        elif step is self._asks:
            self._make_vault()
        else:
            self._give_up()

    def _ask_groups(self) -> None:
        self._hide_code()
        self._asked = asked_groups(self._code, self._sample(range(len(self._code.split("-"))), ASKED_GROUPS))
        for (number, _), name, line in zip(self._asked, self._group_names, self._groups, strict=True):
            set_text(name, f"Group {number}")
            line.setAccessibleName(f"Group {number} of the recovery code")
            line.setText("")
        self._show_step(self._confirms, "Type it again in part", "Next")
        self._groups[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def _check_groups(self) -> None:
        wrong = [
            number
            for (number, shown), line in zip(self._asked, self._groups, strict=True)
            if not same_group(line.text(), shown)
        ]
        if wrong:
            self._refused(f"Group {wrong[0]} is not what was shown.", "Look at your paper, or start again.")
        elif self._makes_vault:
            self._wipe_fields()
            self._show_step(self._asks, "A passphrase, if you like", "Make the vault")
            self._passphrase.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            self._wipe_fields()
            self._next.setEnabled(False)
            self._request(ReplaceRecoveryCode(code=self._code), lambda _: self._show_end())

    def _make_vault(self) -> None:
        passphrase, repeated = self._passphrase.take(), self._repeated.take()
        if passphrase != repeated:
            self._refused("The two passphrases differ.", "Type both again.")
            self._passphrase.setFocus(Qt.FocusReason.OtherFocusReason)
            return
        self._next.setEnabled(False)
        self._request(MakeVault(code=self._code, passphrase=passphrase), lambda _: self._show_end())

    def _show_end(self) -> None:
        self.forget()
        if self._makes_vault:
            set_text(
                self._end, "It opens by itself while you are logged in. Keep the paper with the recovery code safe."
            )
            self._show_step(self._ends, "The vault is made", "Show the keys")
        else:
            set_text(self._end, "The code of before opens nothing any more: destroy that paper.")
            self._show_step(self._ends, "The new recovery code is in force", "Done")
        self._cancel.hide()
        self._next.setFocus(Qt.FocusReason.OtherFocusReason)

    def _show_step(self, step: QWidget, title: str, next_text: str) -> None:
        self._error.hide()
        self._step = step
        for each in (self._shows, self._confirms, self._asks, self._ends):
            each.setVisible(each is step)
        set_text(self._title, title)
        set_text(self._next, next_text)
        self._next.setEnabled(True)
        self._cancel.show()

    @Slot()
    def _give_up(self) -> None:
        self.forget()
        self.left.emit()

    def _wipe_fields(self) -> None:
        for line in self._groups:
            line.setText("")
        self._passphrase.wipe()
        self._repeated.wipe()

    def _request(self, command: Command, answered: Callable[[object], None]) -> None:
        """Ask, and hear the answer only while this is still what the person is at."""
        turn = self._turn

        def heard(answer: object) -> None:
            if turn == self._turn:
                answered(answer)

        def refused(text: str, hint: str) -> None:
            if turn == self._turn:
                self._refused(text, hint)

        self._context.request(command, heard, refused)

    def _refused(self, text: str, hint: str) -> None:
        self._next.setEnabled(bool(self._code))
        self._error.say(text, hint)
        self._error.show()


def _step(*widgets: QWidget) -> QWidget:
    step = QWidget()
    box = QVBoxLayout(step)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(SPACE)
    for widget in widgets:
        box.addWidget(widget)
    return step
