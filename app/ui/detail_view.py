"""What the pane beside the tree says of a test or of a project, as plain values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain import words
from app.ui.headline import ended_at, project_state

if TYPE_CHECKING:
    from app.domain.history import TestDetail
    from app.domain.snapshot import ProjectView
    from app.domain.verdicts import Outcome, TestState

_PATHS = 6


@dataclass(frozen=True, slots=True)
class DetailView:
    """The head of the pane.

    Attributes:
        title: What it is called.
        place: Where it is.
        facts: What is known of it, a line each.
        outcome: How it ended, None for what is no test.
    """

    title: str
    place: str
    facts: tuple[str, ...]
    outcome: Outcome | None = None


def detail_view(
    project: ProjectView | None, nodeid: str, state: TestState | None, detail: TestDetail | None, now: float
) -> DetailView:
    """Return what is said of a test; `state` None when the project no longer knows it."""
    file = words.node_parts(nodeid)[0]
    place = f"{project.name} \u00b7 {file}" if project else file
    if state is None:
        return DetailView(words.test_name(nodeid), place, ("This test is not known any more.",))
    facts = [_standing(state, now)]
    if state.cause.paths and state.outcome.is_red:
        facts.append(f"Changed then: {_listed(state.cause.paths)}")
    figures = [f"Took {words.duration(state.duration_s)}"]
    if detail is not None and detail.moments:
        red = sum(moment.outcome.is_red for moment in detail.moments)
        figures.append(f"red in {red:,} of the last {words.plural(len(detail.moments), 'run', 'runs')}")
    facts.append(", ".join(figures))
    return DetailView(words.test_name(nodeid), place, tuple(facts), state.outcome)


def project_detail(project: ProjectView, now: float) -> DetailView:
    """Return what is said of a project."""
    facts = []
    last = project.last
    if last is not None:
        state = project_state(project).capitalize()
        facts.append(f"{state}: {last.counts}" if last.counts.total else state)
        facts.append(
            f"Last run {words.ago(now - ended_at(last))}, {words.cause(last.cause)}, "
            f"took {words.duration(last.duration_s)}"
        )
        facts += [last.message] if last.message else []
    else:
        facts.append("Waiting for the first run. Save a file, or press F5.")
    if project.interpreter:
        facts.append(f"Python: {project.interpreter} ({project.interpreter_source})")
    return DetailView(project.name, project.root, tuple(facts))


def output_title(state: TestState | None, detail: TestDetail | None) -> str:
    """Return the name of the output below: whose it is depends on whether the test is red now."""
    if detail is None or not detail.output:
        return "Output"
    return "Output" if state is not None and state.outcome.is_red else "Output of the last time it was red"


def _standing(state: TestState, now: float) -> str:
    age = words.lasting(now - state.since)
    if state.outcome.is_red:
        return f"{words.outcome(state.outcome).capitalize()}, red for {age}: it broke {words.cause(state.cause)}"
    return f"{words.outcome(state.outcome).capitalize()}, not red for {age}"


def _listed(paths: tuple[str, ...]) -> str:
    more = len(paths) - _PATHS
    return ", ".join(paths[:_PATHS]) + (f" and {more:,} more" if more > 0 else "")
