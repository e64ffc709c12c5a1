"""Which runner a project has. Reads the project's files, and may ask its Python: call it in a thread."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from app.agents.testing.runners.cargo import Cargo
from app.agents.testing.runners.command import Command
from app.agents.testing.runners.golang import Go
from app.agents.testing.runners.javascript import JavaScript
from app.agents.testing.runners.unittests import Unittest
from app.domain.errors import InterpreterMissing
from app.engine.regular import read_regular
from app.engine.windowless import NO_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.agents.testing.runners.steps import Tool
    from app.agents.testing.settings import TestSettings

ASK_S = 20.0
"""A Python on a cold disk takes seconds to say whether it has pytest."""
LOOKED_AT = 5000
"""Files that are looked at for tests, at most."""
READ_OF_TEST = 64 * 1024
TEST_FILES_READ = 50

_NO_SOURCE = frozenset(
    {"node_modules", "site-packages", "__pycache__", "build", "dist", "target", "venv", "env", "vendor"}
)
_CONFIGURES_PYTEST = (
    ("pytest.ini", ""),
    (".pytest.ini", ""),
    ("conftest.py", ""),
    ("tests/conftest.py", ""),
    ("pyproject.toml", "[tool.pytest"),
    ("tox.ini", "[pytest]"),
    ("setup.cfg", "[tool:pytest]"),
)
_DECIDE = frozenset(
    {"package.json", "Cargo.toml", "go.mod", *(name.rpartition("/")[2] for name, _ in _CONFIGURES_PYTEST)}
)
"""Names of files by which a runner is chosen."""


@dataclass(frozen=True, slots=True)
class OtherRunner:
    """A runner that is not pytest's.

    Attributes:
        tool: The runner.
        why: What it was chosen for, for people: `package.json names vitest`.
        interpreter: The project's Python, whose environment the run is in; None where there is none.
    """

    tool: Tool
    why: str
    interpreter: str | None = None


def choose_runner(
    root: Path,
    settings: TestSettings,
    interpreter: Callable[[], str],
    *,
    has_pytest: Callable[[str], bool] | None = None,
) -> OtherRunner | None:
    """Return the runner of a project's tests; None for pytest, the default.

    What the settings name is taken. Else the first of these rules that fits:

    1. Python, as soon as there is a pytest configuration, a conftest.py or a file test_*.py or *_test.py: in a project
       of several languages, as where a package.json is there for the documentation, the Python tests are the ones that
       Watchkeeper is for, and the others have `runner = "command"`. It is unittest's when nothing configures pytest,
       the tests are written with unittest.TestCase, and the project's Python has no pytest; else pytest's.
    2. package.json names vitest, or jest, as a dependency or in a script. Both: vitest, the one that people move to.
    3. Cargo.toml: `cargo test`.
    4. go.mod: `go test`.
    5. pytest, which says what it looks for when it finds nothing.

    Args:
        root: The project's folder.
        settings: The settings in force for it.
        interpreter: Gives the project's Python; called when it matters. It may raise `InterpreterMissing`.
        has_pytest: Tells whether a Python has pytest; None to ask it.

    Raises:
        InterpreterMissing: unittest is to be used, and there is no Python.
    """
    match settings.runner:
        case "pytest":
            return None
        case "unittest":
            python = interpreter()
            return OtherRunner(Unittest(python, settings.args), "the settings say so", python)
        case "command":
            return OtherRunner(Command(settings.command, settings.report), "the settings say so", _maybe(interpreter))
    if _configures_pytest(root):
        return None
    tests = list(islice(_test_files(root), TEST_FILES_READ))
    if tests:
        return _python(tests, interpreter, has_pytest or _has_pytest)
    return _other_language(root)


def may_choose_anew(choice: OtherRunner | None, changed: Iterable[str]) -> bool:
    """Return whether changed files may lead to another choice, so that it need not be made anew at each save.

    Args:
        choice: What was chosen.
        changed: The files that changed, relative to the root, with forward slashes.
    """
    names = {path.rpartition("/")[2] for path in changed}
    return not names.isdisjoint(_DECIDE) or (choice is not None and any(_is_test_name(name) for name in names))


def _other_language(root: Path) -> OtherRunner | None:
    name = _named_in_package(root / "package.json")
    if name:
        return OtherRunner(JavaScript(name), f"package.json names {name}")
    if (root / "Cargo.toml").is_file():
        return OtherRunner(Cargo(), "there is a Cargo.toml")
    if (root / "go.mod").is_file():
        return OtherRunner(Go(), "there is a go.mod")
    return None


def _python(tests: list[Path], interpreter: Callable[[], str], has_pytest: Callable[[str], bool]) -> OtherRunner | None:
    if not any(_is_unittest(path) for path in tests):
        return None
    python = _maybe(interpreter)
    if python is None or has_pytest(python):
        return None
    return OtherRunner(Unittest(python), "its tests are unittest's, and its Python has no pytest", python)


def _maybe(interpreter: Callable[[], str]) -> str | None:
    try:
        return interpreter()
    except InterpreterMissing:
        return None


def _configures_pytest(root: Path) -> bool:
    return any(sign in _read(root / name) if sign else (root / name).is_file() for name, sign in _CONFIGURES_PYTEST)


def _test_files(root: Path) -> Iterator[Path]:
    """Yield the files that pytest or unittest would take for tests, of the first ones in the tree."""
    for path in islice(_files(root), LOOKED_AT):
        if _is_test_name(path.name):
            yield path


def _is_test_name(name: str) -> bool:
    return name.endswith(".py") and (name.startswith("test") or name.endswith("_test.py"))


def _files(root: Path) -> Iterator[Path]:
    """Yield the files of a project, those on top first within each folder."""
    for place, folders, names in os.walk(root):
        folder = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if name not in _NO_SOURCE and not name.startswith(".") and not (folder / name / "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            yield folder / name


def _is_unittest(path: Path) -> bool:
    text = _read(path)
    return "unittest" in text and "TestCase" in text and "import pytest" not in text


def _named_in_package(path: Path) -> str:
    """Return `vitest` or `jest` when a package.json names it, as a dependency or as a word of a script."""
    try:
        package = json.loads(_read(path) or "{}")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(package, dict):
        return ""
    named: set[str] = set()
    for table in ("dependencies", "devDependencies", "optionalDependencies"):
        named.update(package.get(table) or ())
    scripts = package.get("scripts")
    for script in scripts.values() if isinstance(scripts, dict) else ():
        named.update(str(script).split())
    return next((name for name in ("vitest", "jest") if name in named), "")


def _read(path: Path) -> str:
    """Return the beginning of a file's text; empty when it cannot be read, or is no file (a FIFO, say)."""
    try:
        return read_regular(path, READ_OF_TEST).decode("utf-8", "replace")
    except OSError:
        return ""


def _has_pytest(python: str) -> bool:
    """Return whether a Python has pytest; one that does not answer is taken to have it: pytest's own run says more."""
    code = "import importlib.util as u, sys; sys.exit(u.find_spec('pytest') is None)"
    try:
        done = subprocess.run(  # noqa: S603 - the project's own Python
            [python, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=ASK_S,
            check=False,
            creationflags=NO_WINDOW,
        )
    except (OSError, subprocess.SubprocessError):
        return True
    return done.returncode != 1
