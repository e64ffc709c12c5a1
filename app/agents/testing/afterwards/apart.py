"""Runs chosen tests of a project apart from its runs, there or in a copy of it. PYTEST_DONT_REWRITE.

Loaded in the user's own interpreter before the worker, CPython 3.8 and later with pytest 7 and later, as the module
`watchkeeper_apart`, which is a pytest plugin too. Standard library only. Its orders are `words.json` in a scratch
folder:

    only    node ids; everything else that pytest collects is deselected, and other test files are not even imported;
            null for the whole suite
    moved   null, or two folders: a working tree and its copy. Import paths and editable installs that lead into the
            tree lead into the copy then, also in programs that the tests start

Whatever the project asks for, there is one process, no limit on failures, no coverage by pytest-cov, and every chosen
test runs, whether it failed last or not. In `report.jsonl`, one JSON document a line, stands what a judge of the copy
must know:

    {"moved": true}         import paths lead into the copy
    {"stranger": PATH}      something was loaded, opened or listed in the tree itself after all
    {"started": true}       another program was started; what it reads is not seen
    {"checked": true}       the loaded modules were looked at, at the start and end of each test
"""

# What pytest hands over has other classes in each of its versions (ANN401); pathlib behaves differently over Python's
# versions, and an audit hook must not lead into itself (PTH); what not every system needs is imported there (PLC0415).
# ruff: noqa: ANN401, PLC0415, PTH110, PTH112, PTH117, PTH118, PTH119, PTH120, PTH122, PTH123, PTH206
from __future__ import annotations

import json
import os
import sys
import sysconfig
from contextlib import suppress

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NICE = 10
STRANGERS_CAP = 20

_INSTALLED = frozenset({"site-packages", "dist-packages", ".tox", ".nox"})
_STARTS = frozenset({"subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.exec", "os.fork", "os.forkpty"})
_ASKING = frozenset({"uname", "file", "ldconfig", "gcc", "cc", "ld", "objdump"})
"""What `platform` and `ctypes.util` of the standard library start, often while packages are imported."""
_READS = frozenset({"open", "os.listdir", "os.scandir"})
_OVERRULED: dict[str, Any] = {
    "numprocesses": 0,
    "dist": "no",
    "tx": [],
    "looponfail": False,
    "maxfail": 0,
    "continue_on_collection_errors": True,
    "lf": False,
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "no_cov": True,
}
"""Options as argparse names them: pytest-xdist's, pytest's own, pytest-cov's."""


class Move:
    """A working tree, its copy, and what leads from the one into the other.

    Args:
        tree: The working tree.
        copy: Its copy.
        ours: What is ours although it lies in the tree, as it does where Watchkeeper watches itself.
    """

    def __init__(self, tree: str, copy: str, *, ours: tuple[str, ...]) -> None:
        self.tree = _real(tree)
        self.copy = _real(copy)
        places = [path for name, path in sysconfig.get_paths().items() if name != "data"]
        places += [prefix for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix) if prefix]
        # A virtual environment inside the tree is no source of it. One that is the tree, or around it, hides nothing.
        within = [real for real in map(_real, places) if not _is_in(self.tree, real)]
        self._installed = tuple(real + os.sep for real in (*within, *map(_real, ours)))

    def is_stranger(self, path: str) -> bool:
        """Return whether a path lies in the tree itself, and is none of what is installed there."""
        real = _real(path)
        if not _is_in(real, self.tree) or _is_in(real, self.copy) or (real + os.sep).startswith(self._installed):
            return False
        return _INSTALLED.isdisjoint(real[len(self.tree) :].split(os.sep))

    def moved(self, path: object) -> str:
        """Return the path in the copy that a path in the tree stands for, if it is there; else an empty string."""
        if not isinstance(path, str) or not os.path.isabs(path) or not self.is_stranger(path):
            return ""
        there = self.copy + _real(path)[len(self.tree) :]
        return there if os.path.exists(there) else ""

    def redirect(self) -> None:
        """Have all that is imported from now on come from the copy, here and in programs that are started from here."""
        folders = []
        for place, entry in enumerate(sys.path):
            there = self.moved(entry)
            if there:
                sys.path[place] = there
                folders.append(there)
        for finder in sys.meta_path:
            for mapping in _mappings(finder):
                folders += self._redirect(mapping)
        sys.path_importer_cache.clear()
        around = [self.moved(entry) or entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        if folders or around:
            os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*folders, *around]))
        for name in ("PYTEST_ADDOPTS", "PWD"):
            if name in os.environ:
                os.environ[name] = self.rewritten(os.environ[name])

    def _redirect(self, mapping: dict[str, Any]) -> list[str]:
        """Change an editable install's mapping of names to paths; returns the folders that would serve as well."""
        folders = []
        for name, target in list(mapping.items()):
            if isinstance(target, list):
                mapping[name] = [self.moved(path) or path for path in target]
            elif self.moved(target):
                mapping[name] = there = self.moved(target)
                package = os.path.dirname(there) if os.path.basename(there) == "__init__.py" else there
                if os.path.splitext(os.path.basename(package))[0] == name:
                    folders.append(os.path.dirname(package))
        return folders

    def rewritten(self, argument: str) -> str:
        """Return an argument of pytest's with the tree's path in it replaced by that of the copy."""
        before, found, after = argument.partition(self.tree)
        if not found or after[:1] not in ("", os.sep, "/", ":"):
            return argument
        return before + self.copy + after


class Report:
    """What is told, a line at a time, so that it stands there whatever ends the process.

    Args:
        path: The file.
        move: What is watched; None for nothing.
    """

    def __init__(self, path: str, move: Move | None) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._write = os.write  # tests put fakes in its place
        self._move = move
        self._told: set[str] = set()
        self._seen: set[str] = set()

    def tell(self, **values: object) -> None:
        """Write one line, once."""
        line = json.dumps(values)
        if line not in self._told and len(self._told) < STRANGERS_CAP:
            self._told.add(line)
            with suppress(OSError):
                self._write(self._descriptor, line.encode("ascii") + b"\n")

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take in one audit event (PEP 578). Nothing may be raised from here."""
        try:
            if event in _READS and args:
                self._look(args[0])
            elif event in _STARTS and not _asks_the_system(args):
                self.tell(started=True)
        except Exception:  # noqa: BLE001, S110 - it would end what the test is doing
            pass

    def look_at_modules(self) -> None:
        """Tell of modules that came from the tree; an extension module is opened by no `open`."""
        if self._move is not None:
            for module in list(sys.modules.values()):
                file = getattr(module, "__file__", None)
                if isinstance(file, str):
                    self._look(file)
            self.tell(checked=True)

    def _look(self, path: Any) -> None:
        if self._move is None or not isinstance(path, (str, bytes, os.PathLike)):
            return
        name = os.fsdecode(path)
        if name not in self._seen:
            if os.path.isabs(name):
                self._seen.add(name)
            if self._move.is_stranger(name):
                self.tell(stranger=name)


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _asks_the_system(args: tuple[Any, ...]) -> bool:
    """Return whether a program is one by which the standard library itself asks for the system or its libraries."""
    program = args[0] if args else None
    return isinstance(program, (str, bytes)) and os.path.basename(os.fsdecode(program)) in _ASKING


def _mappings(finder: Any) -> Iterator[dict[str, Any]]:
    """Yield what an editable install's finder goes by: setuptools' (MAPPING, NAMESPACES) and that of `editables`."""
    module = sys.modules.get(getattr(finder, "__module__", ""))
    for found in (
        getattr(module, "MAPPING", None),
        getattr(module, "NAMESPACES", None),
        getattr(finder, "_redirections", None),
    ):
        if isinstance(found, dict):
            yield found


_only: frozenset[str] | None = None
_files: frozenset[str] = frozenset()
_report: Report | None = None


def pytest_load_initial_conftests(early_config: Any) -> Iterator[None]:
    """Turn pytest-cov off before it looks at its options: it would write its file into the project."""
    early_config.known_args_namespace.no_cov = True
    yield


def pytest_cmdline_main(config: Any) -> Iterator[None]:
    """Overrule what would keep the chosen tests from running here, each of them."""
    for name, value in _OVERRULED.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)
    yield


def pytest_ignore_collect(collection_path: Any, config: Any) -> bool | None:
    """Pass over files without a chosen test. Folders and packages stay, since fixtures may hang on them."""
    path = str(collection_path)
    if _only is None or os.path.basename(path) == "__init__.py" or os.path.isdir(path):
        return None
    chosen = {os.path.normcase(os.path.join(str(config.rootpath), file)) for file in _files}
    return True if os.path.normcase(path) not in chosen else None


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> Iterator[None]:
    """Leave the chosen tests, after everyone else has had their say."""
    yield
    if _only is not None:
        others = [item for item in items if item.nodeid not in _only]
        items[:] = [item for item in items if item.nodeid in _only]
        if others:
            config.hook.pytest_deselected(items=others)


def pytest_runtest_logstart() -> None:
    """Look at what is loaded."""
    if _report is not None:
        _report.look_at_modules()


def pytest_runtest_logfinish() -> None:
    """Look at what is loaded."""
    if _report is not None:
        _report.look_at_modules()


def _mark() -> None:
    """Say how pytest is to call the hooks that are not plain ones. Without pytest the worker says so itself."""
    try:
        import pytest

        pytest.hookimpl(hookwrapper=True, tryfirst=True)(pytest_load_initial_conftests)
        pytest.hookimpl(hookwrapper=True, tryfirst=True)(pytest_cmdline_main)
        pytest.hookimpl(tryfirst=True)(pytest_ignore_collect)
        pytest.hookimpl(hookwrapper=True)(pytest_collection_modifyitems)
    except (ImportError, AttributeError):
        pass


def _yield_to_others() -> None:
    if sys.platform == "win32":
        import ctypes

        below_normal = 0x4000
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), below_normal)
    else:
        os.nice(NICE)


def enter() -> None:
    """Prepare this process, and go on with what follows in its arguments: `-c LAUNCH WORKER ARGUMENTS`."""
    global _only, _files, _report  # noqa: PLW0603 - a plugin that is a module has its state in the module
    scratch, code, arguments = sys.argv[2], sys.argv[4], sys.argv[5:]
    with open(os.path.join(scratch, "words.json"), encoding="utf-8") as file:
        words = json.load(file)
    _yield_to_others()
    move = Move(*words["moved"], ours=(arguments[0], __file__)) if words["moved"] else None
    _report = Report(os.path.join(scratch, "report.jsonl"), move)
    if move is not None:
        move.redirect()
        arguments[1:] = [move.rewritten(argument) for argument in arguments[1:]]
        sys.addaudithook(_report.hear)
        _report.tell(moved=True)
    if words["only"] is not None:
        _only = frozenset(words["only"])
        _files = frozenset(nodeid.partition("::")[0] for nodeid in _only)
    _mark()
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<string>", "exec"), sys.modules["__main__"].__dict__)  # noqa: S102 - what -c itself does
