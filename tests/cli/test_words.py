"""Lengths of time as people type them, and what a terminal gets to see."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.terminal import Terminal, plain
from app.cli.words import seconds_of
from app.domain.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("0.5h", 1800), (" 1H ", 3600)],
)
def test_lengths_of_time_are_understood(text: str, seconds: float) -> None:
    """Units may be put together."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "-5m", "5 m", "0s", "400d", "1e3s", "30m!", "999999999999d", "nan"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    """A number without its unit could mean anything."""
    with pytest.raises(UsageError) as caught:
        seconds_of(text)

    assert "30m" in caught.value.hint


@given(st.text(max_size=20))
def test_any_text_is_a_length_of_time_or_refused(text: str) -> None:
    """Nothing else is raised, and no length is zero or endless."""
    try:
        seconds = seconds_of(text)
    except UsageError:
        return

    assert 0 < seconds <= 366 * 86_400


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Tty(), {"TERM": "xterm"}, True),
        (Tty(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Tty(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Tty(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_only_where_it_is_wanted(stream: io.StringIO, environ: dict[str, str], *, coloured: bool) -> None:
    """NO_COLOR, a dumb terminal and a pipe get plain text."""
    terminal = Terminal(stream, io.StringIO(), {**environ, "WT_SESSION": "1"})

    assert ("\x1b" in terminal.paint("x", "red")) is coloured
    assert terminal.paint("x") == "x"


def test_a_passing_line_is_wiped_and_cut() -> None:
    """It never takes a second line, and the next line of data stands in its place."""
    out = Tty()
    terminal = Terminal(out, io.StringIO(), {"TERM": "xterm", "WT_SESSION": "1", "NO_COLOR": "1"})

    terminal.pass_by("x" * 1000)
    terminal.say("done")

    first, second = out.getvalue().split("\r\x1b[K")[1:]
    assert first == "x" * len(first)
    assert len(first) < 1000
    assert second == "done\n"


def test_a_pipe_gets_no_passing_line() -> None:
    """What cannot be written again is left out."""
    out = io.StringIO()

    Terminal(out, io.StringIO(), {"TERM": "xterm"}).pass_by("x")

    assert out.getvalue() == ""


@given(st.text())
def test_no_control_character_gets_through(text: str) -> None:
    """What a test is called cannot move the cursor or set the title."""
    shown = plain(text)

    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert plain(shown) == shown
