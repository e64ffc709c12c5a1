"""Asking for the feed of releases: what is believed, what is refused, and what is simply no answer."""

from __future__ import annotations

import json
import shutil
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.agents.updates.asking import AskLimits
from app.domain.errors import UpdateError
from app.domain.events import UpdatesChanged
from app.system.installed import Channel
from tests.agents.updates.site import DAY_S, drip, looking, public, rfc3339, signature
from tests.alerts.channels.farends import FarEnd, Line, answer, closed_port, cut, drop, flood, hang

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.agents.updates.site import Site

FEED, SIGNATURE = "/feed.json", "/feed.json.sig"


async def test_a_newer_release_is_found(site: Site, home: Path, fake_clock: Any) -> None:
    """The newest one for this channel, with its notes in the person's language."""
    site.release("1.0.0")
    site.release("1.10.0")
    site.release("1.9.9")
    site.release("2.0.0", channel="deb")
    here = looking(site, home, fake_clock, language="ru")

    view = await here.updates.check()

    assert view.newer is not None
    assert (view.newer.version, view.notes) == ("1.10.0", "Новое в 1.10.0.")
    assert (view.refused, view.trouble, view.asked_at) == ("", "", fake_clock.wall())
    assert here.found == ["1.10.0"]
    assert here.of(UpdatesChanged)


async def test_asking_tells_nothing_of_who_asks(site: Site, home: Path, fake_clock: Any) -> None:
    """One GET of the feed and one of its signature: no cookie, no name, no number."""
    here = looking(site, home, fake_clock)

    await here.updates.check()

    assert site.paths == [FEED, SIGNATURE]
    for asked in site.asked:
        assert asked.headers.pop("host").startswith("127.0.0.1")
        assert asked.headers == {
            "accept": "*/*",
            "accept-encoding": "identity",
            "connection": "keep-alive",
            "user-agent": "watchkeeper",
        }


def _no_answer() -> dict[str, tuple[str, Callable[[Line], None], str]]:
    return {
        "fails": (FEED, answer(500, b"oops"), "status 500"),
        "forbidden": (FEED, answer(403), "status 403"),
        "no signature": (SIGNATURE, answer(404), "status 404"),
        "hangs": (FEED, hang, "in time"),
        "hangs at the signature": (SIGNATURE, hang, "in time"),
        "drips": (FEED, drip, "in time"),
        "breaks off": (FEED, drop, "broke its answer off"),
        "cut off": (FEED, cut(200, b'{"schema": 1, '), "broke its answer off"),
        "packed": (FEED, answer(200, b"x", Content_Encoding="gzip"), "packs"),
        "no HTTP": (FEED, lambda line: line.say("SSH-2.0-OpenSSH_9.2"), "broke its answer off"),
    }


@pytest.mark.parametrize("case", _no_answer())
async def test_no_answer_is_told_to_who_asks_alone(site: Site, home: Path, fake_clock: Any, case: str) -> None:
    """It is noted when and why, nobody else is told, and what was known before stays."""
    site.release("1.1.0")
    await looking(site, home, fake_clock).updates.check()
    path, reply, says = _no_answer()[case]
    here = looking(site, home, fake_clock, limits=AskLimits(feed_s=0.2 if says == "in time" else 20.0))
    await here.updates.load()
    site.special[path] = [reply]
    site.release("1.2.0")  # so that the etag is another, and both are asked for
    fake_clock.advance(DAY_S)
    began = time.monotonic()

    with pytest.raises(UpdateError, match=says):
        await here.updates.check()

    assert time.monotonic() - began < 15
    view = here.updates.view
    assert says in view.trouble
    assert (view.asked_at, view.answered_at) == (fake_clock.wall(), fake_clock.wall() - DAY_S)
    assert view.newer is not None
    assert view.newer.version == "1.1.0"
    assert here.refusals == []


async def test_offline_is_no_answer(site: Site, home: Path, fake_clock: Any) -> None:
    """Nobody listens there."""
    here = looking(site, home, fake_clock, url=f"https://127.0.0.1:{closed_port()}/feed.json")

    with pytest.raises(UpdateError, match="could not be reached"):
        await here.updates.check()

    assert here.refusals == []


async def test_that_nothing_changed_is_no_answer_to_who_knows_nothing(site: Site, home: Path, fake_clock: Any) -> None:
    """A 304 that was not asked for says nothing."""
    site.special[FEED] = [answer(304)]
    here = looking(site, home, fake_clock)

    with pytest.raises(UpdateError, match="status 304"):
        await here.updates.check()

    assert here.updates.view.answered_at is None


async def test_a_certificate_that_nobody_vouches_for_is_no_answer(site: Site, home: Path, fake_clock: Any) -> None:
    """Nothing is asked of who is not who they say."""
    site.release("1.1.0")
    here = looking(site, home, fake_clock, trust=ssl.create_default_context)

    with pytest.raises(UpdateError, match=r"No secure connection \(TLS\)"):
        await here.updates.check()

    assert site.asked == []


async def test_redirects_without_end_are_no_answer(site: Site, home: Path, fake_clock: Any) -> None:
    """Six are too many."""
    site.special[FEED] = [answer(302, Location=site.url)] * 9
    here = looking(site, home, fake_clock)

    with pytest.raises(UpdateError, match="without end"):
        await here.updates.check()

    assert len(site.asked) == 6


async def test_a_redirect_to_https_is_followed(site: Site, home: Path, fake_clock: Any) -> None:
    """As a place for files does that keeps them elsewhere."""
    site.release("1.1.0")
    site.special["/latest.json"] = [answer(302, Location="/feed.json")]
    site.special["/latest.json.sig"] = [answer(307, Location=f"{site.address}{SIGNATURE}")]
    here = looking(site, home, fake_clock, url=f"{site.address}/latest.json")

    await here.updates.check()

    assert here.found == ["1.1.0"]


def _bent() -> dict[str, tuple[Callable[[Site], None], str]]:
    """Return, by what is wrong, how a site comes to it, and what is said of it."""

    def other_key(site: Site) -> None:
        site.key = Ed25519PrivateKey.generate()

    def flip(site: Site) -> None:
        content = bytearray(site.content)
        content[len(content) // 2] ^= 1
        site.special |= {
            FEED: [answer(200, bytes(content))] * 4,
            SIGNATURE: [answer(200, signature(site.key, site.content))] * 4,
        }

    def raw(content: bytes) -> Callable[[Site], None]:
        def bend(site: Site) -> None:
            site.special |= {
                FEED: [answer(200, content)] * 4,
                SIGNATURE: [answer(200, signature(site.key, content))] * 4,
            }

        return bend

    def other_purpose(site: Site) -> None:
        import base64  # noqa: PLC0415 - for this case alone

        site.special[SIGNATURE] = [answer(200, base64.b64encode(site.key.sign(site.content)))] * 4

    def of_feed(**changes: Any) -> Callable[[Site], None]:
        return lambda site: site.document.update(changes)

    def of_file(**changes: Any) -> Callable[[Site], None]:
        return lambda site: site.document["releases"][0]["files"][0].update(changes)

    return {
        "wrong key": (other_key, "not signed by a key"),
        "a flipped bit": (flip, "not signed by a key"),
        "signed for another purpose": (other_purpose, "not signed by a key"),
        "no signature": (lambda site: site.special.update({SIGNATURE: [answer(200, b"<html>")] * 4}), "no signature"),
        "redirect to http": (
            lambda site: site.special.update({FEED: [answer(302, Location="http://127.0.0.1/feed.json")] * 4}),
            "not https",
        ),
        "too large": (lambda site: site.special.update({FEED: [flood(1, [])] * 4}), "larger than 256 KiB"),
        "no JSON": (raw(b"{"), "no JSON"),
        "schema 2": (of_feed(schema=2), "schema 2"),
        "expired": (of_feed(expires=rfc3339(1_600_000_000)), "expired on 2020-09-13"),
        "path": (of_file(name="../evil.exe"), "name is '../evil.exe'"),
        "http": (of_file(url="http://example.org/a"), "url is no https"),
    }


@pytest.mark.parametrize("case", _bent())
async def test_what_is_not_to_be_trusted_is_refused_and_told_once(
    site: Site, home: Path, fake_clock: Any, case: str
) -> None:
    """Nothing of it is used, it says in its own words what is wrong, and the second time is no news."""
    bend, says = _bent()[case]
    site.release("9.9.9")
    bend(site)
    here = looking(site, home, fake_clock, keys=(public(site.key) if case != "wrong key" else bytes(32),))

    first = await here.updates.check()
    again = await here.updates.check()

    assert says in first.refused
    assert again.refused == first.refused
    assert (first.newer, first.answered_at, here.found) == (None, None, [])
    assert here.refusals == [first.refused]


async def test_a_refusal_is_over_when_there_is_something_to_believe(site: Site, home: Path, fake_clock: Any) -> None:
    """And the next one is news again."""
    here = looking(site, home, fake_clock)
    site.document["schema"] = 7
    await here.updates.check()

    site.document["schema"] = 1
    good = await here.updates.check()
    site.document["schema"] = 7
    await here.updates.check()

    assert (good.refused, good.hint) == ("", "")
    assert len(here.refusals) == 2


async def test_an_older_feed_than_was_here_before_is_refused(site: Site, home: Path, fake_clock: Any) -> None:
    """Also after a restart, and when the cache was cleared: the mark lies with the data."""
    site.release("1.1.0")
    await looking(site, home, fake_clock).updates.check()
    shutil.rmtree(home / "cache" / "updates")
    site.document["published"] = rfc3339(site.now - 3601)
    site.release("1.2.0")
    again = looking(site, home, fake_clock)

    view = await again.updates.check()

    assert "was here before" in view.refused
    assert again.found == []


async def test_a_second_key_takes_over_from_the_first(site: Site, home: Path, fake_clock: Any) -> None:
    """A program that knows both believes what either has signed."""
    old, new = site.key, Ed25519PrivateKey.generate()
    here = looking(site, home, fake_clock, keys=(public(old), public(new)))
    site.release("1.1.0")
    await here.updates.check()

    site.key = new
    site.release("1.2.0")
    await here.updates.check()

    assert here.found == ["1.1.0", "1.2.0"]


async def test_a_feed_that_did_not_change_is_not_sent_again(site: Site, home: Path, fake_clock: Any) -> None:
    """The server says so by the etag, also to a program that was started again; the signature is not asked for."""
    site.release("1.1.0")
    await looking(site, home, fake_clock).updates.check()
    fake_clock.advance(DAY_S)
    again = looking(site, home, fake_clock)

    view = await again.updates.check()

    assert site.paths == [FEED, SIGNATURE, FEED]
    assert view.newer is not None
    assert view.answered_at == fake_clock.wall()


@pytest.mark.parametrize("name", ["feed.json", "feed.json.sig"])
async def test_a_feed_that_was_changed_on_disk_is_asked_for_anew(
    site: Site, home: Path, fake_clock: Any, name: str
) -> None:
    """What lies in the cache is believed no more than what comes from outside."""
    site.release("1.1.0")
    await looking(site, home, fake_clock).updates.check()
    kept = home / "cache" / "updates" / name
    before = kept.read_bytes()
    kept.write_bytes((b"A" if before[:1] != b"A" else b"B") + before[1:])
    again = looking(site, home, fake_clock)
    await again.updates.load()
    loaded = again.updates.view.newer

    view = await again.updates.check()

    assert loaded is None
    assert (view.refused, site.paths[2:]) == ("", [FEED, FEED, SIGNATURE])
    assert view.newer is not None


async def test_that_nothing_changed_is_not_believed_for_ever(site: Site, home: Path, fake_clock: Any) -> None:
    """Who answers 304 each time hides newer releases no longer than until the feed expires."""
    site.release("1.1.0")
    here = looking(site, home, fake_clock)
    await here.updates.check()
    fake_clock.advance(31 * DAY_S)
    site.special[FEED] = [answer(304)]

    view = await here.updates.check()

    assert "expired" in view.refused


async def test_a_feed_that_changes_between_two_answers_is_asked_for_again(
    site: Site, home: Path, fake_clock: Any
) -> None:
    """The signature of the new one does not fit the old one: that is no attack."""
    before = site.content
    site.special[FEED] = [answer(200, before)]
    site.release("1.1.0")
    here = looking(site, home, fake_clock)

    view = await here.updates.check()

    assert (view.refused, here.found) == ("", ["1.1.0"])
    assert site.paths == [FEED, SIGNATURE] * 2


async def test_each_version_is_told_once(site: Site, home: Path, fake_clock: Any) -> None:
    """Also after a restart, and a newer one again."""
    site.release("1.1.0")
    first = looking(site, home, fake_clock)
    await first.updates.check()
    await first.updates.check()
    second = looking(site, home, fake_clock)
    await second.updates.load()
    await second.updates.check()
    known = second.updates.view.newer
    site.release("1.2.0")
    await second.updates.check()

    assert (first.found, second.found) == (["1.1.0"], ["1.2.0"])
    assert known is not None


async def test_a_skipped_version_stays_silent(site: Site, home: Path, fake_clock: Any) -> None:
    """It is neither told nor shown any more, whatever is asked or started again; the next one is."""
    site.release("1.1.0")
    here = looking(site, home, fake_clock)
    await here.updates.check()

    await here.updates.skip("1.1.0")
    skipped = here.updates.view
    await here.updates.check()
    again = looking(site, home, fake_clock)
    await again.updates.load()
    await again.updates.check()
    still = again.updates.view
    site.release("1.2.0")
    await again.updates.check()

    assert (skipped.shown, still.shown, again.found) == (None, None, ["1.2.0"])
    assert again.updates.view.shown is not None


async def test_what_is_known_is_there_at_once(site: Site, home: Path, fake_clock: Any) -> None:
    """A program that was started again shows it without asking, until the feed expires or the release runs here."""
    site.release("1.1.0")
    await looking(site, home, fake_clock).updates.check()
    again, upgraded = looking(site, home, fake_clock), looking(site, home, fake_clock, version="1.1.0")
    await again.updates.load()
    await upgraded.updates.load()
    fake_clock.advance(31 * DAY_S)
    late = looking(site, home, fake_clock)
    await late.updates.load()

    assert again.updates.view.newer is not None
    assert (upgraded.updates.view.newer, late.updates.view.newer) == (None, None)
    assert len(site.asked) == 2


async def test_a_release_without_a_file_for_this_channel_is_none(site: Site, home: Path, fake_clock: Any) -> None:
    """For a setup one without a setup is none."""
    site.release("1.1.0", channel="deb")
    deb, setup = (looking(site, home / each, fake_clock, channel=each) for each in (Channel.DEB, Channel.SETUP))

    await deb.updates.check()
    await setup.updates.check()

    assert (deb.found, setup.found) == (["1.1.0"], [])


async def test_the_proxy_of_the_environment_is_used(
    site: Site, home: Path, fake_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a network lets nothing else out."""
    asked: list[str] = []

    def refuse(line: Line) -> None:
        asked.append(line.hear())
        while line.hear():
            pass
        line.say("HTTP/1.1 403 Forbidden", "Content-Length: 0", "")

    here = looking(site, home, fake_clock, url="https://releases.example/feed.json")
    with FarEnd(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")

        with pytest.raises(UpdateError):
            await here.updates.check()

    assert asked == ["CONNECT releases.example:443 HTTP/1.1"]


async def test_a_damaged_memory_is_no_end(site: Site, home: Path, fake_clock: Any) -> None:
    """It is set aside, and what is of another kind than it should be counts as not there."""
    site.release("1.1.0")
    here = looking(site, home, fake_clock)
    state = here.places.data / "updates.json"
    state.write_text(json.dumps({"schema": 1, "published": "x", "asked_at": 1e999, "told": 3, "skipped": [1]}))

    await here.updates.load()
    state.write_bytes(b"\x00")
    await here.updates.check()

    assert here.found == ["1.1.0"]


async def test_a_disk_that_takes_nothing_makes_nothing_told_twice(site: Site, home: Path, fake_clock: Any) -> None:
    """What could not be kept is known until the program ends."""
    site.release("1.1.0")
    here = looking(site, home, fake_clock)
    shutil.rmtree(here.places.data)
    here.places.data.write_text("no folder")

    await here.updates.check()
    await here.updates.check()

    assert here.found == ["1.1.0"]
