"""The second step: a language model that explains red tests. Its key is tried once, and then kept in the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QFormLayout, QLineEdit, QSizePolicy, QWidget

from app.domain.commands import ReadStatus, SetSecret, SetSetting, TryModel, UnlockVault
from app.domain.firststart import ModelTrial, Trial
from app.domain.keys import VaultState
from app.domain.snapshot import Snapshot
from app.ui.parts import button, label, row, set_text
from app.ui.secret_field import SecretField
from app.ui.theme import SPACE
from app.ui.wizard.model_words import choice_text, good_text, place_text, title_of, trial_text
from app.ui.wizard.recovery import Recovery
from app.ui.wizard.step import Report, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.errors import WatchkeeperError
    from app.domain.firststart import ModelChoice
    from app.ui.theme import Theme
    from app.ui.wizard.step import Surroundings


class ModelStep(Step):
    """A service is chosen, asked once, and set up.

    The key leaves the field when it is tried. It is held from then until it is in the vault, or the step is left.

    Args:
        around: What each step is handed; there is at least one service to choose.
        sample: Chooses which groups of a recovery code are typed again; see Recovery.
    """

    def __init__(self, around: Surroundings, *, sample: Callable[[range, int], list[int]] | None = None) -> None:
        tr = around.tr
        super().__init__(around, tr("Have red tests explained"))
        self._choices = around.choices
        self._value = ""
        self._model = ""
        self._answered_by = ""
        self._is_set_up = False
        self._does: Callable[[], None] = self._try
        self._service = QComboBox()
        self._service.setAccessibleName(tr("Service"))
        for choice in self._choices:
            self._service.addItem(choice_text(tr, choice), choice.name)
        eye = (tr("Hold to see what was typed"), tr("Hold to show it"))
        self._key = SecretField(tr("Key of the service"), tr("Paste the key"), eye=eye)
        self._named = QLineEdit()
        self._named.setAccessibleName(tr("Model"))
        self._place = label("", "muted", wraps=True)
        self._report = Report()
        self._all_the_same = button(tr("Keep it &all the same"), "link")
        self._all_the_same.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._recovery = Recovery(tr, self.asking, sample=sample)
        self._form = QWidget()
        self._fields = QFormLayout(self._form)
        self._fields.setContentsMargins(0, 0, 0, 0)
        self._fields.setHorizontalSpacing(2 * SPACE)
        self._fields.setVerticalSpacing(SPACE)
        for text, widget in (
            (tr("Se&rvice:"), self._service),
            (tr("&Key:"), self._key),
            (tr("&Model:"), self._named),
        ):
            name = label(text)
            name.setBuddy(widget)
            name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)  # level with its field
            self._fields.addRow(name, widget)
        self._fields.addRow("", self._place)
        does = tr("A language model can say why a test went red. All else works without one.")
        agree = tr("Nothing of a project is sent before you agree to that, project by project.")
        self._intro = label(f"{does} {agree}", wraps=True)
        for each in (self._intro, self._form, self._recovery, self._report):
            self.body.addWidget(each)
        self.body.addLayout(row(self._all_the_same, 1))
        self._service.currentIndexChanged.connect(self._chosen)
        self._key.edited.connect(self._edited)
        self._named.textEdited.connect(self._edited)
        self._all_the_same.clicked.connect(self._keep)
        self._recovery.changed.connect(self._offer_recovery)
        self._recovery.made.connect(self._keep)
        self._show_form()
        self._chosen()

    @property
    def _choice(self) -> ModelChoice:
        return self._choices[max(0, self._service.currentIndex())]

    def begin(self) -> None:
        """Put the keyboard where the key is typed."""
        if not self._is_set_up:
            self._show_form()
            self._chosen()
            self._put_focus()

    def go_on(self) -> None:
        """Try what was typed; go on with a new vault; or, when all is done, be through."""
        if self._is_set_up:
            self.through.emit()
        elif self._recovery.isVisibleTo(self):
            self._recovery.go_on()
        else:
            self._does()

    def go_back(self) -> bool:
        """Leave a vault that is half made for the form."""
        if not self._recovery.isVisibleTo(self):
            return False
        self.leave()
        self.begin()
        return True

    def leave(self) -> None:
        """Keep no key, and no code."""
        super().leave()
        self._value = ""
        self._key.wipe()
        self._recovery.forget()
        self._recovery.hide()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._key.wear(theme)
        self._recovery.wear(theme)

    def _put_focus(self) -> None:
        field = self._key if self._choice.key else self._named
        field.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _chosen(self) -> None:
        choice = self._choice
        self._fields.setRowVisible(self._key, bool(choice.key))
        self._fields.setRowVisible(self._named, not choice.key)
        self._named.setText(choice.model)
        self._key.wipe()
        set_text(self._place, place_text(self.tr_of, choice))
        self._edited()

    @Slot()
    def _edited(self) -> None:
        """Forget what came of something else than what stands there now."""
        self.asking.forget()
        self._value = self._answered_by = ""
        self._is_set_up = False
        self._does = self._try
        self._report.clear()
        self._all_the_same.hide()
        self._offer_for_fields()

    def _offer_for_fields(self) -> None:
        choice, tr = self._choice, self.tr_of
        if choice.key:
            self.offer(tr("&Check and keep"), can_go=bool(self._value) or not self._key.is_empty)
        else:
            self.offer(tr("&Check and use"), can_go=bool(self._named.text().strip()))

    def _show_form(self) -> None:
        self._recovery.hide()
        for each in (self._intro, self._form):
            each.show()

    def _try(self) -> None:
        """Ask the service. What was typed is held meanwhile: emptying the field forgets what was held before."""
        held = self._value
        self._value = (self._key.take() or held) if self._choice.key else ""
        self._model = "" if self._choice.key else self._named.text().strip()
        self._report.clear()
        self._all_the_same.hide()
        self.wait(self.tr_of("Asking {service}\u2026", service=title_of(self._choice)))
        self.asking.request(
            TryModel(name=self._choice.name, key=self._value, model=self._model), self._show_trial, self._not_kept
        )

    def _show_trial(self, answer: object) -> None:
        if not isinstance(answer, ModelTrial):
            raise TypeError(answer)
        if answer.trial is Trial.GOOD:
            self._answered_by = answer.model or self._choice.model
            self._keep()
            return
        said = trial_text(self.tr_of, self._choice, answer)
        self._report.say("error", said.text, said.hint, said.detail)
        if answer.trial.speaks_against_key:
            self._value = ""
            self._offer_for_fields()
        else:
            self._all_the_same.show()
            self.offer(self.tr_of("&Try again"))
        self._put_focus()

    @Slot()
    def _keep(self) -> None:
        """Put the key where it belongs, and then have the service used."""
        self._does = self._keep
        self._report.clear()
        self._all_the_same.hide()
        self.wait(self.tr_of("Keeping it\u2026"))
        if self._choice.key:
            self.asking.request(ReadStatus(), self._show_vault, self._not_kept)
        else:
            self._use(None)

    def _show_vault(self, answer: object) -> None:
        state = answer.vault.state if isinstance(answer, Snapshot) else VaultState(str(answer))
        if state is VaultState.OPEN:
            self._show_form()
            self.asking.request(SetSecret(name=self._choice.key, value=self._value), self._use, self._not_kept)
        elif state is VaultState.NONE:
            self._intro.hide()
            self._form.hide()
            self._recovery.show()
            self._recovery.begin()
        elif isinstance(answer, Snapshot):
            self.asking.request(UnlockVault(), self._show_vault, self._not_kept)
        else:
            hint = self.tr_of("Open it on the page Keys of the window, then try again here.")
            self._report.say("error", self.tr_of("The vault is locked, so the key is not kept yet."), hint)
            self.offer(self.tr_of("&Try again"))

    def _use(self, _answer: object) -> None:
        """Have the service asked from now on."""
        choice = self._choice
        model = self._model if self._model != choice.model else ""
        named = SetSetting(key="analysis.providers", values=(choice.name,))
        if model:
            last = SetSetting(key=f"analysis.{choice.name}.model", values=(model,))
            self.asking.request(
                named, lambda _answer: self.asking.request(last, self._show_done, self._not_kept), self._not_kept
            )
        else:
            self.asking.request(named, self._show_done, self._not_kept)

    def _show_done(self, _answer: object) -> None:
        self._value = ""
        self._is_set_up = True
        self._show_form()
        said = good_text(self.tr_of, self._choice, self._answered_by)
        self._report.say("good", said.text, said.hint)
        self.offer(self.tr_of("&Next"))
        self.ready.emit()

    def _not_kept(self, error: WatchkeeperError) -> None:
        self._report.say("error", self.tr_of("It could not be set up."), "", str(error))
        self.offer(self.tr_of("&Try again"))

    @Slot()
    def _offer_recovery(self) -> None:
        if self._recovery.can_go:
            self.offer(self._recovery.go_text)
        else:
            self.wait(self._recovery.go_text)
