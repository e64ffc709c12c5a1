"""Patience: blocking work is waited for so long, hanging work takes one thread, and it goes on once it answers."""

from __future__ import annotations

import threading
import time

import pytest

from app.engine.patience import Patience


def test_what_is_done_in_time_is_returned() -> None:
    """From a thread that has the name."""
    patience = Patience("a-test", 5.0)

    assert patience.do(lambda: threading.current_thread().name) == "a-test-0"


def test_an_error_of_the_work_is_the_callers() -> None:
    """Also where it is a TimeoutError of its own, after which the next piece is begun."""
    patience = Patience("a-test", 5.0)

    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        patience.do(fail)
    assert patience.do(lambda: 7) == 7


def test_hanging_work_is_given_up_once_and_takes_one_thread() -> None:
    """Twenty callers are told at once while it hangs; when it answers, the next piece is done."""
    patience, answers = Patience("hangs", 0.2), threading.Event()
    with pytest.raises(TimeoutError):
        patience.do(answers.wait)

    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(TimeoutError):
            patience.do(lambda: 7)
    took_s = time.monotonic() - began
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("hangs")]
    answers.set()
    deadline = time.monotonic() + 5.0
    answer = 0
    while not answer and time.monotonic() < deadline:
        try:
            answer = patience.do(lambda: 7)
        except TimeoutError:
            continue

    assert took_s < 0.2
    assert names == ["hangs-0"]
    assert answer == 7
