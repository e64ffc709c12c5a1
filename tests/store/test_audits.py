"""Audits are kept, found and forgotten: the same on SQLite and on PostgreSQL, and from two processes at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from app.domain.events import AuditKept, ProjectWatched
from app.domain.findings import (
    AuditReport,
    AuditVerdict,
    CheckOutcome,
    Finding,
    FindingHistory,
    Severity,
    Standing,
    Standings,
    Trigger,
    TriggerKind,
    past_of,
)
from app.domain.verdicts import Outcome
from app.store.audits import forget_audits
from app.store.backlog import Backlog
from app.store.counters import Tally
from app.store.database import Database
from app.store.history import History
from app.store.location import Opening, sqlite_url
from app.store.opening import open_history
from app.store.queries import Queries
from app.store.recording import Recorder
from app.store.schema import audit_findings, audits
from app.store.values import storable
from app.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from app.engine.clock import Clock
    from tests.store.conftest import Story

PROJECT = "/home/ada/project"
NEW, KNOWN, MUTED = Standing.NEW, Standing.KNOWN, Standing.MUTED
DONE = CheckOutcome("secrets", "Secrets", AuditVerdict.PASS)


def found(fingerprint: str, title: str = "A key", severity: Severity = Severity.HIGH) -> Finding:
    return Finding("secrets", "aws-access-key", title, severity, "app/a.py", 12, fingerprint=fingerprint)


def audit(at: float, fixed: Sequence[str] = (), /, **standings: Standing) -> AuditReport:
    """An audit whose findings are named by their fingerprints."""
    return AuditReport(
        id=f"{int(at):016x}",
        project=PROJECT,
        started_at=at,
        duration_s=2.5,
        trigger=Trigger(TriggerKind.MARKER, "DONE_COMPLETE.md", 1),
        checks=(DONE,),
        findings=tuple(Standings(found(name), standing) for name, standing in standings.items()),
        fixed=tuple(found(name) for name in fixed),
        head="4" * 40,
    )


def kept(report: AuditReport, project: str = PROJECT) -> AuditKept:
    return AuditKept(at=report.started_at, project=project, report=report)


async def test_audits_are_told_in_figures_the_oldest_first(
    database_url: str, new_history: Callable[..., History]
) -> None:
    """The last ones of the project alone, by when they began and not by when they were told."""
    first, second, third = audit(1.0, a=NEW), audit(2.0, ["a"], b=NEW, c=MUTED), audit(3.0, b=KNOWN)
    async with new_history(database_url) as history:
        for event in (kept(third), kept(first), kept(second), kept(audit(9.0), "/other")):
            history.record(event)

        everything = await history.audits(PROJECT)
        last = await history.audits(PROJECT, 2)
        nowhere = await history.audits("/nowhere")

    assert everything == (past_of(first), past_of(second), past_of(third))
    assert last == everything[1:]
    assert nowhere == ()
    assert [(each.open, each.new, each.fixed) for each in everything] == [(1, 1, 0), (1, 1, 1), (1, 0, 0)]


async def test_an_audit_of_some_checks_tells_of_findings_alone(
    database_url: str, new_history: Callable[..., History]
) -> None:
    """It is no point of the trend, and since when a finding is known it says all the same."""
    whole, limited = audit(2.0, a=KNOWN), replace(audit(1.0, a=NEW), only=("secrets", "security"))
    async with new_history(database_url) as history:
        history.record(kept(limited))
        history.record(kept(whole))

        trend = await history.audits(PROJECT)
        finding = await history.finding(PROJECT, "a")

    assert trend == (past_of(whole),)
    assert finding is not None
    assert (finding.first_at, finding.audits) == (1.0, 2)


async def test_an_audit_that_is_told_twice_is_one(database_url: str, new_history: Callable[..., History]) -> None:
    """In one batch, and after a restart; its findings are there once as well."""
    report = audit(1.0, a=NEW, b=NEW)
    async with new_history(database_url) as history:
        history.record(kept(report))
        history.record(kept(report))
    async with new_history(database_url) as history:
        history.record(kept(report))
        told = await history.audits(PROJECT)
        finding = await history.finding(PROJECT, "a")
        counters = history.counters

    with closing(Database(database_url)) as database, database.reading() as connection:
        rows = connection.scalar(select(func.count()).select_from(audit_findings))
    assert told == (past_of(report),)
    assert finding is not None
    assert finding.audits == 1
    assert rows == 2
    assert counters.dropped_events == 0


async def test_a_finding_has_a_history(database_url: str, new_history: Callable[..., History]) -> None:
    """Since when it is there, in how many audits it was, when it was fixed, and whether it came back."""
    reports = [
        audit(1.0, a=NEW, b=NEW, m=MUTED),
        audit(2.0, ["b"], a=KNOWN, m=MUTED),
        audit(3.0, ["a"]),
        audit(4.0, a=NEW),
    ]
    renamed = replace(reports[3], findings=(Standings(found("a", "A key again"), NEW),))
    async with new_history(database_url) as history:
        for report in (*reports[:3], renamed):
            history.record(kept(report))
        history.record(kept(audit(0.5, b=NEW), "/other"))

        told = [await history.finding(PROJECT, name) for name in ("a", "b", "m", "x")]

    assert told == [
        FindingHistory("a", "A key again", 1.0, 4.0, 3, fixed_at=3.0, came_back=True),
        FindingHistory("b", "A key", 1.0, 1.0, 1, fixed_at=2.0, came_back=False),
        FindingHistory("m", "A key", 1.0, 2.0, 2),
        None,
    ]


async def test_any_text_and_number_of_a_check_is_stored(database_url: str, new_history: Callable[..., History]) -> None:
    """NUL, lone surrogates, numbers that are none and lines beyond all bounds keep no audit out."""
    odd = "nul \0 half \ud800"
    finding = Finding(odd, odd, odd, Severity.LOW, odd, 10**20, fingerprint=odd)
    report = AuditReport(
        odd, PROJECT, 5.0, float("nan"), Trigger(what=odd), findings=(Standings(finding, NEW),), head=odd
    )
    async with new_history(database_url) as history:
        history.record(kept(report, odd))

        told = await history.audits(odd)
        known = await history.finding(odd, odd)
        counters = history.counters

    assert [each.open for each in told] == [1]
    assert known is not None
    assert known.title == "nul \\x00 half \\ud800"
    assert counters.dropped_events == 0


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A history with one project of the key 1, in a transaction that is undone."""
    with closing(open_history(Opening(database_url, None, lambda: 1.0)).database) as database:
        with database.writing() as connection:
            Recorder().write(connection, [ProjectWatched(at=1.0, project=PROJECT, name="p")])
        with database.reading() as connection:
            yield connection


def test_old_audits_keep_what_changed_in_them(connection: Connection) -> None:
    """What was neither new nor fixed goes, but for the first sight; so the answer to "since when" stays the same."""
    reports = [
        audit(1.0, a=NEW, b=NEW, m=MUTED),
        audit(2.0, ["b"], a=KNOWN, m=MUTED),
        audit(3.0, a=KNOWN, b=NEW, m=MUTED),
        audit(4.0, a=KNOWN, b=KNOWN, m=MUTED),
        audit(5.0, a=KNOWN, b=KNOWN, m=MUTED),
    ]
    Recorder().write(connection, [*map(kept, reports), kept(audit(0.5, a=KNOWN, m=MUTED), "/other")])
    queries = Queries(connection)

    forget_audits(connection, 1, keep=9, keep_whole=2)

    counted = select(audits.c.started_at, func.count()).join_from(audits, audit_findings).group_by(audits.c.started_at)
    rows = {row[0]: row[1] for row in connection.execute(counted)}
    assert rows == {0.5: 2, 1.0: 3, 2.0: 1, 3.0: 1, 4.0: 3, 5.0: 3}
    assert queries.audits(PROJECT, 9) == tuple(map(past_of, reports))
    assert queries.finding(PROJECT, "a") == FindingHistory("a", "A key", 1.0, 5.0, 3)
    assert queries.finding(PROJECT, "b") == FindingHistory("b", "A key", 1.0, 5.0, 4, fixed_at=2.0, came_back=True)
    assert queries.finding(PROJECT, "m") == FindingHistory("m", "A key", 1.0, 5.0, 3)


def test_the_oldest_audits_go_but_for_what_tells_since_when_a_finding_is_there(connection: Connection) -> None:
    """An audit of the first sight of what is still found stays; one of what is gone long since does not."""
    reports = [
        audit(1.0, gone=NEW),
        audit(2.0, ["gone"], a=NEW),
        audit(3.0, a=KNOWN, flickers=NEW),
        audit(4.0, ["flickers"], a=KNOWN),
        audit(5.0, a=KNOWN, flickers=NEW),
        audit(6.0, a=KNOWN, flickers=KNOWN),
        audit(7.0, a=KNOWN),
    ]
    others = [kept(audit(0.5), "/other"), kept(audit(9.0, gone=KNOWN), "/other")]
    Recorder().write(connection, [*map(kept, reports), *others])
    queries = Queries(connection)

    forget_audits(connection, 1, keep=2, keep_whole=2)

    assert [each.at for each in queries.audits(PROJECT, 9)] == [2.0, 3.0, 6.0, 7.0]
    assert len(queries.audits("/other", 9)) == 2
    assert queries.finding(PROJECT, "gone") is None
    assert queries.finding(PROJECT, "a") == FindingHistory("a", "A key", 2.0, 7.0, 3)
    assert connection.scalar(select(func.count()).select_from(audit_findings)) == 7


def test_each_new_audit_lets_the_oldest_go(connection: Connection) -> None:
    """Nobody has to tidy up: 1,000 audits are kept, and one more takes the place of the first."""
    recorder = Recorder()
    recorder.write(connection, [kept(audit(float(at))) for at in range(1, 1001)])
    before = len(Queries(connection).audits(PROJECT, 2_000))

    recorder.write(connection, [kept(audit(1001.0))])

    told = Queries(connection).audits(PROJECT, 2_000)
    assert before == 1_000
    assert (len(told), told[0].at, told[-1].at) == (1_000, 2.0, 1001.0)


def test_an_audit_costs_memory_while_it_waits() -> None:
    """Long texts of findings count in the backlog, so that they cannot fill the memory unseen."""
    backlog = Backlog(capacity_bytes=100_000)
    long = replace(found("a"), detail="x" * 60_000)

    backlog.put(kept(replace(audit(1.0), findings=(Standings(long, NEW),))))
    backlog.put(kept(replace(audit(2.0), fixed=(long,))))

    assert backlog.cost_bytes <= 100_000
    assert backlog.losses.events == 1


def test_the_tables_of_audits_are_such_that_postgresql_takes_them() -> None:
    """No name must be quoted there, so that none is a reserved word."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

    told = [str(CreateTable(table).compile(dialect=dialect)) for table in (audits, audit_findings)]
    told += [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in (audits, audit_findings)
        for index in table.indexes
    ]

    assert len(told) == 4
    assert [text for text in told if '"' in text] == []


# What is written is what is read

TEXT = st.text(max_size=8)
FINDINGS = st.builds(
    Finding,
    check=TEXT,
    rule=TEXT,
    title=TEXT,
    severity=st.sampled_from(Severity),
    path=TEXT,
    line=st.integers(-1, 2**40),
    fingerprint=st.sampled_from(["f1", "f2", "f3", "", "\0"]),
)
STANDINGS = st.builds(Standings, finding=FINDINGS, standing=st.sampled_from([NEW, KNOWN, MUTED]))
REPORTS = st.lists(
    st.builds(
        AuditReport,
        id=TEXT,
        project=st.just(PROJECT),
        started_at=st.one_of(st.integers(0, 4).map(float), st.floats(allow_nan=False, allow_infinity=False)),
        duration_s=st.floats(),
        trigger=st.builds(Trigger, kind=st.sampled_from(TriggerKind), what=TEXT),
        checks=st.lists(st.builds(CheckOutcome, TEXT, TEXT, st.sampled_from(AuditVerdict)), max_size=2).map(tuple),
        findings=st.lists(STANDINGS, max_size=3).map(tuple),
        fixed=st.lists(FINDINGS, max_size=2).map(tuple),
        head=TEXT,
    ),
    max_size=6,
    unique_by=lambda report: storable(report.id),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A history of which each example sees nothing of the others."""
    url = sqlite_url(tmp_path_factory.mktemp("shared") / "h.sqlite3")
    with closing(open_history(Opening(url, None, lambda: 1.0)).database) as database:
        yield database


def by_hand(reports: Sequence[AuditReport], fingerprint: str) -> FindingHistory | None:
    ordered = sorted(reports, key=lambda report: report.started_at)
    seen = [
        (report.started_at, each.finding.title)
        for report in ordered
        for each in [next((each for each in report.findings if each.finding.fingerprint == fingerprint), None)]
        if each is not None
    ]
    fixed = [report.started_at for report in ordered if any(each.fingerprint == fingerprint for each in report.fixed)]
    if not seen:
        return None
    last_at, title = seen[-1]
    return FindingHistory(
        fingerprint,
        storable(title),
        seen[0][0],
        last_at,
        len(seen),
        fixed_at=fixed[-1] if fixed else None,
        came_back=bool(fixed) and last_at > fixed[0],
    )


@settings(deadline=None)
@given(reports=REPORTS)
def test_what_is_written_is_what_is_read(shared: Database, reports: list[AuditReport]) -> None:
    """Whatever audits there were: their figures, and each finding's history as one reckons it by hand."""
    with shared.reading() as connection:
        Recorder().write(connection, [kept(report) for report in reports])
        queries = Queries(connection)
        told = queries.audits(PROJECT, 100)
        findings = {name: queries.finding(PROJECT, name) for name in ("f1", "f2", "f3", "", "\0")}

    assert told == tuple(past_of(report) for report in sorted(reports, key=lambda report: report.started_at))
    assert findings == {name: by_hand(reports, name) for name in findings}


# Beside an instance

AUDITS = 40
COMMAND = f"""
import asyncio, sys
from app.domain.events import AuditKept
from app.domain.findings import AuditReport, Trigger
from app.engine.clock import SystemClock
from app.store.history import History

async def main():
    for index in range({AUDITS}):
        async with History.writer_beside(sys.argv[1], clock=SystemClock()) as history:
            report = AuditReport(f"c{{index}}", {PROJECT!r}, 1000.0 + index, 1.0, Trigger())
            history.record(AuditKept(at=1.0, project={PROJECT!r}, report=report))
        if history.counters.written != 1:
            sys.exit(f"lost {{index}}: {{history.counters}}")
        print("kept", flush=True)

asyncio.run(main())
"""


async def test_an_instance_and_a_command_write_at_once(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """While one process opens, writes and closes again and again, and another records runs and audits, none is lost."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r0", ("t::a", Outcome.PASSED), finished=False))
        await history.flush()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, database_url, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        told = 0
        while line := await child.stdout.readline():
            if line.strip() != b"kept":
                continue  # the log
            told += 1
            story.record(history, story.run(f"r{told}", ("t::a", Outcome.PASSED)))
            history.record(kept(audit(float(told))))
        code = await child.wait()
        everything = await history.audits(PROJECT, 1_000)
        runs = await history.runs(PROJECT, 1_000)
        counters = history.counters

    assert (code, told) == (0, AUDITS)
    assert [each.at for each in everything] == [
        *(float(at) for at in range(1, AUDITS + 1)),
        *(1000.0 + index for index in range(AUDITS)),
    ]
    assert len(runs) == AUDITS + 1
    assert counters.dropped_events + counters.dropped_results == 0
    assert runs[-1].run_id == "r0"
    assert runs[-1].finished_at is None


async def test_one_beside_leaves_open_runs_and_old_runs_alone(
    database_url: str, new_history: Callable[..., History], fake_clock: Clock, story: Story
) -> None:
    """A run that goes on in the instance does not end because a command came, and no run is tidied away by it."""
    async with new_history(database_url, keep_runs=10**6) as history:
        for index in range(250):
            story.record(history, story.run(f"r{index}", ("t::a", Outcome.PASSED)))
        story.record(history, story.run("open", ("t::a", Outcome.PASSED), finished=False))
        await history.flush()

        async with History.writer_beside(database_url, clock=fake_clock) as beside:
            beside.record(kept(audit(1.0)))
            for _ in range(100):  # between two questions it would tidy up, if it did
                await beside.audits(PROJECT)
        runs = await history.runs(PROJECT, 1_000)
        test = await asyncio.wrap_future(history.ask(lambda queries: queries.test(PROJECT, "t::a", limit=1_000)))

    assert len(runs) == len(test.moments) == 251
    assert (runs[0].run_id, runs[0].finished_at) == ("open", None)


async def test_one_beside_makes_the_history_where_there_is_none(sqlite_file: Path, fake_clock: Clock) -> None:
    """A command may come before any instance ever ran."""
    url = sqlite_url(sqlite_file)
    async with History.writer_beside(url, clock=fake_clock) as beside:
        beside.record(kept(audit(1.0, a=NEW)))

    async with History.reader(url) as reader:
        told = await reader.audits(PROJECT)

    assert told == (past_of(audit(1.0, a=NEW)),)
    assert beside.counters.written == 1


class Waits(Backlog):
    """Notes for how long the thread would wait, and closes once it would wait for good, or too often."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout_s: float | None, *, held: bool) -> bool:
        """Note it."""
        self.waits.append(timeout_s)
        if timeout_s is None or len(self.waits) > 5:
            self.close()
        return super().wait(timeout_s, held=held)


@pytest.mark.parametrize(("read_only", "beside"), [(True, False), (False, True)])
def test_one_that_has_nothing_to_do_sleeps(sqlite_file: Path, *, read_only: bool, beside: bool) -> None:
    """A reader, or one beside an instance, has nothing to tidy: once it is open its thread waits until it is asked."""
    url = sqlite_url(sqlite_file)
    open_history(Opening(url, None, lambda: 1.0)).database.close()
    opening = Opening(url, None, lambda: 1.0, read_only=read_only, beside=beside)
    backlog = Waits()

    Writer(opening, backlog, lambda _text, _hint: None, Tally(), keep_runs=200, close_s=5.0).run()

    assert backlog.waits[:2] == [0.0, None]
