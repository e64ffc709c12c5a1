"""A property list in ~/Library/LaunchAgents, by which macOS' launchd starts it at login, and again if it fails.

The keys are those of launchd.plist(5). launchd reads the folder at each login, so that nothing needs to be loaded now.
"""

from __future__ import annotations

import plistlib
import re
from typing import TYPE_CHECKING, Any, ClassVar
from xml.parsers.expat import ExpatError

from app.system.autostart.entries import Entry, Method, Start, start_of
from app.system.autostart.files import read_entry, remove_entry, write_entry
from app.system.autostart.shielding import HOME

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.limits import Limits
    from app.system.autostart.programs import Ask

LABEL = "app.watchkeeper"
_STOP_MARGIN = 1.5


class LaunchAgent:
    """The property list `app.watchkeeper.plist`.

    Args:
        folder: The person's LaunchAgents folder.
        limits: The times that it is written by.
        ask: Runs a program of the system.
        uid: The person's user id, in whose domain of launchd agents are switched on and off.
    """

    name: ClassVar[Method] = Method.LAUNCHAGENT
    keeps: ClassVar[bool] = True

    def __init__(self, folder: Path, limits: Limits, ask: Ask, uid: int) -> None:
        self.path = folder / f"{LABEL}.plist"
        self._limits = limits
        self._ask = ask
        self._domain = f"gui/{uid}"

    def read(self) -> Entry | None:
        """Return what there is.

        Raises:
            CannotError: The file cannot be read.
        """
        content = read_entry(self.path)
        if content is None:
            return None
        said = self._ask(("launchctl", "print-disabled", self._domain)).out.decode("utf-8", "replace")
        off = re.search(rf'"{re.escape(LABEL)}"\s*=>\s*(disabled|true)\b', said) is not None
        found = _keys(content)
        start = _start(found)
        is_older = start is not None and any(
            found.get(key) != value for key, value in _content(start, self._limits).items()
        )
        return Entry(self.name, str(self.path), start, is_on=not off, is_older=is_older)

    def write(self, start: Start) -> None:
        """Write the property list, and switch it on where it was switched off.

        Raises:
            CannotError: The file cannot be written.
        """
        self.move(start)
        self._ask(("launchctl", "enable", f"{self._domain}/{LABEL}"))

    def move(self, start: Start) -> None:
        """Rewrite the property list; launchd keeps elsewhere whether it is switched on.

        Raises:
            CannotError: The file cannot be written.
        """
        write_entry(self.path, property_list(start, self._limits))

    def remove(self) -> None:
        """Remove the property list. What runs goes on until it ends.

        Raises:
            CannotError: It cannot be removed.
        """
        remove_entry(self.path)


def property_list(start: Start, limits: Limits) -> bytes:
    """Return the whole property list, as XML."""
    return plistlib.dumps(_content(start, limits), sort_keys=False)


def _content(start: Start, limits: Limits) -> dict[str, Any]:
    content: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": list(start.words(keeps=LaunchAgent.keeps)),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Interactive",
        "LimitLoadToSessionType": "Aqua",
        "ExitTimeOut": round(limits.stop_s * _STOP_MARGIN),
    }
    if start.home:
        content["EnvironmentVariables"] = {HOME: start.home}
    return content


def _keys(content: bytes) -> dict[str, Any]:
    try:
        found = plistlib.loads(content)
    except (plistlib.InvalidFileException, ExpatError, ValueError, OverflowError, RecursionError, LookupError):
        return {}
    return found if isinstance(found, dict) else {}


def _start(found: dict[str, Any]) -> Start | None:
    words, environ = found.get("ProgramArguments"), found.get("EnvironmentVariables", {})
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    if not isinstance(environ, dict) or environ.keys() - {HOME}:
        return None
    return start_of(words, str(environ.get(HOME, "")))
