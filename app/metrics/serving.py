"""What serves metrics, in a thread of its own.

Not on the program's loop: one that hangs is just what somebody outside is to see. For its lag it is the same with ten
thousand tests (tests/benchmarks/bench_metrics.py: p99 of 7 to 14 ms either way), and better from fifty thousand on.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.domain.errors import BridgeError, CannotError
from app.engine.blocking import SyncAsyncWrapper
from app.engine.files import write_atomic
from app.metrics.server import HOST, MetricsServer, listen
from app.metrics.tally import Tally

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from app.agents.settings import MetricsSettings
    from app.domain.snapshot import Snapshot

MORE_PORTS = 10
LAST_PORT = 65_535
START_S = 10.0
CLOSE_S = 0.2
"""Hanging up takes a few milliseconds; a thread that needs longer is left behind."""

TOKEN_FILE = "metrics.token"  # noqa: S105 - a file's name


class Text(Protocol):
    """What makes the text that is served: app.metrics.exposition."""

    def text(self) -> bytes:
        """Return it."""


@dataclass(frozen=True, slots=True)
class Served:
    """Where metrics are served.

    Attributes:
        address: The address.
        token_file: The file of the token that is asked for, or None.
        remark: What people should know of it; empty when it is as the settings ask.
    """

    address: str
    token_file: Path | None = None
    remark: str = ""


class Serving:
    """Serves metrics on one port at a time. Its methods block, and are called one after the other.

    Args:
        runtime: The folder of the token's file.
        monotonic: The monotonic clock, in seconds.
        make: Makes what puts the text together.
        new_token: Gives a token that nobody can guess.
        register: Told each token, so that no log shows it.
    """

    def __init__(
        self,
        runtime: Path,
        *,
        monotonic: Callable[[], float],
        make: Callable[[Tally], Text],
        new_token: Callable[[], str],
        register: Callable[[str], None] = lambda _token: None,
    ) -> None:
        self._token_file = runtime / TOKEN_FILE
        self._monotonic = monotonic
        self._make = make
        self._new_token = new_token
        self._register = register
        self._token = ""
        self._running: tuple[MetricsServer, SyncAsyncWrapper] | None = None

    def new_tally(self, snapshot: Snapshot) -> Tally:
        """Return what counts from this state on; does not block."""
        return Tally(snapshot, self._monotonic)

    def start(self, wanted: MetricsSettings, tally: Tally) -> Served:
        """Begin to serve what is counted.

        Raises:
            CannotError: No port can be had, the token cannot be kept, or no thread can be had.
        """
        self._keep_token(self._new_token() if wanted.token else "")
        listener = _first_free(wanted.port)
        port = int(listener.getsockname()[1])
        server = MetricsServer(self._make(tally).text, token=self._token, on_answer=tally.scraped)
        thread = SyncAsyncWrapper(deadline_s=0.0)
        try:
            thread.__enter__()
            thread.call(server.start, listener, timeout=START_S)
        except (TimeoutError, RuntimeError) as error:  # the latter for a system that gives no thread
            _close(thread, listener)
            raise CannotError(
                "Metrics are not served, since a thread for that did not start.", "The machine may be overloaded."
            ) from error
        except BaseException:
            _close(thread, listener)
            raise
        self._running = (server, thread)
        remark = f"Metrics are served on port {port}, since port {wanted.port} is taken." if port != wanted.port else ""
        return Served(f"http://{HOST}:{port}/metrics", self._token_file if self._token else None, remark)

    def stop(self) -> None:
        """Serve no more; without effect when nothing is served."""
        running, self._running = self._running, None
        if running is not None:
            server, thread = running
            with suppress(BridgeError, TimeoutError):
                thread.call(server.aclose, timeout=CLOSE_S)
            thread.close(force=True)
        token, self._token = self._token, ""
        if token:
            with suppress(OSError):
                # Another instance may have put its own there by now: it stays.
                if hmac.compare_digest(self._token_file.read_bytes(), token.encode()):
                    self._token_file.unlink()

    def _keep_token(self, token: str) -> None:
        """Write the token where its reader finds it, or remove an old one where none is asked for.

        Raises:
            CannotError: It cannot be written.
        """
        self._token = token
        try:
            if token:
                self._register(token)
                write_atomic(self._token_file, token.encode(), sync=False, follow=False)
            else:
                self._token_file.unlink(missing_ok=True)
        except OSError as error:
            raise CannotError(
                f"Metrics are not served, since {self._token_file} cannot be written: {error.strerror or error}.",
                "Make room, or give yourself the right to write there.",
            ) from error


def _close(thread: SyncAsyncWrapper, listener: socket.socket) -> None:
    thread.close(force=True)
    listener.close()


def _first_free(port: int) -> socket.socket:
    """Return a listener on the port, or on the first of the next ten that can be had.

    Raises:
        CannotError: None can.
    """
    last = min(port + MORE_PORTS, LAST_PORT)
    for each in range(port, last + 1):
        with suppress(OSError):
            return listen(each)
    elsewhere = port + 1_000 if port + 1_000 + MORE_PORTS <= LAST_PORT else port - 1_000
    what = f"none of the ports {port} to {last} can" if last > port else f"port {port} cannot"
    raise CannotError(
        f"Metrics are not served: {what} be had.",
        f"Choose a free one, such as: watchkeeper config set metrics.port {elsewhere}",
    )
