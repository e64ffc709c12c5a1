"""The ear for Prometheus: HTTP on the loopback address, one answer for each connection, and nothing but `/metrics`.

Anyone on this machine can connect, and a web page can have its visitor's browser connect. So a request must name a
loopback host (a page that has rebound its own name to 127.0.0.1 does not), no answer allows other origins to read it,
connections are few and short, and a token can be asked for.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
PATH = b"/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MOST_CONNECTIONS = 16
DEADLINE_S = 5.0
"""A scrape on one machine takes milliseconds; who needs longer for asking and reading is cut."""
LINGER_S = 0.5
LONGEST_REQUEST = 8192
"""Bytes of a request's head: Prometheus sends some hundred, browsers a few thousand."""
_BACKLOG = 16

_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]{1,2048}) HTTP/1\.[01]\Z")
_LOOPBACK = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?\Z", re.IGNORECASE)


def listen(port: int) -> socket.socket:
    """Return a socket that listens on the loopback address alone.

    Raises:
        OSError: The port is taken, or this user may not have it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            # Else another user's program could take the same port beside ours on Windows.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Connections that have just ended keep a port from being had again for a minute; a listener still does.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    except BaseException:
        listener.close()
        raise
    return listener


class MetricsServer:
    """Answers on the loop that it was started on, until it is closed or that loop ends.

    Args:
        text: Makes what is answered.
        token: What a request must bring; empty when none is asked for.
        on_answer: Told the HTTP status of each answer.
        deadline_s: Seconds in which a client must have asked and read.
        most: Most connections at once.
    """

    def __init__(
        self,
        text: Callable[[], bytes],
        *,
        token: str = "",
        on_answer: Callable[[int], None] = lambda _status: None,
        deadline_s: float = DEADLINE_S,
        most: int = MOST_CONNECTIONS,
    ) -> None:
        self._text = text
        self._token = token.encode()
        self._on_answer = on_answer
        self._deadline_s = deadline_s
        self._most = most
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer on a socket that listens; it is closed with the server."""
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=LONGEST_REQUEST, backlog=_BACKLOG)

    async def aclose(self) -> None:
        """Listen no more, and hang up."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in one
        self._connections.add(task)
        # Written is what the system has taken: a client that does not read is seen, and cut.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            if len(self._connections) <= 2 * self._most:  # beyond that not even a refusal is worth it
                async with asyncio.timeout(self._deadline_s):
                    writer.write(await self._answer(reader))
                    await writer.drain()
                    await _linger(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a client that left or stalled, or is hung up on at the end
        finally:
            self._connections.discard(task)
            # All that it took has been sent by now; close() would wait for a client that does not read.
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            method = self._checked(await self._head(reader))
            answer = _response(HTTPStatus.OK, self._made(), {"Content-Type": CONTENT_TYPE}, with_body=method == b"GET")
            self._on_answer(HTTPStatus.OK)
        except _Refusal as refusal:
            answer = refusal.response()
            self._on_answer(refusal.status)
        return answer

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        """Return what comes up to the empty line that ends a request's fields.

        Raises:
            _Refusal: It is too long, or there are too many who ask.
        """
        if len(self._connections) > self._most:
            raise _Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections at once.")
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise _Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too long.") from error

    def _checked(self, head: bytes) -> bytes:
        """Return the method of a request that is to be answered.

        Raises:
            _Refusal: It is not.
        """
        line, *fields = head[:-4].split(b"\r\n")
        asked = _REQUEST_LINE.match(line)
        if asked is None:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "This is no HTTP request.")
        headers = _headers(fields)
        if not _LOOPBACK.match(headers[b"host"]):
            raise _Refusal(HTTPStatus.FORBIDDEN, "Ask for 127.0.0.1 or localhost.")
        method, target = asked.groups()
        if target.partition(b"?")[0] != PATH:
            raise _Refusal(HTTPStatus.NOT_FOUND, "There is only /metrics here.")
        if method not in {b"GET", b"HEAD"}:
            raise _Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Metrics can only be read.", {"Allow": "GET, HEAD"})
        if self._token and not self._knows_token(headers.get(b"authorization", b"")):
            text = "A token is asked for. `watchkeeper health` tells which file it lies in."
            raise _Refusal(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": 'Bearer realm="watchkeeper"'})
        return bytes(method)

    def _made(self) -> bytes:
        """Return the text.

        Raises:
            _Refusal: It could not be made.
        """
        try:
            return self._text()
        except Exception as error:
            # Whatever is wrong with one metric is logged, and the next scrape is served.
            _log.exception("the metrics could not be put together")
            said = "The log tells what went wrong: watchkeeper logs"
            raise _Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, said) from error

    def _knows_token(self, brought: bytes) -> bool:
        scheme, _, token = brought.partition(b" ")
        return hmac.compare_digest(token.strip(), self._token) and scheme.lower() == b"bearer"


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let a client hang up first: what it still sends would otherwise reset the connection before it has read."""
    writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while await reader.read(LONGEST_REQUEST):
                pass


class _Refusal(Exception):
    """A request is not answered: with which status, why in words, and which fields go with that."""

    def __init__(self, status: HTTPStatus, text: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.fields = fields or {}

    def response(self) -> bytes:
        """Return what the client is told."""
        fields = {"Content-Type": "text/plain; charset=utf-8", **self.fields}
        return _response(self.status, f"{self.text}\n".encode(), fields)


def _headers(fields: list[bytes]) -> Mapping[bytes, bytes]:
    """Return a request's fields by name, the host among them.

    RFC 9112, 3.2: a request without one Host, or with more, is to be answered with 400.

    Raises:
        _Refusal: They are no fields, or one that counts is missing or comes twice.
    """
    headers: dict[bytes, bytes] = {}
    for field in fields:
        name, colon, value = field.partition(b":")
        name = name.lower()
        if not colon or not name or name != name.strip() or (name in headers and name in {b"host", b"authorization"}):
            raise _Refusal(HTTPStatus.BAD_REQUEST, "This is no HTTP request.")
        headers[name] = value.strip()
    if b"host" not in headers:
        raise _Refusal(HTTPStatus.BAD_REQUEST, "A request names its host.")
    return headers


def _response(status: HTTPStatus, body: bytes, fields: Mapping[str, str], *, with_body: bool = True) -> bytes:
    whole = {
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
        **fields,
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in whole.items()), "", ""]
    return "\r\n".join(lines).encode() + (body if with_body else b"")
