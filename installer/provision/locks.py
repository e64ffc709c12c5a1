"""Makes the locks anew: every package that any supported system and Python needs, pinned by version and digest."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from provision.console import Console, Stop

_HEADER = """\
# Made by `python3 installer/bootstrap.py lock` from pyproject.toml: do not edit.
# One lock for Linux, macOS and Windows and for Python 3.11 to 3.14. It names no registry: pip asks its own.
"""
# The largest one first: the others take their pins from it, so that they never disagree.
_TEST = ("test", ("--group", "build", "--group", "release", "--group", "test"))
_BUILD = ("build", ("--group", "build", "--group", "release"))
_RUN = ("run", ("--group", "build"))


def lock(arguments: Sequence[str], environ: Mapping[str, str], root: Path) -> None:
    """Writes `installer/locks/test.txt`, `build.txt` and `run.txt`.

    Args:
        arguments: more for `uv pip compile`, such as --upgrade; without it the pins that still fit stay.
        environ: the caller's environment, with uv's own settings (index, certificates) in it.
        root: the checkout.

    Raises:
        Stop: uv is missing or finds no set of versions that fits.
    """
    console = Console(sys.stderr)
    uv = _find_uv(environ, root)
    folder = root / "installer" / "locks"
    folder.mkdir(exist_ok=True)
    for name, groups in (_TEST, _BUILD, _RUN):
        output = folder / f"{name}.txt"
        same = () if name == "test" else ("--constraint", "installer/locks/test.txt")
        command = (uv, "pip", "compile", "pyproject.toml", *groups, *same, *arguments)
        form = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate")
        # uv reads the pins to keep from its output file, and a half-written one must never be taken for a lock.
        fresh = output.with_suffix(".new")
        if output.exists():
            shutil.copyfile(output, fresh)
        try:
            console.run(f"Resolving {output.name}", (*command, *form, "-o", str(fresh)), cwd=root)
            fresh.write_text(_HEADER + fresh.read_text("utf-8"), "utf-8", newline="\n")
            fresh.replace(output)
        finally:
            fresh.unlink(missing_ok=True)


def _find_uv(environ: Mapping[str, str], root: Path) -> str:
    scripts = root / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    path = os.pathsep.join((str(scripts), environ.get("PATH", "")))
    found = shutil.which("uv", path=path)
    if found is None:
        message = f"Locking needs uv, which is not on PATH. Install it with:\n  {scripts / 'python'} -m pip install uv"
        raise Stop(message, 3)
    return found
