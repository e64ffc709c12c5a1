"""Rows 32 to 34: the history is locked by another process, damaged, of a newer program, or cut short in a migration."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from app.domain.commands import ReadRuns
from app.domain.errors import StoreError
from app.domain.events import ProjectWatched, RunFinished, RunStarted, TestsRan
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.store import doctor
from app.store.location import FILE_NAME, RELEASED, sqlite_url
from tests.faults.housed import housed, places_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.engine.bus import Bus
    from app.engine.places import Places
    from tests.faults.conftest import Sound

PROJECT = "/home/ada/project"
TOLD_S = 5.0
"""A lock that is held for longer is told of."""

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Have another process hold the history's lock."""
    argv = [sys.executable, "-c", LOCK, str(file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "locked\n"
        yield
        holder.stdin.close()


def tell_run(bus: Bus, number: int) -> None:
    """Tell of a run with one test, as a watcher does."""
    at, run = 1000.0 + number, f"run-{number}"
    cause, result = Cause(CauseKind.REQUEST), TestResult("test_it.py::test_it", Outcome.PASSED, 0.1)
    bus.publish(ProjectWatched(at=at, project=PROJECT, name="project"))
    bus.publish(RunStarted(at=at, project=PROJECT, run_id=run, cause=cause))
    bus.publish(TestsRan(at=at, project=PROJECT, run_id=run, results=(result,)))
    bus.publish(RunFinished(at=at, project=PROJECT, run_id=run, verdict=Verdict.GREEN, duration_s=0.1))


async def runs_of(bus: Bus) -> list[str]:
    """Return the runs that the history knows, the oldest first."""
    return [run.run_id for run in reversed(await bus.send(ReadRuns(project=PROJECT, limit=1000)))]


async def until_known(bus: Bus, *runs: str) -> None:
    """Wait until the history knows these runs, and no others."""
    async with asyncio.timeout(20):
        while await runs_of(bus) != list(runs):  # noqa: ASYNC110 - another thread writes in its own time
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("seconds", [1.5, pytest.param(10.0, marks=pytest.mark.slow)])
async def test_row_32_writes_wait_for_a_lock_of_another_process(tmp_path: Path, sound: Sound, seconds: float) -> None:
    """Nothing is lost, questions are answered meanwhile, nobody else waits; only a long lock is told, once."""
    places = places_in(tmp_path)
    async with housed(places) as home:
        tell_run(home.bus, 0)
        await until_known(home.bus, "run-0")
        sound.from_now_on()

        locked_at = time.monotonic()
        with locked(places.data / FILE_NAME):
            for number in range(1, 301):
                tell_run(home.bus, number)
            began = time.monotonic()
            answered = [await runs_of(home.bus)]
            answered_s = time.monotonic() - began
            await asyncio.sleep(seconds - answered_s)
            answered.append(await runs_of(home.bus))
        held_s = time.monotonic() - locked_at
        await until_known(home.bus, *(f"run-{number}" for number in range(301)))
        told = [bool(text) for text in home.told("history")]

    assert answered == [["run-0"], ["run-0"]]
    assert answered_s < 2.0
    is_long = seconds > TOLD_S or (held_s > TOLD_S and told)  # a starved machine may hold a short one for longer
    assert told == ([True, False] if is_long else [])


NOISE = bytes(range(7, 251)) * 400


def noise(file: Path) -> None:
    file.write_bytes(NOISE)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2 + 100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


async def with_history(places: Places) -> Path:
    """Have a life leave a history of one run and its backup, and return the file."""
    async with housed(places) as home:
        tell_run(home.bus, 0)
        await until_known(home.bus, "run-0")
        for early in (places.data / "backups").glob("*.sqlite3"):
            early.unlink()  # a quick machine made it before the run was told; the end makes another
    file = places.data / FILE_NAME
    assert file.stat().st_size > 0
    assert len(list((places.data / "backups").iterdir())) == 1
    return file


@pytest.mark.parametrize("damage", [noise, truncated, empty])
@pytest.mark.usefixtures("sound")
async def test_row_33_a_damaged_history_is_set_aside_and_goes_on_from_its_backup(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """The person is told where the damaged file lies, what was backed up is there, and the next run is recorded."""
    places = places_in(tmp_path)
    file = await with_history(places)
    damage(file)
    damaged = file.read_bytes()

    async with housed(places) as home:
        await home.until(lambda: "history" in home.notices)
        notice = home.notices["history"]
        tell_run(home.bus, 1)
        await until_known(home.bus, "run-0", "run-1")

    (aside,) = places.data.glob("*.damaged-*")
    assert aside.read_bytes() == damaged
    assert "It goes on from the backup" in notice.text
    assert str(aside) in notice.hint
    assert len(home.told("history")) == 1


@pytest.mark.usefixtures("sound")
async def test_row_33_a_newer_programs_history_is_left_as_it_is(tmp_path: Path) -> None:
    """Nothing is recorded, each question is refused with what to do, everything else goes on, the file is untouched."""
    places = places_in(tmp_path)
    file = await with_history(places)
    newer(file)
    before = file.read_bytes()

    async with housed(places) as home:
        await home.until(lambda: "history" in home.notices)
        notice = home.notices["history"]
        tell_run(home.bus, 1)
        with pytest.raises(StoreError, match="newer Watchkeeper") as refused:
            await runs_of(home.bus)
        verdict = home.bus.snapshot.projects[PROJECT].last

    assert "newer Watchkeeper" in notice.text
    assert notice.hint == refused.value.hint != ""
    assert verdict is not None
    assert file.read_bytes() == before


KILLS = (1, 5)
ALL_KILLS = tuple(range(1, 31))
CALLS = "pwrite64,fdatasync,fsync,rename,unlink"


@pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")
@pytest.mark.parametrize("kills", [KILLS, pytest.param(ALL_KILLS, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
async def test_row_34_killed_within_a_migration_the_next_start_has_all_of_it(
    tmp_path: Path, kills: tuple[int, ...]
) -> None:
    """At several system calls of it: the next start is told, has every run, and makes the change after all."""
    places = places_in(tmp_path)
    file = await with_history(places)
    url = sqlite_url(file)
    doctor.downgrade(url, RELEASED.known[0], backups=None, wall=time.time)
    old = {path.name: path.read_bytes() for path in places.data.glob(f"{FILE_NAME}*")}
    killed, left = [], []

    for number in kills:
        for path in places.data.glob(f"{FILE_NAME}*"):
            path.unlink()
        for name, content in old.items():
            (places.data / name).write_bytes(content)
        killed.append(_killed_upgrade(places, file, number))
        left.append(file.with_name(f"{FILE_NAME}.migrating").exists())
        async with housed(places) as home:
            await until_known(home.bus, "run-0")
            told = home.told("history")
        assert bool(told) is left[-1]
        assert doctor.current(url).position == "current"
        assert not file.with_name(f"{FILE_NAME}.migrating").exists()

    assert killed[0] == killed[1] == -signal.SIGKILL
    assert set(killed) <= {-signal.SIGKILL, 0}, "there are not so many calls"
    assert True in left


def _killed_upgrade(places: Places, file: Path, number: int) -> int:
    """Upgrade the history in a process that is killed at this system call on its file, and return how it ended."""
    watched = [f"--trace-path={file}{suffix}" for suffix in ("", "-wal", ".migrating", ".migrating.part")]
    inject = f"--inject={CALLS}:signal=KILL:when={number}"
    argv = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}", *watched, inject]
    program = [sys.executable, "-m", "app.main", "doctor", "db", "upgrade"]
    done = subprocess.run(
        [*argv, *program],
        env={"WATCHKEEPER_HOME": str(places.data.parent), "PATH": "/usr/bin:/bin"},
        timeout=50,
        check=False,
    )
    return done.returncode
