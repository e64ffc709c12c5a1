"""An ecosystem file by which PM2 runs the watch of a project without a desktop, and again when it fails.

The keys are those of PM2's "Ecosystem File" and "Restart Strategies".
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from app.domain.errors import CannotError
from app.engine.limits import ORDERLY_CODES
from app.system.projectfiles.files import read_text, write_text
from app.system.projectfiles.vscode import Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.engine.limits import Limits

NAME = "ecosystem.config.cjs"
EXISTING = (NAME, *(f"ecosystem.config.{ending}" for ending in ("js", "mjs", "json", "yml", "yaml")), "ecosystem.json")
_STOP_MARGIN = 1.5


def write_ecosystem(project: Path, program: Sequence[str], home: str, limits: Limits) -> Written:
    """Write a project's ecosystem file; where there is one, tell what it lacks.

    Args:
        project: The project's folder.
        program: How Watchkeeper is started.
        home: Its WATCHKEEPER_HOME; may be empty.
        limits: The times and counts that it is written by.

    Raises:
        CannotError: It cannot be written.
    """
    entry = app_entry(project, program, home, limits)
    there = next((found for name in EXISTING if (found := project / name).exists() or found.is_symlink()), None)
    if there is not None:
        return _already(there, entry)
    path = project / NAME
    indented = entry.replace("\n", "\n    ")
    write_text(
        path,
        "// Runs Watchkeeper without a desktop: pm2 start ecosystem.config.cjs\n"
        f"module.exports = {{\n  apps: [\n    {indented},\n  ],\n}};\n",
    )
    return Written(path, changed=True, text=f"{path} is written.", hint=f"Start it with: pm2 start {NAME}")


def _already(there: Path, entry: str) -> Written:
    text = ""
    with suppress(CannotError):
        text = read_text(there) or ""
    meant = json.loads(entry)
    if meant in _blocks(text, meant):
        text = f"{there} has this project's block already, and it is the same."
        return Written(there, changed=False, text=text, hint=f"Start it with: pm2 start {there.name}")
    if _is_named(text, meant["name"]):
        text = (
            f"{there} has a block {meant['name']} already, and it differs from what would be written now. It is left "
            "as it is. To have what would be written now, put this in place of that block:"
        )
    else:
        text = f"{there} is there already and is left as it is. To have it start the watch, put this into its `apps`:"
    return Written(there, changed=False, text=text, hint=entry)


def _blocks(text: str, meant: dict[str, object]) -> Iterator[object]:
    """Return the objects of a text that begin as a block does, as far as they are JSON."""
    first = next(iter(meant))
    for found in re.finditer(rf'\{{\s*"{first}"\s*:', text):
        with suppress(ValueError, RecursionError):
            yield json.JSONDecoder().raw_decode(text, found.start())[0]


def _is_named(text: str, name: str) -> bool:
    written = "|".join(re.escape(each) for each in (name, json.dumps(name)[1:-1]))
    return re.search(rf"""\bname["']?\s*:\s*(["'`]?)(?:{written})\1\s*(?:[,}}\r\n]|\Z)""", text) is not None


def app_entry(project: Path, program: Sequence[str], home: str, limits: Limits) -> str:
    """Return the entry of `apps`, as JSON in ASCII, which is JavaScript as well."""
    entry: dict[str, object] = {
        "name": f"watchkeeper-{project.name}",
        "script": program[0],
        "args": [*program[1:], "run", str(project), "--headless"],
        "interpreter": "none",
        "cwd": str(project),
        # It watches by itself, and must not be started anew whenever a file is saved.
        "watch": False,
        "autorestart": True,
        "stop_exit_codes": list(ORDERLY_CODES),
        "exp_backoff_restart_delay": round(limits.keeper_first_s * 1000),
        "max_restarts": limits.crashes_allowed + 1,
        "min_uptime": round(limits.crash_window_s * 1000),
        "kill_timeout": round(limits.stop_s * _STOP_MARGIN * 1000),
    }
    if home:
        entry["env"] = {"WATCHKEEPER_HOME": home}
    return json.dumps(entry, indent=2)
