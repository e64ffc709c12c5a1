"""What tests of conversations share: a real Redis, and transcripts in a folder of the test's own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from app.ai.conversations.transcripts import Transcripts
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
    from pathlib import Path

START_S = 20.0


class RedisServer:
    """A redis-server on a free port of this machine, that saves nothing. `url` reaches it."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        argv = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        argv += ["--requirepass", self._password] if self._password else []
        self._process = subprocess.Popen([*argv, "--dir", str(self._folder)], stdout=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < end, "redis-server did not start"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it as a crash does, and forget all that it held."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def command(self, *words: str) -> str:
        """What Redis says to a command."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], capture_output=True, check=True, timeout=20, text=True
        )
        return done.stdout.strip()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that runs."""
    server = RedisServer(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """Threads for transcripts alone."""
    pool = WorkerPool(4, name="transcripts", patience_s=5.0)
    yield pool
    pool.shutdown()


@pytest.fixture
def transcripts(tmp_path: Path, pool: WorkerPool) -> Transcripts:
    """Transcripts in a folder that is not there yet."""
    return Transcripts(tmp_path / "conversations", pool=pool)
