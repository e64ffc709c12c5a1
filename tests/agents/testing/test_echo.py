"""Echo and inbox: what tests write themselves, and what waits for the next run."""

from __future__ import annotations

from typing import Any

from app.agents.testing.echo import ECHO_S, HOLD_AFTER, HOLD_LONGEST_S, Echo
from app.agents.testing.inbox import Inbox
from app.domain.verdicts import Cause, CauseKind


def test_what_the_tests_wrote_is_theirs_for_a_while(fake_clock: Any) -> None:
    """A change of such a file counts again when it comes later than a batch can be late."""
    echo = Echo(fake_clock)

    echo.ended(["out.txt"])
    soon = set(echo.own())
    fake_clock.advance(ECHO_S + 0.1)

    assert soon == {"out.txt"}
    assert not echo.own()


def test_runs_that_start_themselves_are_held_apart_and_never_stopped(fake_clock: Any) -> None:
    """The same file alone, each time right after the last run: the next runs wait, up to a bound."""
    echo = Echo(fake_clock)
    holds = []
    for _ in range(12):
        echo.began(("out.txt",))
        holds.append(echo.hold_s)
        echo.ended([])
        fake_clock.advance(0.1)

    assert holds[:HOLD_AFTER] == [0.0] * HOLD_AFTER
    assert 0 < holds[HOLD_AFTER] < holds[-1] == HOLD_LONGEST_S
    assert echo.suspects == ("out.txt",)


def test_a_person_who_saves_at_leisure_is_not_held(fake_clock: Any) -> None:
    """Saves of one file that come later than an echo are a person's."""
    echo = Echo(fake_clock)
    for _ in range(12):
        echo.began(("a.py",))
        echo.ended([])
        fake_clock.advance(ECHO_S + 1)

    assert echo.hold_s == 0.0
    assert not echo.suspects


def test_the_inbox_gives_all_reasons_once() -> None:
    """A cause holds each changed file once, in order; then the inbox is empty."""
    inbox = Inbox()
    inbox.wish(CauseKind.REQUEST)
    inbox.saved(["b.py", "a.py", "b.py"])

    cause = inbox.take()

    assert cause == Cause(CauseKind.SAVE, ("b.py", "a.py"))
    assert not inbox.has_work


def test_what_a_cancelled_run_was_for_comes_first_in_the_next() -> None:
    """Changes that had no verdict are not forgotten."""
    inbox = Inbox()
    inbox.saved(["new.py"])

    inbox.give_back(Cause(CauseKind.SAVE, ("old.py",)))

    assert inbox.take().paths == ("old.py", "new.py")


def test_a_cancel_is_for_the_run_that_goes_on_alone() -> None:
    """Once taken, or once a new run took the inbox, it is over."""
    inbox = Inbox()
    inbox.cancel()
    inbox.take()

    assert not inbox.take_cancel()
