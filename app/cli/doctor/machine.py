"""What `doctor` looks at of the machine: Python, Qt, the desktop, the kernel's limits, the clock, git."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.doctor.check import Check, Level, Look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.cli.doctor.check import Scene

_FEWEST_WATCHES = 65_536
"""Below this a checkout with its virtual environment may not fit; kernels since 5.11 give more by themselves."""
_FEWEST_INSTANCES = 128
_FEWEST_DESCRIPTORS = 512
_DBUS_TIMEOUT_S = 2.0
_GIT_TIMEOUT_S = 2.0
_YEARS = (2025, 2100)
_OF_SYSTEM = {"win32", "darwin"}
_INSTALL_GIT = {
    "win32": "Install it: winget install --id Git.Git, then open a new terminal",
    "darwin": "Install it: xcode-select --install",
}


def looks(scene: Scene) -> list[Look]:
    """Return the checks."""
    environ = scene.environ
    return [
        Look("python", python),
        Look("pyside6", pyside),
        Look("display", lambda: display(environ)),
        Look(
            "notifications",
            notifications,
            "The session's D-Bus does not answer.",
            "Log out and in again; until then the window tells.",
        ),
        Look("inotify watches", inotify),
        Look("descriptors", descriptors),
        Look("clock", lambda: clock(time.time())),
        Look("locale", lambda: locale(getattr(sys.stdout, "encoding", None), environ)),
        Look("git", lambda: git(environ)),
    ]


def python() -> Check:
    """Tell which Python runs this."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", Level.OK, f"{version}, {sys.executable}")


def pyside() -> Check:
    """Look whether there is a Qt that works with this Python."""
    from importlib import metadata

    again = "Install Watchkeeper again, with the versions that it names."
    try:
        found = metadata.version("PySide6-Essentials")
    except metadata.PackageNotFoundError:
        return Check("pyside6", Level.FAIL, "It is not installed, so there is no tray and no window.", again)
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers >= (6, 12) and sys.version_info < (3, 12):
        text = f"{found} ends the process on Python below 3.12 after some minutes."
        return Check("pyside6", Level.FAIL, text, f"{again} It wants PySide6-Essentials below 6.12 here.")
    return Check("pyside6", Level.OK, found)


def display(environ: Mapping[str, str]) -> Check:
    """Look whether there is a display that answers."""
    from app.system.display import display_trouble

    trouble = display_trouble(environ)
    if trouble:
        hint = "Without one: watchkeeper run PATH --headless"
        return Check("display", Level.WARN, f"{trouble} So no tray can be shown.", hint)
    found = environ.get("WAYLAND_DISPLAY") or environ.get("DISPLAY")
    return Check("display", Level.OK, found or "the desktop's own")


def notifications() -> Check:
    """Look whether somebody shows notifications."""
    if sys.platform in _OF_SYSTEM:
        return Check("notifications", Level.OK, "the desktop's own")
    import asyncio

    hint = "Start a notification service (dunst, mako, or a desktop's own); until then the window tells."
    try:
        known = asyncio.run(asyncio.wait_for(_bus_names(), _DBUS_TIMEOUT_S))
    except Exception as error:  # noqa: BLE001 - dbus-fast tells of a missing bus in a dozen ways, and all mean this
        why = str(error) or type(error).__name__
        return Check("notifications", Level.WARN, f"The session's D-Bus is out of reach: {why}.", hint)
    if "org.freedesktop.Notifications" in known:
        return Check("notifications", Level.OK, "a notification service is there")
    return Check("notifications", Level.WARN, "No notification service is on the session's D-Bus.", hint)


async def _bus_names() -> set[str]:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

    bus = await MessageBus().connect()
    try:
        names: set[str] = set()
        for question in ("ListNames", "ListActivatableNames"):
            reply = await bus.call(
                Message(
                    destination="org.freedesktop.DBus",
                    path="/org/freedesktop/DBus",
                    interface="org.freedesktop.DBus",
                    member=question,
                )
            )
            names.update(reply.body[0] if reply.body else ())
        return names
    finally:
        bus.disconnect()


def inotify(proc: Path = Path("/proc/sys/fs/inotify")) -> list[Check]:
    """Look at the kernel's limits of file watches; what cannot be read is left out."""
    checks = []
    for name, least in (("max_user_watches", _FEWEST_WATCHES), ("max_user_instances", _FEWEST_INSTANCES)):
        try:
            found = int((proc / name).read_text())
        except (OSError, ValueError):
            continue
        enough = found >= least
        hint = "" if enough else f"Larger projects are then polled. Raise it: sudo sysctl fs.inotify.{name}={least * 8}"
        checks.append(
            Check(f"inotify {name.removeprefix('max_user_')}", Level.OK if enough else Level.WARN, f"{found}", hint)
        )
    return checks


def descriptors(limit: int | None = None) -> Check:
    """Look at how many files this user's processes may have open."""
    if limit is None:
        if sys.platform == "win32":
            return Check("descriptors", Level.OK, "without a limit of the user's")
        import resource

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit == resource.RLIM_INFINITY:
            return Check("descriptors", Level.OK, "without a limit")
    if limit < _FEWEST_DESCRIPTORS:
        hint = "Raise it in the shell that starts Watchkeeper: ulimit -n 4096"
        return Check("descriptors", Level.WARN, f"Only {limit:,} files may be open at once.", hint)
    return Check("descriptors", Level.OK, f"{limit:,} files may be open at once")


def clock(now: float) -> Check:
    """Look whether the wall clock is anywhere near the truth."""
    year = time.gmtime(now).tm_year
    if not _YEARS[0] <= year < _YEARS[1]:
        hint = "Set it, or have it set: sudo timedatectl set-ntp true"
        return Check("clock", Level.FAIL, f"The clock says that it is {year}: due dates and TLS go wrong.", hint)
    return Check("clock", Level.OK, time.strftime("%Y-%m-%d %H:%M %z", time.localtime(now)))


def locale(encoding: str | None, environ: Mapping[str, str]) -> Check:
    """Look whether the terminal takes every letter; `encoding` is None where there is no terminal."""
    if encoding is None:
        return Check("locale", Level.OK, "no terminal is written to")
    said = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "none"
    if encoding.lower().replace("-", "").replace("_", "") not in {"utf8", "utf8sig", "cp65001"}:
        text = f"The terminal's encoding is {encoding or 'not known'}, so some letters are shown as escapes."
        hint = "Use UTF-8: set PYTHONUTF8=1" if sys.platform == "win32" else "Use UTF-8: export LANG=C.UTF-8"
        return Check("locale", Level.WARN, text, hint)
    return Check("locale", Level.OK, f"{encoding}, locale {said}")


def git(environ: Mapping[str, str]) -> Check:
    """Look whether there is a git that runs: changes, baselines and the last green source are found by it."""
    import shutil
    import subprocess

    found = shutil.which("git", path=environ.get("PATH", os.defpath))
    if found is None:
        hint = _INSTALL_GIT.get(sys.platform, "Install it: sudo apt install git (or your system's way)")
        text = "There is no git on PATH, so what changed is told by time alone."
        return Check("git", Level.WARN, text, hint)
    try:
        done = subprocess.run(  # noqa: S603 - the user's own git
            [found, "--version"], capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True,
            stdin=subprocess.DEVNULL, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        why = f"{found} cannot be run: {type(error).__name__}."
        return Check("git", Level.WARN, why, "Try it: git --version. If it fails, install it again.")
    return Check("git", Level.OK, f"{done.stdout.strip() or 'there'}, {found}")
