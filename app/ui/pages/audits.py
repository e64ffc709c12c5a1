"""The Audits page: what the last audit of a project found, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from app.domain import words
from app.domain.commands import CancelAudit, ReadAudit, ReadAudits, StartAudit
from app.domain.findings import AuditReport, AuditVerdict, Past, Severity
from app.ui.audits_view import (
    NO_ACCOUNT_AUDIT,
    NO_AUDIT,
    NOT_READ,
    all_findings,
    audit_headline,
    check_rows,
    standing_of,
    trend,
)
from app.ui.headline import ADD_PROJECT, NO_PROJECT
from app.ui.items import side_by_side
from app.ui.pages.audits_checks import ChecksPart
from app.ui.pages.audits_detail import FindingPane
from app.ui.pages.audits_list import FindingsList
from app.ui.pages.audits_save import ask_where
from app.ui.parts import ElidedLabel, Page, button, focus_of, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent, QShowEvent

    from app.domain.findings import AuditView
    from app.domain.snapshot import Snapshot
    from app.ui.audits_view import AuditHeadline
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_MARK, _SMALL = 26, 14
_SMALL_HEIGHT, _LOW, _HIGH = 560, 100, 150
"""Below which height of the page its foot is low, and how high it is then and else."""
_READING = "Reading the last audit\u2026"
_SYMBOLS = {
    AuditVerdict.PASS: "outcome-passed",
    AuditVerdict.FAIL: "severity-high",
    AuditVerdict.UNKNOWN: "verdict-unknown",
}


class AuditsPage(Page):
    """The audits of one project or account; which one is chosen at the top, where there are several."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = theme
        self._snapshot: Snapshot | None = None
        self._project = ""
        self._view: AuditView | None = None
        self._report: AuditReport | None = None
        self._past: tuple[Past, ...] = ()
        self._seen: AuditView | None = None
        self._turn = 0
        self._is_reading = False
        self._is_stale = True
        self._is_moved = False
        self._said = ""
        self._make_parts(theme)
        self._lay_out()
        self._show()

    @property
    def list(self) -> FindingsList:
        """The findings."""
        return self._list

    @property
    def pane(self) -> FindingPane:
        """What is shown of the chosen one."""
        return self._pane

    @property
    def checks(self) -> ChecksPart:
        """What the checks came to."""
        return self._checks

    def show_project(self, project: str) -> None:
        """Look at a project, by its root folder; at the one of before when it is not watched."""
        if project and (self._snapshot is None or project in _names(self._snapshot)):
            self._look_at(project)

    def render_snapshot(self, snapshot: Snapshot) -> None:
        """Show where the audits stand; a report is read again when it may be another."""
        self._snapshot = snapshot
        names = _names(snapshot)
        if self._project not in names:
            worst = sorted(names, key=lambda root: -snapshot.audits[root].grave if root in snapshot.audits else 0)
            self._look_at(worst[0] if worst else "")
        self._fill_chooser(snapshot)
        self._view = snapshot.audits.get(self._project)
        if self._project and (self._is_stale or self._is_another()):
            self._read()
        self._show()

    def tick(self) -> None:
        """Bring ages up to date."""
        self._show_head()
        self._pane.tick()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        for each in (self._list, self._pane, self._checks):
            each.wear(theme)
        icons = self._context.icons
        self._audit.setIcon(icons.symbol_icon("button-run", theme.accent_text, disabled=theme.muted))
        self._stop.setIcon(icons.symbol_icon("button-stop", theme.muted))
        self._show_head()

    def focus_search(self) -> bool:
        """Put the cursor into the search field."""
        self._list.focus_search()
        return True

    def showEvent(self, event: QShowEvent) -> None:
        """Have the last audit read anew at the next snapshot: a command may have made one meanwhile."""
        super().showEvent(event)
        if not event.spontaneous():
            self._is_stale = True

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the findings the more room the less there is, until a person has moved the line themselves."""
        super().resizeEvent(event)
        if not self._is_moved:
            low = _LOW if event.size().height() < _SMALL_HEIGHT else _HIGH
            self._down.setSizes([max(event.size().height() - low, low), low])

    def _make_parts(self, theme: Theme) -> None:
        self._chooser = QComboBox()
        self._chooser.setAccessibleName("Project or account")
        self._chooser.activated.connect(self._choose_project)
        self._mark = QLabel()
        self._mark.setFixedSize(_MARK, _MARK)
        self._title = ElidedLabel(Qt.TextElideMode.ElideRight)
        self._title.setObjectName("title")
        self._line = ElidedLabel(Qt.TextElideMode.ElideRight)
        self._line.setObjectName("muted")
        self._audit = button("Audit now", "primary", "Look it over now")
        self._audit.clicked.connect(self._begin)
        self._stop = button("Stop", tooltip="End the audit that is on its way")
        self._stop.setAccessibleName("Stop the audit")
        self._stop.clicked.connect(self._cancel)
        self._save = button("Save\u2026", tooltip="Save the report as HTML, Markdown, SARIF or JSON")
        self._save.setAccessibleName("Save the report")
        self._save.clicked.connect(self._ask_where)
        self._counts = {severity: (QLabel(), label("", "muted")) for severity in reversed(Severity)}
        self._list = FindingsList(self._context, theme)
        self._list.chosen.connect(self._choose)
        self._pane = FindingPane(self._context, theme)
        self._checks = ChecksPart(self._context, theme)
        self._empty = label("", "muted", wraps=True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()

    def _lay_out(self) -> None:
        said = QVBoxLayout()
        said.setSpacing(2)
        said.addWidget(self._title)
        said.addWidget(self._line)
        head = row(self._mark, spacing=SPACE + 4)
        head.addLayout(said, 1)
        for each in (self._stop, self._audit):
            head.addWidget(each)
        split = side_by_side(self._list, self._pane, sizes=(370, 450))
        down = QSplitter(Qt.Orientation.Vertical)
        down.setHandleWidth(SPACE + 4)
        down.addWidget(split)
        down.addWidget(self._checks)
        down.setStretchFactor(0, 1)
        down.setStretchFactor(1, 0)
        down.setCollapsible(0, False)  # noqa: FBT003 - Qt's own signature
        down.splitterMoved.connect(self._note_moved)
        self._down = down
        empty = QWidget()
        middle = QHBoxLayout(empty)
        middle.addStretch(1)
        middle.addWidget(self._empty, 4)
        middle.addStretch(1)
        self._stack.addWidget(down)
        self._stack.addWidget(empty)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        box.setSpacing(SPACE + 4)
        box.addLayout(head)
        box.addLayout(self._make_counts())
        box.addWidget(self._stack, 1)

    def _make_counts(self) -> QHBoxLayout:
        counts = row(spacing=SPACE // 2)
        for mark, text in self._counts.values():
            counts.addWidget(mark)
            counts.addWidget(text)
            counts.addSpacing(SPACE)
        counts.addStretch(1)
        counts.addWidget(self._chooser)
        counts.addSpacing(SPACE // 2)
        counts.addWidget(self._save)
        return counts

    def _look_at(self, project: str) -> None:
        if project == self._project:
            return
        self._turn += 1
        self._project, self._report, self._past, self._seen, self._said = project, None, (), None, ""
        self._view = self._snapshot.audits.get(project) if self._snapshot is not None else None
        self._is_reading, self._is_stale = False, True
        self._list.forget_chosen()

    def _fill_chooser(self, snapshot: Snapshot) -> None:
        names = _names(snapshot)
        roots = list(names)
        if roots != [self._chooser.itemData(place) for place in range(self._chooser.count())]:
            self._chooser.clear()
            for root, name in names.items():
                self._chooser.addItem(words.one_line(name), root)
        self._chooser.setVisible(len(roots) > 1)
        place = self._chooser.findData(self._project)
        if place != self._chooser.currentIndex():
            self._chooser.setCurrentIndex(place)

    def _is_another(self) -> bool:
        """Return whether the report may differ from the one that was read: by a new audit, or by what is muted."""
        view, seen = self._view, self._seen
        if view is None or not view.last_id:
            return False
        return seen is None or (view.last_id, view.open, view.new) != (seen.last_id, seen.open, seen.new)

    def _read(self) -> None:
        if not self.isVisible():
            return
        self._turn += 1
        turn, self._seen = self._turn, self._view
        self._is_reading, self._is_stale = True, False

        def read(answer: object) -> None:
            if turn == self._turn:
                self._is_reading = False
                self._report = answer if isinstance(answer, AuditReport) else None
                self._show()

        def failed(text: str, hint: str) -> None:
            if turn == self._turn:
                self._is_reading = False
                self._context.complain(text, hint)
                self._show()

        def past(answer: object) -> None:
            if turn == self._turn and isinstance(answer, tuple):
                self._past = tuple(each for each in answer if isinstance(each, Past))
                self._show()

        self._context.request(ReadAudit(project=self._project), read, failed)
        self._context.request(ReadAudits(project=self._project), past, failed)

    def _show(self) -> None:
        self._show_head()
        has_any = bool(self._snapshot is not None and _names(self._snapshot))
        nothing = f"{NO_PROJECT}.\n{ADD_PROJECT}" if not has_any else NO_AUDIT
        if self._view is not None and self._view.target:
            nothing = NO_ACCOUNT_AUDIT
        if self._report is None and self._view is not None and self._view.last_id:
            nothing = _READING if self._is_reading else NOT_READ
        set_text(self._empty, nothing)
        self._stack.setCurrentIndex(0 if self._report is not None else 1)
        self._list.show_report(self._report)
        if self._report is not None:
            self._checks.show_checks(check_rows(self._report))
        self._checks.show_trend(trend(self._past, self._context.clock.wall()))

    def _show_head(self) -> None:
        stands = standing_of(self._view, self._report)
        view = audit_headline(stands, self._report, self._context.clock.wall())
        self._title.setText(view.title)
        target = words.one_line(self._report.target) if self._report is not None else ""
        self._line.setText(" \u00b7 ".join(filter(None, (target, view.detail, self._said))))
        self._show_buttons(view)
        ratio, icons = self.devicePixelRatioF(), self._context.icons
        if view.verdict is not None:
            colors = {AuditVerdict.PASS: self._theme.green, AuditVerdict.FAIL: self._theme.red}
            color = colors.get(view.verdict, self._theme.amber)
            if view.verdict is AuditVerdict.FAIL and stands is not None and not stands.grave:
                color = self._theme.amber
            self._mark.setPixmap(icons.symbol(_SYMBOLS[view.verdict], color, _MARK, ratio))
            self._mark.setAccessibleName(f"Verdict: {view.verdict.value}")
        self._mark.setVisible(view.verdict is not None)
        counts = dict(view.counts)
        for severity, (mark, text) in self._counts.items():
            count = counts.get(severity, 0)
            color = self._theme.severity(severity) if count else self._theme.muted
            mark.setPixmap(icons.symbol(f"severity-{severity}", color, _SMALL, ratio))
            set_text(text, f"{count:,} {severity.value}")
            for each in (mark, text):
                each.setVisible(bool(view.counts))

    def _show_buttons(self, view: AuditHeadline) -> None:
        """Offer to begin or to stop; who has pressed the one that goes stays at the one that comes."""
        goes, comes = (self._audit, self._stop) if view.is_running else (self._stop, self._audit)
        had_focus = focus_of(goes) is goes
        comes.show()
        goes.hide()
        if had_focus:
            comes.setFocus(Qt.FocusReason.OtherFocusReason)
        is_free = self._snapshot is not None and not self._snapshot.stopping
        self._audit.setEnabled(bool(self._project) and is_free)
        self._save.setVisible(self._report is not None)

    @Slot()
    def _note_moved(self) -> None:
        self._is_moved = True

    @Slot(int)
    def _choose_project(self, place: int) -> None:
        self._look_at(str(self._chooser.itemData(place)))
        if self._snapshot is not None:
            self.render_snapshot(self._snapshot)

    @Slot(str, str)
    def _choose(self, fingerprint: str, standing: str) -> None:
        report = self._report
        found = None
        if report is not None and fingerprint:
            which = (fingerprint, standing)
            found = next((e for e in all_findings(report) if (e.finding.fingerprint, e.standing.value) == which), None)
        self._pane.show_finding(self._project, report, found)

    @Slot()
    def _begin(self) -> None:
        self._said = ""
        self._context.request(StartAudit(project=self._project))

    @Slot()
    def _cancel(self) -> None:
        self._context.request(CancelAudit(project=self._project))

    @Slot()
    def _ask_where(self) -> None:
        if self._report is not None:
            before = tuple(each for each in self._past if each.at < self._report.started_at)
            ask_where(self._context, self._report, before, self.window(), self._saved)

    def _saved(self, path: str) -> None:
        self._said = f"Saved to {path}"
        self._show_head()


def _names(snapshot: Snapshot) -> dict[str, str]:
    """Return what is audited by its root folder, and what people call it: projects first, then accounts."""
    projects = {root: project.name for root, project in snapshot.projects.items()}
    return {**projects, **{each.project: each.target for each in snapshot.accounts}}
