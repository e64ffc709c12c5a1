"""What editors and tools do to save a file, call by call, on a real folder: one save, one change."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from app.engine.filewatch import ChangeKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODIFIED = ChangeKind.MODIFIED


def vim(path: Path, content: str) -> None:
    """Backup on, backupcopy=no: probe the folder, move the file away, write it anew, delete the backup."""
    probe = path.with_name("4913")
    probe.touch()
    probe.unlink()
    swap = path.with_name(f".{path.name}.swp")
    swap.write_text("b0VIM 9.0", encoding="utf-8")
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    path.write_text(content, encoding="utf-8")
    path.chmod(0o644)
    backup.unlink()
    swap.unlink()


def vim_copy(path: Path, content: str) -> None:
    """backupcopy=yes: copy the file away, write in place, delete the copy."""
    backup = path.with_name(path.name + "~")
    backup.write_bytes(path.read_bytes())
    path.write_text(content, encoding="utf-8")
    backup.unlink()


def vscode(path: Path, content: str) -> None:
    """Write in place, twice at times."""
    path.write_text(content, encoding="utf-8")
    path.write_text(content, encoding="utf-8")


def pycharm(path: Path, content: str) -> None:
    """The safe write: a new file beside, then two renames."""
    new, old = path.with_name(path.name + "___jb_tmp___"), path.with_name(path.name + "___jb_old___")
    new.write_text(content, encoding="utf-8")
    path.rename(old)
    new.rename(path)
    old.unlink()


def emacs(path: Path, content: str) -> None:
    """A lock that is a dangling link, an autosave, the old file kept as a backup."""
    lock = path.with_name(f".#{path.name}")
    lock.symlink_to("someone@somewhere.1234:1700000000")
    autosave = path.with_name(f"#{path.name}#")
    autosave.write_text(content, encoding="utf-8")
    path.rename(path.with_name(path.name + "~"))
    path.write_text(content, encoding="utf-8")
    autosave.unlink()
    lock.unlink()


def sed(path: Path, content: str) -> None:
    """Sed -i: a temporary with a random name, renamed over the file."""
    temporary = path.with_name("sedAb3xYz")
    temporary.write_text(content, encoding="utf-8")
    temporary.rename(path)


def gedit(path: Path, content: str) -> None:
    """GLib's g_file_replace."""
    temporary = path.with_name(".goutputstream-A1B2C3")
    temporary.write_text(content, encoding="utf-8")
    temporary.rename(path)


def atomic_writer(path: Path, content: str) -> None:
    """A hidden temporary in the same folder, as many libraries make it."""
    temporary = path.with_name(f".{path.name}.a1b2c3.tmp")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)


def coding_agent(path: Path, content: str) -> None:
    """Node's write-file-atomic: the process and a time in the name."""
    temporary = path.with_name(f"{path.name}.tmp.4711.1700000000000")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)


def truncating(path: Path, content: str) -> None:
    """Empty the file, close it, then write: two saves in the eyes of the system."""
    with path.open("w", encoding="utf-8"):
        pass
    path.write_text(content, encoding="utf-8")


EDITORS = [vim, vim_copy, vscode, pycharm, emacs, sed, gedit, atomic_writer, coding_agent, truncating]


@pytest.mark.parametrize("save", EDITORS)
async def test_one_save_is_one_change(save: Callable[[Path, str], None], project: Path, watching: Any) -> None:
    """However an editor writes a file, one change to that file is told."""
    async with watching(project) as watched:
        save(project / "pkg" / "n.py", "second = 3\n")

        assert await watched.changes() == [("pkg/n.py", MODIFIED)]


@pytest.mark.parametrize("save", EDITORS)
async def test_a_save_without_a_change_is_no_change(
    save: Callable[[Path, str], None], project: Path, watching: Any
) -> None:
    """Saving what is there already tells nothing."""
    async with watching(project) as watched:
        save(project / "m.py", "first = 1\n")

        assert await watched.changes() == []


async def test_a_touch_is_no_change(project: Path, watching: Any) -> None:
    """New times and new permissions are not new content."""
    async with watching(project) as watched:
        (project / "m.py").touch()
        (project / "m.py").chmod(0o600)
        os.utime(project / "pkg" / "n.py", (1, 1))

        assert await watched.changes() == []


async def test_changed_and_changed_back_is_no_change(project: Path, watching: Any) -> None:
    """What ends as it began within one batch did not change."""
    async with watching(project) as watched:
        (project / "m.py").write_text("first = 2\n", encoding="utf-8")
        (project / "m.py").unlink()
        (project / "new.py").write_text("", encoding="utf-8")
        (project / "new.py").unlink()
        (project / "m.py").write_text("first = 1\n", encoding="utf-8")

        assert await watched.changes() == []


async def test_a_folder_that_is_replaced_by_its_copy_is_no_change(project: Path, watching: Any) -> None:
    """A folder moved away, made anew and filled again is watched on, and what is the same in it is not told."""
    async with watching(project) as watched:
        (project / "pkg").rename(project.parent / "elsewhere")
        (project / "pkg").mkdir()
        (project / "pkg" / "n.py").write_text("second = 2\n", encoding="utf-8")
        assert await watched.changes() == []

        (project / "pkg" / "n.py").write_text("second = 4\n", encoding="utf-8")

        assert await watched.changes() == [("pkg/n.py", MODIFIED)]


async def test_a_folder_that_is_deleted_and_made_anew_is_watched_on(project: Path, watching: Any) -> None:
    """A new folder at the old place counts as new, though file systems like to give it the old inode number."""
    async with watching(project) as watched:
        (project / "pkg" / "n.py").unlink()
        (project / "pkg").rmdir()
        (project / "pkg").mkdir()
        (project / "pkg" / "n.py").write_text("second = 2\n", encoding="utf-8")
        assert await watched.changes() == []

        (project / "pkg" / "n.py").write_text("second = 4\n", encoding="utf-8")

        assert await watched.changes() == [("pkg/n.py", MODIFIED)]


async def test_a_renamed_folder_is_told_file_by_file(project: Path, watching: Any) -> None:
    """A renamed folder's files are deleted at the old place and created at the new, where they are watched on."""
    async with watching(project) as watched:
        (project / "pkg").rename(project / "renamed")
        assert sorted(await watched.changes()) == sorted(
            [("pkg/n.py", ChangeKind.DELETED), ("renamed/n.py", ChangeKind.CREATED)]
        )

        (project / "renamed" / "n.py").write_text("second = 5\n", encoding="utf-8")

        assert await watched.changes() == [("renamed/n.py", MODIFIED)]


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    )


@pytest.fixture
def two_branches(tmp_path: Path) -> Path:
    """Return a repository whose branches differ in 200 files."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for number in range(200):
        (root / f"m{number}.py").write_text("old\n", encoding="utf-8")
    git(root, "add", ".")
    git(root, "commit", "-qm", "old")
    git(root, "checkout", "-qb", "other")
    for number in range(200):
        (root / f"m{number}.py").write_text("new content\n", encoding="utf-8")
    git(root, "commit", "-qam", "new")
    return root


async def test_a_checkout_is_one_batch(two_branches: Path, watching: Any) -> None:
    """A checkout of 200 files is told once, when git has finished."""
    async with watching(two_branches) as watched:
        git(two_branches, "checkout", "-q", "main")

        batch = await watched.next()

    assert {change.path for change in batch.changes} == {f"m{number}.py" for number in range(200)}


@pytest.mark.parametrize("kind", ["repository", "linked worktree"])
async def test_changes_are_held_while_git_holds_its_lock(
    kind: str, two_branches: Path, tmp_path: Path, watching: Any
) -> None:
    """As long as the index is locked, in a linked worktree too, nothing is told; then all of it at once."""
    root, gitdir = two_branches, two_branches / ".git"
    if kind == "linked worktree":
        root = tmp_path / "linked"
        git(two_branches, "worktree", "add", "-q", str(root), "main")
        gitdir = two_branches / ".git" / "worktrees" / "linked"
    lock = gitdir / "index.lock"

    async with watching(root) as watched:
        lock.touch()
        (root / "m1.py").write_text("early", encoding="utf-8")
        await watched.until(lambda: watched.watch._tree.repository._lock is not None)
        (root / "m2.py").write_text("late", encoding="utf-8")
        lock.unlink()

        batch = await watched.next()

    assert [change.path for change in batch.changes] == ["m1.py", "m2.py"]
