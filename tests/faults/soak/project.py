"""The project that is watched: ten modules and fifty tests, any of which can be broken on purpose."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MODULES = 10
TESTS_EACH = 5

_CODE = '''"""Rule {number}."""


def value(given):
    return given + {answer}
'''
_TESTS = """import pytest

from shop.rule_{number} import value


@pytest.mark.parametrize("given", range({count}))
def test_value(given):
    assert value(given) == given + {number}
"""
_ROW_OF_RED = "FAILED "
_SOMEBODY = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")


@dataclass
class Project:
    """It, in a folder under git.

    Args:
        root: The folder; it is created.
    """

    root: Path
    broken: set[int] = field(default_factory=set)
    saves: int = 0

    def __post_init__(self) -> None:
        """Write it, and commit it."""
        for folder in ("shop", "tests"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "shop" / "__init__.py").write_text("")
        (self.root / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
        (self.root / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n*.tmp\n")
        for number in range(MODULES):
            self._write(number, answer=number)
            text = _TESTS.format(number=number, count=TESTS_EACH)
            (self.root / "tests" / f"test_rule_{number}.py").write_text(text)
        for words in (("init", "--quiet"), ("add", "--all"), (*_SOMEBODY, "commit", "--quiet", "-m", "Begin")):
            subprocess.run(["git", *words], cwd=self.root, check=True, capture_output=True)

    def save(self, number: int) -> None:
        """Save a module with the same meaning as before, and another comment."""
        self.saves += 1
        self._write(number, answer=number + (number in self.broken), comment=f"\n# save {self.saves}\n")

    def break_module(self, number: int) -> None:
        """Make all tests of a module red."""
        self.broken.add(number)
        self.save(number)

    def mend_module(self, number: int) -> None:
        """Make them green again."""
        self.broken.discard(number)
        self.save(number)

    def red(self) -> frozenset[str]:
        """Return the node ids of the tests that are red by construction."""
        return frozenset(
            f"tests/test_rule_{number}.py::test_value[{given}]" for number in self.broken for given in range(TESTS_EACH)
        )

    def red_by_pytest(self) -> frozenset[str]:
        """Return the node ids of the tests that pytest itself calls red."""
        argv = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider"]
        ran = subprocess.run(argv, cwd=self.root, capture_output=True, text=True, timeout=60, check=False)
        lines = [line for line in ran.stdout.splitlines() if line.startswith(_ROW_OF_RED)]
        return frozenset(line.removeprefix(_ROW_OF_RED).split(" - ")[0] for line in lines)

    def _write(self, number: int, *, answer: int, comment: str = "") -> None:
        (self.root / "shop" / f"rule_{number}.py").write_text(_CODE.format(number=number, answer=answer) + comment)
