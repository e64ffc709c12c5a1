"""What the pane beside the tree says of a test or of a project, as plain values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain import words
from app.ui.headline import ended_at, project_state

if TYPE_CHECKING:
    from app.domain.history import TestDetail, Why
    from app.domain.snapshot import ProjectView
    from app.domain.verdicts import Outcome, TestState

_PATHS = 6
REASONS = 3
FILES = 30


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
    second = words.check(state.check)
    if second:
        facts.append(f"Second look: {second}")
    figures = [f"Took {words.duration(state.duration_s)}"]
    if detail is not None and detail.moments:
        red = sum(moment.outcome.is_red for moment in detail.moments)
        figures.append(f"red in {red:,} of the last {words.plural(len(detail.moments), 'run', 'runs')}")
    facts.append(", ".join(figures))
    return DetailView(words.test_name(nodeid), place, tuple(facts), state.outcome)


def project_detail(project: ProjectView, now: float) -> DetailView:
    """Return what is said of a project."""
    facts = []
    last, current = project.last, project.current
    if current is not None and current.is_confirming:
        facts.append(words.sentence(", ".join(words.so_far(current.impacted, current.expected))))
    elif last is not None:
        state = project_state(project).capitalize()
        facts.append(f"{state}: {last.counts}" if last.counts.total else state)
    if last is not None:
        facts.append(
            f"Last run {words.ago(now - ended_at(last))}, {words.cause(last.cause)}, "
            f"took {words.duration(last.duration_s)}"
        )
        facts += [last.message] if last.message else []
    elif current is None:
        facts.append("Waiting for the first run. Save a file, or press F5.")
    facts += covered_change(project)
    if project.interpreter:
        facts.append(f"Python: {project.interpreter} ({project.interpreter_source})")
    return DetailView(project.name, project.root, tuple(facts))


def covered_change(project: ProjectView) -> list[str]:
    """Return how much of a project's newest change its tests execute, and where they do not; empty when not known."""
    lines = project.changed_lines
    if lines is None or not lines.total:
        return []
    said = f"Newest change: {words.changed_lines(lines)}"
    return [said, f"Not covered: {words.places(lines.uncovered, _PATHS)}"] if lines.uncovered else [said]


def why_title(why: Why) -> str:
    """Return what stands above the reasons."""
    return "Why it ran" if why.ran else "In the last run"


def why_lines(why: Why) -> tuple[str, ...]:
    """Return why a test ran, a line each: where it stood in the last run, the strongest reasons, what it depends on."""
    reasons = [f"\u2022 {words.one_line(reason)}" for reason in why.reasons[:REASONS]]
    more = len(why.reasons) - len(reasons)
    if more > 0:
        reasons.append(f"and {words.plural(more, 'more reason')}")
    return (words.place_in_run(why), *reasons, words.depends(why))


def why_in_full(why: Why) -> str:
    """Return all reasons, and the files that a test depends on, for a tooltip."""
    files = list(why.depends_on[:FILES])
    if len(why.depends_on) > FILES:
        files.append(f"and {words.plural(len(why.depends_on) - FILES, 'more file')}")
    return "\n".join([*why.reasons, *(["Depends on:", *files] if files else [])])


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
