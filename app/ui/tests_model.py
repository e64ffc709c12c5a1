"""Qt's model of the tree of tests. Follows snapshots by ranges, so that ten thousand tests do not hold the loop.

Measured: with 10,000 rows changing ten times a second, one signal for each range costs 7.7 ms of lag at the
99th percentile, one for each row 118 ms, and sorting or filtering through a proxy 663 ms. So files are kept sorted
where they are put in, the filter decides what is put in at all, and there is no proxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, groupby
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, Qt

from app.domain import words
from app.ui.items import SPOKEN_ROLES
from app.ui.tests_tree import Level, Node, differences, path_of
from app.ui.tooltips import plain_tooltip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.domain.snapshot import ProjectView
    from app.domain.verdicts import TestState
    from app.ui.items import AnyIndex

NODE_ROLE = int(Qt.ItemDataRole.UserRole) + 1
"""Gives the app.ui.tests_tree.Node itself."""
COLUMNS = 2
RESET_ABOVE = 2_000
"""When more tests come or go at once, the view is told to start anew: that is cheaper than so many moves."""


@dataclass(frozen=True, slots=True)
class TestFilter:
    """Which tests are shown: those whose node id holds `text` (in any case), and with `red_only` only red ones."""

    __test__ = False

    text: str = ""
    red_only: bool = False

    def passes(self, state: TestState) -> bool:
        """Return whether a test is shown."""
        if self.red_only and not state.outcome.is_red:
            return False
        return not self.text or self.text in state.nodeid.casefold()

    def apply(self, tests: Mapping[str, TestState]) -> Mapping[str, TestState]:
        """Return the tests that are shown; the very same mapping when nothing is left out by rule."""
        if not self.text and not self.red_only:
            return tests
        return {nodeid: state for nodeid, state in tests.items() if self.passes(state)}


class TestsModel(QAbstractItemModel):
    """The tests of all projects as a tree with two columns: what it is, and how long it took."""

    __test__ = False

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._numbers = count(1)
        self._root = Node(0, Level.ROOT, "", None)
        self._nodes: dict[int, Node] = {0: self._root}
        self._tests: dict[tuple[str, str], Node] = {}
        self._projects: Mapping[str, ProjectView] = {}
        self._shown: dict[str, Mapping[str, TestState]] = {}
        self._filter = TestFilter()

    @property
    def filter(self) -> TestFilter:
        """Which tests are shown."""
        return self._filter

    @property
    def test_count(self) -> int:
        """How many tests are shown."""
        return self._root.total

    def set_filter(self, text: str, *, red_only: bool) -> None:
        """Show only tests whose node id holds `text`, and only red ones where `red_only`."""
        wanted = TestFilter(text.strip().casefold(), red_only)
        if wanted != self._filter:
            self._filter = wanted
            self._start_anew(self._projects)

    def show_projects(self, projects: Mapping[str, ProjectView]) -> None:
        """Follow the snapshot's projects."""
        if projects is self._projects:
            return
        if projects.keys() != self._projects.keys():
            self._start_anew(projects)
            return
        before, self._projects = self._projects, projects
        for root, view in projects.items():
            node = self._root.by_key.get((Level.PROJECT, root))
            if node is not None:
                node.trouble = view.trouble is not None
            if view.tests is not before[root].tests:
                self._follow(root, view)
            if view.last is not before[root].last and node is not None and node.number in self._nodes:
                self._changed([node])

    def index_of_test(self, project: str, nodeid: str) -> QModelIndex:
        """Return where a test is, or an invalid index when it is not shown."""
        node = self._tests.get((project, nodeid))
        return QModelIndex() if node is None else self.index_of(node)

    def index_of_project(self, project: str) -> QModelIndex:
        """Return where a project is, or an invalid index when it is not shown."""
        node = self._root.by_key.get((Level.PROJECT, project))
        return QModelIndex() if node is None else self.index_of(node)

    def index_of(self, node: Node, column: int = 0) -> QModelIndex:
        """Return the index of a node of this tree."""
        return QModelIndex() if node is self._root else self.createIndex(node.row, column, node.number)

    def node_at(self, index: AnyIndex) -> Node:
        """Return the node at an index; the root for an invalid one."""
        return self._nodes.get(index.internalId(), self._root) if index.isValid() else self._root

    def index(self, row: int, column: int, parent: AnyIndex | None = None) -> QModelIndex:
        """Return the index of a child."""
        children = self._node_of(parent).children
        if 0 <= row < len(children) and 0 <= column < COLUMNS:
            return self.createIndex(row, column, children[row].number)
        return QModelIndex()

    def parent(self, index: AnyIndex | None = None) -> Any:  # noqa: ANN401 - QObject.parent() shares the name
        """Return the index of a node's parent; without an index, the object's own parent."""
        if index is None:
            return super().parent()
        above = self.node_at(index).parent
        return QModelIndex() if above is None else self.index_of(above)

    def rowCount(self, parent: AnyIndex | None = None) -> int:
        """Return how many children there are."""
        if parent is not None and parent.column() > 0:
            return 0
        return len(self._node_of(parent).children)

    def hasChildren(self, parent: AnyIndex | None = None) -> bool:
        """Return whether there are children."""
        return self.rowCount(parent) > 0

    def columnCount(self, parent: AnyIndex | None = None) -> int:
        """Return 2: what it is, and how long it took."""
        del parent
        return COLUMNS

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a column's name."""
        if role == Qt.ItemDataRole.DisplayRole and orientation is Qt.Orientation.Horizontal:
            return ("Test", "Time")[section]
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return what a cell says, to eyes, to screen readers and to the delegate (`NODE_ROLE`)."""
        if role == NODE_ROLE:
            return self.node_at(index)
        if role not in SPOKEN_ROLES:
            return None
        node = self.node_at(index)
        if role == Qt.ItemDataRole.DisplayRole:
            return node.title if index.column() == 0 else words.duration(node.duration_s)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tooltip(node.key)
        if node.level is Level.TEST:
            second = words.check(node.state.check) if node.state is not None else ""
            said = (words.outcome(node.outcome), words.duration(node.duration_s), second)
            return f"{node.title}: {', '.join(part for part in said if part)}"
        return f"{node.title}: {words.tests(node.total)}, {node.red} red"

    def _node_of(self, index: AnyIndex | None) -> Node:
        return self._root if index is None else self.node_at(index)

    def _start_anew(self, projects: Mapping[str, ProjectView]) -> None:
        self.beginResetModel()
        self._root = Node(0, Level.ROOT, "", None)
        self._nodes = {0: self._root}
        self._tests = {}
        self._projects = projects
        self._shown = {}
        for root, view in projects.items():
            self._shown[root] = self._filter.apply(view.tests)
            if self._hides(root):
                continue
            node = self._make(self._root, Level.PROJECT, root, view.name, root)
            node.trouble = view.trouble is not None
            self._root.attach(len(self._root.children), [node])
            for state in self._shown[root].values():
                self._grow(node, state)
        self.endResetModel()

    def _follow(self, root: str, view: ProjectView) -> None:
        shown = self._filter.apply(view.tests)
        gone, came, moved = differences(self._shown[root], shown)
        was_hidden = self._hides(root)
        self._shown[root] = shown
        if len(gone) + len(came) > RESET_ABOVE or self._hides(root) != was_hidden:
            self._start_anew(self._projects)
            return
        project = self._root.by_key.get((Level.PROJECT, root))
        if project is None:
            return
        self._remove([self._tests[root, nodeid] for nodeid in gone])
        touched = [self._update(root, state) for state in moved]
        touched += self._insert(project, came)
        self._changed([node for node in touched if node.number in self._nodes])

    def _hides(self, root: str) -> bool:
        """Return whether the filter leaves nothing of a project, so that it is not shown either."""
        return not self._shown[root] and bool(self._filter.text or self._filter.red_only)

    def _update(self, root: str, state: TestState) -> Node:
        node = self._tests[root, state.nodeid]
        before = node.state
        node.state = state
        if before is not None:
            red = int(state.outcome.is_red) - int(before.outcome.is_red)
            node.count(0, red, state.duration_s - before.duration_s)
        return node

    def _insert(self, project: Node, came: list[TestState]) -> list[Node]:
        """Put tests in, those that follow each other under one parent as one range; return the parents."""
        touched: list[Node] = []
        for _, group in groupby(came, key=lambda state: path_of(state.nodeid)[:-1]):
            states = list(group)
            parent = project
            steps = path_of(states[0].nodeid)[:-1]
            while steps and (steps[0][0], steps[0][1]) in parent.by_key:
                parent = parent.by_key[steps[0][0], steps[0][1]]
                steps.pop(0)
            if steps:
                self._insert_branch(parent, steps, states)
            else:
                nodes = [self._test_node(parent, state) for state in states]
                first = len(parent.children)
                self.beginInsertRows(self.index_of(parent), first, first + len(nodes) - 1)
                parent.attach(first, nodes)
                self.endInsertRows()
            parent.count(*_figures(states))
            touched.append(parent)
        return touched

    def _insert_branch(self, parent: Node, steps: list[tuple[Level, str, str]], states: list[TestState]) -> None:
        """Put in a new file or class as one row, all that lies below it in place already."""
        level, key, title = steps[0]
        top = node = self._make(parent, level, key, title, parent.project)
        for deeper, name, label in steps[1:]:
            child = self._make(node, deeper, name, label, parent.project)
            node.attach(0, [child])
            node = child
        node.attach(0, [self._test_node(node, state) for state in states])
        node.count(*_figures(states), below=parent)
        place = parent.place_for(key, level)
        self.beginInsertRows(self.index_of(parent), place, place)
        parent.attach(place, [top])
        self.endInsertRows()

    def _remove(self, nodes: list[Node]) -> None:
        """Take tests out, neighbours as one range, and what is empty after that."""
        nodes.sort(key=lambda node: (node.parent.number if node.parent else 0, node.row))
        while nodes:
            last = first = nodes.pop()
            parent = last.parent
            if parent is None:
                continue
            while nodes and nodes[-1].parent is parent and nodes[-1].row == first.row - 1:
                first = nodes.pop()
            for node in parent.children[first.row : last.row + 1]:
                parent.count(-node.total, -node.red, -node.duration_s)
            self._detach(parent, first.row, last.row)

    def _detach(self, parent: Node, first: int, last: int) -> None:
        while parent.level > Level.PROJECT and parent.parent is not None and last - first + 1 == len(parent.children):
            first = last = parent.row
            parent = parent.parent
        self.beginRemoveRows(self.index_of(parent), first, last)
        for top in parent.detach(first, last):
            for node in top.walk():
                del self._nodes[node.number]
                if node.level is Level.TEST:
                    del self._tests[node.project, node.key]
        self.endRemoveRows()

    def _changed(self, nodes: list[Node]) -> None:
        """Tell the view what changed, one range for each parent."""
        ranges: dict[Node, tuple[int, int]] = {}
        for node in {each: None for start in nodes for each in start.up()}:
            if node.parent is not None:
                low, high = ranges.get(node.parent, (node.row, node.row))
                ranges[node.parent] = min(low, node.row), max(high, node.row)
        for parent, (low, high) in ranges.items():
            self.dataChanged.emit(
                self.index_of(parent.children[low]), self.index_of(parent.children[high], COLUMNS - 1)
            )

    def _grow(self, project: Node, state: TestState) -> None:
        """Put a test in while nobody is told."""
        parent = project
        for level, key, title in path_of(state.nodeid)[:-1]:
            child = parent.by_key.get((level, key))
            if child is None:
                child = self._make(parent, level, key, title, project.key)
                parent.attach(parent.place_for(key, level), [child])
            parent = child
        parent.attach(len(parent.children), [self._test_node(parent, state)])
        parent.count(*_figures([state]))

    def _make(self, parent: Node, level: Level, key: str, title: str, project: str) -> Node:
        node = Node(next(self._numbers), level, key, parent, project=project, title=title)
        self._nodes[node.number] = node
        return node

    def _test_node(self, parent: Node, state: TestState) -> Node:
        node = self._make(parent, Level.TEST, state.nodeid, path_of(state.nodeid)[-1][2], parent.project)
        node.state, node.total, node.red, node.duration_s = state, 1, int(state.outcome.is_red), state.duration_s
        self._tests[node.project, state.nodeid] = node
        return node


def _figures(states: Sequence[TestState]) -> tuple[int, int, float]:
    """Return how many tests these are, how many of them are red, and the seconds that they took."""
    return len(states), sum(s.outcome.is_red for s in states), sum(s.duration_s for s in states)
