"""The source of a project as it was when all its tests were green, kept aside and given back as a copy.

The work is done at low priority by programs of their own, `sourcetree.py` and `sourcediff.py`; the user's repository is
only read.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from app.agents.testing.afterwards import sourcediff, sourcetree
from app.domain import words as wording
from app.domain.analysis import SourceDiff
from app.domain.errors import CannotError, ProjectError
from app.domain.secretfiles import SECRET_NAMES
from app.engine.filewatch.ignore import BUILTIN_FOLDERS
from app.engine.filewatch.repository import Repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from app.engine.clock import Clock
    from app.engine.processes import ProcessRunner

_log = structlog.get_logger(__name__)

KEEP_S = 60.0
"""Keeping takes a second for 5,000 files the first time; a project that needs longer than this is not kept."""
CHECK_OUT_S = 30.0
DIFF_S = 10.0
"""A person waits for a diff."""
STALE_S = 30 * 24 * 3600.0
"""What was green longer ago says nothing of today's change."""
ABANDONED_S = 3600.0
"""A copy that is older was left by a process that was killed."""
WROTE_CAP = 1000
"""Files written by tests that are told apart from saves; of more, the rest count as saved."""

_COPIES = "copies"
_NO_SOURCE = (
    *(f"{name}/" for name in sorted(BUILTIN_FOLDERS)),
    ".coverage",
    ".coverage.*",
    ".testmondata*",
    ".*.sw[opx]",
)
"""What no run depends on, and what changes while tests run, where git does not ignore it."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the last green source.

    Attributes:
        top: The copy of the repository's working tree; gone when the block that it was made for is left.
        root: The project in it.
        original: The working tree that it is a copy of.
    """

    top: Path
    root: Path
    original: Path


class LastGreen:
    """Keeps the last green source of one project. What fails is logged, and never raised.

    Args:
        root: The project's folder, absolute: the top of a git repository, or a folder in one.
        runner: Starts programs.
        clock: Tells how old what was kept is.
        folder: A folder of ours, for this project alone; made when it is missing.
        environ: The user's environment, in which their git is found.
        no_source: Patterns of names, in small letters, that are no source and in no diff.
    """

    def __init__(
        self,
        root: Path,
        *,
        runner: ProcessRunner,
        clock: Clock,
        folder: Path,
        environ: Mapping[str, str],
        no_source: Sequence[str] = (),
    ) -> None:
        self._root = root
        self._runner = runner
        self._clock = clock
        self._folder = folder
        self._environ = environ
        self._excluded = (*_NO_SOURCE, *no_source)
        self._hidden = (*SECRET_NAMES, *no_source)
        self._is_hopeless = False

    async def keep(self, *, began: float, wrote: Collection[str] = ()) -> str | None:
        """Keep the project's source as it is now, all of it that git tracks or does not ignore.

        Args:
            began: When the run began that found it green, in wall-clock seconds. Nothing is kept if a file changed
                since, as that change was not tested.
            wrote: Files that the tests wrote in that run, relative to the root; their change is no such change.

        Returns:
            The id of the git tree; None when there is no repository, no git, or it cannot be kept.
        """
        if self._is_hopeless or not await asyncio.to_thread(lambda: Repository(str(self._root)).found):
            return None
        words = {
            "root": str(self._root),
            "began": began,
            "wrote": sorted(wrote)[:WROTE_CAP],
            "excluded": self._excluded,
        }
        try:
            async with asyncio.timeout(KEEP_S):
                answer = await self._ask("keep", words)
        except TimeoutError:
            answer = {"why": f"it takes longer than {KEEP_S:g} s", "lasting": True}
        if "tree" not in answer:
            self._is_hopeless = bool(answer.get("lasting"))
            _log.info("the green source is not kept", project=str(self._root), why=answer.get("why", ""))
            return None
        return str(answer["tree"])

    async def check_out(self, target: Path) -> Copy | None:
        """Write what was kept into an empty folder.

        Returns:
            The copy; None when nothing is kept, it is too old, or it cannot be written.
        """
        kept = await asyncio.to_thread(self._kept)
        if not kept:
            return None
        try:
            async with asyncio.timeout(CHECK_OUT_S):
                answer = await self._ask("restore", {"target": str(target), "tree": kept["tree"]})
        except TimeoutError:
            answer = {"why": f"it takes longer than {CHECK_OUT_S:g} s"}
        if "tree" not in answer:
            _log.info("the green source cannot be written", project=str(self._root), why=answer.get("why", ""))
            return None
        top = await asyncio.to_thread(target.resolve)
        return Copy(top, top / kept["prefix"], Path(kept["top"]))

    @asynccontextmanager
    async def copy(self) -> AsyncIterator[Copy | None]:
        """Write what was kept into a temporary folder, which is removed on leaving; None as for `check_out`."""
        target = await asyncio.to_thread(self._new_copy)
        if target is None:
            yield None
            return
        try:
            yield await self.check_out(target)
        finally:
            await asyncio.shield(asyncio.to_thread(sourcetree.remove, target))

    async def diff(self) -> SourceDiff:
        """Tell how the project's source differs from the last green one, or where there is none, from the last commit.

        Files that hold secrets by their name (`.env`, `*.pem`, `credentials*` and the like: app.domain.secretfiles)
        are left out, since a diff may be sent to a model. What the tests themselves wrote since may show.

        Returns:
            The difference; one without a base when there is no repository, no git, or it takes longer than DIFF_S.
        """
        if not await asyncio.to_thread(lambda: Repository(str(self._root)).found):
            return SourceDiff()
        kept = await asyncio.to_thread(self._kept)
        words = {"root": str(self._root), "kept": kept, "excluded": self._excluded, "secret": self._hidden}
        try:
            async with asyncio.timeout(DIFF_S):
                answer = await self._ask("diff", words)
        except TimeoutError:
            answer = {"why": f"it takes longer than {DIFF_S:g} s"}
        if "text" not in answer:
            _log.info("the source cannot be compared", project=str(self._root), why=answer.get("why", ""))
            return SourceDiff()
        at = None if answer["at"] is None else float(answer["at"])
        base = "the last commit"
        if answer["base"] == "green" and at is not None:
            base = f"the last green source, {wording.ago(self._clock.wall() - at)}"
        return SourceDiff(base, str(answer["text"]), bool(answer["is_cut"]), at)

    def _kept(self) -> dict[str, Any]:
        kept = sourcetree.kept_in(self._folder)
        is_stale = bool(kept) and self._clock.wall() - float(kept["at"]) > STALE_S
        return {} if is_stale else kept

    def _new_copy(self) -> Path | None:
        if not self._kept():
            return None
        copies = self._folder / _COPIES
        try:
            copies.mkdir(parents=True, exist_ok=True)
            for left in copies.iterdir():
                if self._clock.wall() - left.stat().st_mtime > ABANDONED_S:
                    sourcetree.remove(left)
            return Path(tempfile.mkdtemp(dir=copies))
        except OSError as error:
            _log.info("no copy can be made", project=str(self._root), why=str(error))
            return None

    async def _ask(self, what: str, words: Mapping[str, object]) -> dict[str, Any]:
        words = {**words, "folder": str(self._folder)}
        program = (sourcediff.__file__,) if what == "diff" else (sourcetree.__file__, what)
        argv = [sys.executable, "-I", "-S", *program, json.dumps(words)]
        try:
            async with self._runner.start(argv, cwd=self._root, env=self._environ) as process:
                answer: dict[str, Any] = {}
                async for line in process.lines():
                    with suppress(ValueError):
                        answer = dict(json.loads(line))
                ended = await process.wait()
        except (CannotError, ProjectError) as error:
            return {"why": str(error)}
        return answer or {"why": ended.output.decode("utf-8", "replace")[-500:] or f"it ended with {ended.code}"}


def drop_stale(folders: Path, *, now: float) -> int:
    """Remove what was kept of projects that have not been green for long. Blocks: call it in a thread.

    Args:
        folders: The folder that holds those of the projects.
        now: Wall-clock seconds.

    Returns:
        How many were removed.
    """
    dropped = 0
    with suppress(OSError):
        for folder in folders.iterdir():
            kept = sourcetree.kept_in(folder)
            if kept and now - float(kept["at"]) > STALE_S:
                sourcetree.remove(folder)
                dropped += 1
    return dropped
