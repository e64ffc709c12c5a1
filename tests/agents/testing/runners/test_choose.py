"""Which runner a project has, from the files that lie in it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from app.agents.testing.runners.choose import OtherRunner, choose_runner, may_choose_anew
from app.agents.testing.runners.command import Command
from app.agents.testing.runners.unittests import Unittest
from app.agents.testing.settings import TestSettings
from app.domain.errors import InterpreterMissing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AUTO = TestSettings()
VITEST = json.dumps({"devDependencies": {"vitest": "^4"}})
JEST = json.dumps({"scripts": {"test": "jest --ci"}})
UNITTEST = "import unittest\nclass A(unittest.TestCase): pass\n"


def lay(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def chosen(root: Path, settings: TestSettings = AUTO, *, has_pytest: bool = False) -> str:
    choice = choose_runner(root, settings, lambda: "/a/python", has_pytest=lambda _python: has_pytest)
    return choice.tool.name if choice is not None else "pytest"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, "pytest"),
        ({"test_a.py": "def test(): pass"}, "pytest"),
        ({"package.json": VITEST, "tests/test_a.py": "def test(): pass"}, "pytest"),
        ({"package.json": VITEST, "pyproject.toml": "[tool.pytest.ini_options]"}, "pytest"),
        ({"package.json": VITEST, "conftest.py": ""}, "pytest"),
        ({"package.json": VITEST, "pyproject.toml": "[project]"}, "vitest"),
        ({"package.json": VITEST, "node_modules/a/test_a.py": "", ".venv/lib/test_b.py": ""}, "vitest"),
        ({"package.json": VITEST, "py/pyvenv.cfg": "", "py/test_b.py": ""}, "vitest"),
        ({"package.json": JEST}, "jest"),
        ({"package.json": json.dumps({"dependencies": {"jest": "1", "vitest": "1"}})}, "vitest"),
        ({"package.json": json.dumps({"scripts": {"test": "mocha"}})}, "pytest"),
        ({"package.json": "{broken", "Cargo.toml": ""}, "cargo test"),
        ({"package.json": "[]", "go.mod": "module x"}, "go test"),
        ({"package.json": json.dumps({"scripts": [], "dependencies": None})}, "pytest"),
        ({"Cargo.toml": "", "package.json": VITEST}, "vitest"),
        ({"test_a.py": UNITTEST}, "unittest"),
        ({"tests/test_a.py": UNITTEST, "package.json": VITEST}, "unittest"),
        ({"test_a.py": UNITTEST, "pytest.ini": ""}, "pytest"),
        ({"test_a.py": "import pytest\n" + UNITTEST}, "pytest"),
    ],
)
def test_auto(tmp_path: Path, files: dict[str, str], name: str) -> None:
    """Python comes first, then package.json, Cargo.toml, go.mod; pytest is the default."""
    root = lay(tmp_path, files)

    assert chosen(root) == name


def test_unittest_tests_run_under_pytest_where_it_is(tmp_path: Path) -> None:
    """Where it is, pytest runs unittest's tests too."""
    root = lay(tmp_path, {"test_a.py": UNITTEST})

    assert (chosen(root, has_pytest=True), chosen(root, has_pytest=False)) == ("pytest", "unittest")


def test_the_python_itself_is_asked(tmp_path: Path) -> None:
    """This Python has pytest; one that does not answer is taken to have it."""
    root = lay(tmp_path, {"test_a.py": UNITTEST})

    assert choose_runner(root, AUTO, lambda: sys.executable) is None
    assert choose_runner(root, AUTO, lambda: str(tmp_path / "gone")) is None


def test_settings_win(tmp_path: Path) -> None:
    """What the settings name is taken, whatever lies in the folder."""
    root = lay(tmp_path, {"package.json": VITEST})
    settings = TestSettings(runner="command", command="make check", report="r.xml")

    command = choose_runner(root, settings, lambda: "/a/python")
    own = choose_runner(root, TestSettings(runner="unittest", args=("-f",)), lambda: "/a/python")

    assert command is not None
    assert (command.tool, command.interpreter) == (Command("make check", "r.xml"), "/a/python")
    assert own is not None
    assert own.tool == Unittest("/a/python", ("-f",))
    assert chosen(root, TestSettings(runner="pytest")) == "pytest"


def test_a_project_without_python_needs_none(tmp_path: Path) -> None:
    """A command and the other languages are run without a Python; unittest cannot be."""
    root = lay(tmp_path, {"package.json": VITEST})

    def missing() -> str:
        raise InterpreterMissing("none")

    auto = choose_runner(root, AUTO, missing)
    command = choose_runner(root, TestSettings(runner="command", command="x"), missing)

    assert auto is not None
    assert command is not None
    assert (auto.interpreter, command.interpreter) == (None, None)
    with pytest.raises(InterpreterMissing):
        choose_runner(root, TestSettings(runner="unittest"), missing)


@pytest.mark.parametrize(
    ("choice", "changed", "may"),
    [
        (None, ["src/a.py", "tests/test_a.py"], False),
        (None, ["web/package.json"], True),
        (OtherRunner(Command("x"), "why"), ["tests/test_new.py"], True),
        (OtherRunner(Command("x"), "why"), ["src/a.js"], False),
    ],
)
def test_a_choice_is_made_anew_only_when_it_may_differ(
    choice: OtherRunner | None,
    changed: list[str],
    may: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """An ordinary save costs no look at the whole tree."""
    assert may_choose_anew(choice, changed) is may
