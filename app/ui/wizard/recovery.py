"""A new vault: its recovery code is shown once and typed again in part, then the vault is made by the keychain."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QFormLayout, QFrame, QGridLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from app.domain.commands import MakeVault, NewRecoveryCode
from app.domain.errors import KeychainError, SlotClosed
from app.domain.keys import KeychainState
from app.ui.keys_view import asked_groups, same_group
from app.ui.parts import label, set_text
from app.ui.secret_field import SecretField
from app.ui.theme import SPACE
from app.ui.wizard.step import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.errors import WatchkeeperError
    from app.ui.theme import Theme
    from app.ui.wizard.asking import Asking
    from app.ui.words.catalogue import Catalogue

ASKED_GROUPS = 2
SHORTEST = 8
"""Characters of a passphrase."""
_IN_A_LINE = 7
_CODE_PX = 17


class Recovery(QWidget):
    """The parts of it, one at a time. The code is held until the vault is made, or the person leaves.

    Args:
        tr: Gives texts in the person's language.
        asking: Whose answers are heard while the step is up.
        sample: Chooses `k` of the places `range(n)` whose groups are asked for: `sample(range(n), k)`.
    """

    changed = Signal()
    """What the button does has changed."""
    made = Signal()

    def __init__(
        self, tr: Catalogue, asking: Asking, *, sample: Callable[[range, int], list[int]] | None = None
    ) -> None:
        super().__init__()
        self._tr = tr
        self._asking = asking
        self._sample = sample or SystemRandom().sample
        self._code = ""
        self._asked: tuple[tuple[int, str], ...] = ()
        self.go_text = ""
        self.can_go = False
        self._why = label("", wraps=True)
        self._paper = label(
            tr("Write it down on paper, and keep that where you would keep a passport. It is shown this once."),
            "muted",
            wraps=True,
        )
        self._shown = QFrame()
        self._shown.setAccessibleName(tr("Recovery code"))
        self._shown.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # a screen reader can be led to it
        self._grid = QGridLayout(self._shown)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(0)
        self._labels: list[QLabel] = []
        self._typed = QWidget()
        fields = QFormLayout(self._typed)
        fields.setContentsMargins(0, 0, 0, 0)
        fields.setHorizontalSpacing(2 * SPACE)
        self._names = [label("", "muted") for _ in range(ASKED_GROUPS)]
        self._groups = [QLineEdit() for _ in range(ASKED_GROUPS)]
        for name, line in zip(self._names, self._groups, strict=True):
            line.setMaximumWidth(160)
            line.setMaxLength(12)
            fields.addRow(name, line)
        eye = (tr("Hold to see what was typed"), tr("Hold to show it"))
        self._passphrase = SecretField(tr("Passphrase"), tr("Passphrase"), eye=eye)
        self._repeated = SecretField(tr("The same passphrase again"), tr("The same again"), eye=eye)
        self._report = Report()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE + 4)
        for widget in (
            self._why,
            self._shown,
            self._paper,
            self._typed,
            self._passphrase,
            self._repeated,
            self._report,
        ):
            box.addWidget(widget)

    def begin(self) -> None:
        """Ask for a new code, and show it."""
        self.forget()
        tr = self._tr
        first = tr("The key is kept in a vault, which is made now. It opens by itself while you are logged in.")
        code = tr("When the system's keychain is lost, this code alone opens it.")
        self._show_part(self._shown, f"{first} {code}", tr("I have &written it down"))
        self._offer(can_go=False)
        self._asking.request(NewRecoveryCode(), self._show_code, self._refused)

    def go_on(self) -> None:
        """Do what the button says."""
        if self._shown.isVisibleTo(self):
            self._ask_groups()
        elif self._typed.isVisibleTo(self):
            self._check_groups()
        else:
            self._make_with_passphrase()

    def forget(self) -> None:
        """Keep nothing of it."""
        self._code, self._asked = "", ()
        self._hide_code()
        for line in self._groups:
            line.setText("")
        self._passphrase.wipe()
        self._repeated.wipe()
        self._report.clear()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._passphrase.wear(theme)
        self._repeated.wear(theme)

    def _show_code(self, answer: object) -> None:
        self._code = str(answer)
        family = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
        for place, text in enumerate(self._code.split("-")):
            number, group = label(f"{place + 1}", "status"), label(text)
            group.setStyleSheet(f'font: 600 {_CODE_PX}px "{family}", monospace; padding-bottom: 6px;')
            line, column = divmod(place, _IN_A_LINE)
            for below, each in enumerate((number, group)):
                each.setAlignment(Qt.AlignmentFlag.AlignCenter)
                self._grid.addWidget(each, 2 * line + below, column)
                each.show()  # a layout would do that a turn of the loop later
                self._labels.append(each)
        self._offer(can_go=True)
        self._shown.setFocus(Qt.FocusReason.OtherFocusReason)

    def _hide_code(self) -> None:
        while self._labels:
            each = self._labels.pop()
            each.clear()
            each.setParent(None)
            each.deleteLater()

    def _ask_groups(self) -> None:
        tr = self._tr
        self._hide_code()
        self._asked = asked_groups(self._code, self._sample(range(len(self._code.split("-"))), ASKED_GROUPS))
        for (number, _), name, line in zip(self._asked, self._names, self._groups, strict=True):
            set_text(name, tr("Group {number}", number=number))
            line.setAccessibleName(tr("Group {number} of the recovery code", number=number))
            line.setText("")
        why = tr("Type two groups of it from your paper, so that a slip of the pen is found now.")
        self._show_part(self._typed, why, tr("&Make the vault"))
        self._groups[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def _check_groups(self) -> None:
        tr = self._tr
        wrong = next(
            (
                (number, line)
                for (number, shown), line in zip(self._asked, self._groups, strict=True)
                if not same_group(line.text(), shown)
            ),
            None,
        )
        if wrong is None:
            self._make("")
            return
        number, line = wrong
        self._report.say(
            "error",
            tr("Group {number} is not what was shown.", number=number),
            tr("Look at your paper. If the code is not on it, go back and begin again: you are shown a new one."),
        )
        line.setFocus(Qt.FocusReason.OtherFocusReason)

    def _make(self, passphrase: str) -> None:
        self._report.clear()
        self._offer(can_go=False)
        self._asking.request(MakeVault(code=self._code, passphrase=passphrase), self._show_made, self._refused)

    def _make_with_passphrase(self) -> None:
        tr = self._tr
        passphrase, repeated = self._passphrase.take(), self._repeated.take()
        if passphrase == repeated and len(passphrase) >= SHORTEST:
            self._make(passphrase)
            return
        text = (
            tr("The two passphrases differ.")
            if passphrase != repeated
            else tr.count(
                "A passphrase has at least {count} character.",
                "A passphrase has at least {count} characters.",
                SHORTEST,
            )
        )
        self._report.say("error", text, tr("Type both again."))
        self._passphrase.setFocus(Qt.FocusReason.OtherFocusReason)

    def _show_made(self, _answer: object) -> None:
        self.forget()
        self.made.emit()

    def _refused(self, error: WatchkeeperError) -> None:
        tr = self._tr
        is_absent = isinstance(error, SlotClosed | KeychainError) and error.state == KeychainState.ABSENT
        if is_absent and self._code and not self._passphrase.isVisibleTo(self):
            why = tr("This system has no keychain that would open the vault, so a passphrase does.")
            self._show_part(self._passphrase, why, tr("&Make the vault"))
            self._passphrase.setFocus(Qt.FocusReason.OtherFocusReason)
            return
        self._report.say("error", tr("The vault could not be made."), tr("The key is not kept."), str(error))
        self._offer(can_go=bool(self._code))

    def _show_part(self, part: QWidget, why: str, go_text: str) -> None:
        self._report.clear()
        set_text(self._why, why)
        for each in (self._shown, self._typed, self._passphrase):
            each.setVisible(each is part)
        self._paper.setVisible(part is self._shown)
        self._repeated.setVisible(part is self._passphrase)
        self.go_text = go_text
        self._offer(can_go=True)

    def _offer(self, *, can_go: bool) -> None:
        self.can_go = can_go
        self.changed.emit()
