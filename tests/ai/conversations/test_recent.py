"""The last exchanges in Redis: a real server that is well, killed, silent or full of rubbish, and false ones."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.ai.conversations.conversations import Conversations
from app.ai.conversations.form import exchange_line
from app.ai.conversations.recent import DEADLINE_S, EXPIRY_S, KEPT, LIMITS, NoCache, RedisCache
from app.ai.conversations.transcripts import Transcripts
from app.domain.analysis import BreakerState, Exchange, Subject, Usage
from app.domain.errors import CannotError, UsageError
from app.engine.resilience.breaker import Breaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from app.engine.workers import WorkerPool

ROOT = Path(__file__).parents[3]
ID = "20260101-0123456789ab"
KEY = f"watchkeeper:conversation:{ID}"
SLACK_S = 2.0
"""What a busy machine may add to a deadline."""


def exchange(seq: int) -> Exchange:
    return Exchange(seq, 1000.0 + seq, f"Жди {seq}", f"because {seq}", "deepseek", "chat", Usage(3, 4, 0.01))


def exchanges(*seqs: int) -> tuple[Exchange, ...]:
    return tuple(exchange(seq) for seq in seqs)


class Told:
    """What a cache said of its trouble."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, text: str, hint: str) -> None:
        self.said.append((text, hint))


@pytest.fixture
def told() -> Told:
    """Takes what the cache says."""
    return Told()


@pytest.fixture
def breaker(fake_clock: Any) -> Breaker:
    """The breaker as the cache wants it, on a clock that the test moves."""
    return Breaker("Redis", monotonic=fake_clock.monotonic, limits=LIMITS)


@asynccontextmanager
async def cache_at(url: str, breaker: Breaker, told: Told, deadline_s: float = DEADLINE_S) -> AsyncIterator[RedisCache]:
    cache = RedisCache(url, breaker=breaker, on_trouble=told, deadline_s=deadline_s)
    try:
        yield cache
    finally:
        await cache.aclose()


@pytest.fixture
async def cache(redis: Any, breaker: Breaker, told: Told) -> AsyncIterator[RedisCache]:
    """A cache on a Redis that runs."""
    async with cache_at(redis.url, breaker, told) as cache:
        yield cache


async def run(redis: Any, *words: str) -> str:
    return await asyncio.to_thread(redis.command, *words)


async def in_time(call: Awaitable[object], limit_s: float = DEADLINE_S) -> object:
    """Await a call, and check that it was in time and that the loop went on meanwhile."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    watching = asyncio.ensure_future(watch())
    began = time.monotonic()
    try:
        return await call
    finally:
        took = time.monotonic() - began
        watching.cancel()
        assert took < limit_s + SLACK_S
        assert longest < 1.0


async def test_what_is_pushed_is_there(cache: RedisCache, redis: Any, told: Told) -> None:
    """A conversation's exchanges come back as they were, and expire a day after the last one."""
    await cache.push(ID, exchange(1))
    await cache.push(ID, exchange(2))

    found = await cache.last(ID)

    assert found == exchanges(1, 2)
    assert EXPIRY_S - 60 < int(await run(redis, "TTL", KEY)) <= EXPIRY_S
    assert await run(redis, "KEYS", "*") == KEY
    assert told.said == []


async def test_the_last_ten_are_kept(cache: RedisCache, redis: Any) -> None:
    """Older exchanges are in the transcript."""
    await cache.fill(ID, exchanges(*range(1, 15)))
    await cache.push(ID, exchange(15))

    found = await cache.last(ID)

    assert found == exchanges(*range(6, 16))
    assert await run(redis, "LLEN", KEY) == str(KEPT)


async def test_what_this_process_did_not_put_there_is_not_believed(
    cache: RedisCache, redis: Any, breaker: Breaker, told: Told
) -> None:
    """What an earlier life left may lack what was added since: it is filled anew."""
    await cache.fill(ID, exchanges(1))
    async with cache_at(redis.url, breaker, told) as another:
        before = await another.last(ID)
        await another.push(ID, exchange(2))
        between = await another.last(ID)
        await another.fill(ID, exchanges(1, 2))
        after = await another.last(ID)

    assert (before, between, after) == (None, None, exchanges(1, 2))
    assert await cache.last(ID) is None


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param([["SET", KEY, "text"]], id="another type"),
        pytest.param([["DEL", KEY]], id="expired"),
        pytest.param([["RPUSH", KEY, "rubbish"]], id="rubbish behind"),
        pytest.param([["LPUSH", KEY, "{}"]], id="rubbish in front"),
        pytest.param([["LPUSH", KEY, "[" * 5000]], id="deep rubbish"),
        pytest.param([["RPOP", KEY]], id="the newest is gone"),
        pytest.param([["RPUSH", KEY, exchange_line(exchange(2)).decode()]], id="twice"),
        pytest.param([["RPUSH", KEY, exchange_line(exchange(4)).decode()]], id="a gap"),
        pytest.param(
            [["RPUSH", KEY, exchange_line(exchange(3)).decode().replace('"v":1', '"v":9')]], id="another version"
        ),
    ],
)
async def test_rubbish_is_a_miss_and_is_replaced(
    cache: RedisCache, redis: Any, breaker: Breaker, commands: list[list[str]]
) -> None:
    """What does not stand there as it was put is not served, and gives way to what is right."""
    await cache.fill(ID, exchanges(1, 2))
    for words in commands:
        await run(redis, *words)

    found = await cache.last(ID)
    await cache.push(ID, exchange(3))
    breaker.reset()
    await cache.fill(ID, exchanges(1, 2, 3))

    assert found is None
    assert await cache.last(ID) == exchanges(1, 2, 3)


async def test_a_list_that_is_gone_does_not_begin_in_its_middle(cache: RedisCache, redis: Any) -> None:
    """After Redis has lost a list, a push does not make one of a single exchange."""
    await cache.fill(ID, exchanges(1, 2))
    await run(redis, "FLUSHALL")

    await cache.push(ID, exchange(3))

    assert await cache.last(ID) is None
    assert await run(redis, "EXISTS", KEY) == "0"


async def test_a_fill_that_was_overtaken_is_not_taken(cache: RedisCache) -> None:
    """What was read from a transcript before a push does not hide the push."""
    await cache.push(ID, exchange(2))

    await cache.fill(ID, exchanges(1))

    assert await cache.last(ID) is None


async def test_what_is_deleted_is_gone(cache: RedisCache, redis: Any) -> None:
    """A deleted conversation leaves nothing, even when somebody who read it before puts it back."""
    await cache.fill(ID, exchanges(1))

    await cache.forget(ID)
    await cache.fill(ID, exchanges(1))

    assert await cache.last(ID) is None
    assert await run(redis, "KEYS", "*") == ""


async def test_what_is_deleted_while_redis_is_silent_goes_later(
    redis: Any, breaker: Breaker, told: Told, fake_clock: Any
) -> None:
    """A deletion that did not come through is made up for with the next use."""
    async with cache_at(redis.url, breaker, told, 0.5) as cache:
        await cache.fill(ID, exchanges(1))
        redis.send(signal.SIGSTOP)
        await cache.forget(ID)
        redis.send(signal.SIGCONT)
        fake_clock.advance(60)
        await cache.fill("another-one", exchanges(1))

    assert await run(redis, "KEYS", "*") == "watchkeeper:conversation:another-one"


async def test_a_redis_that_is_away_costs_once(breaker: Breaker, told: Told) -> None:
    """A refused connection is a miss and is told once; then the breaker spares the asking."""
    async with cache_at("redis://user:hunter2@127.0.0.1:1/0", breaker, told) as cache:
        for seq in range(1, 21):
            await in_time(cache.push(ID, exchange(1)))
            await cache.fill(ID, exchanges(seq))

        assert await cache.last(ID) is None
    assert breaker.state is BreakerState.OPEN
    assert len(told.said) == 1
    assert "127.0.0.1:1 is not used: it cannot be reached" in told.said[0][0]
    assert "hunter2" not in str(told.said)


async def test_a_silent_redis_costs_two_seconds_once(
    redis: Any, cache: RedisCache, breaker: Breaker, told: Told
) -> None:
    """SIGSTOPped in the middle it is a miss after two seconds, the loop goes on, and then nothing is asked."""
    await cache.fill(ID, exchanges(1))
    redis.send(signal.SIGSTOP)
    try:
        found = await in_time(cache.last(ID))
        began = time.monotonic()
        for _ in range(20):
            await cache.fill(ID, exchanges(1))
        spared = time.monotonic() - began
    finally:
        redis.send(signal.SIGCONT)

    assert found is None
    assert spared < DEADLINE_S
    assert breaker.state is BreakerState.OPEN
    assert len(told.said) == 1
    assert "did not answer" in told.said[0][0]


async def test_recovery_is_told_once_and_nothing_stale_is_served(
    redis: Any, cache: RedisCache, told: Told, fake_clock: Any
) -> None:
    """What was missed while Redis was silent is put there whole, also when late commands come through."""
    await cache.fill(ID, exchanges(1, 2))
    redis.send(signal.SIGSTOP)
    await in_time(cache.push(ID, exchange(3)))
    await cache.push(ID, exchange(4))
    redis.send(signal.SIGCONT)
    fake_clock.advance(60)

    stale = await cache.last(ID)
    await cache.fill(ID, exchanges(1, 2, 3, 4))
    found = await cache.last(ID)

    assert stale is None
    assert found == exchanges(1, 2, 3, 4)
    assert [bool(text) for text, _ in told.said] == [True, False]


async def test_a_wrong_password_is_a_miss_and_never_shown(
    tmp_path: Path, breaker: Breaker, told: Told, redis: Any
) -> None:
    """A Redis that wants another password is not used, and neither of the two stands in what is said."""
    server = type(redis)(tmp_path, password="right-word")  # noqa: S106 - a test's own
    await asyncio.to_thread(server.start)
    try:
        async with cache_at(f"redis://:wrong-word@127.0.0.1:{server.port}", breaker, told) as cache:
            await in_time(cache.fill(ID, exchanges(1)))
            shown = repr(cache) + str(told.said)
    finally:
        server.kill()

    assert "refuses the name or the password" in told.said[0][0]
    assert "word@" not in shown
    assert "wrong-word" not in shown


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a reset."""
    writer.transport.abort()


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a command, and end the connection in the middle of the answer."""
    await reader.read(100)
    writer.write(b"*3\r\n$100\r\nabc")
    await writer.drain()
    writer.close()


async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as another service does."""
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
    await reader.read()


async def slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then, so that no read of one ever takes long."""
    while True:
        writer.write(b"+" if not writer.transport.get_write_buffer_size() else b"")
        await asyncio.sleep(0.2)


async def stepwise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each command, but every one so late that none is too late by itself."""
    while await reader.read(1000):
        await asyncio.sleep(DEADLINE_S * 0.7)
        writer.write(b"+OK\r\n" * 2)


async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a list without end."""
    writer.write(b"*1000000000\r\n")
    while True:
        writer.write(b"$1\r\na\r\n" * 1000)
        await writer.drain()


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take everything and say nothing."""
    await reader.read()


@asynccontextmanager
async def false_server(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that is no Redis."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await behave(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@pytest.mark.parametrize("behave", [reset, half, rubbish, slow, stepwise, endless, silent])
async def test_a_false_redis_is_a_miss_in_time(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], breaker: Breaker, told: Told
) -> None:
    """Whatever answers at its address costs two seconds at most, once, and is told once."""
    async with false_server(behave) as url, cache_at(url, breaker, told) as cache:
        await in_time(cache.fill(ID, exchanges(1)))
        await in_time(cache.push(ID, exchange(2)))

        assert await cache.last(ID) is None
    assert breaker.state is BreakerState.OPEN
    assert len(told.said) == 1


async def test_cancelled_calls_leave_the_cache_usable(cache: RedisCache) -> None:
    """An answer that nobody waited for is not taken for the next one's."""
    await cache.fill(ID, exchanges(1, 2))
    await cache.fill("another-one", exchanges(5))
    for turns in range(20):
        task = asyncio.ensure_future(cache.last(ID))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert await cache.last("another-one") == exchanges(5)


async def test_a_missing_package_names_what_to_install() -> None:
    """Without the optional package the person learns how to get it, and the password stays unsaid."""
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from app.ai.conversations.recent import LIMITS, RedisCache\n"
        "from app.domain.errors import UsageError\n"
        "from app.engine.resilience.breaker import Breaker\n"
        "try: RedisCache('redis://:hunter2@h', breaker=Breaker('Redis', monotonic=float, limits=LIMITS))\n"
        "except UsageError as error: print(error)\n"
    )

    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert 'pip install "watchkeeper[redis]"' in done.stdout
    assert "hunter2" not in done.stdout


@pytest.mark.parametrize("url", ["", "http://:hunter2@localhost", "redis://:hunter2@host:port/0", "redis://[:hunter2@"])
def test_an_address_of_no_sense_is_refused(url: str, breaker: Breaker) -> None:
    """A wrong address is said at once, without its password."""
    with pytest.raises(UsageError) as raised:
        RedisCache(url, breaker=breaker)

    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_no_cache_holds_nothing() -> None:
    """Without Redis every look is a miss."""
    cache = NoCache()
    await cache.push(ID, exchange(1))
    await cache.fill(ID, exchanges(1))
    await cache.forget(ID)
    await cache.aclose()

    assert await cache.last(ID) is None


async def test_a_silent_redis_and_a_hung_disk_cost_their_deadlines(
    tmp_path: Path, pool: WorkerPool, breaker: Breaker, told: Told, fake_clock: Any
) -> None:
    """With a server that never answers an addition takes its two seconds more, and what is on the disk is read."""
    async with false_server(silent) as url, cache_at(url, breaker, told) as cache:
        conversations = Conversations(Transcripts(tmp_path, pool=pool), cache, clock=fake_clock)
        name = await conversations.start(Subject(), "Title")
        await in_time(conversations.add(name, exchange(1)))
        await in_time(conversations.add(name, exchange(2)))
        found = await in_time(conversations.last(name))
        hung = Transcripts(tmp_path, pool=Hung(), deadline_s=0.5)
        with pytest.raises(CannotError, match="does not answer"):
            await in_time(Conversations(hung, cache, clock=fake_clock).last(name), 0.5)

    assert found == exchanges(1, 2)
    assert len(told.said) == 1


class Hung(Executor):
    """Threads of which none comes back."""

    def submit(self, _fn: object, /, *_args: object, **_named: object) -> Future[Any]:
        return Future()


class Ids:
    """Gives one id after another."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, _at: float) -> str:
        self.given += 1
        return f"conversation-{self.given}"


@pytest.fixture
def conversations(transcripts: Transcripts, cache: RedisCache, fake_clock: Any) -> Conversations:
    """Conversations on a disk and a Redis that are well."""
    return Conversations(transcripts, cache, clock=fake_clock, new_id=Ids())


async def test_a_conversation_is_kept_in_both(conversations: Conversations, redis: Any) -> None:
    """What is added is in the transcript and at hand, and goes from both."""
    name = await conversations.start(Subject(name="x"), "Title")
    for seq in range(1, 13):
        await conversations.add(name, exchange(seq))
    last = await conversations.last(name)
    three = await conversations.last(name, 3)
    twelve = await conversations.last(name, 12)
    whole = await conversations.whole(name)
    deleted = [await conversations.delete(name), await conversations.delete(name)]

    assert last == exchanges(*range(3, 13))
    assert three == exchanges(10, 11, 12)
    assert twelve == exchanges(*range(1, 13))
    assert await conversations.last(name, 0) == ()
    assert whole is not None
    assert (whole.record.title, whole.record.started_at) == ("Title", 1_700_000_000.0)
    assert whole.exchanges == twelve
    assert deleted == [True, False]
    assert await conversations.whole(name) is None
    assert await conversations.last(name) == ()
    assert await run(redis, "KEYS", "*") == ""


async def test_killed_in_the_middle_redis_is_written_back_without_doubles(
    conversations: Conversations, redis: Any, told: Told, fake_clock: Any
) -> None:
    """After kill -9 between two pushes the transcript is whole, and Redis gets all of it when it is back."""
    name = await conversations.start(Subject(), "Title")
    await conversations.add(name, exchange(1))
    redis.kill()
    for seq in range(2, 5):
        await in_time(conversations.add(name, exchange(seq)))
    while_away = await conversations.last(name)
    await asyncio.to_thread(redis.start)
    fake_clock.advance(60)

    after = await conversations.last(name)
    await conversations.add(name, exchange(5))

    assert while_away == after == exchanges(1, 2, 3, 4)
    assert await conversations.last(name) == exchanges(1, 2, 3, 4, 5)
    kept = (await run(redis, "LRANGE", f"watchkeeper:conversation:{name}", "0", "-1")).splitlines()
    assert [line.split('"seq":')[1].split(",")[0] for line in kept] == ["1", "2", "3", "4", "5"]
    assert [bool(text) for text, _ in told.said] == [True, False]


async def test_what_is_at_hand_needs_no_disk(conversations: Conversations, tmp_path: Path) -> None:
    """The last exchanges come from Redis; an exchange that the disk does not take is not put there."""
    name = await conversations.start(Subject(), "Title")
    await conversations.add(name, exchange(1))
    file = tmp_path / "conversations" / f"{name}.jsonl"
    await asyncio.to_thread(file.unlink)
    await asyncio.to_thread(file.mkdir)

    last = await conversations.last(name)
    with pytest.raises(CannotError):
        await conversations.add(name, exchange(2))

    assert last == await conversations.last(name) == exchanges(1)


async def test_an_id_is_unique_and_fits(transcripts: Transcripts, fake_clock: Any) -> None:
    """Ids are made so that a transcript takes them and no two are the same."""
    conversations = Conversations(transcripts, NoCache(), clock=fake_clock)

    names = {await conversations.start(Subject(), "") for _ in range(50)}

    assert len(names) == 50
    assert all([await conversations.whole(name) is not None for name in names])


async def test_a_very_long_exchange_is_left_to_the_transcript(conversations: Conversations) -> None:
    """What is too long for Redis is read from the disk."""
    name = await conversations.start(Subject(), "Title")
    long = replace(exchange(2), answer="ж" * 900_000)
    await conversations.add(name, exchange(1))
    await conversations.add(name, long)

    assert await conversations.last(name) == (exchange(1), long)
