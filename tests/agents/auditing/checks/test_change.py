"""What counts as a change since the last audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.checks.change import change_of
from app.agents.auditing.context import Context, GitFailed, in_words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agents.auditing.conftest import Repository


def test_what_audits_write_is_no_change(repository: Repository) -> None:
    """Answers beside markers and the baseline are nobody's work, whether git knows them or not."""
    repository.write("A_COMPLETE.audit.md", "one")
    repository.write("B_COMPLETE.audit.json", "{}")
    repository.commit("Answers")
    since = repository.git("rev-parse", "HEAD").strip()
    repository.write("A_COMPLETE.audit.md", "two")
    (repository.root / "B_COMPLETE.audit.json").unlink()
    repository.write("docs/C_COMPLETE.audit.json", "{}")
    repository.write(".watchkeeper-baseline.json", "{}")
    repository.write("docs/audit.md", "mine")

    change = change_of(Context(repository.root, since=since))

    assert (set(change.was), change.deleted) == ({"docs/audit.md"}, ())


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        (
            b"fatal: not a git repository (or any of the parent directories): .git\n",
            "the folder is in no git repository",
        ),
        (b"fatal: detected dubious ownership in repository at '/srv/x'\nTo add", "git does not trust the repository"),
        (b"fatal: bad object HEAD\n", "bad object HEAD"),
        (b"", ""),
    ],
)
def test_why_git_could_not_is_said_in_words(stderr: bytes, words: str) -> None:
    """Without the word by which git begins, and with what is meant where it is common."""
    said = in_words(stderr)

    assert said.startswith(words)
    assert "fatal" not in said


def test_without_git_what_changed_is_not_known(tmp_path: Path) -> None:
    """It is said in words for people: what git says of itself is nothing to act on."""
    with pytest.raises(GitFailed, match="the folder is in no git repository"):
        change_of(Context(tmp_path))
