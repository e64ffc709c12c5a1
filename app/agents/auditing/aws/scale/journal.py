"""What of an audit is done, on the disk, so that one that was interrupted does only what is left.

There is one file for each plan, and in it a line of JSON for each unit that came to something. A line is appended in
one write; the last one may be torn, and whatever is no line of this plan is passed over.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from app.agents.auditing.aws.scale.documents import NotADocument, document_of_result, result_of
from app.engine.clock import SystemClock
from app.engine.places import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.agents.auditing.aws.scale.documents import Result
    from app.engine.clock import Clock

FRESH_S = 6 * 3600.0
"""What is older is done again: the account is another one by then."""
LONGEST_LINE = 32 * 1024 * 1024
PRIVATE = 0o600

_PLAN = re.compile(r"[0-9a-f]{24}")
_log = structlog.get_logger(__name__)


class Journal:
    """The units of one plan that are done.

    Args:
        folder: Where journals are; made when there is something to keep.
        plan: Which plan, as 24 hexadecimal digits: the same accounts, rules and release.
        clock: Tells how old a line is.
        fresh_s: Up to which age a line counts, in seconds.

    Raises:
        ValueError: The plan is none.
    """

    def __init__(self, folder: Path, plan: str, *, clock: Clock | None = None, fresh_s: float = FRESH_S) -> None:
        if not _PLAN.fullmatch(plan):
            raise ValueError("a plan is 24 hexadecimal digits")
        self.path = folder / f"aws-{plan}.jsonl"
        self._plan = plan
        self._clock = clock or SystemClock()
        self._fresh_s = fresh_s
        self._is_broken = False
        self._one = asyncio.Lock()
        self._done: dict[tuple[str, str], Result] = {}

    async def read(self) -> int:
        """Read what is done, and return how many units that are."""
        self._done = await asyncio.to_thread(lambda: dict(self._lines()))
        return len(self._done)

    def result(self, unit: str, content: str) -> Result | None:
        """Return what a unit came to; None when it is yet to be done.

        Args:
            unit: Its id.
            content: What is in it, as of `content_of`: a unit with other resources under the same id is another one.
        """
        return self._done.get((unit, content))

    async def add(self, unit: str, content: str, result: Result) -> None:
        """Keep what a unit came to. When the disk does not take it, it is done again next time, and that is logged.

        Args:
            unit: Its id.
            content: As of `result`.
            result: What it came to; what came to nothing is not kept.
        """
        if result.error is not None:
            return
        line = json.dumps(
            {
                "plan": self._plan,
                "unit": unit,
                "content": content,
                "at": self._clock.wall(),
                "result": document_of_result(result),
            }
        )
        async with self._one:
            try:
                await asyncio.to_thread(self._append, line.encode("ascii") + b"\n")
            except OSError as error:
                if not self._is_broken:
                    _log.warning("the audit cannot be resumed from here on", reason=error.strerror or str(error))
                self._is_broken = True

    async def end(self) -> None:
        """Let go of the file: the audit is done, and the next one looks again."""
        with suppress(OSError):
            await asyncio.to_thread(self.path.unlink, missing_ok=True)

    def _append(self, line: bytes) -> None:
        make_private(self.path.parent)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self.path, flags, PRIVATE)
        try:
            # after a torn line a new one is begun, so that no good one is lost to it
            size = os.lseek(descriptor, 0, os.SEEK_END)
            if size and self._last(descriptor, size) != b"\n":
                line = b"\n" + line
            if os.write(descriptor, line) != len(line):
                raise OSError(28, "the disk took a part of a line only")
        finally:
            os.close(descriptor)

    @staticmethod
    def _last(descriptor: int, size: int) -> bytes:
        os.lseek(descriptor, size - 1, os.SEEK_SET)
        return os.read(descriptor, 1)

    def _lines(self) -> Iterator[tuple[tuple[str, str], Result]]:
        try:
            with self.path.open("rb") as file:
                while line := file.readline(LONGEST_LINE):
                    with suppress(ValueError, KeyError, TypeError, NotADocument, RecursionError):
                        told = json.loads(line)
                        age_s = self._clock.wall() - float(told["at"])
                        if told["plan"] == self._plan and -1.0 <= age_s <= self._fresh_s:
                            yield (str(told["unit"]), str(told["content"])), result_of(told["result"])
        except OSError:
            return
