"""Tells how a project's source differs from when it was last green: a program for a process of its own.

    python -I -S sourcediff.py WORDS          WORDS: one JSON document, what `diff` takes

It compares with what `sourcetree` kept, or with the last commit where nothing was kept. The user's git is asked for the
names of files and where its parts lie; the comparing is done in a repository of ours, in which no configuration of
theirs holds. So no filter, no text conversion, no difference program and no monitor of theirs is run, nothing of theirs
is written, and no object that is missing is fetched. New objects go into a folder that is removed at the end.

A diff may be shown to a language model, so files that hold secrets by their name are left out: WORDS tell which.

One line of JSON goes where `sourcetree` writes its own: the answer, or `{"why": ...}`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

TYPE_CHECKING = False  # typing costs a third of the start
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Any

if TYPE_CHECKING or __package__:
    from app.agents.testing.afterwards import sourcetree
else:  # a program of its own, isolated: its neighbour lies beside it
    sys.path.append(str(Path(__file__).parent))
    import sourcetree

CAP = 1 << 20
"""Bytes of a whole diff."""
FILE_CAP = 192 << 10
"""Bytes of one file's part, so that one generated file does not push out all others."""
READ_CAP = 16 << 20
"""Bytes of git's answer that are looked at."""
_OPTIONS = (
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--ignore-submodules=all",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=3",
)
_PLAIN_NAMES = ("-c", "core.quotePath=false")
_LARGEST = ("-c", "core.bigFileThreshold=4m")
"""A larger file is named only, as a binary one is."""
_COMMITTED = re.compile(rb"^committer .* (\d+) [+-]\d+$", re.MULTILINE)
_FILES = re.compile(rb"^(?=diff --git )", re.MULTILINE)
_HUNKS = re.compile(rb"^(?=@@ )", re.MULTILINE)
_ABANDONED_S = 3600.0


def diff(
    root: Path, folder: Path, *, kept: dict[str, Any], excluded: Iterable[str], secret: Collection[str]
) -> dict[str, Any]:
    """Compare the project at `root` as it is now with what it was.

    Args:
        root: The project's folder.
        folder: The folder that `sourcetree.keep` was given; made when it is missing.
        kept: What `sourcetree.kept_in` returned; empty to compare with the last commit.
        excluded: As for `sourcetree.keep`.
        secret: Names of files and folders that are left out, in small letters, with `*` and `?` as in a shell.

    Returns:
        base, `green` or `commit`; at, when that was; text, a unified diff with paths relative to the root; is_cut.

    Raises:
        CannotKeep: There is no repository or no git, or nothing was ever committed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _scratch(folder) as scratch:
        if kept:
            with suppress(sourcetree.CannotKeep):
                return _since_green(root, folder, scratch / "green", kept=kept, excluded=excluded, secret=secret)
        return _since_commit(root, folder, scratch / "commit", excluded, secret)


def _since_green(
    root: Path,
    folder: Path,
    scratch: Path,
    *,
    kept: dict[str, Any],
    excluded: Iterable[str],
    secret: Collection[str],
) -> dict[str, Any]:
    found = sourcetree.find(root, excluded)
    if (str(found.top), found.prefix) != (kept["top"], kept["prefix"]):
        raise sourcetree.CannotKeep("the repository is another one now")
    hidden = _pattern(secret)
    names = tuple(name for name in sourcetree.sources(found, folder) if not hidden.search(name.lower()))
    objects = scratch / "objects"
    _borrow(objects, folder / "store" / "objects")
    store = sourcetree.Store(folder, found.top, objects)
    try:
        store.prepare()
        tree = store.write(names)
        said = store.read(
            READ_CAP, *_PLAIN_NAMES, *_LARGEST, *_OPTIONS, kept["tree"], tree, *_below(found.prefix, secret)
        )
    finally:
        store.close()
    return {"base": "green", "at": kept["at"], **_cut(*said)}


def _since_commit(
    root: Path, folder: Path, scratch: Path, excluded: Iterable[str], secret: Collection[str]
) -> dict[str, Any]:
    found = sourcetree.find_untracked(root, excluded)
    commit = sourcetree.ask_git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode("ascii").strip()
    where = os.fsdecode(sourcetree.ask_git(root, "rev-parse", "--git-path", "index", "--git-path", "objects"))
    index, objects = (root / path for path in where.split("\n")[:2])
    scratch.mkdir()
    with suppress(FileNotFoundError):
        # A copy of the user's index, with its time: it knows which files are as they were committed.
        shutil.copy2(index, scratch / "index")
    store = sourcetree.Store(scratch, found.top)
    store.prepare("sha256" if len(commit) == 64 else "")  # noqa: PLR2004 - hexadecimal digits
    _borrow(scratch / "store" / "objects", objects)
    for shared in index.parent.glob("sharedindex.*"):
        shutil.copy2(shared, scratch / "store")
    hidden = _pattern(secret)
    store.add(name for name in sourcetree.sources(found, folder) if not hidden.search(name.lower()))
    committed = _COMMITTED.search(store.git("cat-file", "commit", commit))
    options = (*_OPTIONS, "--ignore-cr-at-eol")  # what is committed may have had its line ends converted
    said = store.read(READ_CAP, *_PLAIN_NAMES, *_LARGEST, *options, commit, *_below(found.prefix, secret))
    return {"base": "commit", "at": float(committed[1]) if committed else None, **_cut(*said)}


def _below(prefix: str, secret: Collection[str]) -> tuple[str, ...]:
    """Return git's words for: only what lies here, and no secret."""
    names = (pattern for name in secret for pattern in (f"**/{name}", f"**/{name}/**"))
    within = (f"--relative={prefix}",) if prefix else ()
    return (*within, "--", f":(top,literal){prefix}", *(f":(top,exclude,glob,icase){pattern}" for pattern in names))


def _pattern(names: Collection[str]) -> re.Pattern[str]:
    """Return what finds a secret file's name, or that of a folder above it, in a path in small letters."""
    globs = (re.escape(name).replace(re.escape("*"), "[^/]*").replace(re.escape("?"), "[^/]") for name in names)
    return re.compile(rf"(?:^|/)(?:{'|'.join(globs)})(?:/|\Z)")


def _borrow(objects: Path, others: Path) -> None:
    """Let a folder of objects stand before another one, which is only read."""
    (objects / "info").mkdir(parents=True, exist_ok=True)
    (objects / "info" / "alternates").write_bytes(os.fsencode(os.path.realpath(others)) + b"\n")


def _cut(said: bytes, is_whole: bool) -> dict[str, Any]:  # noqa: FBT001 - the halves of an answer
    """Return a diff's text within the caps, cut at whole hunks and files, and whether it was cut."""
    files = [file for file in _FILES.split(said) if file.startswith(b"diff ")]
    room = CAP
    kept: list[bytes] = []
    is_cut = not is_whole
    for number, file in enumerate(files, 1):
        head, *hunks = _HUNKS.split(file)
        if number == len(files) and not is_whole:
            # Where git was stopped, what comes last is not whole.
            fits = _fitting(head, hunks[:-1], min(room, FILE_CAP)) if len(hunks) > 1 else b""
        else:
            fits = _fitting(head, hunks, min(room, FILE_CAP))
            is_cut = is_cut or fits != file
        room -= len(fits)
        kept.append(fits)
    return {"text": b"".join(kept).decode("utf-8", "replace"), "is_cut": is_cut}


def _fitting(head: bytes, hunks: list[bytes], room: int) -> bytes:
    fits = head
    for hunk in hunks:
        if len(fits) + len(hunk) > room:
            break
        fits += hunk
    is_hollow = bool(hunks) and fits == head
    return b"" if is_hollow or len(fits) > room else fits


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a folder that is gone afterwards, and remove what killed processes left of theirs."""
    scratch = folder / f"diff.{os.getpid()}"
    sourcetree.remove(scratch)
    scratch.mkdir()
    try:
        now = scratch.stat().st_mtime
        for left in folder.glob("diff.*"):
            if now - left.stat().st_mtime > _ABANDONED_S:
                sourcetree.remove(left)
        yield scratch
    finally:
        sourcetree.remove(scratch)


def main(words: dict[str, Any]) -> None:
    """Compare, and tell what it came to."""
    sourcetree.yield_to_others()
    try:
        root, folder = Path(words["root"]), Path(words["folder"])
        answer = diff(root, folder, kept=words["kept"], excluded=words["excluded"], secret=words["secret"])
    except (sourcetree.CannotKeep, OSError, ValueError) as error:
        answer = {"why": str(error)}
    sourcetree.tell(answer)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
