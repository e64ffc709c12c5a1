"""A small project whose work was just done, its tests' outcomes, and a marker that a test writes."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.checks.claims import Claims
from app.agents.auditing.context import Context

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "TASK_1_COMPLETION_REPORT.md"
BEFORE = {
    "README.md": "# Shop\n",
    "shop/__init__.py": "",
    "shop/price.py": "def net(items):\n    return sum(items)\n",
    "shop/stock.py": "class Stock:\n    pass\n",
    "shop/untouched.py": "def old():\n    return 1\n",
    "shop/legacy.py": "x = 1\n",
    "tests/test_price.py": "from shop.price import net\n\n\ndef test_net():\n    assert net([1]) == 1\n",
    ".gitignore": "build/\n",
}
WORK = {
    "shop/price.py": "def net(items):\n    return sum(items)\n\n\ndef gross(items, rate):\n    return rate\n",
    "shop/cart.py": "class Cart:\n    def add(self, item):\n        self.item = item\n",
    "shop/stock.py": "class Stock:\n    limit = 3\n",
    "tests/test_cart.py": "from shop.cart import Cart\n\n\ndef test_add():\n    assert Cart().add(1) is None\n",
    "docs/design notes.md": "# Notes\n",
}


class Work:
    """A project in git, in which work was done since the last audit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")
        self.write(BEFORE)
        self.commit()
        for _ in range(20):
            self.commit()
        self.since = self.git("rev-parse", "HEAD")
        self.write(WORK)
        (root / "shop/legacy.py").unlink()
        self.facts: dict[str, Any] = self.ended(green=40)
        self.facts["coverage"] = {"percent": 84.6, "at": time.time() + 60}

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", *identity, "-C", str(self.root), *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "work")

    def write(self, files: dict[str, str]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")

    def ended(self, *, green: int, red: int = 0, at: float | None = None) -> dict[str, Any]:
        """Return facts of green tests of tests/test_cart.py, and of red ones of tests/test_price.py."""
        when = time.time() + 60 if at is None else at
        tests = [{"nodeid": f"tests/test_cart.py::test_{n}", "outcome": "passed", "at": when} for n in range(green)]
        tests += [{"nodeid": f"tests/test_price.py::test_red_{n}", "outcome": "failed", "at": when} for n in range(red)]
        return {"tests": tests, "verdict": "red" if red else "green", "verdict_at": when}

    def told(self, marker: str, name: str = MARKER, **more: Any) -> list[Any]:
        """Return what is told of a marker of this text."""
        self.write({name: marker})
        given = {"since": self.since, "facts": self.facts, "marker": name} | more
        return list(Claims().look(Context(root=self.root, **given)))


@pytest.fixture
def work(tmp_path: Path) -> Work:
    root = tmp_path / "shop-project"
    root.mkdir()
    return Work(root)
