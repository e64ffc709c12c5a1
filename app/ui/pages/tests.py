"""The Tests page: the tree of all tests, a search, and beside it what is known of the one that is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHeaderView,
    QStackedWidget,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from app.domain import words
from app.domain.commands import RunTests
from app.ui.delegates import TestDelegate
from app.ui.headline import ADD_PROJECT, NO_PROJECT
from app.ui.items import side_by_side
from app.ui.pages.detail import DetailPane
from app.ui.parts import Page, button, label, row, set_text
from app.ui.search_field import SearchField
from app.ui.tests_model import TestsModel
from app.ui.tests_tree import Level, Node
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from app.domain.snapshot import Snapshot
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

OPEN_ALL_BELOW = 400
"""A filter that leaves no more tests than this opens every branch, so that what was searched for is seen."""
_TIME_WIDTH = 92
_NARROW = 300
"""Below this width the tree has no column of times, which would leave a name with a letter or two."""
_INDENT, _NARROW_INDENT = 18, 12


class _Tree(QTreeView):
    """The view of the tests: where there is little room, all of it is for their names."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Hide what is told elsewhere too, or show it again."""
        is_narrow = self.width() < _NARROW
        self.setColumnHidden(1, is_narrow)
        self.setIndentation(_NARROW_INDENT if is_narrow else _INDENT)
        super().resizeEvent(event)


class TestsPage(Page):
    """The tests as a tree, with a search field and a choice between all and red ones."""

    __test__ = False

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._snapshot: Snapshot | None = None
        self._open: set[tuple[str, ...]] = set()
        self._known_projects: set[str] = set()
        self._restoring = False
        self._model = TestsModel(self)
        self._delegate = TestDelegate(context.icons, theme, self)
        self._pane = DetailPane(context, theme)

        box = QVBoxLayout(self)
        box.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        box.setSpacing(SPACE + 4)
        box.addLayout(self._make_bar())
        self._tree = self._make_tree()
        self._empty = label("", "muted", wraps=True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._tree)
        self._stack.addWidget(self._empty)
        split = side_by_side(self._stack, self._pane, sizes=(400, 480))
        box.addWidget(split, 1)
        self.wear(theme)

    @property
    def model(self) -> TestsModel:
        """The tests that are shown."""
        return self._model

    @property
    def tree(self) -> QTreeView:
        """The view of them."""
        return self._tree

    @property
    def pane(self) -> DetailPane:
        """What is shown of the chosen one."""
        return self._pane

    def render_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        self._snapshot = snapshot
        self._model.show_projects(snapshot.projects)
        self._run.setEnabled(bool(snapshot.projects) and not snapshot.stopping)
        red = snapshot.red_count
        set_text(self._red, f"Red \u00b7 {red:,}" if red else "Red")
        self._say_empty()
        self._pane.follow(snapshot.projects)

    def tick(self) -> None:
        """Bring ages up to date."""
        self._pane.tick()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._delegate.theme = theme
        self._tree.viewport().update()
        self._run.setIcon(self._context.icons.symbol_icon("button-run", theme.accent_text, disabled=theme.muted))
        self._pane.wear(theme)

    def focus_search(self) -> bool:
        """Put the cursor into the search field."""
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()
        return True

    def show_test(self, project: str, nodeid: str | None) -> None:
        """Choose a test, or with no node id its project; a filter that hides it is taken away."""
        index = self._find(project, nodeid)
        if not index.isValid() and (self._search.text() or self._red.isChecked()):
            self._search.clear()
            self._all.setChecked(True)
            self._refilter()
            index = self._find(project, nodeid)
        if index.isValid():
            self._tree.setCurrentIndex(index)
            self._tree.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)
        else:
            self._pane.show_test(project, nodeid)
        self._tree.setFocus(Qt.FocusReason.OtherFocusReason)

    def _find(self, project: str, nodeid: str | None) -> QModelIndex:
        return self._model.index_of_test(project, nodeid) if nodeid else self._model.index_of_project(project)

    def _make_bar(self) -> QVBoxLayout:
        self._search = SearchField("Search tests")
        self._search.textChanged.connect(self._refilter)
        self._all = button("All", "segment", "Show all tests")
        self._red = button("Red", "segment", "Show red tests only")
        choice = QButtonGroup(self)
        for each, edge in ((self._all, "left"), (self._red, "right")):
            each.setCheckable(True)
            each.setProperty("edge", edge)
            choice.addButton(each)
        self._all.setChecked(True)
        choice.buttonToggled.connect(self._refilter)
        self._run = button("Run tests", "primary", "Run the tests of all projects now (F5)")
        self._run.clicked.connect(lambda: self._context.request(RunTests()))
        segments = row(self._all, self._red, spacing=0)
        bar = row(self._search)
        bar.setStretch(0, 2)
        bar.addLayout(segments)
        bar.addStretch(1)
        bar.addWidget(self._run)
        box = QVBoxLayout()
        box.addLayout(bar)
        return box

    def _make_tree(self) -> QTreeView:
        tree = _Tree()
        tree.setObjectName("framed")
        tree.setAccessibleName("Tests")
        tree.setModel(self._model)
        tree.setItemDelegate(self._delegate)
        tree.setUniformRowHeights(True)
        tree.setMouseTracking(True)
        tree.setAllColumnsShowFocus(True)
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        tree.setHeaderHidden(True)
        header = tree.header()
        header.setStretchLastSection(False)
        # ResizeToContents asks every row (two seconds with 10,000): fixed and stretching sections ask none.
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(1, _TIME_WIDTH)
        tree.expanded.connect(self._opened)
        tree.collapsed.connect(self._closed)
        tree.selectionModel().currentChanged.connect(self._chosen)
        self._model.modelReset.connect(self._restore)
        return tree

    @Slot()
    def _refilter(self) -> None:
        self._model.set_filter(self._search.text(), red_only=self._red.isChecked())
        self._say_empty()

    def _say_empty(self) -> None:
        if self._model.test_count or (self._snapshot and self._snapshot.projects and not self._is_filtered()):
            self._stack.setCurrentWidget(self._tree)
            return
        if self._snapshot is None or not self._snapshot.projects:
            text = f"{NO_PROJECT}.\n{ADD_PROJECT}"
        elif self._search.text():
            text = "No test has this in its name."
        else:
            text = "Nothing is red."
        set_text(self._empty, text)
        self._stack.setCurrentWidget(self._empty)

    def _is_filtered(self) -> bool:
        return bool(self._model.filter.text) or self._model.filter.red_only

    @Slot(QModelIndex)
    def _opened(self, index: QModelIndex) -> None:
        if not self._restoring and not self._is_filtered():
            self._open.add(_way_to(self._model.node_at(index)))

    @Slot(QModelIndex)
    def _closed(self, index: QModelIndex) -> None:
        if not self._restoring and not self._is_filtered():
            self._open.discard(_way_to(self._model.node_at(index)))

    @Slot()
    def _restore(self) -> None:
        """Open again what was open, and choose what was chosen, after the tree was built anew."""
        self._restoring = True
        try:
            if self._is_filtered() and self._model.test_count <= OPEN_ALL_BELOW:
                self._tree.expandAll()
            else:
                self._open_again(self._model.node_at(QModelIndex()))
        finally:
            self._restoring = False
        if self._pane.project:
            index = self._find(self._pane.project, self._pane.nodeid)
            if index.isValid():
                self._tree.setCurrentIndex(index)

    def _open_again(self, node: Node) -> None:
        for child in node.children:
            if child.level is Level.PROJECT and child.key not in self._known_projects:
                self._known_projects.add(child.key)
                self._open.add(_way_to(child))
            if child.children and _way_to(child) in self._open:
                self._tree.setExpanded(self._model.index_of(child), True)  # noqa: FBT003 - Qt's own signature
                self._open_again(child)

    @Slot(QModelIndex)
    def _chosen(self, index: QModelIndex) -> None:
        if not index.isValid():
            return
        node = self._model.node_at(index)
        if node.level is Level.TEST:
            self._pane.show_test(node.project, node.key)
        elif node.level is Level.PROJECT:
            self._pane.show_test(node.project, None)
        else:
            figures = f"{words.tests(node.total)}, {node.red:,} red \u00b7 {words.duration(node.duration_s)}"
            self._pane.show_group(node.title, figures)


def _way_to(node: Node) -> tuple[str, ...]:
    return tuple(each.key for each in node.up())
