"""The tree: what is on the disk is compared, and nothing odd on it is opened or followed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from app.engine.filewatch import ChangeKind, FileChange
from app.engine.filewatch.digest import LARGEST_DIGESTED, fingerprint
from app.engine.filewatch.observe import Polling
from app.engine.filewatch.pace import Pace, StoppedError
from app.engine.filewatch.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

CREATED, MODIFIED, DELETED = ChangeKind.CREATED, ChangeKind.MODIFIED, ChangeKind.DELETED


@pytest.fixture
def tree(project: Path) -> Tree:
    """Return a tree that has learnt the project."""
    tree = Tree(str(project), (), lambda: None)
    tree.start(Polling())
    while tree.digest_some():
        pass
    return tree


def compared(tree: Tree) -> list[tuple[str, ChangeKind]]:
    tree.examine({}, everything=True)
    changes, _ = tree.take()
    return [(change.path, change.kind) for change in changes]


def test_a_comparison_finds_what_no_event_told(tree: Tree, project: Path) -> None:
    """Files created, changed and deleted, in new and in gone folders, are all found."""
    (project / "m.py").write_text("first = 9\n", encoding="utf-8")
    (project / "pkg" / "n.py").unlink()
    (project / "new" / "deep").mkdir(parents=True)
    (project / "new" / "deep" / "o.py").touch()

    assert compared(tree) == [("m.py", MODIFIED), ("new/deep/o.py", CREATED), ("pkg/n.py", DELETED)]
    assert compared(tree) == []


def test_a_file_may_become_a_folder_and_back(tree: Tree, project: Path) -> None:
    """What changes its nature is deleted as the one and created as the other."""
    (project / "m.py").unlink()
    (project / "m.py").mkdir()
    (project / "m.py" / "inner.py").touch()
    assert compared(tree) == [("m.py", DELETED), ("m.py/inner.py", CREATED)]

    (project / "m.py" / "inner.py").unlink()
    (project / "m.py").rmdir()
    (project / "m.py").touch()

    assert compared(tree) == [("m.py", CREATED), ("m.py/inner.py", DELETED)]


def test_new_rules_drop_folders_without_telling_of_deletions(tree: Tree, project: Path) -> None:
    """A folder that becomes ignored is no longer looked at; its files are not told as deleted. And back again."""
    (project / ".gitignore").write_text("pkg/\n", encoding="utf-8")
    assert compared(tree) == [(".gitignore", CREATED)]
    assert tree.folders == 1

    (project / ".gitignore").unlink()

    assert compared(tree) == [(".gitignore", DELETED), ("pkg/n.py", CREATED)]


def test_a_folder_that_turns_out_to_be_an_environment_is_left(tree: Tree, project: Path) -> None:
    """When the mark of a virtual environment appears, by event or comparison, its folder is no longer looked at."""
    (project / "env").mkdir()
    (project / "env" / "v.py").touch()
    assert compared(tree) == [("env/v.py", CREATED)]

    (project / "env" / "pyvenv.cfg").touch()
    tree.examine({"env": {"pyvenv.cfg"}}, everything=False)

    assert tree.take() == ((), False)
    assert "env" not in tree._index.folders
    assert compared(tree) == []


class FakeEar:
    """Listens to nothing."""

    def __init__(self) -> None:
        self.deaf: set[str] = set()
        self.dead = False


class FakeObserver(Polling):
    """Gives out ears."""

    def watch(self, path: str, folder: str) -> FakeEar:  # noqa: ARG002 - the observer's interface
        """Return an ear."""
        return FakeEar()


def test_an_ignored_file_is_not_listened_to(project: Path) -> None:
    """After its first event an ignored file is dropped at the source, until the rules change."""
    (project / ".gitignore").write_text("*.log\n", encoding="utf-8")
    tree = Tree(str(project), (), lambda: None)
    tree.start(FakeObserver())
    (project / "a.log").touch()
    ear = tree._index.folders[""].ear
    assert ear is not None

    tree.examine({"": {"a.log"}}, everything=False)
    assert ear.deaf == {"a.log"}

    (project / ".gitignore").write_text("", encoding="utf-8")
    tree.examine({"": {".gitignore"}}, everything=False)
    assert ear.deaf == set()


def test_links_pipes_and_sockets_are_neither_opened_nor_followed(tree: Tree, project: Path) -> None:
    """Loops and dangling links count by where they point; a FIFO, which would block, and a socket not at all."""
    (project / "pkg" / "loop").symlink_to(project, target_is_directory=True)
    (project / "dangling.py").symlink_to("nowhere")
    os.mkfifo(project / "pipe.py")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(project / "s.py"))
        assert compared(tree) == [("dangling.py", CREATED), ("pkg/loop", CREATED)]

    (project / "dangling.py").unlink()
    (project / "dangling.py").symlink_to("elsewhere")

    assert compared(tree) == [("dangling.py", MODIFIED)]
    assert fingerprint(str(project / "pipe.py")) is None


def test_a_file_swapped_for_a_pipe_is_deleted(tree: Tree, project: Path) -> None:
    """Where a file was and a FIFO is, the file is gone."""
    (project / "m.py").unlink()
    os.mkfifo(project / "m.py")

    assert compared(tree) == [("m.py", DELETED)]


ODD_NAMES = [b"not\xffutf8.py", b"new\nline.py", "\U0001f600.py".encode(), b"x" * 252 + b".py", b"quo\"te'.py", b" .py"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_told_in_a_form_that_json_carries(tree: Tree, project: Path, name: bytes) -> None:
    """Any name that a file system allows is watched, and told as text without surrogates."""
    path = os.path.join(os.fsencode(project), name)  # noqa: PTH118 - bytes
    with open(path, "wb"):  # noqa: PTH123 - bytes
        pass

    tree.examine({"": {os.fsdecode(name)}}, everything=False)
    (change,), _ = tree.take()

    assert change == FileChange(name.decode("utf-8", "backslashreplace"), CREATED)
    assert json.loads(json.dumps(change.path, ensure_ascii=False).encode()) == change.path


def test_large_files_are_compared_without_reading_them(tree: Tree, project: Path) -> None:
    """Beyond the cap a file changes with its size or time."""
    big = project / "big.bin"
    with big.open("wb") as file:
        file.truncate(LARGEST_DIGESTED + 1)
    assert compared(tree) == [("big.bin", CREATED)]
    seen = fingerprint(str(big))
    assert seen is not None
    assert seen.digest is None

    os.utime(big, (1, 1))

    assert compared(tree) == [("big.bin", MODIFIED)]


def test_a_change_during_the_learning_is_not_lost(project: Path) -> None:
    """A file written between its entry and its first reading is told, not taken for what it always was."""
    tree = Tree(str(project), (), lambda: None)
    tree.start(Polling())
    (project / "m.py").write_text("first = 5\n", encoding="utf-8")

    while tree.digest_some():
        pass
    tree.examine({"": {"m.py"}}, everything=False)

    assert tree.take()[0] == (FileChange("m.py", MODIFIED),)


def test_a_folder_that_is_gone_or_empty_of_late_is_looked_at_again(tree: Tree, project: Path) -> None:
    """A file that just vanished or was emptied asks for a second look, after which it is taken at its word."""
    (project / "m.py").unlink()
    (project / "pkg" / "n.py").write_text("", encoding="utf-8")

    assert tree.examine({"": {"m.py"}, "pkg": {"n.py"}}, everything=False)
    assert not tree.examine({}, everything=False)

    assert tree.take()[0] == (FileChange("m.py", DELETED), FileChange("pkg/n.py", MODIFIED))


def test_files_beyond_the_limit_do_not_grow_the_memory(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge tree is remembered up to the limit, says so, and events on the rest are still told."""
    monkeypatch.setattr("app.engine.filewatch.index.FILE_LIMIT", 3)
    for number in range(10):
        (project / f"x{number}.py").touch()
    tree = Tree(str(project), (), lambda: None)

    tree.start(Polling())

    assert (tree.files, tree.complete) == (3, False)
    known = set(tree._index.folders[""].files)
    other = next(f"x{number}.py" for number in range(10) if f"x{number}.py" not in known)
    (project / other).write_text("1", encoding="utf-8")
    tree.examine({"": {other}}, everything=True)
    assert [change.path for change in tree.take()[0]] == [other]


def test_long_work_ends_when_it_is_told_to(project: Path) -> None:
    """A comparison ends at one of its next steps when its pace is stopped."""
    pace = Pace()
    tree = Tree(str(project), (), pace)
    tree.start(Polling())
    pace.stop()

    with pytest.raises(StoppedError):
        compare_for_ever(tree)


def compare_for_ever(tree: Tree) -> None:
    while True:
        tree.examine({}, everything=True)


UNREADABLE = """
import json, os, sys
from app.engine.filewatch.observe import Polling, native_observer
from app.engine.filewatch.fold import Inbox
from app.engine.filewatch.tree import Tree
root = sys.argv[1]
if os.geteuid() == 0:
    os.seteuid(65534)
tree = Tree(root, (), lambda: None)
for observer in (Polling(), native_observer(Inbox(lambda: None, lambda: 0.0), lambda name, folder: False)):
    tree.start(observer)
    while tree.digest_some():
        pass
    tree.examine({"": {"closed", "closed.py"}}, everything=True)
    print(json.dumps([sorted(tree._index.folders), sorted(tree._index.folders[""].files), len(tree.take()[0])]))
tree.release()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions work otherwise there")
def test_what_cannot_be_read_is_passed_over() -> None:
    """A folder without permission is not entered, a file without it is known by size and time; neither is fatal."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the user nobody is to get in here
        for name in ("closed", "open"):
            os.mkdir(f"{folder}/{name}")  # noqa: PTH102 - as above
            with open(f"{folder}/{name}.py", "w", encoding="utf-8") as file:  # noqa: PTH123 - as above
                file.write("x")
        os.chmod(f"{folder}/closed", 0)  # noqa: PTH101 - as above
        os.chmod(f"{folder}/closed.py", 0)  # noqa: PTH101 - as above

        ran = subprocess.run(
            [sys.executable, "-c", UNREADABLE, folder], capture_output=True, text=True, check=False, timeout=30
        )
        os.chmod(f"{folder}/closed", 0o700)  # noqa: PTH101 - so that it can be deleted

    assert ran.returncode == 0, ran.stderr
    told = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[[")]
    assert told == [[["", "open"], ["closed.py", "open.py"], 0]] * 2
