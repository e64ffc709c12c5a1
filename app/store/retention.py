"""What is forgotten, and in which steps: each is one short transaction, so that nothing else waits for long.

Conversations are the person's own and are kept until they delete them. Old audits go as new ones are written
(`app.store.audits`), since a command that audits does not tidy up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, select, text, update

from app.store.schema import analyses, outputs, projects, results, runs, tests, transitions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.store.database import Database

KEPT_OUTPUTS = 20
"""Runs of each project that keep the outputs of all their red tests; older ones keep each test's newest."""
KEPT_ANALYSES = 2_000
"""Explanations of each project that are kept, the newest."""
_FREE_SHARE = 4
_FREE_LEAST = 1_000
_PAGES_A_STEP = 500


def forget_one(
    connection: Connection,
    *,
    keep_runs: int,
    keep_outputs: int = KEPT_OUTPUTS,
    keep_analyses: int = KEPT_ANALYSES,
) -> bool:
    """Forget one run that is too old, or the outputs of one. Returns True when there may be more to forget."""
    for (project,) in connection.execute(select(projects.c.id)).all():
        if _forget_run(connection, project, keep_runs) or _forget_outputs(connection, project, keep_outputs):
            return True
        _forget_analyses(connection, project, keep_analyses)
    return False


def release_pages(database: Database) -> bool:
    """Give some unused pages of an SQLite file back, when there are many. Returns True when there may be more.

    A steady history reuses the pages of the run that it forgets, so a quarter may stay unused.

    Raises:
        Fault: The database could not do it.
    """
    if database.path is None:
        return False  # PostgreSQL tidies up by itself
    with database.reading() as connection:
        free = connection.scalar(text("PRAGMA freelist_count")) or 0
        pages = connection.scalar(text("PRAGMA page_count")) or 0
    if free < max(_FREE_LEAST, pages // _FREE_SHARE):
        return False
    database.release_pages(_PAGES_A_STEP)
    return True


def _oldest_kept(connection: Connection, project: int, keep: int) -> int | None:
    return connection.scalar(
        select(runs.c.id).where(runs.c.project_id == project).order_by(runs.c.id.desc()).offset(keep - 1).limit(1)
    )


def _forget_run(connection: Connection, project: int, keep: int) -> bool:
    oldest = _oldest_kept(connection, project, keep)
    if oldest is None:
        return False
    # A run that explains a test's present state stays, without its results, for as long as it does.
    has_results = exists().where(results.c.run_id == runs.c.id)
    explaining = [
        select(column).where(tests.c.project_id == project) for column in (tests.c.since_run, tests.c.seen_run)
    ]
    too_old = (runs.c.project_id == project, runs.c.id < oldest)
    full = connection.scalar(select(runs.c.id).where(*too_old, has_results).order_by(runs.c.id).limit(1))
    if full is not None:
        for table in (outputs, results, transitions):
            connection.execute(delete(table).where(table.c.run_id == full))
        connection.execute(update(runs).where(runs.c.id == full).values(output=""))
        return True
    unseen = (tests.c.project_id == project, tests.c.seen_run < oldest)
    connection.execute(delete(tests).where(*unseen, tests.c.red.is_(False) | tests.c.gone))
    connection.execute(delete(runs).where(*too_old, *(runs.c.id.not_in(each) for each in explaining)))
    return False


def _forget_outputs(connection: Connection, project: int, keep: int) -> bool:
    oldest = _oldest_kept(connection, project, keep)
    if oldest is None:
        return False
    newer = outputs.alias()
    outdated = exists().where(newer.c.test_id == outputs.c.test_id, newer.c.run_id > outputs.c.run_id)
    old = select(runs.c.id).where(runs.c.project_id == project, runs.c.id < oldest)
    connection.execute(delete(outputs).where(outputs.c.run_id.in_(old), outdated))
    return False


def _forget_analyses(connection: Connection, project: int, keep: int) -> None:
    newest = select(analyses.c.id).where(analyses.c.project_id == project).order_by(analyses.c.id.desc())
    oldest = connection.scalar(newest.offset(keep - 1).limit(1))
    if oldest is not None:
        connection.execute(delete(analyses).where(analyses.c.project_id == project, analyses.c.id < oldest))
