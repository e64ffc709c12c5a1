"""The last exchanges of conversations, at hand in Redis where there is one. It is a convenience: never the truth.

Whatever goes wrong with it is a miss, and is told once. What it holds is believed only of a conversation that this
process has put there whole and has kept up to date since: after a failure, a restart of either side, or another's
writing, the conversation is put there whole again from its transcript.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from app.ai.conversations.form import exchange_line, read_exchange
from app.domain.errors import BreakerOpen, UsageError
from app.engine.resilience.breaker import BreakerLimits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.domain.analysis import Exchange
    from app.engine.resilience.breaker import Breaker

KEPT = 10
"""Exchanges of a conversation."""
EXPIRY_S = 24 * 3600
DEADLINE_S = 2.0
"""For each operation, with whatever connecting it takes."""
LARGEST_VALUE = 1 << 20
"""Bytes of an exchange: a longer one is read from the transcript."""
LIMITS = BreakerLimits(least_calls=1, probes=1, slow_after_s=1.5, open_first_s=30.0, lost_after_s=10.0)
"""For the breaker: one failure is enough, because everything is in the transcript as well."""

_CLOSING = 0.2
"""The part of the deadline that is kept for letting go of a connection that failed."""
_KEY = "watchkeeper:conversation:"
_MOST_KNOWN = 1_000
_HINT = (
    "Nothing is lost: conversations are read from their files meanwhile. Look whether Redis runs, and at its address."
)


class RecentCache(Protocol):
    """Holds the last exchanges of conversations. Nothing of it raises, and nothing takes long."""

    async def last(self, conversation: str) -> tuple[Exchange, ...] | None:
        """Return its last exchanges, `KEPT` at most and the newest last; None when they are not known for sure."""

    async def fill(self, conversation: str, exchanges: Sequence[Exchange]) -> None:
        """Take the newest of all its exchanges, in place of what was held."""

    async def push(self, conversation: str, exchange: Exchange) -> None:
        """Take a new exchange."""

    async def forget(self, conversation: str) -> None:
        """Hold nothing of it any longer."""

    async def aclose(self) -> None:
        """Let go of connections."""


class NoCache:
    """Holds nothing."""

    async def last(self, conversation: str) -> tuple[Exchange, ...] | None:  # noqa: ARG002 - the Protocol's
        """Return None."""
        return None

    async def fill(self, conversation: str, exchanges: Sequence[Exchange]) -> None:
        """Do nothing."""

    async def push(self, conversation: str, exchange: Exchange) -> None:
        """Do nothing."""

    async def forget(self, conversation: str) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


def _untold(_text: str, _hint: str) -> None:
    return


class RedisCache:
    """Holds them in Redis, each conversation as a list that expires a day after its last exchange.

    Belongs to one loop. Importing the library takes some 0.2 s, which is done here.

    Args:
        url: `redis://`, `rediss://` or `unix://`. Its password is never shown.
        breaker: Decides whether Redis is asked; made with `LIMITS`.
        on_trouble: Called with why Redis is not used and what to do, once, and with two empty texts when it is over.
        deadline_s: How long an operation may take.

    Raises:
        UsageError: The library is not installed, or the address is none.
    """

    def __init__(
        self,
        url: str,
        *,
        breaker: Breaker,
        on_trouble: Callable[[str, str], None] = _untold,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._breaker = breaker
        self._on_trouble = on_trouble
        self._deadline_s = deadline_s
        self._library = _library()
        self._url = url
        self._where = _where(url)
        self._client: Any = None
        self._in_trouble = False
        self._newest: dict[str, int] = {}
        """The newest exchange's number of each conversation, as far as this process knows."""
        self._whole: set[str] = set()
        """Conversations that were put there whole, and kept up to date since."""
        self._gone: dict[str, None] = {}
        """Deleted conversations, the last ones: who read one before must not put it back."""
        self._undeleted: set[str] = set()
        try:
            self._client = self._new_client()
        except ValueError:
            raise UsageError(
                "The address of Redis is not understood.", "It looks like redis://localhost:6379/0."
            ) from None

    async def last(self, conversation: str) -> tuple[Exchange, ...] | None:
        """Return its last exchanges, `KEPT` at most and the newest last; None when they are not known for sure."""
        if conversation not in self._whole:
            return None
        values = await self._ask(lambda client: client.lrange(_KEY + conversation, -KEPT, -1))
        exchanges = _exchanges(values)
        if not exchanges or exchanges[-1].seq != self._newest.get(conversation):
            self._whole.discard(conversation)
            return None
        return exchanges

    async def fill(self, conversation: str, exchanges: Sequence[Exchange]) -> None:
        """Take the newest of all its exchanges, in place of what was held."""
        kept = exchanges[-KEPT:]
        values = [exchange_line(each) for each in kept]
        # what was added while the transcript was read is missing here
        is_old = not kept or kept[-1].seq < self._newest.get(conversation, 0)
        if is_old or conversation in self._gone or any(len(value) > LARGEST_VALUE for value in values):
            return
        self._know(conversation, kept[-1].seq)
        self._whole.discard(conversation)
        key = _KEY + conversation

        async def put(client: Any) -> Any:  # noqa: ANN401 - the library is imported late
            async with client.pipeline(transaction=True) as pipe:
                pipe.delete(key)
                pipe.rpush(key, *values)
                pipe.expire(key, EXPIRY_S)
                return await pipe.execute()

        if await self._ask(put) is not None and self._newest.get(conversation) == kept[-1].seq:
            self._whole.add(conversation)

    async def push(self, conversation: str, exchange: Exchange) -> None:
        """Take a new exchange. One that cannot be taken is put there with the whole conversation later."""
        if exchange.seq == 1:
            await self.fill(conversation, (exchange,))
            return
        follows = exchange.seq == self._newest.get(conversation, 0) + 1
        self._know(conversation, max(exchange.seq, self._newest.get(conversation, 0)))
        if conversation not in self._whole:
            return
        # until it is there for sure, what is there is not whole
        self._whole.discard(conversation)
        value = exchange_line(exchange)
        if not follows or len(value) > LARGEST_VALUE:
            return
        key = _KEY + conversation

        async def put(client: Any) -> Any:  # noqa: ANN401 - the library is imported late
            async with client.pipeline(transaction=True) as pipe:
                pipe.rpushx(key, value)  # a list that is gone must not begin again in its middle
                pipe.ltrim(key, -KEPT, -1)
                pipe.expire(key, EXPIRY_S)
                return await pipe.execute()

        done = await self._ask(put)
        if done is not None and done[0] and self._newest.get(conversation) == exchange.seq:
            self._whole.add(conversation)

    async def forget(self, conversation: str) -> None:
        """Hold nothing of it any longer. While Redis is away this is kept in mind; what is there expires in a day."""
        self._whole.discard(conversation)
        self._newest.pop(conversation, None)
        self._gone[conversation] = None
        self._undeleted.add(_KEY + conversation)
        while len(self._gone) > _MOST_KNOWN:
            oldest = next(iter(self._gone))
            del self._gone[oldest]
            self._undeleted.discard(_KEY + oldest)

        async def nothing(_client: Any) -> bool:  # noqa: ANN401 - the library is imported late
            return True

        await self._ask(nothing)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._drop(self._client)

    async def _ask(self, operation: Callable[[Any], Awaitable[Any]]) -> Any:  # noqa: ANN401 - what Redis says
        """Return what Redis says; None when it cannot be asked, whyever."""
        client = None
        try:
            with self._breaker.admit():
                if self._client is None:
                    self._client = self._new_client()
                client = self._client
                async with asyncio.timeout(self._deadline_s * (1 - _CLOSING)):
                    await self._delete(client)
                    found = await operation(client)
        except BreakerOpen:
            return None
        except Exception as error:  # noqa: BLE001 - the library lets through whatever the network and the parser raise
            await self._drop(client)
            self._tell(f"Redis at {self._where} is not used: {self._why(error)}.")
            return None
        except BaseException:
            await self._drop(client)  # an answer that was not waited for must not be taken for the next one's
            raise
        self._tell("")
        return found

    async def _delete(self, client: Any) -> None:  # noqa: ANN401 - the library is imported late
        if self._undeleted:
            keys = tuple(self._undeleted)
            await client.delete(*keys)
            self._undeleted.difference_update(keys)

    async def _drop(self, client: Any) -> None:  # noqa: ANN401 - the library is imported late
        if client is None:
            return
        if client is self._client:
            self._client = None
        with suppress(Exception):
            async with asyncio.timeout(self._deadline_s * _CLOSING):
                await client.aclose()

    def _tell(self, trouble: str) -> None:
        """Say that there is trouble, or with an empty text that it is over: each once."""
        if bool(trouble) != self._in_trouble:
            self._in_trouble = bool(trouble)
            self._on_trouble(trouble, _HINT if trouble else "")

    def _why(self, error: Exception) -> str:
        """Return why in words of our own: the library's may quote what was sent."""
        errors = import_module("redis.exceptions")
        if isinstance(error, TimeoutError | errors.TimeoutError):
            return f"it did not answer within {self._deadline_s:g} s"
        if isinstance(error, errors.AuthenticationError | errors.NoPermissionError):
            return "it refuses the name or the password"
        if isinstance(error, OSError | errors.ConnectionError):
            return "it cannot be reached, or ended the connection"
        return f"it answered in a way that is not understood ({type(error).__name__})"

    def _new_client(self) -> Any:  # noqa: ANN401 - the library is imported late
        retry = import_module("redis.asyncio.retry").Retry(import_module("redis.backoff").NoBackoff(), 0)
        return self._library.Redis.from_url(
            self._url,
            protocol=2,
            retry=retry,
            socket_timeout=self._deadline_s,
            socket_connect_timeout=self._deadline_s,
            max_connections=8,
        )

    def _know(self, conversation: str, newest: int) -> None:
        self._newest.pop(conversation, None)
        self._newest[conversation] = newest
        while len(self._newest) > _MOST_KNOWN:
            oldest = next(iter(self._newest))
            del self._newest[oldest]
            self._whole.discard(oldest)


def _library() -> Any:  # noqa: ANN401 - an optional package
    try:
        return import_module("redis.asyncio")
    except ImportError as error:
        raise UsageError(
            "Recent conversations cannot be kept in Redis: its Python package is not installed.",
            'Install it with: pip install "watchkeeper[redis]"',
        ) from error


def _where(url: str) -> str:
    """Return the address without name and password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "an address that is not understood"
    return f"{parts.hostname}:{port or 6379}" if parts.hostname else parts.path or "an unnamed place"


def _exchanges(values: Any) -> tuple[Exchange, ...]:  # noqa: ANN401 - what Redis says
    """Return the exchanges that a list holds; none when it is not what was put there."""
    if not isinstance(values, list) or not all(isinstance(value, bytes) for value in values):
        return ()
    found = [read_exchange(value) for value in values]
    exchanges = tuple(each for each in found if each is not None)
    is_ours = len(exchanges) == len(values) and all(
        after.seq == before.seq + 1 for before, after in pairwise(exchanges)
    )
    return exchanges if is_ours else ()
