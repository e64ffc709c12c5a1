"""A proxy between the clients and moto's server that records all calls, and lets one of them fail.

with Failing(moto_url) as proxy:
    proxy.fail("s3:PutBucketPolicy", 2, Failure.CUT)  # the second such call
    proxy.fail("*", 7, Failure.DENIED)  # the seventh call of all
    ... speak to aws.test by way of proxy.url as an HTTP proxy ...
    assert [each.operation for each in proxy.writes] == ["s3:PutBucketPolicy"]
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_HOP = frozenset({"connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_SUBRESOURCES = {
    "acl": "BucketAcl",
    "encryption": "BucketEncryption",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "publicAccessBlock": "PublicAccessBlock",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
"""After "Operations" of the Amazon S3 API Reference."""
_PATIENCE_S = 30.0
_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>not today</Message></Error>"


class Failure(Enum):
    """How a call fails."""

    DENIED = "AccessDenied"
    BROKEN = "InternalError"
    CUT = "the call reaches the server, its answer does not come back"


@dataclass(frozen=True)
class Request:
    """A call as the proxy saw it."""

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes
    account: str
    owner: str

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        return self.method not in {"GET", "HEAD"} and not self.operation.startswith("kms:Describe")


@dataclass
class Failing:
    """Passes on what need not fail. A context manager.

    Attributes:
        upstream: Moto's address.
        seen: All calls.
        before: Called with each before it is passed on.
        after: Called with each after it was passed on, and before the answer is given.
    """

    upstream: str
    seen: list[Request] = field(default_factory=list)
    before: Callable[[Request], None] = lambda _: None
    after: Callable[[Request], None] = lambda _: None

    def __enter__(self) -> Self:
        """Take a free port."""
        self.clear()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_PATIENCE_S)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def writes(self) -> list[Request]:
        """The calls that change anything."""
        return [each for each in self.seen if each.is_write]

    def clear(self) -> None:
        """Forget all calls and failures."""
        self.seen, self._failures, self._counts, self._cut = [], {}, Counter(), None
        self.before = self.after = lambda _: None

    def fail(self, operation: str, number: int, failure: Failure) -> None:
        """Let a call fail: the nth of an operation, or with `*` of all, counted from 1 since `clear`."""
        self._failures[operation, number] = failure

    def cancel(self, task: asyncio.Future[Any], when: Callable[[Request], bool]) -> asyncio.Event:
        """Cancel a task when a call has reached the server and has no answer yet; return what tells that it was.

        Args:
            task: Of the loop that calls this.
            when: Whether it is this call.
        """
        loop = asyncio.get_running_loop()
        cancelled = asyncio.Event()

        async def cancel() -> None:
            task.cancel()
            cancelled.set()

        def on_call(request: Request) -> None:
            if when(request):
                asyncio.run_coroutine_threadsafe(cancel(), loop).result(10)

        self.after = on_call
        return cancelled

    def failure_of(self, request: Request) -> Failure | None:
        """Count a call, and return how it fails; None when it does not."""
        with self._lock:
            cut, self._cut = self._cut, None
            if request == cut:
                return Failure.CUT
            self.seen.append(request)
            found = None
            for name in (request.operation, "*"):
                self._counts[name] += 1
                found = self._failures.pop((name, self._counts[name]), found)
            # aiohttp sends once more what it deems idempotent, and that is cut as well
            self._cut = request if found is Failure.CUT else None
            return found

    @property
    def has_failed(self) -> bool:
        """Whether all that was to fail did."""
        return not self._failures


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[Failing]
    protocol_version: ClassVar[str] = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = self._request(body)
        failure = self.proxy.failure_of(request)
        self.proxy.before(request)
        if failure is Failure.DENIED:
            self._send(403, {}, _ERROR.format("AccessDenied").encode())
            return
        if failure is Failure.BROKEN:
            self._send(500, {}, _ERROR.format("InternalError").encode())
            return
        status, headers, answer = self._passed_on(body)
        self.proxy.after(request)
        if failure is Failure.CUT:
            self.close_connection = True
            return
        self._send(status, headers, answer)

    def _request(self, body: bytes) -> Request:
        target = urlsplit(self.path)
        service = _SERVICE.search(self.headers.get("Authorization", ""))
        query = tuple(sorted(parse_qsl(target.query, keep_blank_values=True)))
        verb = self.command.title()
        if target.path.startswith("/v20180820/"):
            operation = f"s3control:{verb}PublicAccessBlock"
        elif service is None or service[1] != "s3":
            operation = f"{service[1] if service else ''}:{self.headers.get('X-Amz-Target', '').rpartition('.')[2]}"
        else:
            named = (_SUBRESOURCES[name] for name, _ in query if name in _SUBRESOURCES)
            operation = f"s3:{verb}{next(named, 'Bucket' if self.command != 'GET' else 'Buckets')}"
        return Request(
            operation,
            self.command,
            target.path,
            query,
            body,
            self.headers.get("x-amz-account-id", ""),
            self.headers.get("x-amz-expected-bucket-owner", ""),
        )

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        target = urlsplit(self.path)
        upstream = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=_PATIENCE_S)
        try:
            path = f"{target.path or '/'}{f'?{target.query}' if target.query else ''}"
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            upstream.request(self.command, path, body, headers)
            answer = upstream.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return answer.status, kept, answer.read()
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

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _any  # noqa: N815 - the base's names

    def log_message(self, *_: object) -> None:
        """Print nothing."""
