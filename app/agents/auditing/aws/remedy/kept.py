"""State files: what was before, kept before anything is written, so that it can be had back whatever happens.

A file is private to its user (mode 600), and replaced as a whole. It holds the plan, and so policies and ACLs, but no
keys.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

from app.agents.auditing.aws.remedy.errors import Busy, NotKept, NotReadable
from app.agents.auditing.aws.remedy.plan import plan_of
from app.engine.files import write_atomic
from app.engine.places import make_private
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from app.agents.auditing.aws.remedy.plan import Plan
    from app.agents.auditing.aws.remedy.settings import Place
    from app.engine.clock import Clock

T = TypeVar("T")

SCHEMA = 1
LARGEST = 4 << 20
"""Bytes: a plan holds a handful of settings, of which the largest has 20 KB."""
_FREE_NAMES = 100


class Status(StrEnum):
    """How far a remedy is."""

    BEGUN = "begun"
    """Some of it may be written."""
    APPLIED = "applied"
    """All of it is written, and was read again."""
    RESTORED = "restored"
    """It failed, and all is as before."""
    PARTLY = "partly"
    """It failed, and not all is as before."""
    TAKEN_BACK = "taken back"
    """It was applied, and all is as before by request."""


class Journal:
    """What was done, as lines.

    Args:
        clock: Tells when.
        say: Is told each line as it comes; None for nobody.
        lines: Those of before.
    """

    def __init__(self, clock: Clock, say: Callable[[str], None] | None = None, lines: tuple[str, ...] = ()) -> None:
        self._clock = clock
        self._say = say
        self._lines = list(lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """All of them, each beginning with its time (UTC)."""
        return tuple(self._lines)

    def add(self, text: str) -> None:
        """Add one.

        Args:
            text: What was done, in words for people.
        """
        at = datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="seconds")
        line = f"{at} {' '.join(text.split())}"
        self._lines.append(line)
        if self._say is not None:
            self._say(line)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a state file holds.

    Attributes:
        path: The file.
        plan: What was to be done, with the state before.
        status: How far it is.
        journal: What was done, as lines.
        overwritten: What others had set, by the setting's name, before it was taken back all the same.
    """

    path: Path
    plan: Plan
    status: Status = Status.BEGUN
    journal: tuple[str, ...] = ()
    overwritten: Mapping[str, str] = field(default_factory=dict)

    def write(self) -> None:
        """Write the file; blocks.

        Raises:
            NotKept: That is not possible; what the file held is intact then.
        """
        content = {
            "schema": SCHEMA,
            "status": self.status.value,
            "plan": self.plan.to_json(),
            "journal": list(self.journal),
            "overwritten": dict(self.overwritten),
        }
        try:
            make_private(self.path.parent)
            write_atomic(self.path, json.dumps(content, indent=1).encode())
        except OSError as error:
            raise NotKept(
                f"The state before cannot be kept in {self.path.parent}: {error.strerror or type(error).__name__}. "
                f"Nothing more was changed in {self.plan.place.name}.",
                "Look whether the disk is full and the folder yours, then apply again.",
            ) from error

    def now(self, status: Status, journal: Journal) -> Kept:
        """Return it with another status, and what was done until now."""
        return replace(self, status=status, journal=journal.lines)


def read_kept(path: Path) -> Kept:
    """Return what a state file holds; blocks.

    Args:
        path: The file.

    Raises:
        NotReadable: It is not there, cannot be read, or is not what was written.
    """
    try:
        content = read_regular(path, LARGEST)
        told: Mapping[str, Any] = json.loads(content)
        if told["schema"] != SCHEMA or len(content) > LARGEST:
            raise ValueError("another schema")  # noqa: TRY301 - one way out for all that is no state file
        return Kept(
            path,
            plan_of(told["plan"]),
            Status(told["status"]),
            tuple(str(each) for each in told["journal"]),
            {str(name): str(text) for name, text in told["overwritten"].items()},
        )
    except OSError as error:
        raise NotReadable(
            f"{path} cannot be read: {error.strerror or error}. Nothing was changed.", "Name a file that apply wrote."
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, NotReadable):
        raise NotReadable(
            f"{path} is not what apply wrote, so nothing is taken back by it. Nothing was changed.",
            "Set things right by hand, from what it holds.",
        ) from None


def free_path(folder: Path, plan: Plan, clock: Clock) -> Path:
    """Return where the state before a plan is kept: the time, and which plan it is.

    Args:
        folder: Where all of them lie.
        plan: The plan.
        clock: Tells the time.
    """
    at = datetime.fromtimestamp(clock.wall(), UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{at}-{re.sub('[^a-z0-9-]', '_', plan.id)}"
    every = [folder / f"{name}.json", *(folder / f"{name}-{number}.json" for number in range(2, _FREE_NAMES))]
    return next((each for each in every if not each.exists()), every[0])


@contextmanager
def held(folder: Path, place: Place) -> Iterator[None]:
    """Keep others away from a bucket or an account, in this program and in others, while the block lasts.

    Args:
        folder: Where the state files lie.
        place: The bucket or account.

    Raises:
        Busy: Somebody else is there.
        NotKept: The folder cannot be written.
    """
    name = hashlib.sha256(f"{place.account} {place.arn}".encode()).hexdigest()[:16]
    lock = FileLock(folder / f"{name}.lock", timeout=0, thread_local=False)
    try:
        make_private(folder)
        lock.acquire()
    except Timeout:
        raise Busy(
            f"Another repair of {place.name} is under way. Nothing was changed.", "Wait for it, then plan again."
        ) from None
    except OSError as error:
        raise NotKept(
            f"The state before cannot be kept in {folder}: {error.strerror or type(error).__name__}. "
            "Nothing was changed.",
            "Look whether the folder is yours.",
        ) from error
    try:
        yield
    finally:
        lock.release()


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for what must not be left half done, and pass on a cancellation afterwards.

    Args:
        work: What; it runs on when the caller is cancelled.

    Raises:
        asyncio.CancelledError: The caller was cancelled meanwhile, and the work is done.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
