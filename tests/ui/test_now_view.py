"""What the Now page shows, made from snapshots without Qt."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from app.domain import events
from app.domain.agents import AgentState
from app.domain.snapshot import ProjectView, RunView, Snapshot, reduce
from app.domain.verdicts import Cause, CauseKind, Outcome, TestState
from app.ui.headline import ended_at
from app.ui.now_view import RED_ROWS, now_view

if TYPE_CHECKING:
    from tests.ui.conftest import Story

NOW = 10_000.0
SAVE = Cause(CauseKind.SAVE, ("core.py",))


def _project(root: str, since: list[float]) -> ProjectView:
    tests = [TestState(f"t.py::test_{n}", Outcome.FAILED, 0.1, at, SAVE, "r") for n, at in enumerate(since)]
    return ProjectView(root, root, tests=MappingProxyType({test.nodeid: test for test in tests}))


def _snapshot(*projects: ProjectView) -> Snapshot:
    return Snapshot(0.0, projects=MappingProxyType({project.root: project for project in projects}))


def test_red_tests_are_newest_first_over_all_projects() -> None:
    """The order does not depend on the project that a test belongs to."""
    view = now_view(_snapshot(_project("a", [100.0, 300.0]), _project("b", [200.0, 400.0])), NOW)

    assert [(row.project, row.nodeid) for row in view.reds] == [
        ("b", "t.py::test_1"),
        ("a", "t.py::test_1"),
        ("b", "t.py::test_0"),
        ("a", "t.py::test_0"),
    ]


def test_one_project_does_not_use_up_the_list() -> None:
    """However many tests of one project are red, what broke later in another is seen, and the rest is counted."""
    view = now_view(_snapshot(_project("a", [100.0] * 500), _project("b", [200.0] * 3)), NOW)

    assert [row.project for row in view.reds] == ["b"] * 3 + ["a"] * (RED_ROWS - 3)
    assert view.more_reds == 503 - RED_ROWS


@pytest.mark.parametrize(
    ("lag_s", "where", "sentence"),
    [
        (0.0, "", ""),
        (2.34, "file.py:12 in slow", "The program stood still for at least 2.34 s, at file.py:12 in slow."),
        (65.0, "", "The program stood still for at least 1 min 05 s."),
    ],
)
def test_a_stall_is_told_in_plain_words(lag_s: float, where: str, sentence: str) -> None:
    """How long the loop stood and where is one line, and there is none when it never did."""
    assert now_view(Snapshot(0.0, loop_lag_s=lag_s, loop_lag_where=where), NOW).lag == sentence


def test_only_a_failed_agent_can_be_resumed(story: Story) -> None:
    """The row of a failed agent offers it, and the page as a whole still offers to pause the others."""
    view = now_view(story.failed, story.now)

    assert {row.view.name: row.can_resume for row in view.agents} == {"tests": True, "tests:httpx": False}
    assert (view.can_pause, view.can_resume) == (True, False)


def test_when_all_agents_have_failed_all_can_be_resumed(story: Story) -> None:
    """With nothing left to pause, the page offers to resume."""
    failed = reduce(story.green, events.AgentChanged(at=story.now, agent="tests", state=AgentState.FAILED))

    assert now_view(failed, story.now).can_resume


@pytest.mark.parametrize(("finished_at", "ended"), [(0.0, 0.0), (7.0, 7.0), (None, 5.0)])
def test_a_run_without_an_end_counts_from_its_beginning(finished_at: float | None, ended: float) -> None:
    """An end at the very beginning of time is an end too."""
    assert ended_at(RunView("r", SAVE, 5.0, finished_at=finished_at)) == ended
