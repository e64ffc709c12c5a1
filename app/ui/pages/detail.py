"""The pane beside the tree: what a test said last, how it went before, and what broke it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from app.domain.commands import ReadTest, ReadWhy
from app.domain.history import TestDetail, Why
from app.ui.detail_view import DetailView, detail_view, output_title, project_detail
from app.ui.pages.coverage import CoveragePart
from app.ui.pages.explain import ExplainPart
from app.ui.pages.explain_parts import FittingScroll, Sides
from app.ui.pages.why import WhyPart
from app.ui.painted import HistoryPlot
from app.ui.parts import Card, ElidedLabel, button, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.snapshot import ProjectView
    from app.domain.verdicts import TestState
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_NOTHING = "Choose a test to see what it printed, how it went before, and what broke it."
_EXPLANATION, _OUTPUT, _HISTORY = range(3)
_SIDES = (
    ("Why red", "left", "Why it is red: what is known here, and what a model says"),
    ("Output", "middle", "What it printed"),
    ("History", "right", "How it went before, and why it ran"),
)


class DetailPane(Card):
    """What is known of one test, or of a project's last run.

    A red test has more to show than there is room for, so it has sides to choose between; what a person chose stays.
    """

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName("Details")
        self._context = context
        self._theme = theme
        self._projects: Mapping[str, ProjectView] = {}
        self.project = ""
        self.nodeid: str | None = None
        self._detail: TestDetail | None = None
        self._why: Why | None = None
        self._seen: tuple[object, ...] = ()
        self._turn = 0

        self._icon = QLabel()
        self._icon.setFixedSize(22, 22)
        self._title = ElidedLabel()
        self._title.setObjectName("heading")
        self._place = ElidedLabel()
        self._place.setObjectName("muted")
        self._facts = label("", wraps=True)
        self._sides = Sides(_SIDES)
        self._sides.chosen.connect(self._show_head)
        self._explain = ExplainPart(context, theme)
        self._explain.changed.connect(self._show_head)
        self._why_part = WhyPart()
        self._coverage = CoveragePart(context, theme)
        self._plot_title = label("Last runs, the newest at the right", "section")
        self._plot = HistoryPlot(theme)
        self._output_title = label("Output", "section")
        self._copy = button("Copy output", tooltip="Copy the output to the clipboard")
        self._copy.clicked.connect(self._copy_output)
        self._copy_id = button("Copy test id", tooltip="Copy the id that pytest understands")
        self._copy_id.clicked.connect(self._copy_nodeid)
        self._output = _output_field()
        self._nothing = label(_NOTHING, "muted", wraps=True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)

        self._past = QWidget()
        self._history = FittingScroll("History", self._past)
        self._rest = QWidget()
        self._build()
        self._show_head()

    def follow(self, projects: Mapping[str, ProjectView]) -> None:
        """Follow the snapshot's projects: ask again when the chosen test ran again."""
        if projects is self._projects:
            self._explain.tick()
            return
        self._projects = projects
        if not self.project:
            return
        self._follow_explanation()
        seen = self._what_counts()
        if seen != self._seen:
            self._seen = seen
            self._show_head()
            self._read()
            self._explain.read()

    def show_test(self, project: str, nodeid: str | None) -> None:
        """Show a test, or with no node id its project."""
        if (project, nodeid) == (self.project, self.nodeid):
            return
        self.project, self.nodeid, self._detail, self._why = project, nodeid, None, None
        self._seen = self._what_counts()
        self._output.clear()
        self._follow_explanation()
        self._show_head()
        self._read()

    def show_group(self, title: str, figures: str) -> None:
        """Show the figures of a file or a class."""
        self.project, self.nodeid, self._detail, self._why, self._seen = "", None, None, None, ()
        self._turn += 1
        self._output.clear()
        self._follow_explanation()
        self._lay_out(DetailView(title, figures, ()), is_test=False, has_output=False)

    def tick(self) -> None:
        """Bring ages up to date."""
        if self.project:
            self._explain.tick()
            self._show_head()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        self._plot.show_moments(self._detail.moments if self._detail else (), self._context.clock.wall(), theme)
        self._coverage.wear(theme)
        self._explain.wear(theme)
        if self.project:
            self._show_head()

    def _build(self) -> None:
        past = QVBoxLayout(self._past)
        past.setContentsMargins(0, 0, 0, 0)
        past.setSpacing(SPACE)
        for each in (self._facts, self._why_part, self._plot_title, self._plot):
            past.addWidget(each)
        head = QVBoxLayout()
        head.setSpacing(2)
        head.addWidget(self._title)
        head.addWidget(self._place)
        top = row(self._icon, spacing=SPACE + 2)
        top.addLayout(head, 1)
        self.body.addLayout(top)
        self.body.addWidget(self._sides)
        self.body.addWidget(self._explain, 1)
        self.body.addWidget(self._history)
        self.body.addWidget(self._coverage, 2)
        self.body.addLayout(row(self._output_title, 1, self._copy_id, self._copy))
        self.body.addWidget(self._output, 1)
        self.body.addWidget(self._nothing, 1)
        self.body.addWidget(self._rest, 1)

    def _follow_explanation(self) -> None:
        state, view = self._state(), self._projects.get(self.project)
        if state is None or view is None or not state.outcome.is_red:
            self._explain.show_test("", "", None)
        else:
            self._explain.show_test(self.project, state.nodeid, view.explained.get(state.nodeid))

    def _state(self) -> TestState | None:
        view = self._projects.get(self.project)
        return view.tests.get(self.nodeid) if view is not None and self.nodeid else None

    def _what_counts(self) -> tuple[object, ...]:
        """Return what, when it changes, makes another answer of the history likely."""
        view, state = self._projects.get(self.project), self._state()
        last = view.last if view is not None else None
        if self.nodeid is None:
            return last, view.coverage if view is not None else None, view.changed_lines if view is not None else None
        # The history is written a moment after the snapshot: when the run has ended, the answer is asked for once more.
        return state, last.run_id if last is not None and state is not None and last.run_id == state.run_id else ""

    def _read(self) -> None:
        self._turn += 1
        turn = self._turn
        if self.nodeid is None:
            view = self._projects.get(self.project)
            self._set_output(view.last.output if view is not None and view.last is not None else "")
            return

        def answered(answer: object) -> None:
            if turn == self._turn and isinstance(answer, TestDetail):
                self._detail = answer
                self._set_output(answer.output)
                self._plot.show_moments(answer.moments, self._context.clock.wall(), self._theme)
                self._show_head()

        def failed(text: str, hint: str) -> None:
            if turn == self._turn:
                self._set_output(f"{text} {hint}".strip())

        def reasoned(answer: object) -> None:
            if turn == self._turn:
                self._why = answer if isinstance(answer, Why) else None
                self._show_head()

        def unexplained(_text: str, _hint: str) -> None:
            reasoned(None)

        self._context.request(ReadTest(project=self.project, nodeid=self.nodeid), answered, failed)
        self._context.request(ReadWhy(project=self.project, nodeid=self.nodeid), reasoned, unexplained)

    def _set_output(self, text: str) -> None:
        if self._output.toPlainText() != text:
            bar = self._output.verticalScrollBar()
            place = bar.value()
            self._output.setPlainText(text)
            bar.setValue(place)
        self._show_head()

    def _show_head(self) -> None:
        now = self._context.clock.wall()
        view, state = self._projects.get(self.project), self._state()
        if self.nodeid is not None:
            shown = detail_view(view, self.nodeid, state, self._detail, now)
        elif view is not None:
            shown = project_detail(view, now)
        else:
            shown = DetailView("", "", ())
        set_text(self._output_title, output_title(state, self._detail) if self.nodeid else "What pytest said last")
        self._lay_out(shown, is_test=self.nodeid is not None, has_output=not self._output.document().isEmpty())

    def _lay_out(self, shown: DetailView, *, is_test: bool, has_output: bool) -> None:
        self._title.setText(shown.title)
        self._place.setText(shown.place)
        self._title.setVisible(bool(shown.title))
        self._place.setVisible(bool(shown.place))
        self._icon.setVisible(shown.outcome is not None)
        if shown.outcome is not None:
            self._icon.setPixmap(
                self._context.icons.symbol(
                    f"outcome-{shown.outcome.value}",
                    self._theme.outcome(shown.outcome),
                    22,
                    self.devicePixelRatioF(),
                )
            )
        has_sides = is_test and self._explain.has_one
        self._sides.setVisible(has_sides)
        self._explain.setVisible(has_sides and self._sides.side == _EXPLANATION)
        self._show_history(shown, is_test=is_test, is_seen=not has_sides or self._sides.side == _HISTORY)
        has_coverage = self._show_coverage(is_test=is_test)
        sees_output = not has_sides or self._sides.side == _OUTPUT
        for each in (self._output, self._output_title, self._copy):
            each.setVisible(has_output and sees_output)
        self._copy_id.setVisible(is_test and sees_output)
        self._nothing.setVisible(not has_output and not has_coverage and sees_output)
        self._rest.setVisible(has_sides and self._sides.side == _HISTORY)
        if shown.title:
            set_text(self._nothing, "It printed nothing." if is_test else "")
        else:
            set_text(self._nothing, _NOTHING)

    def _show_history(self, shown: DetailView, *, is_test: bool, is_seen: bool) -> None:
        set_text(self._facts, "\n".join(shown.facts))
        self._facts.setVisible(bool(shown.facts) and is_seen)
        self._why_part.show_why(self._why if is_seen else None)
        has_history = is_test and is_seen and self._detail is not None and bool(self._detail.moments)
        self._plot_title.setVisible(has_history)
        self._plot.setVisible(has_history)
        self._history.setVisible(is_seen and bool(shown.facts))

    def _show_coverage(self, *, is_test: bool) -> bool:
        view = self._projects.get(self.project) if not is_test else None
        return self._coverage.show_coverage(view.coverage if view is not None else None)

    @Slot()
    def _copy_output(self) -> None:
        QGuiApplication.clipboard().setText(self._output.toPlainText())

    @Slot()
    def _copy_nodeid(self) -> None:
        QGuiApplication.clipboard().setText(self.nodeid or "")


def _output_field() -> QPlainTextEdit:
    made = QPlainTextEdit()
    made.setReadOnly(True)
    made.setAccessibleName("Output")
    made.setTabChangesFocus(True)
    made.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    made.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    return made
