"""A password in the address of the history shows up nowhere: no message, log line, repr or traceback."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
import structlog

from app.domain.errors import StoreError
from app.store import doctor
from app.store.database import Database
from app.store.location import Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.store.history import History
    from tests.store.conftest import Story, Troubles

POSTGRES = os.environ.get("WATCHKEEPER_TEST_POSTGRES")
CANARY = "c@n/ary:77%x"
WRITTEN = quote(CANARY, safe="")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine on which nothing listens, for as long as the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def shows(secret: str, *texts: object) -> bool:
    return any(secret in str(text) or secret in repr(text) for text in texts)


def addresses(port: int) -> dict[str, str]:
    """Addresses that fail, each in its own way."""
    return {
        "nobody listens": f"postgresql://me:{WRITTEN}@127.0.0.1:{port}/name",
        "password as an option": f"postgresql://127.0.0.1:{port}/name?user=me&password={WRITTEN}",
        "unknown option": f"postgresql://me:{WRITTEN}@127.0.0.1:{port}/name?nonsense=1",
        "port is no number": f"postgresql://me:{WRITTEN}@127.0.0.1:port/name",
        "unquoted password": f"postgresql://me:{CANARY}@127.0.0.1:{port}/name",
        "no such host": f"postgresql://me:{WRITTEN}@nowhere.invalid/name",
        "unclosed bracket": f"postgresql://me:{WRITTEN}@[::1/name",
        "another database": f"mysql://me:{WRITTEN}@127.0.0.1/name",
    }


@pytest.mark.parametrize("kind", list(addresses(0)))
async def test_no_failure_to_open_shows_the_password(
    kind: str, closed_port: int, new_history: Callable[..., History], troubles: Troubles, story: Story
) -> None:
    """Whatever is wrong with the address or the server, what people and logs are told leaves the password out."""
    url = addresses(closed_port)[kind]

    with structlog.testing.capture_logs() as logged:
        async with new_history(url, close_s=1.5) as history:
            story.record(history, story.run("r1"))
            with pytest.raises(StoreError) as raised:
                await history.runs()
    told = "".join(traceback.format_exception(raised.value))

    assert troubles
    for secret in (CANARY, WRITTEN):
        assert not shows(secret, troubles, logged, told, history, raised.value.hint)


@pytest.mark.parametrize("kind", list(addresses(0)))
def test_no_failure_of_the_doctor_shows_the_password(kind: str, closed_port: int) -> None:
    """The doctor's messages leave the password out too."""
    url = addresses(closed_port)[kind]

    for ask in (doctor.current, doctor.describe, doctor.history):
        with pytest.raises(StoreError) as raised:
            ask(url)
        told = "".join(traceback.format_exception(raised.value))
        for secret in (CANARY, WRITTEN):
            assert not shows(secret, told, raised.value.message, raised.value.hint)


async def test_a_missing_driver_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, new_history: Callable[..., History], troubles: Troubles
) -> None:
    """Without psycopg the message says what to install, and shows no password."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    async with new_history(f"postgresql://me:{WRITTEN}@127.0.0.1/name") as history:
        with pytest.raises(StoreError, match="psycopg is not installed") as raised:
            await history.runs()

    assert "pip install" in raised.value.hint
    assert "psycopg" in raised.value.hint
    assert not shows(WRITTEN, troubles, raised.value)


def test_reprs_show_no_password() -> None:
    """Neither the database nor its engine shows the password."""
    database = Database(f"postgresql://me:{WRITTEN}@127.0.0.1/name")

    assert not shows(WRITTEN, database, database.engine, database.engine.url, Opening("x", None, lambda: 0.0))
    database.close()


if POSTGRES:

    @pytest.mark.postgres
    async def test_a_wrong_password_is_not_shown(new_history: Callable[..., History], troubles: Troubles) -> None:
        """A real server that refuses the password does not bring it into the message."""
        server = urlsplit(POSTGRES)
        url = f"postgresql://watchkeeper:{WRITTEN}@{server.hostname}:{server.port}/postgres"

        async with new_history(url, close_s=1.5) as history:
            with pytest.raises(StoreError, match="password authentication failed") as raised:
                await history.runs()

        assert not shows(WRITTEN, troubles, raised.value)
        assert not shows(CANARY, troubles, raised.value)

    @pytest.mark.postgres
    async def test_a_statement_that_is_refused_shows_no_password(new_history: Callable[..., History]) -> None:
        """An error of the server's own does not bring the password into the message."""
        password = urlsplit(POSTGRES).password or "-"
        async with new_history(POSTGRES) as history:
            with pytest.raises(StoreError) as raised:
                await history._answer(lambda queries: queries._connection.exec_driver_sql("SELECT nonsense"))

        assert not shows(password, raised.value)
