"""The rows of the Now page: a run, a project, an agent. Each is kept and only its texts change."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.domain.commands import Resume
from app.ui.painted import HeartbeatTrace, RunBar
from app.ui.parts import ElidedLabel, button, label, row, set_text
from app.ui.theme import SPACE
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.ui.beats import Beat
    from app.ui.now_view import AgentRow, ProjectRow, RunPanel
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

W = TypeVar("W", bound=QWidget)


def keep_rows(kept: dict[str, W], box: QVBoxLayout, keys: Sequence[str], make: Callable[[str], W]) -> list[W]:
    """Return one widget for each key, in order: those that are there stay, others are made or thrown away."""
    if list(kept) != list(keys):
        for key in [k for k in kept if k not in keys]:
            gone = kept.pop(key)
            box.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        ordered = {key: kept.get(key) or make(key) for key in keys}
        kept.clear()
        kept.update(ordered)
        for place, widget in enumerate(kept.values()):
            if box.indexOf(widget) != place:
                box.removeWidget(widget)
                box.insertWidget(place, widget)
                widget.show()  # a layout shows what it was given only a turn later, which would flicker
    return list(kept.values())


class _Row(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(0, 0, 0, 0)
        self.box.setSpacing(3)


class RunLines(_Row):
    """A run that goes on: its bar, how far it is, what runs now and for how long."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.box.setContentsMargins(0, SPACE, 0, 0)
        self.box.setSpacing(6)
        self._bar = RunBar(theme)
        self._progress = label("", "strong")
        self._running = ElidedLabel()
        self._running.setObjectName("muted")
        self._elapsed = label("", "muted")
        self.box.addWidget(self._bar)
        line = row(self._progress)
        line.addWidget(self._running, 1)
        line.addWidget(self._elapsed)
        self.box.addLayout(line)

    def show_run(self, run: RunPanel, theme: Theme, *, several: bool) -> None:
        """Show how far a run is."""
        self._bar.show_run(run.counts, run.expected, theme)
        set_text(self._progress, f"{run.name}: {run.progress}" if several else run.progress)
        self._running.setText(run.running)
        set_text(self._elapsed, run.elapsed)


class ProjectLine(_Row):
    """A project: its state, its last verdict with age and cause, and what went wrong."""

    def __init__(self, context: PageContext) -> None:
        super().__init__()
        self._context = context
        self._root = ""
        self._icon = QLabel()
        self._icon.setFixedSize(18, 18)
        self._name = ElidedLabel()
        self._name.setObjectName("strong")
        self._state = label("")
        self._detail = ElidedLabel()
        self._detail.setObjectName("muted")
        self._trouble = label("", wraps=True)
        self._output = button("Show what pytest said", "link")
        self._output.clicked.connect(lambda: self._context.open_test(self._root, None))
        self._coverage = button("", "link", "Show what is covered, file by file")
        self._coverage.clicked.connect(lambda: self._context.open_test(self._root, None))
        line = row(self._icon)
        line.addWidget(self._name, 1)
        line.addWidget(self._state)
        self.box.addLayout(line)
        for widget in (self._detail, self._trouble):
            inner = row(widget)
            inner.setContentsMargins(26, 0, 0, 0)
            self.box.addLayout(inner)
        self._change = ElidedLabel(Qt.TextElideMode.ElideRight)
        self._change.setObjectName("muted")
        covered = row(self._change)
        covered.setContentsMargins(26, 0, 0, 0)
        self.box.addLayout(covered)
        for each in (self._coverage, self._output):
            link = row(each, 1)
            link.setContentsMargins(22, 0, 0, 0)
            self.box.addLayout(link)
        self._shown: tuple[object, ...] = ()

    def show_project(self, project: ProjectRow, theme: Theme) -> None:
        """Show how a project stands."""
        ratio = self.devicePixelRatioF()
        if (project, theme, ratio) == self._shown:
            return
        self._shown = (project, theme, ratio)
        self._root = project.root
        self._icon.setPixmap(self._context.icons.mood_pixmap(project.mood, 18, ratio, theme.panel))
        self._name.setText(project.name)
        self._name.setToolTip(plain_tooltip(project.root))
        set_text(self._state, project.state)
        self._state.setStyleSheet(f"color: {theme.mood(project.mood)}; font-weight: 600;")
        self._detail.setText(project.detail)
        set_text(self._trouble, project.trouble)
        self._trouble.setVisible(bool(project.trouble))
        self._output.setVisible(project.has_output)
        set_text(self._coverage, project.coverage)
        self._coverage.setVisible(bool(project.coverage))
        self._coverage.setAccessibleName(f"{project.name}: {project.coverage}")
        self._change.setText(project.change)
        self._change.setVisible(bool(project.change))
        self.setAccessibleName(f"{project.name}: {project.state}, {project.detail}")


class AgentLine(_Row):
    """An agent: its state, its heartbeats as a trace, and the age of the last; a failed one can be tried again."""

    def __init__(self, context: PageContext, theme: Theme) -> None:
        super().__init__()
        self._context = context
        self._agent = ""
        self._name = ElidedLabel()
        self._name.setObjectName("strong")
        self._state = label("")
        self._trace = HeartbeatTrace(theme)
        self._beat = label("", "muted")
        self._reason = label("", "muted", wraps=True)
        self._resume = button("Resume", "link", "Start this agent again now")
        self._resume.clicked.connect(lambda: self._context.request(Resume(agent=self._agent)))
        line = row()
        line.addWidget(self._name, 1)
        line.addWidget(self._state)
        line.addWidget(self._resume)
        self.box.addLayout(line)
        self.box.addWidget(self._trace)
        self.box.addWidget(self._beat)
        self.box.addWidget(self._reason)
        self._shown: tuple[object, ...] = ()

    def show_agent(self, agent: AgentRow, beats: tuple[Beat, ...], now: float, theme: Theme) -> None:
        """Show how an agent stands, with its heartbeats up to the wall-clock time `now`."""
        color = theme.agent(agent.view)
        self._trace.show_beats(beats, now, color, theme)
        self._agent = agent.view.name
        shown = (agent.name, agent.state, agent.beat, agent.reason, agent.can_resume, color)
        if shown == self._shown:
            return
        self._shown = shown
        self._name.setText(agent.name)
        set_text(self._state, agent.state)
        self._state.setStyleSheet(f"color: {color}; font-weight: 600;")
        set_text(self._beat, agent.beat)
        set_text(self._reason, agent.reason)
        self._reason.setVisible(bool(agent.reason))
        self._resume.setVisible(agent.can_resume)
        self._resume.setAccessibleName(f"Resume {agent.name}")
        self.setAccessibleName(f"Agent {agent.name}: {agent.state}, {agent.beat}")
