"""How much of what changed the tests execute. Pure.

Functions are what is traced: of one that a test executes, every line counts as executed.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from app.agents.testing.impact.source import line_checksums, syntax_tree
from app.domain.coverage import ChangedLines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

COMPARED_AT_MOST = 4_000_000
"""Lines times lines that are compared; beyond that all between the first and the last difference counts as changed."""
UNCOVERED_AT_MOST = 1_000
"""Uncovered lines that are named; beyond that they are only counted."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One changed source file.

    Attributes:
        path: The file, relative to the project with forward slashes.
        old: Checksums of its lines when it was last tested (`line_checksums`); None when it is new, or that is not
            known.
        new: Its text now.
        functions: First and last line of each function in `new`, counted from 1, by a name that is unique in the file.
        executed: The names of those that a test executes.
    """

    path: str
    old: Sequence[int] | None
    new: str
    functions: Mapping[str, tuple[int, int]]
    executed: Collection[str]


def changed_lines(files: Iterable[ChangedFile]) -> ChangedLines:
    """Return how many changed lines inside functions hold code, and which of them no test executes.

    Blank lines, comments and docstrings hold none, and neither do a function's own `def` and decorators, which are
    executed when it is made. A file that is no valid Python counts for nothing.
    """
    total = covered = named = 0
    uncovered: list[tuple[str, tuple[int, ...]]] = []
    for file in files:
        missing: list[int] = []
        code = code_lines(file.new)
        for line in sorted(lines_changed(file.old, line_checksums(file.new.encode())).intersection(code)):
            function = _innermost(file.functions, code[line])
            if function is None:
                continue
            total += 1
            if function in file.executed:
                covered += 1
            elif named < UNCOVERED_AT_MOST:
                named += 1
                missing.append(line)
        if missing:
            uncovered.append((file.path, tuple(missing)))
    return ChangedLines(total, covered, tuple(sorted(uncovered)))


def lines_changed(before: Sequence[int] | None, after: Sequence[int]) -> frozenset[int]:
    """Return the lines that were not there before, counted from 1.

    Args:
        before: A checksum of each line; None for none.
        after: The same of the text now.
    """
    if before is None:
        return frozenset(range(1, len(after) + 1))
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    before, after = before[start : len(before) - end], after[start : len(after) - end]
    if len(before) * len(after) > COMPARED_AT_MOST:
        return frozenset(range(start + 1, start + len(after) + 1))
    matcher = SequenceMatcher(None, list(before), list(after), autojunk=False)
    return frozenset(
        start + line + 1
        for kind, _, _, first, last in matcher.get_opcodes()
        if kind in ("replace", "insert")
        for line in range(first, last)
    )


def code_lines(text: str) -> dict[int, int]:
    """Return the lines inside functions that hold code, counted from 1, each with the line of its function's `def`.

    None when the text is no valid Python.
    """
    tree = syntax_tree(text)
    if tree is None:
        return {}
    lines = _lines(text)
    found: dict[int, int] = {}
    for node in ast.walk(tree):  # outer functions first
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            spans = _spans(node.body, may_have_docstring=True)
            found.update(
                {
                    line: node.lineno
                    for first, last in spans
                    for line in range(first, last + 1)
                    if _holds(lines[line - 1])
                }
            )
    return found


def _spans(body: Sequence[ast.stmt], *, may_have_docstring: bool = False) -> Iterator[tuple[int, int]]:
    """Yield first and last line of each statement that a function executes; of those with blocks, of their heads."""
    for place, statement in enumerate(body):
        if may_have_docstring and not place and _is_docstring(statement):
            continue
        blocks = _blocks(statement)
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        if isinstance(statement, _SCOPE):
            first = min([first, *(each.lineno for each in statement.decorator_list)])
        if blocks:
            last = max(statement.lineno, min(block[0].lineno for _, block in blocks) - 1)
        yield first, last
        if isinstance(statement, ast.ClassDef):
            yield from _spans(statement.body, may_have_docstring=True)
        elif not isinstance(statement, _SCOPE):
            for head, block in blocks:
                if head:
                    yield head, max(head, block[0].lineno - 1)
                yield from _spans(block)


def _blocks(statement: ast.stmt) -> list[tuple[int, list[ast.stmt]]]:
    """Return a statement's blocks, each with the line of a head of its own, `except` or `case`, or 0."""
    blocks = [(0, getattr(statement, name, [])) for name in ("body", "orelse", "finalbody")]
    blocks += [(each.lineno, each.body) for each in getattr(statement, "handlers", [])]
    blocks += [(each.pattern.lineno, each.body) for each in getattr(statement, "cases", [])]
    return [(head, block) for head, block in blocks if block]


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _holds(line: str) -> bool:
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith("#")


def _innermost(functions: Mapping[str, tuple[int, int]], line: int) -> str | None:
    around = [(last - first, name) for name, (first, last) in functions.items() if first <= line <= last]
    return min(around)[1] if around else None


def _lines(text: str) -> list[str]:
    """Return the lines as Python's parser counts them: a form feed or a Unicode separator ends none."""
    return [line.rstrip() for line in _LINE_END.split(text)]
