"""What `doctor` looks at of each project of the settings: its folder, its Python, its own settings, its disk."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.doctor.check import Check, Level, Look
from app.system.filesystems import is_network, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.agents.settings import Settings
    from app.cli.doctor.check import Scene

_TOOL_S = 1.5
"""How long poetry, or a project's Python, may take to answer."""
_MOST = 50


def looks(scene: Scene) -> list[Look]:
    """Return a check for each project of the settings; one that says so where there is none."""
    settings = scene.settings
    if settings is None:
        return []
    if not settings.projects:
        hint = "Name one: watchkeeper config set projects ~/src/NAME"
        return [Look("projects", lambda: Check("projects", Level.OK, f"none is named in the settings. {hint}"))]
    found = []
    for named in settings.projects[:_MOST]:
        name = f"project {Path(named).name or named}"
        hint = f"See whether its disk answers: ls {named}"
        found.append(
            Look(
                name, partial(project, name, named, scene, settings), "Its folder or its Python does not answer.", hint
            )
        )
    return found


def project(name: str, named: str, scene: Scene, settings: Settings) -> Check:
    """Look at one project.

    Args:
        name: What the check is called.
        named: The folder, as the settings have it.
        scene: The folders and the environment.
        settings: The person's settings.

    Raises:
        ProjectError: Its folder cannot be watched.
        InterpreterMissing: No Python was found for it.
    """
    from app.agents.settings_in_force import overrides_of
    from app.agents.testing.projects import check_folder
    from app.agents.testing.runners.choose import choose_runner
    from app.agents.testing.running.interpreters import find_interpreter

    root = check_folder(named)
    own, notice = overrides_of(scene.places, lambda: settings).project_settings(root)
    if notice is not None:
        return Check(name, Level.WARN, notice.text, notice.hint)
    kind = kind_of(root)
    if is_network(kind):
        text = f"{root} lies on {_disk(root, kind)}: changes there are not told, and runs are slow."
        return Check(name, Level.WARN, text, "Work on a copy on a local disk of this system.")
    pythons: list[str] = []

    def python() -> str:
        if not pythons:
            found = find_interpreter(root, configured=own.tests.python, environ=scene.environ, run=_run)
            pythons.append(found.path)
        return pythons[0]

    chosen = choose_runner(root, own.tests, python, has_pytest=_has_pytest)
    if chosen is not None:
        return Check(name, Level.OK, f"{root}, tested by {type(chosen.tool).__name__.lower()}: {chosen.why}")
    path = python()
    if not _has_pytest(path):
        text = f"{path} has no pytest, so no test of {root} can run."
        return Check(name, Level.FAIL, text, f"Install it: {path} -m pip install pytest")
    return Check(name, Level.OK, f"{root}, with {path}")


def _disk(root: Path, kind: str) -> str:
    if kind in {"9p", "drvfs"} and root.is_relative_to("/mnt"):
        return "Windows' own disk, as WSL shows it"
    return f"a network file system ({kind})"


def _has_pytest(python: str) -> bool:
    """Return whether a Python has pytest; one that does not answer is taken to have it: its own run says more."""
    code = "import importlib.util as u, sys; sys.exit(u.find_spec('pytest') is None)"
    try:
        done = subprocess.run(  # noqa: S603 - the project's own Python
            [python, "-I", "-c", code], stdin=subprocess.DEVNULL, capture_output=True, timeout=_TOOL_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return True
    return done.returncode != 1


def _run(argv: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: float) -> str:
    from app.agents.testing.running.interpreters import run_command

    return run_command(argv, folder, environ, min(seconds, _TOOL_S))
