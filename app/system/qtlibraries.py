"""Whether the libraries are there that Qt takes from a Linux system: without one of them it ends the process.

Its wheels bring most, and a desktop has the rest; a system whose windows are shown elsewhere may not.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_INSTALL: Final = {
    "apt-get": "sudo apt-get install",
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S",
    "zypper": "sudo zypper install",
}
"""The order of the columns below."""

_EVERYWHERE: Final = """
    libGL.so.1              libgl1               libglvnd-glx        libglvnd            libglvnd
    libEGL.so.1             libegl1              libglvnd-egl        libglvnd            libglvnd
    libglib-2.0.so.0        libglib2.0-0         glib2               glib2               libglib-2_0-0
    libgthread-2.0.so.0     libglib2.0-0         glib2               glib2               libgthread-2_0-0
    libdbus-1.so.3          libdbus-1-3          dbus-libs           dbus                libdbus-1-3
    libfontconfig.so.1      libfontconfig1       fontconfig          fontconfig          libfontconfig1
    libxkbcommon.so.0       libxkbcommon0        libxkbcommon        libxkbcommon        libxkbcommon0
"""
_ON_X: Final = """
    libxkbcommon-x11.so.0   libxkbcommon-x11-0   libxkbcommon-x11    libxkbcommon-x11    libxkbcommon-x11-0
    libxcb-cursor.so.0      libxcb-cursor0       xcb-util-cursor     xcb-util-cursor     libxcb-cursor0
    libxcb-icccm.so.4       libxcb-icccm4        xcb-util-wm         xcb-util-wm         libxcb-icccm4
    libxcb-image.so.0       libxcb-image0        xcb-util-image      xcb-util-image      libxcb-image0
    libxcb-keysyms.so.1     libxcb-keysyms1      xcb-util-keysyms    xcb-util-keysyms    libxcb-keysyms1
    libxcb-render-util.so.0 libxcb-render-util0  xcb-util-renderutil xcb-util-renderutil libxcb-render-util0
    libxcb-shape.so.0       libxcb-shape0        libxcb              libxcb              libxcb-shape0
    libxcb-xkb.so.1         libxcb-xkb1          libxcb              libxcb              libxcb-xkb1
    libX11-xcb.so.1         libx11-xcb1          libX11-xcb          libx11              libX11-xcb1
"""
_ON_WAYLAND: Final = """
    libwayland-client.so.0  libwayland-client0   libwayland-client   wayland             libwayland-client0
    libwayland-cursor.so.0  libwayland-cursor0   libwayland-cursor   wayland             libwayland-cursor0
"""


def libraries(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what Qt needs for the displays that an environment names: by soname, the package by package tool.

    Args:
        environ: The process's environment; one without a display counts as X.
    """
    tables = [_EVERYWHERE]
    if environ.get("WAYLAND_DISPLAY"):
        tables.append(_ON_WAYLAND)
    if environ.get("DISPLAY") or not environ.get("WAYLAND_DISPLAY"):
        tables.append(_ON_X)
    rows = (line.split() for table in tables for line in table.strip().splitlines())
    return {soname: dict(zip(_INSTALL, packages, strict=True)) for soname, *packages in rows}


def library_trouble(
    environ: Mapping[str, str] = os.environ,
    *,
    platform: str = sys.platform,
    loads: Callable[[str], bool] | None = None,
    which: Callable[[str], str | None] = shutil.which,
) -> str:
    """Return which libraries are missing, and what brings them, in words; empty when all are there.

    Args:
        environ: The process's environment.
        platform: As `sys.platform`.
        loads: Says whether the loader finds a library; None asks the loader.
        which: Finds a program.
    """
    if not platform.startswith("linux"):
        return ""
    needed, there = libraries(environ), loads or _loads
    missing = [soname for soname in needed if not there(soname)]
    if not missing:
        return ""
    shown = ", ".join(missing)
    tool = next((name for name in _INSTALL if which(name)), None)
    if tool is None:
        return f"Qt needs {shown}, which this system lacks. Install it with the system's package tool."
    packages = " ".join(sorted({needed[soname][tool] for soname in missing}))
    return f"Qt needs {shown}, which this system lacks. Install it with: {_INSTALL[tool]} {packages}"


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True
