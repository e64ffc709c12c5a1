"""What the history costs: ratios within one run, for a machine that is noisy.

Run `python tests/benchmarks/bench_store.py [--quick]`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.domain.events import RunFinished, RunStarted, TestsRan
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.store import recovery
from app.store.location import Opening, sqlite_url
from app.store.opening import open_history
from app.store.queries import Queries
from app.store.recording import Recorder
from app.store.retention import forget_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.events import Event
    from app.store.database import Database

T = TypeVar("T")

START = """
import asyncio, sys, time
from app.engine.clock import SystemClock
from app.store.history import History

async def main():
    async with History(sys.argv[1], backup_folder=None, clock=SystemClock()) as history:
        began = time.perf_counter()
        await history.runs(None, 1)
        print(time.perf_counter() - began)

asyncio.run(main())
"""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    answer = work()
    return time.perf_counter() - began, answer


def new_database(folder: Path) -> Database:
    return open_history(Opening(sqlite_url(folder / "history.sqlite3"), None, time.time)).database


def run_of(number: int, tests: int) -> list[Event]:
    base = {"project": "/project", "run_id": f"run{number}"}
    results = tuple(
        TestResult(
            f"tests/package/test_module_{index // 50}.py::TestClass::test_something_{index}",
            Outcome.FAILED if (index + number) % 1000 == 0 else Outcome.PASSED,
            0.1,
            "x" * 2_000 if (index + number) % 1000 == 0 else "",
        )
        for index in range(tests)
    )
    cause = Cause(CauseKind.SAVE, ("src/a.py",)) if number % 2 else Cause(CauseKind.REQUEST)
    return [
        RunStarted(at=float(number), cause=cause, **base),
        TestsRan(at=number + 0.5, results=results, **base),
        RunFinished(at=number + 1.0, verdict=Verdict.RED, duration_s=1.0, **base),
    ]


def write(database: Database, batches: Iterable[list[Event]]) -> None:
    recorder = Recorder()
    for batch in batches:
        with database.writing() as connection:
            recorder.write(connection, batch)


def one_by_one(events: list[Event]) -> list[list[Event]]:
    """Each result in a transaction of its own."""
    found: list[list[Event]] = []
    for event in events:
        if isinstance(event, TestsRan):
            found += [
                [TestsRan(at=event.at, project=event.project, run_id=event.run_id, results=(result,))]
                for result in event.results
            ]
        else:
            found.append([event])
    return found


def bench_batches(folder: Path, results: int) -> None:
    """Compare one transaction for all results with one for each."""
    database = new_database(folder)
    write(database, [run_of(0, results)])  # the tests are known from now on, as they are in daily use
    batched, _ = timed(lambda: write(database, [run_of(1, results)]))
    single, _ = timed(lambda: write(database, one_by_one(run_of(2, results))))
    database.close()
    say(
        f"{results} results: one transaction {batched * 1e3:.0f} ms, one each {single * 1e3:.0f} ms: "
        f"{single / batched:.0f} times as long"
    )


def bench_start(folder: Path, rounds: int) -> None:
    """Compare a start at the head, and a first start, which imports Alembic; each in a process of its own."""

    def start(database: Path) -> float:
        command = [sys.executable, "-c", START, sqlite_url(database)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])

    fresh = [start(folder / f"fresh{number}" / "history.sqlite3") for number in range(rounds)]
    head = [start(folder / f"fresh{number}" / "history.sqlite3") for number in range(rounds)]
    checks = []
    for number in range(rounds):
        took, _ = timed(lambda path=folder / f"fresh{number}" / "history.sqlite3": recovery.schema_version(path))
        checks.append(took)
    check_ms = statistics.median(checks) * 1e3
    at_head, first = statistics.median(head), statistics.median(fresh)
    say(
        f"start to first answer: schema at head {at_head * 1e3:.0f} ms (the check {check_ms:.1f} ms), "
        f"with Alembic {first * 1e3:.0f} ms: {first / at_head:.1f} times as long"
    )


def bench_questions(folder: Path, runs: int, tests: int) -> None:
    """Ask a large history each of its questions, and forget a run."""
    database = new_database(folder)
    filled, _ = timed(lambda: write(database, (run_of(number, tests) for number in range(runs))))
    path = folder / "history.sqlite3"
    size = sum(part.stat().st_size for part in (path, recovery.beside(path, "-wal")))
    say(
        f"{runs} runs of {tests} tests: written in {filled / runs * 1e3:.0f} ms a run, "
        f"{size / runs / tests:.0f} bytes a result"
    )
    nodeid = "tests/package/test_module_0.py::TestClass::test_something_5"
    questions: dict[str, Callable[[Queries], object]] = {
        "known_tests": lambda queries: queries.known_tests("/project"),
        "runs, 50": lambda queries: queries.runs(None, 50),
        "test": lambda queries: queries.test("/project", nodeid),
        "traits, 20 runs": lambda queries: queries.traits(None),
    }
    for name, question in questions.items():
        took = []
        for _ in range(5):
            with database.reading() as connection:
                seconds, _ = timed(lambda asked=question, over=connection: asked(Queries(over)))
            took.append(seconds)
        say(f"  {name}: {statistics.median(took) * 1e3:.1f} ms")
    with database.writing() as connection:
        seconds, _ = timed(lambda: forget_one(connection, keep_runs=runs - 1))
    say(f"  forgetting one run: {seconds * 1e3:.1f} ms")
    quick, _ = timed(lambda: recovery.is_sound(path, recovery.Check.QUICK))
    copy, _ = timed(lambda: recovery.back_up(path, folder / "backups", time.time()))
    say(f"  quick check {quick * 1e3:.0f} ms, backup with its check {copy * 1e3:.0f} ms")
    database.close()


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("batches", "start", "questions"):
            (folder / part).mkdir()
        bench_batches(folder / "batches", 1_000 if quick else 10_000)
        bench_start(folder / "start", 2 if quick else 7)
        bench_questions(folder / "questions", 20 if quick else 200, 1_000 if quick else 10_000)


if __name__ == "__main__":
    main()
