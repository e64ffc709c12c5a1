"""Which modules are loaded, and which of the project's no import statement would lead to."""

# The frame is the only thing that says who imports (SLF001).
# ruff: noqa: PTH118, SLF001 - pathlib costs time at each import
from __future__ import annotations

import importlib
import importlib.util
import opcode
import os
import sys
import sysconfig
import warnings

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import Any

    from .audit import Audit
    from .project import Project

OWN = __name__.partition(".")[0]
_IMPORT_NAME = opcode.opmap["IMPORT_NAME"]
_LIBRARY = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib"))
_NOT_WORTH_TELLING = frozenset(("__main__", "pytest", "_pytest", "pluggy", OWN))


class Imports:
    """Looks at each of the project's modules as it is executed, and who had it imported.

    As a plugin it knows when a test runs.
    """

    def __init__(self, project: Project, audit: Audit, pytest_folder: str) -> None:
        self._project = project
        self._getframe = sys._getframe
        self._modules = sys.modules
        self._seen: set[str] = set()
        self._lazy: set[str] = set()
        self._is_in_test = False
        self._import_module = importlib.__file__
        self._rewrite = os.path.join(pytest_folder, "assertion", "rewrite.py")
        self._collects = os.path.join(pytest_folder, "pathlib.py")
        audit.on(("exec",), self._executed)

    def pytest_runtest_logstart(self) -> None:
        """What is imported from here on, one test has imported and the next has not."""
        self._is_in_test = True

    def pytest_runtest_logfinish(self) -> None:
        """Between tests, files are collected."""
        self._is_in_test = False

    def _executed(self, args: tuple[Any, ...]) -> None:
        code: CodeType = args[0]
        if getattr(code, "co_name", "") != "<module>":
            return
        name = self._project.code_name(code.co_filename)
        if name:
            self._seen.add(name)
            if self._is_in_test or not self._is_plain():
                self._lazy.add(name)

    def _is_plain(self) -> bool:
        """Return whether an import statement of the project leads here, or pytest, which collects this very file."""
        frame: Any = self._getframe(3)  # above this function, `_executed` and the audit hook
        is_called = False
        while frame is not None:
            name = frame.f_code.co_filename
            if name == self._import_module:
                is_called = True
            elif not name.startswith("<frozen importlib") and name != self._rewrite:
                break
            frame = frame.f_back
        if frame is None:
            return False
        if name == self._collects:
            return True
        is_statement = frame.f_code.co_code[frame.f_lasti] == _IMPORT_NAME
        return bool(self._project.code_name(name)) and is_statement and not is_called

    def files(self) -> dict[str, str]:
        """Return the project's files that are loaded, by the module's name."""
        files = {}
        for name, module in list(self._modules.items()):
            if name == "__main__" or name.partition(".")[0] == OWN:
                continue
            try:
                file = vars(module).get("__file__")
            except TypeError:
                continue
            path = self._project.code_name(file) if isinstance(file, str) else ""
            if path:
                files[name] = path
        return files

    def told(self) -> dict[str, object]:
        """Return what is told of it in the end."""
        files = self.files()
        lazy = self._lazy | (set(files.values()) - self._seen)
        others = [name for name in list(self._modules) if name not in files and self._is_importable(name)]
        return {"files": files, "lazy": sorted(lazy), "thirdparty": others}

    def _is_importable(self, name: str) -> bool:
        """Return whether it is a module under its own name, and neither built in nor pytest's."""
        if name.partition(".")[0] in _NOT_WORTH_TELLING or name in sys.builtin_module_names:
            return False
        try:
            values = vars(self._modules[name])
            spec, file = values.get("__spec__"), values.get("__file__")
        except (TypeError, KeyError):
            return False
        origin = getattr(spec, "origin", None)
        is_installed = origin == "frozen" or (isinstance(file, str) and _is_installed(file))
        return getattr(spec, "name", None) == name and is_installed


def _is_installed(file: str) -> bool:
    """Return whether a module came with Python or was installed: one that somebody may edit is no use for long.

    A folder without `__init__.py`, which may be the project's as well, has no file.
    """
    parts = file.split(os.sep)  # noqa: PTH206 - see above
    return "site-packages" in parts or "dist-packages" in parts or file.startswith(_LIBRARY)


def preload(names: Iterable[str]) -> list[str]:
    """Import modules ahead, as far as they can be imported.

    Returns:
        Those whose import gave a warning: tests that make warnings errors would not see it any more.
    """
    warned = []
    for name in names:
        if name in sys.modules:
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                importlib.import_module(name)
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001, S110 - it is only ahead of time: who needs it will see the error
                pass
        if caught:
            warned.append(name)
    return warned
