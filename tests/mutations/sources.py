"""Python source as bytes with its syntax tree, so that an edit touches what it changes and nothing else."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from app.agents.testing.impact.source import syntax_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Edit:
    """One replacement in a file: bytes from `start` to `end` become `text`."""

    start: int
    end: int
    text: bytes
    line: int
    what: str


class Source:
    """One Python file.

    Args:
        path: Relative to the tree, with forward slashes.
        content: What is in it.

    Raises:
        SyntaxError: It is no Python of this interpreter's.
    """

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.content = content
        self.tree = ast.parse(content)
        self._starts = [0]
        for line in content.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    @property
    def is_conftest(self) -> bool:
        """Whether it is a conftest."""
        return self.path.rpartition("/")[2] == "conftest.py"

    def at(self, line: int, column: int) -> int:
        """Return the byte offset of a position as `ast` gives it."""
        return self._starts[line - 1] + column

    def span(self, node: ast.expr | ast.stmt | ast.arg) -> tuple[int, int]:
        """Return where a node begins and ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.at(node.lineno, node.col_offset), self.at(node.end_lineno, node.end_col_offset)

    def text(self, node: ast.expr | ast.stmt | ast.arg) -> bytes:
        """Return a node as it is written."""
        start, end = self.span(node)
        return self.content[start:end]

    def replace(self, node: ast.expr | ast.stmt | ast.arg, text: bytes | str) -> Edit:
        """Return the edit that puts a text in the place of a node."""
        start, end = self.span(node)
        new = text if isinstance(text, bytes) else text.encode()
        return Edit(start, end, new, node.lineno, f"{_short(self.content[start:end])} -> {_short(new)}")

    def whole_lines(self, first: int, last: int, text: bytes, what: str) -> Edit:
        """Return the edit that puts a text in the place of whole lines; of none when `last` is before `first`."""
        return Edit(self._starts[first - 1], self._starts[last], text, first, what)

    def indent(self, line: int) -> bytes:
        """Return the white space that a line begins with."""
        text = self.content[self._starts[line - 1] : self._starts[line]]
        return text[: len(text) - len(text.lstrip())]

    def edited(self, edit: Edit) -> bytes | None:
        """Return the content after an edit; None when that is no Python any more, or means the same as before."""
        content = self.content[: edit.start] + edit.text + self.content[edit.end :]
        tree = syntax_tree(content)
        return None if tree is None or ast.dump(tree) == self._dump else content

    @cached_property
    def _dump(self) -> str:
        return ast.dump(self.tree)

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, the nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def fixtures(self) -> list[Function]:
        """The functions that are pytest fixtures, told by their decorators."""
        return [each for each in self.functions if any("fixture" in ast.dump(mark) for mark in each.decorator_list)]

    @cached_property
    def docstrings(self) -> set[int]:
        """The `id` of each constant that is a docstring or a string on its own."""
        return {
            id(node.value)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }

    @cached_property
    def formatted(self) -> set[int]:
        """The `id` of each node inside an f-string, whose position is not reliable before Python 3.12."""
        return {
            id(inner) for node in ast.walk(self.tree) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)
        }

    @cached_property
    def annotations(self) -> set[int]:
        """The `id` of each node inside an annotation, where a change has no effect that a test could see."""
        notes: list[ast.expr | None] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.AnnAssign | ast.arg):
                notes.append(node.annotation)
            elif isinstance(node, Function):
                notes.append(node.returns)
        return {id(inner) for note in notes if note is not None for inner in ast.walk(note)}

    def expressions(self, below: ast.AST | None = None) -> Iterator[ast.expr]:
        """Yield the expressions that can be edited, of the whole file or below a node."""
        for node in ast.walk(below or self.tree):
            is_odd = id(node) in self.docstrings or id(node) in self.formatted or id(node) in self.annotations
            if isinstance(node, ast.expr) and not is_odd:
                yield node


def _short(text: bytes) -> str:
    words = " ".join(text.decode("utf-8", "replace").split())
    return words if len(words) <= 60 else f"{words[:57]}..."
