"""What the feed of releases says: read, believed or refused, and which release is offered. Pure.

The feed is a JSON document, signed as a whole (app.agents.updates.signature):

    {"schema": 1, "published": "2026-11-29T12:00:00Z", "expires": "2027-05-28T12:00:00Z", "releases": [
      {"version": "1.2.3", "published": "2026-11-29T12:00:00Z", "notes": {"en": "...", "ru": "..."},
       "page": "https://...", "files": [
         {"channel": "setup", "name": "...", "url": "https://...", "size": 123, "sha256": "..."}]}]}

Times are those of RFC 3339. `expires` bounds for how long an old feed can be shown to somebody in place of the newest
one, and `published` never goes back: what The Update Framework calls freeze and rollback attacks
(theupdateframework.github.io/specification). What a newer feed has beside this is passed over.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from app.domain.errors import UpdateRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = 1
LARGEST_FEED: Final = 256 * 1024
"""Bytes."""
LARGEST_FILE: Final = 512 * 1024 * 1024
"""Bytes: the largest package that was built had a quarter of this."""
LONGEST_NOTES: Final = 8_000
"""Characters of a release's notes."""
LONGEST_URL: Final = 2_048

NOT_USED: Final = "Nothing of it was used. If it stays so, look on the project's own page for a newer release."

_VERSION: Final = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,126}[A-Za-z0-9]")
"""A file's name on every system: no separator, no space, nothing that Windows takes for a device or strips."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file of a release.

    Attributes:
        channel: For whom: a value of app.system.installed.Channel.
        name: Its name, without any folder.
        url: Where it lies, https.
        size: Its bytes.
        sha256: Their SHA-256, 64 small hexadecimal digits.
    """

    channel: str
    name: str
    url: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """One release.

    Attributes:
        version: Three numbers: `1.2.3`.
        published: When, in seconds since the epoch.
        notes: What is new, in plain text, by language: `en`, `ru`.
        page: Where a person reads more, https.
        files: What can be fetched of it.
    """

    version: str
    published: float
    notes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    page: str = ""
    files: tuple[ReleaseFile, ...] = ()

    def file_for(self, channel: str) -> ReleaseFile | None:
        """Return the file for a channel; None where it has none."""
        return next((each for each in self.files if each.channel == channel), None)

    def notes_in(self, language: str) -> str:
        """Return what is new in a language, or in English; empty where neither is told."""
        return self.notes.get(language) or self.notes.get("en", "")


@dataclass(frozen=True, slots=True)
class ReleaseFeed:
    """A whole feed; times are seconds since the epoch."""

    published: float
    expires: float
    releases: tuple[Release, ...]


@dataclass(frozen=True, slots=True)
class UpdateView:
    """Where the search for newer releases stands.

    Attributes:
        offered: Whether this build has any; without it nothing else counts.
        is_on: Whether it is asked by itself.
        channel: What brought this program: a value of app.system.installed.Channel.
        current: The version that runs.
        beside: The folder that holds the one this program lies in, where that was unpacked by a person; else empty.
        asked_at: When it was last asked, by wall clock; None for never.
        answered_at: When there last was an answer that was believed; None for never.
        trouble: Why the last question had no answer: offline, say. Empty when it had one.
        refused: Why the last answer was not believed; empty when it was.
        hint: What to do about that.
        newer: The release that is offered; None when none is known.
        notes: What is new in it, in the person's language.
        is_skipped: Whether the person wants to hear no more of that one.
        fetched: How many bytes of its file are there, while it is fetched; None else.
        ready: Where the whole file lies, checked; empty before.
    """

    offered: bool = False
    is_on: bool = False
    channel: str = ""
    current: str = ""
    beside: str = ""
    asked_at: float | None = None
    answered_at: float | None = None
    trouble: str = ""
    refused: str = ""
    hint: str = ""
    newer: Release | None = None
    notes: str = ""
    is_skipped: bool = False
    fetched: int | None = None
    ready: str = ""

    @property
    def file(self) -> ReleaseFile | None:
        """What is fetched for this channel; None where nothing is."""
        return None if self.newer is None else self.newer.file_for(self.channel)

    @property
    def shown(self) -> Release | None:
        """The release that a person is shown without asking; None when there is none, or it was skipped."""
        return None if self.is_skipped else self.newer


def number_of(version: str) -> tuple[int, int, int] | None:
    """Return what versions are ordered by; None for a text that is no `1.2.3`."""
    found = _VERSION.fullmatch(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def is_newer(version: str, than: str) -> bool:
    """Return whether a version comes after another; False where one of them is no version."""
    first, second = number_of(version), number_of(than)
    return first is not None and second is not None and first > second


def choose(feed: ReleaseFeed, *, current: str, channel: str) -> Release | None:
    """Return the newest release that comes after the current one; None when there is none.

    Args:
        feed: What is released.
        current: The version that runs.
        channel: What brought it; a release without a file for this one is none for it.
    """
    fits = [each for each in feed.releases if is_newer(each.version, current) and each.file_for(channel) is not None]
    return max(fits, key=lambda each: number_of(each.version) or (0, 0, 0), default=None)


def check_time(feed: ReleaseFeed, *, now: float, newest: float) -> None:
    """Refuse a feed that is too old to be believed.

    Args:
        feed: It.
        now: The wall-clock time.
        newest: When the newest feed that was ever believed here was published; 0 for none.

    Raises:
        UpdateRefused: It has expired, or a newer one was here before.
    """
    if now >= feed.expires:
        raise UpdateRefused(
            f"The feed of releases has expired on {_day(feed.expires)}: an old one may be held up to hide a newer.",
            f"See whether this machine's clock is right. {NOT_USED}",
        )
    if feed.published < newest:
        raise UpdateRefused(
            f"The feed of releases is of {_day(feed.published)}, and one of {_day(newest)} was here before.",
            f"Somebody may be showing an old one on purpose. {NOT_USED}",
        )


def parse_feed(content: bytes) -> ReleaseFeed:
    """Return what a feed says. Its signature is checked before.

    Raises:
        UpdateRefused: It is of another schema, or not what a feed is; the message names the place.
    """
    if len(content) > LARGEST_FEED:
        raise too_large()
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise UpdateRefused("The feed of releases is no JSON document.", NOT_USED)
    schema = told.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise UpdateRefused(
            f"The feed of releases has the schema {str(schema)[:20]}, and this Watchkeeper reads {SCHEMA}.",
            "It may be too old for it: get the newest one from the project's own page.",
        )
    try:
        releases = tuple(_release(each, f"releases[{place}]") for place, each in enumerate(_list(told, "releases", "")))
        return ReleaseFeed(_time(told, "published", ""), _time(told, "expires", ""), releases)
    except _Wrong as wrong:
        raise UpdateRefused(f"The feed of releases cannot be read: {wrong}.", NOT_USED) from None


def too_large() -> UpdateRefused:
    """Return the refusal of a feed with more than `LARGEST_FEED` bytes."""
    return UpdateRefused(f"The feed of releases is larger than {LARGEST_FEED // 1024} KiB.", NOT_USED)


def is_https(url: str) -> bool:
    """Return whether an address is one of https that is asked as it is written: no user, no blank, no fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and len(url) <= LONGEST_URL
    return is_plain and parts.scheme == "https" and bool(host) and "@" not in parts.netloc and not parts.fragment


class _Wrong(ValueError):
    """What is wrong with a part of a feed, and where."""


def _release(told: object, where: str) -> Release:
    holder = _dict(told, where)
    version = _text(holder, "version", where)
    if number_of(version) is None:
        raise _Wrong(f"{where}.version is {version[:40]!r}, which is no version like 1.2.3")
    page = _https(holder, "page", where)
    files = tuple(_file(each, f"{where}.files[{place}]") for place, each in enumerate(_list(holder, "files", where)))
    return Release(version, _time(holder, "published", where), _notes(holder, where), page, files)


def _file(told: object, where: str) -> ReleaseFile:
    holder = _dict(told, where)
    name, size, sha256 = _text(holder, "name", where), holder.get("size"), _text(holder, "sha256", where)
    if not _NAME.fullmatch(name):
        raise _Wrong(f"{where}.name is {name[:40]!r}, which is no plain name of a file")
    if type(size) is not int or not 0 < size <= LARGEST_FILE:
        raise _Wrong(f"{where}.size is no number of bytes from 1 to {LARGEST_FILE}")
    if not _SHA256.fullmatch(sha256):
        raise _Wrong(f"{where}.sha256 is no SHA-256")
    return ReleaseFile(_text(holder, "channel", where), name, _https(holder, "url", where), size, sha256)


def _notes(holder: dict[str, Any], where: str) -> Mapping[str, str]:
    told = _dict(holder.get("notes"), f"{where}.notes")
    notes = {}
    for language, text in told.items():
        if not _LANGUAGE.fullmatch(language) or not isinstance(text, str):
            raise _Wrong(f"{where}.notes is no text by language")
        notes[language] = _shown(text)[:LONGEST_NOTES].strip()
    return MappingProxyType(notes)


def _shown(text: str) -> str:
    """Return a text without what moves a cursor or turns the direction of writing."""
    lines = text.replace("\t", " ").splitlines()
    return "\n".join("".join(char for char in line if char.isprintable()) for line in lines)


def _dict(told: object, where: str) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise _Wrong(f"{where or 'it'} is no JSON object")
    return told


def _list(holder: dict[str, Any], key: str, where: str) -> list[Any]:
    told = holder.get(key)
    if not isinstance(told, list):
        raise _Wrong(f"{_place(where, key)} is no list")
    return told


def _text(holder: dict[str, Any], key: str, where: str) -> str:
    told = holder.get(key)
    if not isinstance(told, str):
        raise _Wrong(f"{_place(where, key)} is no text")
    return told


def _https(holder: dict[str, Any], key: str, where: str) -> str:
    told = _text(holder, key, where)
    if not is_https(told):
        raise _Wrong(f"{_place(where, key)} is no https address")
    return told


def _time(holder: dict[str, Any], key: str, where: str) -> float:
    told = _text(holder, key, where)
    try:
        if _TIME.fullmatch(told):
            return datetime.fromisoformat(told).timestamp()
    except (ValueError, OverflowError):
        pass
    raise _Wrong(f"{_place(where, key)} is no time such as 2026-11-29T12:00:00Z")


def _place(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _day(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "an impossible day"
