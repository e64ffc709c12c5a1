"""The commands that watch a project or run its tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.launchers import OnceOptions, TrayOptions
from app.domain.errors import ProjectError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.context import Context


def start(context: Context) -> int:
    """Start the tray, or raise the one that runs."""
    paths = tuple(project_root(each, context.cwd, context.commands) for each in context.words.paths)
    words = context.words
    return context.launchers.tray(paths, TrayOptions(window=words.window, safe=words.safe, keep=words.keep))


def run(context: Context) -> int:
    """Watch one project, with a tray or without."""
    root = project_root(context.words.path, context.cwd)
    if context.words.headless:
        return context.launchers.headless(root, context.as_json)
    if context.as_json:
        raise UsageError("A tray prints nothing, so --json needs --headless.", "Add --headless.")
    return context.launchers.tray((root,), TrayOptions())


def once(context: Context) -> int:
    """Run a project's tests once."""
    root = project_root(context.words.path, context.cwd)
    changed = tuple(_inside(each, root, context.cwd) for each in context.words.changed)
    with context.logging():
        options = OnceOptions(as_json=context.as_json, coverage=context.words.coverage)
        return context.launchers.once(root, changed, options)


def project_root(named: str, cwd: Path, commands: Sequence[str] = ()) -> Path:
    """Return a folder that was named on the command line as an absolute path without links.

    Whether it can be watched is for those to say who watch it.

    Args:
        named: As it was typed.
        cwd: The folder that it starts from.
        commands: Names that may have been meant instead.

    Raises:
        ProjectError: There is nothing of this name.
    """
    try:
        root = (cwd / Path(named).expanduser()).resolve()
        if not root.exists():
            raise ProjectError(f"There is no folder {named!r}.", _hint(named, commands))
    except (OSError, RuntimeError, ValueError) as error:
        raise ProjectError(f"{named!r} cannot be read: {error}.", "Check the path and its rights.") from error
    return root


def _hint(named: str, commands: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(named, commands, n=1)
    also = f" Or did you mean the command `watchkeeper {near[0]}`?" if near else ""
    return f"Check the spelling, or name another folder.{also} `watchkeeper --help` lists the commands."


def _inside(named: str, root: Path, cwd: Path) -> str:
    """Return a file's name relative to the root, from one that is relative to here or to the root, or absolute."""
    for base in (cwd, root):
        path = Path(os.path.normpath(base / named))
        # Links are followed up to the folder: the file itself may be gone (deleting is a change too).
        path = path.parent.resolve() / path.name
        if path.is_relative_to(root) and path != root and (base == root or path.exists()):
            return path.relative_to(root).as_posix()
    raise UsageError(f"{named!r} is not in {root}.", "Name files of that project behind --changed.")
