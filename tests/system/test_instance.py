"""One instance for each user and home, however the last one ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import CannotError
from app.engine.places import Places
from app.system.instance import SingleInstance

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import os, sys
from app.engine.places import Places
from app.system.instance import SingleInstance
held = SingleInstance(Places.find(os.environ))
print(held.acquire(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def places() -> Iterator[Places]:
    home = Path(tempfile.mkdtemp(prefix="wk-"))
    yield Places.find({"WATCHKEEPER_HOME": str(home)})
    shutil.rmtree(home)


@pytest.fixture
def other(places: Places) -> Iterator[subprocess.Popen[str]]:
    environ = {**os.environ, "WATCHKEEPER_HOME": str(places.data.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_the_first_has_it_until_it_gives_it_back(places: Places) -> None:
    """Only one holds the lock; taking it twice is no fault, and after a release another may."""
    with SingleInstance(places) as first, SingleInstance(places) as second:
        assert first.acquire()
        assert first.acquire()
        refused = second.acquire()
        first.release()
        first.release()

        assert not refused
        assert second.acquire()


def test_another_process_is_refused_and_told_who(places: Places, other: subprocess.Popen[str]) -> None:
    """The note beside the lock names the process that holds it."""
    with SingleInstance(places) as mine:
        taken = mine.acquire()
        owner = mine.owner()

    assert not taken
    assert owner is not None
    assert owner.pid == other.pid
    assert 0 <= time.time() - owner.started_at < 60


def test_a_killed_instance_blocks_nobody(places: Places, other: subprocess.Popen[str]) -> None:
    """After kill -9 the lock is free at once, though its files are still there."""
    other.kill()
    other.wait()

    with SingleInstance(places) as mine:
        left = mine.owner()
        taken = mine.acquire()
        owner = mine.owner()

    assert left is not None
    assert taken
    assert owner is not None
    assert owner.pid == os.getpid()
    assert mine.owner() is None


def test_only_one_of_many_threads_gets_it(places: Places) -> None:
    """Eight that ask at the same moment leave one with the lock."""
    instances = [SingleInstance(places) for _ in range(8)]
    start = threading.Barrier(8)
    got: list[SingleInstance] = []

    def ask(instance: SingleInstance) -> None:
        start.wait()
        if instance.acquire():
            got.append(instance)

    threads = [threading.Thread(target=ask, args=(each,)) for each in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for each in instances:
        each.release()
    assert len(got) == 1


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff" * 10_000, b"[" * 4000])
def test_a_broken_note_says_nothing_and_blocks_nothing(places: Places, note: bytes) -> None:
    """What stands in the note decides nothing."""
    places.create()
    with SingleInstance(places) as mine:
        mine.owner_file.write_bytes(note)

        assert mine.owner() is None
        assert mine.acquire()


def test_a_lock_that_cannot_be_asked_for_is_told(places: Places) -> None:
    """A folder in the lock's place is named, with what to do."""
    places.create()
    (places.runtime / "instance.lock").mkdir()

    with SingleInstance(places) as mine, pytest.raises(CannotError, match="cannot be locked") as caught:
        mine.acquire()

    assert caught.value.hint
