"""The schema: what is baked in agrees with the migrations, which go up and down, and the doctor tells where it is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app.domain.errors import StoreError
from app.store import doctor, migrate
from app.store.database import Database, tables_of
from app.store.history import History
from app.store.location import RELEASED, Opening, Revisions, sqlite_path, sqlite_url
from app.store.opening import open_history
from app.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.store.conftest import Story, Troubles

PROJECT = "/home/ada/project"
SECOND = '''
"""A later revision, of a test."""
import sqlalchemy as sa
from alembic import op
revision = "0004"
down_revision = "0003"
def upgrade():
    op.add_column("projects", sa.Column("colour", sa.Text()))
    {more}
def downgrade():
    op.drop_column("projects", "colour")
'''


def second(folder: Path, more: str = "pass") -> Revisions:
    """Revisions with one more than was released."""
    folder.mkdir(exist_ok=True)
    (folder / "0004_later.py").write_text(SECOND.format(more=more), encoding="utf-8")
    return Revisions((*RELEASED.known, "0004"), (*RELEASED.folders, folder))


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def wall() -> float:
    return 1_700_000_000.0


def test_the_baked_revisions_are_those_of_the_files() -> None:
    """A start compares with the baked head instead of importing Alembic: it must be the true one."""
    assert tuple(each.revision for each in migrate.revisions_of(RELEASED)) == RELEASED.known


def test_the_migrations_make_what_the_schema_says(database_url: str) -> None:
    """After all migrations nothing is left to be generated."""
    database = open_history(Opening(database_url, None, wall)).database

    with closing(database), database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata, "compare_type": True})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_the_schema_goes_down_and_up_again(database_url: str, tmp_path: Path) -> None:
    """Downgrading to the base leaves nothing of ours, and upgrading makes it all again."""
    up = doctor.upgrade(database_url, backups=tmp_path / "b", wall=wall)
    down = doctor.downgrade(database_url, "base", backups=tmp_path / "b", wall=wall)
    with closing(Database(database_url)) as database, database.reading() as connection:
        left = tables_of(connection)
    again = doctor.upgrade(database_url, backups=tmp_path / "b", wall=wall)

    assert [up.position, down.position, again.position] == ["current", "empty", "current"]
    assert left <= {"alembic_version"}


async def test_going_down_and_up_keeps_what_was_before_audits(
    database_url: str, new_history: Callable[..., History], tmp_path: Path, story: Story
) -> None:
    """The revision of audits takes its own tables away and gives them back; runs stay."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1"))

    doctor.downgrade(database_url, "0002", backups=tmp_path / "b", wall=wall)
    with closing(Database(database_url)) as database, database.reading() as connection:
        below = tables_of(connection)
    doctor.upgrade(database_url, backups=tmp_path / "b", wall=wall)
    async with new_history(database_url) as history:
        runs = await history.runs()
        audits = await history.audits(PROJECT)

    assert not below & {"audits", "audit_findings"}
    assert {"runs", "analyses", "conversations"} <= below
    assert ([run.run_id for run in runs], audits) == (["r1"], ())


async def test_the_doctor_tells_where_a_history_stands(
    database_url: str, new_history: Callable[..., History], tmp_path: Path, story: Story
) -> None:
    """The doctor tells revision, size, soundness, counts and backups, and shows no password."""
    async with new_history(database_url) as history:
        story.record(history, story.run("r1"))

    found = doctor.describe(database_url, tmp_path / "backups")
    revisions = doctor.history(database_url)

    assert (found.state.revision, found.state.position) == (RELEASED.head, "current")
    assert (found.projects, found.runs, found.tests, found.results) == (1, 1, 0, 0)
    assert [(each.revision, each.applied, each.is_head) for each in revisions] == [
        ("0001", True, False),
        ("0002", True, False),
        ("0003", True, True),
    ]
    assert "0003 (applied, head): Audits, and what each" in str(revisions[2])
    if sqlite_path(database_url):
        assert found.sound
        assert found.size_bytes
        assert len(found.backups) == 1


def test_the_doctor_changes_nothing_where_there_is_nothing(sqlite_file: Path) -> None:
    """Asking about a history that was never made makes none."""
    state = doctor.current(sqlite_url(sqlite_file))
    found = doctor.describe(sqlite_url(sqlite_file))

    assert (state.position, state.revision, found.size_bytes, found.sound) == ("empty", None, None, None)
    assert not sqlite_file.parent.exists()


def test_an_unknown_revision_is_refused_and_nothing_is_moved(sqlite_file: Path, tmp_path: Path) -> None:
    """A mistyped revision gives a message, and the history is as it was."""
    url = sqlite_url(sqlite_file)
    doctor.upgrade(url, backups=tmp_path / "b", wall=wall)

    with pytest.raises(StoreError, match="cannot be moved to '9999'"):
        doctor.upgrade(url, "9999", backups=tmp_path / "b", wall=wall)

    assert doctor.current(url).position == "current"
    assert not list(sqlite_file.parent.glob("*.damaged*"))
    assert not list(sqlite_file.parent.glob("*.migrating"))


async def test_a_history_that_is_behind_is_copied_and_brought_up(
    database_url: str, new_history: Callable[..., History], tmp_path: Path, story: Story
) -> None:
    """A newer program upgrades the history at its start, after a copy, and keeps all that is in it."""
    async with new_history(database_url, backup_folder=None) as history:
        story.record(history, story.run("r1"))
    later = second(tmp_path / "later")

    async with new_history(database_url, revisions=later, backup_folder=tmp_path / "copies") as history:
        runs = await history.runs()

    assert [run.run_id for run in runs] == ["r1"]
    assert doctor.current(database_url, revisions=later).revision == "0004"
    if sqlite_path(database_url):
        (copy,) = (tmp_path / "copies").iterdir()
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(RELEASED.head,)]


async def test_a_history_of_a_newer_program_is_left_alone(
    database_url: str, new_history: Callable[..., History], troubles: Troubles, tmp_path: Path, story: Story
) -> None:
    """What a newer program wrote is not touched: a message, nothing recorded, each question refused."""
    later = second(tmp_path / "later")
    async with new_history(database_url, revisions=later) as history:
        story.record(history, story.run("r1"))
    path = sqlite_path(database_url)
    before = path.read_bytes() if path else b""

    async with new_history(database_url) as history:
        story.record(history, story.run("r2"))
        with pytest.raises(StoreError, match="newer Watchkeeper"):
            await history.runs()
        with pytest.raises(StoreError, match="newer Watchkeeper"):
            await history.flush()
    with pytest.raises(StoreError, match="newer Watchkeeper"):
        doctor.upgrade(database_url, backups=None, wall=wall)

    assert len(troubles) == 1
    assert "newer Watchkeeper" in troubles[0][0]
    assert doctor.current(database_url).position == "newer"
    assert (path.read_bytes() if path else b"") == before


async def test_a_reader_migrates_nothing(sqlite_file: Path, tmp_path: Path) -> None:
    """A reader of an older history says what to do, and leaves it as it is."""
    url = sqlite_url(sqlite_file)
    doctor.upgrade(url, backups=None, wall=wall)
    reader = History(url, backup_folder=None, clock=_Clock(), revisions=second(tmp_path / "later"), read_only=True)

    async with reader:
        with pytest.raises(StoreError, match="older format"):
            await reader.runs()

    assert doctor.current(url).revision == RELEASED.head


@pytest.mark.parametrize("more", ["raise RuntimeError('boom')", "op.execute('SELECT nonsense')"])
async def test_a_migration_that_fails_leaves_the_history_as_it_was(
    sqlite_file: Path,
    new_history: Callable[..., History],
    troubles: Troubles,
    tmp_path: Path,
    *,
    story: Story,
    more: str,
) -> None:
    """A migration that raises is undone, told, and an older program goes on with all that was there."""
    url = sqlite_url(sqlite_file)
    async with new_history(url) as history:
        story.record(history, story.run("r1"))

    async with new_history(url, revisions=second(tmp_path / "later", more)) as history:
        with pytest.raises(StoreError):
            await history.runs()
    told = len(troubles)
    async with new_history(url) as history:
        runs = await history.runs()

    assert told == 1
    assert [run.run_id for run in runs] == ["r1"]
    assert doctor.current(url).position == "current"


KILLED = """op.execute("DELETE FROM runs")
    op.get_bind().connection.driver_connection.commit()
    print("half way", flush=True)
    __import__("time").sleep(60)"""


async def test_a_migration_that_is_killed_is_undone(
    sqlite_file: Path, new_history: Callable[..., History], troubles: Troubles, tmp_path: Path, story: Story
) -> None:
    """After kill -9 in the middle of a migration the next start goes on from the copy, with nothing lost."""
    url = sqlite_url(sqlite_file)
    async with new_history(url) as history:
        story.record(history, story.run("r1"))
    folder = tmp_path / "later"
    second(folder, KILLED)
    code = f"""
from pathlib import Path
from app.store import doctor
from app.store.location import RELEASED, Revisions
later = Revisions((*RELEASED.known, "0004"), (*RELEASED.folders, Path({str(folder)!r})))
doctor.upgrade({url!r}, backups=Path({str(tmp_path / "copies")!r}), wall=lambda: 1.7e9, revisions=later)
"""
    child = start(code)
    assert child.stdout
    try:
        seen = any("half way" in line for line in child.stdout)
    finally:
        child.kill()
        child.communicate()
    with closing(sqlite3.connect(sqlite_file)) as connection:
        half_way = connection.execute("SELECT count(*) FROM runs").fetchall()

    async with new_history(url) as history:
        runs = await history.runs()

    assert seen
    assert half_way == [(0,)]
    assert [run.run_id for run in runs] == ["r1"]
    assert "cut short" in troubles[0][0]
    assert doctor.current(url).position == "current"


class _Clock:
    def wall(self) -> float:
        return 1.0

    def monotonic(self) -> float:
        return 1.0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError(seconds)
