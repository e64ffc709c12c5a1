"""What a way out must not forget when the program ends, however it ends: in one small file.

That is what its policy holds, so that a red test is not lost with a restart, and when it told what it tells once a day.
An alert goes out of the file only when what it was handed to has it on disk; for the moment in between both have it,
under the same id, and it is not sent twice.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from app.alerts import wording
from app.alerts.occasions import Occasion, parts_of
from app.domain.alerts import Alert, Urgency
from app.domain.commands import RaiseWindow
from app.domain.events import Event, VerdictChanged
from app.domain.verdicts import Cause, CauseKind, Verdict
from app.engine.statefile import StateFile, number_of
from app.engine.tasks import spawn
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

SCHEMA: Final = 1
TESTS_KEPT: Final = 300
"""Tests that one alert is kept with; its words name fewer."""
_DISK_S: Final = 5.0
_START_S: Final = 1.0
"""How long the start waits for the file. What is not read then is not written over, and comes with the next start."""
_STOP_S: Final = 0.25
_AGAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Left:
    """What an earlier life left.

    Attributes:
        held: The alerts it held, and how often each had come up.
        told: When it told what it tells seldom, by cause: wall-clock times.
    """

    held: tuple[tuple[Occasion, int], ...] = ()
    told: Mapping[str, float] = field(default_factory=dict)


class Keeping:
    """The file. An async context manager; all but the writing belongs to the loop's thread.

    Args:
        path: The file. It need not exist.
        clock: Time.
        new_id: Makes an id for an alert that is held.
        redact: Takes secrets out of a text. Called in a thread.
        handed_over: Waits until what was told so far lies safely elsewhere.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        redact: Callable[[str], str] = str,
        handed_over: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._file = StateFile(path, schema=SCHEMA)
        self._clock = clock
        self._new_id = new_id
        self._redact = redact
        self._handed_over = handed_over
        self._ids: dict[str, str] = {}
        self._now: tuple[tuple[Occasion, int], ...] = ()
        self._told: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._is_loaded = False
        self._pool = WorkerPool(1, name=f"keeping-{path.stem}")
        self._writing: asyncio.Task[None] | None = None
        self._trouble = ""
        self.left = Left()
        """What was found at the start."""

    async def __aenter__(self) -> Self:
        """Read what an earlier life left, and begin to write."""
        try:
            async with asyncio.timeout(_START_S):
                found, _ = await asyncio.get_running_loop().run_in_executor(self._pool, self._file.read)
        except TimeoutError:
            _log.warning("what was held is not known", file=str(self._file.path))
            return self
        self._is_loaded = True
        self.left = _left(found, self._clock.wall())
        self._told = dict(self.left.told)
        self._ids = {occasion.alert.cause: occasion.alert.id for occasion, _ in self.left.held}
        self._now = self.left.held
        self._writing = spawn(self._write_on(), name="held alerts to disk")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is not written yet, within half a second."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing], timeout=_STOP_S)
            if self._changed.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STOP_S):
                        await self._write()
        self._pool.shutdown(wait=False)

    def hold(self, held: Sequence[tuple[Occasion, int]]) -> None:
        """Note all that is held now. It is written at once, in a thread."""
        now = tuple(held)
        if now == self._now:
            return
        causes = {occasion.alert.cause for occasion, _ in now}
        ids = {cause: self._ids.get(cause) or self._new_id() for cause in causes}
        self._now, self._ids = now, ids
        self._changed.set()

    def told(self, cause: str) -> None:
        """Note that this was told now."""
        self._told[cause] = self._clock.wall()
        self._changed.set()

    def id_of(self, cause: str) -> str:
        """Return the id under which an alert of this cause is held; empty for none."""
        return self._ids.get(cause, "")

    async def _write_on(self) -> None:
        while True:
            await self._changed.wait()
            if not await self._write():
                await self._clock.sleep(_AGAIN_S)

    async def _write(self) -> bool:
        """Bring the file to what is true, and return whether that was done."""
        self._changed.clear()
        now, ids, told = self._now, self._ids, dict(self._told)
        try:
            if self._handed_over is not None:
                await self._handed_over()
            async with asyncio.timeout(_DISK_S):
                await asyncio.get_running_loop().run_in_executor(self._pool, self._put, now, ids, told)
        except (OSError, TimeoutError) as error:
            self._changed.set()
            why = getattr(error, "strerror", None) or type(error).__name__
            if why != self._trouble:
                _log.warning("held alerts are kept in memory alone", why=why)
            self._trouble = why
            return False
        except asyncio.CancelledError:
            self._changed.set()
            raise
        self._trouble = ""
        return True

    def _put(self, now: tuple[tuple[Occasion, int], ...], ids: Mapping[str, str], told: Mapping[str, float]) -> None:
        held = [self._record(occasion, count, ids.get(occasion.alert.cause, "")) for occasion, count in now]
        self._file.write({"held": held, "told": told})

    def _record(self, occasion: Occasion, count: int, name: str) -> dict[str, Any]:
        alert, event = occasion.alert, occasion.event
        words = {each: self._redact(getattr(alert, each)) for each in ("cause", "title", "body")}
        record = {
            "alert": asdict(alert) | words | {"id": name},
            "count": count,
            "once": self._redact(occasion.once),
            "repeat_s": occasion.repeat_s,
            "is_left": occasion.is_left,
        }
        if isinstance(event, VerdictChanged):
            record["verdict"] = {
                "project": self._redact(event.project),
                "run_id": event.run_id,
                "kind": event.cause.kind,
                "paths": [self._redact(path) for path in event.cause.paths[:TESTS_KEPT]],
                "broke": [self._redact(nodeid) for nodeid in event.broke[:TESTS_KEPT]],
                "trouble": event.trouble,
                "message": self._redact(event.message),
                "still_red": event.still_red,
            }
        return record


def _left(found: Mapping[str, Any], now: float) -> Left:
    """Return what a file's content says. What is not ours in it is left out."""
    held, told = found.get("held"), found.get("told")
    occasions = []
    for record in held if isinstance(held, list) else ():
        try:
            occasions.append(_occasion(record, now))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            _log.warning("a held alert cannot be used", why=type(error).__name__)
    times = told.items() if isinstance(told, dict) else ()
    return Left(tuple(occasions), {cause: number_of(at) for cause, at in times})


def _occasion(record: Mapping[str, Any], now: float) -> tuple[Occasion, int]:
    kept, verdict = record["alert"], record.get("verdict")
    alert = Alert(
        cause=str(kept["cause"]),
        urgency=Urgency(kept["urgency"]),
        title=str(kept["title"]),
        body=str(kept["body"]),
        at=float(kept["at"]),
        is_over=bool(kept["is_over"]),
        id=str(kept["id"]),
    )
    if not math.isfinite(alert.at):
        raise ValueError("its time is none")
    if not record["is_left"]:
        alert = replace(alert, body=wording.left(alert.body, alert.at, now))
    event = Event(at=alert.at) if verdict is None else _verdict(verdict, alert.at)
    occasion = Occasion(
        alert,
        event,
        RaiseWindow(),
        once=str(record["once"]),
        is_news=verdict is not None,
        repeat_s=number_of(record["repeat_s"]),
        parts=parts_of(event) if isinstance(event, VerdictChanged) else (),
        is_left=True,
    )
    return occasion, max(1, int(record["count"]))


def _verdict(kept: Mapping[str, Any], at: float) -> VerdictChanged:
    return VerdictChanged(
        at=at,
        project=str(kept["project"]),
        run_id=str(kept["run_id"]),
        cause=Cause(CauseKind(kept["kind"]), tuple(map(str, kept["paths"]))),
        broke=tuple(map(str, kept["broke"])),
        trouble=None if kept["trouble"] is None else Verdict(kept["trouble"]),
        message=str(kept["message"]),
        still_red=int(kept["still_red"]),
    )
