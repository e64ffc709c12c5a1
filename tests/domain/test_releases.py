"""What the feed of releases says, and which release is offered."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import updatewords
from app.domain.errors import UpdateRefused
from app.domain.releases import (
    LONGEST_NOTES,
    Release,
    ReleaseFeed,
    ReleaseFile,
    UpdateView,
    check_time,
    choose,
    is_newer,
    number_of,
    parse_feed,
)

NOW = 1_700_000_000.0
numbers = st.tuples(*[st.integers(0, 999_999)] * 3)
FILE = ReleaseFile("deb", "watchkeeper 1.deb", "https://example.org/w.deb", 30_000_000, "0" * 64)
NEWER = Release("1.2.3", NOW - 3600, {"en": "More.", "ru": "Больше."}, "https://example.org", (FILE,))
OFFERED = UpdateView(offered=True, is_on=True, channel="deb", current="1.0.0", asked_at=NOW - 3600)


def text(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))


def document(**changes: Any) -> dict[str, Any]:
    release = {
        "version": "1.2.3",
        "published": "2026-11-29T12:00:00Z",
        "notes": {"en": "What is new."},
        "page": "https://example.org/1.2.3",
        "files": [],
    }
    return {
        "schema": 1,
        "published": "2026-11-29T12:00:00Z",
        "expires": "2027-05-28T14:00:00.5+02:00",
        "releases": [release | changes],
    }


def parsed(**changes: Any) -> Release:
    return parse_feed(json.dumps(document(**changes)).encode()).releases[0]


@given(numbers, numbers)
def test_versions_are_ordered_by_their_numbers(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    """Not as texts: 1.10.0 comes after 1.9.0."""
    assert is_newer(text(first), text(second)) is (first > second)


@pytest.mark.parametrize("said", ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.3rc1", "01.2.3", "1.2.3\n", "1.2.1234567"])
def test_what_is_no_version_is_neither_newer_nor_older(said: str) -> None:
    """A development version is offered nothing."""
    assert number_of(said) is None
    assert not is_newer(said, "0.0.1")
    assert not is_newer("9.9.9", said)


@given(st.lists(numbers, max_size=6), numbers)
def test_the_newest_is_offered_or_nothing(there: list[tuple[int, ...]], here: tuple[int, ...]) -> None:
    """Whatever the order in the feed, and never the same or an older one."""
    file = ReleaseFile("wheel", "w.whl", "https://example.org/w.whl", 1, "0" * 64)
    feed = ReleaseFeed(NOW, NOW, tuple(Release(text(each), NOW, files=(file,)) for each in there))

    found = choose(feed, current=text(here), channel="wheel")

    newer = [each for each in there if each > here]
    assert (found.version if found is not None else None) == (text(max(newer)) if newer else None)


def test_times_are_read_with_their_zone() -> None:
    """As RFC 3339 has them, with parts of seconds too."""
    feed = parse_feed(json.dumps(document()).encode())

    assert (feed.published, feed.expires) == (1_795_953_600.0, 1_811_505_600.5)


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_notes_move_no_cursor(said: str) -> None:
    """Of what is told nothing is left but lines of characters that show."""
    notes = parsed(notes={"en": said + "\x1b[31m\u202eevil" * 2000}).notes_in("ru")

    assert len(notes) <= LONGEST_NOTES
    assert all(char.isprintable() or char == "\n" for char in notes)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(document())), inner),
        max_leaves=9,
    ),
    st.sampled_from(["version", "published", "notes", "page", "files"]),
)
def test_nonsense_is_refused_and_nothing_else_is_raised(nonsense: Any, key: str) -> None:
    """Whatever stands in a part of a feed that was signed."""
    with suppress(UpdateRefused):
        parsed(**{key: nonsense})


def of_file(**changes: Any) -> dict[str, Any]:
    file = {"channel": "setup", "name": "w.exe", "url": "https://example.org/w.exe", "size": 9, "sha256": "0" * 64}
    return {"files": [file | changes]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": "1.2"}, r"releases\[0\].version is '1.2', which is no version"),
        ({"published": "yesterday"}, r"releases\[0\].published is no time"),
        ({"published": "2023-11-14T00:00:00"}, "published is no time"),
        ({"published": "2023-02-30T00:00:00Z"}, "published is no time"),
        ({"page": "http://example.org"}, "page is no https address"),
        ({"notes": {"en": 1}}, "notes is no text by language"),
        ({"files": {}}, "files is no list"),
        (of_file(name="../evil.exe"), r"releases\[0\].files\[0\].name is '../evil.exe', which is no plain name"),
        (of_file(name="a\\evil.exe"), "no plain name"),
        (of_file(name="/evil.exe"), "no plain name"),
        (of_file(name="C:evil.exe"), "no plain name"),
        (of_file(name=".bashrc"), "no plain name"),
        (of_file(name="evil.exe."), "no plain name"),
        (of_file(name="évil.exe"), "no plain name"),
        (of_file(url="http://example.org/w.exe"), "url is no https address"),
        (of_file(url="https://me@example.org/w.exe"), "url is no https address"),
        (of_file(url="https:///w.exe"), "url is no https address"),
        (of_file(url="https://example.org:x/w.exe"), "url is no https address"),
        (of_file(url="https://example.org/a b"), "url is no https address"),
        (of_file(size=512 * 1024 * 1024 + 1), "size is no number of bytes"),
        (of_file(size=0), "size is no number of bytes"),
        (of_file(size=True), "size is no number of bytes"),
        (of_file(size=9.0), "size is no number of bytes"),
        (of_file(sha256="0" * 63), "sha256 is no SHA-256"),
        (of_file(channel=None), "channel is no text"),
    ],
)
def test_what_a_feed_must_not_hold_is_refused_by_its_place(changes: dict[str, Any], says: str) -> None:
    """Also where its makers signed it: whoever has their key is not to write anywhere, nor to fill a disk."""
    with pytest.raises(UpdateRefused, match=says):
        parsed(**changes)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[" * 200_000, "no JSON document"),
        (b"[1]", "no JSON document"),
        (b'{"schema": true}', "schema True"),
        (b'{"schema": 2}', "schema 2, and this Watchkeeper reads 1"),
        (b'{"schema": 1}', "releases is no list"),
        (b'{"schema": 1}' + b" " * 262_144, "larger than 256 KiB"),
    ],
)
def test_what_is_no_feed_is_refused(content: bytes, says: str) -> None:
    """Too deep, too large, of another form or another time."""
    with pytest.raises(UpdateRefused, match=says):
        parse_feed(content)


@given(st.binary(max_size=60))
def test_bytes_are_refused_and_nothing_else_is_raised(content: bytes) -> None:
    """Whatever they are."""
    with pytest.raises(UpdateRefused):
        parse_feed(content)


def test_what_a_newer_feed_has_beside_this_is_passed_over() -> None:
    """So that today's programs read tomorrow's feed of the same schema."""
    assert parsed(critical=True, rollout=[1]).version == "1.2.3"


def test_the_very_last_moment_of_a_feed_is_over() -> None:
    """It holds before `expires`, and one of the same time as the newest is no older one."""
    feed = ReleaseFeed(NOW, NOW + 10, ())

    check_time(feed, now=NOW + 9, newest=NOW)
    with pytest.raises(UpdateRefused, match="expired"):
        check_time(feed, now=NOW + 10, newest=NOW)
    with pytest.raises(UpdateRefused, match="was here before"):
        check_time(feed, now=NOW, newest=NOW + 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"offered": False}, "not offered by this build"),
        ({"asked_at": None, "is_on": False}, "not asked yet; asking by itself is switched off"),
        ({"asked_at": None}, "not asked yet"),
        ({"answered_at": NOW}, "1.0.0 is the newest, asked 1 h ago"),
        ({"trouble": "x did not answer."}, "no answer 1 h ago: x did not answer."),
        ({"newer": NEWER}, "1.2.3 is there, asked 1 h ago"),
        ({"newer": NEWER, "is_skipped": True}, "1.2.3 is there, and you want to hear no more of it, asked 1 h ago"),
        ({"newer": NEWER, "fetched": 12_900_000}, "1.2.3 is being fetched (43 % of 28.6 MiB), asked 1 h ago"),
        ({"newer": NEWER, "ready": "/c/w.deb"}, "1.2.3 is here, and can be installed, asked 1 h ago"),
        ({"newer": NEWER, "refused": "Bad\nsignature."}, "refused: Bad signature."),
    ],
)
def test_the_state_is_said_in_one_line(changes: dict[str, Any], says: str) -> None:
    """For the window, the terminal and doctor alike."""
    values = {name: getattr(OFFERED, name) for name in OFFERED.__dataclass_fields__}

    assert updatewords.state(UpdateView(**(values | changes)), NOW) == says


def test_an_archive_goes_beside_the_one_that_runs() -> None:
    """The whole command, as a shell takes it: unpacked there, and started."""
    file = ReleaseFile("portable", "watchkeeper-1.2.3-linux-x86_64.tar.gz", "https://example.org/w", 9, "0" * 64)
    view = UpdateView(
        offered=True,
        channel="portable",
        newer=Release("1.2.3", NOW, files=(file,)),
        ready="/c/watchkeeper-1.2.3-linux-x86_64.tar.gz",
        beside="/home/ann/my apps",
    )

    assert updatewords.how_to_install(view) == (
        "Unpack it beside the one you have, and start it: tar -xf /c/watchkeeper-1.2.3-linux-x86_64.tar.gz"
        " -C '/home/ann/my apps' && '/home/ann/my apps/watchkeeper-1.2.3-linux-x86_64/watchkeeper'"
    )


def test_a_command_names_a_path_as_a_shell_takes_it() -> None:
    """Blanks and quotes in it too."""
    view = UpdateView(offered=True, channel="deb", current="1.0.0", newer=NEWER, ready="/home/a b/watchkeeper 1.deb")

    assert updatewords.how_to_install(view) == "Install it: sudo apt install '/home/a b/watchkeeper 1.deb'"
