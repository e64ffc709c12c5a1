"""The question before parts of a project are sent to a model, with yes and no beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.domain.commands import SetConsent
from app.ui.parts import Strip, button, focus_of, row
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from app.engine.clock import Clock
    from app.ui.requests import PageContext

READ_S = 1.0
"""For so long it has to be in sight before a yes counts: the second half of a double click is nobody's consent."""
_LOOK_AGAIN_MS = 1_020
WITHDRAWN = "No part of this project is sent any more."


class ConsentQuestion(QWidget):
    """What would be sent where, and the buttons to agree or not. None of them stands where the question was caused.

    Args:
        clock: By which it is known for how long the question has been in sight.
        tooltip: What agreeing does.
    """

    agreed = Signal()
    """The person agrees. It is not taken again before `be_free` or another question."""
    declined = Signal()

    def __init__(self, clock: Clock, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock = clock
        self._said = ("", "")
        self._seen_at = clock.monotonic()
        self._is_taken = False
        self._strip = Strip("notice")
        self._allow = button("Allow for this project", tooltip=tooltip)
        self._allow.clicked.connect(self._agree)
        self._not_now = button("Not now", tooltip="Send nothing; you are asked again when a model is to be asked")
        self._not_now.clicked.connect(self.declined)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setTimerType(Qt.TimerType.PreciseTimer)
        self._later.setInterval(_LOOK_AGAIN_MS)
        self._later.timeout.connect(self.tick)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        box.addWidget(self._strip)
        box.addLayout(row(1, self._not_now, self._allow))
        self.hide()

    def ask(self, text: str, hint: str) -> None:
        """Show the question; when it is another one than before, it is to be read anew.

        Args:
            text: What would be sent, and to which hosts.
            hint: What is done about secrets.
        """
        if (text, hint) != self._said:
            self._said = (text, hint)
            self._strip.say(text, hint)
            self._be_read()
        self.show()

    def be_free(self) -> None:
        """Take an answer again: the one of before could not be kept, or is done with."""
        self._is_taken = False

    @Slot()
    def tick(self) -> None:
        """Take a yes from now on if the question has been in sight for long enough."""
        self._allow.setEnabled(self._clock.monotonic() - self._seen_at >= READ_S)

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to count: what was hidden has been read by nobody."""
        super().showEvent(event)
        self._be_read()

    def _be_read(self) -> None:
        self._seen_at = self._clock.monotonic()
        self._is_taken = False
        self._allow.setEnabled(False)
        self._later.start()

    @Slot()
    def _agree(self) -> None:
        if not self._is_taken:
            self._is_taken = True
            self.agreed.emit()


class WithdrawButton(QPushButton):
    """Takes back what a person has agreed to, for as long as they may have.

    Args:
        context: Whom to ask; it is told of what goes wrong.
        beside: Where the person is led when there is nothing to take back any more.
    """

    withdrawn = Signal()

    def __init__(self, context: PageContext, beside: QWidget, parent: QWidget | None = None) -> None:
        super().__init__("Stop sending parts of this project", parent)
        self._context = context
        self._beside = beside
        self._project = ""
        self._withdrawn: set[str] = set()
        self.setObjectName("link")
        self.setAutoDefault(False)
        self.setToolTip("Take back that parts of this project may be sent; an answer that is on its way ends")
        self.clicked.connect(self._take_back)
        self.hide()

    def offer(self, project: str) -> None:
        """Offer it for a project, unless it is done already; an empty one offers nothing."""
        self._project = project
        is_offered = bool(project) and project not in self._withdrawn
        if not is_offered and focus_of(self) is self:
            self._beside.setFocus(Qt.FocusReason.OtherFocusReason)
        self.setVisible(is_offered)

    def note_agreed(self, project: str) -> None:
        """Note that the person agrees, again maybe, as to what is being asked now they must have."""
        self._withdrawn.discard(project)

    @Slot()
    def _take_back(self) -> None:
        project = self._project

        def taken_back(_hosts: object) -> None:
            self._withdrawn.add(project)
            self.withdrawn.emit()

        self._context.request(SetConsent(project=project, given=False), taken_back)
