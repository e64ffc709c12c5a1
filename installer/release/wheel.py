"""The wheel: the program and nothing of the checkout around it."""

import argparse
import base64
import hashlib
import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from provision.console import Stop
from release.work import Work

_NOTE = "app/installed.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py wheel` takes besides what every kind does."""
    del parser


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Builds the wheel.

    Args:
        work: the build.
        options: the command line.

    Returns:
        The paths of the wheel and of the list of what it asks for.
    """
    from release import sbom  # noqa: PLC0415 - which lays out wheels, and so imports this module

    del options
    with work.folder("wheel") as folder:
        made = wheel_in(folder, work)
        path = work.out / made.name
        if work.announced.url and work.announced.keys:
            _with_note(made, path, note("wheel", "", work))
        else:
            shutil.copy2(made, path)
        return path, sbom.write("wheel", work, path)


def wheel_in(folder: Path, work: Work) -> Path:
    """Builds the wheel into a folder and returns its path.

    Args:
        folder: where; empty.
        work: the build.

    Raises:
        Stop: hatchling failed, or made no wheel.
    """
    command = (str(work.python), "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    work.console.run("Building the wheel", command, env=work.tool_environ, cwd=work.root)
    found = sorted(folder.glob("*.whl"))
    if len(found) != 1:
        message = f"hatchling left {len(found)} wheels in {folder}, not one."
        raise Stop(message)
    return found[0]


def note(channel: str, program: str, work: Work) -> str:
    """Gives the text of `installed.json`, by which the program knows how it was installed.

    Args:
        channel: a value of `app.system.installed.Channel`.
        program: what starts it, relative to the package `app`; empty where its interpreter does.
        work: the build.
    """
    told: dict[str, object] = {"channel": channel}
    if program:
        told["program"] = program
    if work.announced.url and work.announced.keys:
        told["feed"] = {"url": work.announced.url, "keys": list(work.announced.keys)}
    return json.dumps(told, indent=1) + "\n"


def _with_note(made: Path, path: Path, text: str) -> None:
    """Copies a wheel and adds the note, in its RECORD too (Binary Distribution Format 1.0)."""
    content = text.encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    row = f"{_NOTE},sha256={digest},{len(content)}\n".encode()
    with zipfile.ZipFile(made) as wheel, zipfile.ZipFile(path, "w") as copy:
        for each in wheel.infolist():
            if not each.filename.endswith(".dist-info/RECORD"):
                copy.writestr(each, wheel.read(each))
                continue
            # RECORD comes last, as archivers are told to do.
            entry = zipfile.ZipInfo(_NOTE, each.date_time)
            entry.create_system, entry.external_attr = each.create_system, each.external_attr
            copy.writestr(entry, content, each.compress_type)
            copy.writestr(each, row + wheel.read(each))
