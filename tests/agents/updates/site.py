"""A place where releases are announced: a real HTTPS server on loopback, whose feed a test signs, bends and breaks."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.agents.updates.asking import AskLimits, FeedClient
from app.agents.updates.memory import Memory
from app.agents.updates.updates import Mine, Updates
from app.domain.events import Event, FeedRefused, ReleaseFetched, ReleaseFound
from app.engine.places import Places
from app.system.installed import Channel, Feed
from tests.alerts.channels.farends import Asked, FarEnd, Hook, Line, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.alerts.channels.farends import Authority

PURPOSE = b"watchkeeper release feed v1\n"
"""Written out: that the program and those who sign mean the same is what these tests are to notice."""
DAY_S = 86_400.0
SETUP = b"MZ" + bytes(range(256)) * 1200
"""What stands for a setup program: 300 KiB."""


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def signature(key: Ed25519PrivateKey, content: bytes) -> bytes:
    return base64.b64encode(key.sign(PURPOSE + content)) + b"\n"


def drip(line: Line) -> None:
    """Answer for a minute, so that no wait between two pieces is long."""
    line.say("HTTP/1.1 200 Said", "Content-Length: 100000", "")
    for _ in range(3000):
        line.send(b" ")
        time.sleep(0.02)


@dataclass
class Site(Hook):
    """The server. Entering it listens.

    Attributes:
        authority: Its certificate.
        now: What the clock says when it is made.
        key: What signs the feed.
        document: The feed, to be changed by a test.
        special: What answers a path in place of the site, one after another.
        files: What lies there, by path.
    """

    authority: Authority = field(kw_only=True)
    now: float = field(kw_only=True)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    document: dict[str, Any] = field(default_factory=dict)
    special: dict[str, list[Callable[[Line], None]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Listen."""
        self._end = FarEnd(self.serve, tls=self.authority.serving())
        self._end.__enter__()
        self.document = {"schema": 1, "published": rfc3339(self.now - 3600), "expires": rfc3339(self.now + 30 * DAY_S)}
        self.document["releases"] = []
        return self

    def __exit__(self, *trouble: object) -> None:
        """End."""
        self._end.__exit__(None, None, None)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._end.port}"

    @property
    def url(self) -> str:
        return f"{self.address}/feed.json"

    @property
    def content(self) -> bytes:
        return json.dumps(self.document).encode()

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.path for asked in self.asked]

    def release(
        self, version: str, *, channel: str = "setup", content: bytes = SETUP, **changes: Any
    ) -> dict[str, Any]:
        """Announce a release with one file, which lies here, and return its part of the feed."""
        name = changes.pop("name", f"watchkeeper-{version}-{channel}.exe")
        self.files[f"/{name}"] = content
        digest = hashlib.sha256(content).hexdigest()
        file = {"channel": channel, "name": name, "url": f"{self.address}/{name}", "size": len(content)}
        told = {
            "version": version,
            "published": rfc3339(self.now - 7200),
            "notes": {"en": f"What is new in {version}.", "ru": f"Новое в {version}."},
            "page": f"https://example.org/{version}",
            "files": [file | {"sha256": digest} | changes],
        }
        self.document["releases"].append(told)
        return told

    def reply_to(self, asked: Asked) -> Callable[[Line], None]:
        """Return what answers a request."""
        waiting = self.special.get(asked.path)
        if waiting:
            return waiting.pop(0)
        content = self.content
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if asked.path == "/feed.json":
            if asked.headers.get("if-none-match") == etag:
                return answer(304, ETag=etag)
            return answer(200, content, ETag=etag, Set_Cookie="who=you")
        if asked.path == "/feed.json.sig":
            return answer(200, signature(self.key, content))
        return answer(200, self.files[asked.path]) if asked.path in self.files else answer(404)


@dataclass
class Looking:
    """What looks for releases there, and what it told."""

    updates: Updates
    told: list[Event]
    started: list[Path]
    places: Places

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def found(self) -> list[str]:
        return [event.release.version for event in self.told if isinstance(event, ReleaseFound)]

    @property
    def refusals(self) -> list[str]:
        return [event.reason for event in self.told if isinstance(event, FeedRefused)]

    @property
    def fetched(self) -> list[str]:
        return [event.path for event in self.told if isinstance(event, ReleaseFetched)]

    @property
    def content(self) -> bytes:
        """What lies where the fetched file does."""
        return Path(self.updates.view.ready).read_bytes()

    @property
    def mode(self) -> int:
        """Who may do what with it."""
        return Path(self.updates.view.ready).stat().st_mode & 0o777

    def bend(self, content: bytes) -> None:
        """Put something else there."""
        Path(self.updates.view.ready).write_bytes(content)

    @property
    def files(self) -> list[Path]:
        """What lies where files are fetched to, whole or not."""
        folder = self.places.cache / "updates" / "files"
        return sorted(folder.iterdir()) if folder.exists() else []


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def looking(
    site: Site,
    home: Path,
    clock: Any,
    *,
    keys: tuple[bytes, ...] = (),
    channel: Channel = Channel.SETUP,
    version: str = "1.0.0",
    language: str = "en",
    is_on: Callable[[], bool] = lambda: True,
    url: str = "",
    limits: AskLimits | None = None,
    trust: Callable[[], Any] | None = None,
) -> Looking:
    """Return what looks for releases at a site; made twice with one home, it is a program that was started again."""
    places = Places.find({"WATCHKEEPER_HOME": str(home)})
    places.create()
    told: list[Event] = []
    started: list[Path] = []
    updates = Updates(
        Mine(version, channel, Feed(url or site.url, keys or (public(site.key),)), language),
        FeedClient(trust or site.authority.trusting, limits=limits),
        Memory(places),
        clock,
        publish=told.append,
        is_on=is_on,
        start=started.append,
    )
    return Looking(updates, told, started, places)
