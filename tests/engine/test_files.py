"""Atomic files: the old content or the new one, nothing left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import files
from app.engine.files import sweep_temporaries, sync_file, sync_folder, write_atomic

ROOT = Path(__file__).parents[2]


def test_a_new_file_is_private_and_whole(tmp_path: Path) -> None:
    """A new file has the content and can be read by its owner only."""
    path = tmp_path / "state.json"

    write_atomic(path, b"content")

    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


def test_the_mode_that_is_asked_for_is_given(tmp_path: Path) -> None:
    """A mode other than the private one holds whatever the umask is."""
    before = os.umask(0o077)
    try:
        write_atomic(tmp_path / "unit.service", b"", mode=0o644)
    finally:
        os.umask(before)

    assert (tmp_path / "unit.service").stat().st_mode & 0o777 == 0o644


def test_each_step_is_told_before_it_is_taken(tmp_path: Path) -> None:
    """What lies in the folder at each step is what the steps before it left there."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    told: list[tuple[str, bytes, list[int]]] = []

    def tell(step: str) -> None:
        temporaries = [each.stat().st_size for each in tmp_path.glob(".wk-*.tmp")]
        told.append((step, path.read_bytes(), temporaries))

    write_atomic(path, b"newer", on_step=tell)

    assert told == [
        ("create", b"old", []),
        ("write", b"old", [0]),
        ("sync", b"old", [5]),
        ("replace", b"old", [5]),
        ("sync folder", b"newer", []),
    ]


def test_what_need_not_outlive_a_power_cut_takes_no_step_of_syncing(tmp_path: Path) -> None:
    """Without `sync` neither the file nor the folder is waited for."""
    told: list[str] = []

    write_atomic(tmp_path / "state.json", b"content", sync=False, on_step=told.append)

    assert told == ["create", "write", "replace"]


def test_whoever_is_told_of_a_step_can_stop_it(tmp_path: Path) -> None:
    """An error on the way to the replacement leaves the old content and no temporary."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")

    def stop(step: str) -> None:
        if step == "replace":
            raise InterruptedError(step)

    with pytest.raises(InterruptedError):
        write_atomic(path, b"new", on_step=stop)

    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


@given(old=st.binary(max_size=1000), new=st.binary(max_size=1000))
def test_a_file_is_replaced_whole(tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes) -> None:
    """Whatever was there before, what is there after is the new content alone."""
    path = tmp_path_factory.mktemp("replaced") / "file"
    path.write_bytes(old)

    write_atomic(path, new)

    assert path.read_bytes() == new


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Writing to a symbolic link replaces what it points to (dotfiles kept in a repository)."""
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "settings.toml", tmp_path / "settings.toml"
    target.write_bytes(b"old")
    link.symlink_to(target)

    write_atomic(link, b"new")

    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_link_that_is_not_followed_is_replaced(tmp_path: Path) -> None:
    """Where others may have put a link, what it leads to stays as it is."""
    target, link = tmp_path / "victim", tmp_path / "answer.md"
    target.write_bytes(b"old")
    link.symlink_to(target)

    write_atomic(link, b"new", follow=False)

    assert target.read_bytes() == b"old"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


def test_a_failure_leaves_the_old_content_and_no_temporary(tmp_path: Path) -> None:
    """When the new file cannot be put in place, the old one is intact and nothing lies beside it."""
    folder = tmp_path / "taken"
    (folder / "inside").mkdir(parents=True)

    with pytest.raises(OSError, match="taken"):
        write_atomic(folder, b"content")

    assert (folder / "inside").is_dir()
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """Folders are made by whoever owns them, not by the way."""
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "absent" / "file", b"")


def test_a_held_file_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' sharing violations, which end when a scanner lets go, are waited for."""
    monkeypatch.setattr(files, "RETRY_EVERY_S", 0.0)
    tries: list[int] = []

    def replace() -> None:
        tries.append(1)
        if len(tries) < 3:
            held = PermissionError(13, "held")
            held.winerror = 32  # type: ignore[attr-defined]
            raise held

    files._until_free(replace)

    assert len(tries) == 3


def test_any_other_refusal_is_raised_at_once() -> None:
    """An error that no waiting cures is not waited for."""
    tries: list[int] = []

    def replace() -> None:
        tries.append(1)
        raise PermissionError(13, "read-only")

    with pytest.raises(PermissionError):
        files._until_free(replace)

    assert len(tries) == 1


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    """A writer that was killed in the middle leaves a temporary, which the next start removes."""
    program = (
        "import os, signal, sys; from pathlib import Path; from app.engine import files\n"
        "files._until_free = lambda replace: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_atomic(Path(sys.argv[1]), b'new')\n"
    )
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=False)
    left = [each.name for each in tmp_path.iterdir() if each != path]

    swept = sweep_temporaries(tmp_path)

    assert len(left) == 1
    assert swept == 1
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]
    assert path.read_bytes() == b"old"


def test_what_a_living_writer_uses_stays(tmp_path: Path) -> None:
    """The temporary of another process that lives is not taken away from it, nor is a file of another kind."""
    parent = os.getppid()
    for name in (f".wk-{parent}-0123456789ab.tmp", f".wk-{os.getpid()}-0123456789ab.tmp", "notes.tmp"):
        (tmp_path / name).write_bytes(b"")

    swept = sweep_temporaries(tmp_path)

    assert swept == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_an_old_temporary_goes_even_when_its_number_is_in_use_again(tmp_path: Path) -> None:
    """Process numbers are given out again, so age decides in the end."""
    old = tmp_path / f".wk-{os.getppid()}-0123456789ab.tmp"
    old.write_bytes(b"")
    long_ago = time.time() - 2 * files.STALE_AFTER_S
    os.utime(old, (long_ago, long_ago))

    assert sweep_temporaries(tmp_path) == 1


def test_a_folder_that_is_not_there_is_swept(tmp_path: Path) -> None:
    """The first start of all has nothing to sweep, and says nothing."""
    assert sweep_temporaries(tmp_path / "absent") == 0


def _refuse(descriptor: int) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), descriptor)


def test_a_file_system_that_cannot_sync_a_folder_is_forgiven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems refuse to sync a folder: the new name is there all the same."""
    monkeypatch.setattr(os, "fsync", _refuse)

    sync_folder(tmp_path)


def test_a_file_that_cannot_be_made_durable_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to survive a power cut and does not is an error."""
    path = tmp_path / "state"
    path.write_bytes(b"content")
    sync_file(path)
    monkeypatch.setattr(os, "fsync", _refuse)

    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        sync_file(path)
    assert path.read_bytes() == b"content"
