"""Whatever a project holds, the check answers, and says what it could not look at."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.checks.change import change_of
from app.agents.auditing.checks.leftovers import Leftovers
from app.agents.auditing.checks.leftovers.testfiles import read_tests
from app.agents.auditing.context import Context
from app.agents.auditing.plugin import NotKnown

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Project


def test_no_git(tmp_path: Path) -> None:
    """Without git the change is not known."""
    told = list(Leftovers().look(Context(root=tmp_path)))

    assert len(told) == 1
    assert isinstance(told[0], NotKnown)


def test_a_commit_that_is_not_there(project: Project) -> None:
    """A commit of a rewritten history, or one that is none, is said to be missing."""
    project.commit({"a.py": "a = 1\n"})

    reasons = [project.told(since)[0].reason for since in ("0" * 40, "--output=x")]

    assert "(000000000000) is not in this repository; its history was rewritten" in reasons[0]
    assert "is not named as one" in reasons[1]


def test_a_repository_without_a_commit(project: Project) -> None:
    """Before the first commit everything is new."""
    project.write({"a.py": "# TODO: one\n"})

    assert project.rules("") == [("todo", "a.py", 1)]


def test_the_first_audit_looks_at_the_last_commits(project: Project) -> None:
    """Without an audit before, only the last twenty commits count."""
    project.commit({"old.py": "# TODO: old\n"})
    for number in range(20):
        project.commit({"new.py": f"# TODO: {number}\n"})
    project.commit()

    assert project.rules("") == [("todo", "new.py", 1)]


def test_a_shallow_clone(project: Project, tmp_path: Path) -> None:
    """Of a shallow clone what is there is compared."""
    project.commit({"a.py": "a = 1\n"})
    project.commit({"a.py": "a = 2\n"})
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{project.root}", str(clone)], check=True)
    (clone / "b.py").write_text("# TODO: one\n")

    told = list(Leftovers().look(Context(root=clone)))

    assert [(each.rule, each.path) for each in told] == [("todo", "b.py")]


def test_files_that_hold_no_text(project: Project) -> None:
    """Binary, huge and oddly encoded files, links and FIFOs neither end the check nor keep it waiting."""
    since = project.commit({"a.py": "a = 1\n"})
    project.write({
        "binary.py": b"\x00\x01# TODO\n",
        "latin.py": "# TODO: \xe4\n".encode("latin-1"),
        "huge.py": b"# TODO\n" * 700_000,
        "nul.js": b"// TODO\n\x00",
        "empty.py": b"",
    })  # fmt: skip
    (project.root / "link.py").symlink_to("/dev/zero")
    (project.root / "broken.py").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(project.root / "fifo.py")

    assert project.rules(since) == [("todo", "latin.py", 1)]


def test_no_program_of_the_repository_is_run(project: Project, tmp_path: Path) -> None:
    """A filter, a text conversion and a diff program that the repository names are not started."""
    ran = tmp_path / "ran"
    program = f"{sys.executable} -c \"open({str(ran)!r}, 'w')\""
    since = project.commit({"a.py": "a = 1\n", ".gitattributes": "*.py filter=evil diff=evil\n"})
    project.git("config", "filter.evil.clean", program)
    project.git("config", "filter.evil.required", "true")
    project.git("config", "diff.evil.textconv", program)
    project.git("config", "diff.evil.command", program)
    project.git("config", "diff.external", program)
    project.write({"a.py": "a = 1\n# TODO: one\n"})

    told = project.rules(since)

    assert told == [("todo", "a.py", 2)]
    assert not ran.exists()


def test_settings_of_git_that_change_a_diff(project: Project) -> None:
    """A person's own settings for diffs do not change what is read."""
    since = project.commit({"a b.py": "a = 1\n", "c.py": "c = 1\n"})
    for name, value in (("diff.noprefix", "true"), ("diff.mnemonicPrefix", "true"), ("color.ui", "always"),
                        ("diff.renames", "false"), ("diff.context", "9"), ("diff.interHunkContext", "9")):  # fmt: skip
        project.git("config", name, value)
    project.write({"a b.py": "a = 1\n# TODO: one\n", "c.py": "c = 1\n# TODO: two\n"})

    assert project.rules(since) == [("todo", "a b.py", 2), ("todo", "c.py", 2)]


def test_a_project_in_a_folder_of_its_repository(project: Project) -> None:
    """Only what lies in the project's folder counts, by its name in there."""
    since = project.commit({"sub/a.py": "a = 1\n", "other/a.py": "a = 1\n"})
    project.write({"sub/a.py": "a = 1\n# TODO: one\n", "other/a.py": "# TODO: two\n"})

    told = list(Leftovers().look(Context(root=project.root / "sub", since=since)))

    assert [(each.path, each.line) for each in told] == [("a.py", 2)]
    assert change_of(Context(root=project.root / "sub", since=since)).before("a.py") == "a = 1\n"


def test_a_submodule(project: Project, tmp_path: Path) -> None:
    """What lies in a submodule is its own project's."""
    inner = tmp_path / "inner"
    inner.mkdir()
    module = type(project)(inner)
    module.commit({"m.py": "m = 1\n"})
    since = project.commit({"a.py": "a = 1\n"})
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    project.write({"sub/m.py": "# TODO: one\n"})

    assert project.told(since) == []


@given(st.text(alphabet="def test_a():\n asrx=1@.,[]{}'\"#\\\t\x0c\x00\u0444", max_size=200))
def test_any_source_is_read_or_refused(source: str) -> None:
    """A source gives its tests, each on a line that it has, or is said to be no Python."""
    try:
        tests = read_tests(source).tests.values()
    except SyntaxError:
        return

    assert all(1 <= test.line <= source.count("\n") + source.count("\x0c") + 1 for test in tests)


def test_a_source_nested_too_deeply() -> None:
    """A source that overruns the parser is refused as no Python."""
    with pytest.raises(SyntaxError):
        read_tests("def test_a():\n    assert " + "-" * 100_000 + "1\n")
