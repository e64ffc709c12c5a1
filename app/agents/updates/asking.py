"""Asks for the feed of releases, and for a release's file: the one place where the HTTP library's words end.

What is told by asking is that somebody's Watchkeeper asked, and no more: a GET without cookies, names or numbers, the
User-Agent `watchkeeper`, over https alone, also behind a redirect. The proxies that the environment or the system name
are used.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from app.agents.updates.signature import LARGEST_SIGNATURE
from app.domain.errors import UpdateError, UpdateRefused
from app.domain.releases import LARGEST_FEED, NOT_USED, is_https, too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    import httpx

_OK, _UNCHANGED = 200, 304
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 5
_LONGEST_ETAG: Final = 200
_TRY_LATER: Final = "Try again later."


@dataclass(frozen=True, slots=True)
class AskLimits:
    """How long it is waited for.

    Attributes:
        connect_s: Seconds for a connection, TLS included.
        between_s: Seconds between two pieces of an answer.
        feed_s: Seconds for the feed and its signature.
        file_s: Seconds for a release's file.
    """

    connect_s: float = 10.0
    between_s: float = 20.0
    feed_s: float = 20.0
    file_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Signed:
    """A feed as it came, not believed yet.

    Attributes:
        content: Its bytes.
        signature: Those of its signature file.
        etag: What the server calls this version of it (RFC 9110, 8.8.3); may be empty.
    """

    content: bytes
    signature: bytes
    etag: str = ""


class FeedClient:
    """It. Nothing is kept open, and nothing remembered, between two questions.

    Args:
        trust: Makes the context that certificates are checked with; called in a thread.
        limits: How long it is waited for.
        transport: Makes the transport, for another far end than the network; None for the network.
    """

    def __init__(
        self,
        trust: Callable[[], ssl.SSLContext],
        *,
        limits: AskLimits | None = None,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        self._trust = trust
        self._limits = limits or AskLimits()
        self._transport = transport

    async def feed(self, url: str, known: Signed | None = None) -> Signed:
        """Return the feed with its signature. Safe to cancel.

        Args:
            url: Where it lies.
            known: One from before; where the server says by its etag that nothing is new, it is what is returned.

        Raises:
            UpdateError: There is no answer.
            UpdateRefused: It is larger than a feed may be, or comes from where nothing is secure.
        """
        async with self._asking(url, self._limits.feed_s) as http:
            condition = {"If-None-Match": known.etag} if known is not None and known.etag else {}
            async with self._answered(http, url, condition) as response:
                if response.status_code == _UNCHANGED and known is not None and condition:
                    return known
                content = await _whole(response, LARGEST_FEED)
                found = _etag(response.headers.get("ETag", ""))
            async with self._answered(http, f"{url}.sig", {}) as response:
                return Signed(content, await _whole(response, LARGEST_SIGNATURE), found)

    async def file(self, url: str, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Ask for a file, and have its bytes taken as they come. Safe to cancel.

        Args:
            url: Where it lies.
            take: Takes the next piece; raises nothing but errors of our own.

        Raises:
            UpdateError: There is no answer, or it breaks off.
            UpdateRefused: It comes from where nothing is secure.
        """
        async with self._asking(url, self._limits.file_s) as http, self._answered(http, url, {}) as response:
            _check_answer(response)
            async for block in response.aiter_raw():
                await take(block)

    @asynccontextmanager
    async def _asking(self, url: str, within_s: float) -> AsyncIterator[httpx.AsyncClient]:
        """Give a client for one question, and turn into our own words what goes wrong with it."""
        host = urlsplit(url).hostname or "the server"
        failed: UpdateError
        try:
            async with asyncio.timeout(within_s):
                async with await asyncio.to_thread(self._made) as http:
                    yield http
                    return
        except TimeoutError:
            failed = _silent(host)
        except _errors() as error:
            failed = _unreached(host, error)
        raise failed

    def _made(self) -> httpx.AsyncClient:
        """Make the client. Called in a thread: it imports much, and reads certificates and the system's proxies."""
        from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415 - with httpx: only who asks pays

        import httpx  # noqa: PLC0415 - it takes a tenth of a second, which a start does not pay

        return httpx.AsyncClient(
            verify=self._trust(),
            transport=self._transport() if self._transport is not None else None,
            timeout=httpx.Timeout(self._limits.between_s, connect=self._limits.connect_s),
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # What is packed may grow a thousandfold before it could be counted: so nothing packed is asked for.
            headers={"User-Agent": "watchkeeper", "Accept-Encoding": "identity"},
        )

    @asynccontextmanager
    async def _answered(
        self, http: httpx.AsyncClient, url: str, headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """Give the answer to a GET, its body unread; redirects are followed to https alone."""
        for _ in range(_MOST_REDIRECTS + 1):
            async with http.stream("GET", url, headers=headers) as response:
                if response.status_code not in _REDIRECTS:
                    yield response
                    return
                url = urljoin(url, response.headers.get("Location", ""))
            if not is_https(url):
                raise UpdateRefused(
                    f"{response.url.host} points to an address that is not https, where anybody could answer.", NOT_USED
                )
        raise UpdateError(f"{response.url.host} points from one address to the next without end.", _TRY_LATER)


def _etag(told: str) -> str:
    """Return what can be sent back; empty for what cannot."""
    return told if len(told) <= _LONGEST_ETAG and told.isascii() and told.isprintable() else ""


async def _whole(response: httpx.Response, largest: int) -> bytes:
    _check_answer(response)
    body = bytearray()
    async for block in response.aiter_raw():
        body += block
        if len(body) > largest:
            raise too_large()
    return bytes(body)


def _check_answer(response: httpx.Response) -> None:
    host = response.url.host
    if response.status_code != _OK:
        raise UpdateError(f"{host} answered with status {response.status_code}.", _TRY_LATER)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UpdateError(f"{host} packs its answers unasked.", _TRY_LATER)


def _errors() -> tuple[type[Exception], ...]:
    import httpx  # noqa: PLC0415 - as above

    return httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError, ValueError, ImportError


def _silent(host: str) -> UpdateError:
    return UpdateError(f"{host} did not answer in time.", _TRY_LATER)


def _unreached(host: str, error: BaseException) -> UpdateError:
    import httpx  # noqa: PLC0415 - as above

    if isinstance(error, httpx.TimeoutException):
        return _silent(host)
    for each in _chain(error):
        if isinstance(each, ssl.SSLError):
            why = getattr(each, "verify_message", "") or each.reason or "the handshake failed"
            return UpdateError(
                f"No secure connection (TLS) to {host} can be made: {why}.",
                "See whether the clock is right, and whether a proxy stands between.",
            )
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return UpdateError(f"{host} could not be reached.", f"See whether the network is up. {_TRY_LATER}")
    if isinstance(error, httpx.TransportError | OSError):
        return UpdateError(f"{host} broke its answer off.", _TRY_LATER)
    return UpdateError(f"{host} could not be asked ({type(error).__name__}).", _TRY_LATER)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it was raised from, to a bounded depth."""
    found: BaseException | None = error
    for _ in range(10):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__
