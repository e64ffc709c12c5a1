"""Checking what a model answered against a project: places, patches, and that the project stays as it is."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from app.ai.answers import checking
from app.ai.answers.checking import CheckedAnswer, checked, to_answer
from app.ai.answers.notes import UNASKED
from app.ai.answers.patches import read_patch
from app.ai.answers.reading import LONGEST_PATCH, TOO_LONG, ReadAnswer
from app.ai.messages import Completion
from app.domain.analysis import Answer, Confidence, Evidence, Usage
from app.domain.errors import CannotError
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

CORE = "".join(f"line {number}\n" for number in range(1, 21))
HUNK = " line 9\n-line 10\n+LINE 10\n line 11\n"
GOOD = f"--- a/src/core.py\n+++ b/src/core.py\n@@ -9,3 +9,3 @@\n{HUNK}"
LOOSER = (
    "--- a/tests/test_core.py\n+++ b/tests/test_core.py\n"
    "@@ -1,2 +1,2 @@\n def test():\n-    assert total() == 1\n+    pass\n"
)
NOT_APPLYING = "The patch is not shown: it does not apply to the source as it stands."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project without a repository, beside things that are not its own."""
    root = tmp_path / "project"
    for folder in ("src", "tests", ".git/hooks", ".github/workflows", "my dir"):
        (root / folder).mkdir(parents=True)
    (root / "src/core.py").write_text(CORE)
    (root / "tests/test_core.py").write_text("def test():\n    assert total() == 1\n")
    (root / "crlf.py").write_bytes(b"a\r\nb\r\nc\r\n")
    (root / "my dir/a b.py").write_text("a\nb\nc\n")
    (root / "no_newline.py").write_text("a\nb\nc")
    (root / "blank.py").write_text("a\n    \nb\n\nc\n")
    (root / "empty.py").touch()
    (root / "twice.py").write_text("".join(f"def f{n}():\n    return 1\n\n" for n in range(5)))
    (root / "latin.py").write_bytes(b"a\n\xe9\n")
    (root / "hidden.py").write_text("a\nif admin\u202e:\n")
    (root / "minified.js").write_text("a\n" + "x" * 200_000 + "\n")
    (root / "mail.md").write_text("Text\n\n```python\na\n```\n")
    (root / "binary.bin").write_bytes(b"a\n\0b\n")
    (root / ".env").write_text("KEY=a\n")
    (root / "server.pem").write_text("a\n")
    (root / ".git/config").write_text("a\n")
    (root / ".gitmodules").write_text("a\n")
    (root / ".github/workflows/ci.yml").write_text("a\n")
    (tmp_path / "outside.py").write_text("a\n")
    (root / "out.py").symlink_to(tmp_path / "outside.py")
    (root / "inner.py").symlink_to(root / "src/core.py")
    (root / "up").symlink_to(tmp_path)
    (root / "key.txt").symlink_to(root / ".env")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe.py")
    return root


def tree(folder: Path) -> dict[str, str]:
    """Everything in a folder, with the bytes, the mode and the time of each file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = f"{hashlib.sha256(content).hexdigest()} {status.st_mode} {status.st_mtime_ns}"
    return found


async def check(read: ReadAnswer, root: Path, **more: Any) -> CheckedAnswer:
    runner = ProcessRunner(clock=SystemClock())
    return await checked(read, root=root, runner=runner, **{"environ": os.environ, **more})


async def check_patch(patch: str, root: Path, **more: Any) -> CheckedAnswer:
    return await check(ReadAnswer(patch=patch), root, **more)


def edit(path: str, *, extra: str = "") -> str:
    """A patch that changes a file's only line."""
    return f"{extra}--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n"


def new(path: str) -> str:
    """A patch that makes a file."""
    return f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+a\n"


def make_repository(top: Path, *, fsmonitor: Path) -> None:
    """A repository whose settings name a program to run."""
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    subprocess.run(["git", "-C", str(top), "config", "core.fsmonitor", str(fsmonitor)], check=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, ten seconds at most."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a folder tells nobody that it has changed
            await asyncio.sleep(0.001)


def applied(patch: str, root: Path) -> bool:
    """Whether plain `git apply --check` takes a patch, as a person would call it."""
    done = subprocess.run(
        ["git", "apply", "--check", "-"],
        input=patch.encode(),
        cwd=root,
        env={"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(root.parent)},
        check=False,
        capture_output=True,
    )
    return done.returncode == 0


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("src/core.py", "src/core.py"),
        ("./src//core.py", "src/core.py"),
        ("src\\core.py", "src/core.py"),
        ("inner.py", "src/core.py"),
        ("ABSOLUTE/src/core.py", "src/core.py"),
    ],
)
async def test_a_place_that_exists_is_kept_with_its_line(root: Path, named: str, expected: str) -> None:
    """Evidence comes with its line as it stands there, its path relative to the root and without links."""
    evidence = (Evidence(named.replace("ABSOLUTE", str(root)), 12, "why"),)

    found = await check(ReadAnswer(evidence=evidence), root)

    assert found == CheckedAnswer((Evidence(expected, 12, "why", "line 12"),))


@pytest.mark.parametrize(
    "named",
    [
        "src/none.py",
        "src",
        ".",
        "",
        "../outside.py",
        "src/../../outside.py",
        "src/../src/core.py",
        "OUTSIDE/outside.py",
        "/etc/passwd",
        "out.py",
        "up/outside.py",
        "key.txt",
        ".env",
        "server.pem",
        ".git/config",
        ".GIT/config",
        "pipe.py",
        "loop",
        "src/core.py\0",
        "x" * 5000,
        "C:\\Windows\\win.ini",
        "~/core.py",
    ],
)
async def test_a_place_that_leads_elsewhere_is_dropped(root: Path, named: str) -> None:
    """Nothing outside the project, no secret, no device and nothing that is missing becomes evidence."""
    evidence = (Evidence(named.replace("OUTSIDE", str(root.parent)), 1), Evidence("src/core.py", 1))

    found = await check(ReadAnswer(evidence=evidence), root)

    assert found.evidence == (Evidence("src/core.py", 1, "", "line 1"),)


@pytest.mark.parametrize(("line", "exists"), [(1, True), (20, True), (21, False), (10_000_000, False)])
async def test_a_line_that_is_not_there_is_dropped(root: Path, line: int, exists: bool) -> None:  # noqa: FBT001 - a table
    """The last line counts, and what stands behind its newline does not."""
    read = ReadAnswer(evidence=(Evidence("src/core.py", line),))

    found = await check(read, root)

    assert bool(found.evidence) is exists


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(GOOD, id="as it should be"),
        pytest.param(GOOD.rstrip("\n"), id="no final newline"),
        pytest.param(GOOD.replace("@@ -9,3 +9,3 @@", "@@ -9,30 +9,1 @@ def f():"), id="wrong counts"),
        pytest.param(GOOD.replace("@@ -9,3 +9,3 @@", "@@ -14,3 +14,3 @@"), id="a wrong line"),
        pytest.param(GOOD.replace("@@ -9,3 +9,3 @@", "@@ -1,3 +1,3 @@"), id="line 1 for any line"),
        pytest.param(GOOD.replace("@@ -9,3 +9,3 @@", "@@ @@"), id="no lines at all"),
        pytest.param(GOOD.replace("@@ -9,3 +9,3 @@", "@@"), id="a bare mark"),
        pytest.param(GOOD.replace("a/src", "src").replace("b/src", "src"), id="no prefixes"),
        pytest.param(f"```diff\n{GOOD}```\n", id="fenced"),
        pytest.param(f"Here is the patch:\n\n{GOOD}\nIt should do.\n", id="prose around"),
        pytest.param(f"diff --git a/src/core.py b/src/core.py\nindex 1a2b3c4..5d6e7f8 100644\n{GOOD}", id="git's form"),
        pytest.param(GOOD.replace("core.py\n", "core.py\t2026-01-01 10:00\n"), id="with times"),
        pytest.param(GOOD.replace("\n", "\r\n"), id="CR and LF"),
        pytest.param(GOOD.replace(" line 9\n", "").replace(" line 11\n", ""), id="no context"),
        pytest.param(GOOD.replace(" line 11\n", ""), id="no context behind"),
        pytest.param(GOOD.replace(" line 11", " line 11  "), id="blanks at an end"),
        pytest.param(f"{GOOD}\n\n", id="empty lines behind"),
        pytest.param(GOOD.replace("a/src/", "a\\src\\").replace("b/src/", "b\\src\\"), id="backslashes"),
    ],
)
async def test_a_patch_is_offered_as_git_takes_it(root: Path, patch: str) -> None:
    """What cheap models get wrong about the form is put right, and the project stays as it is, to the byte."""
    before = tree(root.parent)

    found = await check_patch(patch, root)

    assert found.patch_note == ""
    assert HUNK in found.patch
    assert applied(found.patch, root)
    assert tree(root.parent) == before


@pytest.mark.parametrize(
    ("path", "patch"),
    [
        ("crlf.py", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"),
        ("no_newline.py", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"),
        ("no_newline.py", "@@ -3 +3 @@\n-c\n+C\n"),
        ("no_newline.py", "@@ -3 +3,2 @@\n c\n+d\n"),
        ("no_newline.py", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n\\ No newline at end of file\n"),
        ("blank.py", "@@ -1,4 +1,4 @@\n a\n\n-b\n+B\n\n c\n"),
        ("empty.py", "@@ -0,0 +1 @@\n+a\n"),
        ("my dir/a b.py", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"),
        ("mail.md", "@@ -1,5 +1,5 @@\n Text\n\n ```python\n-a\n+b\n ```\n"),
    ],
)
async def test_a_patch_for_an_odd_file_is_offered(root: Path, path: str, patch: str) -> None:
    """Lines that end with CR and LF, names with spaces, and fences within the file are no hindrance."""
    text = f"--- a/{path}\n+++ b/{path}\n{patch}"

    found = await check_patch(text, root)

    assert found.patch_note == ""
    assert applied(found.patch, root)


@pytest.mark.parametrize(("named", "changed"), [(5, 5), (6, 5), (8, 8), (14, 14), (99, 14)])
async def test_of_several_places_the_nearest_is_changed(root: Path, named: int, changed: int) -> None:
    """A change that fits several places goes where its line says, give or take."""
    text = f"--- a/twice.py\n+++ b/twice.py\n@@ -{named} +{named} @@\n-    return 1\n+    return 2\n"

    found = await check_patch(text, root)

    assert applied(found.patch, root)
    assert f"@@ -{changed - 3}," in found.patch


async def test_several_hunks_of_several_files_are_offered_together(root: Path) -> None:
    """Hunks that touch become one, and what is written says the whole change."""
    hunks = "".join(f"@@ -{n} +{n} @@\n-line {n}\n+LINE {n}\n+more\n" for n in (2, 3, 10, 20))
    text = f"--- a/src/core.py\n+++ b/src/core.py\n{hunks}{edit('crlf.py')}"

    found = await check_patch(text, root)

    assert applied(found.patch, root)
    marks = [line for line in found.patch.splitlines() if line.startswith("@@")]
    assert marks == ["@@ -1,13 +1,16 @@", "@@ -17,4 +20,5 @@", "@@ -1,3 +1,3 @@"]


@pytest.mark.parametrize(
    ("patch", "note"),
    [
        (LOOSER, "It changes tests."),
        (new("conftest.py"), f"It changes tests. {UNASKED}"),
        (new("web/button.spec.ts") + "\\ No newline at end of file\n", "It changes tests."),
        (new("pyproject.toml"), f"It changes how tests are run. {UNASKED}"),
        ("--- a/.github/workflows/ci.yml\n+++ b/.github/workflows/ci.yml\n@@ -1 +1 @@\n-a\n+b\n", UNASKED),
        (new(".githooks/pre-commit"), UNASKED),
        (new("justfile") + edit("crlf.py"), UNASKED),
        ("--- a/crlf.py\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-a\n-b\n-c\n", "It deletes a file."),
    ],
)
async def test_a_patch_says_what_to_look_at_twice(root: Path, patch: str, note: str) -> None:
    """A patch that loosens tests or changes what runs by itself is offered with a word about it."""
    found = await check_patch(patch, root)

    assert found.patch
    assert found.patch_note == note


def added(line: str) -> str:
    """A patch that puts a line in the place of another."""
    return f"--- a/src/core.py\n+++ b/src/core.py\n@@ -10 +10 @@\n-line 10\n+{line}\n"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("x = 1" + " " * 81 + "; evil()", id="blanks"),
        pytest.param("x = 1" + "\t" * 81 + "; evil()", id="tabs"),
        pytest.param("x = 1" + "\t" * 11 + "; evil()", id="tabs are wide"),
        pytest.param("x = 1" + " \t" * 40 + "; evil()", id="both"),
        pytest.param(" " * 81 + "evil()", id="an indentation"),
        pytest.param("x = 1" + "\u3000" * 81 + "; evil()", id="wide blanks"),
        pytest.param("x = 1" + "\u2800" * 81 + "; evil()", id="empty Braille"),
        pytest.param("x = 1" + " " * 79 + ";" + " " * 79 + "evil()", id="with a sign in between"),
    ],
)
async def test_code_that_is_hidden_to_the_right_is_not_offered(root: Path, line: str) -> None:
    """A line whose end a reader would miss is refused."""
    found = await check_patch(added(line), root)

    assert found == CheckedAnswer(patch_note="The patch is not shown: it puts text far to the right, behind blanks.")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("x = 1" + " " * 80 + "# why", id="as many as may be"),
        pytest.param(" " * 60 + "deep()", id="an indentation"),
        pytest.param("x" * 400, id="a long line"),
        pytest.param("x = 1" + " " * 400, id="blanks at the end"),
        pytest.param(" | ".join(f"{word:<15}" for word in "abcdefghijkl") + ".", id="a table"),
    ],
)
async def test_a_line_that_is_merely_wide_is_offered(root: Path, line: str) -> None:
    """Tables, comments at the side and blanks that end a line hide nothing."""
    found = await check_patch(added(line), root)

    assert line in found.patch
    assert found.patch_note == ""


def test_blanks_without_end_are_read_in_time() -> None:
    """A patch of nothing but blanks takes no longer than another of its length."""
    began = time.process_time()

    files = read_patch(added(" " * LONGEST_PATCH) + added("\t" * LONGEST_PATCH))

    assert len(files) == 2
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        pytest.param(edit("../outside.py"), "outside the project", id="above"),
        pytest.param(edit("src/../../outside.py"), "outside the project", id="above by a detour"),
        pytest.param(edit("OUTSIDE/outside.py"), "outside the project", id="absolute"),
        pytest.param(GOOD.replace("a/", "ROOT/").replace("b/", "ROOT/"), "outside", id="absolute within"),
        pytest.param(edit("out.py"), "outside the project", id="a link out"),
        pytest.param(edit("up/outside.py"), "outside the project", id="a linked folder out"),
        pytest.param(new("up/new.py"), "outside the project", id="new, out"),
        pytest.param(new("../new.py"), "outside the project", id="new, above"),
        pytest.param(GOOD.replace("src/core", "inner"), "a link", id="a link within"),
        pytest.param(edit("loop"), "does not exist", id="a link to itself"),
        pytest.param(edit(".git/config"), "repository's own", id="git's folder"),
        pytest.param(edit(".GIT/config"), "repository's own", id="git's folder in capitals"),
        pytest.param(new(".git/hooks/pre-commit"), "repository's own", id="a hook"),
        pytest.param(new("src/.git/config"), "repository's own", id="a repository within"),
        pytest.param(edit(".gitmodules"), "repository's own", id="submodules"),
        pytest.param(edit(".env"), "secrets", id="a secret"),
        pytest.param(edit("key.txt"), "secrets", id="a link to a secret"),
        pytest.param(edit("none.py"), "does not exist", id="missing"),
        pytest.param(edit("src"), "could not be checked", id="a folder"),
        pytest.param(edit("pipe.py"), "could not be checked", id="a FIFO"),
        pytest.param(edit("binary.bin"), "binary", id="binary"),
        pytest.param(new("src/core.py"), "exists, src/core.py", id="new, but there"),
        pytest.param(edit("crlf.py", extra="old mode 100644\nnew mode 100755\n"), "mode", id="a mode"),
        pytest.param("new file mode 120000\n" + new("l"), "plain file", id="a new link"),
        pytest.param("new file mode 100755\n" + new("l"), "plain file", id="a new program"),
        pytest.param("index 1a2b..3c4d 160000\n" + edit("crlf.py"), "plain file", id="a submodule"),
        pytest.param("rename from crlf.py\nrename to ../x.py\n", "renames", id="a rename"),
        pytest.param("--- a/crlf.py\n+++ b/other.py\n@@ -1 +1 @@\n-a\n+b\n", "renames", id="a rename by names"),
        pytest.param("copy from crlf.py\ncopy to x.py\n", "copies", id="a copy"),
        pytest.param("diff --git a/x b/x\nGIT binary patch\nliteral 3\nKcmZQz\n", "binary", id="a binary patch"),
        pytest.param(f"{edit('crlf.py')}Binary files a/x and b/x differ\n", "binary", id="a binary notice"),
        pytest.param(edit('"x.py"').replace("a/", "").replace("b/", ""), "not understood", id="quoted"),
        pytest.param("Change line 10, please.", "no unified diff", id="prose"),
        pytest.param("--- a/crlf.py\n+++ b/crlf.py\n", "no unified diff", id="no hunk"),
        pytest.param("+++ b/crlf.py\n@@ -1 +1 @@\n-a\n+b\n", "no unified diff", id="half a header"),
        pytest.param(f"{GOOD}oops\n+more\n", "no unified diff", id="a part that stands apart"),
        pytest.param("--- a/crlf.py\n+++ b/crlf.py\n@@ -1 +1 @@\n a\n", "changes nothing", id="no change"),
        pytest.param("".join(edit(f"f{n}.py") for n in range(21)), "more than 20", id="too many files"),
        pytest.param(edit("hidden.py"), "cannot be seen", id="hidden characters around"),
        pytest.param(edit("minified.js"), "very long lines", id="a very long line"),
        pytest.param(edit("latin.py"), "not UTF-8", id="another encoding"),
        pytest.param(
            "--- a/twice.py\n+++ b/twice.py\n@@ @@\n-    return 1\n+    return 2\n", "several", id="any place"
        ),
        pytest.param(
            "--- a/twice.py\n+++ b/twice.py\n@@ -1 +1 @@\n-    return 1\n+    return 2\n",
            "several",
            id="line 1 of many",
        ),
        pytest.param("--- a/crlf.py\n+++ b/crlf.py\n@@ -2,0 +3 @@\n+x\n", "does not apply", id="added nowhere"),
        pytest.param(GOOD + "@@ -2 +2 @@\n-line 2\n+LINE 2\n", "does not apply", id="backwards"),
        pytest.param(GOOD.replace("line 10", "line ten"), "does not apply", id="another source"),
        pytest.param(GOOD + edit("crlf.py").replace("-a", "-z"), "does not apply", id="one file of two"),
    ],
)
async def test_a_patch_that_does_not_fit_is_not_offered(root: Path, patch: str, why: str) -> None:
    """Whatever does not apply, or reaches beyond plain files of the project, is withheld with the reason."""
    before = tree(root.parent)
    patch = patch.replace("OUTSIDE", str(root.parent)).replace("ROOT", str(root))

    found = await check_patch(patch, root)

    assert found.patch == ""
    assert found.patch_note.startswith("The patch is not shown: ")
    assert why in found.patch_note
    assert tree(root.parent) == before


async def test_a_patch_works_in_a_folder_of_a_repository(root: Path) -> None:
    """A project that is a part of a repository is no different, and its git settings run nothing."""
    ran = root.parent / "ran"
    program = root.parent / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    top = root.parent / "repository"
    (top / "part").mkdir(parents=True)
    make_repository(top, fsmonitor=program)
    (top / "part/core.py").write_text(CORE)
    before = tree(top)

    fits = await check_patch(GOOD.replace("src/", ""), top / "part")
    fails = await check_patch(GOOD.replace("src/", "").replace("line 10", "no"), top / "part")

    assert fits.patch
    assert fails.patch_note == NOT_APPLYING
    assert tree(top) == before
    assert not ran.exists()


async def test_without_git_no_patch_is_offered(root: Path, tmp_path: Path) -> None:
    """What cannot be checked is not shown, and the rest of the answer is."""
    read = ReadAnswer(evidence=(Evidence("src/core.py", 1),), patch=GOOD)

    found = await check(read, root, environ={"PATH": str(tmp_path / "none")})
    relative = await check(read, root, environ={"PATH": "."})

    assert found == relative
    assert found.patch == ""
    assert found.patch_note == "The patch is not shown: git was not found, so it could not be checked."
    assert len(found.evidence) == 1


async def test_a_git_that_hangs_is_ended(root: Path, tmp_path: Path) -> None:
    """After its deadline git and what it started are gone, and the note says so."""
    note = tmp_path / "pid"
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f"#!/bin/sh\necho $$ > '{note}'\nexec sleep 600\n")
    git.chmod(0o755)
    began = time.monotonic()

    found = await check_patch(GOOD, root, environ={"PATH": f"{git.parent}:{os.environ['PATH']}"}, git_deadline_s=0.4)

    assert found.patch_note == "The patch is not shown: to check it took too long."
    assert time.monotonic() - began < 15
    if note.exists():  # on a very busy machine it did not come that far
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.read_text()), 0)


async def test_nothing_is_left_behind(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The private copies go when the check has ended, also for one that is cancelled."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    await check_patch(GOOD, root)
    await check_patch(edit("none.py"), root)
    task = asyncio.ensure_future(check_patch(GOOD, root))
    await until(lambda: bool(list(folder.iterdir())))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    await until(lambda: not list(folder.iterdir()))


async def test_the_project_is_read_through_the_work_that_is_given(root: Path) -> None:
    """What a caller hands in reads places and patch, piece by piece, and the answer is the same as without."""
    read = ReadAnswer(evidence=(Evidence("src/core.py", 12),), patch=GOOD)
    pieces = 0

    async def work(piece: Callable[[], T]) -> T:
        nonlocal pieces
        pieces += 1
        return await asyncio.to_thread(piece)

    given = await check(read, root, work=work)

    assert given == await check(read, root)
    assert given.evidence
    assert given.patch
    assert pieces == 2


@pytest.mark.parametrize("error", [CannotError("The files were not read.", "Look."), TimeoutError()])
async def test_a_project_that_does_not_answer_gives_nothing(root: Path, error: Exception) -> None:
    """When the first look takes too long there are no places; when the second does there is no patch."""
    read = ReadAnswer(evidence=(Evidence("src/core.py", 12),), patch=GOOD)

    async def never(_piece: Callable[[], T]) -> T:
        raise error

    class Once:
        is_used = False

        async def __call__(self, piece: Callable[[], T]) -> T:
            if self.is_used:
                raise error
            self.is_used = True
            return await asyncio.to_thread(piece)

    at_once = await check(read, root, work=never)
    later = await check(read, root, work=Once())

    assert at_once == CheckedAnswer(patch_note="The patch is not shown: the project's folder does not answer.")
    assert later == CheckedAnswer(
        (Evidence("src/core.py", 12, "", "line 12"),), patch_note="The patch is not shown: to check it took too long."
    )


async def test_copies_that_come_late_are_removed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread copies after nobody waits for it any more is not left behind either."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    late: list[Callable[[], object]] = []

    class Late:
        asked = 0

        async def __call__(self, piece: Callable[[], T]) -> T:
            self.asked += 1
            if self.asked == 1:
                return piece()
            late.append(piece)
            raise TimeoutError

    found = await check_patch(GOOD, root, work=Late())
    made = late[0]()

    assert found.patch == ""
    assert made
    assert list(folder.iterdir()) == []


async def test_a_note_of_the_reading_is_kept(root: Path) -> None:
    """A patch that was left out before says why."""
    found = await check(ReadAnswer(cause="c", patch_note=TOO_LONG), root)

    assert found == CheckedAnswer(patch_note=TOO_LONG)


async def test_a_project_that_is_gone_takes_nothing(tmp_path: Path) -> None:
    """Evidence and patch are withheld when the root is missing."""
    read = ReadAnswer(evidence=(Evidence("src/core.py", 1),), patch=GOOD)

    found = await check(read, tmp_path / "gone")

    assert found == CheckedAnswer(patch_note="The patch is not shown: it touches a file that does not exist.")


def test_reading_and_check_become_one_answer() -> None:
    """What is kept has the words as they were read, and places and patch as they were checked."""
    read = ReadAnswer("c", Confidence.LOW, (Evidence("x", 1), Evidence("y", 2)), "n", "p", "t")
    verdict = CheckedAnswer((Evidence("y", 2, "", "s"),), "", "note")
    completion = Completion("raw", "deepseek", "deepseek-chat", Usage(1, 2))

    answer = to_answer(read, verdict, completion, at=5.0)

    assert answer == Answer(
        at=5.0,
        provider="deepseek",
        model="deepseek-chat",
        usage=Usage(1, 2),
        cause="c",
        confidence=Confidence.LOW,
        evidence=(Evidence("y", 2, "", "s"),),
        next_step="n",
        patch_note="note",
        text="t",
    )


async def test_a_large_source_is_read_up_to_its_limit(root: Path) -> None:
    """A file beyond the limit is neither read whole nor patched."""
    (root / "large.py").write_bytes(b"a\n" * (checking.LARGEST_FILE // 2 + 10))
    read = ReadAnswer(evidence=(Evidence("large.py", 1),), patch=edit("large.py"))

    found = await check(read, root)

    assert found.evidence == (Evidence("large.py", 1, "", "a"),)
    assert "very large" in found.patch_note
