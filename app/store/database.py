"""The one place where SQLAlchemy's engine is built and its errors become Watchkeeper's own."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from app.domain.errors import StoreError
from app.store.faults import FREE_SPACE, SEE_LOG, Fault, Remedy, of_sqlite
from app.store.location import is_postgres, scrub, sqlite_path
from app.store.schema import POSTGRES_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

BUSY_S = 1.0
"""SQLite itself waits so long for a lock; beyond that the writer tries again, and answers questions in between."""
JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024
_CONNECT_S = 5
_WRITES = "watchkeeper_writes"
_DISK_FULL = "53100"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRY_AGAIN = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock not available
_AWAY = ("08", "53", "57", "28", "3D")
"""SQLSTATE classes of a server that is out of reach, out of means, shutting down, or that does not let us in."""


def masked(url: str) -> str:
    """Return the address as people may see it: a file's path, or a URL without any password."""
    if path := sqlite_path(url):
        return str(path)
    try:
        parts = make_url(url)
        hidden = {key: "***" for key in parts.query if "pass" in key.lower()}
        return parts.update_query_dict(hidden).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return scrub(url, url)


class Database:
    """An engine, and ways to read and write that raise `Fault` instead of SQLAlchemy's errors.

    Belongs to the thread that made it.

    Args:
        url: Where the database is; may carry a password, and is never shown.
        read_only: Refuse every change.
        plain: For migrations: foreign keys are not enforced, since tables are copied and swapped.
    """

    def __init__(self, url: str, *, read_only: bool = False, plain: bool = False) -> None:
        self._url = url
        self.name = masked(url)
        self.path = sqlite_path(url)
        self.engine = _sqlite(self.path, read_only=read_only, plain=plain) if self.path else _postgres(url, self.name)
        self._writing = self.engine.execution_options(**{_WRITES: True})

    def __repr__(self) -> str:
        """Return the masked address."""
        return f"<Database {self.name}>"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection in a transaction of its own, which is rolled back.

        Raises:
            Fault: The database could not do it.
        """
        with self.translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction of its own, which is committed, or rolled back on any error.

        Raises:
            Fault: The database could not do it.
        """
        with self.translated(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of SQLAlchemy, and of the drivers below it, into Fault; no secret survives in it.

        The cause is cut off on purpose: a driver's own error may quote the whole address.
        """
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise self._fault(error) from None

    def release_pages(self, count: int) -> None:
        """Give up to `count` unused pages of an SQLite file back to the file system.

        Raises:
            Fault: The database could not do it.
        """
        # Each page is one step of a statement without rows, of which Python 3.11's execute() takes the first only.
        with self.translated(), closing(self.engine.raw_connection()) as connection:
            driver: Any = connection.driver_connection
            driver.executescript(f"PRAGMA incremental_vacuum({int(count)})")

    def close(self) -> None:
        """Close all connections; the last one to leave an SQLite file folds its log into it."""
        self.engine.dispose()

    def _fault(self, error: SQLAlchemyError | sqlite3.Error | OSError) -> Fault:
        origin = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(origin, sqlite3.Error | OSError):
            return of_sqlite(origin, self.name)
        said = scrub(str(origin).strip().partition("\n")[0], self._url)
        state = getattr(origin, "sqlstate", None) or ""
        if state == _DISK_FULL:
            return Fault(f"The history {self.name} cannot be written: {said}.", FREE_SPACE, remedy=Remedy.RETRY)
        if state in _TRY_AGAIN:
            hint = "End the session that holds it."
            return Fault(f"The history {self.name} is held by another session: {said}.", hint, remedy=Remedy.WAIT)
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        # A connection that was never made has no SQLSTATE.
        kinds = {kind.__name__ for kind in type(origin).__mro__}
        if lost or state[:2] in _AWAY or (not state and kinds & {"OperationalError", "InterfaceError"}):
            hint = "Check that the server runs, and the address in DATABASE_URL."
            return Fault(f"The history {self.name} is out of reach: {said}.", hint, remedy=Remedy.RETRY)
        return Fault(f"The history {self.name} refused a statement: {said}.", SEE_LOG, remedy=Remedy.SKIP)


def _sqlite(path: Path, *, read_only: bool, plain: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        # mode=rw: a file that is gone must be noticed, not silently made anew.
        address = f"file:{quote(path.absolute().as_posix())}?mode={'ro' if read_only else 'rw'}"
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_S)
        # The driver's own transactions neither cover DDL nor take the write lock at their start.
        connection.isolation_level = None
        try:
            connection.execute(f"PRAGMA foreign_keys = {'OFF' if plain else 'ON'}")
            connection.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
            if not read_only:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=connect,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later can be refused at once when another process wrote in between.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: str, name: str) -> Engine:
    if not is_postgres(url):
        raise StoreError(f"{name} is neither an SQLite nor a PostgreSQL address.", "Correct DATABASE_URL, or unset it.")
    try:
        address = make_url(url).set(drivername="postgresql+psycopg")
        engine = create_engine(
            address,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
            connect_args={"connect_timeout": _CONNECT_S, "application_name": "watchkeeper"},
        )
    except ImportError:
        raise Fault(
            "DATABASE_URL names a PostgreSQL server, but its driver psycopg is not installed.",
            f'Run: "{sys.executable}" -m pip install "psycopg[binary]", or unset DATABASE_URL.',
            remedy=Remedy.GIVE_UP,
        ) from None
    except (ArgumentError, NoSuchModuleError, ValueError, TypeError):
        raise Fault(
            f"The address {name} is not understood.",
            "Write DATABASE_URL as postgresql://user:password@host:port/database.",
            remedy=Remedy.GIVE_UP,
        ) from None

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection has no common type
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {POSTGRES_SCHEMA}")
        connection.commit()

    return engine


def tables_of(connection: Connection) -> frozenset[str]:
    """Return the names of the tables that are there, in our own schema where the database has such."""
    if connection.dialect.name == "sqlite":
        query = text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        return frozenset(connection.scalars(query))
    query = text("SELECT table_name FROM information_schema.tables WHERE table_schema = :schema")
    return frozenset(connection.scalars(query, {"schema": POSTGRES_SCHEMA}))
