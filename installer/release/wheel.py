"""The wheel: the program and nothing of the checkout around it."""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from provision.console import Stop
from release.work import Work


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py wheel` takes besides what every kind does."""
    del parser


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Builds the wheel.

    Args:
        work: the build.
        options: the command line.

    Returns:
        The wheel's path.
    """
    del options
    with work.folder("wheel") as folder:
        made = wheel_in(folder, work)
        return (Path(shutil.copy2(made, work.out / made.name)),)


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
