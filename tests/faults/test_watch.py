"""Rows 21 to 25 and 28: storms of file events, lost ones, no room for watches, and a root that comes and goes."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from app.domain.agents import AgentState
from app.domain.events import AgentChanged, NoticeRaised, RunStarted
from app.domain.verdicts import Verdict
from app.engine.clock import SystemClock
from app.engine.places import Places
from app.house.ground import ground
from app.house.rooms import house
from tests.faults.headless import BAD, GOOD, LIGHT, Headless, a_shop
from tests.mutations.watched import Watched, watching

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from tests.faults.conftest import Sound

MIB = 1 << 20
EVENTS, EVENTS_FULL = 6_000, 100_000
EVENTS_A_SECOND = 20_000
FILES = 300
GROWTH_MIB = 32

NOTICED_S = 30.0
RESCANNED_S = 60.0
NESTED = 300
MISSING = 50

STORM = """
import random, sys, time
root, events, files, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
chance, began = random.Random(seed), time.monotonic()
for number in range(events):
    name = number if number < files else chance.randrange(files)
    with open(f"{root}/data/f{name}.txt", "w") as file:
        file.write(str(number))
    if number % 200 == 0:
        time.sleep(max(0.0, number / EVENTS_A_SECOND - (time.monotonic() - began)))
""".replace("EVENTS_A_SECOND", str(EVENTS_A_SECOND))


def saved(watched: Watched) -> set[str]:
    """Return every file that a run was started for."""
    return {path for paths in watched.causes for path in paths}


@pytest.mark.parametrize(
    "events", [EVENTS, pytest.param(EVENTS_FULL, marks=[pytest.mark.slow, pytest.mark.timeout(180)])]
)
async def test_row_21_a_storm_of_file_events_ends_in_the_right_state(
    events: int, tmp_path: Path, sound: Sound, chance: random.Random
) -> None:
    """20,000 writes a second: the loop stays free, memory bounded, each file is told, and the last save judged."""
    root = a_shop(tmp_path / "shop")
    (root / "data").mkdir()
    for number in range(FILES):
        (root / "data" / f"f{number}.txt").touch()
    async with watching(root, tmp_path / "home", tests=LIGHT) as watched:
        await watched.ran(1)
        await watched.pause()
        sound.lag.loop.clear()
        sound.lag.machine.clear()
        before = psutil.Process().memory_info().rss

        argv = [sys.executable, "-c", STORM, str(root), str(events), str(FILES), str(chance.randrange(1 << 30))]
        await asyncio.to_thread(subprocess.run, argv, check=True)
        grown = psutil.Process().memory_info().rss - before
        (root / "shop.py").write_text(BAD, encoding="utf-8")
        await watched.until(lambda: watched.verdicts[-1] is Verdict.RED)

        told = saved(watched)

    assert {f"data/f{number}.txt" for number in range(FILES)} <= told
    assert watched.red == {"test_shop.py::test_total"}
    assert grown < GROWTH_MIB * MIB


@pytest.mark.usefixtures("tidy")
def test_row_22_an_overflow_of_the_kernels_queue_is_noticed_and_repaired(tmp_path: Path) -> None:
    """The whole program stands still while more happens than the kernel keeps: what it missed is found and judged."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    root = a_shop(tmp_path / "shop")
    for name in ("a.txt", "b.txt"):
        (root / name).touch()
    with Headless(root, tmp_path / "home") as program:
        program.until_verdict("green")
        program.process.send_signal(signal.SIGSTOP)
        for number in range(limit + limit // 4):  # two files in turn: the kernel folds what it says twice in a row
            os.utime(root / ("a.txt" if number % 2 else "b.txt"))
        program.save(BAD)

        program.process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        program.until_verdict("red", within_s=RESCANNED_S)
        took = time.monotonic() - began
        logged = [line["event"] for line in program.log()]

    assert took < RESCANNED_S
    assert logged.count("file events were lost, comparing the whole tree") == 1


USER_LIMIT = ("unshare", "--user", "--map-root-user", "sh", "-c")
"""Limits of inotify are a user namespace's own (inotify(7), user_namespaces(7)): no other process notices."""


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("max_inotify_watches", 2, "limit of watched folders is used up"),
        pytest.param("max_inotify_instances", 0, "allows no more file watchers", marks=pytest.mark.slow),
    ],
)
def test_row_23_without_watches_the_project_is_polled_and_that_is_said(
    limit: str, value: int, words: str, tmp_path: Path
) -> None:
    """The system's own limits: DEGRADED with words that say what to do, and a save is judged all the same."""
    root = a_shop(tmp_path / "shop")
    for number in range(4):
        (root / f"folder{number}").mkdir()
    lowered = f'echo {value} > /proc/sys/user/{limit} && exec "$0" "$@"'
    with Headless(root, tmp_path / "home", before=(*USER_LIMIT, lowered)) as program:
        notice = program.until_notice(words)
        program.until_verdict("green")
        program.save(BAD)
        program.until_verdict("red")
        degraded = [event for event in program.events if event.get("state") == "degraded"]

    assert "sysctl" in notice["hint"]
    assert [event["agent"] for event in degraded] == ["tests:shop"]
    assert sum(event["event"] == "NoticeRaised" and words in event["text"] for event in program.events) == 1


@pytest.mark.usefixtures("tidy")
def test_row_23_without_descriptors_the_program_lives_and_catches_up(tmp_path: Path) -> None:
    """Not one file more can be opened for a while, saves come meanwhile: afterwards the last one has been judged."""
    root = a_shop(tmp_path / "shop")
    with Headless(root, tmp_path / "home") as program:
        program.until_verdict("green")
        pid = program.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (psutil.Process(pid).num_fds(), before[1]))
        for number in range(20):
            (root / f"new{number}").mkdir()
            (root / f"new{number}" / "file.txt").write_text("x", encoding="utf-8")
            time.sleep(0.05)  # a fault of some length, not a wait
        program.save(BAD)
        time.sleep(1.0)
        assert program.process.poll() is None

        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        program.until_verdict("red")


def renamed(root: Path, away: Path) -> None:
    root.rename(away)


def deleted(root: Path, away: Path) -> None:
    shutil.copytree(root, away)
    shutil.rmtree(root)


@pytest.mark.usefixtures("sound")
async def test_row_24_a_root_that_goes_and_comes_back_is_watched_again(tmp_path: Path) -> None:
    """Renamed or deleted: noticed in 30 s, DEGRADED, said; back, what is missing is not told, what changed is."""
    root, away = a_shop(tmp_path / "shop"), tmp_path / "away"
    for number in range(100):
        (root / f"module{number}.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
    async with watching(root, tmp_path / "home", tests=LIGHT) as watched:
        await watched.ran(1)

        def state() -> AgentState:
            return watched.bus.snapshot.agents["tests:shop"].state

        for go, text in ((renamed, BAD), (deleted, GOOD)):
            await watched.pause()
            before = len(watched.verdicts)
            go(root, away)
            await watched.until(lambda: state() is AgentState.DEGRADED, within_s=NOTICED_S)
            (away / "shop.py").write_text(text, encoding="utf-8")
            for number in range(MISSING):
                (away / f"module{number}.py").unlink(missing_ok=True)
            away.rename(root)
            await watched.until(lambda: state() is AgentState.RUNNING, within_s=NOTICED_S)
            await watched.ran(before + 1)
        told = saved(watched)
        await watched.pause()
        before = len(watched.causes)
        (root / "shop.py").write_text(BAD, encoding="utf-8")
        await watched.until(lambda: watched.causes[before:] == [{"shop.py"}])

        gone = [event.text for event in watched.all(NoticeRaised) if "is gone" in event.text]

    assert watched.verdicts == [Verdict.GREEN, Verdict.RED, Verdict.GREEN]
    assert told == {"shop.py"}
    assert len(gone) == 2
    assert AgentState.FAILED not in {event.state for event in watched.all(AgentChanged)}


@pytest.mark.usefixtures("sound")
async def test_row_24_what_ran_while_the_root_was_away_runs_again(tmp_path: Path) -> None:
    """A save, the folder is gone before its tests have run, and back as it was: no file tells that, the tests must."""
    root, away = a_shop(tmp_path / "shop"), tmp_path / "away"
    async with watching(root, tmp_path / "home", tests=LIGHT) as watched:
        await watched.ran(1)
        await watched.pause()

        (root / "shop.py").write_text(BAD, encoding="utf-8")
        await watched.until(lambda: len(watched.all(RunStarted)) == 2)
        root.rename(away)
        await watched.until(
            lambda: watched.bus.snapshot.agents["tests:shop"].state is AgentState.DEGRADED, within_s=NOTICED_S
        )
        away.rename(root)

        await watched.until(lambda: bool(watched.red), within_s=NOTICED_S)


@pytest.mark.slow
@pytest.mark.usefixtures("sound")
async def test_row_24_a_root_that_moves_with_the_folder_above_it_is_missed(tmp_path: Path) -> None:
    """Of that no event tells: the root is looked for, and it is noticed in 30 s all the same."""
    root = a_shop(tmp_path / "above" / "shop")
    async with watching(root, tmp_path / "home", tests=LIGHT) as watched:
        await watched.ran(1)

        (tmp_path / "above").rename(tmp_path / "below")
        await watched.until(
            lambda: watched.bus.snapshot.agents["tests:shop"].state is AgentState.DEGRADED, within_s=NOTICED_S
        )
        (tmp_path / "below" / "shop" / "shop.py").write_text(BAD, encoding="utf-8")
        (tmp_path / "below").rename(tmp_path / "above")

        await watched.until(lambda: bool(watched.red), within_s=NOTICED_S)


class BrokenClock(SystemClock):
    """A clock that raises in the thread which hears of file events, as often as it is told to."""

    def __init__(self) -> None:
        self.left = 0
        self.raised = 0

    def monotonic(self) -> float:
        if self.left and threading.current_thread().name == "watchkeeper-inotify":
            self.left -= 1
            self.raised += 1
            raise RuntimeError("a handler's own fault")
        return super().monotonic()


@asynccontextmanager
async def watching_by(clock: SystemClock, root: Path, home: Path) -> AsyncIterator[Watched]:
    """Watch a project in a house that goes by this clock."""
    places = Places.find({"WATCHKEEPER_HOME": str(home)})
    places.create()
    settings = f'[tests]\npython = "{sys.executable}"\ncoverage = "off"\nrecheck = false\nwarm_workers = 0\n'
    places.settings_file.write_text(settings, encoding="utf-8")
    with ground(places) as on:
        watched = Watched(root, on.bus)
        async with house(replace(on, clock=clock), (root,), attended=False):
            yield watched


@pytest.mark.usefixtures("sound")
async def test_row_25_a_handler_that_raises_ends_no_watch(tmp_path: Path) -> None:
    """In the thread that hears of events, and among those who are told of them: logged, and the next save is judged."""
    root, clock = a_shop(tmp_path / "shop"), BrokenClock()

    def raises(_event: Event, _snapshot: Snapshot) -> None:
        raise RuntimeError("a subscriber's own fault")

    async with watching_by(clock, root, tmp_path / "home") as watched:
        await watched.ran(1)
        leave = watched.bus.subscribe(raises)
        await watched.pause()
        clock.left = 5
        for number in range(10):
            (root / f"new{number}.txt").write_text("x", encoding="utf-8")
        (root / "shop.py").write_text(BAD, encoding="utf-8")
        await watched.until(lambda: watched.verdicts[-1] is Verdict.RED)
        leave()
        await watched.pause()
        (root / "shop.py").write_text(GOOD, encoding="utf-8")
        await watched.until(lambda: watched.causes[-1] == {"shop.py"})

    log = (tmp_path / "home" / "logs" / "watchkeeper.log").read_text(encoding="utf-8")
    assert clock.raised == 5
    assert log.count("a file event could not be noted") == 5
    assert "a subscriber failed" in log
    assert {each.state for each in watched.all(AgentChanged)} & {AgentState.BACKOFF, AgentState.FAILED} == set()


NEST = """
import os, sys
folder = sys.argv[1]
os.chdir(folder)
for number in range(int(sys.argv[2])):
    os.mkdir("n")
    os.chdir("n")
    with open("m.py", "w") as file:
        file.write(f"NUMBER = {number}")
"""


@pytest.mark.usefixtures("sound")
async def test_row_28_300_nested_folders_at_once_are_all_seen(tmp_path: Path) -> None:
    """Made faster than watches can follow, each with a file in it: every one is a reason for a run."""
    root = a_shop(tmp_path / "shop")
    async with watching(root, tmp_path / "home", tests=LIGHT) as watched:
        await watched.ran(1)
        await watched.pause()

        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", NEST, str(root), str(NESTED)], check=True)
        wanted = {f"{'n/' * depth}m.py" for depth in range(1, NESTED + 1)}
        await watched.until(lambda: wanted <= saved(watched) and not watched.is_running)
        await watched.pause()
        (root / ("n/" * NESTED) / "m.py").write_text("NUMBER = -1", encoding="utf-8")

        await watched.until(lambda: watched.causes[-1] == {f"{'n/' * NESTED}m.py"})

    assert set(watched.verdicts) == {Verdict.GREEN}
