"""The network's far ends: a mail server and a model's service on this machine, both of which misbehave when told to."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

SILENCE_S = 20.0
_ANSWER = {"cause": "The answer was changed.", "confidence": 0.5, "evidence": [], "next_step": "Change it back."}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was taken."""

    at: float
    subject: str
    message_id: str
    text: str


@dataclass
class Behaviour:
    """How a far end behaves now: `well`, or in one of its bad ways."""

    now: str = "well"
    ended: threading.Event = field(default_factory=threading.Event)


class _Smtp(socketserver.StreamRequestHandler):
    """Enough of RFC 5321 for one client that sends one mail, and of a bad server."""

    server: MailServer
    timeout = SILENCE_S

    def handle(self) -> None:
        behaviour = self.server.behaviour
        if behaviour.now == "silent":
            behaviour.ended.wait(SILENCE_S)
            return
        if behaviour.now == "refuses":
            self.wfile.write(b"421 too busy\r\n")
            return
        self.wfile.write(b"220 soak\r\n")
        for line in self.rfile:
            word = line.split(b" ", 1)[0].strip().upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                if behaviour.now == "drops":
                    self.rfile.readline()
                    return
                self.server.take(self._body())
                self.wfile.write(b"250 taken\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 soak\r\n")

    def _body(self) -> bytes:
        lines = list[bytes]()
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mails on a port of its own; `behaviour.now` may be `well`, `refuses`, `drops` or `silent`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.behaviour = Behaviour()
        self.mails: list[Mail] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def take(self, body: bytes) -> None:
        """Keep a mail."""
        message = message_from_bytes(body, policy=policy.default)
        content = message.get_body(("plain",))
        text = content.get_content() if content is not None else ""
        self.mails.append(Mail(time.time(), str(message["Subject"]), str(message["Message-ID"]), text))


class _Model(BaseHTTPRequestHandler):
    server: ModelServer

    def do_POST(self) -> None:
        behaviour = self.server.behaviour
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.asked += 1
        if behaviour.now == "silent":
            behaviour.ended.wait(SILENCE_S)
        elif behaviour.now == "busy":
            self._say(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "3"})
        elif behaviour.now == "garbage":
            self._say(200, b"\x00{not json" * 1000, {})
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": json.dumps(_ANSWER)}}
            told = {"id": "1", "object": "chat.completion", "choices": [choice | {"finish_reason": "stop"}]}
            self._say(200, json.dumps(told).encode(), {})

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own name
        """Say nothing."""


class ModelServer(ThreadingHTTPServer):
    """Answers questions on a port of its own; `behaviour.now` may be `well`, `silent`, `busy` or `garbage`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Model)
        self.behaviour = Behaviour()
        self.asked = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is what is tried here."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class FarEnds:
    """Both, each on a thread of its own. A context manager."""

    def __init__(self) -> None:
        self.mail = MailServer()
        self.model = ModelServer()
        self._servers = (self.mail, self.model)
        self._threads = [threading.Thread(target=each.serve_forever, args=(0.1,)) for each in self._servers]

    def __enter__(self) -> Self:
        """Begin to serve."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.behaviour.ended.set()
            server.shutdown()
            thread.join()
            server.server_close()
