"""What is recorded is answered: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import StoreError
from app.domain.events import ProjectWatched, RunCollected, RunFinished, RunStarted, TestsRan, VerdictChanged
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.domain.verdicts import Cause, CauseKind, Counts, Outcome, TestResult, Verdict
from app.store.database import Database
from app.store.history import History
from app.store.location import Opening, sqlite_path, sqlite_url
from app.store.opening import Opened, open_history
from app.store.queries import Queries
from app.store.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from app.domain.events import Event
    from tests.store.conftest import Story, Troubles

PROJECT = "/home/ada/project"
GREEN, RED = Outcome.PASSED, Outcome.FAILED
SAVE = Cause(CauseKind.SAVE, ("src/a.py", "src/b.py"))
REQUEST = Cause(CauseKind.REQUEST)
START = Cause(CauseKind.START)


async def test_a_run_is_recorded_whole(database_url: str, new_history: Callable[..., History], story: Story) -> None:
    """A run is answered with its cause, times, verdict, message and counts."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", GREEN), ("t::b", RED), ("t::c", Outcome.SKIPPED), cause=SAVE))
        history.record(
            RunFinished(
                at=103.0,
                project=PROJECT,
                run_id="r1",
                verdict=Verdict.CRASHED,
                message="died",
                duration_s=3.0,
                output="x",
            )
        )

        (run,) = await history.runs(PROJECT, 10)

    assert (run.run_id, run.project, run.cause) == ("r1", PROJECT, SAVE)
    assert (run.started_at, run.finished_at, run.duration_s) == (100.0, 103.0, 3.0)
    assert (run.verdict, run.message) == (Verdict.CRASHED, "died")
    assert run.counts == Counts(passed=1, failed=1, skipped=1)


async def test_all_is_still_there_after_a_restart(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """What one history wrote without being asked to flush, the next one reads."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", RED)), story.run("r2", ("t::a", RED), at=200.0))

    async with new_history(database_url) as history:
        runs = await history.runs()
        states = await history.known_tests(PROJECT)

    assert [run.run_id for run in runs] == ["r2", "r1"]
    assert [(state.nodeid, state.since, state.run_id) for state in states] == [("t::a", 101.0, "r2")]


async def test_a_run_that_goes_on_and_one_that_was_cut_off_are_told_apart(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """A run that goes on has no end; one that its process left behind has an end, the counts, and no verdict."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", GREEN), ("t::b", RED), finished=False))
        (live,) = await history.runs()

    async with new_history(database_url) as history:
        (cut_off,) = await history.runs()

    assert (live.verdict, live.finished_at, live.counts) == (None, None, Counts(passed=1, failed=1))
    assert (cut_off.verdict, cut_off.finished_at, cut_off.duration_s) == (None, 101.0, 1.0)
    assert cut_off.counts == Counts(passed=1, failed=1)


async def test_a_reader_ends_no_run(database_url: str, new_history: Callable[..., History], story: Story) -> None:
    """A second process that reads leaves the first one's run as it is, also before it has a result."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", finished=False))
        await history.flush()
        async with History.reader(database_url) as reader:
            (run,) = await reader.runs()

    assert (run.verdict, run.finished_at) == (None, None)


async def test_a_run_of_another_process_that_lives_gets_its_true_end(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """Two machines may share a history: what one took for cut off is put right when the other's run ends."""
    events = story.run("r1", ("t::a", GREEN))
    async with new_history(database_url) as first:
        story.record(first, events[:-1])
        await first.flush()
        async with new_history(database_url) as second:
            await second.runs()
        story.record(first, events[-1:])
        (run,) = await first.runs()

    assert (run.verdict, run.finished_at, run.duration_s) == (Verdict.GREEN, 102.0, 2.0)


async def test_runs_are_limited_and_told_apart_by_project(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """The last runs come first, of one project or of all, as many as asked for."""
    async with new_history(database_url) as history:
        for index in range(5):
            story.record(history, story.run(f"a{index}", ("t::a", GREEN), at=float(index)))
            story.record(history, story.run(f"b{index}", ("t::a", GREEN), at=float(index), project="/other"))

        mine = await history.runs(PROJECT, 2)
        both = await history.runs(None, 3)
        none = await history.runs("/nowhere", 3)

    assert [run.run_id for run in mine] == ["a4", "a3"]
    assert [run.run_id for run in both] == ["b4", "a4", "b3"]
    assert none == ()


async def test_a_test_tells_its_moments_and_its_last_failure(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """The moments come newest first, and the output is that of the last red one."""
    async with new_history(database_url) as history:
        story.record(
            history,
            story.run("r1", ("t::a", RED), ("t::b", RED), cause=SAVE),
            story.run("r2", ("t::a", RED), at=200.0),
            story.run("r3", ("t::a", GREEN), at=300.0),
        )

        detail = await history.test(PROJECT, "t::a")
        unknown = await history.test(PROJECT, "t::none")

    assert detail.output == "t::a in r2"
    assert [(m.run_id, m.outcome, m.at) for m in detail.moments] == [
        ("r3", GREEN, 300.0),
        ("r2", RED, 200.0),
        ("r1", RED, 100.0),
    ]
    assert detail.moments[-1].cause == SAVE
    assert (unknown.output, unknown.moments) == ("", ())


async def test_a_tests_moments_are_limited(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """At most 100 moments are told, the newest."""
    async with new_history(database_url) as history:
        story.record(history, *(story.run(f"r{index}", ("t::a", GREEN)) for index in range(120)))

        detail = await history.test(PROJECT, "t::a")

    assert [moment.run_id for moment in detail.moments] == [f"r{index}" for index in range(119, 19, -1)]


async def test_since_and_cause_are_those_of_the_turn(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """A test's `since` and cause stay those of the run in which it turned red or green."""
    async with new_history(database_url) as history:
        story.record(
            history,
            story.run("r1", ("t::a", GREEN), cause=START, at=100.0),
            story.run("r2", ("t::a", RED), cause=SAVE, at=200.0),
            story.run("r3", ("t::a", Outcome.ERROR), cause=REQUEST, at=300.0),
        )

        (state,) = await history.known_tests(PROJECT)

    assert (state.outcome, state.since, state.cause, state.run_id) == (Outcome.ERROR, 201.0, SAVE, "r3")


async def test_a_test_that_is_gone_is_no_longer_known(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """A test that a complete run no longer has is not known, until it comes back as a new one."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", RED), ("t::b", GREEN)))
        story.record(history, story.run("r2", ("t::b", GREEN), gone=("t::a",), at=200.0))
        without = await history.known_tests(PROJECT)
        story.record(history, story.run("r3", ("t::a", RED), at=300.0))
        back = await history.known_tests(PROJECT)

    assert [state.nodeid for state in without] == ["t::b"]
    assert [(state.nodeid, state.since) for state in back] == [("t::a", 301.0), ("t::b", 101.0)]


async def test_a_flip_counts_only_when_nothing_changed(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """Red to green after a save is a mend; on the same source it is a flip; a start tells nothing of the source."""
    async with new_history(database_url) as history:
        story.record(
            history,
            story.run("r1", ("t::flaky", GREEN), ("t::mended", RED), ("t::started", GREEN), cause=START),
            story.run("r2", ("t::flaky", RED), ("t::mended", RED), ("t::started", GREEN), cause=REQUEST),
            story.run("r3", ("t::flaky", RED), ("t::mended", GREEN), ("t::started", GREEN), cause=SAVE),
            story.run("r4", ("t::flaky", GREEN), ("t::mended", GREEN), ("t::started", GREEN), cause=REQUEST),
            story.run("r5", ("t::flaky", GREEN), ("t::mended", GREEN), ("t::started", RED), cause=START),
        )

        traits = {trait.nodeid: trait for trait in await history.traits(PROJECT)}

    assert {nodeid: (trait.runs, trait.reds, trait.flips) for nodeid, trait in traits.items()} == {
        "t::flaky": (5, 2, 2),
        "t::mended": (5, 2, 0),
        "t::started": (5, 1, 0),
    }


async def test_a_change_in_a_cancelled_run_between_is_no_flip(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """A save whose own run ended before the test ran has changed the source all the same."""
    async with new_history(database_url) as history:
        story.record(
            history,
            story.run("r1", ("t::a", GREEN), cause=START),
            story.run("r2", ("t::b", GREEN), cause=SAVE),
            story.run("r3", ("t::a", RED), cause=REQUEST),
        )

        (trait, _) = await history.traits(PROJECT)

    assert (trait.nodeid, trait.reds, trait.flips) == ("t::a", 1, 0)


async def test_traits_look_at_the_last_runs_only(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """The mean duration and the reds are those of the last runs of each project, the slowest test first."""
    async with new_history(database_url) as history:
        for index, seconds in enumerate([9.0, 1.0, 3.0]):
            outcome = RED if index == 0 else GREEN
            story.record(
                history, story.run(f"r{index}", TestResult("t::a", outcome, seconds), TestResult("t::b", GREEN, 0.25))
            )
        story.record(history, story.run("other", TestResult("t::c", GREEN, 1.0), project="/other"))

        traits = await history.traits(None, runs=2)

    assert [(trait.project, trait.nodeid, trait.reds, trait.mean_s) for trait in traits] == [
        (PROJECT, "t::a", 0, 2.0),
        ("/other", "t::c", 0, 1.0),
        (PROJECT, "t::b", 0, 0.25),
    ]


async def test_any_text_and_number_is_stored(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """NUL, lone surrogates and durations that are no number are stored in a form that every database takes."""
    odd = "t.py::test[\0-\udcff-\U0001f600]"
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", TestResult(odd, RED, float("nan"), "out\0put \ud800")))

        detail = await history.test(PROJECT, odd)
        counters = history.counters

    assert detail.output == "out\\x00put \\ud800"
    assert [moment.duration_s for moment in detail.moments] == [0.0]
    assert counters.dropped_events == counters.dropped_results == 0


async def test_a_result_that_comes_twice_counts_once(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """A test that a run tells twice (a rerun) has its last outcome."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", RED), finished=False))
        story.record(history, story.run("r1", ("t::a", GREEN)))

        (run,) = await history.runs()

    assert run.counts == Counts(passed=1)


async def test_an_event_of_an_unknown_run_keeps_no_other_out(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """What the database cannot take is dropped alone, and counted."""
    async with new_history(database_url) as history:
        history.record(
            TestsRan(at=1.0, project=PROJECT, run_id="never begun", results=(TestResult("t::a", GREEN),) * 2)
        )
        story.record(history, story.run("r1", ("t::a", GREEN)))
        await history.flush()

        runs = await history.runs()
        counters = history.counters

    assert [run.run_id for run in runs] == ["r1"]
    assert (counters.dropped_results, counters.dropped_events) == (2, 0)


async def test_old_runs_are_forgotten_but_for_what_explains_the_present(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """The last runs keep their results; an older one stays, without them, while a test's state is due to it."""
    async with new_history(database_url, keep_runs=3) as history:
        story.record(
            history,
            story.run("broke", ("t::a", RED), ("t::old", GREEN), cause=SAVE, at=1.0),
            *(story.run(f"r{index}", ("t::a", RED), at=10.0 + index) for index in range(6)),
        )
        await history.flush()
        async with asyncio.timeout(30):
            while len(await history.runs()) > 4:  # noqa: ASYNC110 - the thread tidies up in its own time
                await asyncio.sleep(0.01)

        states = await history.known_tests(PROJECT)
        runs = await history.runs()
        detail = await history.test(PROJECT, "t::a")

    assert [(state.nodeid, state.since, state.cause) for state in states] == [("t::a", 2.0, SAVE)]
    assert [run.run_id for run in runs] == ["r5", "r4", "r3", "broke"]
    assert runs[-1].counts == Counts(passed=1, failed=1)
    assert [moment.run_id for moment in detail.moments] == ["r5", "r4", "r3"]


async def test_transitions_are_kept(database_url: str, new_history: Callable[..., History], story: Story) -> None:
    """What people were told is in the history."""
    changed = VerdictChanged(
        at=103.0, project=PROJECT, run_id="r1", cause=SAVE, broke=("t::a",), trouble=Verdict.HUNG, still_red=1
    )
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", RED)), [changed])
        await history.flush()

    database = Database(database_url, read_only=True)
    with closing(database), database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT trouble, still_red FROM transitions").all()
    assert [tuple(row) for row in rows] == [("hung", 1)]


async def test_two_programs_record_the_same_project(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """Two histories on one database, as of a tray and of `once`, lose nothing of each other."""
    async with new_history(database_url) as first, new_history(database_url) as second:
        for index in range(10):
            story.record(first, story.run(f"a{index}", ("t::a", GREEN), ("t::b", RED)))
            story.record(second, story.run(f"b{index}", ("t::b", GREEN), ("t::c", RED)))
        await asyncio.gather(first.flush(), second.flush())

        runs = await first.runs()

    assert sorted(run.run_id for run in runs) == sorted([f"{each}{index}" for each in "ab" for index in range(10)])
    assert {run.counts.total for run in runs} == {2}


async def test_a_reader_reads_while_another_writes(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """A second process sees what was flushed, while the first goes on writing."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", GREEN)))
        await history.flush()
        async with History.reader(database_url) as reader:
            first = await reader.runs()
            story.record(history, story.run("r2", ("t::a", GREEN)))
            await history.flush()
            second = await reader.runs()

    assert [len(first), len(second)] == [1, 2]


async def test_a_reader_takes_nothing(database_url: str, new_history: Callable[..., History], story: Story) -> None:
    """What is recorded on a reader goes nowhere."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", GREEN)))

    async with History.reader(database_url) as reader:
        story.record(reader, story.run("r2", ("t::a", GREEN)))
        runs = await reader.runs()

    assert [run.run_id for run in runs] == ["r1"]


async def test_a_reader_creates_nothing(sqlite_file: Path) -> None:
    """Where there is no history, a reader says so and leaves no file behind."""
    async with History.reader(sqlite_url(sqlite_file)) as reader:
        with pytest.raises(StoreError, match="no history yet"):
            await reader.runs()

    assert not sqlite_file.parent.exists()


async def test_a_closed_history_refuses_questions(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """After its end a history refuses to answer, and counts what it did not take."""
    async with new_history(database_url) as history:
        pass

    story.record(history, story.run("r1", ("t::a", GREEN)))

    assert history.counters.dropped_events == 4
    with pytest.raises(StoreError, match="closed"):
        await history.runs()
    with pytest.raises(StoreError, match="closed"):
        await history.flush()


async def test_nothing_is_in_trouble_when_all_is_well(
    database_url: str, new_history: Callable[..., History], troubles: Troubles, story: Story
) -> None:
    """A history without trouble tells none, and counts what it wrote."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", GREEN)))
        await history.flush()
        counters = history.counters

    assert troubles == []
    assert (counters.recorded, counters.written, counters.pending, counters.failures) == (4, 4, 0, 0)


async def test_the_database_is_opened_exactly_once(database_url: str, new_history: Callable[..., History]) -> None:
    """50 tasks and 8 threads that are the first to ask, at the same moment, share one engine."""
    opened: list[str] = []

    def counting(opening: Opening) -> Opened:
        opened.append(threading.current_thread().name)
        return open_history(opening)

    asked: list[Future[Any]] = []
    together = threading.Barrier(9)

    def ask(history: History) -> None:
        together.wait(30)
        asked.append(history.ask(lambda queries: queries.runs(None, 1)))

    history = new_history(database_url, open_database=counting)
    threads = [threading.Thread(target=ask, args=(history,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    async with history:
        tasks = [asyncio.create_task(history.known_tests(PROJECT)) for _ in range(50)]
        together.wait(30)
        answers = await asyncio.gather(*tasks)
        for thread in threads:
            thread.join()
        answers += [await asyncio.wrap_future(future) for future in asked]

    assert answers == [()] * 58
    assert opened == ["watchkeeper-history"]


def test_the_face_imports_neither_sqlalchemy_nor_alembic() -> None:
    """Importing the face costs no database library: they are imported by the writer thread."""
    code = (
        "import sys, app.store, app.store.history;"
        "print([name for name in sys.modules if name.split('.')[0] in ('sqlalchemy', 'alembic', 'sqlite3', 'psycopg')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)

    assert done.stdout.strip() == "[]"


def test_the_thread_does_not_keep_the_process_alive(sqlite_file: Path) -> None:
    """A program that dies without closing its history ends at once, with its own error."""
    code = f"""
import asyncio
from app.engine.clock import SystemClock
from app.store.history import History

async def main():
    history = History({sqlite_url(sqlite_file)!r}, backup_folder=None, clock=SystemClock())
    await history.__aenter__()
    await history.runs()
    raise SystemExit(7)

asyncio.run(main())
"""

    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 7, done.stderr
    assert "Warning" not in done.stderr


async def test_the_file_is_for_its_owner_alone(
    sqlite_file: Path, new_history: Callable[..., History], story: Story
) -> None:
    """What tests print may hold secrets: the file, its log and its backup are readable by their owner only."""
    async with new_history(sqlite_url(sqlite_file)) as history:
        story.record(history, story.run("r1", ("t::a", RED)))
        await history.flush()
        modes = {path.name: path.stat().st_mode & 0o077 for path in sqlite_file.parent.glob("history.sqlite3*")}
    backups = [path.stat().st_mode & 0o077 for path in (sqlite_file.parent.parent / "backups").iterdir()]

    if sys.platform != "win32":
        modes.pop("history.sqlite3.lock", None)  # filelock makes it as the umask says, and some versions remove it
        assert len(modes) >= 2
        assert set(modes.values()) == {0}
        assert backups == [0]
    assert sqlite_path(sqlite_url(sqlite_file)) == sqlite_file


OUTCOMES = st.sampled_from([GREEN, RED, Outcome.ERROR, Outcome.SKIPPED])
RUNS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcde"), OUTCOMES, max_size=5),
        st.sampled_from([SAVE, REQUEST, START]),
        st.sampled_from([None, Verdict.CANCELLED, Verdict.RED]),
        st.frozensets(st.sampled_from("abcde"), max_size=2),
        st.booleans(),
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def shared_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("shared")
    opened = open_history(Opening(sqlite_url(folder / "history.sqlite3"), None, lambda: 1.0))
    yield opened.database
    opened.database.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=RUNS)
def test_history_remembers_what_the_snapshot_showed(shared_database: Database, runs: list[Any]) -> None:
    """Whatever ran, the known tests of a restart are those that the snapshot had before it."""
    name = uuid.uuid4().hex
    project = f"/{name}"
    events: list[Event] = [ProjectWatched(at=0.0, project=project, name="p")]
    for index, (outcomes, cause, verdict, gone, in_one) in enumerate(runs):
        base = {"project": project, "run_id": f"{name}-{index}"}
        events.append(RunStarted(at=index * 10.0, cause=cause, **base))
        events.append(RunCollected(at=index * 10.0, total=len(outcomes), **base))
        results = tuple(TestResult(*each) for each in outcomes.items())
        portions = [results] if in_one else [(result,) for result in results]
        events += [
            TestsRan(at=index * 10.0 + number, results=portion, **base) for number, portion in enumerate(portions)
        ]
        if verdict is not None:
            events.append(RunFinished(at=index * 10.0 + 9, verdict=verdict, duration_s=9.0, gone=tuple(gone), **base))
    snapshot = Snapshot(started_at=0.0)
    for event in events:
        snapshot = reduce(snapshot, event)

    recorder = Recorder()
    with shared_database.writing() as connection:
        recorder.write(connection, events)
        known = Queries(connection).known_tests(project)

    shown = snapshot.projects[project].tests
    assert known == tuple(shown[nodeid] for nodeid in sorted(shown))
