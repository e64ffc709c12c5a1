"""Servers on loopback that misbehave on purpose: mail and HTTP, each connection served by a function in a thread."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import socket
import ssl
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

_PATIENCE_S = 20.0


class Line:
    """One connection, as a server sees it."""

    def __init__(self, connection: socket.socket, ended: threading.Event) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        self._ended = ended

    def say(self, *lines: str) -> None:
        for line in lines:
            self._connection.sendall(line.encode() + b"\r\n")

    def send(self, content: bytes) -> None:
        self._connection.sendall(content)

    def hear(self) -> str:
        return self._file.readline().decode("utf-8", "replace").strip()

    def read(self, count: int) -> bytes:
        return self._file.read(count)

    def hang(self) -> None:
        """Say nothing until the client has gone, or the server ends."""
        self._connection.settimeout(0.02)
        while not self._ended.is_set():
            with suppress(TimeoutError):
                if not self._connection.recv(65536):
                    return

    def reset(self) -> None:
        """Break off without a goodbye."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self._file.close()
        self._connection.close()


class FarEnd:
    """A TCP server; a context manager. With `tls`, it speaks TLS from the start."""

    def __init__(self, serve: Callable[[Line], None], *, tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        """Listen."""
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all connections."""
        self._ended.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                connection.settimeout(_PATIENCE_S)
                thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _one(self, connection: socket.socket) -> None:
        try:
            line = Line(self._tls.wrap_socket(connection, server_side=True) if self._tls else connection, self._ended)
        except OSError:
            connection.close()
            return
        try:
            with suppress(OSError):
                self._serve(line)
        finally:
            line.close()


def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@dataclass
class Mailbox:
    """A mail server in clear, whose misbehaviour is a word.

    Attributes:
        wrong: What it does wrong; one word for each connection, and none for the rest.
        taken: The messages that it has taken, also those whose 250 never went out.
        seen: How many connections there were.
        met: Set when there was one.
    """

    wrong: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    seen: int = 0
    met: threading.Event = field(default_factory=threading.Event)

    def serve(self, line: Line) -> None:  # noqa: C901, PLR0911, PLR0912 - a protocol, and each way to break it
        self.seen += 1
        self.met.set()
        wrong = self.wrong.pop(0) if self.wrong else ""
        if wrong == "silent":
            return line.hang()
        if wrong == "421":
            return line.say("421 4.3.2 shutting down")
        line.say("220 mail.example ESMTP")
        while word := line.hear():
            verb = word.upper().split(":")[0].split()[0]
            match verb:
                case "EHLO":
                    line.say("250-mail.example", "250 8BITMIME")
                    if wrong == "hang":
                        return line.hang()
                case "RCPT" if wrong in {"450", "550"}:
                    line.say("450 4.2.1 try later" if wrong == "450" else "550 5.1.1 no such user")
                case "DATA":
                    line.say("354 go on")
                    if wrong == "reset":
                        line.read(20)
                        return line.reset()
                    lines = []
                    while (said := line.hear()) != ".":
                        lines.append(said)
                    if wrong == "552":
                        line.say("552 5.3.4 too big")
                        continue
                    self.taken.append("\n".join(lines))
                    if wrong == "lost":
                        return None
                    line.say("250 2.0.0 queued")
                case "QUIT":
                    return line.say("221 bye")
                case _:
                    line.say("250 ok")
        return None


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hook:
    """An HTTP server that answers with one reply after the other, and takes everything when there is none left."""

    replies: list[Callable[[Line], None] | None] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    well: bytes = b'{"ok": true, "result": {}}'
    met: threading.Event = field(default_factory=threading.Event)

    def serve(self, line: Line) -> None:
        first = line.hear()
        if not first:
            return
        headers = {}
        while head := line.hear():
            name, _, value = head.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        body = line.read(length)
        if len(body) < length:
            return  # the client has gone
        asked = Asked(first.split()[1], headers, body)
        self.asked.append(asked)
        self.met.set()
        self.reply_to(asked)(line)

    def reply_to(self, _asked: Asked) -> Callable[[Line], None]:
        """Return what answers this request."""
        reply = self.replies.pop(0) if self.replies else None
        return reply or answer(200, self.well)


def answer(status: int, body: bytes = b"", **headers: str) -> Callable[[Line], None]:
    """Answer with this."""

    def reply(line: Line) -> None:
        more = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        line.say(f"HTTP/1.1 {status} Said", *more, f"Content-Length: {len(body)}", "Connection: close", "")
        line.send(body)

    return reply


def hang(line: Line) -> None:
    """Never answer."""
    line.hang()


def drop(line: Line) -> None:
    """Take the message, and break off before the answer."""
    line.reset()


def cut(status: int, body: bytes) -> Callable[[Line], None]:
    """Break off in the middle of the answer."""

    def reply(line: Line) -> None:
        line.say(f"HTTP/1.1 {status} Said", f"Content-Length: {len(body) + 100}", "")
        line.send(body)

    return reply


def flood(mebibytes: int, sent: list[int]) -> Callable[[Line], None]:
    """Answer with very much; `sent` is told how much of it was wanted."""

    def reply(line: Line) -> None:
        line.say("HTTP/1.1 200 Said", f"Content-Length: {mebibytes << 20}", "")
        for _ in range(mebibytes):
            line.send(bytes(1 << 20))
            sent.append(1)

    return reply


@dataclass
class Authority:
    """A certificate for `localhost`, and what trusts it."""

    folder: Path

    def __post_init__(self) -> None:
        """Make it."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = dt.datetime.now(dt.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.file = self.folder / "certificate.pem"
        self.key = self.folder / "key.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))


class RealMailServer(Controller):
    """aiosmtpd on a free port: STARTTLS and perhaps a login, or TLS from the start, which it knows no login with.

    Attributes:
        envelopes: What it has taken.
        logins: The names and passwords that it was told.
    """

    def __init__(self, authority: Authority, *, tls: bool = False, password: str = "") -> None:
        self.envelopes: list[Any] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self._password = password.encode()
        options: dict[str, Any] = {"ssl_context": authority.serving()} if tls else {"tls_context": authority.serving()}
        if not tls:
            options |= {"require_starttls": True}
        if password:
            options |= {"authenticator": self._authenticate, "auth_required": True}
        super().__init__(self, hostname="127.0.0.1", port=closed_port(), **options)

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == self._password, handled=False)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.envelopes.append(envelope)
        return "250 taken"

    def __enter__(self) -> Self:
        """Listen."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self.stop()


def message_id(mail: str) -> str:
    """Return the Message-ID of a mail."""
    found = re.search(r"^Message-ID: (\S+)$", mail, re.MULTILINE)
    assert found is not None
    return found[1]
