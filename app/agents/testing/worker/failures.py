"""What pytest does to show a failure, made quick: a red test is what people wait for.

For its first failure a process pays 30 to 50 ms once, most of it in `inspect.getmodule`, which resolves the path of
every module; and for each failure pytest parses the test's whole file anew and walks through all of it, 20 ms for 2,000
lines (measured with pytest 8.4 on CPython 3.11). What a failure says stays the same to the letter.
"""

# What pytest hands over has other classes in each of its versions (ANN401).
# ruff: noqa: ANN401, PLC0415, PTH100 - pathlib costs time; what not every process needs is imported late
from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence
    from typing import Any

TREES_KEPT = 2
"""Files of which the syntax tree is kept: the test's, and that of the code where it failed."""


def rehearse() -> None:
    """Do once, while nobody waits, what a first failure needs done; nothing of the project takes part.

    A function of ours fails, and is shown as pytest shows a test: its source is read, parsed and split into tokens.
    """
    try:
        import difflib  # noqa: F401 - a failed comparison imports it

        from _pytest._code import ExceptionInfo

        note_modules()
        try:
            _fail()
        except AssertionError:
            str(ExceptionInfo.from_current().getrepr(funcargs=True, style="long"))
    except Exception:  # noqa: BLE001, S110 - a rehearsal is nobody's failure: without it the first one takes longer
        pass


def _fail() -> None:
    raise AssertionError


def note_modules() -> None:
    """Tell `inspect` which file is which module's, as `inspect.getmodule` finds out for all of them when first asked.

    Unlike there, nothing is asked of a module but its dictionary: some load themselves when they are looked at.
    """
    import inspect
    import os
    import types

    names: dict[str, str] = getattr(inspect, "_filesbymodname", {})
    files: dict[str, str] = getattr(inspect, "modulesbyfile", {})
    for name, module in list(sys.modules.items()):
        values: dict[str, Any] = getattr(module, "__dict__", {}) if type(module) is types.ModuleType else {}
        file = values.get("__file__")
        if isinstance(file, str) and names.get(name) != file and not file.endswith(".pyc"):
            names[name] = file
            path = os.path.normcase(os.path.abspath(file))
            files[path] = files[os.path.realpath(path)] = values["__name__"]


def hasten() -> None:
    """Have pytest look for a failing statement where it can be, and parse a file once for all failures in it."""
    try:
        from _pytest._code import code as module

        original: Any = module.getstatementrange_ast  # type: ignore[attr-defined] # imported there, not exported
    except (ImportError, AttributeError):
        return
    trees: dict[str, ast.Module] = {}

    def of_statement(lineno: int, source: Any, assertion: bool = False, astnode: Any = None) -> Any:  # noqa: FBT001, FBT002 - pytest's signature
        whole = astnode
        try:
            if whole is None:
                whole = _tree(str(source), trees)
            part: Any = around(whole, lineno)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, pytest says so itself
            return original(lineno, source, assertion, astnode)
        _, start, end = original(lineno, source, assertion, part)
        return whole, start, end

    module.getstatementrange_ast = of_statement  # type: ignore[attr-defined] # see above


def _tree(text: str, trees: dict[str, ast.Module]) -> ast.Module:
    tree = trees.get(text)
    if tree is None:
        import ast
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, "source", "exec")
        while len(trees) >= TREES_KEPT:
            del trees[next(iter(trees))]
        trees[text] = tree
    return tree


def around(tree: ast.Module, lineno: int) -> ast.Module:
    """Return the tree with nothing but the statement that holds a line, and the one behind it, where it ends.

    Args:
        tree: A whole file's.
        lineno: The line, from 0 on as pytest counts.
    """
    import ast

    body: Sequence[ast.stmt] = tree.body
    behind: list[ast.stmt] = []
    while True:
        place = _last_from(body, lineno)
        if place < 0:
            return tree
        found = body[place]
        behind = list(body[place + 1 : place + 2]) or behind
        if not isinstance(found, ast.ClassDef) or first_line(found.body[0]) > lineno:
            return ast.Module(body=[found, *behind], type_ignores=[])
        body = found.body


def _last_from(body: Sequence[ast.stmt], lineno: int) -> int:
    """Return the place of the last statement that begins in this line or before it; -1 when there is none."""
    low, high = 0, len(body)
    while low < high:
        middle = (low + high) // 2
        if first_line(body[middle]) <= lineno:
            low = middle + 1
        else:
            high = middle
    return low - 1


def first_line(statement: ast.stmt) -> int:
    """Return a statement's first line, from 0 on, with its decorators."""
    decorators: Sequence[ast.expr] = getattr(statement, "decorator_list", ())
    return min([statement.lineno, *(each.lineno for each in decorators)]) - 1
