"""A stand-in for OSV: a real HTTP server on loopback, with advisories of its own, which can misbehave.

    with OsvServer(RECORDS) as server:
        server.then(busy(1))          # the next request is answered so; those after it as ever
        ... ask server.url ...
        assert server.asked == ["POST /v1/querybatch"]

It matches by the `versions` that an advisory lists and by nothing else, so that it is an oracle for ranges.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Reply = Callable[["_Handler"], None]


def record(
    name: str,
    package: str,
    versions: Sequence[str],
    *,
    ecosystem: str = "PyPI",
    fixed: str = "",
    **others: Any,
) -> dict[str, Any]:
    """Return an advisory: these versions are affected, from the first on until `fixed`."""
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    affected = {
        "package": {"name": package, "ecosystem": ecosystem},
        "versions": list(versions),
        "ranges": [{"type": kind, "events": events}],
    }
    return {
        "schema_version": "1.6.0",
        "id": name,
        "modified": "2024-05-01T00:00:00Z",
        "published": "2024-04-01T00:00:00Z",
        "summary": f"{package} is weak",
        "affected": [affected],
        **others,
    }


RECORDS = (
    record(
        "GHSA-462w-v97r-4m45",
        "jinja2",
        ["2.9.6", "2.10"],
        fixed="2.10.1",
        aliases=["CVE-2019-10906", "PYSEC-2019-217"],
        severity=[{"type": "CVSS_V3", "score": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N"}],
    ),
    record("PYSEC-2019-217", "jinja2", ["2.9.6", "2.10"], fixed="2.10.1", aliases=["CVE-2019-10906"]),
    record("PYSEC-2018-28", "requests", ["2.19.1"], fixed="2.20.0", aliases=["CVE-2018-18074"]),
    record("PYSEC-2000-1", "requests", ["2.19.1"], fixed="2.20.0", withdrawn="2020-01-01T00:00:00Z"),
    record(
        "GHSA-p6mc-m468-83gw",
        "lodash",
        ["4.17.15"],
        ecosystem="npm",
        fixed="4.17.20",
        aliases=["CVE-2020-8203"],
        database_specific={"severity": "HIGH"},
    ),
    record("MAL-2024-1", "evil-parser", ["1.0.0"], ecosystem="npm"),
)
"""Four true ones and two that are made up."""


class OsvServer:
    """The server.

    Args:
        records: Its advisories.
        page: Advisories of one query that go into a page; 0 for all.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]] = RECORDS, *, page: int = 0) -> None:
        self.records = {each["id"]: dict(each) for each in records}
        self.page = page
        self.asked: list[str] = []
        self.queries: list[int] = []
        self.bodies: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._always: Reply | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.osv = self  # type: ignore[attr-defined]
        self.released = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def then(self, *replies: Reply) -> None:
        """Answer the next requests so."""
        self._replies.extend(replies)

    def always(self, reply: Reply) -> None:
        """Answer all further requests so."""
        self._always = reply

    def next(self) -> Reply:
        return self._replies.popleft() if self._replies else self._always or well

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of who waits, and end."""
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def matching(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [each for each in self.records.values() if any(_is_of(about, query) for about in each["affected"])]


def _is_of(affected: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    return affected["package"] == query["package"] and query["version"] in affected["versions"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    body = b""

    @property
    def osv(self) -> OsvServer:
        return self.server.osv  # type: ignore[attr-defined,no-any-return]

    def log_message(self, *_: object) -> None:
        return

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        self.body = b""
        self._answer()

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        self.osv.asked.append(f"{self.command} {self.path}")
        self.osv.bodies.append(self.body)
        self.osv.next()(self)

    def give(self, document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def well(handler: _Handler) -> None:
    """Answer as OSV does."""
    osv = handler.osv
    if handler.path == "/v1/query":
        handler.give({"vulns": found} if (found := osv.matching(json.loads(handler.body))) else {})
    elif handler.path == "/v1/querybatch":
        queries = json.loads(handler.body)["queries"]
        osv.queries.append(len(queries))
        if len(queries) > 1000:
            handler.give({"code": 3, "message": "Too many queries."}, 400)
        else:
            handler.give({"results": [_paged(osv, each) for each in queries]})
    elif (known := osv.records.get(handler.path.removeprefix("/v1/vulns/"))) is not None:
        handler.give(known)
    else:
        handler.give({"code": 5, "message": "Bug not found."}, 404)


def _paged(osv: OsvServer, query: Mapping[str, Any]) -> dict[str, Any]:
    found = [{"id": each["id"], "modified": each["modified"]} for each in osv.matching(query)]
    first = int(query.get("page_token") or 0)
    if not osv.page or first + osv.page >= len(found):
        return {"vulns": found[first:]} if found[first:] else {}
    return {"vulns": found[first : first + osv.page], "next_page_token": str(first + osv.page)}


def busy(retry_after: str = "0", status: int = 429) -> Reply:
    """Ask to wait."""
    return lambda handler: handler.give({}, status, {"Retry-After": retry_after})


def failing(status: int) -> Reply:
    """Fail."""
    return lambda handler: handler.give({}, status)


def saying(document: object, headers: Mapping[str, str] | None = None) -> Reply:
    """Say something else."""
    return lambda handler: handler.give(document, headers=headers)


def silent(handler: _Handler) -> None:
    """Say nothing, until the server ends."""
    handler.osv.released.wait(30)
    handler.close_connection = True


def hanging_up(handler: _Handler) -> None:
    """Close the connection in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"results"')
    handler.close_connection = True


def endless(handler: _Handler) -> None:
    """Answer without end."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    while not handler.osv.released.is_set():
        handler.wfile.write(b" " * 65536)
