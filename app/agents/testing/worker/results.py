"""The channels: what is told goes out by one, orders come in by the other."""

# What not every system needs is imported when it is (PLC0415); Python 3.8 has it so.
# ruff: noqa: PLC0415
from __future__ import annotations

import json
import os
import sys
import threading

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from typing import Any

HIGH_DESCRIPTOR = 100
"""Tests that close "all" descriptors rarely go as far as this."""
CHUNK = 65536


class Results:
    """The results channel. Only the process that opened it writes: a forked test must not tell its parent's story.

    What it needs of `os` it keeps, for tests put fakes in its place, some for a whole session.
    """

    def __init__(self, channel: int) -> None:
        self._write, self._fstat, self._getpid = os.write, os.fstat, os.getpid
        self._descriptor = own(channel, os.O_WRONLY)
        self._pid = os.getpid()
        stat = os.fstat(self._descriptor)
        self._is_channel = (stat.st_dev, stat.st_ino)
        self._held = b""
        # The tests' own threads come here by the audit hook. Reentrant, since a signal handler may open a file.
        self._turn = threading.RLock()

    def hold(self, kind: str, **values: object) -> None:
        """Keep one line until the next is told, which follows at once: so one write does for both."""
        with self._turn:
            self._held += _line(kind, values)

    def tell(self, kind: str, **values: object) -> None:
        """Write one line, behind those that are held."""
        self.hold(kind, **values)
        self.flush()

    def flush(self) -> None:
        """Write the lines that are held."""
        if self._descriptor < 0 or self._getpid() != self._pid:
            self._held = b""
            return
        with self._turn:
            content, self._held = self._held, b""
            try:
                # A test may have closed our descriptor, and another file may have been given its number.
                stat = self._fstat(self._descriptor)
                is_ours = (stat.st_dev, stat.st_ino) == self._is_channel
                while content and is_ours:
                    content = content[self._write(self._descriptor, content) :]
            except OSError:
                is_ours = False
            if not is_ours:
                self._descriptor = -1


class Orders:
    """The orders, one after the other."""

    def __init__(self, channel: int) -> None:
        self._read, self._exit = os.read, os._exit
        self._descriptor = own(channel, os.O_RDONLY)
        self._rest = b""
        self._ahead: dict[str, Any] | None = None

    def next(self, do: str) -> dict[str, Any]:
        """Wait for this order. One that leaves others out stands for those, with nothing in them.

        Ends the process when the orders end: whoever gave them is gone, or wants it so.
        """
        order = self._ahead or self._line()
        given = order.get("do")
        self._ahead = order if given != do else None
        return order if given == do else {"do": do}

    def _line(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            content = self._read(self._descriptor, CHUNK)
            if not content:
                self._exit(0)
            self._rest += content
        line, _, self._rest = self._rest.partition(b"\n")
        order: dict[str, Any] = json.loads(line)
        return order


def _line(kind: str, values: dict[str, object]) -> bytes:
    """Return one line. ASCII only, so lone surrogates in names and texts pass."""
    return json.dumps(dict(values, kind=kind)).encode("ascii") + b"\n"


def own(channel: int, mode: int) -> int:
    """Return the channel as a descriptor that no program started from here inherits.

    Args:
        channel: The descriptor, or on Windows the handle; it is closed, or taken over.
        mode: os.O_RDONLY or os.O_WRONLY.
    """
    if sys.platform == "win32":
        import msvcrt

        os.set_handle_inheritable(channel, False)  # noqa: FBT003 - its only argument
        descriptor = msvcrt.open_osfhandle(channel, mode | os.O_BINARY | os.O_NOINHERIT)
    else:
        import fcntl

        try:
            descriptor = fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR)
        except OSError:
            descriptor = os.dup(channel)
        os.close(channel)
    return descriptor
