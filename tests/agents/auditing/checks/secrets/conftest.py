"""Real git repositories with made-up secrets in them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.checks.secrets.check import Secrets
from app.agents.auditing.context import Context
from app.agents.auditing.plugin import Finding, NotKnown

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Project:
    """A project's folder, and what the check says about it."""

    root: Path

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=A", "-c", "user.email=a@shop.io", "-c", "protocol.file.allow=always"]
        argv = ["git", *who, "-C", str(self.root), *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, path: str, text: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    def commit(self, **texts: str) -> str:
        """Commit files, by their names with `__` for a dot, and return which commit it is."""
        for name, text in texts.items():
            self.write(name.replace("__", "."), text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a change")
        return self.git("rev-parse", "HEAD")

    def audit(self, root: Path | None = None, **options: object) -> tuple[list[Finding], list[str]]:
        """Return what is found, and why something is not known."""
        told = list(Secrets().look(Context(root or self.root, options=options)))
        found = [each for each in told if isinstance(each, Finding)]
        return found, [each.reason for each in told if isinstance(each, NotKnown)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    made = Project(root)
    made.git("init", "-q", "-b", "main")
    return made
