"""Times and numbers in words."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.terminal import Terminal, plain
from app.cli.words import ago, clock_time, count, duration, seconds_of
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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.312, "0.31 s"),
        (12.4, "12 s"),
        (180, "3 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (400_000, "4 d"),
        (-3, "0.00 s"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    """As exact as a person needs."""
    assert duration(seconds) == text


def test_ages_and_counts_are_in_words() -> None:
    """A clock that went back reads as just now."""
    assert (ago(100, 50), ago(100, 101), ago(100, 280)) == ("just now", "just now", "3 min ago")
    assert (count(1, "test"), count(2, "test"), count(0, "is", "are")) == ("1 test", "2 tests", "0 are")


def test_a_time_of_another_day_has_its_date() -> None:
    """Within the day the time alone is enough."""
    noon = time.mktime((2026, 5, 4, 12, 30, 0, 0, 0, -1))

    assert clock_time(noon, noon + 60) == "12:30"
    assert clock_time(noon, noon + 86_400 * 2) == "2026-05-04 12:30"


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


@given(st.text())
def test_no_control_character_gets_through(text: str) -> None:
    """What a test is called cannot move the cursor or set the title."""
    shown = plain(text)

    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert plain(shown) == shown
