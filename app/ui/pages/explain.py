"""The part of a red test's details that says why it is red: at once what is known here, then what a model says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.domain.analysis import ExplainStage, Explanation, PromptPreview
from app.domain.commands import Explain, ReadExplanation, ReadPrompt, SetConsent
from app.ui.explain_view import TAKEN_OUT, explain_view, set_up_of
from app.ui.pages.consent import WITHDRAWN, ConsentQuestion, WithdrawButton
from app.ui.pages.explain_parts import FlowText, PlaceList
from app.ui.parts import Strip, button, focus_of, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.analysis import AnalysisView, Confidence, Explained
    from app.domain.commands import Command
    from app.ui.explain_view import AnswerView, ExplainView
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_SAID_MS = 4_000
_MARK = 16


class ExplainPart(QWidget):
    """An explanation and the buttons that go with it. What is read in it is text only, whoever wrote it.

    What failed stands at the top; what a model says pushes the places below it down, so that news are in sight.
    """

    changed = Signal()
    """There is an explanation where there was none, or the other way round."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = theme
        self._project = ""
        self._nodeid = ""
        self._explanation: Explanation | None = None
        self._refused = False
        self._is_sent = False
        self._outdated = ("", "")
        """The trouble and hint of before the settings were changed."""
        self._declined: set[str] = set()
        """Projects for which the person is not asked to agree until a model is to be asked."""
        self._analysis: AnalysisView | None = None
        self._explained: Explained | None = None
        self._turn = 0
        self._make_texts()
        self._make_buttons()
        self._lay_out()
        self._forget_said = QTimer(self)
        self._forget_said.setSingleShot(True)
        self._forget_said.setInterval(_SAID_MS)
        self._forget_said.timeout.connect(self._said.hide)

    @property
    def has_one(self) -> bool:
        """Whether there is an explanation to look at, or one is on its way."""
        return bool(self._nodeid) and not self._refused

    def show_test(self, project: str, nodeid: str, explained: Explained | None) -> None:
        """Explain a test that is red; an empty node id is none.

        Args:
            project: The project's root.
            nodeid: The test.
            explained: What the snapshot says of its explanation: when that changes, it is read again.
        """
        if (project, nodeid) == (self._project, self._nodeid):
            if explained != self._explained:
                self._explained = explained
                self.read()
            return
        self._project, self._nodeid, self._explained = project, nodeid, explained
        self._explanation, self._refused, self._is_sent, self._outdated = None, False, False, ("", "")
        self._turn += 1
        self._consent.be_free()
        self._error.hide()
        self._said.hide()
        self._show()
        self._scroll.verticalScrollBar().setValue(0)
        self.read()

    def read(self) -> None:
        """Ask for the explanation as it stands now; no model is asked."""
        if self._nodeid:
            self._request(ReadExplanation(project=self._project, nodeid=self._nodeid), self._take, self._nothing)

    def tick(self) -> None:
        """Bring ages, and what is known of the models, up to date."""
        before, analysis = self._analysis, self._context.analysis()
        if before is not None and set_up_of(analysis) != set_up_of(before):
            if self._explanation is not None:
                self._outdated = (self._explanation.trouble, self._explanation.hint)
            self._error.hide()
            self._show()
            self.read()
        elif analysis is not before or self._explanation is not None:
            self._show()
        self._consent.tick()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        self._show()

    def _make_texts(self) -> None:
        self._failure = FlowText("What failed", most_lines=8)
        self._where = PlaceList("Where it failed")
        self._suspects = PlaceList("Changed on the way there")
        self._frames = PlaceList("The way there")
        self._facts = FlowText("What else is known")
        self._progress = label("", "strong", wraps=True)
        self._cause_title = label("Likely cause", "section")
        self._mark = QLabel()
        self._mark.setFixedSize(_MARK, _MARK)
        self._sure = label("", "muted")
        self._cause = FlowText("Likely cause", most_lines=24, is_marked=True)
        self._evidence = PlaceList("Evidence", is_marked=True)
        self._next_title = label("Next step", "section")
        self._next = FlowText("Next step", is_marked=True)
        self._patch_title = label("Patch to read", "section")
        self._patch = FlowText("Patch to read", most_lines=12, is_code=True)
        self._patch_note = FlowText("Note on the patch", is_marked=True)
        self._foot = label("", "status", wraps=True)
        self._trouble = Strip("notice")
        self._error = Strip("error")
        self._said = label("", "status", wraps=True)
        self._reading = label("Reading the failure\u2026", "muted")
        for each in (self._where, self._suspects, self._frames, self._evidence):
            each.copied.connect(self._copy_place)

    def _make_buttons(self) -> None:
        self._explain = button("", "primary", "Ask a model why this test is red")
        self._explain.clicked.connect(self._ask)
        self._talk = button("Ask about it", tooltip="Talk with a model about this failure")
        self._talk.clicked.connect(self._open_conversation)
        self._see = button("See what is sent", "link", "Show what a model would be sent, to the letter")
        self._see.clicked.connect(self._read_prompt)
        self._copy_patch = button("Copy patch", tooltip="Copy the patch to the clipboard: nothing applies it for you")
        self._copy_patch.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._whole_patch()))
        self._consent = ConsentQuestion(self._context.clock, "Agree, and have this failure explained")
        self._consent.agreed.connect(self._agree)
        self._consent.declined.connect(self._decline)
        self._withdraw = WithdrawButton(self._context, self._explain)
        self._withdraw.withdrawn.connect(self._tell_withdrawn)
        self._off = label("", "muted", wraps=True)

    def _lay_out(self) -> None:
        inside = QWidget()
        inside.setObjectName("flow")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE)
        for above in (self._reading, self._failure, self._progress, self._trouble):
            column.addWidget(above)
        column.addWidget(self._cause_title)
        column.addLayout(row(self._mark, self._sure, 1))
        for said in (self._cause, self._evidence, self._next_title, self._next):
            column.addWidget(said)
        column.addLayout(row(self._patch_title, 1, self._copy_patch))
        for below in (
            self._patch,
            self._patch_note,
            self._foot,
            self._where,
            self._suspects,
            self._frames,
            self._facts,
        ):
            column.addWidget(below)
        column.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setAccessibleName("Explanation")
        self._scroll.setWidget(inside)
        inside.setStyleSheet("#flow { background: transparent; }")
        self._scroll.viewport().setAutoFillBackground(False)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        box.addWidget(self._scroll, 1)
        box.addWidget(self._said)
        box.addWidget(self._error)
        box.addWidget(self._consent)
        box.addWidget(self._off)
        box.addLayout(row(self._explain, self._talk, 1))
        box.addLayout(row(self._see, self._withdraw, 1))
        self._said.hide()
        self._error.hide()

    def _show(self) -> None:
        focus = focus_of(self)
        was_here = focus is not None and self.isAncestorOf(focus)
        analysis = self._analysis = self._context.analysis()
        explanation = self._explanation
        self._reading.setVisible(explanation is None and not self._refused)
        if explanation is not None and (explanation.trouble, explanation.hint) == self._outdated:
            explanation = replace(explanation, trouble="", hint="")
        now = self._context.clock.wall()
        self._show_view(explain_view(explanation, analysis, now) if explanation is not None else None)
        if focus is not None and was_here and self.isVisible() and not focus.isVisibleTo(self):
            (self._scroll if self._explain.isHidden() else self._explain).setFocus(Qt.FocusReason.OtherFocusReason)

    def _show_view(self, view: ExplainView | None) -> None:
        local = view.local if view is not None else None
        self._failure.show_text(local.failure if local else "")
        self._where.show_places(local.place if local else ())
        self._suspects.show_places(local.suspects if local else ())
        self._frames.show_places(local.frames if local else ())
        self._facts.show_text("\n".join(local.facts) if local else "")
        self._show_answer(view.answer if view is not None else None)
        for said, text in (
            (self._progress, view.progress if view is not None else ""),
            (self._off, view.switched_off if view is not None else ""),
            (self._explain, view.explain if view is not None else ""),
        ):
            set_text(said, text)
            said.setVisible(bool(text))
        self._trouble.setVisible(view is not None and bool(view.trouble))
        if view is not None and view.trouble:
            self._trouble.say(view.trouble, view.hint)
        if view is not None and view.consent and self._project not in self._declined:
            self._consent.ask(view.consent, TAKEN_OUT)
        else:
            self._consent.hide()
        offers = view is not None and view.offers_models
        self._talk.setVisible(offers)
        self._see.setVisible(offers)
        self._withdraw.offer(self._project if view is not None and view.may_withdraw else "")

    def _show_answer(self, answer: AnswerView | None) -> None:
        has = answer is not None
        self._cause_title.setVisible(has)
        self._sure.setVisible(answer is not None and bool(answer.sure))
        self._mark.setVisible(answer is not None and answer.confidence is not None and bool(answer.sure))
        self._cause.show_text(answer.cause if answer else "")
        self._evidence.show_places(answer.evidence if answer else ())
        self._next.show_text(answer.next_step if answer else "")
        self._next_title.setVisible(answer is not None and bool(answer.next_step))
        has_patch = answer is not None and bool(answer.patch)
        self._patch.show_text(answer.patch if answer else "")
        self._patch_title.setVisible(has_patch)
        self._copy_patch.setVisible(has_patch)
        self._patch_note.show_text(answer.patch_note if answer else "")
        self._foot.setVisible(has)
        if answer is None:
            return
        set_text(self._cause_title, "Likely cause" if answer.sure else "What the model said")
        set_text(self._sure, answer.sure)
        set_text(self._foot, answer.foot)
        if answer.confidence is not None:
            self._mark.setPixmap(
                self._context.icons.symbol(
                    f"confidence-{answer.confidence.value}",
                    _color(answer.confidence, self._theme),
                    _MARK,
                    self.devicePixelRatioF(),
                )
            )

    def _take(self, answer: object) -> None:
        if isinstance(answer, Explanation):
            had, self._refused, self._explanation = self.has_one, False, answer
            if answer.stage is ExplainStage.ASKING:  # nobody is asked without consent
                self._withdraw.note_agreed(answer.project)
                self._outdated = ("", "")
            self._show()
            if not had:
                self.changed.emit()

    def _nothing(self, _text: str, _hint: str) -> None:
        if self._explanation is None:
            self._refused = True
            self._show()
            self.changed.emit()

    @Slot()
    def _ask(self) -> None:
        """Ask once, however often the button is pressed meanwhile: to switch it off would send the focus elsewhere."""
        if self._is_sent or (self._explanation is not None and self._explanation.stage is ExplainStage.ASKING):
            return
        again = self._explanation is not None and self._explanation.answer is not None
        self._is_sent, self._outdated = True, ("", "")
        self._declined.discard(self._project)
        self._error.hide()
        self._request(Explain(project=self._project, nodeid=self._nodeid, again=again), self._asked, self._complain)

    def _asked(self, answer: object) -> None:
        self._is_sent = False
        self._consent.be_free()
        self._take(answer)

    @Slot()
    def _agree(self) -> None:
        self._error.hide()
        project = self._project
        hosts = ",".join(self._explanation.needs_consent) if self._explanation is not None else ""

        def agreed(_hosts: object) -> None:
            self._withdraw.note_agreed(project)
            self._ask()

        self._request(SetConsent(project=project, hosts=hosts), agreed, self._complain)

    @Slot()
    def _decline(self) -> None:
        self._declined.add(self._project)
        self._explain.setFocus(Qt.FocusReason.OtherFocusReason)
        self._show()

    @Slot()
    def _tell_withdrawn(self) -> None:
        self._say(WITHDRAWN)
        self._show()

    @Slot()
    def _read_prompt(self) -> None:
        self._error.hide()
        self._request(ReadPrompt(project=self._project, nodeid=self._nodeid), self._show_prompt, self._complain)

    def _show_prompt(self, answer: object) -> None:
        if isinstance(answer, PromptPreview) and self.isVisible():
            from app.ui.pages.explain_prompt import PromptDialog  # noqa: PLC0415 - few ask for it

            PromptDialog(answer, self.window()).open()

    @Slot()
    def _open_conversation(self) -> None:
        conversation = self._explanation.conversation if self._explanation is not None else ""
        self._context.open_conversation(conversation, self._project, self._nodeid)

    def _whole_patch(self) -> str:
        answer = self._explanation.answer if self._explanation is not None else None
        return answer.patch if answer is not None else ""

    @Slot(str)
    def _copy_place(self, where: str) -> None:
        QGuiApplication.clipboard().setText(where)
        self._say(f"{where} is in the clipboard.")

    def _say(self, text: str) -> None:
        set_text(self._said, text)
        self._said.show()
        self._forget_said.start()

    def _complain(self, text: str, hint: str) -> None:
        self._is_sent = False
        self._consent.be_free()
        self._error.say(text, hint)
        self._error.show()

    def _request(
        self, command: Command, answered: Callable[[object], None], failed: Callable[[str, str], None]
    ) -> None:
        """Ask, and hear the answer only while the same test is looked at."""
        turn = self._turn

        def heard(answer: object) -> None:
            if turn == self._turn:
                answered(answer)

        def refused(text: str, hint: str) -> None:
            if turn == self._turn:
                failed(text, hint)

        self._context.request(command, heard, refused)


def _color(confidence: Confidence, theme: Theme) -> str:
    return {"low": theme.muted, "medium": theme.amber, "high": theme.green}[confidence.value]
