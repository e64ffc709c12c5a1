"""The reports of audits that were: which is the last one, and what is known of findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.archive import KEPT, Archive
from app.domain.findings import AuditReport, Finding, Severity, Standing, Standings, Trigger

if TYPE_CHECKING:
    from pathlib import Path


def found(name: str, standing: Standing = Standing.NEW) -> Standings:
    return Standings(Finding("secrets", "key", name, Severity.HIGH, fingerprint=name * 6), standing)


def kept(
    archive: Archive, root: Path, at: int, *findings: Standings, fixed: tuple[Finding, ...] = (), only: str = ""
) -> str:
    """Keep a report, and return its id."""
    made = f"{at:016x}"
    limits = (only,) if only else ()
    archive.keep(
        AuditReport(made, str(root), float(at), 1.0, Trigger(), findings=findings, fixed=fixed, only=limits), root
    )
    return made


def test_an_audit_of_some_checks_does_not_take_the_place_of_the_last_one(tmp_path: Path) -> None:
    """It can be read by its id, and says to what it was limited."""
    archive = Archive(tmp_path / "data")
    whole = kept(archive, tmp_path, 1)
    limited = kept(archive, tmp_path, 2, only="secrets")

    last, asked = archive.read(tmp_path), archive.read(tmp_path, limited)

    assert last is not None
    assert (last.id, last.only) == (whole, ())
    assert archive.newest(tmp_path) == whole
    assert archive.count(tmp_path) == 1
    assert asked is not None
    assert asked.only == ("secrets",)


def test_many_audits_of_some_checks_drop_no_whole_one(tmp_path: Path) -> None:
    """Each kind is kept for itself."""
    archive = Archive(tmp_path / "data")
    whole = kept(archive, tmp_path, 1)
    for at in range(2, KEPT + 4):
        kept(archive, tmp_path, at, only="secrets")

    assert archive.newest(tmp_path) == whole
    assert len(list(archive.reports(tmp_path))) == KEPT + 1


def test_what_is_known_of_findings_comes_from_later_audits_of_some_checks_too(tmp_path: Path) -> None:
    """The newest word on each finding holds; what was before the last whole audit is no more."""
    archive = Archive(tmp_path / "data")
    kept(archive, tmp_path, 1, found("f"), only="secrets")
    kept(archive, tmp_path, 2, found("a"), found("b"), found("c"))
    kept(archive, tmp_path, 3, found("b", Standing.KNOWN), found("d"), fixed=(found("c").finding,), only="secrets")

    together = archive.together(tmp_path)

    assert together is not None
    assert {each.finding.title: each.standing for each in together.findings} == {
        "a": Standing.NEW,
        "b": Standing.KNOWN,
        "d": Standing.NEW,
    }
    assert [each.title for each in together.fixed] == ["c"]


def test_of_no_audit_nothing_is_known(tmp_path: Path) -> None:
    """A project that was never audited."""
    assert Archive(tmp_path / "data").together(tmp_path) is None
