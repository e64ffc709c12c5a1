"""Row 36: the Redis that holds the last exchanges refuses, is silent, slow, or resets, under the whole house."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from app.ai.conversations.recent import LIMITS
from app.domain.agents import AgentState
from app.domain.commands import Ask, ReadConversation, ReadReply
from app.domain.events import AgentChanged
from app.engine.clock import SystemClock
from tests.ai.conversations.conftest import RedisServer
from tests.ai.modelserver import ModelServer, stream
from tests.faults.housed import Housed, housed, places_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.faults.conftest import Sound

GIVEN_UP_S = 2.0
"""What a Redis that fails may cost once."""

SLACK_S = 1.5
"""What a busy machine, and the model's own answer, may add to a deadline."""


class Ahead(SystemClock):
    """The machine's clock, which a test moves on: nobody waits half a minute for a breaker to try again."""

    def __init__(self) -> None:
        self.by_s = 0.0

    def monotonic(self) -> float:
        """Return seconds, with those that were skipped."""
        return super().monotonic() + self.by_s


class Line:
    """A connection to Redis that is well until it is told otherwise.

    Args:
        redis: The real one.
    """

    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis
        self._is_slow = self._resets = False
        self._open: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Take connections; gives the address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        finally:
            server.close()
            await self._drop()

    async def fail(self, how: str) -> None:
        """Let it, or Redis itself, fail in one of four ways."""
        if how == "refuses":
            await asyncio.to_thread(self._redis.kill)
        elif how == "is silent":
            self._redis.send(signal.SIGSTOP)
        self._is_slow, self._resets = how == "is slow", how == "resets"

    async def mend(self) -> None:
        """Let all be well again."""
        self._is_slow = self._resets = False
        with suppress(AssertionError):
            self._redis.send(signal.SIGCONT)
            return
        await asyncio.to_thread(self._redis.start)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._redis.port)
            try:
                await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
            finally:
                there_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # a task that was cancelled would be complained of, by the server whose task it is
        finally:
            writer.transport.abort()
            self._open.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65_536):
            if self._resets:
                raise ConnectionError
            for byte in some if self._is_slow else (some,):
                writer.write(bytes((byte,)) if isinstance(byte, int) else byte)
                await writer.drain()
                await asyncio.sleep(0.4 if self._is_slow else 0)
        writer.transport.abort()

    async def _drop(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


@contextmanager
def running(folder: Path) -> Iterator[RedisServer]:
    """Have a Redis run."""
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


async def asked(home: Housed, number: int, conversation: str = "") -> tuple[str, float]:
    """Ask a question, wait until its answer is kept, and return the conversation and how long that took."""
    began = time.monotonic()
    conversation = await home.send(Ask(text=f"question {number}", conversation=conversation))
    async with asyncio.timeout(30):
        reply = await home.send(ReadReply(conversation=conversation, wait_s=5.0))
        while not reply.is_done:
            reply = await home.send(ReadReply(conversation=conversation, after=reply.length, wait_s=5.0))
    assert reply.seq == number
    assert reply.trouble == ""
    return conversation, time.monotonic() - began


def at_hand(redis: RedisServer, conversation: str) -> list[str]:
    """Return the numbers of the exchanges that Redis holds."""
    lines = redis.command("LRANGE", f"watchkeeper:conversation:{conversation}", "0", "-1").splitlines()
    return [line.split('"seq":')[1].split(",")[0] for line in lines]


@pytest.mark.parametrize(
    "how",
    [
        "is silent",
        pytest.param("refuses", marks=pytest.mark.slow),
        pytest.param("is slow", marks=pytest.mark.slow),
        pytest.param("resets", marks=pytest.mark.slow),
    ],
)
async def test_row_36_a_redis_that_fails_costs_two_seconds_once_and_is_written_back(
    tmp_path: Path, sound: Sound, how: str
) -> None:
    """Transcripts have every exchange; the trouble is told once and when it is over; no exchange is there twice."""
    clock = Ahead()
    with running(tmp_path) as redis, ModelServer() as model:
        line = Line(redis)
        model.always(stream("Because."))
        async with line.listening() as url:
            settings = (
                f'[analysis]\nwhen = "ask"\nproviders = ["custom"]\nredis = "{url}"\n'
                f'[analysis.custom]\nbase_url = "{model.url}"\nmodel = "stand-in-1"\nprices = [1.0, 2.0]\n'
            )
            async with housed(places_in(tmp_path / "home", settings), clock=clock) as home:
                conversation, _ = await asked(home, 1)
                before = await asyncio.to_thread(at_hand, redis, conversation)
                sound.from_now_on()

                await line.fail(how)
                _, first_s = await asked(home, 2, conversation)
                _, second_s = await asked(home, 3, conversation)
                told = home.told("redis")
                whole = await home.send(ReadConversation(conversation=conversation))

                await line.mend()
                clock.by_s += LIMITS.open_first_s * 2
                await asked(home, 4, conversation)
                await asked(home, 5, conversation)
                after = await asyncio.to_thread(at_hand, redis, conversation)
                over = home.told("redis")
            states = {event.state for event in home.events if isinstance(event, AgentChanged)}

    assert before == ["1"]
    assert first_s < GIVEN_UP_S + SLACK_S
    assert second_s < SLACK_S
    assert [bool(text) for text in told] == [True]
    assert [exchange.seq for exchange in whole.exchanges] == [1, 2, 3]
    assert after == ["1", "2", "3", "4", "5"]
    assert [bool(text) for text in over] == [True, False]
    assert not states & {AgentState.BACKOFF, AgentState.FAILED, AgentState.STALE}
