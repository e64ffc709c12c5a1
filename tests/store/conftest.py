"""Histories for tests: the same tests on SQLite and, where the test command started one, on PostgreSQL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, text

from app.domain.events import ProjectWatched, RunFinished, RunStarted, TestsRan
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.store.history import History
from app.store.location import sqlite_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.domain.events import Event
    from app.engine.clock import Clock

POSTGRES = os.environ.get("WATCHKEEPER_TEST_POSTGRES")
REQUEST = Cause(CauseKind.REQUEST)
PROJECT = "/home/ada/project"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for `database_url` on each database that is there."""
    if "database_url" in metafunc.fixturenames:
        databases = ["sqlite", *([pytest.param("postgres", marks=pytest.mark.postgres)] if POSTGRES else [])]
        metafunc.parametrize("database_url", databases, indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "data" / "history.sqlite3")
    assert POSTGRES
    engine = create_engine(make_url(POSTGRES).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS watchkeeper CASCADE"))
    engine.dispose()
    return POSTGRES


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """Where an SQLite history may be made."""
    return tmp_path / "data" / "history.sqlite3"


class Troubles(list[tuple[str, str]]):
    """What a history told through on_trouble, in order."""

    def __call__(self, text: str, hint: str) -> None:
        """Take one."""
        self.append((text, hint))


@pytest.fixture
def troubles() -> Troubles:
    """Collects what a history tells."""
    return Troubles()


@pytest.fixture
def new_history(tmp_path: Path, fake_clock: Clock, troubles: Troubles) -> Callable[..., History]:
    """Make a history at an address; keywords go to its constructor."""

    def make(url: str, **settings: object) -> History:
        given = {"backup_folder": tmp_path / "backups", "clock": fake_clock, "on_trouble": troubles} | settings
        return History(url, **given)  # type: ignore[arg-type]

    return make


class Story:
    """Makes the events of runs, and tells them to a history."""

    project = PROJECT

    def run(
        self,
        run_id: str,
        *outcomes: tuple[str, Outcome] | TestResult,
        cause: Cause = REQUEST,
        at: float = 100.0,
        project: str = PROJECT,
        gone: tuple[str, ...] = (),
        finished: bool = True,
    ) -> list[Event]:
        """The events of one run with these results; a red outcome comes with an output."""
        results = tuple(
            each if isinstance(each, TestResult) else TestResult(*each, 0.5, f"{each[0]} in {run_id}" * each[1].is_red)
            for each in outcomes
        )
        verdict = Verdict.RED if any(result.outcome.is_red for result in results) else Verdict.GREEN
        events: list[Event] = [
            ProjectWatched(at=at, project=project, name="project"),
            RunStarted(at=at, project=project, run_id=run_id, cause=cause),
            TestsRan(at=at + 1, project=project, run_id=run_id, results=results),
        ]
        if finished:
            events.append(
                RunFinished(at=at + 2, project=project, run_id=run_id, verdict=verdict, duration_s=2.0, gone=gone)
            )
        return events

    def record(self, history: History, *runs: list[Event]) -> None:
        """Record the events of runs, in order."""
        for events in runs:
            for event in events:
                history.record(event)


@pytest.fixture
def story() -> Story:
    """Runs to record."""
    return Story()
