"""Asking OSV, which may be slow, busy, down or lying."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.checks.dependencies.advisories import Package
from app.agents.auditing.checks.dependencies.osv import Osv, OutOfReach, checked_base, gathered
from tests.agents.auditing.checks.dependencies import osvserver as osvs

if TYPE_CHECKING:
    from pathlib import Path

JINJA = Package("PyPI", "jinja2", "2.10")
REQUESTS = Package("PyPI", "requests", "2.19.1")
FINE = Package("PyPI", "six", "1.16.0")


class Pauses:
    """Waits for nobody, and knows how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_only_what_is_vulnerable_is_named(tmp_path: Path) -> None:
    """One question for all packages; names and versions are all that leaves."""
    with osvs.OsvServer() as server:
        async with Osv(server.url, tmp_path) as osv:
            named = await osv.naming([JINJA, FINE, REQUESTS])

    assert {each.id for each in named[JINJA]} == {"GHSA-462w-v97r-4m45", "PYSEC-2019-217"}
    assert FINE not in named
    assert server.asked == ["POST /v1/querybatch"]
    assert json.loads(server.bodies[0])["queries"][1] == {
        "package": {"name": "six", "ecosystem": "PyPI"},
        "version": "1.16.0",
    }


async def test_many_packages_go_in_batches(tmp_path: Path) -> None:
    """No question holds more than 1,000 packages."""
    packages = [Package("npm", f"p{number}", "1.0.0") for number in range(2001)]

    with osvs.OsvServer() as server:
        async with Osv(server.url, tmp_path) as osv:
            named = await osv.naming([*packages, JINJA])

    assert server.queries == [1000, 1000, 2]
    assert list(named) == [JINJA]


async def test_pages_are_followed_to_their_end(tmp_path: Path) -> None:
    """What is given in pages is whole, and only what has further pages is asked for again."""
    records = [osvs.record(f"PYSEC-2024-{number}", "jinja2", ["2.10"]) for number in range(5)]

    with osvs.OsvServer(records, page=2) as server:
        async with Osv(server.url, tmp_path) as osv:
            named = await osv.naming([JINJA, FINE])

    assert [each.id for each in named[JINJA]] == [each["id"] for each in records]
    assert server.queries == [2, 1, 1]


async def test_an_advisory_is_fetched_again_when_it_has_changed(tmp_path: Path) -> None:
    """It is read from the cache while OSV names the same time of change, and from OSV as soon as it names another."""
    with osvs.OsvServer() as server:
        for modified in ("2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z", "2025-01-01T00:00:00Z"):
            server.records["PYSEC-2018-28"]["modified"] = modified
            async with Osv(server.url, tmp_path) as osv:
                named = await osv.naming([REQUESTS])
                records = await gathered(osv, named[REQUESTS])
            assert records["PYSEC-2018-28"]["modified"] == modified  # type: ignore[index]

    assert server.asked.count("GET /v1/vulns/PYSEC-2018-28") == 2


async def test_a_damaged_cache_is_no_matter(tmp_path: Path) -> None:
    """What cannot be read of the cache is asked for again."""
    (tmp_path / "PYSEC-2018-28.json").write_bytes(b"\xff{")

    with osvs.OsvServer() as server:
        async with Osv(server.url, tmp_path) as osv:
            named = await osv.naming([REQUESTS])
            records = await gathered(osv, named[REQUESTS])

    assert records["PYSEC-2018-28"] == server.records["PYSEC-2018-28"]


@pytest.mark.parametrize(
    ("reply", "least"), [(osvs.busy("7"), 7.0), (osvs.busy("x", 503), 0.5), (osvs.failing(503), 0.5)]
)
async def test_one_who_is_busy_is_asked_again(tmp_path: Path, reply: osvs.Reply, least: float) -> None:
    """It is waited for as long as was asked for, or for a moment."""
    pauses = Pauses()

    with osvs.OsvServer() as server:
        server.then(reply)
        async with Osv(server.url, tmp_path, pause=pauses) as osv:
            named = await osv.naming([JINJA])

    assert JINJA in named
    assert pauses.seconds == [least]


async def test_one_who_asks_for_too_long_is_given_up(tmp_path: Path) -> None:
    """A pause that is longer than the time that is left is not begun."""
    pauses = Pauses()

    with osvs.OsvServer() as server:
        server.always(osvs.busy("3600"))
        async with Osv(server.url, tmp_path, pause=pauses) as osv:
            with pytest.raises(OutOfReach, match="429"):
                await osv.naming([JINJA])

    assert pauses.seconds == []


TROUBLES = {
    "status 500": osvs.failing(500),
    "status 503": osvs.failing(503),
    "status 302": osvs.failing(302),
    "could not be reached": osvs.hanging_up,
    "more than 32 MiB": osvs.endless,
    "as OSV does": osvs.saying(b"<html>"),
    "as OSV does ": osvs.saying({"results": []}),
    " as OSV does": osvs.saying({"results": [{"vulns": [1]}]}),
    "answer as OSV does": osvs.saying([]),
    "answer as OSV does ": osvs.saying(b"[" * 100_000),
    "what is no id": osvs.saying({"results": [{"vulns": [{"id": "../../etc/passwd"}]}]}),
    "again and again": osvs.saying({"results": [{"next_page_token": "a"}]}),
    "packs": osvs.saying(b"x", {"Content-Encoding": "gzip"}),
    "in time": osvs.silent,
}


@pytest.mark.parametrize("said", TROUBLES)
async def test_one_who_misbehaves(tmp_path: Path, said: str) -> None:
    """Whatever a service does, it is said in a sentence that nothing could be had, and why."""
    with osvs.OsvServer() as server:
        server.always(TROUBLES[said])
        async with Osv(server.url, tmp_path, within_s=0.5 if said == "in time" else 30, pause=Pauses()) as osv:
            with pytest.raises(OutOfReach, match=said.strip()):
                await osv.naming([JINJA])


async def test_pages_without_end(tmp_path: Path) -> None:
    """A service whose pages never end is left."""
    replies = [osvs.saying({"results": [{"next_page_token": str(number)}]}) for number in range(60)]

    with osvs.OsvServer() as server:
        server.then(*replies)
        async with Osv(server.url, tmp_path) as osv:
            with pytest.raises(OutOfReach, match="without end"):
                await osv.naming([JINJA])


async def test_nobody_there(tmp_path: Path) -> None:
    """Without a network it is said that OSV could not be reached."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        async with Osv(f"http://127.0.0.1:{free.getsockname()[1]}", tmp_path, pause=Pauses()) as osv:
            with pytest.raises(OutOfReach, match="could not be reached"):
                await osv.naming([JINJA])


async def test_another_advisory_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    """An advisory under another's name is neither believed nor kept."""
    cache = tmp_path / "cache"

    with osvs.OsvServer() as server:
        async with Osv(server.url, cache) as osv:
            named = await osv.naming([REQUESTS])
            server.then(osvs.saying(osvs.record("PYSEC-1-1", "requests", ["1"])))
            with pytest.raises(OutOfReach, match="another advisory"):
                await osv.record(named[REQUESTS][0])

    assert not cache.exists()


@pytest.mark.parametrize("base", ["ftp://a", "", "http://api.osv.dev", "https://u:p@a.org", "http://[", "https://"])
def test_addresses_that_are_not_asked(base: str) -> None:
    """An address that is none, holds a password, or goes through the internet in the clear is refused."""
    with pytest.raises(OutOfReach):
        checked_base(base)
