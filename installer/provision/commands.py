"""The commands of `bootstrap.py`: run, test and lock."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from provision.console import Console, Stop
from provision.environment import Environment
from provision.system import (
    SystemPackages,
    has_display,
    qt_needs,
)

ROOT = Path(__file__).resolve().parents[2]

USAGE = """\
Usage: python3 installer/bootstrap.py COMMAND

  run [PATH] [...]   set up what is missing, then watch the project in PATH (default: here) from the tray;
                     without a display it is watched in the terminal; what follows goes to watchkeeper
  test [options]     set up what is missing, then run every check and test; --help lists the options
  lock [...]         make installer/locks anew from pyproject.toml with uv; --upgrade takes the newest versions
"""


def main(arguments: Sequence[str], environ: Mapping[str, str] | None = None, root: Path = ROOT) -> int:
    """Carries out one command.

    Args:
        arguments: the command line without the program's name.
        environ: the caller's environment; None: this process's.
        root: the checkout.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 3 something is missing that only the person can install.
    """
    commands: dict[str, Callable[[Sequence[str], Mapping[str, str], Path], int]] = {
        "run": _run,
        "test": _test,
        "lock": _lock,
    }
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    if name in {"-h", "--help"}:
        print(USAGE, end="")
        return 0
    if name not in commands:
        print(f"Unknown command: {name}\n\n{USAGE}" if name else USAGE, end="", file=sys.stderr)
        return 2
    try:
        return commands[name](rest, os.environ if environ is None else environ, root)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("\nStopped. The next start puts right what is half done.", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str], environ: Mapping[str, str], root: Path) -> int:
    console = Console(sys.stderr)
    packages = SystemPackages(console, environ)
    environment = Environment(root, console, packages, environ)
    display = has_display(environ)
    packages.ensure((*environment.needs(), *(qt_needs(environ) if display else ())), "Watchkeeper needs")
    environment.prepare("run")
    if not display:
        console.say("There is no display here, so there can be no tray: watching in the terminal instead.")
    # -I: a project's own folder `app`, or one on PYTHONPATH, must not be taken for ours.
    _become([str(environment.python), "-I", "-m", "app.main", *watchkeeper_arguments(arguments, display=display)])


def watchkeeper_arguments(arguments: Sequence[str], *, display: bool) -> list[str]:
    """Gives watchkeeper's own arguments for those of `bootstrap.py run`.

    Args:
        arguments: `[PATH] [...]` as the person typed it.
        display: whether there is one.

    Returns:
        `[PATH, ...]` for the tray, `["run", PATH, "--headless", ...]` without a display or where that was asked for.
    """
    path, rest = (
        (arguments[0], list(arguments[1:]))
        if arguments and not arguments[0].startswith("-")
        else (os.curdir, list(arguments))
    )
    if display and "--headless" not in rest:
        return [path, *rest]
    return ["run", path, "--headless", *(argument for argument in rest if argument != "--headless")]


def _become(command: list[str]) -> NoReturn:
    """Turns this process into another program, so that signals and the exit code are that program's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    import subprocess  # noqa: PLC0415 - Windows only: its exec gives the console back while the program still runs

    with subprocess.Popen(command) as child:
        while True:
            try:
                sys.exit(child.wait())
            except KeyboardInterrupt:  # Ctrl+C reaches the child as well: it ends, and says how
                continue


def _test(arguments: Sequence[str], environ: Mapping[str, str], root: Path) -> int:
    from provision.checks import test  # noqa: PLC0415 - `run` must not pay for it

    return test(arguments, environ, root)


def _lock(arguments: Sequence[str], environ: Mapping[str, str], root: Path) -> int:
    from provision.locks import lock  # noqa: PLC0415 - `run` must not pay for it

    lock(arguments, environ, root)
    return 0
