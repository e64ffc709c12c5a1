"""What declares work finished."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.memory import Memory
from app.agents.auditing.settings import AuditSettings
from app.agents.auditing.triggers import CommitLook, MarkerLook, crossed, is_due, is_quiet
from app.domain.findings import Trigger, TriggerKind
from tests.agents.auditing.conftest import Repository

if TYPE_CHECKING:
    from pathlib import Path


def at(moment: str, day: str = "2026-11-29") -> float:
    """Return a local time of a day as wall-clock time."""
    return time.mktime(time.strptime(f"{day} {moment}", "%Y-%m-%d %H:%M"))


@pytest.fixture
def empty(tmp_path: Path) -> Repository:
    """Return a repository without a commit."""
    made = Repository(tmp_path)
    made.git("init", "-q", "-b", "main")
    return made


def test_the_first_commit_of_a_project_may_be_a_milestone(empty: Repository) -> None:
    """A repository without a commit is looked at, and nothing of it is missed later; git is not asked in vain."""
    look, memory = CommitLook(empty.root), Memory(looked=True)

    before = look.look(memory, AuditSettings())
    empty.write("a.py", "a = 1\n")
    empty.commit("All of it [CHECKPOINT]")
    found = look.look(memory, AuditSettings())

    assert before == ()
    assert found == (Trigger(TriggerKind.COMMIT, "All of it [CHECKPOINT]"),)
    assert look.look(memory, AuditSettings()) == ()


def test_a_worktree_has_its_own_commits(repository: Repository, tmp_path: Path) -> None:
    """Where `.git` is a file, a commit is seen as well; also from a folder below the top."""
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    tree = Repository(tmp_path / "tree")
    tree.write("part/a.py", "a = 1\n")
    look, memory = CommitLook(tree.root / "part"), Memory()
    look.look(memory, AuditSettings())
    memory.looked = True

    tree.commit("[MILESTONE] Part")

    assert look.look(memory, AuditSettings()) == (Trigger(TriggerKind.COMMIT, "[MILESTONE] Part"),)


def test_a_history_that_was_written_anew_is_no_news(repository: Repository) -> None:
    """The commit of before is gone: what is new cannot be told, and nothing is made up."""
    look, memory = CommitLook(repository.root), Memory(looked=True, commit="1" * 40)

    assert look.look(memory, AuditSettings(milestones=("First",))) == ()
    assert memory.commit == repository.git("rev-parse", "HEAD").strip()


def test_without_a_repository_there_are_no_commits(tmp_path: Path) -> None:
    """A folder without git is as good as any."""
    assert CommitLook(tmp_path).look(Memory(looked=True), AuditSettings()) == ()


def test_markers_are_found_by_name_and_told_apart_by_content(tmp_path: Path) -> None:
    """In folders of the project, three deep; not in ignored ones, and no answer is a marker."""
    for path in (
        "PHASE_1.md",
        "a/b/c/TASK_COMPLETE.md",
        "a/b/c/d/PHASE_2.md",
        "node_modules/PHASE_3.md",
        "PHASE_1.audit.md",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("Done.", encoding="utf-8")
    look = MarkerLook(tmp_path)

    first = look.look(AuditSettings().markers)
    (tmp_path / "PHASE_1.md").write_text("Done, again.", encoding="utf-8")
    second = look.look(AuditSettings().markers)

    assert {each.path for each in first} == {"PHASE_1.md", "a/b/c/TASK_COMPLETE.md"}
    assert len({each.digest for each in first}) == 2
    assert [each.path for each in second if each not in first] == ["PHASE_1.md"]


@pytest.mark.parametrize(
    ("before", "now", "threshold", "is_crossed"),
    [(79, 80, 80, True), (80, 79.9, 80, True), (70, 75, 80, False), (-1, 90, 80, False), (10, 90, 0, False)],
)
def test_a_threshold_is_crossed_in_either_direction(
    before: float, now: float, threshold: float, *, is_crossed: bool
) -> None:
    """The first measurement crosses nothing; 0 is no threshold."""
    assert crossed(before, now, threshold) is is_crossed


@pytest.mark.parametrize(
    ("last", "now", "is_time"),
    [
        (0.0, at("18:29"), False),
        (0.0, at("18:30"), True),
        (at("18:31"), at("23:00"), False),
        (at("18:31", "2026-11-28"), at("23:00"), True),
        (at("09:00"), at("18:30"), True),
    ],
)
def test_a_day_has_one_audit(last: float, now: float, *, is_time: bool) -> None:
    """At its hour, or later on the same day when the computer slept then; never twice."""
    assert is_due("18:30", last, now) is is_time
    assert not is_due("", last, now)


@pytest.mark.parametrize(
    ("since", "until", "now", "quiet"),
    [
        ("22:00", "7:00", "23:59", True),
        ("22:00", "7:00", "06:59", True),
        ("22:00", "7:00", "07:00", False),
        ("9:00", "17:00", "12:00", True),
        ("9:00", "17:00", "08:59", False),
        ("", "17:00", "12:00", False),
        ("9:00", "9:00", "12:00", False),
    ],
)
def test_quiet_hours_may_go_over_midnight(since: str, until: str, now: str, *, quiet: bool) -> None:
    """From the first minute on, until before the last."""
    assert is_quiet(since, until, at(now)) is quiet
