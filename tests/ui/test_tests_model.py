"""The model of the tree of tests follows snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester

from app.domain import events
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult
from app.ui.tests_model import RESET_ABOVE, TestsModel
from app.ui.tests_tree import Level, Node

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from tests.ui.conftest import Story

ROOT = "/p"


def _model() -> TestsModel:
    model = TestsModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    tester.setUseFetchMore(False)
    return model


def _ran(snapshot: Snapshot, *outcomes: tuple[str, Outcome]) -> Snapshot:
    if not snapshot.projects:
        snapshot = reduce(snapshot, events.ProjectWatched(at=0, project=ROOT, name="p"))
        snapshot = reduce(snapshot, events.RunStarted(at=0, project=ROOT, run_id="1", cause=Cause(CauseKind.START)))
    results = tuple(TestResult(nodeid, outcome, 1.0) for nodeid, outcome in outcomes)
    return reduce(snapshot, events.TestsRan(at=1, project=ROOT, run_id="1", results=results))


def _outline(model: TestsModel, parent: QModelIndex | None = None) -> list[object]:
    parent = parent or QModelIndex()
    lines: list[object] = []
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        lines.append(index.data())
        if model.hasChildren(index):
            lines.append(_outline(model, index))
    return lines


def _root(model: TestsModel) -> Node:
    return model.node_at(QModelIndex())


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_tree_always_shows_what_the_snapshot_knows(
    data: st.DataObject,
    qapp: QApplication,
    any_events: st.SearchStrategy[list[events.Event]],
) -> None:
    """After any events and under any filter the tree holds exactly the tests that pass, and its sums are right."""
    del qapp
    model = _model()
    snapshot = Snapshot(started_at=0)
    for event in data.draw(any_events):
        snapshot = reduce(snapshot, event)
        if data.draw(st.booleans()):
            model.set_filter(data.draw(st.sampled_from(["", "test_1", "A::"])), red_only=data.draw(st.booleans()))
        if data.draw(st.integers(0, 3)):
            model.show_projects(snapshot.projects)
    model.show_projects(snapshot.projects)

    expected = {
        (root, t.nodeid): t
        for root, project in snapshot.projects.items()
        for t in project.tests.values()
        if model.filter.passes(t)
    }
    nodes = list(_root(model).walk())
    tests = {(n.project, n.key): n.state for n in nodes if n.level is Level.TEST}
    assert tests == expected
    assert all(n.total == sum(m.level is Level.TEST for m in n.walk()) for n in nodes)
    assert all(n.red == sum(m.outcome.is_red for m in n.walk() if m.level is Level.TEST) for n in nodes)
    assert all(n.duration_s == pytest.approx(sum(m.state.duration_s for m in n.walk() if m.state)) for n in nodes)
    assert all(child.row == row for n in nodes for row, child in enumerate(n.children))
    assert all(n.children for n in nodes if n.level in (Level.FILE, Level.GROUP))


def test_files_are_sorted_and_tests_keep_their_order(qapp: QApplication) -> None:
    """Files stand by name, and tests in the order in which pytest ran them, classes as branches of their own."""
    del qapp
    model = _model()
    passed = Outcome.PASSED

    model.show_projects(
        _ran(
            Snapshot(started_at=0),
            ("z.py::test_b", passed),
            ("z.py::test_a", passed),
            ("a.py::TestX::test_1[p::q]", passed),
            ("broken.py", Outcome.ERROR),
        ).projects
    )

    assert _outline(model) == [
        "p",
        ["a.py", ["TestX", ["test_1[p::q]"]], "broken.py", ["(the whole file)"], "z.py", ["test_b", "test_a"]],
    ]


def test_a_second_run_is_told_as_ranges(qtbot: QtBot) -> None:
    """When all tests of a file end anew, the view is told once for each branch, and nothing is built anew."""
    model = _model()
    names = [f"a.py::test_{i}" for i in range(500)]
    first = _ran(Snapshot(started_at=0), *((name, Outcome.PASSED) for name in names))
    model.show_projects(first.projects)
    second = _ran(first, *((name, Outcome.FAILED) for name in names))

    with qtbot.assertNotEmitted(model.modelReset), qtbot.waitSignals([model.dataChanged] * 3):
        model.show_projects(second.projects)

    assert _root(model).red == 500


def test_tests_that_come_together_are_put_in_together(qapp: QApplication) -> None:
    """New tests of one file are one insertion."""
    del qapp
    model = _model()
    first = _ran(Snapshot(started_at=0), ("a.py::test_0", Outcome.PASSED))
    model.show_projects(first.projects)
    told: list[tuple[int, int]] = []
    model.rowsInserted.connect(lambda _parent, low, high: told.append((low, high)))

    model.show_projects(_ran(first, *((f"a.py::test_{i}", Outcome.PASSED) for i in range(1, 50))).projects)

    assert told == [(1, 49)]


def test_very_many_at_once_start_the_view_anew(qtbot: QtBot) -> None:
    """Above the bound one reset replaces thousands of insertions."""
    model = _model()
    first = _ran(Snapshot(started_at=0), ("a.py::test_0", Outcome.PASSED))
    model.show_projects(first.projects)
    many = _ran(first, *((f"f{i % 50}.py::test_{i}", Outcome.PASSED) for i in range(RESET_ABOVE + 10)))

    with qtbot.waitSignal(model.modelReset):
        model.show_projects(many.projects)

    assert model.test_count == RESET_ABOVE + 11


def test_what_did_not_change_costs_nothing(qtbot: QtBot, story: Story) -> None:
    """The same projects again tell the view nothing."""
    model = _model()
    model.show_projects(story.green.projects)

    with qtbot.assertNotEmitted(model.dataChanged), qtbot.assertNotEmitted(model.modelReset):
        model.show_projects(story.green.projects)


def test_a_mended_test_leaves_the_red_filter(qapp: QApplication) -> None:
    """With only red tests shown, one that turns green goes, and its project with the last of them."""
    del qapp
    model = _model()
    model.set_filter("", red_only=True)
    red = _ran(Snapshot(started_at=0), ("a.py::test_0", Outcome.FAILED), ("a.py::test_1", Outcome.FAILED))
    model.show_projects(red.projects)
    one = _ran(red, ("a.py::test_0", Outcome.PASSED))

    model.show_projects(one.projects)
    assert _outline(model) == ["p", ["a.py", ["test_1"]]]
    model.show_projects(_ran(one, ("a.py::test_1", Outcome.PASSED)).projects)
    assert _outline(model) == []


def test_a_project_in_trouble_is_not_shown_as_green(qapp: QApplication, story: Story) -> None:
    """When a run went wrong as a whole, the project's row says so although no test is red, and until it is over."""
    del qapp
    model = _model()
    model.show_projects(story.green.projects)
    row = model.node_at(model.index_of_project(story.httpx))
    assert row.outcome is Outcome.PASSED

    model.show_projects(story.trouble.projects)
    assert row.outcome is Outcome.ERROR
    model.show_projects(story.green.projects)
    assert row.outcome is Outcome.PASSED


def test_screen_readers_hear_name_and_outcome(qapp: QApplication, story: Story) -> None:
    """A row is read out with how it ended, not by its colour."""
    del qapp
    model = _model()
    model.show_projects(story.red.projects)
    red = story.red.projects[story.flask].red[0]

    heard = model.index_of_test(story.flask, red.nodeid).data(Qt.ItemDataRole.AccessibleTextRole)

    assert "failed" in heard
