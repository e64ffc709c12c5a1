"""The last green source, in real repositories: what is kept, what comes back, and that the user's git is only read."""

# ruff: noqa: ASYNC240 - these tests may block: nothing else runs on their loop

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from app.agents.testing.afterwards import lastgreen, sourcetree
from app.agents.testing.afterwards.lastgreen import LastGreen, drop_stale
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.engine.clock import Clock

    MakeKeeper = Callable[..., LastGreen]

LATER = 1e12
"""A run that begins then has no file that changed since."""


def git(folder: Path, *arguments: str) -> str:
    words = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments)
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout


def write(folder: Path, **files: str) -> None:
    """Write files: `src__a` stands for `src/a.py`."""
    for name, content in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a tracked file, an ignored and an untracked one."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q")
    write(root, tracked="tracked = 1\n", src__deep="deep = 1\n")
    (root / ".gitignore").write_text("ignored.py\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    write(root, ignored="ignored = 1\n", untracked="untracked = 1\n")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "project"


@pytest.fixture
def keeper(folder: Path) -> MakeKeeper:
    def make(root: Path, *, clock: Clock | None = None, **environ: str) -> LastGreen:
        clock = clock or SystemClock()
        around = {**os.environ, **environ}
        return LastGreen(root, runner=ProcessRunner(clock=clock), clock=clock, folder=folder, environ=around)

    return make


class Changes(FileSystemEventHandler):
    """Hears of every change below a folder, in order, however short it lives."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in {"created", "modified", "moved", "deleted"}:
            self.paths.append(os.fsdecode(event.src_path))


@pytest.fixture
def changes(repository: Path) -> Iterator[Changes]:
    """What changes in the repository's own folder."""
    heard = Changes()
    observer = Observer()
    observer.schedule(heard, str(repository / ".git"), recursive=True)
    observer.start()
    yield heard
    observer.stop()
    observer.join()


async def heard_up_to(changes: Changes, mark: Path) -> list[str]:
    """Return the changes up to one that is made here, which comes last."""
    mark.touch()
    async with asyncio.timeout(20):
        while str(mark) not in changes.paths:  # noqa: ASYNC110 - another thread hears of it
            await asyncio.sleep(0.01)
    return changes.paths[: changes.paths.index(str(mark))]


async def test_what_is_source_comes_back(repository: Path, keeper: MakeKeeper) -> None:
    """A copy holds tracked files as they are now and untracked ones, but nothing that is ignored."""
    write(repository, tracked="tracked = 2\n")
    last_green = keeper(repository)

    tree = await last_green.keep(began=LATER)
    write(repository, tracked="tracked = 3\n", src__deep="broken")

    assert tree
    async with last_green.copy() as copy:
        assert copy is not None
        assert (copy.root, copy.original) == (copy.top, repository.resolve())
        assert files_of(copy.top) == {
            ".gitignore": b"ignored.py\n",
            "src/deep.py": b"deep = 1\n",
            "tracked.py": b"tracked = 2\n",
            "untracked.py": b"untracked = 1\n",
        }
    assert not copy.top.exists()


async def test_what_is_gone_stays_gone(repository: Path, keeper: MakeKeeper) -> None:
    """A file that was deleted, renamed or became ignored between two green runs is not in the second copy."""
    last_green = keeper(repository)
    await last_green.keep(began=LATER)
    (repository / "tracked.py").unlink()
    (repository / "src" / "deep.py").rename(repository / "src" / "moved.py")
    (repository / ".gitignore").write_text("ignored.py\nuntracked.py\n")

    await last_green.keep(began=LATER)

    async with last_green.copy() as copy:
        assert copy is not None
        assert set(files_of(copy.top)) == {".gitignore", "src/moved.py"}


async def test_the_users_repository_is_only_read(repository: Path, keeper: MakeKeeper, changes: Changes) -> None:
    """Nothing in .git is made, changed or removed for even a moment: no lock, no object, no index."""
    write(repository, tracked="tracked = 2\n")
    os.utime(repository / "src" / "deep.py")  # git's own index would be refreshed by `git status`
    last_green = keeper(repository)

    tree = await last_green.keep(began=LATER)
    async with last_green.copy() as copy:
        touched = await heard_up_to(changes, repository / ".git" / "mark")

    assert (bool(tree), copy is not None, touched) == (True, True, [])


async def test_the_watch_on_the_repository_hears_a_lock(repository: Path, changes: Changes) -> None:
    """The proof above would notice an index.lock."""
    git(repository, "add", "untracked.py")

    touched = await heard_up_to(changes, repository / ".git" / "mark")

    assert str(repository / ".git" / "index.lock") in touched


async def test_a_locked_repository_is_no_obstacle(repository: Path, keeper: MakeKeeper) -> None:
    """It is kept while a git of the user's holds the lock."""
    (repository / ".git" / "index.lock").touch()

    tree = await keeper(repository).keep(began=LATER)

    assert tree
    assert (repository / ".git" / "index.lock").exists()


async def test_it_outlives_the_users_objects(repository: Path, keeper: MakeKeeper) -> None:
    """What was kept needs nothing of the user's repository: not after gc, not without it."""
    last_green = keeper(repository)
    await last_green.keep(began=LATER)
    git(repository, "gc", "-q", "--prune=now")
    shutil.rmtree(repository / ".git" / "objects")

    async with last_green.copy() as copy:
        assert copy is not None
        assert files_of(copy.top)["tracked.py"] == b"tracked = 1\n"


async def test_it_outlives_this_process(repository: Path, keeper: MakeKeeper) -> None:
    """What was kept is there after a restart."""
    await keeper(repository).keep(began=LATER)

    async with keeper(repository).copy() as copy:
        assert copy is not None
        assert "tracked.py" in files_of(copy.top)


async def test_a_project_in_a_part_of_the_repository(repository: Path, keeper: MakeKeeper) -> None:
    """The copy holds the repository around it, as far as it is tracked."""
    write(repository, part__inner="inner = 1\n", beside="beside = 1\n")
    last_green = keeper(repository / "part")

    await last_green.keep(began=LATER)

    async with last_green.copy() as copy:
        assert copy is not None
        assert (copy.root, copy.original) == (copy.top / "part", repository.resolve())
        assert set(files_of(copy.top)) == {".gitignore", "part/inner.py", "src/deep.py", "tracked.py"}


async def test_no_program_of_the_users_configuration_runs(repository: Path, keeper: MakeKeeper, tmp_path: Path) -> None:
    """Neither filters nor hooks nor a file system monitor run, and bytes come back as they were."""
    ran = tmp_path / "ran"
    spy = tmp_path / "spy"
    spy.write_text(f"#!{sys.executable}\nimport sys\nopen({str(ran)!r}, 'a').write('x')\nprint('spoilt')\n")
    spy.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "post-checkout", "pre-commit"):
        shutil.copy(spy, hooks / hook)
    config = tmp_path / "config"
    for name in ("filter.spy.clean", "filter.spy.smudge", "core.fsmonitor"):
        git(repository, "config", "--file", str(config), name, str(spy))
    git(repository, "config", "--file", str(config), "filter.spy.required", "true")
    git(repository, "config", "--file", str(config), "core.hooksPath", str(hooks))
    git(repository, "config", "--file", str(config), "core.autocrlf", "true")
    (repository / ".gitattributes").write_text("* text=auto filter=spy ident\n")
    (repository / "tracked.py").write_bytes(b"one\r\ntwo\n# $Id$\n")
    last_green = keeper(repository, GIT_CONFIG_GLOBAL=str(config), GIT_DIR="/nowhere")

    await last_green.keep(began=LATER)

    async with last_green.copy() as copy:
        assert copy is not None
        assert files_of(copy.top)["tracked.py"] == b"one\r\ntwo\n# $Id$\n"
    assert not ran.exists()


async def test_unusual_files(repository: Path, keeper: MakeKeeper, tmp_path: Path) -> None:
    """Names with blanks and line breaks and links come back; what is no source of the project does not stop it."""
    (repository / "a b\nc.txt").write_text("odd")
    (repository / "link").symlink_to("tracked.py")
    os.mkfifo(repository / "pipe")
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    write(inner, own="own = 1\n")
    environment = repository / "env"
    (environment / "lib").mkdir(parents=True)
    (environment / "pyvenv.cfg").touch()
    (environment / "lib" / "installed.py").touch()
    cached = repository / "__pycache__"
    cached.mkdir()
    (cached / "tracked.pyc").touch()
    shutil.rmtree(repository / "src")
    (repository / "src").symlink_to(tmp_path)
    last_green = keeper(repository)

    await last_green.keep(began=LATER)

    async with last_green.copy() as copy:
        assert copy is not None
        assert set(files_of(copy.top)) == {".gitignore", "a b\nc.txt", "link", "tracked.py", "untracked.py"}
        assert (copy.top / "link").readlink() == Path("tracked.py")


async def test_a_change_since_the_run_began(repository: Path, keeper: MakeKeeper) -> None:
    """What was not tested is not kept, and what was kept before stays."""
    last_green = keeper(repository)
    await last_green.keep(began=LATER)
    began = time.time()
    write(repository, tracked="tracked = 2\n")
    now = time.time() - 3600
    os.utime(repository / "tracked.py", (now, now))

    assert await last_green.keep(began=began) is None

    async with last_green.copy() as copy:
        assert copy is not None
        assert files_of(copy.top)["tracked.py"] == b"tracked = 1\n"


async def test_what_the_tests_write_is_no_change(repository: Path, keeper: MakeKeeper) -> None:
    """A file that the green run itself wrote does not keep its source from being kept."""
    last_green = keeper(repository)
    newest = max(path.lstat().st_ctime for path in repository.rglob("*"))
    began = newest + 2 * sourcetree.LAG_S
    while time.time() <= began + sourcetree.LAG_S:
        write(repository, untracked="written by a test\n")

    assert await last_green.keep(began=began) is None
    assert await last_green.keep(began=began, wrote={"untracked.py"})


@pytest.mark.parametrize("spoil", ["no repository", "no git", "no folder", "a damaged index"])
async def test_it_never_raises(spoil: str, repository: Path, keeper: MakeKeeper, folder: Path, tmp_path: Path) -> None:
    """Without a repository, without git, without a place of its own or with a broken index, nothing is kept."""
    environ = {}
    if spoil == "no repository":
        shutil.rmtree(repository / ".git")
    elif spoil == "no git":
        environ["PATH"] = str(tmp_path)
    elif spoil == "no folder":
        folder.parent.mkdir()
        folder.touch()
    else:
        (repository / ".git" / "index").write_bytes(b"no index")
    last_green = keeper(repository, **environ)

    assert await last_green.keep(began=LATER) is None
    async with last_green.copy() as copy:
        assert copy is None


async def test_a_lost_store(repository: Path, keeper: MakeKeeper, folder: Path) -> None:
    """Without the objects there is no copy, and the next green source is kept as ever."""
    last_green = keeper(repository)
    await last_green.keep(began=LATER)
    shutil.rmtree(folder / "store")

    async with last_green.copy() as copy:
        assert copy is None
    (folder / "index").unlink()
    assert await last_green.keep(began=LATER)


async def test_the_store_stays_small(repository: Path, folder: Path) -> None:
    """States that are no longer needed leave the store after a while, and the last one stays whole."""
    for state in range(sourcetree.PRUNE_EVERY + 1):
        write(repository, tracked=f"tracked = {state}\n")
        kept = sourcetree.keep(repository, folder, began=LATER, wrote=(), excluded=())

    objects = [path for path in (folder / "store" / "objects").rglob("*") if path.is_file()]
    target = folder / "target"
    target.mkdir()
    sourcetree.restore(folder, target, kept["tree"])

    assert len(objects) <= 2 * len(files_of(target))
    assert files_of(target)["tracked.py"] == f"tracked = {sourcetree.PRUNE_EVERY}\n".encode()
    assert sorted(path.name for path in folder.iterdir()) == ["index", "kept.json", "store", "target"]


async def test_a_project_that_is_too_large(
    repository: Path, keeper: MakeKeeper, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """It is not kept; a single large file is left out."""
    monkeypatch.setattr(sourcetree, "LARGEST_SOURCE", 20)

    with pytest.raises(sourcetree.TooLarge):
        sourcetree.keep(repository, folder, began=LATER, wrote=(), excluded=())
    monkeypatch.setattr(sourcetree, "LARGEST_FILE", 11)
    sourcetree.keep(repository, folder, began=LATER, wrote=(), excluded=())

    async with keeper(repository).copy() as copy:
        assert copy is not None
        assert set(files_of(copy.top)) == {".gitignore", "src/deep.py"}


async def test_what_is_old_is_dropped(repository: Path, keeper: MakeKeeper, folder: Path) -> None:
    """What was green long ago is neither given back nor left lying around."""
    began = time.time() + 3600
    await keeper(repository).keep(began=began)
    clock = SystemClock()

    class Later(SystemClock):
        def wall(self) -> float:
            return clock.wall() + 2 * lastgreen.STALE_S

    async with keeper(repository, clock=Later()).copy() as copy:
        assert copy is None
    assert drop_stale(folder.parent, now=began) == 0
    assert drop_stale(folder.parent, now=Later().wall()) == 1
    assert not folder.exists()


async def test_a_copy_of_a_killed_process_goes(repository: Path, keeper: MakeKeeper, folder: Path) -> None:
    """The next copy removes what was left behind long ago."""
    last_green = keeper(repository)
    await last_green.keep(began=LATER)
    left = folder / "copies" / "left"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))

    async with last_green.copy() as copy:
        assert copy is not None
        assert not left.exists()
