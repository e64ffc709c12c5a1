"""Asks one question of one service: OpenAI-compatible chat completions over HTTP, streamed."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app import __version__
from app.ai.providers import faults
from app.ai.providers.draft import ErrorInside, NotUnderstood
from app.ai.providers.reading import read_answer, unpacked
from app.domain.errors import CannotError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    import httpx

    from app.ai.providers.draft import Draft, Question
    from app.ai.providers.keys import Key
    from app.ai.providers.provider import Provider
    from app.domain.errors import ModelError
    from app.engine.clock import Clock

_OK = 200
_BAD_REQUEST = 400

_ADJUSTABLE = {
    "stream_options": b"stream_options",
    "response_format": b"response_format",
    "temperature": b"temperature",
    "max_tokens": b"max_completion_tokens",
}
"""What is left out, or named otherwise, when a service refuses a question in these words."""

_WITHOUT_PROXY = ("http://", "all://127.0.0.1", "all://localhost", "all://[::1]")
"""Plain http goes to this machine and to the private network alone, and a proxy elsewhere could read it."""

_GAVE_UP = frozenset({504, 524})
"""Statuses by which a gateway says that it has waited in vain: what stands behind it may have answered all the same.
With any other status that is no success, the service says itself that it has not."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How much of an answer is read, and how long it is waited for.

    Attributes:
        connect_s: Seconds for a connection, TLS included.
        between_s: Seconds until the first byte, and between two pieces.
        body: Bytes of an answer, unpacked.
        error_body: Bytes that are read of an answer that is an error.
    """

    connect_s: float = 10.0
    between_s: float = 30.0
    body: int = 2 * 1024 * 1024
    error_body: int = 64 * 1024


class ChatClient:
    """The HTTP client of all services. Made once; it opens its connections on the loop that first asks.

    Redirects are not followed, cookies are not kept, and what is on this machine or asked by plain http is asked
    without a proxy.

    Args:
        clock: Tells the wall time, for the dates that services give.
        limits: See ClientLimits.
        transport: Makes the transport, for another far end than the network; None for the network.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        limits: ClientLimits | None = None,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        self._clock = clock
        self._limits = limits or ClientLimits()
        self._transport = transport
        self._http: httpx.AsyncClient | None = None
        self._is_closed = False
        self._making = asyncio.Lock()
        self._left_out: dict[tuple[str, str], frozenset[str]] = {}

    async def ask(self, provider: Provider, key: Key, question: Question, draft: Draft) -> None:
        """Ask, and have the draft take the answer until its end.

        How long that may take in all is the caller's matter: it cancels. When this raises, the draft has what came.

        Args:
            provider: Whom.
            key: With its key.
            question: What.
            draft: A new one.

        Raises:
            ModelOutOfReach: The service cannot be reached, fails, or does not answer in time.
            ModelRefused: It refuses the question or the key, or points elsewhere.
            ModelBusy: It asks to wait.
            ModelNonsense: What it answered is cut off, too long, or no answer.
            CannotError: This client is closed.
        """
        for _ in range(len(_ADJUSTABLE) + 1):
            http = await self._client(provider)
            body = self._body(provider, question)
            refusal = await self._ask_once(http, provider, key, body, draft)
            if refusal is None:
                return
            if not self._leave_out(provider, refusal, body):
                break
        raise faults.answered(provider, key, _BAD_REQUEST, headers={}, body=refusal or b"", now=self._clock.wall())

    async def aclose(self) -> None:
        """Close all connections, for good: no other is opened."""
        self._is_closed = True
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _client(self, provider: Provider) -> httpx.AsyncClient:
        """Return the library's client. Making it reads certificates and imports much: in a thread."""
        async with self._making:
            if self._http is None and not self._is_closed:
                try:
                    self._http = await asyncio.to_thread(self._made)
                except (ImportError, ValueError, OSError):  # a SOCKS proxy without its package, a bad certificate file
                    self._http = None
            if self._is_closed:
                await self.aclose()  # what was made meanwhile
                raise CannotError(
                    "No model is asked any more: Watchkeeper is ending.", "Ask again when it has started."
                )
            if self._http is None:
                raise faults.unmade(provider)
            return self._http

    def _made(self) -> httpx.AsyncClient:
        from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415 - with httpx: only who asks pays

        import httpx  # noqa: PLC0415 - it takes a tenth of a second, which a start without questions does not pay

        limits = self._limits
        own = self._transport() if self._transport is not None else None
        pool = httpx.Limits(max_connections=16, max_keepalive_connections=4)
        trust = httpx.create_ssl_context()  # made once: it takes long
        direct = httpx.AsyncHTTPTransport(verify=trust, limits=pool) if own is None else None
        return httpx.AsyncClient(
            verify=trust,
            transport=own,
            mounts=dict.fromkeys(_WITHOUT_PROXY, direct) if own is None else {},
            timeout=httpx.Timeout(limits.between_s, connect=limits.connect_s, pool=limits.connect_s),
            limits=pool,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # What is packed may grow a thousandfold before it could be counted: so nothing packed is asked for.
            headers={"User-Agent": f"watchkeeper/{__version__}", "Accept-Encoding": "identity"},
        )

    async def _ask_once(
        self, http: httpx.AsyncClient, provider: Provider, key: Key, body: dict[str, Any], draft: Draft
    ) -> bytes | None:
        """Ask once, with this body; return the body of a 400, which may be about an option that can be left out."""
        import httpx  # noqa: PLC0415 - as above

        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if key.value:
            headers["Authorization"] = f"Bearer {key.value}"
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers["Content-Length"] = str(len(content))
        sent = _noted(content, draft)
        failed: ModelError
        try:
            async with http.stream("POST", provider.endpoint, content=sent, headers=headers) as response:
                if response.status_code != _OK:
                    draft.is_sent = response.status_code in _GAVE_UP
                    said = await self._beginning(response)
                    if response.status_code == _BAD_REQUEST:
                        return said
                    found = {name.lower(): value for name, value in response.headers.items()}
                    raise faults.answered(
                        provider, key, response.status_code, headers=found, body=said, now=self._clock.wall()
                    )
                draft.is_begun = True
                await read_answer(response, provider, draft, longest=self._limits.body)
                return None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as error:
            if draft.is_whole and draft.has_text:
                return None
            failed = faults.unreached(provider, error)
            if draft.is_begun and isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
                failed = faults.nonsense(provider, "was cut off")
        except ErrorInside as inside:
            failed = faults.in_stream(provider, key, inside.error, self._clock.wall())
        except NotUnderstood as error:
            failed = faults.nonsense(provider, str(error))
        # Raised here, so that it has no context: that would hold the request, and with it the key.
        raise failed

    def _body(self, provider: Provider, question: Question) -> dict[str, Any]:
        left_out = self._left_out.get((provider.base_url, provider.model), frozenset())
        body: dict[str, Any] = {
            "model": provider.model,
            "messages": [{"role": each.role.value, "content": each.content} for each in question.messages],
            "stream": True,
            "max_tokens": question.answer_tokens,
            "temperature": provider.temperature,
        }
        if provider.sends_usage_option:
            body["stream_options"] = {"include_usage": True}
        if provider.json_mode and question.as_json:
            body["response_format"] = {"type": "json_object"}
        if "max_tokens" in left_out:  # OpenAI's newer models know it by another name
            body["max_completion_tokens"] = question.answer_tokens
        return {name: value for name, value in body.items() if name not in left_out}

    def _leave_out(self, provider: Provider, refusal: bytes, sent: Collection[str]) -> bool:
        """Remember which option a refusal names; False when it names none that can be left out."""
        place = (provider.base_url, provider.model)
        named = {option for option, words in _ADJUSTABLE.items() if option in sent and words in refusal}
        self._left_out[place] = self._left_out.get(place, frozenset()) | named
        return bool(named)

    async def _beginning(self, response: httpx.Response) -> bytes:
        """Return the beginning of an error's body; however it ends, what came will do."""
        import httpx  # noqa: PLC0415 - as above

        said = bytearray()
        try:
            async with aclosing(unpacked(response)) as blocks:
                async for block in blocks:
                    said += block[: self._limits.error_body - len(said)]
                    if len(said) >= self._limits.error_body:
                        break
        except (httpx.HTTPError, NotUnderstood):
            pass
        return bytes(said)


async def _noted(content: bytes, draft: Draft) -> AsyncIterator[bytes]:
    """Yield what is sent, and note in the draft that it was: the library asks for more when it has written this."""
    yield content
    draft.is_sent = True
