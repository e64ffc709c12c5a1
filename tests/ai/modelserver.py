"""A stand-in for a model's service: a real HTTP server on loopback that speaks OpenAI-compatible chat completions.

    with ModelServer() as server:
        server.then(busy(2), stream("It is the off-by-one in cart.py."))   # one reply for each request, in order
        server.always(silent())                                           # and for all further ones
        ... ask server.url, with the key KEY ...
        assert CANARY not in server.everything

It runs in threads of its own, so that it serves tests on any loop, and programs in another process.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from app.domain.errors import SecretMissing
from tests.ai.modelreplies import (
    HOSTILE,
    MIB,
    MODEL,
    alive,
    answers,
    busy,
    cut,
    error_in_stream,
    event,
    failing,
    huge,
    piece,
    raw,
    redirect,
    refused,
    silent,
    slow,
    stalls,
    stream,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "HOSTILE",
    "KEY",
    "MIB",
    "MODEL",
    "Asked",
    "ModelServer",
    "Wire",
    "alive",
    "answers",
    "busy",
    "cut",
    "error_in_stream",
    "event",
    "failing",
    "huge",
    "piece",
    "raw",
    "redirect",
    "refused",
    "silent",
    "slow",
    "stalls",
    "stream",
    "whole",
]

KEY = "sk-canary0of1a2key3that4must5not6leak"
"""A key for tests; the server takes any, unless it was given `keys`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came in.

    Attributes:
        method: `POST`.
        path: With its query.
        headers: Names in small letters.
        body: As it came.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def key(self) -> str:
        """The key that came along; empty for none."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def said(self) -> str:
        """All messages as one text."""
        return "\n".join(message["content"] for message in self.json["messages"])


class Wire:
    """One connection, as a reply sees it."""

    def __init__(self, handler: BaseHTTPRequestHandler, released: threading.Event, asked: Asked) -> None:
        self.asked = asked
        self._handler = handler
        self._released = released

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def send(self, content: bytes) -> None:
        """Send bytes as they are."""
        self._handler.wfile.write(content)
        self._handler.wfile.flush()

    def chunk(self, content: bytes) -> None:
        """Send bytes as one chunk of `Transfer-Encoding: chunked`; none end the body."""
        self.send(b"%x\r\n%b\r\n" % (len(content), content))

    def pause(self, seconds: float) -> bool:
        """Wait, and tell whether the server ended meanwhile."""
        return self._released.wait(seconds)

    def hang(self) -> None:
        """Wait until the server ends, or the client has gone."""
        connection = self._handler.connection
        while not self._released.wait(0.02):
            is_told = bool(select.select([connection], [], [], 0)[0])
            if is_told and (isinstance(connection, ssl.SSLSocket) or not connection.recv(1, socket.MSG_PEEK)):
                break
        self._handler.close_connection = True

    def break_off(self) -> None:
        """End the connection, with what was promised still owed."""
        self._handler.close_connection = True


class NoKeys:
    """A vault without a secret: the stand-in takes any question."""

    async def secret(self, name: str, *, why: str) -> str:
        """Refuse."""
        raise SecretMissing(f"There is no secret {name} ({why}).")

    async def group(self, name: str) -> tuple[str, ...]:
        """Return the name alone."""
        return (name,)


@dataclass
class ModelServer:
    """The server. A context manager; entered, it listens.

    Attributes:
        keys: The keys that it lets in; all others are answered with 401. None lets everything in.
        tls: Speak TLS with a certificate that nobody trusts.
        asked: All requests, in the order in which they came.
        at_once: The most requests that were served at one time. It takes a moment to notice that a client has gone.
    """

    keys: set[str] | None = None
    tls: bool = False
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0

    def __post_init__(self) -> None:
        """Take a free port."""
        self._script: list[Callable[[Wire], None]] = []
        self._default: Callable[[Wire], None] = stream("All is well.")
        self._serving = 0
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        if self.tls:
            self._server.socket = _context().wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of all that was kept waiting, and end."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The base URL, as a provider has it."""
        return f"http{'s' if self.tls else ''}://{self.host}/v1"

    @property
    def everything(self) -> str:
        """All that ever came in, headers and bodies, as one text: where canaries are looked for."""
        with self._changed:
            asked = list(self.asked)
        return "\n".join(
            "\n".join(
                (each.path, *(f"{k}: {v}" for k, v in each.headers.items()), each.body.decode("utf-8", "replace"))
            )
            for each in asked
        )

    def then(self, *replies: Callable[[Wire], None]) -> None:
        """Answer the next requests with these, one each."""
        with self._changed:
            self._script.extend(replies)

    def always(self, reply: Callable[[Wire], None]) -> None:
        """Answer with this whenever nothing else is scripted."""
        with self._changed:
            self._default = reply

    def wait_for(self, count: int, timeout_s: float = 20.0) -> None:
        """Wait until that many requests have come. It blocks: from a loop, call it by `asyncio.to_thread`.

        Raises:
            TimeoutError: They have not.
        """
        due = time.monotonic() + timeout_s
        with self._changed:
            while len(self.asked) < count:
                if not self._changed.wait(max(0.0, due - time.monotonic())):
                    raise TimeoutError(f"{len(self.asked)} of {count} requests came")

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        length = int(handler.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, handler.path, headers, handler.rfile.read(length))
        with self._changed:
            self.asked.append(asked)
            reply = self._reply_to(asked)
            self._serving += 1
            self.at_once = max(self.at_once, self._serving)
            self._changed.notify_all()
        try:
            reply(Wire(handler, self._released, asked))
        except OSError:  # the client has gone: that is what is tested
            handler.close_connection = True
        finally:
            with self._changed:
                self._serving -= 1

    def _reply_to(self, asked: Asked) -> Callable[[Wire], None]:
        if self.keys is not None and asked.key not in self.keys:
            return refused(401, f"Authentication fails, your api key: {asked.key} is invalid", code="invalid_api_key")
        if asked.method != "POST" or not asked.path.endswith("/chat/completions"):
            return refused(404, "there is nothing here")
        return self._script.pop(0) if self._script else self._default


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        self._open.add(request)
        return request, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open."""
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up are what is tested."""


def _handler_of(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            server.serve(self)

        do_GET = do_POST  # noqa: N815 - the base's name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _context() -> ssl.SSLContext:
    """Return a server's side of TLS, with a certificate that it signed itself."""
    from cryptography import x509  # noqa: PLC0415 - few tests speak TLS
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a stand-in")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
    return context
