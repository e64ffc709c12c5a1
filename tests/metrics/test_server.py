"""The server answers one question, to programs of this machine alone, and lets nobody hold it up."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from app.metrics.server import LONGEST_REQUEST, MetricsServer, listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TEXT = b"# HELP a b\n# TYPE a gauge\na 1.0\n"
GET = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n"


@asynccontextmanager
async def serving(text: Callable[[], bytes] = lambda: TEXT, **more: object) -> AsyncIterator[int]:
    server, listener = MetricsServer(text, **more), listen(0)  # type: ignore[arg-type] # each test gives its own
    port = listener.getsockname()[1]
    await server.start(listener)
    try:
        yield port
    finally:
        await server.aclose()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def asked(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request, and return status, fields and body of what comes until the other end hangs up."""
    async with asyncio.timeout(10), connected(port) as (reader, writer):
        writer.write(request)
        whole = await reader.read()
    head, _, body = whole.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    return int(line.split()[1]), dict(field.split(": ", 1) for field in fields), body


async def test_metrics_are_served_in_the_text_format() -> None:
    """GET gives the text under the type that Prometheus 3 insists on, for nobody to keep, and closes."""
    async with serving() as port:
        status, fields, body = await asked(port, GET)

    assert (status, body) == (200, TEXT)
    assert fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert fields["Content-Length"] == str(len(TEXT))
    assert fields["Connection"] == "close"
    assert fields["Cache-Control"] == "no-store"


async def test_head_gives_the_fields_alone() -> None:
    """HEAD says how long the text would be."""
    async with serving() as port:
        status, fields, body = await asked(port, GET.replace(b"GET", b"HEAD"))

    assert (status, body, fields["Content-Length"]) == (200, b"", str(len(TEXT)))


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1", 404),
        (b"GET /metrics/ HTTP/1.1", 404),
        (b"GET /metrics?debug=1 HTTP/1.1", 200),
        (b"GET http://127.0.0.1/metrics HTTP/1.1", 404),
        (b"POST /metrics HTTP/1.1", 405),
        (b"OPTIONS /metrics HTTP/1.1", 405),
        (b"GET /metrics HTTP/2.0", 400),
        (b"GET /metrics", 400),
        (b"\x16\x03\x01\x02\x00", 400),
    ],
)
async def test_there_is_nothing_else(request_line: bytes, status: int) -> None:
    """Another path, another method and what is no HTTP are each told as what they are, and shown no metrics."""
    async with serving() as port:
        said, _, body = await asked(port, request_line + b"\r\nHost: localhost\r\n\r\n")

    assert said == status
    assert (body == TEXT) == (status == 200)


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        (b"Host: localhost:9464", 200),
        (b"host: 127.0.0.1", 200),
        (b"Host: [::1]:9464", 200),
        (b"Host: LOCALHOST", 200),
        (b"Host: evil.example", 403),
        (b"Host: localhost.evil.example", 403),
        (b"Host: 127.0.0.1.evil.example:9464", 403),
        (b"Host: evil.example/localhost", 403),
        (b"Host: ", 403),
        (b"X: y", 400),
        (b"Host: localhost\r\nHost: evil.example", 400),
        (b"Host : localhost", 400),
        (b"Host: localhost\r\n folded", 400),
    ],
)
async def test_a_request_must_name_a_loopback_host(hosts: bytes, status: int) -> None:
    """A page whose own name was made to point to 127.0.0.1 is shown nothing, and no page may read an answer."""
    async with serving() as port:
        said, fields, body = await asked(
            port, b"GET /metrics HTTP/1.1\r\nOrigin: https://evil.example\r\n" + hosts + b"\r\n\r\n"
        )

    assert said == status
    assert (body == TEXT) == (status == 200)
    assert [name for name in fields if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize(
    ("brought", "status"),
    [
        (b"Authorization: Bearer s3cret-t0ken\r\n", 200),
        (b"authorization: bearer s3cret-t0ken\r\n", 200),
        (b"Authorization: Bearer s3cret-t0keN\r\n", 401),
        (b"Authorization: Bearer s3cret\r\n", 401),
        (b"Authorization: Bearer \xff\xfe\r\n", 401),
        (b"Authorization: Bearer\r\n", 401),
        (b"Authorization: Basic s3cret-t0ken\r\n", 401),
        (b"Authorization: Bearer s3cret-t0ken\r\nAuthorization: Bearer x\r\n", 400),
        (b"", 401),
    ],
)
async def test_a_token_is_asked_for_where_the_settings_want_one(brought: bytes, status: int) -> None:
    """Only the whole token opens, and what is said without it tells neither metrics nor token."""
    async with serving(token="s3cret-t0ken") as port:  # noqa: S106 - of this test
        said, _, body = await asked(port, GET[:-2] + brought + b"\r\n")

    assert said == status
    assert (body == TEXT) == (status == 200)
    assert b"s3cret" not in body


async def test_a_slow_client_is_cut() -> None:
    """One that sends a byte now and then is hung up on at the deadline, and not kept for as long as it likes."""
    async with serving(deadline_s=0.2) as port, connected(port) as (reader, writer):
        writer.write(b"GET /met")
        async with asyncio.timeout(5):
            rest = await _until_hung_up(reader)

    assert rest == b""


async def test_a_client_that_does_not_read_is_cut() -> None:
    """What it does not take is not kept for it, and its place is free for others again."""
    statuses = []
    async with serving(lambda: b"x" * 50_000_000, deadline_s=0.3, most=1) as port, connected(port) as (_, silent):
        silent.transport.pause_reading()  # type: ignore[attr-defined] # a reading transport has it
        silent.write(GET)
        async with asyncio.timeout(10):
            while 404 not in statuses:
                statuses.append((await asked(port, GET.replace(b"/metrics", b"/")))[0])

    assert statuses[0] == 503
    assert set(statuses) == {503, 404}


async def test_connections_are_few() -> None:
    """One too many is told so at once, and the ones before are still served."""
    async with serving(most=3) as port, AsyncExitStack() as stack:
        waiting = [await stack.enter_async_context(connected(port)) for _ in range(3)]
        status, _, _ = await asked(port, GET)
        reader, writer = waiting[0]
        writer.write(GET)
        async with asyncio.timeout(5):
            first = await reader.read()

    assert status == 503
    assert first.endswith(TEXT)


async def test_a_request_without_an_end_is_refused() -> None:
    """More than 8 KiB before the empty line is nobody's scrape."""
    async with serving() as port:
        status, _, _ = await asked(
            port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (LONGEST_REQUEST + 1_000) + b"\r\n\r\n"
        )

    assert status == 431


async def test_a_text_that_cannot_be_made_is_told_as_such() -> None:
    """The client is told of the log, not of the fault; the next scrape is served."""
    texts = iter([RuntimeError("/home/anna/x.py is broken"), TEXT])
    statuses: list[int] = []

    def text() -> bytes:
        match next(texts):
            case bytes() as made:
                return made
            case error:
                raise error

    async with serving(text, on_answer=statuses.append) as port:
        status, _, body = await asked(port, GET)
        again, _, _ = await asked(port, GET)

    assert (status, again, statuses) == (500, 200, [500, 200])
    assert b"anna" not in body


async def test_others_of_the_network_cannot_connect() -> None:
    """It listens on the loopback address alone."""
    listener = listen(0)
    try:
        address = listener.getsockname()[0]
    finally:
        listener.close()

    assert address == "127.0.0.1"


async def test_closing_hangs_up_on_who_is_still_there() -> None:
    """An open connection does not keep the program from ending."""
    async with AsyncExitStack() as stack, asyncio.timeout(5):
        async with serving(deadline_s=600.0) as port:
            reader, _ = await stack.enter_async_context(connected(port))
            await asked(port, GET)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        rest = await _until_hung_up(reader)

    assert left == []
    assert rest == b""


async def _until_hung_up(reader: asyncio.StreamReader) -> bytes:
    """Read to the end, which may come as a reset."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""
