"""Checking what a model answered against the project: places that exist, and a patch that git would take.

Nothing is applied, and nothing of the project is run. The few files that a patch touches are copied into a private
folder, and `git apply --check` looks at those copies: so neither the project's git settings nor its hooks have a say,
and it works for a project without a repository. It is a check, not a promise: another state of the source may refuse
the patch.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol, TypeVar

from app.ai.answers.fitting import NOT_APPLYING, fit
from app.ai.answers.notes import notes
from app.ai.answers.patches import FilePatch, NoPatch, read_patch
from app.ai.answers.places import NoPlace, resolve
from app.ai.answers.plain import plain
from app.ai.answers.reading import LONGEST_PATCH
from app.domain.analysis import Answer, Evidence
from app.domain.errors import CannotError, ProjectError
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from app.ai.answers.reading import ReadAnswer
    from app.ai.messages import Completion
    from app.engine.processes import ProcessRunner

T = TypeVar("T")

FILES_DEADLINE_S = 5.0
"""How long the project's disk may take, each time it is asked."""
GIT_DEADLINE_S = 10.0
LARGEST_FILE = 8 << 20
"""Bytes: what is larger is no source that a person or a model reads."""

LARGEST_PATCH = 2 * LONGEST_PATCH
"""Bytes of a patch with the context that was added."""

_LONGEST_SOURCE = 300


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """What of an answer holds against the project.

    Attributes:
        evidence: Places that exist, their paths relative to the root, each with its line as `source`.
        patch: A patch that `git apply --check` accepts, made anew from the one that came; else empty.
        patch_note: What to know of it, or why one that came is not there, in sentences; may be empty.
    """

    evidence: tuple[Evidence, ...] = ()
    patch: str = ""
    patch_note: str = ""


class Work(Protocol):
    """Runs what blocks, or reckons for long, away from the loop."""

    def __call__(self, piece: Callable[[], T], /) -> Awaitable[T]:
        """Run a piece of work in a thread, and return its result.

        Raises:
            CannotError: It takes too long.
            TimeoutError: The same.
        """


def to_answer(read: ReadAnswer, checked: CheckedAnswer, completion: Completion, *, at: float) -> Answer:
    """Return an answer as it is kept and shown.

    Args:
        read: What was understood of it.
        checked: What of that holds.
        completion: Who answered, and what it took.
        at: Wall-clock time of its end.
    """
    return Answer(
        at=at,
        provider=completion.provider,
        model=completion.model,
        usage=completion.usage,
        cause=read.cause,
        confidence=read.confidence,
        evidence=checked.evidence,
        next_step=read.next_step,
        patch=checked.patch,
        patch_note=checked.patch_note,
        text=read.text,
    )


async def checked(
    read: ReadAnswer,
    *,
    root: Path,
    runner: ProcessRunner,
    environ: Mapping[str, str],
    work: Work | None = None,
    git_deadline_s: float = GIT_DEADLINE_S,
) -> CheckedAnswer:
    """Return what of an answer holds against the project. What cannot be checked is left out, and nothing is raised.

    Takes at most some 25 seconds, when the project's disk or git hangs, beside the turns that `work` waits for.

    Args:
        read: The answer.
        root: The project's root folder.
        runner: Starts git.
        environ: Where git is found: its PATH counts.
        work: Reads the project's files, twice at most. None for a thread of the loop's own pool.
        git_deadline_s: How long git may take for one look.
    """
    work = work or _in_thread
    try:
        evidence = await work(partial(_existing, read.evidence, root))
    except (TimeoutError, CannotError):
        return CheckedAnswer(patch_note=_not_shown("the project's folder does not answer") if read.patch else "")
    if not read.patch:
        return CheckedAnswer(evidence, patch_note=read.patch_note)
    try:
        patch, note = await _checked_patch(read.patch, root, work, _Git(runner, environ, git_deadline_s))
    except (NoPatch, NoPlace) as error:
        patch, note = "", _not_shown(str(error))
    except (TimeoutError, CannotError):
        patch, note = "", _not_shown("to check it took too long")
    except OSError as error:
        patch, note = "", _not_shown(f"it could not be checked ({error.strerror or type(error).__name__})")
    return CheckedAnswer(evidence, patch, note)


async def _in_thread(piece: Callable[[], T]) -> T:
    async with asyncio.timeout(FILES_DEADLINE_S):
        return await asyncio.to_thread(piece)


def _not_shown(why: str) -> str:
    return f"The patch is not shown: {why}."


def _existing(evidence: tuple[Evidence, ...], root: Path) -> tuple[Evidence, ...]:
    read: dict[PurePosixPath, list[bytes]] = {}
    found: list[Evidence] = []
    for each in evidence:
        with suppress(NoPlace, OSError):
            path = resolve(root, each.path, absolute=True)
            if path not in read:
                content = read_regular(root / path, LARGEST_FILE)
                read[path] = content.split(b"\n")
                if not read[path][-1]:  # what stands behind the last newline is no line
                    read[path].pop()
            if each.line <= len(read[path]):
                source = plain(read[path][each.line - 1].decode("utf-8", "replace")).strip()[:_LONGEST_SOURCE]
                found.append(Evidence(str(path), each.line, each.why, source))
    return tuple(found)


async def _checked_patch(text: str, root: Path, work: Work, git: _Git) -> tuple[str, str]:
    git.require()
    files = read_patch(text)
    copies = _Copies()
    try:
        patch = await work(partial(copies.make, files, root))
        if await git.takes(copies.folder):
            return patch, notes(files)
    finally:
        # shielded, so that also the copies of a check that is cancelled twice go
        await asyncio.shield(_remove(copies))
    raise NoPatch(NOT_APPLYING)


async def _remove(copies: _Copies) -> None:
    with suppress(TimeoutError):
        await _in_thread(copies.remove)


class _Copies:
    """What a patch touches, in a private folder: made in one thread, and removed in another, perhaps meanwhile."""

    def __init__(self) -> None:
        self.folder = Path()
        self._is_made = False
        self._is_over = threading.Event()

    def make(self, files: list[FilePatch], root: Path) -> str:
        """Copy what a patch touches into `folder/tree`, and return the patch that stands in `folder/patch`."""
        self.folder, self._is_made = Path(tempfile.mkdtemp(prefix="watchkeeper-patch-")), True
        try:
            return _prepared(files, root, self.folder)
        finally:
            # whoever comes last leaves nothing: this thread may have hung while nobody waited for it any more
            if self._is_over.is_set():
                self.remove()

    def remove(self) -> None:
        """Remove all of it, now or as soon as the copying has ended."""
        self._is_over.set()
        if self._is_made:
            shutil.rmtree(self.folder, ignore_errors=True)


def _prepared(files: list[FilePatch], root: Path, folder: Path) -> str:
    (folder / "tree").mkdir()
    parts = [fit(each, _copied(each, root, folder / "tree")) for each in files]
    patch = "".join(parts)
    if len(patch.encode()) > LARGEST_PATCH:
        raise NoPatch("it changes very long lines")
    shown = patch.replace("\r\n", "\n")
    if plain(shown) != shown:  # the source around a change is in it as well
        raise NoPatch("it changes lines with characters that cannot be seen")
    (folder / "patch").write_bytes(patch.encode())
    return patch


def _copied(patch: FilePatch, root: Path, tree: Path) -> str | None:
    if patch.is_new:
        _require_free(root, patch.path)
        return None
    found = resolve(root, patch.path, absolute=False)
    if found != PurePosixPath(patch.path):
        raise NoPlace("it touches a link")
    content = read_regular(root / found, LARGEST_FILE)
    if len(content) > LARGEST_FILE or b"\0" in content:
        raise NoPatch("it changes a file that is binary or very large")
    copy = tree / found
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(content)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NoPatch("it changes a file that is not UTF-8") from error


def _require_free(root: Path, path: str) -> None:
    found = resolve(root, path, absolute=False, must_exist=False)
    if found != PurePosixPath(path):
        raise NoPlace("it touches a link")
    if os.path.lexists(root / path):
        raise NoPatch(f"it makes a file that exists, {path}")


class _Git:
    def __init__(self, runner: ProcessRunner, environ: Mapping[str, str], deadline_s: float) -> None:
        self._runner = runner
        self._environ = environ
        self._deadline_s = deadline_s
        self._program = shutil.which("git", path=environ.get("PATH", ""))

    def require(self) -> str:
        # found by a relative PATH it could be a file of the project
        if self._program is None or not Path(self._program).is_absolute():
            raise NoPatch("git was not found, so it could not be checked")
        return self._program

    async def takes(self, folder: Path) -> bool:
        """Tell whether git would apply `folder/patch` to what is in `folder/tree`."""
        argv = [self.require(), "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
        argv += ["apply", "--check", "--whitespace=nowarn", str(folder / "patch")]
        kept = {name: self._environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP", "TMP") if name in self._environ}
        alone = {
            "GIT_CEILING_DIRECTORIES": str(folder),  # a temporary folder may lie in somebody's repository
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                self._runner.start(argv, cwd=folder / "tree", env={**kept, **alone}, output_cap=4096) as process,
            ):
                return (await process.wait()).code == 0
        except (CannotError, ProjectError) as error:
            raise NoPatch("git could not be started, so it could not be checked") from error
