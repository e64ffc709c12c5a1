"""Keeps and restores the source of a project, in a git store of our own: a program for a process of its own.

    python -I -S sourcetree.py keep|restore WORDS          WORDS: one JSON document, see `keep` and `restore`

Of the user's repository only `git ls-files` is asked, with its file system monitor off: it says which files are source
(tracked, or not ignored), takes no lock and writes nothing. Everything else happens in a repository of ours, whose
index remembers what it has read, so that keeping again costs a look at each file. No configuration of the user holds
there, so no hook, no filter and no monitor of theirs is run; and its `info/attributes`, which outranks every
.gitattributes, turns conversions off, so that files come back byte for byte, Git LFS' among them. Submodules and other
repositories inside are left out.

One line of JSON goes into the descriptor (on Windows: the handle) that WATCHKEEPER_RESULTS_FD names: the answer, or
`{"why": ..., "lasting": ...}`, where the latter says that there is no use in trying again.
"""

# ruff: noqa: PLC0415 - what one system alone needs is imported there
from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TYPE_CHECKING = False  # typing costs a third of the start
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Any

LARGEST_FILE = 16 << 20
"""Bytes; a larger file is left out."""
LARGEST_SOURCE = 256 << 20
"""Bytes of all files together; a larger project is not kept."""
MOST_FILES = 30_000
PRUNE_EVERY = 50
"""So many states may pile up in the store before what the last one does not need is removed."""
ABANDONED_S = 3600.0
"""An index of a process that was killed is removed after this time."""
LAG_S = 0.01
"""A file's time may lag behind the clock by a tick of the kernel's, 10 ms at most (CLOCK_REALTIME_COARSE)."""

_PLAIN = b"* -text -eol -crlf -ident -filter -working-tree-encoding\n"
_KEPT = "kept.json"
QUIET = ("-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false")
_OWN = (*QUIET, "-c", "core.fsync=none", "-c", "core.compression=1", "-c", "core.longpaths=true", "-c", "gc.auto=0")
_PASSED_ON = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES")


class CannotKeep(Exception):
    """It cannot be done; the message says why."""


class TooLarge(CannotKeep):
    """The project is larger than what is kept, and will be so next time."""


@dataclass(frozen=True)
class Found:
    """A repository: the top of its working tree, the project's place there (`sub/`, or empty), the names of files."""

    top: Path
    prefix: str
    names: tuple[str, ...]


class Store:
    """A repository of ours, whose working tree is wherever it is told.

    Args:
        folder: Where it lies; made when it is missing.
        tree: The working tree.
        objects: A folder that takes new objects in place of the repository's own; None for those.
    """

    def __init__(self, folder: Path, tree: Path, objects: Path | None = None) -> None:
        self._folder = folder
        self._index = folder / f"index.{os.getpid()}"
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_DIR": str(folder / "store"),
            "GIT_WORK_TREE": str(tree),
            "GIT_INDEX_FILE": str(self._index),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "HOME": str(folder),  # before git 2.32 the user's configuration is found by these two alone
            "XDG_CONFIG_HOME": str(folder),
            "LC_ALL": "C",
        }
        if "GIT_EXEC_PATH" in os.environ:
            self._env["GIT_EXEC_PATH"] = os.environ["GIT_EXEC_PATH"]
        if objects is not None:
            self._env["GIT_OBJECT_DIRECTORY"] = str(objects)
        self._tree = tree

    def git(self, *arguments: str, content: bytes = b"") -> bytes:
        """Run git in this repository."""
        return run_git(self._tree, self._env, (*_OWN, *arguments), content)

    def read(self, limit: int, *arguments: str) -> tuple[bytes, bool]:
        """Run git in this repository, and return the first bytes of what it says, and whether that is all.

        Raises:
            CannotKeep: It failed before it said that much.
        """
        words = ("git", *_OWN, *arguments)
        with _started(self._tree, self._env, words) as process:
            said = process.stdout.read(limit) if process.stdout else b""
            if len(said) == limit:
                process.kill()
                return said, False
        if process.returncode:
            raise CannotKeep(f"git {arguments[0]} ended with {process.returncode}")
        return said, True

    def prepare(self, object_format: str = "") -> None:
        """Make the repository if it is not there, and take the index that the last one left.

        Args:
            object_format: How it names its objects, `sha256`; empty for git's own choice.
        """
        attributes = self._folder / "store" / "info" / "attributes"
        if not attributes.is_file():
            self.git("init", "--quiet", "--template=", *([f"--object-format={object_format}"] if object_format else []))
            attributes.parent.mkdir(exist_ok=True)
            attributes.write_bytes(_PLAIN)
        with suppress(FileNotFoundError):
            # With its time: git looks anew at files that are not older than the index that knows them.
            shutil.copy2(self._folder / "index", self._index)

    def write(self, names: tuple[str, ...]) -> str:
        """Store these files of the working tree and nothing else; returns the tree's id."""
        gone = set(_names(self.git("ls-files", "-z"))).difference(names)
        if gone:
            self.git("update-index", "-z", "--force-remove", "--stdin", content=_joined(gone))
        self.add(names)
        return self.git("write-tree").decode("ascii").strip()

    def add(self, names: Iterable[str]) -> None:
        """Take these files of the working tree into the index."""
        self.git("update-index", "--add", "--remove", "-z", "--stdin", content=_joined(names))

    def settle(self) -> None:
        """Leave the index for the next one."""
        self._index.replace(self._folder / "index")

    def close(self) -> None:
        """Remove the index of this process."""
        for name in (self._index, self._index.with_name(self._index.name + ".lock")):
            with suppress(OSError):
                name.unlink()


def keep(root: Path, folder: Path, *, began: float, wrote: Collection[str], excluded: Iterable[str]) -> dict[str, Any]:
    """Store the source of the project at `root`.

    Args:
        root: The project's folder.
        folder: A folder of ours.
        began: When the run began that found it green, in seconds since the epoch: what changed since is unproven.
        wrote: Files that the tests themselves wrote in that run, relative to the root.
        excluded: Patterns of files that are no source although git does not ignore them.

    Returns:
        tree, top, prefix, and at: when it was found green.

    Raises:
        CannotKeep: There is no repository, it is too large, or a file changed since.
    """
    found = find(root, excluded)
    names = tuple(sources(found, folder))
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    store = Store(folder, found.top)
    try:
        store.prepare()
        tree = store.write(names)
        exempt = {found.prefix + path for path in wrote}
        changed = next(
            (name for name in names if name not in exempt and _changed(found.top / name) > began - LAG_S), None
        )
        if changed is not None:
            raise CannotKeep(f"{changed} changed since the run began")
        before = kept_in(folder)
        keeps = before.get("keeps", 0) + (before.get("tree") != tree)
        if keeps >= PRUNE_EVERY:
            store.git("prune", "--expire=now", tree)
            keeps = 0
        store.settle()
    finally:
        store.close()
    kept = {"tree": tree, "top": str(found.top), "prefix": found.prefix, "at": began, "keeps": keeps}
    temporary = folder / f"{_KEPT}.{os.getpid()}"
    temporary.write_text(json.dumps(kept), "utf-8")
    temporary.replace(folder / _KEPT)
    return kept


def restore(folder: Path, target: Path, tree: str) -> dict[str, Any]:
    """Write a stored tree into an empty folder.

    Raises:
        CannotKeep: The store does not have it, or the disk refuses.
    """
    store = Store(folder, target)
    try:
        store.git("read-tree", tree)
        store.git("checkout-index", "--all", "--quiet")
    finally:
        store.close()
    return {"tree": tree}


def kept_in(folder: Path) -> dict[str, Any]:
    """Return what was kept last, as `keep` returned it; empty when there is nothing."""
    try:
        kept = json.loads((folder / _KEPT).read_text("utf-8"))
        texts = {name: str(kept[name]) for name in ("tree", "top", "prefix")}
        return {**texts, "at": float(kept["at"]), "keeps": int(kept["keeps"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def find(root: Path, excluded: Iterable[str]) -> Found:
    """Ask the user's git for the files around `root`: all that are tracked, and below it those that are not ignored.

    Args:
        root: The project's folder.
        excluded: More patterns of what is ignored.

    Raises:
        CannotKeep: There is no repository, or no git.
    """
    untracked = find_untracked(root, excluded)
    tracked = _names(ask_git(untracked.top, "ls-files", "-z", "--cached"))
    names = _without_environments([*tracked, *untracked.names])
    if len(names) > MOST_FILES:
        raise TooLarge(f"the repository has more than {MOST_FILES} files")
    return Found(untracked.top, untracked.prefix, names)


def find_untracked(root: Path, excluded: Iterable[str]) -> Found:
    """Ask the user's git for the files below `root` that are neither tracked nor ignored; else as `find`."""
    where = os.fsdecode(ask_git(root, "rev-parse", "--show-toplevel", "--show-prefix")).split("\n")
    if len(where) != 3 or not where[0]:  # noqa: PLR2004 - two lines, and what follows the last newline
        raise CannotKeep("the repository's path cannot be read")
    patterns = (f"--exclude={pattern}" for pattern in excluded)
    others = _names(ask_git(root, "ls-files", "-z", "--others", "--full-name", "--exclude-standard", *patterns))
    names = _without_environments(others)
    if len(names) > MOST_FILES:
        raise TooLarge(f"the repository has more than {MOST_FILES} files that git does not know")
    return Found(Path(where[0]), where[1], names)


def ask_git(folder: Path, *arguments: str) -> bytes:
    """Ask the user's git, which takes no lock and runs no monitor. Raises CannotKeep when it has no answer."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_") or _is_passed_on(name)},
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
    return run_git(folder, env, (*QUIET, *arguments))


def _without_environments(names: list[str]) -> tuple[str, ...]:
    """Return the names once each, without bytecode and what lies in virtual environments (PEP 405) or conda's."""
    marks = {name.rpartition("/")[0] for name in names if name.endswith("/pyvenv.cfg")}
    marks |= {name.partition("/conda-meta/")[0] for name in names if "/conda-meta/" in name}
    within = tuple(mark + "/" for mark in marks)
    kept = (name for name in names if not name.startswith(within) and not name.endswith((".pyc", ".pyo")))
    return tuple(dict.fromkeys(kept))


def sources(found: Found, own: Path) -> Iterator[str]:
    """Yield the files that are source, as git names them, without those in `own`, a folder of ours.

    Raises:
        TooLarge: They are too large together.
    """
    plain: dict[str, bool] = {"": True}
    total = 0
    own_prefix = _below(own, found.top)
    for name in found.names:
        if (own_prefix and name.startswith(own_prefix)) or not _is_plain(found.top, name.rpartition("/")[0], plain):
            continue
        path = found.top / name
        try:
            seen = path.lstat()
        except (OSError, ValueError):
            continue
        is_file = stat.S_ISREG(seen.st_mode) and seen.st_size <= LARGEST_FILE and os.access(path, os.R_OK)
        if is_file or stat.S_ISLNK(seen.st_mode):
            total += seen.st_size
            if total > LARGEST_SOURCE:
                raise TooLarge(f"the repository's files are larger than {LARGEST_SOURCE >> 20} MiB")
            yield name


def _is_plain(top: Path, folder: str, known: dict[str, bool]) -> bool:
    """Return whether no part of a folder's path is a symbolic link, beyond which git keeps nothing."""
    if folder not in known:
        known[folder] = not (top / folder).is_symlink() and _is_plain(top, folder.rpartition("/")[0], known)
    return known[folder]


def _changed(path: Path) -> float:
    """Return when a file changed last. Where there is a time that no program can set back, that one counts."""
    try:
        seen = path.lstat()
    except (OSError, ValueError):
        return float("inf")  # it is gone since
    return seen.st_mtime if sys.platform == "win32" else seen.st_ctime


def _below(inner: Path, outer: Path) -> str:
    """Return the path from `outer` to `inner` as git writes it, a slash at its end; empty when it lies elsewhere."""
    try:
        return Path(os.path.realpath(inner)).relative_to(os.path.realpath(outer)).as_posix() + "/"
    except ValueError:
        return ""


def remove(folder: Path) -> None:
    """Remove a folder as far as that can be done; git's objects are read-only, which Windows minds."""

    def again(_function: object, path: str, _error: object) -> None:
        with suppress(OSError):
            Path(path).chmod(stat.S_IRWXU)
            Path(path).unlink()

    shutil.rmtree(folder, onerror=again)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left behind."""
    for path in (*folder.glob("index.*"), *folder.glob(f"{_KEPT}.*")):
        with suppress(OSError):
            newest = (folder / "index").stat().st_mtime if (folder / "index").exists() else 0.0
            if newest - path.stat().st_mtime > ABANDONED_S:
                path.unlink()


def _is_passed_on(name: str) -> bool:
    return name.startswith(_PASSED_ON)


def _names(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name and not name.endswith(b"/")]


def _joined(names: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\0" for name in names)


@contextmanager
def _started(folder: Path, env: dict[str, str], words: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    try:
        process = subprocess.Popen(words, cwd=folder, env=env, stdin=nowhere, stdout=pipe, stderr=nowhere)  # noqa: S603 - fixed words
    except (OSError, ValueError) as error:
        raise CannotKeep(f"git cannot be run: {error}") from error
    with process:
        yield process


def run_git(folder: Path, env: dict[str, str], arguments: tuple[str, ...], content: bytes = b"") -> bytes:
    """Run git, and return what it says. Raises CannotKeep when it cannot be run, or fails."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words; names go through stdin
            ["git", *arguments],  # noqa: S607 - the user's own git, as their PATH has it
            cwd=folder,
            env=env,
            input=content,
            capture_output=True,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise CannotKeep(f"git cannot be run: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise CannotKeep(f"git {' '.join(arguments[-3:])} ended with {done.returncode}: {said}")
    return done.stdout


def yield_to_others() -> None:
    """Take the lowest priority that still gets on."""
    if sys.platform == "win32":
        import ctypes

        below_normal = 0x4000
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), below_normal)
    else:
        os.nice(10)


def tell(answer: dict[str, Any]) -> None:
    """Write the answer into the channel that is meant for it."""
    channel = int(os.environ.pop("WATCHKEEPER_RESULTS_FD"))
    if sys.platform == "win32":
        import msvcrt

        channel = msvcrt.open_osfhandle(channel, os.O_WRONLY | os.O_BINARY)
    with os.fdopen(channel, "wb") as results:
        results.write(json.dumps(answer).encode("ascii") + b"\n")


def main(what: str, words: dict[str, Any]) -> None:
    """Do one thing, and tell what it came to."""
    yield_to_others()
    folder = Path(words["folder"])
    try:
        if what == "keep":
            root, began = Path(words["root"]), float(words["began"])
            answer = keep(root, folder, began=began, wrote=words["wrote"], excluded=words["excluded"])
        else:
            answer = restore(folder, Path(words["target"]), words["tree"])
    except (CannotKeep, OSError) as error:
        answer = {"why": str(error), "lasting": isinstance(error, TooLarge)}
    tell(answer)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
