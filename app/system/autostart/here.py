"""The start at login of the machine that this runs on."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.engine.limits import Limits
from app.system.autostart.autostart import Autostart
from app.system.autostart.entries import MODULE
from app.system.autostart.programs import ask
from app.system.autostart.shielding import HOME
from app.system.installed import PACKAGE, installation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.system.autostart.entries import StartMethod
    from app.system.autostart.programs import Ask

SCRIPT = "watchkeeper"
BOOTED = Path("/run/systemd/system")


def autostart_here(
    environ: Mapping[str, str],
    *,
    executable: str = sys.executable,
    platform: str = sys.platform,
    limits: Limits | None = None,
    ask: Ask = ask,
    booted: Path = BOOTED,
) -> Autostart:
    """Return the start at login of this machine, for the program that runs now.

    Args:
        environ: The process's environment.
        executable: The interpreter, as `sys.executable`.
        platform: As `sys.platform`.
        limits: The times and counts for what supervises; None for the usual ones.
        ask: Runs a program of the system.
        booted: The folder that is there where systemd runs the machine.
    """
    limits = limits or Limits()
    methods: tuple[StartMethod, ...]
    if platform == "win32":
        methods = _of_windows(environ, limits, ask)
    elif platform == "darwin":
        from app.system.autostart.launchagent import LaunchAgent  # noqa: PLC0415 - of one system only

        folder = _home(environ) / "Library" / "LaunchAgents"
        methods = (LaunchAgent(folder, limits, ask, _uid()),)
    else:
        from app.system.autostart.systemd import SystemdUnit  # noqa: PLC0415 - likewise
        from app.system.autostart.xdg import XdgAutostart  # noqa: PLC0415 - likewise

        config = _config(environ)
        methods = (XdgAutostart(config), SystemdUnit(config, limits, ask, environ, booted))
    home = home_of(environ)
    # No entry of Windows can set a variable, so that an interpreter must: see `windows_words`.
    program = program_of(executable, platform) if platform == "win32" and home else program_here(executable, platform)
    return Autostart(methods, program, home=home)


def home_of(environ: Mapping[str, str]) -> str:
    """Return the WATCHKEEPER_HOME of an environment as an absolute path; empty where it is not set."""
    home = environ.get(HOME, "")
    return str(Path(home).expanduser().absolute()) if home else ""


def program_here(
    executable: str = sys.executable, platform: str = sys.platform, package: Path = PACKAGE
) -> tuple[str, ...]:
    """Return how the program that runs now is started: by what its installer has put there, else as `program_of` says.

    Args:
        executable: The interpreter, as `sys.executable`.
        platform: As `sys.platform`.
        package: The folder of the package `app`.
    """
    packed = installation(package).program
    return (str(packed),) if packed is not None and packed.is_file() else program_of(executable, platform)


def program_of(executable: str = sys.executable, platform: str = sys.platform) -> tuple[str, ...]:
    """Return how an interpreter starts the program: by the script beside it, else by its module.

    On Windows it is always the module, with the interpreter that opens no console. Links are kept: through its own the
    interpreter finds the environment that it belongs to.

    Args:
        executable: The interpreter, as `sys.executable`.
        platform: As `sys.platform`.
    """
    interpreter = Path(executable)
    if platform == "win32":
        quiet = interpreter.with_name("pythonw.exe")
        return (str(quiet if quiet.exists() else interpreter), *MODULE)
    script = interpreter.with_name(SCRIPT)
    return (str(script),) if os.access(script, os.X_OK) else (str(interpreter), *MODULE)


def program_by_name(program: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a program by its bare name where PATH has exactly this one under it, else as it is.

    For files that several people share: a path is that of one of them.

    Args:
        program: As `program_here` returns it.
        environ: The process's environment.
    """
    found = shutil.which(SCRIPT, path=environ.get("PATH", ""))
    if found is None:
        return program
    # Behind an interpreter the script itself is not known, but it lies in the same folder.
    one, other = (found, program[0]) if len(program) == 1 else (Path(found).parent, Path(program[0]).parent)
    try:
        is_this = Path(one).samefile(other)
    except OSError:
        return program
    return (SCRIPT,) if is_this else program


def _of_windows(environ: Mapping[str, str], limits: Limits, ask: Ask) -> tuple[StartMethod, ...]:
    if sys.platform == "win32":
        from app.system.autostart.run_key import RunKey, WindowsRegistry  # noqa: PLC0415 - likewise
        from app.system.autostart.task import ScheduledTask  # noqa: PLC0415 - likewise

        return RunKey(WindowsRegistry()), ScheduledTask(limits, ask, environ)
    raise RuntimeError("Windows' registry is on Windows only")


def _config(environ: Mapping[str, str]) -> Path:
    """Return the configuration folder; a relative XDG_CONFIG_HOME is none (XDG Base Directory Specification)."""
    named = Path(environ.get("XDG_CONFIG_HOME", ""))
    return named if named.is_absolute() else _home(environ) / ".config"


def _home(environ: Mapping[str, str]) -> Path:
    named = environ.get("HOME", "")
    return Path(named) if named else Path.home()


def _uid() -> int:
    return os.getuid() if sys.platform != "win32" else 0
