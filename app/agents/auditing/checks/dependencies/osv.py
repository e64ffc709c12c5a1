"""Asks OSV which advisories tell of a package, and for the advisories themselves.

https://google.github.io/osv.dev/api/ . What leaves this machine are names and versions of packages, nothing else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

import httpx

from app import __version__
from app.domain.addresses import is_this_machine
from app.engine.files import write_atomic
from app.engine.regular import read_regular
from app.engine.resilience.retryafter import asked_wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from app.agents.auditing.checks.dependencies.advisories import Package

BASE = "https://api.osv.dev"
"""The public service."""
BATCH = 1000
"""Queries that OSV takes at once."""

_PAGES = 50
"""Pages of one query: more is a service that does not come to an end."""
_AT_ONCE = 8
_MOST_ADVISORIES = 5000
_ATTEMPTS = 4
_FIRST_PAUSE_S = 0.5
_ASKED_S = 30.0
_CONNECT_S = 10.0
_LARGEST_ANSWER = 32 * 1024 * 1024
_LARGEST_RECORD = 4 * 1024 * 1024
_FRESH_S = 24 * 3600.0
_OK = 200
_BUSY = frozenset({429, 502, 503, 504})
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
"""What becomes part of an address and of a file's name."""


class OutOfReach(Exception):
    """OSV could not be asked, or what it said is no answer; the text says why, for people."""


class Named(NamedTuple):
    """An advisory of which OSV says that it tells of a package.

    Attributes:
        id: Its id.
        modified: When it was last changed, as OSV says it; may be empty.
    """

    id: str
    modified: str


def checked_base(base: str) -> str:
    """Return an address at which OSV may be asked.

    Raises:
        OutOfReach: It is none, or one of plain http that is not on this machine or in the private network.
    """
    try:
        parts = urlsplit(base)
        host = parts.hostname or ""
    except ValueError:
        parts, host = None, ""
    if parts is None or parts.scheme not in {"http", "https"} or not host or parts.username or parts.query:
        raise OutOfReach("the setting osv is no address like https://api.osv.dev")
    if parts.scheme == "http" and not _is_near(host):
        raise OutOfReach(f"{host} would be asked by plain http, so that others could forge the answer: use https")
    return base.rstrip("/")


def _is_near(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_private
    return is_this_machine(host)


class Osv:
    """Asks OSV. An async context manager, which closes its connections.

    Args:
        base: Its address, without `/v1`.
        cache: A folder for advisories; they are asked for again when OSV names another time of change, and where it
            names none after 24 hours.
        within_s: Seconds for all questions together, pauses included.
        pause: Waits for so many seconds.

    Raises:
        OutOfReach: The address cannot be used.
    """

    def __init__(
        self,
        base: str,
        cache: Path,
        *,
        within_s: float = 90.0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base = checked_base(base)
        self.host = urlsplit(self._base).netloc
        self._cache = cache
        self._until = time.monotonic() + within_s
        self._pause = pause
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Make the client: reads certificates, and so in a thread."""
        self._http = await asyncio.to_thread(self._made)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        if self._http is not None:
            await self._http.aclose()

    def _made(self) -> httpx.AsyncClient:
        near = _is_near(urlsplit(self._base).hostname or "")
        try:
            return httpx.AsyncClient(
                timeout=httpx.Timeout(_ASKED_S, connect=_CONNECT_S),
                # unpacked sizes are not known before: nothing is to be packed
                headers={"User-Agent": f"watchkeeper/{__version__}", "Accept-Encoding": "identity"},
                trust_env=not near,
            )
        except (ImportError, ValueError, OSError) as error:  # a SOCKS proxy without its package, a bad certificate file
            raise OutOfReach(f"{self.host} cannot be asked with these proxy or certificate settings") from error

    async def naming(self, packages: Sequence[Package]) -> dict[Package, list[Named]]:
        """Return the advisories that tell of packages; those of which none tells are left out.

        Raises:
            OutOfReach: See there. Then nothing is known of any.
        """
        named: dict[Package, dict[str, Named]] = {}
        waiting = [(package, "") for package in packages]
        for _ in range(_PAGES):
            further: list[tuple[Package, str]] = []
            for batch in _batches(waiting):
                queries = [_query(package, token) for package, token in batch]
                said = await self._asked("/v1/querybatch", {"queries": queries}, _LARGEST_ANSWER)
                results = said.get("results")
                if not isinstance(results, list) or len(results) != len(batch):
                    raise OutOfReach(f"{self.host} did not answer as OSV does")
                for (package, before), result in zip(batch, results, strict=True):
                    found, token = self._read(result)
                    if found:
                        named.setdefault(package, {}).update((each.id, each) for each in found)
                    if token and token == before:
                        raise OutOfReach(f"{self.host} gives the same page again and again")
                    if token:
                        further.append((package, token))
            if not further:
                return {package: list(found.values()) for package, found in named.items()}
            waiting = further
        raise OutOfReach(f"{self.host} gives pages without end")

    def _read(self, result: Any) -> tuple[list[Named], str]:  # noqa: ANN401 - whatever a service says
        if result is None:
            return [], ""
        try:
            vulns = result.get("vulns") or []
            found = [Named(str(each["id"]), str(each.get("modified") or "")) for each in vulns]
            token = result.get("next_page_token") or ""
        except (AttributeError, KeyError, TypeError):
            raise OutOfReach(f"{self.host} did not answer as OSV does") from None
        if not all(_ID.fullmatch(each.id) for each in found):
            raise OutOfReach(f"{self.host} names an advisory by what is no id")
        return found, str(token)

    async def record(self, named: Named) -> dict[str, Any]:
        """Return an advisory, from the cache while it is what OSV has.

        Raises:
            OutOfReach: See there.
        """
        kept = self._cache / f"{named.id.replace(':', '_')}.json"
        if (known := await asyncio.to_thread(_kept, kept, self._base, named)) is not None:
            return known
        async with self._slots:
            record = await self._asked(f"/v1/vulns/{named.id}", None, _LARGEST_RECORD)
        if record.get("id") != named.id:
            raise OutOfReach(f"{self.host} gave another advisory than {named.id}")
        await asyncio.to_thread(_keep, kept, self._base, named, record)
        return record

    async def _asked(self, path: str, document: object, largest: int) -> dict[str, Any]:
        """Ask, and again where it was only busy, until the time is up."""
        pause, why = _FIRST_PAUSE_S, ""
        for attempt in range(1, _ATTEMPTS + 1):
            left = self._until - time.monotonic()
            if left <= 0:
                raise OutOfReach(why or f"{self.host} did not answer in time")
            wanted = pause * 2 ** (attempt - 1)
            try:
                async with asyncio.timeout(min(left, _ASKED_S)):
                    status, headers, body = await self._once(path, document, largest)
            except TimeoutError:
                why = f"{self.host} did not answer in time"
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                why = f"{self.host} could not be reached ({type(error).__name__})"
            else:
                if status == _OK:
                    return self._parsed(body)
                why = f"{self.host} answered with status {status}"
                if status not in _BUSY:
                    break
                asked = asked_wait(headers.get("Retry-After", ""), time.time())
                if asked is not None:
                    wanted = max(wanted, asked) if asked > 0 else 0.0
            if attempt == _ATTEMPTS or wanted >= self._until - time.monotonic():
                break
            await self._pause(wanted)
        raise OutOfReach(why)

    async def _once(self, path: str, document: object, largest: int) -> tuple[int, httpx.Headers, bytes]:
        assert self._http is not None, "outside of its context"  # noqa: S101 - a mistake of ours
        method = "GET" if document is None else "POST"
        async with self._http.stream(method, self._base + path, json=document) as response:
            body = bytearray()
            if response.status_code == _OK:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise OutOfReach(f"{self.host} packs its answers unasked")
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > largest:
                        raise OutOfReach(f"{self.host} answered with more than {largest // 1024 // 1024} MiB")
            return response.status_code, response.headers, bytes(body)

    def _parsed(self, body: bytes) -> dict[str, Any]:
        try:
            read = json.loads(body)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            raise OutOfReach(f"{self.host} did not answer as OSV does")
        return read


def _query(package: Package, token: str) -> dict[str, Any]:
    about = {"name": package.name, "ecosystem": package.ecosystem}
    query: dict[str, Any] = {"package": about, "version": package.version.partition("+")[0]}
    return {**query, "page_token": token} if token else query


def _batches(waiting: Sequence[tuple[Package, str]]) -> Iterator[Sequence[tuple[Package, str]]]:
    for at in range(0, len(waiting), BATCH):
        yield waiting[at : at + BATCH]


def _kept(path: Path, base: str, named: Named) -> dict[str, Any] | None:
    try:
        kept = json.loads(read_regular(path, _LARGEST_RECORD * 2))
        record = kept["record"]
        is_same = kept["base"] == base and record["id"] == named.id
        fresh = kept["modified"] == named.modified if named.modified else 0 <= time.time() - kept["at"] < _FRESH_S
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if is_same and fresh and isinstance(record, dict) else None


def _keep(path: Path, base: str, named: Named, record: dict[str, Any]) -> None:
    kept = {"base": base, "modified": named.modified, "at": time.time(), "record": record}
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(kept).encode(), sync=False)


async def gathered(osv: Osv, wanted: Iterable[Named]) -> dict[str, dict[str, Any] | OutOfReach]:
    """Return advisories by id; in place of one that could not be had stands why.

    Args:
        osv: Who is asked, several at once.
        wanted: Which.

    Raises:
        OutOfReach: They are more than any project has.
    """

    async def one(named: Named) -> dict[str, Any] | OutOfReach:
        try:
            return await osv.record(named)
        except OutOfReach as error:
            return error

    listed = list({each.id: each for each in wanted}.values())
    if len(listed) > _MOST_ADVISORIES:
        raise OutOfReach(f"{osv.host} names more than {_MOST_ADVISORIES} advisories")
    return dict(zip((each.id for each in listed), await asyncio.gather(*map(one, listed)), strict=True))
