"""The tree that tests form: project, file, classes, test. Plain objects with no Qt, built from node ids."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from app.domain import words
from app.domain.verdicts import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.domain.verdicts import TestState


class Level(IntEnum):
    """What a node stands for."""

    ROOT = 0
    PROJECT = 1
    FILE = 2
    GROUP = 3
    """A class."""
    TEST = 4


@dataclass(slots=True, eq=False)
class Node:
    """A node of the tree; it changes as tests come, go and end.

    Attributes:
        number: Names the node for as long as it is in the tree; 0 is the root.
        key: What it is called among its siblings.
        row: Its place among them.
        total: How many tests lie below it.
        red: How many of them are red.
        duration_s: Seconds that they took together.
        state: For a test, its last known state.
        trouble: For a project, whether its last run went wrong as a whole.
    """

    number: int
    level: Level
    key: str
    parent: Node | None
    row: int = 0
    children: list[Node] = field(default_factory=list)
    by_key: dict[tuple[Level, str], Node] = field(default_factory=dict)
    total: int = 0
    red: int = 0
    duration_s: float = 0.0
    state: TestState | None = None
    project: str = ""
    title: str = ""
    trouble: bool = False

    def place_for(self, key: str, level: Level) -> int:
        """Return the row for a new child: files by name, all else in the order in which pytest tells them."""
        if level is not Level.FILE:
            return len(self.children)
        return bisect_left(self.children, key, key=lambda child: child.key)

    def attach(self, place: int, nodes: list[Node]) -> None:
        """Put nodes in at a row, and number the rows behind them anew."""
        self.children[place:place] = nodes
        self.by_key.update({(node.level, node.key): node for node in nodes})
        self._renumber(place)

    def detach(self, first: int, last: int) -> list[Node]:
        """Take the children of these rows out, and number the rows behind them anew."""
        gone = self.children[first : last + 1]
        del self.children[first : last + 1]
        for node in gone:
            del self.by_key[node.level, node.key]
        self._renumber(first)
        return gone

    def count(self, total: int, red: int, duration_s: float, *, below: Node | None = None) -> None:
        """Add to the figures of this node and of all above it, with `below` only of those below that one."""
        node: Node | None = self
        while node is not None and node is not below:
            node.total += total
            node.red += red
            node.duration_s += duration_s
            node = node.parent

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def up(self) -> Iterator[Node]:
        """Yield this node and all above it, the root not among them."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent

    @property
    def outcome(self) -> Outcome:
        """How the test, or all below, ended: one red makes the whole red."""
        if self.state is not None:
            return self.state.outcome
        if self.red:
            return Outcome.FAILED
        return Outcome.ERROR if self.trouble else Outcome.PASSED

    def _renumber(self, start: int) -> None:
        for row in range(start, len(self.children)):
            self.children[row].row = row


def path_of(nodeid: str) -> list[tuple[Level, str, str]]:
    """Return the nodes that lead to a test below its project, each as level, key and title.

    A file that cannot be collected is a test of its own, whose node id is the file's path.
    """
    file, *rest = words.node_parts(nodeid)
    steps = [(Level.FILE, file, file)]
    steps += [(Level.GROUP, group, group) for group in rest[:-1]]
    steps.append((Level.TEST, nodeid, rest[-1] if rest else "(the whole file)"))
    return steps


def differences(
    old: Mapping[str, TestState], new: Mapping[str, TestState]
) -> tuple[list[str], list[TestState], list[TestState]]:
    """Return the node ids that went, the tests that came, and the tests whose state is another than before."""
    came, moved, kept = [], [], 0
    for nodeid, state in new.items():
        before = old.get(nodeid)
        if before is None:
            came.append(state)
            continue
        kept += 1
        if before is not state and before != state:
            moved.append(state)
    gone = [] if kept == len(old) else [nodeid for nodeid in old if nodeid not in new]
    return gone, came, moved
