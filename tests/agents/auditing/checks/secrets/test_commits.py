"""What is read of `git log -p`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.checks.secrets.commits import Added, added_lines, last_commits
from app.agents.auditing.context import GitFailed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agents.auditing.checks.secrets.conftest import Project

HEAD = b"commit abc\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n"
LINES = st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"") + b"\n"), min_size=1, max_size=8)


def read(patch: bytes) -> list[tuple[str, str, bytes]]:
    return [(each.commit, each.path, bytes(each.data)) for each in added_lines(patch.splitlines(keepends=True))]


def test_lines_know_their_numbers() -> None:
    """A line's number is that of the file as the commit left it, in each hunk."""
    patch = HEAD + b"@@ -2,0 +3,2 @@\n+c\n+d\n@@ -9 +11 @@ def x\n-old\n+k\n"

    [added] = added_lines(patch.splitlines(keepends=True))

    assert bytes(added.data) == b"c\nd\nk\n"
    assert [added.line(at) for at in (0, 2, 4)] == [3, 4, 11]


def test_a_merge_adds_what_none_of_its_parents_has() -> None:
    """Of a merge's columns each must hold a plus."""
    head = b"commit abc\ndiff --combined x\n--- a/x\n+++ b/x\n@@@ -1,2 -1,2 +1,4 @@@\n"
    patch = head + b"++new\n +theirs\n+ ours\n--old\n++more\n"

    [added] = added_lines(patch.splitlines(keepends=True))

    assert bytes(added.data) == b"new\nmore\n"
    assert [added.line(at) for at in (0, 4)] == [1, 4]


@given(LINES)
def test_no_line_of_a_file_is_taken_for_gits_own(lines: list[bytes]) -> None:
    """Whatever a file holds, also what looks like a header, comes out as it went in."""
    patch = [HEAD, b"@@ -0,0 +1,%d @@\n" % len(lines), *(b"+" + line for line in lines)]

    [added] = added_lines([*patch[0].splitlines(keepends=True), *patch[1:]])

    assert bytes(added.data) == b"".join(lines)
    assert (added.commit, added.path) == ("abc", "x")


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_patch_breaks_it(patch: list[bytes]) -> None:
    """What git would never print is read without a fault."""
    assert all(isinstance(each, Added) for each in added_lines(patch))


def test_lines_that_look_like_headers_stay_lines() -> None:
    """A file that holds a patch does not change whose lines come after it."""
    patch = HEAD + b"@@ -0,0 +1,3 @@\n+++ b/other\n+commit def\n+diff --git a/y b/y\n"

    assert read(patch) == [("abc", "x", b"++ b/other\ncommit def\ndiff --git a/y b/y\n")]


def test_a_long_line_comes_in_parts() -> None:
    """A line that is not read at once is one line all the same."""
    parts = [*HEAD.splitlines(keepends=True), b"@@ -0,0 +1,2 @@\n", b"+long", b"+er", b" still\n", b"+next\n"]

    [added] = added_lines(parts)

    assert bytes(added.data) == b"long+er still\nnext\n"
    assert added.line(15) == 2


def test_much_is_yielded_in_pieces_that_know_their_lines() -> None:
    """What a commit adds is never held whole."""
    line = b"+" + b"x" * 1023 + b"\n"

    pieces = list(added_lines([*HEAD.splitlines(keepends=True), b"@@ -0,0 +1,600 @@\n", *[line] * 600]))

    assert len(pieces) > 1
    assert max(len(each.data) for each in pieces) < 300_000
    assert pieces[1].line(0) == 1 + pieces[0].data.count(b"\n")


def test_git_is_ended_when_its_time_is_up(project: Project) -> None:
    """A log that takes too long is said to."""
    project.commit(a__py="x = 1\n" * 100_000)

    with pytest.raises(GitFailed, match="longer than"):
        list(last_commits(project.root, 10, 0.0))


def test_no_program_of_the_project_is_run(project: Project, tmp_path: Path) -> None:
    """A diff driver, a text conversion and a signature check of the project's are not run."""
    ran = tmp_path / "ran"
    for key in ("diff.odd.command", "diff.odd.textconv", "diff.external"):
        project.git("config", key, f"touch {ran} ;")
    project.git("config", "log.showSignature", "true")
    project.git("config", "diff.noprefix", "true")
    when = project.commit(a__odd="x = 1\n", __gitattributes="")
    project.write(".gitattributes", "*.odd diff=odd\n")
    project.commit()
    signed = project.git("cat-file", "commit", "HEAD").replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1
    )
    project.write("../signed", signed + "\n")
    project.git("reset", "-q", "--hard", project.git("hash-object", "-t", "commit", "-w", "../signed"))
    program = project.root.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    project.git("config", "gpg.program", str(program))

    added = list(last_commits(project.root, 10, 30.0))

    assert ("a.odd", b"x = 1\n", when) in [(each.path, bytes(each.data), each.commit) for each in added]
    assert not ran.exists()


def test_ending_early_leaves_no_process(project: Project) -> None:
    """Who stops reading ends git."""
    project.commit(a__py="x = 1\n" * 200_000)
    reading = last_commits(project.root, 10, 30.0)
    next(reading)

    reading.close()

    me = f"-C {project.root} log"
    assert me not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
