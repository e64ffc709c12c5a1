"""What the Now page shows, made from snapshots without Qt."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from app.domain import events
from app.domain.agents import AgentState
from app.domain.health import KeptBy, Lateness
from app.domain.reduce import reduce
from app.domain.snapshot import Mood, ProjectView, RunView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, Stage, TestState, Verdict
from app.ui.headline import ended_at, headline
from app.ui.now_view import RED_ROWS, now_view
from app.ui.red_model import RedModel

if TYPE_CHECKING:
    from tests.ui.conftest import Story

NOW = 10_000.0
SAVE = Cause(CauseKind.SAVE, ("core.py",))
BLOCKED = Lateness.BLOCKED


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
    ("lag_s", "kind", "where", "sentence"),
    [
        (0.0, BLOCKED, "", ""),
        (2.34, BLOCKED, "file.py:12 in slow", "The program stood still for at least 2.34 s, at file.py:12 in slow."),
        (65.0, BLOCKED, "", "The program stood still for at least 1 min 05 s."),
        (65.0, Lateness.WAS_BLOCKED, "", "The program stood still for 1 min 05 s."),
        (0.08, Lateness.CROWDED, "a.py:3 in crunch", "The program was late by up to 80 ms, at a.py:3 in crunch."),
    ],
)
def test_a_stall_is_told_in_plain_words(lag_s: float, kind: Lateness, where: str, sentence: str) -> None:
    """What the loop did, how long and where is one line, and there is none when it was never late."""
    lagged = events.LoopLagged(at=0.0, lag_s=lag_s, where=where, kind=kind)

    assert now_view(reduce(Snapshot(0.0), lagged), NOW).lag == sentence


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


def test_safe_mode_comes_before_all_else(story: Story) -> None:
    """Why no agent works stands at the top with what starts them; it is said once, and is not there otherwise."""
    began = events.LifeBegan(at=NOW, kept_by=KeptBy.NOBODY, safe_mode="you asked for it with --safe")
    notice = events.NoticeRaised(at=NOW, key="safe-mode", text="Safe mode.")

    view = now_view(reduce(reduce(story.red, began), notice), story.now)
    usual = now_view(story.red, story.now)

    assert (view.headline.title, view.is_safe) == ("Safe mode: no agent was started", True)
    assert view.headline.detail.startswith("You asked for it with --safe. ")
    assert view.notices == usual.notices
    assert not usual.is_safe


def test_a_run_counts_on_without_a_jump_when_the_rest_begins(story: Story) -> None:
    """The bar counts out of the tests that were known before, until the run's own number is known."""
    of = {"at": story.now, "project": story.flask, "run_id": "f3"}
    panels = []
    snapshot = story.green
    for event in (
        events.RunStarted(**of, cause=SAVE),
        events.RunStaged(**of, stage=Stage.IMPACTED, tests=7),
        events.RunStaged(**of, stage=Stage.REST, verdict=Verdict.GREEN),
        events.RunCollected(**of, total=485),
    ):
        snapshot = reduce(snapshot, event)
        panels.append(now_view(snapshot, story.now).runs[0])

    assert [(panel.expected, panel.progress) for panel in panels] == [
        (None, "Finding the tests"),
        (484, "0 of 7 tests of the change"),
        (484, "0 tests, finding the others"),
        (485, "0 of 485 tests"),
    ]


def test_green_so_far_has_a_title_of_its_own(story: Story) -> None:
    """The page says how many tests are green and what is still open, and the project's row says it too."""
    view = now_view(story.confirming, story.now)

    assert view.headline.title == "Green so far, 7 tests"
    assert view.headline.detail == "477 more are being confirmed in flask, after app.py was saved"
    assert [(row.mood, row.state) for row in view.projects] == [
        (Mood.CONFIRMING, "green so far"),
        (Mood.GREEN, "all green"),
    ]


def test_the_tests_of_the_change_are_announced(story: Story) -> None:
    """While they run the headline counts them alone."""
    of = {"at": story.now, "project": story.flask, "run_id": "f3"}
    running = reduce(story.green, events.RunStarted(**of, cause=SAVE))

    known, unknown = (
        headline(reduce(running, events.RunStaged(**of, stage=Stage.IMPACTED, tests=tests)), story.now)
        for tests in (7, None)
    )

    assert (known.title, unknown.title) == ("Running 7 tests", "Running tests")
    assert known.detail == "Those of the change first, in flask, after core.py was saved"


def test_a_project_tells_what_is_covered(story: Story) -> None:
    """In all, and of its newest change; nothing is said where nothing is known."""
    rows = now_view(story.checked, story.now).projects

    assert [(row.coverage, row.change) for row in rows] == [
        ("Coverage 90.3 %", "5 of 7 changed lines are covered"),
        ("", ""),
    ]


def test_a_red_test_has_the_word_of_its_second_look(story: Story) -> None:
    """Only what may not be the change's fault is marked, and a screen reader hears all of it."""
    rows = now_view(story.checked, story.now).reds
    model = RedModel()
    model.show_rows(rows)

    spoken = [model.data(model.index(place), Qt.ItemDataRole.AccessibleTextRole) for place in range(len(rows))]
    assert sorted(row.doubt for row in rows) == ["", "", "", "", "flaky", "not this change"]
    assert sum("the change did it" in str(each) for each in spoken) == 1
    assert sum(str(each).endswith("flaky: green when run again alone") for each in spoken) == 1
