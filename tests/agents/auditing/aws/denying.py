"""A proxy between the clients and moto's server that answers one operation otherwise: denied, throttled, or not at all.

    with Denying(moto_url) as proxy:
        proxy.answers["s3:GetBucketAcl"] = DENIED
        ... ask proxy.url, or aws.test by way of it as an HTTP proxy ...
        assert proxy.count("s3:GetBucketAcl") == 1

An operation is named by botocore's service and the API's name; `answers` may be narrowed to one path with `when`.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
_HOP = frozenset({"connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_PATIENCE_S = 30.0

_S3 = {
    "acl": "GetBucketAcl",
    "encryption": "GetBucketEncryption",
    "lifecycle": "GetBucketLifecycleConfiguration",
    "location": "GetBucketLocation",
    "logging": "GetBucketLogging",
    "object-lock": "GetObjectLockConfiguration",
    "ownershipControls": "GetBucketOwnershipControls",
    "policy": "GetBucketPolicy",
    "policyStatus": "GetBucketPolicyStatus",
    "publicAccessBlock": "GetPublicAccessBlock",
    "replication": "GetBucketReplication",
    "versioning": "GetBucketVersioning",
}
"""The sub-resource of a GET on a bucket, after "Operations" of the Amazon S3 API Reference."""


@dataclass(frozen=True)
class Reply:
    """What is answered in place of the service: an error, or with `body` XML; a status of 0 is no answer at all."""

    status: int
    code: str = ""
    body: str = ""


DENIED = Reply(403, "AccessDenied")
UNAUTHORIZED = Reply(403, "UnauthorizedOperation")
SLOW_DOWN = Reply(503, "SlowDown")
BROKEN = Reply(500, "InternalError")
NOTHING = Reply(0)


@dataclass(frozen=True)
class Asked:
    """A request: `operation` as `s3:GetBucketAcl`, the region that it was signed for, its path and its body."""

    operation: str
    region: str
    path: str
    body: str = ""


@dataclass
class Denying:
    """Passes on to `upstream` all that `answers` does not answer. A context manager.

    Attributes:
        upstream: Where it passes on to.
        answers: A reply for each operation that is not passed on.
        when: Whether a request gets the reply of its operation; all do as a rule.
        asked: All requests.
        before: Called with each request before it is passed on or answered.
    """

    upstream: str
    answers: dict[str, Reply] = field(default_factory=dict)
    when: Callable[[Asked], bool] = lambda _: True
    before: Callable[[Asked], None] = lambda _: None
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Take a free port."""
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let all go that waits, and end."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_PATIENCE_S)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def count(self, operation: str) -> int:
        """Return how often an operation was asked for."""
        return self.counts[operation]

    @property
    def counts(self) -> Counter[str]:
        """How often each operation was asked for."""
        return Counter(each.operation for each in self.asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[Denying]
    protocol_version: ClassVar[str] = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = self._asked(body)
        self.proxy.asked.append(asked)
        self.proxy.before(asked)
        reply = self.proxy.answers.get(asked.operation)
        if reply is None or not self.proxy.when(asked):
            self._pass_on(body)
        elif reply.status:
            self._send(reply.status, {"Content-Type": "application/xml"}, reply.body.encode() or _error(asked, reply))
        else:
            self._hang()

    def _asked(self, body: bytes) -> Asked:
        target = urlsplit(self.path)
        scope = _SCOPE.search(self.headers.get("Authorization", ""))
        region, service = (scope[1], scope[2]) if scope else ("", "")
        if service != "s3":
            action = parse_qs(body.decode()).get("Action", [self.headers.get("X-Amz-Target", "").rpartition(".")[2]])
            return Asked(f"{service}:{action[0]}", region, target.path, body.decode())
        if target.path.startswith("/v20180820/"):
            return Asked(f"s3control:{self.command.title()}PublicAccessBlock", region, target.path)
        if self.command != "GET":
            return Asked(f"s3:{self.command}", region, target.path)
        named = (_S3[each] for each in parse_qs(target.query, keep_blank_values=True) if each in _S3)
        return Asked(f"s3:{next(named, 'ListBuckets')}", region, target.path)

    def _pass_on(self, body: bytes) -> None:
        target = urlsplit(self.path)
        upstream = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=_PATIENCE_S)
        try:
            path = f"{target.path or '/'}{f'?{target.query}' if target.query else ''}"
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            upstream.request(self.command, path, body, headers)
            answer = upstream.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            self._send(answer.status, kept, answer.read())
        finally:
            upstream.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _hang(self) -> None:
        """Answer nothing until the other side hangs up or all is over."""
        self.close_connection = True
        self.connection.settimeout(0.05)
        while not self.proxy.released.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _any  # noqa: N815 - the base's names

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _error(asked: Asked, reply: Reply) -> bytes:
    error = f"<Error><Code>{reply.code}</Code><Message>not today</Message></Error>"
    if asked.operation.startswith("ec2:"):
        return f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode()
    if asked.operation.startswith("s3"):
        return f"<?xml version='1.0'?>{error}".encode()
    return f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode()
