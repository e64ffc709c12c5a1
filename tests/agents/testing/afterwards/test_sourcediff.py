"""How source differs from when it was last green: what is told and what is left out; no program of theirs runs."""

# ruff: noqa: ASYNC221, ASYNC240 - these tests may block: nothing else runs on their loop

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from app.agents.testing.afterwards import lastgreen, sourcediff, sourcetree
from app.agents.testing.afterwards.lastgreen import LastGreen
from app.domain.analysis import SourceDiff
from app.domain.secretfiles import SECRET_NAMES, is_secret_file
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeKeeper = Callable[..., LastGreen]

LATER = 1e12
"""A run that begins then has no file that changed since."""
COMMITTED_AT = 1_700_000_000


def git(folder: Path, *arguments: str) -> str:
    words = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments)
    env = {**os.environ, "GIT_COMMITTER_DATE": f"{COMMITTED_AT} +0300"}
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, env=env).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two tracked files, one of them in a sub-folder, and an ignored one."""
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    git(root, "init", "-q")
    (root / "tracked.py").write_text("tracked = 1\n")
    (root / "src" / "deep.py").write_text("deep = 1\n")
    (root / ".gitignore").write_text("ignored.py\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    (root / "ignored.py").write_text("ignored = 1\n")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "project"


@pytest.fixture
def keeper(folder: Path) -> MakeKeeper:
    def make(root: Path, **environ: str) -> LastGreen:
        clock = SystemClock()
        around = {**os.environ, **environ}
        return LastGreen(
            root,
            runner=ProcessRunner(clock=clock),
            clock=clock,
            folder=folder,
            environ=around,
            no_source=("*.audit.md", ".ours.json"),
        )

    return make


def files_in(diff: SourceDiff) -> list[str]:
    """The files of a diff, in order."""
    return [line.split(" b/")[1] for line in diff.text.splitlines() if line.startswith("diff --git ")]


CHANGED = """\
-tracked = 1
+tracked = 2
"""


async def test_it_tells_what_changed_since_the_last_green_source(repository: Path, keeper: MakeKeeper) -> None:
    """Changed, new and deleted files show, ignored ones and what was green already do not."""
    last_green = keeper(repository)
    (repository / "green.py").write_text("changed since the commit, and green\n")
    await last_green.keep(began=SystemClock().wall() + 60)
    (repository / "tracked.py").write_text("tracked = 2\n")
    (repository / "new.py").write_text("new = 1\n")
    (repository / "src" / "deep.py").unlink()
    (repository / "ignored.py").write_text("ignored = 2\n")

    diff = await last_green.diff()

    assert files_in(diff) == ["new.py", "src/deep.py", "tracked.py"]
    assert CHANGED in diff.text
    assert "+new = 1" in diff.text
    assert "-deep = 1" in diff.text
    assert (diff.base, diff.is_cut) == ("the last green source, just now", False)
    assert diff.base_at is not None
    assert diff.base_at > COMMITTED_AT


async def test_without_a_green_source_it_tells_what_changed_since_the_commit(
    repository: Path, keeper: MakeKeeper
) -> None:
    """What is staged, what is not and what git does not know yet show, with the time of the commit."""
    (repository / "tracked.py").write_text("tracked = 2\n")
    (repository / "src" / "staged.py").write_text("staged = 1\n")
    git(repository, "add", "src")
    (repository / "new.py").write_text("new = 1\n")
    os.utime(repository / ".gitignore")

    diff = await keeper(repository).diff()

    assert files_in(diff) == ["new.py", "src/staged.py", "tracked.py"]
    assert CHANGED in diff.text
    assert (diff.base, diff.base_at, diff.is_cut) == ("the last commit", COMMITTED_AT, False)


@pytest.mark.parametrize("is_kept", [True, False])
async def test_a_project_in_a_part_of_the_repository(repository: Path, keeper: MakeKeeper, *, is_kept: bool) -> None:
    """Paths are relative to the project, and what lies beside it does not show."""
    last_green = keeper(repository / "src")
    if is_kept:
        await last_green.keep(began=LATER)
    (repository / "tracked.py").write_text("tracked = 2\n")
    (repository / "src" / "deep.py").write_text("deep = 2\n")
    (repository / "src" / "new.py").write_text("new = 1\n")

    diff = await last_green.diff()

    assert diff.base.startswith("the last green source") == is_kept
    assert files_in(diff) == ["deep.py", "new.py"]
    assert "--- a/deep.py\n+++ b/deep.py\n@@ -1 +1 @@\n-deep = 1\n+deep = 2\n" in diff.text


@pytest.mark.parametrize("is_kept", [True, False])
async def test_what_did_not_change_has_no_text(repository: Path, keeper: MakeKeeper, *, is_kept: bool) -> None:
    """A tree as it was gives an empty text and a base; only a file's new time is no change."""
    last_green = keeper(repository)
    if is_kept:
        await last_green.keep(began=LATER)
    os.utime(repository / "tracked.py", (1, 1))

    diff = await last_green.diff()

    assert diff.base
    assert (diff.text, diff.is_cut) == ("", False)


@pytest.mark.parametrize("is_kept", [True, False])
async def test_the_diff_applies(repository: Path, keeper: MakeKeeper, tmp_path: Path, *, is_kept: bool) -> None:
    """Applied, it turns the source of before into that of now, names with blanks and Cyrillic among them."""
    last_green = keeper(repository)
    before = tmp_path / "before"
    shutil.copytree(repository, before)
    if is_kept:
        await last_green.keep(began=LATER)
    (repository / "tracked.py").write_text("tracked = 2\nno newline at the end")
    (repository / "имя файла.py").write_text("имя = 1\n", encoding="utf-8")
    (repository / "src" / "deep.py").unlink()

    diff = await last_green.diff()

    subprocess.run(["git", "apply", "-"], cwd=before, input=diff.text.encode(), check=True)
    assert (before / "tracked.py").read_text() == "tracked = 2\nno newline at the end"
    assert (before / "имя файла.py").read_text(encoding="utf-8") == "имя = 1\n"
    assert not (before / "src" / "deep.py").exists()
    assert "b/имя файла.py" in diff.text


SPY = """\
#!{python}
import sys
with open({ran!r}, "a") as ran:
    ran.write(" ".join(sys.argv) + "\\n")
print("spoilt")
"""


@pytest.fixture
def ran(repository: Path, tmp_path: Path) -> Path:
    """Written to by each program that the repository's own configuration and attributes name."""
    ran = tmp_path / "ran"
    spy = tmp_path / "spy"
    spy.write_text(SPY.format(python=sys.executable, ran=str(ran)))
    spy.chmod(0o755)
    for name in (
        "diff.external",
        "diff.spy.command",
        "diff.spy.textconv",
        "filter.spy.clean",
        "filter.spy.smudge",
        "filter.spy.process",
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "gpg.program",
    ):
        git(repository, "config", name, str(spy))
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "filter.spy.required", "true")
    (repository / ".gitattributes").write_text("* filter=spy diff=spy\n")
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    shutil.copy(spy, hook)
    return ran


@pytest.mark.parametrize("is_kept", [True, False])
async def test_no_program_that_the_repository_names_runs(
    repository: Path, keeper: MakeKeeper, ran: Path, *, is_kept: bool
) -> None:
    """No external diff, text conversion, filter, monitor, pager or hook runs, and the text is that of the files."""
    last_green = keeper(repository, GIT_EXTERNAL_DIFF=str(ran.with_name("spy")), GIT_PAGER=str(ran.with_name("spy")))
    if is_kept:
        await last_green.keep(began=LATER)
    (repository / "tracked.py").write_text("tracked = 2\n")
    (repository / "new.py").write_text("new = 1\n")

    diff = await last_green.diff()

    assert diff.base.startswith("the last green source") == is_kept
    assert CHANGED in diff.text
    assert "+new = 1" in diff.text
    assert not ran.exists()


async def test_the_spy_would_have_run(repository: Path, ran: Path) -> None:
    """The proof above would notice: a git that is asked plainly runs them."""
    (repository / "tracked.py").write_text("tracked = 2\n")

    subprocess.run(["git", "diff", "HEAD"], cwd=repository, check=False, capture_output=True)

    assert ran.exists()


class Changes(FileSystemEventHandler):
    """Hears of every change below a folder, however short it lives."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in {"created", "modified", "moved", "deleted"}:
            self.paths.append(os.fsdecode(event.src_path))


@pytest.mark.parametrize("is_kept", [True, False])
async def test_the_users_repository_is_only_read(repository: Path, keeper: MakeKeeper, *, is_kept: bool) -> None:
    """Nothing in the working tree or in .git is made, changed or removed for even a moment, and no lock hinders."""
    last_green = keeper(repository)
    if is_kept:
        await last_green.keep(began=LATER)
    (repository / "tracked.py").write_text("tracked = 2\n")
    (repository / "new.py").write_text("new = 1\n")
    os.utime(repository / "src" / "deep.py")  # git's own index would be refreshed by `git status`
    (repository / ".git" / "index.lock").touch()
    heard = Changes()
    observer = Observer()
    observer.schedule(heard, str(repository), recursive=True)
    observer.start()

    diff = await last_green.diff()

    observer.stop()
    observer.join()
    assert files_in(diff) == ["new.py", "tracked.py"]
    assert heard.paths == []


@pytest.mark.parametrize("is_kept", [True, False])
async def test_nothing_stays_behind(repository: Path, keeper: MakeKeeper, folder: Path, *, is_kept: bool) -> None:
    """The folder of ours is as it was, its store among it, and what a killed process left there long ago is gone."""
    last_green = keeper(repository)
    if is_kept:
        await last_green.keep(began=LATER)
    (repository / "tracked.py").write_text("tracked = 2\n")
    left = folder / "diff.1"
    before = sorted(folder.rglob("*"))
    left.mkdir(parents=True)
    os.utime(left, (1, 1))

    await last_green.diff()

    assert sorted(folder.rglob("*")) == before


SECRETS = (
    ".env",
    ".env.local",
    "prod.env",
    "server.PEM",
    "tls.key",
    "id_rsa",
    "id_ed25519.old",
    ".netrc",
    ".npmrc",
    ".pypirc",
    "store.p12",
    "store.pfx",
    "app.keystore",
    "credentials.json",
    "Credentials",
    "secrets.toml",
    "deep/down/.env",
    "credentials/of/mine.txt",
    "encrypted_secrets.json",
)


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("is_tracked", [True, False])
async def test_files_that_hold_secrets_are_left_out(
    repository: Path, keeper: MakeKeeper, *, is_kept: bool, is_tracked: bool
) -> None:
    """By their names, wherever they lie, whether git knows them or not, new, changed or deleted; others are not."""
    for name in SECRETS:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("canary old\n")
    if is_tracked:
        git(repository, "add", "-fA")
        git(repository, "commit", "-qm", "two")
    last_green = keeper(repository)
    if is_kept:
        await last_green.keep(began=LATER)
    for name in SECRETS:
        (repository / name).write_text("canary new\n")
    (repository / "tls.key").unlink()
    (repository / "environment.py").write_text("shown\n")
    (repository / "monkey.py").write_text("shown\n")

    diff = await last_green.diff()

    assert diff.base.startswith("the last green source") == is_kept
    assert files_in(diff) == ["environment.py", "monkey.py"]
    assert "canary" not in diff.text


async def test_a_large_file_does_not_push_out_the_others(repository: Path, keeper: MakeKeeper) -> None:
    """A file's part is cut at whole hunks, a binary one is named only, and the diff says that it is cut."""
    last_green = keeper(repository)
    numbers = [f"{number}\n" for number in range(100_000)]
    (repository / "a_large.txt").write_text("".join(numbers))
    await last_green.keep(began=LATER)
    changed = [f"{line.strip()} changed\n" if number % 10 == 0 else line for number, line in enumerate(numbers)]
    (repository / "a_large.txt").write_text("".join(changed))
    (repository / "b_one_hunk.txt").write_text("x" * 300_000)
    (repository / "c_binary").write_bytes(b"\0" * 1000)
    (repository / "tracked.py").write_text("tracked = 2\n")

    diff = await last_green.diff()

    assert diff.is_cut
    assert files_in(diff) == ["a_large.txt", "c_binary", "tracked.py"]
    assert "Binary files /dev/null and b/c_binary differ" in diff.text
    assert CHANGED in diff.text
    assert 0.9 * sourcediff.FILE_CAP < len(diff.text) < sourcediff.FILE_CAP + 1000
    subprocess.run(
        ["git", "apply", "--check", "-R", "--include=*.txt", "-"],
        cwd=repository,
        input=diff.text.encode(),
        check=True,
    )


async def test_a_diff_is_bounded_as_a_whole(repository: Path, keeper: MakeKeeper) -> None:
    """Of a change of many megabytes at most one is told, in whole files."""
    last_green = keeper(repository)
    await last_green.keep(began=LATER)
    for number in range(250):
        (repository / f"new{number:03}.txt").write_text(f"{number}\n" * 30_000)

    diff = await last_green.diff()

    assert diff.is_cut
    assert 0.8 * sourcediff.CAP < len(diff.text.encode()) <= sourcediff.CAP
    lines = diff.text.splitlines()
    assert lines.count("@@ -0,0 +1,30000 @@") == len(files_in(diff))
    assert sum(line.startswith("+") and not line.startswith("+++") for line in lines) == 30_000 * len(files_in(diff))


@pytest.mark.parametrize(
    "spoil", ["no repository", "no git", "no folder", "nothing committed", "a damaged index", "too slow"]
)
async def test_it_never_raises(
    spoil: str, repository: Path, keeper: MakeKeeper, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is nothing to compare with, or no way to, the difference is empty and has no base."""
    environ = {}
    if spoil == "no repository":
        shutil.rmtree(repository / ".git")
    elif spoil == "no git":
        environ["PATH"] = str(folder)
    elif spoil == "no folder":
        folder.parent.mkdir()
        folder.touch()
    elif spoil == "nothing committed":
        shutil.rmtree(repository / ".git")
        git(repository, "init", "-q")
    elif spoil == "too slow":
        monkeypatch.setattr(lastgreen, "DIFF_S", 0.0)
    else:
        (repository / ".git" / "index").write_bytes(b"no index")

    assert await keeper(repository, **environ).diff() == SourceDiff()


async def test_a_lost_store(repository: Path, keeper: MakeKeeper, folder: Path) -> None:
    """When what was kept is damaged, the last commit is compared with."""
    last_green = keeper(repository)
    await last_green.keep(began=LATER)
    shutil.rmtree(folder / "store" / "objects")
    (repository / "tracked.py").write_text("tracked = 2\n")

    diff = await last_green.diff()

    assert diff.base == "the last commit"
    assert files_in(diff) == ["tracked.py"]


async def test_unusual_repositories(repository: Path, keeper: MakeKeeper, tmp_path: Path) -> None:
    """A linked working tree with a split index, a repository inside and converted line ends: the change alone shows."""
    git(repository, "config", "core.autocrlf", "true")
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "-q", str(linked))
    git(linked, "update-index", "--split-index")
    inner = linked / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "own.py").touch()
    (linked / "tracked.py").write_bytes(b"tracked = 2\r\n")
    os.utime(linked / "src" / "deep.py", (1, 1))

    diff = await keeper(linked).diff()

    assert (linked / "src" / "deep.py").read_bytes() == b"deep = 1\r\n"
    assert files_in(diff) == ["tracked.py"]


async def test_another_repository_at_the_same_place(repository: Path, keeper: MakeKeeper) -> None:
    """What was kept of the repository around it is no base once the project is a repository of its own."""
    last_green = keeper(repository / "src")
    await last_green.keep(began=LATER)
    git(repository / "src", "init", "-q")
    git(repository / "src", "add", "-A")
    git(repository / "src", "commit", "-qm", "one")

    diff = await last_green.diff()

    assert (diff.base, diff.text) == ("the last commit", "")


def test_names_and_patterns_agree() -> None:
    """The list holds for names that are looked at here as it does for git's patterns."""
    hidden = sourcediff._pattern(SECRET_NAMES)
    harmless = ("environment.py", "monkey.py", "a.pem.py", "keys.py", "envs/a.py")

    assert all(hidden.search(name.lower()) and is_secret_file(name) for name in SECRETS)
    assert not any(hidden.search(name) or is_secret_file(name) for name in harmless)


def test_the_base_is_what_was_kept(repository: Path, folder: Path) -> None:
    """A diff leaves what was kept as it is: the next one compares with the same."""
    kept = sourcetree.keep(repository, folder, began=LATER, wrote=(), excluded=())
    (repository / "tracked.py").write_text("tracked = 2\n")

    first = sourcediff.diff(repository, folder, kept=kept, excluded=(), secret=())
    second = sourcediff.diff(repository, folder, kept=sourcetree.kept_in(folder), excluded=(), secret=())

    assert first == second
    assert (first["base"], first["at"]) == ("green", LATER)


@pytest.mark.parametrize("is_green", [True, False])
async def test_what_others_of_this_program_write_is_no_change(
    repository: Path, keeper: MakeKeeper, *, is_green: bool
) -> None:
    """Neither when git knows it nor when it does not, whatever the source is compared with."""
    (repository / "src" / "known.audit.md").write_text("one\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "answers")
    last_green = keeper(repository)
    if is_green:
        await last_green.keep(began=SystemClock().wall() + 60)
    (repository / "src" / "known.audit.md").write_text("two\n")
    (repository / "new.audit.md").write_text("new\n")
    (repository / ".ours.json").write_text("{}\n")
    (repository / "tracked.py").write_text("tracked = 2\n")

    diff = await last_green.diff()

    assert files_in(diff) == ["tracked.py"]
    assert diff.base.startswith("the last green" if is_green else "the last commit")
