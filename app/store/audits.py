"""Audits become rows, and are asked for and forgotten."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, select

from app.domain.findings import AuditVerdict, FindingHistory, Past, Severity, Standing, past_of
from app.store.schema import audit_findings, audits, projects
from app.store.values import finite, insert_into, storable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection, FromClause

    from app.domain.events import AuditKept
    from app.domain.findings import Finding

KEPT_AUDITS = 1_000
"""Audits of each project that are kept, the newest; and of those before, the ones that tell since when a finding is."""
KEPT_WHOLE = 100
"""Audits of each project of which all findings are kept, the newest.

Of older ones those are kept that were new or fixed then, and the first sight of each: so it is still known since when
a finding is there, and whether it came back.
"""
_MOST = 2**31 - 1
_FIXED = Standing.FIXED.value
_UNCHANGED = (Standing.KNOWN.value, Standing.MUTED.value)


def write_audit(connection: Connection, project: int, event: AuditKept) -> None:
    """Write an audit and what it found; one that is there already stays as it is.

    What is too old goes in the same transaction: a command that audits has no other moment to tidy up.

    Args:
        connection: In a transaction.
        project: The project's key.
        event: The audit.
    """
    report = event.report
    past = past_of(report)
    key = connection.execute(
        insert_into(connection, audits).on_conflict_do_nothing(index_elements=["audit"]).returning(audits.c.id),
        {
            "project_id": project,
            "audit": storable(report.id),
            "started_at": finite(report.started_at),
            "duration_s": finite(report.duration_s),
            "trigger_kind": report.trigger.kind.value,
            "trigger_words": storable(report.trigger.what),
            "verdict": past.verdict.value,
            "head": storable(report.head),
            "only_checks": storable(",".join(report.only)),
            "new_findings": past.new,
            "fixed_findings": past.fixed,
            "muted_findings": sum(report.counts(Standing.MUTED).values()),
            **{severity.value: past.counts[severity] for severity in Severity},
        },
    ).scalar_one_or_none()
    if key is None:
        return
    told: Iterable[tuple[Finding, Standing]] = chain(
        ((each.finding, each.standing) for each in report.findings),
        ((each, Standing.FIXED) for each in report.fixed),
    )
    rows = [
        {
            "audit_id": key,
            "seq": seq,
            "fingerprint": storable(finding.fingerprint),
            "check_id": storable(finding.check),
            "rule": storable(finding.rule),
            "severity": finding.severity.value,
            "standing": standing.value,
            "title": storable(finding.title),
            "path": storable(finding.path),
            "line": min(max(finding.line, 0), _MOST),
        }
        for seq, (finding, standing) in enumerate(told)
    ]
    if rows:
        connection.execute(audit_findings.insert(), rows)
    forget_audits(connection, project)


def forget_audits(
    connection: Connection, project: int, *, keep: int = KEPT_AUDITS, keep_whole: int = KEPT_WHOLE
) -> None:
    """Forget the audits of a project that are too old, and of old ones what did not change.

    Args:
        connection: In a transaction.
        project: The project's key.
        keep: Audits that are kept.
        keep_whole: Audits that are kept with all their findings.
    """
    if (last := _nth_newest(connection, project, keep)) is not None:
        later, when = audit_findings.alias(), audits.alias()
        seen_since = exists().where(
            later.c.fingerprint == audit_findings.c.fingerprint,
            later.c.standing != _FIXED,
            later.c.audit_id == when.c.id,
            when.c.project_id == project,
            ~_is_before(when, *last),
        )
        tells_since_when = exists().where(
            audit_findings.c.audit_id == audits.c.id,
            audit_findings.c.standing != _FIXED,
            ~_seen_before(project),
            seen_since,
        )
        connection.execute(
            delete(audits).where(audits.c.project_id == project, _is_before(audits, *last), ~tells_since_when)
        )
    if (last := _nth_newest(connection, project, keep_whole)) is not None:
        old = select(audits.c.id).where(audits.c.project_id == project, _is_before(audits, *last))
        connection.execute(
            delete(audit_findings).where(
                audit_findings.c.audit_id.in_(old), audit_findings.c.standing.in_(_UNCHANGED), _seen_before(project)
            )
        )


def past_audits(connection: Connection, project: str, limit: int) -> tuple[Past, ...]:
    """Return the last audits of a project in figures, the oldest first; none that was limited to some checks.

    Args:
        connection: Open.
        project: The project's root folder.
        limit: At most so many.
    """
    newest = (
        select(audits)
        .join_from(audits, projects)
        .where(projects.c.root == storable(project), audits.c.only_checks == "")
        .order_by(audits.c.started_at.desc(), audits.c.id.desc())
        .limit(limit)
    )
    return tuple(
        Past(
            at=row.started_at,
            verdict=AuditVerdict(row.verdict),
            counts={severity: getattr(row, severity.value) for severity in reversed(Severity)},
            new=row.new_findings,
            fixed=row.fixed_findings,
        )
        for row in reversed(connection.execute(newest).all())
    )


def finding_history(connection: Connection, project: str, fingerprint: str) -> FindingHistory | None:
    """Return what the audits of a project say of a finding; None when none that is kept has found it."""
    of_it = (projects.c.root == storable(project), audit_findings.c.fingerprint == storable(fingerprint))
    joined = audit_findings.join(audits).join(projects)
    is_fixed = audit_findings.c.standing == _FIXED
    seen = connection.execute(
        select(
            func.min(audits.c.started_at).label("first_at"),
            func.max(audits.c.started_at).label("last_at"),
            func.count(audits.c.id.distinct()).label("audits"),
        )
        .select_from(joined)
        .where(*of_it, ~is_fixed)
    ).one()
    if not seen.audits:
        return None
    fixed = connection.execute(
        select(func.min(audits.c.started_at).label("first_at"), func.max(audits.c.started_at).label("last_at"))
        .select_from(joined)
        .where(*of_it, is_fixed)
    ).one()
    title = (
        select(audit_findings.c.title)
        .select_from(joined)
        .where(*of_it, ~is_fixed)
        .order_by(audits.c.started_at.desc(), audits.c.id.desc(), audit_findings.c.seq)
        .limit(1)
    )
    return FindingHistory(
        fingerprint,
        connection.execute(title).scalar_one(),
        first_at=seen.first_at,
        last_at=seen.last_at,
        audits=seen.audits,
        fixed_at=fixed.last_at,
        came_back=fixed.first_at is not None and seen.last_at > fixed.first_at,
    )


def _nth_newest(connection: Connection, project: int, count: int) -> tuple[float, int] | None:
    row = connection.execute(
        select(audits.c.started_at, audits.c.id)
        .where(audits.c.project_id == project)
        .order_by(audits.c.started_at.desc(), audits.c.id.desc())
        .offset(count - 1)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.started_at, row.id)


def _seen_before(project: int) -> ColumnElement[bool]:
    """Whether a row of audit_findings has a finding that an earlier audit of its project had seen."""
    earlier, when, own = audit_findings.alias(), audits.alias(), audits.alias()
    return exists().where(
        earlier.c.fingerprint == audit_findings.c.fingerprint,
        earlier.c.standing != _FIXED,
        earlier.c.audit_id == when.c.id,
        when.c.project_id == project,
        own.c.id == audit_findings.c.audit_id,
        _is_before(when, own.c.started_at, own.c.id),
    )


def _is_before(
    when: FromClause, started_at: float | ColumnElement[float], key: int | ColumnElement[int]
) -> ColumnElement[bool]:
    return (when.c.started_at < started_at) | ((when.c.started_at == started_at) & (when.c.id < key))
