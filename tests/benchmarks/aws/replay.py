"""A stand-in for AWS that is as slow as AWS and no slower: it asks moto once, and then answers by itself.

Each answer comes after a fixed delay, whoever gave it, so that moto's own time is no part of a measurement. Moto and
the proxy run in processes of their own: `with aws_at(delay_s) as place: ...`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import multiprocessing
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

DELAY_S = 0.04
START_S = 60.0
LIMIT = "/--limit/"
"""Followed by how many requests are allowed in a second, 0 for any number: what the proxy itself is told."""
_SLOW = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
SLOW_DOWN = b"HTTP/1.1 503 Slow Down\r\ncontent-type: application/xml\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_SLOW),
    _SLOW,
)
_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")
_READS = ("Get", "List", "Describe", "Head", "Assume")


@dataclass(frozen=True)
class Request:
    """A request, and what makes it the same as another."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> tuple[object, ...]:
        """Who asks what where; the time and the signature are no part of it."""
        scope = _SCOPE.search(self.headers.get("authorization", ""))
        return (scope and scope.groups(), self.method, self.target, self.headers.get("x-amz-target"), self.body)

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        if self.method in {"GET", "HEAD"}:
            return True
        action = parse_qs(self.body.decode("latin-1")).get("Action", [""])[0]
        return (action or self.headers.get("x-amz-target", "").rpartition(".")[2]).startswith(_READS)


class ReplayProxy:
    """Answers HTTP/1.1 requests on loopback. What changes something is passed on, and forgets what was recorded.

    Args:
        upstream: Moto's host and port.
        delay_s: How long each answer takes at least.
    """

    def __init__(self, upstream: tuple[str, int], delay_s: float = DELAY_S) -> None:
        self._upstream = upstream
        self._delay_s = delay_s
        self._recorded: dict[tuple[object, ...], bytes] = {}
        self.asked = 0
        self.replayed = 0
        self.throttled = 0
        self._a_second = 0.0
        self._left, self._left_at = 0.0, 0.0

    async def serve(self) -> asyncio.Server:
        """Listen on a free port."""
        return await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=512)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _request(reader, writer)) is not None:
                loop = asyncio.get_running_loop()
                due = loop.time() + self._delay_s
                answer = await self._answer(request)
                await asyncio.sleep(due - loop.time())
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # nobody awaits this task; at the end of the loop it is over with it
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _is_too_much(self) -> bool:
        """Say whether this request is more than is allowed: a bucket of a tenth of a second's tokens, as AWS has it."""
        if not self._a_second:
            return False
        now = asyncio.get_running_loop().time()
        self._left = min(self._a_second / 10, self._left + (now - self._left_at) * self._a_second)
        self._left_at = now
        if self._left < 1:
            return True
        self._left -= 1
        return False

    def _control(self, limit: str) -> bytes:
        """Tell what was counted, and begin to count anew, with so many requests allowed in a second."""
        told = json.dumps({"asked": self.asked, "throttled": self.throttled}).encode()
        self.asked = self.throttled = 0
        self._a_second = self._left = float(limit)
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(told), told)

    async def _answer(self, request: Request) -> bytes:
        if request.target.startswith(LIMIT):
            return self._control(request.target.removeprefix(LIMIT))
        self.asked += 1
        if self._is_too_much():
            self.throttled += 1
            return SLOW_DOWN
        if not request.reads:
            self._recorded.clear()
            return await self._ask(request)
        if (known := self._recorded.get(request.key)) is not None:
            self.replayed += 1
            return known
        answer = await self._ask(request)
        if not answer.startswith(b"HTTP/1.1 5"):
            self._recorded[request.key] = answer
        return answer

    async def _ask(self, request: Request) -> bytes:
        """Ask moto, and return its answer as one that keeps the connection."""
        reader, writer = await asyncio.open_connection(*self._upstream)
        headers = {**request.headers, "connection": "close"}
        headers.pop("expect", None)
        target = request.target
        if "://" in target:  # asked as an HTTP proxy: moto would take the host's name for a bucket's
            parts = urlsplit(target)
            target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
            headers["host"] = "{}:{}".format(*self._upstream)
        lines = [
            f"{request.method} {target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + request.body)
        await writer.drain()
        answer = await reader.read(-1)
        writer.close()
        await writer.wait_closed()
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *rest = head.decode("latin-1").split("\r\n")
        kept = [line for line in rest if line.split(":")[0].lower() not in {"connection", "content-length", "server"}]
        if request.method != "HEAD":
            kept.append(f"content-length: {len(body)}")
        else:
            kept.append("content-length: 0")
        return "\r\n".join([status, *kept]).encode("latin-1") + b"\r\n\r\n" + body


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


@dataclass(frozen=True)
class Place:
    """Where to ask.

    Attributes:
        moto: Moto's address, to put things there.
        url: The proxy's address, to measure.
    """

    moto: str
    url: str

    def limit(self, a_second: int) -> dict[str, int]:
        """Allow so many requests in a second, and return what was asked and throttled since the last time."""
        with urlopen(f"{self.url}{LIMIT}{a_second}") as answer:  # noqa: S310 - our own proxy
            told: dict[str, int] = json.load(answer)
        return told


def _serve(ours: Connection, delay_s: float) -> None:
    """Be moto and the proxy before it, until the other end says something."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    async def proxy() -> None:
        listening = await ReplayProxy((host, port), delay_s).serve()
        async with listening:
            ours.send((f"http://{host}:{port}", f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"))
            with contextlib.suppress(EOFError):
                await asyncio.to_thread(ours.recv)

    asyncio.run(proxy())
    server.stop()


@contextmanager
def aws_at(delay_s: float = DELAY_S) -> Iterator[Place]:
    """Give moto and a proxy before it, both in another process.

    Args:
        delay_s: How long each answer of the proxy takes.
    """
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe()
    process = context.Process(target=_serve, args=(ours, delay_s), daemon=True)
    process.start()
    try:
        if not theirs.poll(START_S):
            raise TimeoutError("moto did not start")
        yield Place(*theirs.recv())
    finally:
        theirs.send("end")
        process.join(10)
        process.terminate()
