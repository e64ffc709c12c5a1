"""The lower edge of the Conversation page: what went wrong, the field for a question, and its buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.domain.commands import SetConsent
from app.ui.pages.consent import ConsentQuestion
from app.ui.pages.conversation_input import QuestionField
from app.ui.parts import Strip, button, focus_of, row
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from app.ui.requests import PageContext
    from app.ui.theme import Theme


class AskBar(QWidget):
    """A question is sent from here once, and comes back when it was not taken."""

    sent = Signal(str)
    again_wanted = Signal()
    """The last question is to be asked once more."""
    stop_wanted = Signal()

    def __init__(self, context: PageContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._is_free = True
        self._project = ""
        self._hosts: tuple[str, ...] = ()
        self._turn = 0
        self._trouble = Strip("error")
        self._consent = ConsentQuestion(context.clock, "Agree, and ask what is in the field")
        self._consent.agreed.connect(self._agree)
        self._consent.declined.connect(self.forget_trouble)
        self._again = button("Ask again", tooltip="Ask the last question once more")
        self._again.clicked.connect(self.again_wanted)
        self._field = QuestionField()
        self._field.submitted.connect(self._send)
        self._field.textChanged.connect(self._enable)
        self._ask = button("Ask", "primary", "Ask the model (Enter)")
        self._ask.clicked.connect(self._send)
        self._stop = button("Stop", tooltip="End this answer; what came of it is kept")
        self._stop.setAccessibleName("Stop the answer")
        self._stop.clicked.connect(self.stop_wanted)
        self._stop.hide()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        above, below = row(self._trouble, 0, self._again), row(self._field, self._ask, self._stop)
        for line in (above, below):
            line.setStretch(0, 1)
        box.addLayout(above)
        box.addWidget(self._consent)
        box.addLayout(below)
        for each in (self._ask, self._stop):
            below.setAlignment(each, Qt.AlignmentFlag.AlignBottom)
        self.forget_trouble()
        self._enable()

    @property
    def field(self) -> QuestionField:
        """What a question is typed into."""
        return self._field

    @property
    def asks_to_agree(self) -> bool:
        """Whether the person is asked to agree, and so has not."""
        return not self._consent.isHidden()

    def show_state(self, *, is_free: bool, is_answering: bool) -> None:
        """Offer to ask, or while an answer comes to stop it.

        Args:
            is_free: Whether a question would be taken.
            is_answering: Whether an answer comes.
        """
        self._is_free = is_free
        self._keep_focus(self._ask if is_answering else self._stop)
        self._stop.setVisible(is_answering)
        self._ask.setVisible(not is_answering)
        self._enable()

    def take_back(self, text: str) -> None:
        """Put a question that was not taken into the field again, unless the person has begun another."""
        if not self._field.toPlainText().strip():
            self._field.take_back(text)

    def show_trouble(self, text: str, hint: str, *, can_repeat: bool) -> None:
        """Say what went wrong, and offer to ask again where that makes sense."""
        self.forget_trouble()
        self._trouble.say(text, hint)
        self._trouble.show()
        self._again.setVisible(can_repeat)

    def show_stopped(self) -> None:
        """Offer to ask again what was ended as the person wanted: that it was stands below the answer."""
        self.forget_trouble()
        self._again.show()

    def show_consent(self, text: str, hint: str, project: str, hosts: tuple[str, ...]) -> None:
        """Say what of a project would be sent where, and offer to agree: then what is in the field is asked.

        Args:
            text: What would be sent, and to which hosts.
            hint: What is done about secrets.
            project: The project's root.
            hosts: Those that `text` names.
        """
        self.forget_trouble()
        self._project, self._hosts = project, hosts
        self._consent.ask(text, hint)

    @Slot()
    def forget_trouble(self) -> None:
        """Say nothing of before; a consent that is on its way then sends no question."""
        self._keep_focus(self._again)
        self._again.hide()
        self.forget_reason()

    def forget_reason(self) -> None:
        """Say no longer why nothing was answered, nor ask to agree; what could be asked again still can."""
        self._turn += 1
        self._keep_focus(self._consent)
        for each in (self._trouble, self._consent):
            each.hide()

    def tick(self) -> None:
        """Take a yes once the question has been in sight for long enough."""
        self._consent.tick()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._stop.setIcon(self._context.icons.symbol_icon("button-stop", theme.muted))

    @Slot()
    def _enable(self) -> None:
        enabled = self._is_free and bool(self._field.toPlainText().strip())
        if not enabled:
            self._keep_focus(self._ask)
        self._ask.setEnabled(enabled)

    def _keep_focus(self, leaving: QWidget) -> None:
        """Go to the field with a person who is at what can be pressed no longer: Qt would lead them anywhere."""
        focus = focus_of(self)
        if focus is not None and (focus is leaving or leaving.isAncestorOf(focus)):
            self._field.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _agree(self) -> None:
        turn = self._turn

        def agreed(_hosts: object) -> None:
            if turn == self._turn:
                self.forget_trouble()
                self._field.setFocus(Qt.FocusReason.OtherFocusReason)
                self._send()

        def failed(text: str, hint: str) -> None:
            if turn == self._turn:
                self.show_trouble(text, hint, can_repeat=False)

        self._context.request(SetConsent(project=self._project, hosts=",".join(self._hosts)), agreed, failed)

    @Slot()
    def _send(self) -> None:
        text = self._field.toPlainText().strip()
        if text and self._is_free:
            self._field.clear()
            self.sent.emit(text)
