"""What is kept of a long output: whole lines of its end, so that no half of a secret stays."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app.domain.events import RunFinished
from app.domain.verdicts import Outcome, TestResult, Verdict
from app.store.database import Database
from app.store.recording import OUTPUT_CAP
from app.store.schema import runs
from app.store.values import LEFT_OUT, ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.store.history import History
    from tests.store.conftest import Story

KEY = "-----BEGIN RSA PRIVATE KEY-----\nbody-one\nbody-two\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("text", "cap", "kept"),
    [
        pytest.param("ab\ncd\n", 6, "ab\ncd\n", id="all of it"),
        pytest.param("ab\ncd\n", 5, "cd\n", id="a line whose first sign does not fit"),
        pytest.param("ab\ncd\n", 4, "cd\n", id="the newline before it"),
        pytest.param("ab\ncd\n", 3, "cd\n", id="just the line"),
        pytest.param("ab\ncd\n", 2, LEFT_OUT, id="a line that is too long"),
        pytest.param("ab\ncd", 1, LEFT_OUT, id="without an end"),
        pytest.param("password=hunter2\r\nE\n", 12, "E\n", id="CR and LF"),
        pytest.param("x" * 50 + "\n\n \n", 10, LEFT_OUT, id="nothing but blanks behind it"),
        pytest.param(f"{KEY}E   assert\n", 50, "E   assert\n", id="the rest of a key"),
        pytest.param(f"text\n{KEY}E\n", len(KEY) + 3, f"{KEY}E\n", id="a whole key"),
        pytest.param(f"{KEY}{KEY}E\n", len(KEY) + 20, f"{KEY}E\n", id="the rest of one, and another"),
    ],
)
def test_a_cut_is_made_at_the_beginning_of_a_line(text: str, cap: int, kept: str) -> None:
    """The end stays, in whole lines; neither the rest of a line nor that of a private key is kept."""
    assert ending(text, cap) == kept


@given(st.text(alphabet="ab\n", max_size=60), st.integers(1, 60))
def test_what_is_kept_are_the_last_lines(text: str, cap: int) -> None:
    """Whatever the text is, it is no longer than it may be and begins where a line begins."""
    kept = ending(text, cap)

    if kept != LEFT_OUT:
        assert len(kept) <= cap
        assert f"\n{text}".endswith(f"\n{kept}")


async def test_no_half_of_a_secret_is_kept(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """A long output of a test is cut behind the line that holds the secret, and never within it."""
    rest = "r" * (OUTPUT_CAP - 10) + "\n"
    result = TestResult("t::a", Outcome.FAILED, 0.1, f"begin\npassword=hunter2hunter2\n{rest}")
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", result))

        detail = await history.test(story.project, "t::a")

    assert detail.output == rest


async def test_what_a_run_printed_is_cut_in_the_same_way(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """The output of a whole run begins with a whole line as well."""
    rest = "r" * (OUTPUT_CAP - 10) + "\n"
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", Outcome.PASSED), finished=False))
        history.record(
            RunFinished(
                at=5.0,
                project=story.project,
                run_id="r1",
                verdict=Verdict.RED,
                duration_s=1.0,
                output=f"password=hunter2hunter2\n{rest}",
            )
        )
        await history.flush()

    with closing(Database(database_url)) as database, database.reading() as connection:
        (printed,) = connection.scalars(select(runs.c.output)).all()
    assert printed == rest
