"""A project's own files, read safely: only what lies in the project, is small, and holds no secret by its name."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.failures import is_foreign
from app.domain.secretfiles import is_secret_file
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST = 512 * 1024
"""Bytes of a file that are read."""
AROUND = 12
"""Lines before and behind a place that stand for its function where functions cannot be told."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Lines of a file.

    Attributes:
        path: Relative to the root, with forward slashes.
        first: The number of the first line, from 1 on.
        lines: The lines, without their ends.
        name: The function that they are, with its classes: `Price.total`; empty when they are none.
    """

    path: str
    first: int
    lines: tuple[str, ...]
    name: str = ""

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + len(self.lines) - 1


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a file: its name with its classes, its lines from its decorators on, and the names it uses."""

    name: str
    first: int
    last: int
    uses: frozenset[str]


class Sources:
    """Reads files of one project, each once. Blocks: to be used in a thread, and by one thread at a time.

    Args:
        root: The project's root folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real: Path | None = None
        self._lines: dict[str, tuple[str, ...]] = {}
        self._functions: dict[str, tuple[Function, ...]] = {}

    def own(self, path: str, *, beside: str = "") -> str | None:
        """Return a path as it is named in the project: relative, with forward slashes.

        Args:
            path: Absolute, or relative to the root.
            beside: A file of the project; a path that is not in the root may be relative to its folder.

        Returns:
            None for what is no regular file inside the root, belongs to installed packages, or may hold secrets by its
            name, wherever links lead.
        """
        name = path.replace("\\", "/") if "/" not in path else path
        folder = beside.rpartition("/")[0]
        for candidate in (name, f"{folder}/{name}" if folder else ""):
            if candidate and (found := self._inside(candidate)) is not None:
                return found
        return None

    def lines(self, path: str) -> tuple[str, ...]:
        """Return a file's lines; none of a file that may not or cannot be read, or is not text.

        Args:
            path: As `own` takes it.
        """
        name = self.own(path)
        if name is None:
            return ()
        if name not in self._lines:
            self._lines[name] = self._read(name)
        return self._lines[name]

    def line(self, path: str, number: int) -> str:
        """Return one line, without the white space around it; empty when there is none of this number."""
        lines = self.lines(path)
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""

    def beside(self, path: str) -> tuple[str, ...]:
        """Return the Python files in a file's folder, sorted; none where the file is not one of the project's."""
        name = self.own(path)
        if name is None or self._real is None:
            return ()
        try:
            found = sorted((self._real / name).parent.glob("*.py"))
        except OSError:
            return ()
        return tuple(each.relative_to(self._real).as_posix() for each in found)

    def functions(self, path: str) -> tuple[Function, ...]:
        """Return the functions of a Python file in their order, those inside others too; none of other files."""
        name = self.own(path)
        if name is None or not name.endswith((".py", ".pyi")):
            return ()
        if name not in self._functions:
            self._functions[name] = tuple(_functions("\n".join(self.lines(name))))
        return self._functions[name]

    def function_at(self, path: str, line: int) -> Function | None:
        """Return the innermost function of a Python file that holds a line, or None."""
        holding = [each for each in self.functions(path) if each.first <= line <= each.last]
        return max(holding, key=lambda each: each.first, default=None)

    def around(self, path: str, line: int, *, before: int = AROUND, behind: int = AROUND) -> Passage | None:
        """Return the lines around a place; None when there is no such line."""
        lines = self.lines(path)
        name = self.own(path)
        if name is None or not 0 < line <= len(lines):
            return None
        first = max(1, line - before)
        return Passage(name, first, lines[first - 1 : line + behind])

    def passage(self, path: str, line: int) -> Passage | None:
        """Return the function that holds a line, or the lines around it; None when there is no such line."""
        function = self.function_at(path, line)
        name = self.own(path)
        if function is None or name is None:
            return self.around(path, line)
        lines = self.lines(path)[function.first - 1 : function.last]
        return Passage(name, function.first, lines, function.name)

    def test(self, nodeid: str, line: int = 0) -> Passage | None:
        """Return a test's own source.

        Args:
            nodeid: Its node id.
            line: Where it failed in its file, for languages whose functions are not known; 0 when that is not known.
        """
        file, _, rest = nodeid.partition("::")
        wanted = rest.partition("[")[0].replace("::", ".")
        for function in self.functions(file):
            if wanted and function.name == wanted:
                return self.passage(file, function.first)
        if line:
            return self.passage(file, line)
        last = wanted.rpartition(".")[2]
        for number, text in enumerate(self.lines(file), start=1):
            if last and last in text:
                return self.around(file, number, before=2, behind=2 * AROUND)
        return None

    def _inside(self, path: str) -> str | None:
        if is_foreign(path) or "\0" in path:
            return None
        try:
            if self._real is None:
                self._real = self._root.resolve(strict=True)
            real = (self._real / path.removeprefix("file://")).resolve(strict=True)
            relative = real.relative_to(self._real)
            if not real.is_file():
                return None
        except (OSError, ValueError, RuntimeError):
            return None
        inside, named = relative.as_posix(), path.replace("\\", "/").rpartition("/")[2]
        return None if is_foreign(inside) or is_secret_file(inside) or is_secret_file(named) else inside

    def _read(self, name: str) -> tuple[str, ...]:
        try:
            content = read_regular((self._real or self._root) / name, LARGEST)[:LARGEST]
        except OSError:
            return ()
        if b"\0" in content:
            return ()
        text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", " ")
        return tuple(text.removesuffix("\n").split("\n")) if text else ()


def _functions(text: str) -> Iterator[Function]:
    """Tell a Python file's functions; none of a file that Python cannot read."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        return
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, outer = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{outer}.{child.name}" if outer else child.name
                waiting.append((child, name))
                if not isinstance(child, ast.ClassDef):
                    first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
                    yield Function(name, first, child.end_lineno or child.lineno, _used(child))
            elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                waiting.append((child, outer))


def _used(function: ast.AST) -> frozenset[str]:
    """Return the names that a function uses: what it calls, and attributes, which may be properties."""
    return frozenset(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Name | ast.Attribute)
    )
