"""Audits in the history: by the instance, by a command beside it, and where the history is out of reach."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.archive import Archive
from app.agents.auditing.host.builtin import BUILT_IN
from app.agents.settings import Settings
from app.cli.launchers import AuditOptions
from app.domain.commands import ReadAudits, ReadFindingHistory
from app.domain.events import AuditKept
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
    past_of,
)
from app.engine.clock import SystemClock
from app.engine.notices import Notices
from app.engine.places import Places
from app.house.audithistory import past_audits
from app.house.auditing import Done, audit_once
from app.house.ground import ground
from app.house.history import kept_history
from app.store.history import History
from app.store.location import FILE_NAME, history_url

if TYPE_CHECKING:
    from pathlib import Path

CHECKED = CheckOutcome("secrets", "Secrets", AuditVerdict.PASS)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """The folders of an instance that does not run."""
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    found = Places.find({"WATCHKEEPER_HOME": str(tmp_path / "home")})
    found.create()
    off = ", ".join(f'"{each}"' for each in BUILT_IN if each != "tests")
    found.settings_file.write_text(f"[audits]\noff = [{off}]\n", encoding="utf-8")  # all but a quick check
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a file that is left behind."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "shop.py").write_text("def total(prices):\n    return sum(prices)\n", encoding="utf-8")
    return root


async def audited(places: Places, project: Path) -> Done:
    """Have a command audit the project."""
    return await audit_once(places, project, AuditOptions(), clock=SystemClock(), tell=lambda _line: None)


def report(project: Path, at: float, *standings: Standing) -> AuditReport:
    finding = Finding("secrets", "key", "A key", Severity.HIGH, "a.py", 1, fingerprint="f1")
    found = tuple(Standings(finding, standing) for standing in standings)
    return AuditReport(f"{int(at):016x}", str(project), at, 1.0, Trigger(), (CHECKED,), found)


def history_of(places: Places) -> History:
    return History(history_url({}, places.data), backup_folder=None, clock=SystemClock())


def archive_of(places: Places) -> Archive:
    return Archive(places.data / "audits")


def damaged_in(data: Path) -> Path:
    (path,) = (data / "audits").rglob("*-0000000000000001.json")
    return path


async def test_a_command_keeps_its_audit_and_tells_those_before(places: Places, project: Path) -> None:
    """Without any instance: the second audit knows of the first, and nothing is noted."""
    first = await audited(places, project)
    second = await audited(places, project)

    async with history_of(places) as history:
        told = await history.audits(str(project))
    assert first.past == ()
    assert second.past == (past_of(first.report),)
    assert told == (past_of(first.report), past_of(second.report))
    assert [note for note in (*first.notes, *second.notes) if note] == []


async def test_a_command_audits_beside_an_instance(places: Places, project: Path) -> None:
    """The instance answers with the command's audit among its own, and each is there once."""
    with ground(places) as on:
        async with kept_history(on, Settings(), Notices(on.bus.publish, on.clock)):
            on.bus.publish(AuditKept(at=1.0, project=str(project), report=report(project, 1.0, Standing.NEW)))
            done = await audited(places, project)
            told = await on.bus.send(ReadAudits(project=str(project)))
            finding = await on.bus.send(ReadFindingHistory(project=str(project), fingerprint="f1"))
            unknown = await on.bus.send(ReadFindingHistory(project=str(project), fingerprint="f2"))

    assert told == (past_of(report(project, 1.0, Standing.NEW)), past_of(done.report))
    assert done.past == told[:1]
    assert finding == FindingHistory("f1", "A key", 1.0, 1.0, 1)
    assert unknown is None


async def test_an_audit_of_some_checks_is_no_point_of_the_trend(places: Places, project: Path) -> None:
    """Neither a command nor the history counts it among the audits before."""
    first = await audited(places, project)
    limited = await audit_once(
        places, project, AuditOptions(only=("tests",)), clock=SystemClock(), tell=lambda _line: None
    )
    last = await audited(places, project)

    assert limited.report.only == ("tests",)
    assert limited.past == last.past == (past_of(first.report),)


async def test_a_locked_history_keeps_nobody_from_being_told(places: Places, project: Path) -> None:
    """The audit is told with one note; once the history is free, the next one takes it in from its report."""
    first = await audited(places, project)
    with closing(sqlite3.connect(places.data / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        second = await audited(places, project)
    third = await audited(places, project)

    (note,) = [each for each in second.notes if each]
    assert note.startswith("This audit is not in the history. ")
    assert second.report.checks
    assert second.past == (past_of(first.report),)
    assert third.past == (past_of(first.report), past_of(second.report))
    assert not any(third.notes)


async def test_a_history_that_cannot_be_opened_is_noted(places: Places, project: Path) -> None:
    """Its file is somebody else's: the audit is told, the note says why it is not kept, and the file stays as it is."""
    with closing(sqlite3.connect(places.data / FILE_NAME)) as other:
        other.execute("CREATE TABLE theirs (id)")

    done = await audited(places, project)

    (note,) = [each for each in done.notes if each]
    assert note.startswith("This audit is not in the history. ")
    assert "no history of Watchkeeper" in note
    assert (len(done.report.checks), done.past) == (1, ())
    with closing(sqlite3.connect(places.data / FILE_NAME)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


async def test_reports_of_before_are_taken_into_the_history_once(places: Places, project: Path) -> None:
    """What only lies there as files is told as well; later no report is read again."""
    archive, before = archive_of(places), [report(project, float(at), Standing.KNOWN) for at in (1, 2, 3)]
    for each in before:
        archive.keep(each, project)

    async with history_of(places) as history:
        history.record(AuditKept(at=3.0, project=str(project), report=before[2]))
        first = await past_audits(history, archive, str(project), 50)
        taken = history.counters.recorded
        again = await past_audits(history, archive, str(project), 50)
        few = await past_audits(history, archive, str(project), 2)
        finding = await history.finding(str(project), "f1")
        recorded = history.counters.recorded

    assert first == again == tuple(map(past_of, before))
    assert few == first[1:]
    assert (taken, recorded) == (4, 4)
    assert finding is not None
    assert (finding.first_at, finding.audits) == (1.0, 3)


async def test_a_report_that_cannot_be_read_is_left_out(places: Places, project: Path) -> None:
    """One damaged file keeps the others from nothing."""
    archive = archive_of(places)
    archive.keep(report(project, 1.0), project)
    archive.keep(report(project, 2.0), project)
    damaged = damaged_in(places.data)
    damaged.write_text("{", encoding="utf-8")

    async with history_of(places) as history:
        told = await past_audits(history, archive, str(project), 50)

    assert [each.at for each in told] == [2.0]
