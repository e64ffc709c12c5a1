"""A history in trouble: damaged, locked, full, killed, out of reach; nothing is lost silently, and people are told."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from subprocess import PIPE
from typing import IO, TYPE_CHECKING

import pytest

from app.domain.errors import StoreError
from app.domain.verdicts import Outcome, TestResult
from app.store import recovery
from app.store.faults import of_sqlite
from app.store.location import sqlite_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.store.history import History
    from app.store.queries import Queries
    from tests.conftest import FakeClock
    from tests.store.conftest import Story, Troubles

GREEN, RED = Outcome.PASSED, Outcome.FAILED
DAY_S = 24 * 3600.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something that a thread brings about holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the thread does it in its own time
            await asyncio.sleep(0.01)


NOISE = bytes(range(7, 251)) * 1_000


def noise(path: Path) -> None:
    path.write_bytes(NOISE[:50_000])


def noise_inside(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : 3 * 4096] = NOISE[: 2 * 4096]
    path.write_bytes(content)


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    """Put noise over all of it in place, as a failing disk does: the file stays the same one."""
    with path.open("rb+") as file:
        file.write(NOISE[: path.stat().st_size])


def removed(path: Path) -> None:
    path.unlink()


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", *arguments], stdin=PIPE, stdout=PIPE, text=True)


DAMAGES = [noise, noise_inside, truncated, empty]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_replaced_by_the_last_good_backup(
    sqlite_file: Path,
    new_history: Callable[..., History],
    troubles: Troubles,
    story: Story,
    damage: Callable[[Path], None],
) -> None:
    """A damaged file is moved aside, the backup takes its place, recording goes on, and it is told."""
    url = sqlite_url(sqlite_file)
    async with new_history(url) as history:
        story.record(history, story.run("r1", *((f"t::{index}", RED) for index in range(300))))
    damage(sqlite_file)
    damaged = content_of(sqlite_file)

    async with new_history(url) as history:
        story.record(history, story.run("r2", ("t::1", GREEN)))
        await history.flush()
        runs = await history.runs()

    assert [run.run_id for run in runs] == ["r2", "r1"]
    assert "goes on from the backup" in troubles[0][0]
    (aside,) = sqlite_file.parent.glob("*.damaged-*")
    assert aside.read_bytes() == damaged
    assert str(aside) in troubles[0][1]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_without_a_backup_begins_anew(
    sqlite_file: Path,
    new_history: Callable[..., History],
    troubles: Troubles,
    story: Story,
    damage: Callable[[Path], None],
) -> None:
    """Without a backup the damaged file is still kept aside, and a new history begins."""
    url = sqlite_url(sqlite_file)
    async with new_history(url, backup_folder=None) as history:
        story.record(history, story.run("r1", *((f"t::{index}", RED) for index in range(300))))
    damage(sqlite_file)

    async with new_history(url, backup_folder=None) as history:
        story.record(history, story.run("r2"))
        await history.flush()
        runs = await history.runs()

    assert [run.run_id for run in runs] == ["r2"]
    assert "begins anew" in troubles[0][0]
    assert len(list(sqlite_file.parent.glob("*.damaged-*"))) == 1


async def test_damage_while_in_use_is_recovered_and_nothing_that_waits_is_lost(
    sqlite_file: Path, new_history: Callable[..., History], troubles: Troubles, story: Story
) -> None:
    """When the file is overwritten under the running history, it recovers and writes what it was given."""
    url = sqlite_url(sqlite_file)
    async with new_history(url) as history:
        story.record(history, story.run("r1", *((f"t::{index}", RED) for index in range(300))))

    async with new_history(url) as history:
        await history.runs()
        overwritten(sqlite_file)
        story.record(history, story.run("r2", *((f"t::{index}", GREEN) for index in range(300))))
        await history.flush()
        runs = await history.runs()
        counters = history.counters

    assert [run.run_id for run in runs] == ["r2", "r1"]
    assert counters.recoveries == 1
    assert counters.dropped_results == counters.dropped_events == 0
    assert any("damaged" in text for text, _ in troubles)


async def test_a_file_that_is_removed_while_in_use_is_noticed(
    sqlite_file: Path, new_history: Callable[..., History], story: Story
) -> None:
    """A history whose file a person removed begins a new one, instead of writing into nothing."""
    async with new_history(sqlite_url(sqlite_file)) as history:
        story.record(history, story.run("r1"))
        await history.flush()
        if sys.platform != "win32":  # there an open file cannot be removed
            removed(sqlite_file)
        story.record(history, story.run("r2"))
        await history.flush()

    with closing(sqlite3.connect(sqlite_file)) as connection:
        assert ("r2",) in connection.execute("SELECT run_id FROM runs").fetchall()


async def test_somebody_elses_database_is_left_alone(
    sqlite_file: Path, new_history: Callable[..., History], troubles: Troubles
) -> None:
    """A database that holds something else is refused, and not touched."""
    sqlite_file.parent.mkdir()
    with closing(sqlite3.connect(sqlite_file)) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    before = content_of(sqlite_file)

    async with new_history(sqlite_url(sqlite_file)) as history:
        with pytest.raises(StoreError, match="no history of Watchkeeper"):
            await history.runs()

    assert content_of(sqlite_file) == before
    assert len(troubles) == 1


async def test_a_backup_is_made_once_a_day(
    sqlite_file: Path, new_history: Callable[..., History], tmp_path: Path, story: Story, fake_clock: FakeClock
) -> None:
    """A second run on the same day makes no second backup; the next day does, and old ones go."""
    counts = []
    for day in (0.0, 0.1, 1.2, 2.4, 3.6):
        fake_clock.set_wall(1_700_000_000 + day * DAY_S)
        async with new_history(sqlite_url(sqlite_file)) as history:
            story.record(history, story.run(f"r{day}"))
        counts.append(len(list((tmp_path / "backups").iterdir())))

    assert counts == [1, 1, 2, 3, 3]


def test_backups_made_at_once_do_not_spoil_each_other(sqlite_file: Path, tmp_path: Path) -> None:
    """Two that back the same history up in the same second each leave a sound copy, and nothing else."""
    sqlite_file.parent.mkdir()
    with closing(sqlite3.connect(sqlite_file)) as connection, connection:
        connection.execute("CREATE TABLE outputs (text TEXT)")
        connection.executemany("INSERT INTO outputs VALUES (?)", [("x" * 500,)] * 20_000)

    for _ in range(3):
        with ThreadPoolExecutor(2) as threads:
            made = [threads.submit(recovery.back_up, sqlite_file, tmp_path / "backups", 1e9) for _ in range(2)]
        (copy,) = {each.result() for each in made}

        assert list((tmp_path / "backups").iterdir()) == [copy]
        assert recovery.is_sound(copy, recovery.Check.WHOLE)


def test_what_killed_programs_left_of_a_backup_goes(sqlite_file: Path, tmp_path: Path) -> None:
    """An unfinished backup is removed with SQLite's file beside it; one whose program lives is still being written."""
    sqlite_file.parent.mkdir()
    sqlite3.connect(sqlite_file).close()
    folder = tmp_path / "backups"
    folder.mkdir()
    killed = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=PIPE, text=True, check=True)
    living, *left = (
        folder / f".wk-{pid}-0123456789ab.tmp{beside}"
        for pid, beside in ((os.getpid(), ""), (int(killed.stdout), ""), (int(killed.stdout), "-journal"))
    )
    for each in (living, *left):
        each.write_bytes(b"half")
        os.utime(each, (1e9, 1e9))

    copy = recovery.back_up(sqlite_file, folder, 1e9)

    assert sorted(folder.iterdir()) == sorted([living, copy])


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
connection.close()
"""


@pytest.mark.parametrize("held_s", [2.0, pytest.param(10.0, marks=pytest.mark.slow)])
async def test_writes_wait_for_a_lock_of_another_process(
    sqlite_file: Path, new_history: Callable[..., History], story: Story, held_s: float
) -> None:
    """While another process holds the database nothing is lost, and questions are answered."""
    async with new_history(sqlite_url(sqlite_file)) as history:
        story.record(history, story.run("r0"))
        await history.flush()
        holder = start(HOLDER, str(sqlite_file))
        assert holder.stdout
        try:
            await asyncio.to_thread(holder.stdout.readline)
            started, index = time.monotonic(), 0
            while time.monotonic() - started < held_s:
                index += 1
                story.record(history, story.run(f"r{index}", ("t::a", RED)))
                await asyncio.sleep(0.02)
            during = await history.runs()
            failures = history.counters.failures
        finally:
            await asyncio.to_thread(holder.communicate, "go\n")
        await history.flush()
        runs = await history.runs(None, 10_000)
        counters = history.counters

    assert [run.run_id for run in during] == ["r0"]
    assert failures > 0
    assert len(runs) == index + 1
    assert counters.dropped_results == counters.dropped_events == counters.dropped_outputs == 0


async def test_a_full_disk_is_told_once_and_writing_goes_on_when_there_is_room(
    sqlite_file: Path, new_history: Callable[..., History], troubles: Troubles, story: Story
) -> None:
    """On a full disk memory stays bounded, the oldest details go first, it is told once, and cleared when over."""

    def limit(pages: int) -> Callable[[Queries], object]:
        return lambda queries: queries._connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").all()

    capacity = 200_000
    async with new_history(sqlite_url(sqlite_file), capacity_bytes=capacity) as history:
        story.record(history, story.run("before", ("t::a", GREEN)))
        await history.flush()
        await asyncio.wrap_future(history.ask(limit(1)))  # SQLite takes the present size instead
        for index in range(100):
            results = (TestResult(f"t::{each}", RED, 0.1, "x" * 2_000) for each in range(20))
            story.record(history, story.run(f"r{index}", *results))
        await until(lambda: bool(troubles))
        during = history.counters
        await asyncio.wrap_future(history.ask(limit(1_000_000)))
        await history.flush()
        await until(lambda: troubles[-1] == ("", ""))
        runs = await history.runs(None, 1_000)

    assert during.pending_bytes <= capacity
    assert during.dropped_outputs > 0
    assert during.dropped_events == 0
    assert len(runs) == 101
    assert runs[0].counts.failed == 20
    assert [text for text, _ in troubles] == [troubles[0][0], ""]
    assert "disk is full" in troubles[0][0]


async def test_what_cannot_be_written_at_the_end_is_given_up_in_time(
    sqlite_file: Path, new_history: Callable[..., History], story: Story
) -> None:
    """A history that is locked for good ends after its deadline and counts what it lost."""
    async with new_history(sqlite_url(sqlite_file), close_s=2.0) as history:
        await history.runs()
        with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            story.record(history, story.run("r1", ("t::a", GREEN)))
            flushing = asyncio.ensure_future(history.flush())
            await asyncio.sleep(0)
            async with asyncio.timeout(20):
                await history.__aexit__(None, None, None)
            other.execute("ROLLBACK")

    with pytest.raises(StoreError):
        await flushing
    assert (history.counters.dropped_results, history.counters.dropped_events) == (1, 3)


async def test_a_place_that_cannot_be_made_is_told_and_tried_again(
    tmp_path: Path, new_history: Callable[..., History], troubles: Troubles, story: Story
) -> None:
    """Where the folder cannot be made the program goes on without history, and begins it once it can."""
    in_the_way = tmp_path / "data"
    in_the_way.write_text("a file, not a folder", encoding="utf-8")
    async with new_history(sqlite_url(in_the_way / "history.sqlite3")) as history:
        story.record(history, story.run("r1"))
        with pytest.raises(StoreError, match="out of reach"):
            await history.runs()
        in_the_way.unlink()
        await history.flush()
        runs = await history.runs()

    assert [run.run_id for run in runs] == ["r1"]
    assert [bool(text) for text, _ in troubles] == [True, False]


WRITER = """
import asyncio, sys
from pathlib import Path
from app.domain.events import RunFinished, RunStarted, TestsRan
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.engine.clock import SystemClock
from app.store.history import History

async def main(url, backups, first):
    async with History(url, backup_folder=Path(backups), clock=SystemClock()) as history:
        number = int(first)
        while True:
            run = {"at": 1.0, "project": "/p", "run_id": f"r{number}"}
            results = tuple(TestResult(f"t::{each}", Outcome.FAILED, 0.1, "x" * 100) for each in range(500))
            history.record(RunStarted(cause=Cause(CauseKind.REQUEST), **run))
            history.record(TestsRan(results=results, **run))
            history.record(RunFinished(verdict=Verdict.RED, duration_s=1.0, **run))
            await history.flush()
            print(f'acknowledged {number}', flush=True)  # one write, which a kill cannot cut
            number += 1

asyncio.run(main(*sys.argv[1:]))
"""


def _first_acknowledged(lines: IO[str]) -> str:
    return next((line for line in lines if line.startswith("acknowledged ")), "")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("times", [5, pytest.param(40, marks=pytest.mark.slow)])
async def test_a_writer_that_is_killed_loses_nothing_it_acknowledged(
    sqlite_file: Path, tmp_path: Path, new_history: Callable[..., History], times: int
) -> None:
    """After kill -9 at random moments: the file is sound each time, and all that flush() acknowledged is there."""
    url = sqlite_url(sqlite_file)
    acknowledged = -1
    for count in range(times):
        child = start(WRITER, url, str(tmp_path / "backups"), str(acknowledged + 1))
        assert child.stdout
        try:
            lines = [await asyncio.to_thread(_first_acknowledged, child.stdout)]
            await asyncio.sleep(count % 7 * 0.04)
        finally:
            child.kill()
            lines += child.communicate()[0].splitlines()
        acknowledged = max(int(line.split()[1]) for line in lines if line.startswith("acknowledged "))
        with closing(sqlite3.connect(sqlite_file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    async with new_history(url, keep_runs=100_000) as history:
        runs = {run.run_id: run for run in await history.runs(None, 100_000)}
        recoveries = history.counters.recoveries

    kept = [runs[f"r{number}"] for number in range(max(0, acknowledged - 150), acknowledged + 1)]
    assert {run.counts.failed for run in kept} == {500}
    assert {run.verdict for run in kept} == {"red"}
    assert recoveries == 0
    assert not list(sqlite_file.parent.glob("*.damaged-*"))


CODES = sorted(
    value
    for name, value in vars(sqlite3).items()
    if name.startswith("SQLITE_") and isinstance(value, int) and 0 < value < 0xFF
)


@pytest.mark.parametrize("code", CODES)
def test_each_fault_says_what_to_do_next(code: int) -> None:
    """Whatever SQLite reports, a person is told what to do about it."""
    error = sqlite3.DatabaseError("whatever it says")
    error.sqlite_errorcode = code

    fault = of_sqlite(error, "history.sqlite3")

    assert "history.sqlite3" in fault.message
    assert fault.hint
