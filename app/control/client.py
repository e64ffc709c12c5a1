"""Speaks to the running instance: blocking, on the standard library's sockets alone, so that a command starts fast."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from app.control import protocol
from app.control.peer import peer_uid
from app.domain.errors import InstanceUnreachable, NoInstance

if TYPE_CHECKING:
    from types import TracebackType

    from app.domain.commands import Command
    from app.engine.places import Places

_START = "Start it with `watchkeeper PATH`, or without a tray: `watchkeeper run PATH --headless`."
_KNOCK_AGAIN_S = 0.01


class ControlClient:
    """One connection to the running instance, made with the first command. A context manager.

    Args:
        places: Where its socket, or its port and token, are found.
        tcp: Speak over TCP as on Windows; by default what this system uses.
        timeout_s: How long an answer may take.
    """

    def __init__(
        self, places: Places, *, tcp: bool = sys.platform == "win32", timeout_s: float = protocol.ANSWER_TIMEOUT_S + 2
    ) -> None:
        self._places = places
        self._tcp = tcp
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._id = 0

    @property
    def takes_secrets(self) -> bool:
        """True when a command that holds a secret may be sent: see UnlockWithPassphrase."""
        return not self._tcp

    def send(self, command: Command) -> Any:  # noqa: ANN401 - a JSON document
        """Have a command carried out, and return its answer as a JSON document.

        Raises:
            NoInstance: Nothing runs.
            InstanceUnreachable: It does not answer in time, hangs up, or speaks another version.
            CommandRefused: The command holds a secret, which may not be sent here.
            WatchkeeperError: What it refuses with, as the class that it names.
        """
        is_secret = protocol.holds_secret(command)
        if is_secret and not self.takes_secrets:
            raise protocol.no_secrets()
        self._id += 1
        try:
            connection = self._socket or self._connect()
            self._socket = connection
            if is_secret and peer_uid(connection) not in (None, os.geteuid()):
                raise InstanceUnreachable("What answers here is another user's.", "Look at WATCHKEEPER_HOME.")
            connection.settimeout(self._timeout_s)
            connection.sendall(protocol.encode_request(protocol.Request(self._id, command)))
            line = _read_line(connection, time.monotonic() + self._timeout_s)
        except TimeoutError as error:
            self.close()
            who, hint = self._stuck()
            raise InstanceUnreachable(f"{who} did not answer within {self._timeout_s:g} s.", hint) from error
        except OSError as error:
            self.close()
            who, hint = self._stuck()
            raise InstanceUnreachable(f"{who} hung up: {error}.", hint) from error
        return self._answer(line)

    def close(self) -> None:
        """Hang up; the next command connects again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        """Return itself; nothing is connected yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self.close()

    def _connect(self) -> socket.socket:
        # Looked up by name, since Windows' Python may lack AF_UNIX.
        family = socket.AF_INET if self._tcp else socket.AF_UNIX
        target: Any = str(self._places.socket)
        token = ""
        if self._tcp:
            port, token = self._read_token()
            target = ("127.0.0.1", port)
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(protocol.CONNECT_TIMEOUT_S)
            try:
                _knock(connection, target, time.monotonic() + protocol.CONNECT_TIMEOUT_S)
            except (FileNotFoundError, ConnectionRefusedError) as error:
                raise NoInstance("No Watchkeeper is running here.", _START) from error
            if token:
                connection.sendall(json.dumps({"v": protocol.VERSION, "token": token}).encode() + b"\n")
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_token(self) -> tuple[int, str]:
        try:
            found = json.loads(self._places.token_file.read_bytes()[:4096])
            return int(found["port"]), str(found["token"])
        except FileNotFoundError as error:
            raise NoInstance("No Watchkeeper is running here.", _START) from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InstanceUnreachable(
                f"{self._places.token_file} cannot be read: {error}.", self._stuck()[1]
            ) from error

    def _stuck(self) -> tuple[str, str]:
        """Return what to call an instance that does not answer, with its process id where that is known; and a hint."""
        from app.system.instance import SingleInstance  # noqa: PLC0415 - no command that is answered pays for it

        owner = SingleInstance(self._places).owner()
        if owner is None:
            return "The running Watchkeeper", "It may be busy or stuck: try again in a minute, or start it again."
        end = f"taskkill /F /PID {owner.pid}" if sys.platform == "win32" else f"kill -9 {owner.pid}"
        again = "then start it again if nothing else does"
        hint = f"It may be busy or stuck: try again in a minute. If it stays silent, end it with `{end}`, {again}."
        return f"The running Watchkeeper (process {owner.pid})", hint

    def _answer(self, line: bytes) -> Any:  # noqa: ANN401 - a JSON document
        try:
            found = json.loads(line)
            if not isinstance(found, dict):
                raise TypeError("no object")  # noqa: TRY301 - one way out for all that is not an answer
            protocol.check_version(found)
        except protocol.Refused as error:
            self.close()
            raise InstanceUnreachable(error.message, error.hint) from error
        except (ValueError, TypeError, RecursionError) as error:
            self.close()
            raise InstanceUnreachable(
                "The running Watchkeeper answered with something else than JSON.", protocol.OTHER_RELEASE
            ) from error
        if found.get("ok") is not True:
            raise protocol.decode_error(found.get("error"))
        return found.get("answer")


def _knock(connection: socket.socket, target: Any, deadline: float) -> None:  # noqa: ANN401 - a path, or host and port
    """Connect. A Unix socket whose backlog is full says so at once, and is tried again.

    Raises:
        TimeoutError: Nobody accepts by `deadline` (monotonic seconds).
        OSError: As the system says.
    """
    while True:
        try:
            connection.connect(target)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise TimeoutError from error
            time.sleep(_KNOCK_AGAIN_S)
        else:
            return


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    """Read up to the end of a line.

    Raises:
        TimeoutError: It did not come by `deadline` (monotonic seconds), however it trickles.
        ConnectionError: The other side hung up, or the line is too long.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        part = connection.recv(256 * 1024)
        if not part:
            raise ConnectionError("the connection ended before the answer did")
        head, end, _ = part.partition(b"\n")
        parts.append(head)
        size += len(head)
        if end:
            return b"".join(parts)
        if size > protocol.LONGEST_ANSWER:
            raise ConnectionError("the answer is too long")
        if time.monotonic() > deadline:
            raise TimeoutError
