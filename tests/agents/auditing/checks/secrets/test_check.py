"""The check for secrets, over real repositories."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.checks.secrets.check import Secrets
from app.agents.auditing.context import Context
from app.agents.auditing.plugin import NotKnown
from app.domain.findings import Severity
from tests.agents.auditing.checks.secrets.labelled.samples import drawn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agents.auditing.checks.secrets.conftest import Project

TOKEN = drawn("ghp_<a36>", "a test")
OTHER = drawn("glpat-<w20>", "a test")


def test_a_secret_in_a_file_is_found_with_its_place(project: Project) -> None:
    """A finding names the kind, the file, the line, and what to do."""
    project.commit(a__py=f"x = 1\n\nKEY = '{TOKEN}'\n")

    [found], unknown = project.audit(commits=0)

    assert (found.rule, found.path, found.line, found.severity) == ("github-token", "a.py", 3, Severity.CRITICAL)
    assert found.title == "GitHub token in the working tree"
    assert found.evidence == "KEY = 'ghp_********'"
    assert "GitHub" in found.remedy
    assert unknown == []


def test_an_untracked_file_is_looked_at_and_an_ignored_one_is_not(project: Project) -> None:
    """What git ignores is not the project's."""
    project.commit(__gitignore="ignored.py\n")
    project.write("new.py", f"KEY = '{TOKEN}'\n")
    project.write("ignored.py", f"KEY = '{OTHER}'\n")
    project.write(".gitignore", "ignored.py\n")

    found, _ = project.audit()

    assert [each.path for each in found] == ["new.py"]
    assert found[0].commit == ""


def test_a_secret_that_was_removed_is_found_in_its_commit(project: Project) -> None:
    """Taking a secret out of a file does not take it out of the history."""
    project.commit(a__py="x = 1\n")
    when = project.commit(a__py=f"x = 1\ny = 2\nKEY = '{TOKEN}'\n")
    project.commit(a__py="x = 1\n")

    [found], unknown = project.audit()

    assert (found.path, found.line, found.commit) == ("a.py", 3, when)
    assert found.title == "GitHub token in an earlier commit"
    assert unknown == []


def test_the_same_secret_in_files_and_commits_is_one_finding(project: Project) -> None:
    """A secret is told once, in the tree, with the commit that brought it and its other places."""
    when = project.commit(a__py=f"KEY = '{TOKEN}'\n")
    project.commit(a__py=f"# moved\nKEY = '{TOKEN}'\n", b__py=f"K = '{TOKEN}'\n")

    [found], _ = project.audit()

    assert (found.path, found.line, found.commit) == ("a.py", 2, when)
    assert "b.py:1" in found.detail


def test_a_secret_in_a_removed_commit_is_told_once_however_often_it_came_and_went(project: Project) -> None:
    """The first of the commits is told."""
    when = project.commit(a__py=f"KEY = '{TOKEN}'\n")
    project.commit(a__py="")
    project.commit(a__py=f"KEY = '{TOKEN}'\n")
    project.commit(a__py="")

    [found], _ = project.audit()

    assert found.commit == when


def test_only_the_last_commits_are_looked_at(project: Project) -> None:
    """The option `commits` bounds the history."""
    project.commit(a__py=f"KEY = '{TOKEN}'\n")
    project.commit(a__py="")
    project.commit(b__py="x = 1\n")

    assert project.audit(commits=2)[0] == []
    assert len(project.audit(commits=3)[0]) == 1
    assert project.audit(commits=0)[0] == []


@pytest.mark.parametrize("wrong", [-1, "many", True, 1.5, None])
def test_an_option_without_sense_is_said(project: Project, wrong: object) -> None:
    """The history is looked at all the same, and the check does not pass."""
    project.commit(a__py=f"KEY = '{TOKEN}'\n")
    project.commit(a__py="")

    found, unknown = project.audit(commits=wrong)

    assert len(found) == 1
    assert "`commits`" in unknown[0]


def test_no_field_of_a_finding_holds_any_value(project: Project) -> None:
    """Of two values on a line neither leaves, nor do more than four characters of it."""
    password = drawn("<p16>", "a password")
    project.commit(a__py=f"connect('{TOKEN}', password='{password}', again='{TOKEN}')\n")

    found, _ = project.audit()

    assert len(found) == 2
    for each in found:
        said = " ".join(str(value) for value in dataclasses.astuple(each))
        assert TOKEN[4:12] not in said
        assert password[4:8] not in said


def test_a_branch_that_was_undone_before_its_merge_is_looked_at(project: Project) -> None:
    """History is not simplified: a branch that changed nothing in the end still holds the secret."""
    project.commit(a__py="x = 1\n")
    project.git("checkout", "-q", "-b", "side")
    when = project.commit(a__py=f"KEY = '{TOKEN}'\n")
    project.commit(a__py="x = 1\n")
    project.git("checkout", "-q", "main")
    project.commit(b__py="y = 2\n")
    project.git("merge", "-q", "--no-ff", "-m", "merge", "side")

    [found], _ = project.audit()

    assert found.commit == when


def test_what_only_a_merge_added_is_found(project: Project) -> None:
    """A line that none of the parents has is the merge's own."""
    project.commit(a__py="x = 1\n")
    project.git("checkout", "-q", "-b", "side")
    project.commit(a__py="x = 2\n")
    project.git("checkout", "-q", "main")
    project.commit(a__py="x = 3\n")
    project.git("merge", "-q", "--no-commit", "-s", "ours", "side")
    when = project.commit(a__py=f"x = 4\nKEY = '{TOKEN}'\n")
    project.commit(a__py="x = 4\n")

    [found], _ = project.audit()

    assert (found.commit, found.line) == (when, 2)


def test_a_project_in_a_folder_of_a_repository_is_told_by_its_own_paths(project: Project) -> None:
    """What lies beside the project is not its own."""
    project.write("part/a.py", f"KEY = '{TOKEN}'\n")
    project.write("b.py", f"KEY = '{OTHER}'\n")
    project.commit()
    project.write("part/a.py", "")
    project.commit()

    [found], _ = project.audit(project.root / "part")

    assert found.path == "a.py"


def test_without_a_repository_the_files_alone_are_looked_at(tmp_path: Path) -> None:
    """Where there are no commits, none were left out."""
    (tmp_path / "a.py").write_text(f"KEY = '{TOKEN}'\n")

    (told,) = Secrets().look(Context(tmp_path))

    assert told.path == "a.py"


def test_a_folder_called_git_that_is_none_is_not_known(tmp_path: Path) -> None:
    """A history that cannot be read is not the same as a clean one."""
    (tmp_path / ".git").mkdir()

    (told,) = Secrets().look(Context(tmp_path))

    assert isinstance(told, NotKnown)
    assert "commits could not be looked at" in told.reason


def test_a_repository_without_commits_has_a_clean_history(project: Project) -> None:
    """There is nothing that could not be looked at."""
    project.write("a.py", "x = 1\n")

    assert project.audit() == ([], [])


def test_a_shallow_clone_is_not_wholly_known(project: Project, tmp_path: Path) -> None:
    """What lies before its edge may hold a secret."""
    project.commit(a__py=f"KEY = '{TOKEN}'\n")
    project.commit(a__py="")
    project.commit(b__py="x = 1\n")
    project.git("clone", "-q", "--depth=1", project.root.as_uri(), str(tmp_path / "clone"))

    assert project.audit(tmp_path / "clone", commits=1) == ([], [])
    found, [why] = project.audit(tmp_path / "clone")
    assert found == []
    assert "shallow" in why


def test_a_damaged_repository_is_not_known(project: Project) -> None:
    """An object that is missing ends the log: it is said, and the files are looked at."""
    project.commit(a__py=f"KEY = '{TOKEN}'\n")
    shutil.rmtree(project.root / ".git/objects")
    (project.root / ".git/objects").mkdir()

    found, unknown = project.audit()

    assert [each.path for each in found] == ["a.py"]
    assert "commits could not all be looked at" in unknown[0]


def test_what_is_no_text_of_the_project_is_left_out(project: Project, tmp_path: Path) -> None:
    """Binary files, links out of the project and submodules are not looked at, and nothing breaks."""
    outside = tmp_path / "outside.py"
    outside.write_text(f"KEY = '{TOKEN}'\n")
    (project.root / "link.py").symlink_to(outside)
    (project.root / "loop.py").symlink_to("loop.py")
    project.write("data.bin", b"\0\1" + OTHER.encode())
    project.write("latin.py", b"# caf\xe9 \xff\xfe\n")
    project.write("empty.py", "")
    inner = project.root.parent / "inner"
    shutil.copytree(project.root / ".git", inner / ".git")
    type(project)(inner).commit(s__py="x = 1\n")
    project.git("submodule", "add", "-q", inner.as_uri(), "sub")
    project.commit()

    assert project.audit() == ([], [])


def test_a_file_of_windows_is_read(project: Project) -> None:
    """UTF-16 with its mark is text."""
    project.write(".env", f"x=1\r\nKEY={TOKEN}\r\n".encode("utf-16"))

    [found], _ = project.audit(commits=0)

    assert (found.path, found.line) == (".env", 2)


def test_a_large_file_is_looked_at_so_far_and_said(project: Project) -> None:
    """What lies behind four megabytes is not known."""
    project.write("big.json", f"KEY {TOKEN}\n" + "x" * (4 << 20))

    found, [why] = project.audit(commits=0)

    assert len(found) == 1
    assert why.startswith("big.json")


def test_names_that_are_no_utf_8_can_be_told(project: Project) -> None:
    """A finding's path can be written anywhere."""
    (project.root / 'caf\udce9 "q"\t.py').write_text(f"KEY = '{TOKEN}'\n")
    project.commit()
    (project.root / 'caf\udce9 "q"\t.py').write_text("")

    [found], unknown = project.audit()

    assert found.path.encode("utf-8") == 'caf\ufffd "q"\t.py'.encode()
    assert found.commit
    assert unknown == []


def test_time_that_is_up_is_said(project: Project) -> None:
    """A check that had no time does not pass, and tells what it has."""

    class Hurried(Secrets):
        tree_s = -1.0
        commits_s = 0.0

    project.commit(a__py="x = 1\n")

    told = list(Hurried().look(Context(project.root)))

    assert isinstance(told[0], NotKnown)
    assert told[0].reason == "time was up after 0 of 1 files"


def test_a_guess_in_a_test_is_told_and_does_not_weigh(project: Project) -> None:
    """A made-up password of a test is of the severity INFO, until it stands elsewhere, too."""
    line = drawn('password = "<a16>"\n', "a password")
    project.write("tests/a.py", line)
    [found], _ = project.audit()
    assert found.severity is Severity.INFO

    project.write("tools/a.py", line)
    [found], _ = project.audit()

    assert (found.severity, found.path) == (Severity.HIGH, "tools/a.py")
    assert "tests/a.py:1" in found.detail


def test_a_line_that_allows_it_is_not_told(project: Project) -> None:
    """The mark counts for its own line, in files and in commits."""
    project.commit(a__py=f"KEY = '{TOKEN}'  # watchkeeper: allow\nOTHER = '{OTHER}'\n")
    project.commit(a__py="")

    found, _ = project.audit()

    assert [each.rule for each in found] == ["gitlab-token"]


def test_a_password_with_an_at_sign_is_masked_whole(project: Project) -> None:
    """The host of an address stands behind its last at sign."""
    left, right = drawn("<a8>", "left"), drawn("<a8>", "right")
    project.write("a.py", f"DSN = 'postgres://shop:{left}@{right}@db.shop.io/shop'\n")

    [found], _ = project.audit()

    assert found.evidence == f"DSN = 'postgres://shop:{left[:4]}********@db.shop.io/shop'"


def test_the_environment_does_not_lead_git_elsewhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit that a hook of another repository began looks at the project's own."""
    project.commit(a__py=f"KEY = '{TOKEN}'\n")
    project.commit(a__py="")
    monkeypatch.setenv("GIT_DIR", str(project.root / "nothing"))

    found, unknown = project.audit()

    assert len(found) == 1
    assert unknown == []


def test_a_nul_hides_no_text(project: Project) -> None:
    """A text with one NUL byte is looked at; a program is not, whatever stands in it."""
    project.write("a.txt", f"first\0\nKEY = '{TOKEN}'\n")
    project.write("program", b"\x7fELF\0\0\0\1\2\3" * 90 + f" '{OTHER}' ".encode())

    found, unknown = project.audit()

    assert [(each.path, each.line) for each in found] == [("a.txt", 2)]
    assert unknown == []


def test_test_data_is_one_finding_for_each_kind_and_file(project: Project) -> None:
    """Addresses with passwords by the dozen in a test's data are no noise; elsewhere each is told."""
    for path in ("tests/models/whatwg.json", "app/hosts.json"):
        values = [drawn("<a14>", f"{path} {number}") for number in range(3)]
        project.write(path, "".join(f'"https://bob:{value}@shop.io/",\n' for value in values))

    found, _ = project.audit()

    told = [(each.path, each.severity, each.line) for each in found]
    assert told == [("app/hosts.json", Severity.HIGH, 1 + number) for number in range(3)] + [
        ("tests/models/whatwg.json", Severity.INFO, 1)
    ]
    assert "Likewise in lines 2, 3 of the file." in found[-1].detail
