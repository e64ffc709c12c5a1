"""The form of the Keys page: a new secret, or a new value and other words for one that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QComboBox, QFormLayout, QLineEdit, QSizePolicy, QWidget

from app.domain.commands import SetSecret
from app.ui.parts import Card, Strip, button, label, row, set_text
from app.ui.secret_field import SecretField
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.domain.keys import SecretView
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_AS_BEFORE = -1
_REMINDERS = (("No reminder", 0), ("In 30 days", 30), ("In 90 days", 90), ("In 180 days", 180), ("In a year", 365))


class SecretForm(Card):
    """A card with fields. The value leaves it once, with the command, and whatever the answer is."""

    closed = Signal(str)
    """It was left; with the name of the secret that was set, or nothing."""

    def __init__(self, context: PageContext, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._context = context
        self._of: SecretView | None = None
        self._taken: frozenset[str] = frozenset()
        self._title = label("", "heading")
        self._name = QLineEdit()
        self._name.setAccessibleName("Name of the secret")
        self._name.setPlaceholderText("DEEPSEEK_API_KEY")
        self._value = SecretField("Value of the secret")
        self._notes = QLineEdit()
        self._notes.setAccessibleName("Notes")
        self._notes.setPlaceholderText("Your own words: which account, what for")
        self._due = QComboBox()
        self._due.setAccessibleName("Remind of the renewal")
        self._error = Strip("error")
        self._error.hide()
        self._save = button("Save", "primary", "Put it into the vault (Enter)")
        self._save.clicked.connect(self._send)
        self._cancel = button("Cancel", tooltip="Change nothing (Esc)")
        self._cancel.clicked.connect(lambda: self._leave(""))
        for field in (self._name, self._notes):
            field.returnPressed.connect(self._send)
        self._value.submitted.connect(self._send)

        self._fields = QFormLayout()
        self._fields.setHorizontalSpacing(2 * SPACE)
        self._fields.setVerticalSpacing(SPACE)
        self._fields.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        rows: tuple[tuple[str, QWidget], ...] = (
            ("Name", self._name),
            ("Value", self._value),
            ("Notes", self._notes),
            ("Renewal", self._due),
        )
        for text, widget in rows:
            name = label(text, "muted")
            name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)  # level with its field
            self._fields.addRow(name, widget)
        self.body.addWidget(self._title)
        self.body.addLayout(self._fields)
        self.body.addWidget(self._error)
        self.body.addLayout(row(1, self._cancel, self._save))
        self.hide()

    def open_for(self, secret: SecretView | None, taken: frozenset[str] = frozenset()) -> None:
        """Begin anew.

        Args:
            secret: The one to set a new value of; None for a new one.
            taken: The names that there are, which a new one must not have.
        """
        self._of, self._taken = secret, taken
        self._value.wipe()
        self._error.hide()
        set_text(self._title, "New secret" if secret is None else f"New value for {secret.name}")
        self._name.setText("" if secret is None else secret.name)
        self._fields.setRowVisible(self._name, secret is None)
        self._value.set_hint("Paste or type it" if secret is None else "Leave it empty to keep the value")
        self._notes.setText("" if secret is None else secret.notes)
        self._due.clear()
        if secret is not None:
            self._due.addItem("As before", _AS_BEFORE)
        for text, days in _REMINDERS:
            self._due.addItem(text, days)
        self._save.setEnabled(True)
        self.setAccessibleName(self._title.text())
        self.show()
        first = self._name if secret is None else self._value
        first.setFocus(Qt.FocusReason.OtherFocusReason)

    def forget(self) -> None:
        """Close without a word, and keep nothing."""
        self._value.wipe()
        self._name.setText("")
        self._notes.setText("")
        self._of = None
        self.hide()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._value.wear(theme)

    def event(self, event: QEvent) -> bool:
        """Take Escape from the window's shortcut: here it leaves the form."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self._leave("")
                return True
        return super().event(event)

    @Slot()
    def _send(self) -> None:
        name, days = self._name.text().strip(), int(self._due.currentData())
        if not self._save.isEnabled() or not self._may_send(name, days):
            return
        old_notes = self._of.notes if self._of is not None else ""
        notes = self._notes.text().strip()
        command = SetSecret(
            name=name,
            value=self._value.take(),
            notes=None if self._of is not None and notes == old_notes else notes,
            due_days=None if days == _AS_BEFORE else days,
        )
        self._error.hide()
        self._save.setEnabled(False)
        self._context.request(command, lambda _answer: self._set(name), self._refused)

    def _may_send(self, name: str, days: int) -> bool:
        if self._of is None:
            if not name:
                self._refused("A secret needs a name.", "DEEPSEEK_API_KEY, say.")
                return False
            if name in self._taken:
                self._refused(f"There is a secret {name} already.", "Choose it in the list, then New value.")
                return False
        unchanged = self._of is not None and days == _AS_BEFORE and self._notes.text().strip() == self._of.notes
        if self._value.is_empty and (self._of is None or unchanged):
            self._refused("The value is empty.", "Paste or type it.")
            return False
        return True

    def _set(self, name: str) -> None:
        if self._name.text().strip() == name and self.isVisible():
            self._leave(name)

    def _leave(self, name: str) -> None:
        self.forget()
        self.closed.emit(name)

    def _refused(self, text: str, hint: str) -> None:
        self._save.setEnabled(True)
        self._error.say(text, hint)
        self._error.show()
