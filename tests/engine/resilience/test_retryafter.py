"""What a service asks for with Retry-After is understood, bounded, and never an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.resilience.retryafter import LONGEST_WAIT_S, asked_wait

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("37", 37.0),
        (" 0.5 ", 0.5),
        ("-3", 0.0),
        ("9" * 30, LONGEST_WAIT_S),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:14:20", 60.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1e999", None),
        ("Tue, 14 Nov 2023 22:14:20 +99999999999999999999", None),
    ],
)
def test_seconds_and_dates_are_understood(said: str, seconds: float | None) -> None:
    """Each form of RFC 9110 gives seconds up to a day, and what is none of them gives nothing."""
    assert asked_wait(said, NOW) == seconds


@given(st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, \d{1,9} [A-Z][a-z]{2} \d{1,30} \d\d:\d\d:\d\d [+-]\d{1,30}\Z"))
def test_nothing_that_a_service_writes_is_an_error(said: str) -> None:
    """It is seconds between none and a day, or nothing."""
    seconds = asked_wait(said, NOW)

    assert seconds is None or 0.0 <= seconds <= LONGEST_WAIT_S
