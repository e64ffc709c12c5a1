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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from app.ai.answers.fitting import NOT_APPLYING, fit
from app.ai.answers.patches import FilePatch, NoPatch, read_patch
from app.ai.answers.places import NoPlace, resolve
from app.ai.answers.plain import plain
from app.ai.answers.reading import LONGEST_PATCH
from app.domain.analysis import Answer, Evidence
from app.domain.errors import CannotError, ProjectError
from app.engine.regular import read_regular
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.ai.answers.reading import ReadAnswer
    from app.ai.messages import Completion
    from app.engine.processes import ProcessRunner

P = ParamSpec("P")
T = TypeVar("T")

FILES_DEADLINE_S = 5.0
"""How long the project's disk may take, each time it is asked."""
GIT_DEADLINE_S = 10.0
LARGEST_FILE = 8 << 20
"""Bytes: what is larger is no source that a person or a model reads."""

LARGEST_PATCH = 2 * LONGEST_PATCH
"""Bytes of a patch with the context that was added."""

TESTS = "It changes tests."
TEST_SETTINGS = "It changes how tests are run."
RUN_BY_OTHERS = "It changes what a build service or a commit runs."
DELETES = "It deletes a file."

_LONGEST_SOURCE = 300
_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "testing"})
_TEST_SETTINGS = frozenset({"pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "noxfile.py"})
_RUNS_FOLDERS = frozenset({".circleci", ".husky", ".githooks", "hooks", ".hooks", ".buildkite", ".gitea", ".forgejo"})
_RUNS_FILES = frozenset(
    {".gitlab-ci.yml", ".pre-commit-config.yaml", "azure-pipelines.yml", "jenkinsfile", ".travis.yml", "lefthook.yml"}
)


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
    git_deadline_s: float = GIT_DEADLINE_S,
) -> CheckedAnswer:
    """Return what of an answer holds against the project. What cannot be checked is left out, and nothing is raised.

    Takes at most some 25 seconds, when the project's disk or git hangs.

    Args:
        read: The answer.
        root: The project's root folder.
        runner: Starts git.
        environ: Where git is found: its PATH counts.
        git_deadline_s: How long git may take for one look.
    """
    # A pool of its own: what hangs on the project's disk costs this one thread, and nobody waits for it.
    pool = WorkerPool(1, name="answer-check", patience_s=0.0)
    try:
        try:
            evidence = await _within(pool, _existing, read.evidence, root)
        except TimeoutError:
            return CheckedAnswer(patch_note=_not_shown("the project's folder does not answer") if read.patch else "")
        if not read.patch:
            return CheckedAnswer(evidence, patch_note=read.patch_note)
        try:
            patch, note = await _checked_patch(read.patch, root, pool, _Git(runner, environ, git_deadline_s))
        except (NoPatch, NoPlace) as error:
            patch, note = "", _not_shown(str(error))
        except TimeoutError:
            patch, note = "", _not_shown("to check it took too long")
        except OSError as error:
            patch, note = "", _not_shown(f"it could not be checked ({error.strerror or type(error).__name__})")
        return CheckedAnswer(evidence, patch, note)
    finally:
        pool.shutdown(wait=False)


async def _within(pool: WorkerPool, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    async with asyncio.timeout(FILES_DEADLINE_S):
        return await asyncio.wrap_future(pool.submit(fn, *args, **kwargs))


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


async def _checked_patch(text: str, root: Path, pool: WorkerPool, git: _Git) -> tuple[str, str]:
    git.require()
    files = read_patch(text)
    folder = await _within(pool, _private_folder)
    try:
        patch = await _within(pool, _prepared, files, root, folder)
        if await git.takes(folder):
            return patch, _note(files)
    finally:
        pool.submit(shutil.rmtree, folder, ignore_errors=True)
    raise NoPatch(NOT_APPLYING)


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-patch-"))
    (folder / "tree").mkdir()
    return folder


def _prepared(files: list[FilePatch], root: Path, folder: Path) -> str:
    """Copy what a patch touches into `folder/tree`, and return the patch that stands in `folder/patch`."""
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


def _note(files: list[FilePatch]) -> str:
    notes = {
        TESTS: any(_is_test(each.path) for each in files),
        TEST_SETTINGS: any(_name(each.path) in _TEST_SETTINGS for each in files),
        RUN_BY_OTHERS: any(_runs_elsewhere(each.path) for each in files),
        DELETES: any(each.is_deleted for each in files),
    }
    return " ".join(note for note, holds in notes.items() if holds)


def _name(path: str) -> str:
    return PurePosixPath(path.casefold()).name


def _is_test(path: str) -> bool:
    *folders, name = PurePosixPath(path.casefold()).parts
    stem = name.split(".")[0]
    return (
        not _TEST_FOLDERS.isdisjoint(folders)
        or stem in {"conftest", "test", "tests"}
        or stem.startswith("test_")
        or stem.endswith(("_test", "_tests", "_spec"))
        or ".test." in name
        or ".spec." in name
    )


def _runs_elsewhere(path: str) -> bool:
    *folders, name = PurePosixPath(path.casefold()).parts
    return ".github" in folders or not _RUNS_FOLDERS.isdisjoint(folders) or name in _RUNS_FILES
