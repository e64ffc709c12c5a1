"""Where alerts lie until they are sent: one small file each, in a folder of one channel.

Not a journal: with one file each, an alert is there or not, whatever happens in between, and to take one away needs no
room on a full disk. What must be known after a kill is told by a file's name, since to rename is one step:

    000000000012.json         waits
    000000000012.trying.json  this one and all before it are tried as one message, which perhaps has arrived
    000000000012.sent.json    this one and all before it were sent, and are to be removed
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.domain.alerts import Alert, Urgency
from app.engine.files import sweep_temporaries, sync_folder, write_atomic
from app.engine.places import make_private
from app.engine.regular import NotRegular, read_regular
from app.engine.statefile import StateFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_log = structlog.get_logger(__name__)

SCHEMA: Final = 1
LARGEST: Final = 256 * 1024
"""Bytes of one file: no alert of ours comes near this."""

_NAME = re.compile(r"(?P<number>\d{12})(?:\.(?P<mark>trying|sent))?\.json")


@dataclass(slots=True)
class Parcel:
    """An alert that waits.

    Attributes:
        number: Its place in the queue.
        alert: It, with an id.
        since: When it was posted, on the queue's own count of seconds (app.alerts.counted).
        is_kept: Whether it lies on disk.
    """

    number: int
    alert: Alert
    since: float
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Where the queue's count of seconds stood.

    Attributes:
        counted: The count.
        wall: The wall-clock time then.
        asked: Until when, on that count, the service asks to be left alone.
    """

    counted: float = 0.0
    wall: float = 0.0
    asked: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What an earlier life left.

    Attributes:
        parcels: What waits, the oldest first.
        tried: The number of the last alert of a message that perhaps arrived; None when there is none.
        last: The highest number that was given.
        reckoning: Where the count stood; None when that is not known.
    """

    parcels: tuple[Parcel, ...] = ()
    tried: int | None = None
    last: int = 0
    reckoning: Reckoning | None = None


class Shelf:
    """The folder. All of it blocks, and belongs to one thread at a time.

    Args:
        folder: The channel's own. It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._time = StateFile(folder / "time.json", schema=SCHEMA)

    def load(self) -> Found:
        """Return what waits, and finish what a kill interrupted. What is no alert of ours is set aside.

        Raises:
            OSError: The folder cannot be read.
        """
        sweep_temporaries(self._folder)
        names = self._names()
        sent = max((number for number, (mark, _) in names.items() if mark == "sent"), default=0)
        if sent:
            with suppress(OSError):  # what cannot be removed is left out all the same
                self.clear(sent)
        tried = max((number for number, (mark, _) in names.items() if mark == "trying" and number > sent), default=None)
        parcels = [
            parcel
            for number, (_, path) in sorted(names.items())
            if number > sent and (parcel := _read(number, path)) is not None
        ]
        return Found(tuple(parcels), tried, max(names, default=0), self._reckoning())

    def put(self, parcel: Parcel) -> None:
        """Write an alert.

        Raises:
            OSError: There is no room, or no right to.
        """
        make_private(self._folder)
        content = {"schema": SCHEMA, "since": parcel.since, "alert": asdict(parcel.alert)}
        write_atomic(self._path(parcel.number), json.dumps(content, indent=1).encode(), follow=False)

    def mark(self, number: int) -> None:
        """Note that this alert and all before it are tried as one message.

        Raises:
            OSError: It cannot be renamed.
        """
        self._rename(number, "trying")

    def unmark(self, number: int) -> None:
        """Note that the message that ends with this alert has not arrived.

        Raises:
            OSError: It cannot be renamed.
        """
        self._rename(number, "")

    def clear(self, number: int) -> None:
        """Take away this alert and all before it; a kill in between leaves none of them to be sent again.

        Raises:
            OSError: They cannot be removed.
        """
        names = sorted(each for each in self._names() if each <= number)
        if not names:
            return
        self._rename(names[-1], "sent")
        sync_folder(self._folder)
        self.remove(names[:-1])
        self.remove(names[-1:])
        sync_folder(self._folder)

    def remove(self, numbers: Iterable[int]) -> None:
        """Take away these alerts.

        Raises:
            OSError: One cannot be removed.
        """
        for number in numbers:
            for mark in ("", "trying", "sent"):
                self._path(number, mark).unlink(missing_ok=True)

    def note(self, reckoning: Reckoning) -> None:
        """Keep where the count of seconds stands.

        Raises:
            OSError: It cannot be written.
        """
        self._time.write(asdict(reckoning))

    def _reckoning(self) -> Reckoning | None:
        found, _ = self._time.read()
        values = [found.get(name) for name in ("counted", "wall", "asked")]
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            return None
        return Reckoning(*(float(value) for value in values if value is not None))

    def _names(self) -> dict[int, tuple[str, Path]]:
        try:
            entries = list(self._folder.iterdir())
        except FileNotFoundError:
            return {}
        return {int(name["number"]): (name["mark"] or "", path) for path, name in _named(entries)}

    def _rename(self, number: int, mark: str) -> None:
        found = self._names().get(number)
        if found is not None and found[0] != mark:
            found[1].replace(self._path(number, mark))

    def _path(self, number: int, mark: str = "") -> Path:
        return self._folder / f"{number:012}{'.' if mark else ''}{mark}.json"


def _named(entries: Iterable[Path]) -> list[tuple[Path, re.Match[str]]]:
    return [(path, name) for path in entries if (name := _NAME.fullmatch(path.name)) is not None]


def _read(number: int, path: Path) -> Parcel | None:
    """Return the alert in a file; None when there is none in it, and then the file is set aside."""
    try:
        return _parcel(number, json.loads(read_regular(path, LARGEST)))
    except (NotRegular, ValueError, TypeError, KeyError, RecursionError) as error:
        _log.warning("a waiting alert cannot be used", file=str(path), why=type(error).__name__)
        with suppress(OSError):
            path.replace(path.with_suffix(".broken"))
    except OSError as error:
        _log.warning("a waiting alert cannot be read", file=str(path), why=error.strerror)
    return None


def _parcel(number: int, found: Any) -> Parcel:  # noqa: ANN401 - whatever JSON holds
    if found["schema"] != SCHEMA:
        raise ValueError("its schema is another")
    kept, since = found["alert"], float(found["since"])
    alert = Alert(
        cause=str(kept["cause"]),
        urgency=Urgency(kept["urgency"]),
        title=str(kept["title"]),
        body=str(kept["body"]),
        at=float(kept["at"]),
        is_over=bool(kept["is_over"]),
        id=str(kept["id"]),
    )
    if not (math.isfinite(since) and math.isfinite(alert.at) and alert.id):
        raise ValueError("a value is missing")
    return Parcel(number, alert, since, is_kept=True)
