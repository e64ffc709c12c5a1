"""The running instance's ear: a Unix socket for the same user alone, or loopback TCP with a token (Windows)."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import socket
import stat
import sys
from typing import TYPE_CHECKING, Any, Self

import structlog

from app.control import protocol
from app.control.peer import peer_uid
from app.domain.errors import CannotError, CommandRefused, InternalError, WatchkeeperError
from app.engine.files import write_atomic
from app.engine.places import require_private

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from types import TracebackType

    from app.domain.commands import Command
    from app.engine.places import Places

    Answer = Callable[[Command], Awaitable[object]]

_log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 32
_BACKLOG = 16
_LOGGED = 200
"""Characters of a command that failed."""


class ControlServer:
    """Listens from entry to exit. Each connection is served by its own task, one request after the other.

    Belongs to the loop's thread. A client that is slow, silent or hostile costs its own connection alone.

    Args:
        places: The socket, or port and token, lie in its runtime folder.
        answer: Carries a command out (the bus's `send`); a WatchkeeperError from it is told to the client.
        tcp: Listen on loopback TCP as on Windows; by default what this system uses.
        idle_timeout_s: How long a connection may say nothing.
        answer_timeout_s: How long a command may take.
    """

    def __init__(
        self,
        places: Places,
        answer: Answer,
        *,
        tcp: bool = sys.platform == "win32",
        idle_timeout_s: float = protocol.IDLE_TIMEOUT_S,
        answer_timeout_s: float = protocol.ANSWER_TIMEOUT_S,
    ) -> None:
        self._places = places
        self._answer = answer
        self._tcp = tcp
        self._idle_timeout_s = idle_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._token = ""
        self._server: asyncio.Server | None = None
        self._closing = False
        self._inode: tuple[int, int] | None = None
        self._connections: dict[asyncio.Task[None], None] = {}
        """Those that said something last stand last."""
        self._working: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            CannotError: Another instance listens, or the socket cannot be made.
        """
        require_private(self._places.runtime)
        try:
            listener = self._listen_on_tcp() if self._tcp else self._listen_on_unix()
        except OSError as error:
            raise CannotError(
                f"The control socket in {self._places.runtime} cannot be made: {error.strerror or error}.",
                "Set WATCHKEEPER_HOME to a folder on a local disk.",
            ) from error
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=protocol.LONGEST_REQUEST)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, let commands that are being carried out answer for a moment, and hang up."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        self._remove()
        if self._working:
            await asyncio.wait(self._working, timeout=protocol.CLOSE_TIMEOUT_S)
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=protocol.CLOSE_TIMEOUT_S)

    def _listen_on_unix(self) -> socket.socket:
        path = self._places.socket
        _clear(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Between bind and chmod the folder alone (0700) keeps others out, which is enough.
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(_BACKLOG)
            listener.settimeout(0)
            found = path.lstat()
        except BaseException:
            listener.close()
            raise
        self._inode = (found.st_dev, found.st_ino)
        return listener

    def _listen_on_tcp(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                # Else another user's program could take the same port beside ours on Windows.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen(_BACKLOG)
            listener.settimeout(0)
            self._token = secrets.token_hex(32)
            told = {"v": protocol.VERSION, "port": listener.getsockname()[1], "token": self._token}
            write_atomic(self._places.token_file, json.dumps(told).encode())
        except BaseException:
            listener.close()
            raise
        return listener

    def _remove(self) -> None:
        """Remove what clients find us by, unless a later instance has put its own there."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            if self._tcp:
                told = json.loads(self._places.token_file.read_bytes())
                if hmac.compare_digest(str(told["token"]), self._token):
                    self._places.token_file.unlink()
            else:
                found = self._places.socket.lstat()
                if (found.st_dev, found.st_ino) == self._inode:
                    self._places.socket.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in one
        self._connections[task] = None
        try:
            if len(self._connections) > MOST_CONNECTIONS and not self._make_room():
                refusal = CommandRefused("Too many programs speak to this Watchkeeper at once.", "Try again.")
                await _write(writer, protocol.encode_error(None, refusal))
            elif await self._may_speak(reader, writer):
                while not self._closing and await self._serve_one(reader, writer, task):
                    pass
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a client that left, stalled, or is hung up on at the end
        except Exception:  # noqa: BLE001 - whatever one client sends, the others are served
            _log.exception("a control connection failed")
        finally:
            self._connections.pop(task, None)
            self._working.discard(task)
            # Not close(): that would wait for a client which does not read.
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    def _make_room(self) -> bool:
        """Hang up on who was silent for longest, and return whether there was somebody who is not being served."""
        idle = next((task for task in self._connections if task not in self._working), None)
        if idle is None or idle is asyncio.current_task():
            return False
        self._connections.pop(idle)
        idle.cancel()
        return True

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> bool:
        """Answer one request. False when the connection is at its end."""
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the line.
            async with asyncio.timeout(self._idle_timeout_s):
                line = await reader.readline()
        except ValueError:
            await _write(writer, protocol.encode_error(None, protocol.too_long()))
            return False
        if not line.endswith(b"\n"):
            return False
        self._working.add(task)
        self._connections[task] = self._connections.pop(task, None)
        try:
            await _write(writer, await self._reply(line))
        finally:
            self._working.discard(task)
        return True

    async def _reply(self, line: bytes) -> bytes:
        request_id: int | None = None
        told, is_secret = "a request", True
        limit = asyncio.timeout(self._answer_timeout_s)
        try:
            request = protocol.decode_request(line)
            request_id = request.id
            told, is_secret = repr(request.command)[:_LOGGED], protocol.holds_secret(request.command)
            if is_secret and self._tcp:
                return protocol.encode_error(request_id, protocol.no_secrets())
            async with limit:
                answer = await self._answer(request.command)
            return await asyncio.to_thread(protocol.encode_answer, request.id, answer)
        except protocol.Refused as error:
            return protocol.encode_error(error.id, error)
        except WatchkeeperError as error:
            return protocol.encode_error(request_id, error)
        except Exception as error:  # noqa: BLE001 - a handler's fault is told to the client, and the server goes on
            if not (isinstance(error, TimeoutError) and limit.expired()):
                # Its own words may hold the secret that it was given, and then nobody reads where it happened.
                where = {} if is_secret else {"exc_info": error}
                _log.error("a command failed", command=told, fault=type(error).__name__, **where)
                fault = InternalError("The running Watchkeeper failed at this.", "`watchkeeper logs` tells more.")
                return protocol.encode_error(request_id, fault)
            late = CommandRefused(f"It did not come to an end within {self._answer_timeout_s:g} s.", "Try again later.")
            return protocol.encode_error(request_id, late)

    async def _may_speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if not self._tcp:
            uid = peer_uid(writer.get_extra_info("socket"))
            if uid is None or uid == os.geteuid():
                return True
            _log.warning("another user tried to speak to this instance", uid=uid)
            return False
        try:
            async with asyncio.timeout(protocol.HELLO_TIMEOUT_S):
                told: Any = json.loads(await reader.readline())
            token = str(told["token"])
        except (ValueError, TypeError, KeyError, RecursionError):
            token = ""
        if hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token.encode()):
            return True
        _log.warning("a program without the token tried to speak to this instance")
        refused = CommandRefused("The token is not right.", "Ask as the same user, with the same WATCHKEEPER_HOME.")
        await _write(writer, protocol.encode_error(None, refused))
        return False


async def _write(writer: asyncio.StreamWriter, line: bytes) -> None:
    writer.write(line)
    async with asyncio.timeout(protocol.WRITE_TIMEOUT_S):
        await writer.drain()


def _clear(path: Path) -> None:
    """Remove the socket of an instance that was killed.

    Raises:
        CannotError: An instance listens there, or it is no socket.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotError(f"{path} is in the way: it is no socket.", "Remove it.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # its backlog is full: it listens, though it does not accept
    raise CannotError("Another Watchkeeper listens already.", "Stop it with `watchkeeper stop`.")
