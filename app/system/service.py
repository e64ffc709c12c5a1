"""The service manager that may have started the program: what it is told, and who starts the program again.

The protocol is sd_notify(3): datagrams of `NAME=value` lines to the socket that NOTIFY_SOCKET names, a path, or a name
of Linux' abstract namespace, which begins with `@`. Anything that keeps a message from its way is the manager's
business, and never the program's.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from app.domain.health import Exit, KeptBy

if TYPE_CHECKING:
    from collections.abc import MutableMapping

KEPT_BY = "WATCHKEEPER_KEPT_BY"
"""Names the process that `watchkeeper --keep` is, to the program that it has started."""
LAST_EXIT = "WATCHKEEPER_LAST_EXIT"
"""Tells that program how its last life ended: process id, exit code, and wall-clock time, with blanks between."""
_EXIT = re.compile(r"(\d{1,10}) (-?\d{1,10}) (\d{1,12}(?:\.\d{1,6})?)", re.ASCII)
_LONGEST_STATUS = 200


class Service:
    """What the program can tell its service manager. Without one, nothing is told.

    Args:
        address: The manager's socket; empty for none.
        watchdog_s: How often it wants a sign of life, at least; None for not at all.
        kept_by: Who starts the program again.
        keeper: The process that keeps it; 0 where it is none, or not known.
        last_exit: How that process saw the last life end; None where it did not.
    """

    def __init__(
        self,
        address: str = "",
        *,
        watchdog_s: float | None = None,
        kept_by: KeptBy = KeptBy.NOBODY,
        keeper: int = 0,
        last_exit: Exit | None = None,
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        self.kept_by = kept_by
        self.keeper = keeper
        self.last_exit = last_exit

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Service:
        """Return what the environment tells, and take it out: a program that we start must not believe it is meant.

        A terminal may hand down as well what was said to the program that it runs in, so it counts only where
        SYSTEMD_EXEC_PID (systemd.exec(5), since version 248) is this process or is not set, WATCHDOG_PID likewise, and
        for launchd only under a name of ours (a terminal's programs have "0", or the terminal's name).
        """
        own = str(os.getpid())
        address = environ.pop("NOTIFY_SOCKET", "")
        usec, watched = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", own)
        keeper, last_exit = environ.pop(KEPT_BY, ""), _EXIT.fullmatch(environ.pop(LAST_EXIT, ""))
        started = environ.get("SYSTEMD_EXEC_PID", "")
        if started not in ("", own):
            address = ""
        watchdog_s = int(usec) / 1e6 if usec.isdecimal() and int(usec) and watched == own and address else None
        if address or started == own:
            return cls(address, watchdog_s=watchdog_s, kept_by=KeptBy.SYSTEMD)
        if "watchkeeper" in environ.get("XPC_SERVICE_NAME", "").lower():
            return cls(kept_by=KeptBy.LAUNCHD)
        if keeper.isdecimal() and (sys.platform == "win32" or int(keeper) == os.getppid()):
            # On Windows the interpreter of a virtual environment starts another one, whose parent is not ours.
            return cls(
                kept_by=KeptBy.PARENT,
                keeper=0 if sys.platform == "win32" else int(keeper),
                last_exit=last_exit and Exit(int(last_exit[1]), int(last_exit[2]), float(last_exit[3])),
            )
        return cls()

    @property
    def has_lost_keeper(self) -> bool:
        """True when the parent that kept the program has ended; on Windows that is not known."""
        return bool(self.keeper) and os.getppid() != self.keeper

    @property
    def listens(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._address)

    def ready(self) -> None:
        """Tell that the start is over."""
        self._tell("READY=1")

    def status(self, text: str) -> None:
        """Tell in one line how things stand, for `systemctl status`."""
        self._tell("STATUS=" + " ".join(text.split())[:_LONGEST_STATUS])

    def alive(self) -> None:
        """Give a sign of life."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that the program is about to end."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self._address or sys.platform == "win32":
            return
        with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(0)  # a manager that does not read must not hold the loop
            out.sendto(message.encode("utf-8", "replace"), self._address)
