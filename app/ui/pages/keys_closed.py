"""The Keys page while the vault is not open: why, and every way to open it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.domain.commands import OpenVault, UnlockVault
from app.ui.parts import Card, Strip, button, label, row, set_text
from app.ui.secret_field import SecretField
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.domain.commands import Command
    from app.ui.keys_view import ClosedView
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_WIDTH = 560


class ClosedPart(QWidget):
    """A card in the middle. What is asked for is answered by the next snapshot; a refusal is shown in the card."""

    given_up = Signal()
    """The person no longer waits for the system's keychain."""

    def __init__(self, context: PageContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._title = label("", "heading", wraps=True)
        self._reason = label("", wraps=True)
        self._hint = label("", "muted", wraps=True)
        self._error = Strip("error")
        self._error.hide()
        self._unlock = button("Unlock", "primary", "Open the vault by what the system has")
        self._unlock.clicked.connect(lambda: self._ask(UnlockVault()))
        self._cancel = button("Cancel", tooltip="Wait no longer, and open the vault in another way")
        self._cancel.clicked.connect(self.given_up)
        self._passphrase = SecretField("Passphrase of the vault", "Passphrase")
        self._passphrase.submitted.connect(self._open_by_passphrase)
        self._by_passphrase = button("Open", tooltip="Open the vault by its passphrase")
        self._by_passphrase.setAccessibleName("Open by passphrase")
        self._by_passphrase.clicked.connect(self._open_by_passphrase)
        self._code = SecretField("Recovery code", "Recovery code, as it is on paper")
        self._code.submitted.connect(self._open_by_code)
        self._by_code = button("Recover", tooltip="Open the vault by the recovery code, and put the keychain right")
        self._by_code.clicked.connect(self._open_by_code)
        self._commands_title = label("On the command line", "section")
        self._commands = label("", wraps=True)
        self._commands.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._passphrase_title = label("Passphrase", "section")
        self._code_title = label("Recovery code", "section")

        card = Card()
        card.body.setSpacing(SPACE)
        for widget in (self._title, self._reason, self._hint, self._error):
            card.body.addWidget(widget)
        card.body.addLayout(row(self._unlock, self._cancel, 1))
        card.body.addWidget(self._passphrase_title)
        card.body.addLayout(row(self._passphrase, self._by_passphrase))
        card.body.addWidget(self._code_title)
        card.body.addLayout(row(self._code, self._by_code))
        card.body.addWidget(self._commands_title)
        card.body.addWidget(self._commands)
        card.setFixedWidth(_WIDTH)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addStretch(2)
        box.addLayout(row(1, card, 1))
        box.addStretch(3)

    def show_view(self, view: ClosedView) -> None:
        """Show how the vault stands, and the ways that it offers."""
        set_text(self._title, view.title)
        set_text(self._reason, view.reason)
        set_text(self._hint, view.hint)
        set_text(self._unlock, view.unlock)
        set_text(self._commands, "\n".join(f"{command}  \u2013  {does}" for command, does in view.commands))
        for widgets, shown in (
            ((self._reason,), bool(view.reason)),
            ((self._hint,), bool(view.hint)),
            ((self._unlock,), bool(view.unlock)),
            ((self._cancel,), view.waiting),
            ((self._passphrase_title, self._passphrase, self._by_passphrase), view.passphrase),
            ((self._code_title, self._code, self._by_code), view.recovery),
            ((self._commands_title, self._commands), bool(view.commands)),
        ):
            for widget in widgets:
                widget.setVisible(shown)

    def forget(self) -> None:
        """Empty the fields, and show no refusal of before."""
        self._passphrase.wipe()
        self._code.wipe()
        self._error.hide()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._passphrase.wear(theme)
        self._code.wear(theme)

    @Slot()
    def _open_by_passphrase(self) -> None:
        if not self._passphrase.is_empty:
            self._ask(OpenVault(passphrase=self._passphrase.take()))

    @Slot()
    def _open_by_code(self) -> None:
        if not self._code.is_empty:
            self._ask(OpenVault(code=self._code.take()))

    def _ask(self, command: Command) -> None:
        self._error.hide()
        self._context.request(command, failed=self._refused)

    def _refused(self, text: str, hint: str) -> None:
        self._error.say(text, hint)
        self._error.show()
