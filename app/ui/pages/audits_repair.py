"""A repair on the Audits page: the plan, a second and explicit yes, what came of it, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLineEdit, QScrollArea, QVBoxLayout, QWidget

from app.domain.commands import ApplyRepair, PlanRepair, RollBackRepair
from app.domain.repairs import NEEDS_BUCKET, NEEDS_KEY, RepairOutcome, RepairPlan
from app.domain.words import one_line
from app.ui.pages.explain_parts import FlowText
from app.ui.parts import ElidedLabel, button, focus_of, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.findings import Finding
    from app.ui.requests import PageContext

_LONGEST_NAME = 2048
_ASKED = {
    NEEDS_BUCKET: "The bucket that takes the logs, of the same account and region",
    NEEDS_KEY: "The key of KMS that encrypts, by its ARN",
}
_PLANNING = "Reading how it is set now. Nothing is changed."
_PLANNED = "Nothing was changed yet. This is what Apply would do."
_EMPTY = "Nothing to do: all is as it should be."
_SURE = "This changes your AWS account. The state before is kept, so that it can be put back."
_BACK_SURE = "This puts back what was before the repair, in your AWS account."
_APPLYING = "Applying. It is read again afterwards."
_RETURNING = "Putting back what was before."
_DONE = "Done, and read again. The next audit tells whether the finding is gone."
_AS_BEFORE = "As before again."
_NOTHING = "Nothing was to be done."


class RepairPanel(QWidget):
    """Shown in place of a finding.

    Args:
        context: What every page is handed.
        leave: Called when the person goes back to the finding.
    """

    def __init__(self, context: PageContext, leave: Callable[[], None]) -> None:
        super().__init__()
        self._context = context
        self._project = ""
        self._finding: Finding | None = None
        self._plan: RepairPlan | None = None
        self._applied: dict[str, RepairOutcome] = {}
        self._turn = 0
        self._is_busy = False
        self._agrees_to_return = False
        self._takes_focus = False
        self._title = label("", "heading", wraps=True)
        self._place = ElidedLabel()
        self._place.setObjectName("strong")
        self._status = label("", "muted", wraps=True)
        self._name = QLineEdit()
        self._name.setMaxLength(_LONGEST_NAME)
        self._name.returnPressed.connect(self._ask)
        self._changes = FlowText("Before and after", is_code=True, most_lines=24)
        self._calls_title = label("Calls", "section")
        self._calls = FlowText("Calls", is_code=True, most_lines=24)
        self._touches_title = label("What else it means", "section")
        self._touches = FlowText("What else it means", most_lines=24)
        self._journal = FlowText("What was done", most_lines=24)
        self._sure = label("", "strong", wraps=True)
        self._show_plan = button("Show the plan", "primary", "Read how it is set, and show what would be done")
        self._show_plan.clicked.connect(self._ask)
        self._apply = button("Apply\u2026", "primary", "Asks once more before anything is changed")
        self._apply.clicked.connect(self._make_sure)
        self._roll_back = button("Roll back\u2026", tooltip="Put back what was before; asks once more")
        self._roll_back.clicked.connect(self._make_sure_of_return)
        self._yes = button("", "primary")
        self._yes.clicked.connect(self._go)
        self._no = button("No", tooltip="Change nothing")
        self._no.setAccessibleName("No, change nothing")
        self._no.clicked.connect(self._think_better)
        self._leave = button("Back", tooltip="Back to the finding")
        self._leave.setAccessibleName("Back to the finding")
        self._leave.clicked.connect(leave)
        self._lay_out()

    @property
    def is_busy(self) -> bool:
        """Whether something is being changed just now."""
        return self._is_busy

    def open(self, project: str, finding: Finding) -> None:
        """Begin with a finding: read its plan, or first ask for the name that it needs.

        Args:
            project: The account's root folder.
            finding: One of a rule for which there is a repair.
        """
        self._turn += 1
        self._project, self._finding, self._plan = project, finding, None
        self._is_busy, self._takes_focus = False, True
        self._name.clear()
        wanted = _ASKED.get(finding.rule, "")
        self._name.setPlaceholderText(wanted)
        self._name.setAccessibleName(wanted or "Name")
        set_text(self._title, one_line(finding.title))
        self._place.setText(one_line(finding.resource))
        applied = self._applied.get(finding.fingerprint)
        if applied is not None:
            self._show_outcome(_DONE, applied)
        elif wanted:
            self._show("Name it, and see what would be done.", self._show_plan)
        else:
            self._ask()

    def _lay_out(self) -> None:
        inside = QWidget()
        inside.setObjectName("flow")
        inside.setStyleSheet("#flow { background: transparent; }")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE)
        for each in (self._title, self._place, self._status, self._name, self._changes, self._calls_title, self._calls):
            column.addWidget(each)
        for each in (self._touches_title, self._touches, self._journal):
            column.addWidget(each)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.viewport().setAutoFillBackground(False)
        scroll.setWidget(inside)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        box.addWidget(scroll, 1)
        box.addWidget(self._sure)
        box.addLayout(row(self._show_plan, self._apply, self._roll_back, self._yes, self._no, self._leave, 1))

    def _show(self, status: str, *offered: QWidget, sure: str = "", journal: str = "") -> None:
        """Show where the repair stands, and what can be done now."""
        plan = self._plan
        had = focus_of(self)
        is_ours = self._takes_focus or (had is not None and self.isAncestorOf(had))
        set_text(self._status, status)
        changes = plan.changes if plan is not None else ()
        said = "\n\n".join("\n".join((each.setting, *each.lines)) for each in changes)
        calls = "\n\n".join(plan.calls) if plan is not None and changes else ""
        touches = "\n".join(plan.touches) if plan is not None else ""
        for text, shown in ((self._changes, said), (self._calls, calls), (self._touches, touches)):
            text.show_text(shown)
        self._calls_title.setVisible(bool(calls))
        self._touches_title.setVisible(bool(touches))
        self._journal.show_text(journal)
        needs = self._finding is not None and self._finding.rule in _ASKED
        self._name.setVisible(needs and self._show_plan in offered)
        set_text(self._sure, sure)
        self._sure.setVisible(bool(sure))
        for each in (self._show_plan, self._apply, self._roll_back, self._yes, self._no):
            each.setVisible(each in offered)
        self._leave.setEnabled(not self._is_busy)
        if is_ours:  # who works by keyboard goes on where there is something to do; never at the yes itself
            first = next((each for each in offered if each is not self._yes), self._leave)
            (self._name if self._name.isVisible() else first).setFocus(Qt.FocusReason.OtherFocusReason)
            self._takes_focus = self._is_busy or not (offered or first.isEnabled())

    @Slot()
    def _ask(self) -> None:
        """Have the plan made."""
        finding = self._finding
        if finding is None:
            return
        name = one_line(self._name.text()).strip()
        if finding.rule in _ASKED and not name:
            return
        self._turn += 1
        turn = self._turn
        self._plan = None
        self._show(_PLANNING)

        def planned(answer: object) -> None:
            if turn == self._turn and isinstance(answer, RepairPlan):
                self._plan = answer
                if answer.changes:
                    self._show(f"{answer.title}: {answer.place}. {_PLANNED}", self._apply)
                else:
                    self._show(_EMPTY)

        def failed(text: str, hint: str) -> None:
            if turn == self._turn:
                offered = (self._show_plan,) if finding.rule in _ASKED else ()
                self._show(f"{text} {hint}".strip(), *offered)

        asked = PlanRepair(
            project=self._project,
            fingerprint=finding.fingerprint,
            logs_to=name if finding.rule == NEEDS_BUCKET else "",
            kms_key=name if finding.rule == NEEDS_KEY else "",
        )
        self._context.request(asked, planned, failed)

    @Slot()
    def _make_sure(self) -> None:
        self._agrees_to_return = False
        self._ask_whether("Apply now", _SURE)

    @Slot()
    def _make_sure_of_return(self) -> None:
        self._agrees_to_return = True
        self._ask_whether("Put back now", _BACK_SURE)

    def _ask_whether(self, yes: str, sure: str) -> None:
        set_text(self._yes, yes)
        self._yes.setAccessibleName(yes)
        self._show(self._status.text(), self._yes, self._no, sure=sure)

    @Slot()
    def _think_better(self) -> None:
        self._show(self._status.text(), self._roll_back if self._agrees_to_return else self._apply)

    @Slot()
    def _go(self) -> None:
        if self._agrees_to_return:
            self._return()
        else:
            self._do()

    def _do(self) -> None:
        finding, plan = self._finding, self._plan
        if finding is None or plan is None:
            return
        self._is_busy = True
        self._show(_APPLYING)

        def done(answer: object) -> None:
            if isinstance(answer, RepairOutcome):
                if answer.is_done:
                    self._applied[finding.fingerprint] = answer
                self._end(finding, lambda: self._show_outcome(_DONE if answer.is_done else _NOTHING, answer))

        def failed(text: str, hint: str) -> None:
            self._end(finding, lambda: self._show(f"{text} {hint}".strip()))

        asked = ApplyRepair(project=self._project, fingerprint=finding.fingerprint, digest=plan.digest)
        self._context.request(asked, done, failed)

    def _return(self) -> None:
        finding = self._finding
        if finding is None:
            return
        self._is_busy = True
        self._show(_RETURNING)

        def done(answer: object) -> None:
            if isinstance(answer, RepairOutcome):
                self._applied.pop(finding.fingerprint, None)
                self._plan = None
                self._end(
                    finding,
                    lambda: self._show(_AS_BEFORE if answer.is_done else _NOTHING, journal="\n".join(answer.journal)),
                )

        def failed(text: str, hint: str) -> None:
            self._end(finding, lambda: self._show(f"{text} {hint}".strip(), self._roll_back))

        self._context.request(RollBackRepair(project=self._project, fingerprint=finding.fingerprint), done, failed)

    def _end(self, finding: Finding, show: Callable[[], None]) -> None:
        """Show what came of it, unless the panel is at another finding by now."""
        if self._finding == finding:
            self._is_busy = False
            show()

    def _show_outcome(self, status: str, outcome: RepairOutcome) -> None:
        self._plan = None
        where = f" The state before is in {outcome.state}." if outcome.state else ""
        offered = (self._roll_back,) if outcome.state else ()
        self._show(f"{status}{where}", *offered, journal="\n".join(outcome.journal))
