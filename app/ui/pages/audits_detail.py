"""The right of the Audits page: all that is said of a finding, the lines around it, and muting it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.domain import auditwords, words
from app.domain.commands import MuteFinding, ReadFindingHistory, UnmuteFinding
from app.domain.findinglines import may_be_read
from app.domain.findings import FindingHistory, Standing
from app.domain.repairs import REPAIRABLE
from app.engine.regular import read_regular
from app.ui.audits_view import DAYS, excerpt, finding_detail
from app.ui.pages.audits_repair import RepairPanel
from app.ui.pages.explain_parts import FlowText
from app.ui.parts import Card, ElidedLabel, button, focus_of, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.findings import AuditReport, Finding, Standings
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

LARGEST_FILE = 2 << 20
"""Bytes of a file that is read for the lines around a finding."""
LONGEST_REASON = 400
_MARK = 20
_NOTHING = "Choose a finding to see what shows it, and what to do about it."


class MuteForm(QWidget):
    """Why a finding is to be silent, and for how long.

    Args:
        mute: Called with the reason and the number of days, 0 for good.
        leave: Called when the person has thought better of it.
    """

    def __init__(self, mute: Callable[[str, int], None], leave: Callable[[], None]) -> None:
        super().__init__()
        self._mute = mute
        self._reason = QLineEdit()
        self._reason.setMaxLength(LONGEST_REASON)
        self._reason.setPlaceholderText("Why? For example: a key of the test server")
        self._reason.setAccessibleName("Reason for muting")
        self._reason.textChanged.connect(self._enable)
        self._reason.returnPressed.connect(self._send)
        self._days = QComboBox()
        self._days.setAccessibleName("How long it is muted")
        for name, days in DAYS:
            self._days.addItem(name, days)
        self._days.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self._send_button = button("Mute", "primary", "Be silent about this finding, here and in the command")
        self._send_button.clicked.connect(self._send)
        cancel = button("Cancel")
        cancel.setAccessibleName("Cancel muting")
        cancel.clicked.connect(leave)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE)
        box.addWidget(self._reason)
        box.addLayout(row(self._days, self._send_button, cancel, 1))
        self._leave = leave
        self._enable()

    def event(self, event: QEvent) -> bool:
        """Take Escape from the window's shortcut, wherever in the form it is pressed."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self._leave()
                return True
        return super().event(event)

    def open(self) -> None:
        """Begin with an empty reason."""
        self._reason.clear()
        self._days.setCurrentIndex(0)
        self.show()
        self._reason.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _enable(self) -> None:
        self._send_button.setEnabled(bool(self._reason.text().strip()))

    @Slot()
    def _send(self) -> None:
        reason = words.one_line(self._reason.text())
        if reason:
            self._mute(reason, int(self._days.currentData()))


class FindingPane(Card):
    """What is known of the chosen finding."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName("Finding")
        self._context = context
        self._theme = theme
        self._project = ""
        self._report: AuditReport | None = None
        self._shown: Standings | None = None
        self._history: FindingHistory | None = None
        self._turn = 0
        self._icon = QLabel()
        self._icon.setFixedSize(_MARK, _MARK)
        self._title = label("", "heading", wraps=True)
        self._place = ElidedLabel()
        self._place.setObjectName("strong")
        self._facts = label("", "muted", wraps=True)
        self._muted = label("", "muted", wraps=True)
        self._evidence = FlowText("Evidence", is_code=True)
        self._detail = FlowText("More about it")
        self._remedy_title = label("What to do", "section")
        self._remedy = label("", wraps=True)
        self._explain = button("Explain", tooltip="Have a model explain it, or show what was said of it before")
        self._explain.setAccessibleName("Explain the finding")
        self._explain.clicked.connect(self._talk)
        self._mute_button = button("Mute\u2026", tooltip="Be silent about this finding, for a reason")
        self._mute_button.clicked.connect(self._open_form)
        self._tell = button("Tell again", tooltip="Be silent about this finding no longer")
        self._tell.clicked.connect(self._tell_again)
        self._repair_button = button("Repair\u2026", tooltip="See how it would be repaired; nothing is changed yet")
        self._repair_button.clicked.connect(self._open_repair)
        self._repair = RepairPanel(context, self._close_repair)
        self._form = MuteForm(self._mute, self._close_form)
        self._nothing = label(_NOTHING, "muted", wraps=True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._lay_out()
        self.show_finding("", None, None)

    def show_finding(self, project: str, report: AuditReport | None, shown: Standings | None) -> None:
        """Show a finding of a report, or that none is chosen.

        Args:
            project: The project's root folder.
            report: The audit that has found it.
            shown: What was found; None for nothing.
        """
        is_other = (project, shown) != (self._project, self._shown)
        self._project, self._report, self._shown = project, report, shown
        if is_other or shown is None or self._stack.currentWidget() is not self._repair:
            self._stack.setCurrentIndex(0 if shown is not None else 1)
        set_text(self._nothing, _NOTHING if report is not None and (report.findings or report.fixed) else "")
        if shown is None or report is None or not is_other:
            return
        self._turn += 1
        self._ask_since(project, shown.finding, self._turn)
        self._history = None
        view = finding_detail(shown)
        own = (*self._form.findChildren(QWidget), self._tell, self._mute_button)
        had_focus = focus_of(self) in own
        self._form.hide()
        set_text(self._title, view.title)
        self._place.setText(view.place)
        self._place.setVisible(bool(view.place))
        self.tick()
        set_text(self._muted, view.muted)
        self._muted.setVisible(bool(view.muted))
        self._evidence.show_text(view.evidence)
        self._detail.show_text(view.detail)
        set_text(self._remedy, view.remedy)
        for each in (self._remedy, self._remedy_title):
            each.setVisible(bool(view.remedy))
        self._mute_button.setVisible(view.can_mute)
        self._explain.setVisible(not report.target)  # what a person agreed to send is source, and no account
        is_there = shown.standing is not Standing.FIXED
        self._repair_button.setVisible(bool(report.target) and is_there and shown.finding.rule in REPAIRABLE)
        self._tell.setVisible(view.can_tell)
        if had_focus:
            (self._tell if view.can_tell else self._mute_button).setFocus(Qt.FocusReason.OtherFocusReason)
        self._draw_mark()
        if may_be_read(shown.finding, report):
            self._read(project, shown.finding)

    def tick(self) -> None:
        """Bring up to date since when the finding is known."""
        if self._shown is None:
            return
        history = self._history
        since = auditwords.since(history, self._context.clock.wall()) if history is not None else ""
        set_text(self._facts, " \u00b7 ".join(filter(None, (finding_detail(self._shown).facts, since))))

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        self._draw_mark()

    def _lay_out(self) -> None:
        inside = QWidget()
        inside.setObjectName("flow")
        inside.setStyleSheet("#flow { background: transparent; }")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE)
        head = row(self._icon, self._title)
        head.setStretch(1, 1)
        head.setAlignment(self._icon, Qt.AlignmentFlag.AlignTop)
        column.addLayout(head)
        for each in (self._place, self._facts, self._muted, self._evidence, self._detail, self._remedy_title):
            column.addWidget(each)
        column.addWidget(self._remedy)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.viewport().setAutoFillBackground(False)
        scroll.setWidget(inside)
        whole = QWidget()
        outer = QVBoxLayout(whole)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(SPACE)
        outer.addWidget(scroll, 1)
        outer.addWidget(self._form)
        outer.addLayout(row(self._explain, self._repair_button, self._mute_button, self._tell, 1))
        self._stack.addWidget(whole)
        self._stack.addWidget(self._nothing)
        self._stack.addWidget(self._repair)
        self.body.addWidget(self._stack)

    def _draw_mark(self) -> None:
        if self._shown is not None:
            severity = self._shown.finding.severity
            pixmap = self._context.icons.symbol(
                f"severity-{severity}", self._theme.severity(severity), _MARK, self.devicePixelRatioF()
            )
            self._icon.setPixmap(pixmap)
            self._icon.setAccessibleName(f"Severity {severity}")

    def _ask_since(self, project: str, finding: Finding, turn: int) -> None:
        """Add since when the finding is known; without the history nothing is missing."""

        def told(history: object) -> None:
            if turn == self._turn and isinstance(history, FindingHistory):
                self._history = history
                self.tick()

        asked = ReadFindingHistory(project=project, fingerprint=finding.fingerprint)
        self._context.request(asked, told, lambda _message, _hint: None)

    def _read(self, project: str, finding: Finding) -> None:
        """Show the lines around a finding once a thread has read them."""
        turn = self._turn

        async def read() -> None:
            text = await asyncio.to_thread(read_source, Path(project), finding.path)
            around = excerpt(text, finding)
            if turn == self._turn and around:
                self._evidence.show_text(around)

        self._context.spawn(read(), name="window: lines around a finding", on_error=lambda _error: None)

    @Slot()
    def _talk(self) -> None:
        if self._shown is not None:
            self._context.explain_finding(self._project, self._shown.finding)

    @Slot()
    def _open_repair(self) -> None:
        if self._shown is not None:
            self._stack.setCurrentWidget(self._repair)
            self._repair.open(self._project, self._shown.finding)

    @Slot()
    def _close_repair(self) -> None:
        self._stack.setCurrentIndex(0)
        self._repair_button.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _open_form(self) -> None:
        self._mute_button.hide()
        self._form.open()

    @Slot()
    def _close_form(self) -> None:
        self._form.hide()
        self._mute_button.show()
        self._mute_button.setFocus(Qt.FocusReason.OtherFocusReason)

    def _mute(self, reason: str, days: int) -> None:
        if self._shown is not None:
            which = self._shown.finding.fingerprint
            command = MuteFinding(project=self._project, fingerprint=which, reason=reason, days=days)
            self._context.request(command)

    @Slot()
    def _tell_again(self) -> None:
        if self._shown is not None:
            which = self._shown.finding.fingerprint
            self._context.request(UnmuteFinding(project=self._project, fingerprint=which))

    def sizeHint(self) -> QSize:
        """Return a size in which a line of code can be read."""
        return QSize(480, 320)


def read_source(root: Path, path: str) -> str:
    """Return the text of a project's file; nothing of one that lies elsewhere, is too large, or cannot be read. Blocks.

    Args:
        root: The project's root folder.
        path: The file, relative to it.
    """
    try:
        target = (root / path).resolve()
        if not target.is_relative_to(root.resolve()):
            return ""
        content = read_regular(target, LARGEST_FILE)
    except (OSError, ValueError):
        return ""
    return content.decode("utf-8", "replace") if len(content) <= LARGEST_FILE else ""
