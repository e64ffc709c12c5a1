"""What the steps have in common, and what they are handed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.ui.parts import Strip, label, set_text
from app.ui.theme import SPACE
from app.ui.wizard.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.domain.commands import Command
    from app.domain.firststart import ModelChoice
    from app.ui.requests import Spawn
    from app.ui.theme import Theme
    from app.ui.words.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What each step is handed.

    Attributes:
        tr: Gives texts in the person's language.
        ask: Has a command carried out and gives its answer.
        spawn: Starts a coroutine from a slot.
        choices: The services that can be asked, the usual one first; with none, nothing is asked about models.
        offers_updates: Whether this build can be told of newer releases.
    """

    tr: Catalogue
    ask: Callable[[Command], Awaitable[object]]
    spawn: Spawn
    choices: tuple[ModelChoice, ...] = ()
    offers_updates: bool = False

    def asking(self) -> Asking:
        """Return what a step asks by."""
        return Asking(self.ask, self.spawn)


class Step(QWidget):
    """One step.

    Attributes:
        title: What it is about.
        go_text: What the button does that goes on.
        can_go: Whether it can be pressed.
    """

    changed = Signal()
    """Title or button say something else now."""
    waiting = Signal()
    """Something was asked for, and nothing can be done before its answer."""
    ready = Signal()
    """All is done, and the button is what comes next."""
    through = Signal()
    """The step is done."""

    def __init__(self, around: Surroundings, title: str) -> None:
        super().__init__()
        self.title = title
        self.go_text = ""
        self.can_go = False
        self.tr_of = around.tr
        self.asking = around.asking()
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(SPACE + 4)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def begin(self) -> None:
        """Put the keyboard where the person starts; called each time the step comes up."""

    def go_on(self) -> None:
        """Do what the button says."""

    def skip(self) -> None:
        """Do nothing, and be through."""
        self.leave()
        self.through.emit()

    def go_back(self) -> bool:
        """Go back within the step; False where it is at its beginning."""
        return False

    def leave(self) -> None:
        """Keep nothing of what was typed and not confirmed."""
        self.asking.forget()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""

    def offer(self, text: str, *, can_go: bool = True) -> None:
        """Say what the button does, and whether it can be pressed."""
        if (text, can_go) != (self.go_text, self.can_go):
            self.go_text, self.can_go = text, can_go
            self.changed.emit()

    def wait(self, text: str) -> None:
        """Say what is waited for in place of what the button does."""
        self.offer(text, can_go=False)
        self.waiting.emit()


class Report(QWidget):
    """What came of something: a line that stands out, what to do about it, and the technical words below."""

    def __init__(self) -> None:
        super().__init__()
        self._strips = {kind: Strip(kind) for kind in ("error", "notice", "good")}
        self._detail = label("", "muted", wraps=True)
        self._detail.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        for strip in self._strips.values():
            box.addWidget(strip)
        box.addWidget(self._detail)
        self.clear()

    def say(self, kind: str, text: str, hint: str = "", detail: str = "") -> None:
        """Show it, and have a screen reader say it.

        Args:
            kind: `error`, `notice` or `good`.
            text: What happened.
            hint: What to do.
            detail: In the words of whoever ran into it.
        """
        for each, strip in self._strips.items():
            strip.setVisible(each == kind)
        self._strips[kind].say(text, hint)
        set_text(self._detail, detail)
        self._detail.setVisible(bool(detail))
        self.show()
        QTimer.singleShot(0, self, self._come_into_view)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, f"{text} {hint}".strip()))

    def clear(self) -> None:
        """Show nothing."""
        self.hide()

    @Slot()
    def _come_into_view(self) -> None:
        """Scroll to it in a low window, once it is laid out."""
        above = self.parentWidget()
        while above is not None and not isinstance(above, QScrollArea):
            above = above.parentWidget()
        if above is not None and self.isVisible():
            above.ensureWidgetVisible(self, 0, 0)
