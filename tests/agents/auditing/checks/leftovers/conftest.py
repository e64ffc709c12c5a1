"""A project in a git repository, as it was at the last audit, and what the check says of what is done to it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.checks.leftovers import Leftovers
from app.agents.auditing.context import Context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Project:
    """A project whose files a test writes, and what the check tells of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", *identity, "-C", str(self.root), *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files; None takes one away."""
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes | None] | None = None) -> str:
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "work")
        return self.git("rev-parse", "HEAD")

    def told(self, since: str, **more: Any) -> list[Any]:
        return list(Leftovers().look(Context(root=self.root, since=since, **more)))

    def rules(self, since: str) -> list[tuple[str, str, int]]:
        return sorted((each.rule, each.path, each.line) for each in self.told(since))

    def after(self, before: Mapping[str, str | bytes], now: Mapping[str, str | bytes | None]) -> list[Any]:
        """Return what is told when the files were so at the last audit, and are so now."""
        since = self.commit(before)
        self.write(now)
        return self.told(since)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root)
