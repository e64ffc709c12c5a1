"""What a check may know: the project's files, its git, its tests, and what made the audit begin."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.engine.filewatch.ignore import builtin_ignores
from app.engine.regular import read_regular
from app.engine.windowless import NO_WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes of a file that checks read; larger ones are data."""
GIT_S = 60.0


class GitFailed(Exception):
    """git could not say what it was asked; the text says why."""


@dataclass(frozen=True)
class Context:
    """What a check may know. Only what JSON holds, for it goes to another program.

    Attributes:
        root: The project's root folder.
        since: The commit of the last audit that found nothing left behind; empty when there was none, or without git.
        head: The commit that HEAD is at now; empty without git.
        marker: The path of the marker that made the audit begin, relative to the root with `/`; else empty.
        facts: What Watchkeeper knows, by name. `tests`: a list of objects with `nodeid`, `outcome` (`passed`, `failed`,
            `error`, `skipped`, ...) and `at` (wall-clock seconds), of the last runs; missing when nobody watched.
            `verdict` and `verdict_at`: of the last run. `coverage`: an object with `percent` and `at`.
        options: The check's own settings, `audits.checks.ID` of the settings file.
        cache: A folder of the check's own that outlives the audit.
    """

    root: Path
    since: str = ""
    head: str = ""
    marker: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    cache: Path = field(default_factory=Path)

    def files(self, *patterns: str) -> Iterator[str]:
        """Return the project's files, relative with `/`, sorted: what git knows and what it does not ignore.

        Args:
            patterns: Only those whose name or whole path is like one of these (`*.py`, `src/*.toml`); none for all.
        """
        for path in self._listed:
            name = path.rpartition("/")[2]
            if not patterns or any(fnmatchcase(name, each) or fnmatchcase(path, each) for each in patterns):
                yield path

    def text(self, path: str) -> str:
        """Return a file's text; what is no UTF-8 in it is replaced.

        Raises:
            OSError: It cannot be read, is no regular file, or is larger than `LARGEST_FILE`.
        """
        content = read_regular(self.root / path, LARGEST_FILE)
        if len(content) > LARGEST_FILE:
            raise OSError(errno.EFBIG, f"larger than {LARGEST_FILE >> 20} MiB")
        return content.decode("utf-8-sig", "replace")

    def git(self, *words: str, limit_s: float = GIT_S) -> str:
        """Return what a git command prints. It takes no locks, asks nobody, and runs no hook, filter or pager.

        Raises:
            GitFailed: There is no git, no repository, or the command failed or took too long.
        """
        said = self.git_bytes(*words, limit_s=limit_s)
        return said.decode("utf-8", "replace")

    def git_bytes(self, *words: str, limit_s: float = GIT_S) -> bytes:
        """Return what a git command prints, as `git` does, but as it is."""
        argv = [*reading_git(self.root), *words]
        try:
            done = subprocess.run(  # noqa: S603 - git, with words of our own
                argv,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                env=git_environ(),
                timeout=limit_s,
                check=False,
                creationflags=NO_WINDOW,
            )
        except FileNotFoundError:
            raise GitFailed("git is not installed") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GitFailed(f"git did not answer ({type(error).__name__})") from error
        if done.returncode:
            raise GitFailed(in_words(done.stderr) or f"git {words[0]} failed ({done.returncode})")
        return done.stdout

    @cached_property
    def _listed(self) -> tuple[str, ...]:
        try:
            said = self.git_bytes("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        except GitFailed:
            return tuple(sorted(_walked(self.root)))
        names = {os.fsdecode(name) for name in said.split(b"\0") if name}
        return tuple(sorted(name for name in names if os.path.isfile(self.root / name)))  # noqa: PTH113 - pathlib's raises where a folder may not be entered


def in_words(stderr: bytes) -> str:
    """Return in words for people why git could not do something; empty when it does not say."""
    said = stderr.decode("utf-8", "replace").strip().partition("\n")[0].removeprefix("fatal: ")
    if said.startswith("not a git repository"):
        return "the folder is in no git repository"
    if said.startswith("detected dubious ownership"):
        return "git does not trust the repository, which another user owns; see safe.directory in git's settings"
    return said


def reading_git(root: Path) -> list[str]:
    """Return how git is called that only reads: it takes no locks, asks nobody, fetches nothing, and runs no hook."""
    own = ("core.fsmonitor=false", "core.quotepath=false", f"core.hooksPath={os.devnull}", "protocol.allow=never")
    return [
        "git",
        "--no-pager",
        "--no-optional-locks",
        *(word for each in own for word in ("-c", each)),
        "-C",
        str(root),
    ]


def git_environ() -> dict[str, str]:
    """Return the environment for it: nothing that points it elsewhere, no prompt, and English."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return environ | {
        "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"
    }  # fmt: skip


def _walked(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not builtin_ignores(name, folder=True)]
        for name in names:
            path = Path(folder, name)
            if not builtin_ignores(name, folder=False) and not _is_no_file(path):
                yield path.relative_to(root).as_posix()


def _is_no_file(path: Path) -> bool:
    """Return whether a FIFO, a socket or a device is there: whoever reads it may wait for ever."""
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return False  # whoever reads it says so
    return kind not in (stat.S_IFREG, stat.S_IFLNK)
