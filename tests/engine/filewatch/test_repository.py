"""What git keeps beside the files: where it lies, and when it is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.engine.filewatch.ignore import Patterns
from app.engine.filewatch.repository import LOCK_CEILING_S, REBASE_STILL_S, Repository, read_patterns

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def gitdir(tmp_path: Path) -> Path:
    """Return the git folder of a repository at tmp_path / "project"."""
    gitdir = tmp_path / "project" / ".git"
    gitdir.mkdir(parents=True)
    return gitdir


def test_without_a_repository_nothing_is_ever_busy(tmp_path: Path) -> None:
    """A folder outside any repository has no state to wait for."""
    repository = Repository(str(tmp_path))

    assert not repository.found
    assert not repository.busy(0.0)


def test_a_lock_is_waited_for_but_not_for_ever(gitdir: Path) -> None:
    """An index lock counts until it is gone; one that a dead git left is given up, a new one is not."""
    repository = Repository(str(gitdir.parent))
    lock = gitdir / "index.lock"
    assert not repository.busy(0.0)

    lock.write_text("a", encoding="utf-8")
    assert repository.busy(1.0)
    assert repository.busy(LOCK_CEILING_S)
    assert not repository.busy(1.0 + LOCK_CEILING_S)
    assert not repository.busy(5000.0)

    lock.write_text("longer", encoding="utf-8")
    assert repository.busy(5001.0)
    lock.unlink()
    assert not repository.busy(5002.0)


@pytest.mark.parametrize("kind", ["rebase-merge", "rebase-apply"])
def test_a_rebase_counts_while_it_moves(gitdir: Path, kind: str) -> None:
    """A rebase that stands still, as at a conflict, waits for the person whose saves are wanted."""
    repository = Repository(str(gitdir.parent))
    (gitdir / kind).mkdir()
    assert repository.busy(10.0)
    assert not repository.busy(10.0 + REBASE_STILL_S)

    (gitdir / "HEAD").write_text("moved on", encoding="utf-8")

    assert repository.busy(20.0)


def test_a_linked_worktree_has_its_own_lock_and_shared_rules(tmp_path: Path) -> None:
    """Where .git is a file, the lock lies in the worktree's git folder and info/exclude in the common one."""
    common = tmp_path / "main" / ".git"
    own = common / "worktrees" / "w"
    (common / "info").mkdir(parents=True)
    own.mkdir(parents=True)
    (own / "commondir").write_text("../..\n", encoding="utf-8")
    (common / "info" / "exclude").write_text("*.log\n", encoding="utf-8")
    (tmp_path / "w" / "sub").mkdir(parents=True)
    (tmp_path / "w" / ".git").write_text(f"gitdir: {own}\n", encoding="utf-8")

    repository = Repository(str(tmp_path / "w" / "sub"))
    (own / "index.lock").touch()

    assert repository.busy(0.0)
    assert repository.scope(Patterns([])).ignores("x.log", folder=False)


def test_outer_rules_tell_when_they_change(gitdir: Path) -> None:
    """A change of the rules above the root, or of info/exclude, is noticed."""
    root = gitdir.parent / "sub"
    root.mkdir()
    repository = Repository(str(root))
    before = repository.outer_rules()

    (gitdir.parent / ".gitignore").write_text("*.log\n", encoding="utf-8")

    assert repository.outer_rules() != before


def test_an_ignore_file_that_is_none_has_no_rules(tmp_path: Path) -> None:
    """A missing file, a link and a folder give no patterns; a byte order mark is passed over."""
    (tmp_path / "real").write_bytes(b"\xef\xbb\xbf*.log\r\n\xff\n")
    (tmp_path / "link").symlink_to("real")

    patterns = read_patterns(tmp_path / "real")

    assert patterns is not None
    assert patterns.decide("x.log")
    assert read_patterns(tmp_path / "link") is None
    assert read_patterns(tmp_path) is None
    assert read_patterns(tmp_path / "missing") is None
