"""One POST of JSON, and what comes of it: the one place where the HTTP library's words end.

The addresses that channels post to are secrets, or hold one, and the library's client would log them. So its transport
is used without its client: nothing is logged, no redirect is followed, no cookie is kept. No error made here has a
cause or a context, for those would hold the request.
"""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from app import __version__
from app.domain.addresses import is_this_machine
from app.domain.errors import ChannelError
from app.engine.resilience.retryafter import asked_wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    import httpx

DEADLINE_S: Final = 30.0
"""For all of it: the name, the connection, the answer."""

LONGEST_ANSWER: Final = 64 * 1024
"""Bytes that are read of an answer; what matters stands at its beginning."""

_CLOSE_S: Final = 1.0
_REDIRECTS = range(300, 400)
_TIMED_OUT, _BUSY, _SERVER, _UNAVAILABLE = 408, 429, 500, 503
_GAVE_UP = frozenset({504, 524})
"""Statuses by which a gateway says that it has waited in vain: what stands behind it may have taken the message."""

_UNREACHED = (
    ("gaierror", "is not found: its name does not resolve", "See whether the network is up."),
    ("ProxyError", "is not reached by the proxy", "See HTTPS_PROXY and NO_PROXY, or the system's settings."),
    ("ConnectionRefusedError", "refuses the connection", "See whether the address is right."),
    ("ConnectError", "cannot be connected to", "See whether the network is up."),
)
"""What an exception's name means: the first that fits the exception, or what it was raised from."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered.

    Attributes:
        status: The HTTP status.
        headers: With names in small letters.
        body: Its beginning.
        is_whole: Whether that is all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The body, read; None when it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Poster:
    """It. Nothing is kept open between two messages.

    Args:
        trust: Makes the context that certificates are checked with; called in a thread.
        wall: Tells the wall time, for the dates that services give.
        deadline_s: For one message.
    """

    def __init__(
        self, trust: Callable[[], ssl.SSLContext], *, wall: Callable[[], float], deadline_s: float = DEADLINE_S
    ) -> None:
        self._trust = trust
        self._wall = wall
        self._deadline_s = deadline_s

    async def post(self, whom: str, url: str, payload: object, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Post, and return the answer, whatever its status. Safe to cancel.

        Args:
            whom: How the service is called, for people.
            url: Where to; checked before.
            payload: What becomes JSON.
            headers: More of them.

        Raises:
            ChannelError: There was no answer; it says whether the message may have arrived all the same.
        """
        sent = _Sent()
        failed: ChannelError
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._posted(url, payload, dict(headers or {}), sent)
        except TimeoutError:
            failed = ChannelError(f"{whom} did not answer in time.", is_in_doubt=sent.is_sent)
        except _errors() as error:
            failed = _unreached(whom, error, is_in_doubt=sent.is_sent)
        raise failed

    def refused(self, whom: str, answer: Answer, *, said: str = "", after_s: float | None = None) -> ChannelError:
        """Return what an answer that is no success means.

        Args:
            whom: How the service is called, for people.
            answer: The answer.
            said: The service's own words, without secrets; may be empty.
            after_s: For how long it asks to wait, where its answer says so in its own way.
        """
        also = f": {said}" if said else "."
        status = answer.status
        if status in _REDIRECTS:
            return ChannelError(f"{whom} points elsewhere, which is not followed.", "Set its address.", is_final=True)
        wait = after_s if after_s is not None else asked_wait(answer.headers.get("retry-after", ""), self._wall())
        if status == _BUSY or (status == _UNAVAILABLE and wait is not None):
            how_long = "" if wait is None else f" for {math.ceil(wait):,} s"
            return ChannelError(f"{whom} asks to wait{how_long}{also}", retry_after_s=wait)
        if status >= _SERVER or status == _TIMED_OUT:
            return ChannelError(f"{whom} fails ({status}){also}", is_in_doubt=status in _GAVE_UP)
        return ChannelError(f"{whom} refuses the message ({status}){also}", is_final=True)

    async def _posted(self, url: str, payload: object, headers: dict[str, str], sent: _Sent) -> Answer:
        transport, request = await asyncio.to_thread(self._made, url, payload, headers, sent)
        try:
            response = await transport.handle_async_request(request)
            try:
                body, is_whole = await _beginning(response)
            finally:
                await _closed(response)
        finally:
            await _closed(transport)
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, found, body, is_whole)

    def _made(
        self, url: str, payload: object, headers: dict[str, str], sent: _Sent
    ) -> tuple[httpx.AsyncHTTPTransport, httpx.Request]:
        """Make what is needed. Called in a thread: it imports much, and reads certificates."""
        import httpx  # noqa: PLC0415 - it takes a tenth of a second, which a start without alerts does not pay

        content = json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")
        headers |= {
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(content)),
            "User-Agent": f"watchkeeper/{__version__}",
            # What is packed may grow a thousandfold before it could be counted.
            "Accept-Encoding": "identity",
        }
        request = httpx.Request("POST", url, headers=headers, content=sent.noting(content))
        proxy = _proxy_for(url)
        # Plain http goes to this machine alone: there is no certificate to check, and the store takes long to read.
        context = self._trust() if url.startswith("https:") or proxy else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.AsyncHTTPTransport(verify=context, proxy=proxy, trust_env=False), request


class _Sent:
    """Whether the whole message was written."""

    def __init__(self) -> None:
        self.is_sent = False

    async def noting(self, content: bytes) -> AsyncIterator[bytes]:
        """Yield what is sent, and note that it was: the library asks for more when it has written this."""
        yield content
        self.is_sent = True


async def _beginning(response: httpx.Response) -> tuple[bytes, bool]:
    """Return as much of the body as is read, and whether it is all; however it ends, what came will do."""
    said = bytearray()
    is_whole = False
    with suppress(*_errors()):
        async for block in response.stream:  # type: ignore[union-attr] # that of an AsyncHTTPTransport is async
            said += block
            if len(said) > LONGEST_ANSWER:
                break
        else:
            is_whole = True
    return bytes(said[:LONGEST_ANSWER]), is_whole


async def _closed(what: httpx.Response | httpx.AsyncHTTPTransport) -> None:
    """Close it; what the service does about that is no matter by now."""
    with suppress(TimeoutError, *_errors()):
        async with asyncio.timeout(_CLOSE_S):
            await what.aclose()


def _errors() -> tuple[type[Exception], ...]:
    import httpx  # noqa: PLC0415 - as above

    return httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError, ValueError, ImportError


def _unreached(whom: str, error: BaseException, *, is_in_doubt: bool) -> ChannelError:
    chain = tuple(_chain(error))
    for each in chain:
        if isinstance(each, ssl.SSLError):
            why = getattr(each, "verify_message", "") or each.reason or "the handshake failed"
            return ChannelError(
                f"No secure connection (TLS) to {whom} can be made: {why}.",
                "Nothing was sent. See whether the clock is right, and whether a proxy stands between.",
            )
    names = {kind.__name__ for each in chain for kind in type(each).__mro__}
    how, hint = next(((how, hint) for name, how, hint in _UNREACHED if name in names), ("broke the connection off", ""))
    return ChannelError(f"{whom} {how}.", hint, is_in_doubt=is_in_doubt)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it was raised from, to a bounded depth."""
    found: BaseException | None = error
    for _ in range(10):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment or the system names for an address; none for plain http or this machine."""
    host = urlsplit(url).hostname or ""
    if not url.startswith("https:") or is_this_machine(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    found = proxies.get("https") or proxies.get("all")
    return found if found is None or "://" in found else f"http://{found}"
