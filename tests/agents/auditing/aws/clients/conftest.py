"""A stand-in for AWS that sees who signed what, and both ways to speak to it and to moto."""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from app.agents.auditing.aws.clients.account import Account
from app.agents.auditing.aws.clients.aio import AioBackend
from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.agents.auditing.aws.clients.threads import ThreadBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from app.agents.auditing.aws.clients.backend import Backend

REGION = "eu-central-1"
PATIENCE_S = 30.0
_SIGNER = re.compile(r"Credential=([^/]+)/")


@dataclass(frozen=True)
class Seen:
    """A request as the stand-in saw it."""

    signer: str
    token: str
    method: str
    path: str
    query: dict[str, list[str]]
    body: str
    host: str

    @property
    def form(self) -> dict[str, str]:
        """What a request to STS asks."""
        return {name: values[0] for name, values in parse_qs(self.body).items()}


@dataclass
class AWSFake:
    """Answers each request with what `answer` makes of it, and keeps what it saw.

    Attributes:
        answer: Gives status and body; None for a request that is never answered.
        seen: All requests.
        open: How many connections are open.
    """

    answer: Callable[[Seen], tuple[int, str] | None] = lambda _: (200, "<Answer/>")
    seen: list[Seen] = field(default_factory=list)
    open: int = 0

    def __post_init__(self) -> None:
        """Take a free port."""
        self.changed = threading.Condition()
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def wait_for(self, holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
        """Wait until something holds of what is seen, or of the open connections."""
        with self.changed:
            return self.changed.wait_for(holds, timeout_s)

    def end(self) -> None:
        """Let all go that waits, and end."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def _handler_of(fake: AWSFake) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"fake": fake})


class _Handler(BaseHTTPRequestHandler):
    fake: ClassVar[AWSFake]
    protocol_version: ClassVar[str] = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._count(1)

    def finish(self) -> None:
        self._count(-1)
        super().finish()

    def _count(self, more: int) -> None:
        with self.fake.changed:
            self.fake.open += more
            self.fake.changed.notify_all()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def _any(self) -> None:
        target = urlsplit(self.path)
        signer = _SIGNER.search(self.headers.get("Authorization", ""))
        seen = Seen(
            signer[1] if signer else "",
            self.headers.get("X-Amz-Security-Token", ""),
            self.command,
            target.path,
            parse_qs(target.query),
            self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(),
            self.headers.get("Host", ""),
        )
        with self.fake.changed:
            self.fake.seen.append(seen)
            self.fake.changed.notify_all()
        answer = self.fake.answer(seen)
        if answer is None:
            self._hang()
            return
        status, text = answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "application/xml")
        self.end_headers()
        if seen.method != "HEAD":
            self.wfile.write(text.encode())

    def _hang(self) -> None:
        """Answer nothing until the other side hangs up or all is over."""
        self.close_connection = True
        self.connection.settimeout(0.05)
        while not self.fake.released.is_set():
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


@pytest.fixture
def aws() -> Iterator[AWSFake]:
    """Give the stand-in."""
    fake = AWSFake()
    yield fake
    fake.end()


@pytest.fixture(autouse=True)
def _alone(no_aws_around: None) -> None:
    """Keep out what the machine has of AWS."""


@pytest.fixture(scope="session", params=["aio", "threads"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Give each way to speak to AWS."""
    made: Backend = AioBackend() if request.param == "aio" else ThreadBackend()
    yield made
    made.close()


@pytest.fixture
async def clients(backend: Backend, aws: AWSFake) -> AsyncIterator[AsyncClientManager]:
    """Give clients that speak to the stand-in."""
    patience = Patience(connect_s=5.0, read_s=PATIENCE_S, attempts=3)
    async with AsyncClientManager(backend, endpoint_url=aws.url, patience=patience, close_s=0.2) as made:
        yield made


def account_of(number: int) -> Account:
    """Return one of many accounts; its access key names it."""
    name = f"{number:012d}"
    return Account(name, GivenKeys(Keys(f"AKIA{name}", f"secret-of-{name}", f"token-of-{name}")))


def error(code: str, message: str = "") -> str:
    """Return an error as S3 tells it."""
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


@pytest.fixture
def tools() -> Any:
    """Give what tests of this folder share, which cannot be imported."""
    return type("Tools", (), {"account": staticmethod(account_of), "error": staticmethod(error), "region": REGION})
