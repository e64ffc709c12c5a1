"""A small project with tests of its own, and the ways in which people and editors save a file of it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

GOOD = '''"""Prices."""


def total(prices):
    return sum(prices)


def label(price):
    return f"{price:.2f} EUR"
'''
BROKEN = GOOD.replace("return sum(prices)", "return sum(prices) + 1")

TESTS = """import pytest

from shop.prices import label, total


@pytest.mark.parametrize("prices", [[1, 2, 4]], ids=["three"])
def test_total(prices):
    assert total(prices) == 7


def test_label():
    assert label(2) == "2.00 EUR"
"""
RED = "tests/test_prices.py::test_total[three]"
RED_TITLE = "test_total[three] went red"

SLOW_TESTS = """import subprocess
import sys
import time


def test_slow():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    time.sleep(600)
    child.wait()
"""


class Project:
    """The project in a folder, under git.

    Args:
        root: The folder, which is created.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.code = root / "shop" / "prices.py"
        (root / "shop").mkdir(parents=True)
        (root / "tests").mkdir()
        (root / "shop" / "__init__.py").write_text("")
        (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
        (root / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n")
        (root / "tests" / "test_prices.py").write_text(TESTS)
        self.code.write_text(GOOD)
        self._git("init", "--quiet", "--initial-branch=good")
        self._commit("good")
        self._git("checkout", "--quiet", "-b", "broken")
        self.code.write_text(BROKEN)
        self._commit("broken")
        self.checkout("good")

    def save_in_place(self, text: str) -> None:
        """Save as VS Code does: the same file, cut to nothing and written again."""
        with self.code.open("r+", encoding="utf-8") as file:
            file.truncate(0)
            file.write(text)

    def save_as_vim(self, text: str) -> None:
        """Save as vim does with a backup: probe `4913`, move the file to `name~`, create it anew, delete the backup."""
        probe, backup = self.code.with_name("4913"), self.code.with_name(f"{self.code.name}~")
        probe.touch()
        probe.unlink()
        self.code.rename(backup)
        with self.code.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        backup.unlink()

    def save_by_git(self, text: str) -> None:
        """Get the text by checking out the branch that has it."""
        self.checkout("broken" if text == BROKEN else "good")

    def checkout(self, branch: str) -> None:
        """Check out a branch."""
        self._git("checkout", "--quiet", branch)

    def add_slow_tests(self) -> None:
        """Add a test that runs for ten minutes, with a child of its own."""
        (self.root / "tests" / "test_slow.py").write_text(SLOW_TESTS)

    def _commit(self, message: str) -> None:
        self._git("add", "--all")
        self._git("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "--quiet", "-m", message)

    def _git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.root, check=True, capture_output=True)
