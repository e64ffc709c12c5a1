"""Assertions rewritten only in the functions that will run.

pytest rewrites each assertion of a test file that has changed, before it can collect any of its tests: 0.12 to 0.18 s
for 2,000 lines (measured with pytest 8.4 on CPython 3.11). Of the first part of a run only a few functions of such a
file run. What is rewritten in part is not kept on disk, so the run of all tests rewrites, and keeps, the whole.
"""

# What pytest hands over has other classes in each of its versions (ANN401); its private
# names are all there is (SLF001).
# ruff: noqa: ANN401, PLC0415, SLF001
from __future__ import annotations

import os

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    import ast
    from collections.abc import Collection, Iterator
    from typing import Any


class Rewriting:
    """Takes the place of two functions in `_pytest.assertion.rewrite`, once there is something to leave out."""

    def __init__(self) -> None:
        self._unused: dict[str, frozenset[str]] = {}
        self._in_part: set[str] = set()
        self._is_installed = False

    def leave_out(self, path: str, unused: Collection[str], config: Any) -> None:
        """Leave the assertions of these functions as they are, from the next import of the file on.

        Args:
            path: The file, absolute.
            unused: Names of functions that will not run, a method's with its classes: `TestOne::test_it`.
            config: pytest's; where a hook hears of each assertion that holds, nothing is left out.
        """
        if not unused or config.getini("enable_assertion_pass_hook") or not self._install():
            return
        self._unused[os.path.normcase(path)] = frozenset(unused)

    def _install(self) -> bool:
        if self._is_installed:
            return True
        try:
            from _pytest.assertion import rewrite as module

            rewrite: Any = module
            rewrite_asserts, write_pyc = rewrite.rewrite_asserts, rewrite._write_pyc
        except (ImportError, AttributeError):
            return False

        def rewriting(mod: Any, source: bytes, module_path: Any = None, config: Any = None) -> None:
            path = os.path.normcase(str(module_path))
            unused = self._unused.get(path)
            if unused is None:
                rewrite_asserts(mod, source, module_path, config)
                return
            self._in_part.add(path)
            hidden = [(function, function.body) for function in functions(mod, unused)]
            for function, _ in hidden:
                function.body = ()  # no list: pytest passes it over
            try:
                rewrite_asserts(mod, source, module_path, config)
            finally:
                for function, body in hidden:
                    function.body = body

        def writing(state: Any, co: Any, *more: Any) -> Any:
            return False if os.path.normcase(co.co_filename) in self._in_part else write_pyc(state, co, *more)

        rewrite.rewrite_asserts, rewrite._write_pyc = rewriting, writing
        self._is_installed = True
        return True


def functions(tree: ast.AST, names: Collection[str], prefix: str = "") -> Iterator[Any]:
    """Yield the functions of a tree that have one of these names, `TestOne::test_it`, at the top or in classes."""
    import ast

    for node in getattr(tree, "body", ()):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, names, prefix + node.name + "::")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and prefix + node.name in names:
            yield node
