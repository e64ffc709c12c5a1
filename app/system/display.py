"""Whether anything can be shown: Qt ends the process without a display or a library, so that is asked before Qt."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.system.qtlibraries import library_trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ANSWER_S = 2.0
_X_PORT = 6000


def display_trouble(
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    libraries: Callable[[Mapping[str, str]], str] = library_trouble,
) -> str:
    """Return why nothing can be shown, in words; empty when something can.

    Only Linux and its like can be without a display while a person is logged in. WAYLAND_DISPLAY and DISPLAY are
    tried in Qt's order, and QT_QPA_PLATFORM, where it is set, is taken at its word.

    Args:
        environ: The process's environment.
        platform: As `sys.platform`.
        libraries: Tells in words which libraries are missing for the displays of an environment.
    """
    if platform in ("win32", "darwin") or environ.get("QT_QPA_PLATFORM"):
        return ""
    wayland, x11 = environ.get("WAYLAND_DISPLAY", ""), environ.get("DISPLAY", "")
    if not wayland and not x11:
        return "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)."
    if wayland and _answers(_wayland(wayland, environ)):
        return libraries(environ)
    if x11 and any(_answers(address) for address in _x11(x11)):
        return libraries(environ)
    return f"The display {wayland or x11} does not answer."


def _wayland(name: str, environ: Mapping[str, str]) -> str:
    return str(Path(environ.get("XDG_RUNTIME_DIR", "/"), name))


def _x11(display: str) -> list[str | tuple[str, int]]:
    """Return where the X server of a display named `[HOST]:NUMBER[.SCREEN]` may listen (X(7), "Display names")."""
    host, _, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdigit():
        return []
    if host in ("", "unix"):
        path = f"/tmp/.X11-unix/X{number}"  # noqa: S108 - where X servers listen
        return [path, "\0" + path]
    return [(host.strip("[]"), _X_PORT + int(number))]


def _answers(address: str | tuple[str, int]) -> bool:
    try:
        if isinstance(address, tuple):
            socket.create_connection(address, timeout=_ANSWER_S).close()
        else:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(_ANSWER_S)
                link.connect(address)
    except OSError:
        return False
    return True
