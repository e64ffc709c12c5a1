"""Where a history lies, and that no secret of its address is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import StoreError
from app.store.database import masked
from app.store.location import Opening, history_url, scrub, sqlite_path, sqlite_url

if TYPE_CHECKING:
    from pathlib import Path


def test_a_history_lies_in_the_data_folder(tmp_path: Path) -> None:
    """Without DATABASE_URL the history is a file of the data folder."""
    url = history_url({}, tmp_path)

    assert sqlite_path(url) == tmp_path / "history.sqlite3"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_database_url_is_taken(tmp_path: Path, scheme: str) -> None:
    """DATABASE_URL selects PostgreSQL, under each name it goes by."""
    url = f"{scheme}://me:secret@db/name"

    assert history_url({"DATABASE_URL": url}, tmp_path) == url


@pytest.mark.parametrize("url", ["sqlite:///db.sqlite3", "mysql://me@db/name", "  ", "nonsense"])
def test_a_database_url_of_the_watched_project_is_left_alone(tmp_path: Path, url: str) -> None:
    """A DATABASE_URL that names no PostgreSQL belongs to somebody else."""
    assert history_url({"DATABASE_URL": url}, tmp_path) == sqlite_url(tmp_path / "history.sqlite3")


@pytest.mark.parametrize(
    "name", ["plain", "with space", "question?mark", "hash#tag", "per%20cent", "umläut", "at@sign"]
)
def test_any_file_name_survives_the_address(tmp_path: Path, name: str) -> None:
    """A file's name is kept as it is, whatever a URL would make of it."""
    path = tmp_path / name / "history.sqlite3"

    assert sqlite_path(sqlite_url(path)) == path


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///"])
def test_a_history_needs_a_file(url: str) -> None:
    """An SQLite address without a file is refused with a word on how to write it."""
    with pytest.raises(StoreError, match="names no file"):
        sqlite_path(url)


PASSWORDS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=6).map(lambda text: f"S3{text}")


@given(PASSWORDS)
def test_a_password_is_cut_out_of_any_text(password: str) -> None:
    """Neither the password as written in the address nor the one it stands for is left in a text."""
    written = quote(password, safe="")
    url = f"postgresql://me:{written}@db:5432/name"

    text = scrub(f"cannot reach {url}: password {password!s} of me is wrong", url)

    assert written not in text
    assert password not in text


@given(PASSWORDS)
def test_a_masked_address_shows_no_password(password: str) -> None:
    """The masked address shows a password neither before the host nor among the options."""
    written = quote(password, safe="")

    assert written not in masked(f"postgresql://me:{written}@db:5432/name")
    assert written not in masked(f"postgresql://db/name?user=me&password={written}&sslpassword={written}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:can@ry:x/y@db/name",
        "postgresql://me:can@ry:x/y@[bad/name",
        "postgresql://me:can@ry:x/y@db:port/n",
    ],
)
def test_a_malformed_address_shows_no_password(url: str) -> None:
    """What cannot be parsed is masked all the same."""
    assert "ry:x/y" not in masked(url)


def test_an_opening_shows_no_address() -> None:
    """The repr of an opening leaves the address out."""
    opening = Opening("postgresql://me:canary@db/name", None, lambda: 0.0)

    assert "canary" not in repr(opening)
