"""The wizard: three steps at the first start, one for a further project, in a window of its own and no nested loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.domain.commands import AskNoMore
from app.ui.parts import button, label, row, set_text
from app.ui.style import style_sheet
from app.ui.theme import SPACE, Theme, current_theme
from app.ui.wizard.login_step import LoginStep
from app.ui.wizard.model_step import ModelStep
from app.ui.wizard.project_step import ProjectStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QKeyEvent

    from app.ui.icons import Icons
    from app.ui.wizard.step import Step, Surroundings

_USUAL = QSize(640, 520)
_LEAST = QSize(420, 320)
_LOGO_PX = 32


class Wizard(QDialog):
    """It. Esc, or closing it, leaves it half way: what was confirmed before stays.

    Args:
        around: What the steps are handed.
        icons: Draws the program's icon.
        is_first: Whether this is the first start; else the project alone is asked for.
        theme: The colours; without them the system's appearance decides, and is followed.
        sample: Chooses which groups of a recovery code are typed again; see Recovery.
    """

    over = Signal(bool)
    """It is closed; true when the person came to its end."""

    def __init__(
        self,
        around: Surroundings,
        icons: Icons,
        *,
        is_first: bool = True,
        theme: Theme | None = None,
        sample: Callable[[range, int], list[int]] | None = None,
    ) -> None:
        super().__init__()
        self._around = around
        self._icons = icons
        self._fixed_theme = theme
        self._theme = theme or current_theme()
        self._at = 0
        tr = around.tr
        self.setObjectName("window")
        self.setWindowTitle(tr("Set up Watchkeeper") if is_first else tr("Add a project"))
        self.setWindowIcon(icons.app())
        self.setWindowFlags(Qt.WindowType.Window)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setModal(False)
        self.project = ProjectStep(around)
        model = (ModelStep(around, sample=sample),) if around.choices else ()
        self.steps: tuple[Step, ...] = (self.project, *model, LoginStep(around)) if is_first else (self.project,)
        self._logo = QLabel()
        self._logo.setFixedSize(_LOGO_PX, _LOGO_PX)
        self._title = label("", "title", wraps=True)
        self._number = label("", "muted")
        aside = (tr("&Skip"), tr("Leave this out: it is not asked again")) if is_first else (tr("&Cancel"), "")
        self._aside = button(aside[0], tooltip=aside[1])
        self._back = button(tr("&Back"))
        self._go = button("", "primary")
        self._build()
        self._aside.clicked.connect(self._skip_step if is_first else self.reject)
        self._back.clicked.connect(self._go_back)
        self._go.clicked.connect(self._go_on)
        for step in self.steps:
            step.changed.connect(self._show_buttons)
            step.ready.connect(self._go.setFocus)
            # What is greyed out or hidden hands the focus on, to the button that skips, say: Enter would press that.
            step.waiting.connect(self.setFocus)
            step.through.connect(self._next_step)
        self.finished.connect(self._tell)
        self.setMinimumSize(_LEAST)
        self.resize(_usual_size())
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_system)
        self._wear()
        self._show_step()

    @property
    def step(self) -> Step:
        """The one that is up."""
        return self.steps[self._at]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter press the button that has the focus, or else the one that goes on."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            focused = self.focusWidget()
            (focused if isinstance(focused, QPushButton) else self._go).click()
            return
        super().keyPressEvent(event)

    def _build(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(2 * SPACE)
        head.addWidget(self._logo)
        head.addWidget(self._title, 1)
        content = QWidget()
        content.setObjectName("content")
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, SPACE, 0)
        for step in self.steps:
            column.addWidget(step)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(content)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 3 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addLayout(head)
        box.addWidget(area, 1)
        box.addLayout(row(self._aside, self._number, 1, self._back, self._go, spacing=SPACE + 4))

    def _show_step(self) -> None:
        tr, step = self._around.tr, self.step
        for each in self.steps:
            each.setVisible(each is step)
        set_text(self._title, step.title)
        if len(self.steps) > 1:
            set_text(self._number, tr("Step {step} of {steps}", step=self._at + 1, steps=len(self.steps)))
        self.setAccessibleName(": ".join(filter(None, (self._number.text(), step.title))))
        self._back.setVisible(self._at > 0)
        self._show_buttons()
        self._go.setFocus(Qt.FocusReason.OtherFocusReason)  # where a step has no better place
        step.begin()

    @Slot()
    def _show_buttons(self) -> None:
        set_text(self._go, self.step.go_text)
        self._go.setEnabled(self.step.can_go)
        if self.step.can_go and self.focusWidget() is self:
            self._go.setFocus()

    @Slot()
    def _skip_step(self) -> None:
        self.step.skip()

    @Slot()
    def _go_back(self) -> None:
        if not self.step.go_back():
            self._turn_to(self._at - 1)

    @Slot()
    def _go_on(self) -> None:
        self.step.go_on()

    @Slot()
    def _next_step(self) -> None:
        if self._at + 1 < len(self.steps):
            self._turn_to(self._at + 1)
        else:
            self.step.asking.request(AskNoMore(), lambda _answer: None, lambda _error: None)
            self.accept()

    def _turn_to(self, at: int) -> None:
        self.step.leave()
        self._at = at
        self._show_step()

    @Slot(int)
    def _tell(self, result: int) -> None:
        self.step.leave()
        self.over.emit(result == QDialog.DialogCode.Accepted)

    @Slot()
    def _follow_system(self) -> None:
        if self._fixed_theme is None and current_theme() is not self._theme:
            self._theme = current_theme()
            self._wear()

    def _wear(self) -> None:
        self.setPalette(self._theme.palette())
        self.setStyleSheet(style_sheet(self._theme))
        self._logo.setPixmap(self._icons.app().pixmap(QSize(_LOGO_PX, _LOGO_PX), self.devicePixelRatioF()))
        for step in self.steps:
            step.wear(self._theme)


def _usual_size() -> QSize:
    """Return a size that leaves something of a small screen, or of a large one at 200 %, around it."""
    screens = QGuiApplication.screens()  # the first is the primary one, where there is any
    room = screens[0].availableGeometry().size() if screens else _USUAL
    return _USUAL.boundedTo(room * 0.92).expandedTo(_LEAST)
