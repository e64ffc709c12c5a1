"""Which folder `audit` audits: a part of a repository is no project of its own, unless something says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.projects import project_root
from app.cli.terminal import plain

if TYPE_CHECKING:
    from app.cli.context import Context

MANIFESTS = (
    "pyproject.toml", "setup.py", "setup.cfg", "package.json", "go.mod", "Cargo.toml", "pom.xml", "build.gradle",
    ".watchkeeper.toml", ".watchkeeper-baseline.json",
)  # fmt: skip
"""A folder with one of them is a project of its own, also within a repository."""


def audited_folder(context: Context, named: str) -> Path:
    """Return the project's folder that is meant, and tell when that is not the whole repository, or not what was named.

    A folder below a repository's top stands for the whole repository: its secrets lie above it as well. It stands for
    itself where it has a manifest, is watched, or was audited before.

    Args:
        context: The command line.
        named: The folder as it was typed.

    Raises:
        ProjectError: There is nothing of this name.
    """
    root = project_root(named, context.cwd)
    top = _top(root)
    if top == root:
        return root
    note = context.terminal.note
    if _is_own(context, root):
        note(plain(f"{root} is a part of the repository {top}, which may hold more: watchkeeper audit {top}"))
        return root
    note(plain(f"{root} is a part of the repository {top}: all of that is audited."))
    return top


def _top(root: Path) -> Path:
    """Return the top of the repository around a folder; itself where there is none, or one that holds a home folder."""
    from app.engine.filewatch.repository import Repository

    top = Repository(str(root)).top
    try:
        is_home = Path.home().resolve().is_relative_to(top)
    except (OSError, RuntimeError):
        is_home = False
    return root if is_home else top


def _is_own(context: Context, root: Path) -> bool:
    from app.agents.auditing.memory import Memories

    return any((root / name).is_file() for name in MANIFESTS) or Memories(context.places.data / "audits").knows(root)
