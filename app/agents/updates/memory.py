"""What is remembered of releases from one start to the next. All of it blocks: call it in a thread.

The feed itself is kept as it came, with its signature, in the cache: it is believed no more than one that comes anew.
When the newest one was published lies with the data, so that a cleared cache does not make an older one good again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from app.agents.updates.asking import Signed
from app.agents.updates.signature import LARGEST_SIGNATURE
from app.domain.releases import LARGEST_FEED
from app.engine.files import write_atomic
from app.engine.places import make_private
from app.engine.regular import read_regular
from app.engine.statefile import StateFile, number_of

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.places import Places

_log = structlog.get_logger(__name__)

SCHEMA: Final = 1
_TOLD_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Remembered:
    """It; times are wall-clock times, and 0 stands for never.

    Attributes:
        published: When the newest feed that was ever believed was published.
        asked_at: When it was last asked.
        answered_at: When there last was an answer that was believed.
        etag: What the server calls the feed that is kept.
        trouble: Why the last question had no answer.
        refused: Why the last answer was not believed.
        hint: What to do about that.
        refusal_told: Whether the person was told that answers are not believed, since there was one that was.
        told: The versions that the person was told of, the newest last.
        skipped: The version that the person wants to hear no more of.
    """

    published: float = 0.0
    asked_at: float = 0.0
    answered_at: float = 0.0
    etag: str = ""
    trouble: str = ""
    refused: str = ""
    hint: str = ""
    refusal_told: bool = False
    told: tuple[str, ...] = ()
    skipped: str = ""

    @classmethod
    def read(cls, found: dict[str, Any]) -> Self:
        """Return what a state file holds; what is of another kind than it should be counts as not there."""
        kept: dict[str, Any] = {}
        for field in fields(cls):
            value = found.get(field.name)
            match getattr(cls(), field.name):
                case bool():
                    kept[field.name] = value is True
                case float():
                    kept[field.name] = number_of(value)
                case str():
                    kept[field.name] = value if isinstance(value, str) else ""
                case _:
                    told = value if isinstance(value, list) else []
                    kept[field.name] = tuple(each for each in told if isinstance(each, str))[-_TOLD_KEPT:]
        return cls(**kept)


class Memory:
    """It, on disk.

    Args:
        places: The program's folders.
    """

    def __init__(self, places: Places) -> None:
        self._state = StateFile(places.data / "updates.json", schema=SCHEMA)
        self._folder = places.cache / "updates"
        self._feed = self._folder / "feed.json"
        self._signature = self._folder / "feed.json.sig"
        self._unwritten: Remembered | None = None

    @property
    def files(self) -> Path:
        """The folder for what is fetched."""
        return self._folder / "files"

    def read(self) -> Remembered:
        """Return what is remembered: what the disk did not take, while it does not. Never fails."""
        if self._unwritten is not None:
            return self._unwritten
        found, trouble = self._state.read()
        if trouble:
            _log.warning("what was known of releases is lost", why=trouble)
        return Remembered.read(found)

    def write(self, remembered: Remembered) -> None:
        """Keep it; after a disk that takes nothing, the next start tells, or asks, once more."""
        try:
            self._state.write(asdict(remembered))
            self._unwritten = None
        except OSError as error:
            self._unwritten = remembered
            _log.warning("what is known of releases cannot be kept", reason=error.strerror or repr(error))

    def feed(self, etag: str = "") -> Signed | None:
        """Return the feed that was kept, not believed yet, with the etag it came with; None where there is none."""
        try:
            content = read_regular(self._feed, LARGEST_FEED)
            return Signed(content, read_regular(self._signature, LARGEST_SIGNATURE), etag)
        except OSError:
            return None

    def keep(self, signed: Signed) -> bool:
        """Keep a feed that was believed, and return whether it could be kept."""
        with suppress(OSError):
            make_private(self._folder)
            write_atomic(self._feed, signed.content)
            write_atomic(self._signature, signed.signature)
            return True
        return False
